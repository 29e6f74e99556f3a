//! POSIX message queues: the system calls themselves. The C library takes the slash off a name and
//! refuses one without, which is done here in its place; all else it hands down as it is.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::{Do, Word};
use scenario::{Arg, Program, Sys, Value};

/// Whether a call names a queue.
pub(crate) fn names_queue(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::MqOpen | Sys::MqOpenAttr | Sys::MqOpenRaw | Sys::MqUnlink
    )
}

/// The name that the system call gets, of a name as the library takes it.
fn below(name: &str) -> Option<&str> {
    name.strip_prefix('/')
}

/// Makes a call whose first argument is a name. One that the library refuses makes none.
fn named(c: &mut Call, plan: impl FnOnce(Word) -> Plan) -> Result<Plan, Unsupported> {
    let Value::Path(name) = c.known(0)?.clone() else {
        return Err(Unsupported("the name of a queue is a string".into()));
    };
    Ok(match below(&name) {
        Some(name) => plan(Word::Const(c.build.string(name.as_bytes())? as u64)),
        None => Plan::new(libc::SYS_getpid, []).how(Do::Means(-i64::from(libc::EINVAL))),
    })
}

/// `mq_open(name, flags, mode, NULL)`.
pub(crate) fn open(c: &mut Call) -> Result<Plan, Unsupported> {
    let (flags, mode) = (c.word(1)?, c.word(2)?);
    named(c, |name| {
        Plan::new(libc::SYS_mq_open, [name, flags, mode, Word::Const(0)])
    })
}

/// `mq_open(name, flags, mode, &attributes)`.
pub(crate) fn open_attr(c: &mut Call) -> Result<Plan, Unsupported> {
    let (flags, mode) = (c.word(1)?, c.word(2)?);
    let numbers = [5, 3, 4, 6].map(|at| c.known_number(at));
    let attr = attributes(c, numbers)?;
    named(c, |name| {
        Plan::new(libc::SYS_mq_open, [name, flags, mode, attr])
    })
}

/// `struct mq_attr` with these flags, most messages, size and number of messages.
fn attributes(c: &mut Call, numbers: [Result<i64, Unsupported>; 4]) -> Result<Word, Unsupported> {
    let [flags, most, size, count] = numbers;
    let attr = c.build.put(&[flags?, most?, size?, count?, 0, 0, 0, 0])?;
    Ok(Word::Const(attr as u64))
}

/// `mq_open` below the library.
pub(crate) fn open_raw(c: &mut Call) -> Result<Plan, Unsupported> {
    let name = c.path(0)?;
    let attr = match c.known(3)? {
        Value::Int(0) => Word::Const(0),
        _ => c.bytes(3)?.0,
    };
    let args = [name, c.word(1)?, c.word(2)?, attr];
    Ok(Plan::new(libc::SYS_mq_open, args))
}

/// `mq_unlink(name)`. The library turns EPERM into EACCES; the kernel's own answer is given here.
pub(crate) fn unlink(c: &mut Call) -> Result<Plan, Unsupported> {
    named(c, |name| Plan::new(libc::SYS_mq_unlink, [name]))
}

/// The deadline of a call: where it lies, and how it comes there.
struct Deadline {
    at: Word,
    how: Do,
}

fn no_limit() -> Deadline {
    Deadline {
        at: Word::Const(0),
        how: Do::Call,
    }
}

fn deadline(c: &mut Call, i: usize) -> Result<Deadline, Unsupported> {
    let (at, how) = match c.sys {
        Sys::MqSend | Sys::MqReceive | Sys::MqReceiveTo => return Ok(no_limit()),
        Sys::MqTimedSend | Sys::MqTimedReceive => {
            let at = c.build.zeroed(16)?;
            let milliseconds = c.known_number(i)?;
            (at, Do::Within { at, milliseconds })
        }
        Sys::MqTimedSendAt | Sys::MqTimedReceiveAt => {
            let time = [c.known_number(i)?, c.known_number(i + 1)?];
            (c.build.put(&time)?, Do::Call)
        }
        _ => {
            let at = c.bytes(i)?.0;
            return Ok(Deadline { at, how: Do::Call });
        }
    };
    Ok(Deadline {
        at: Word::Const(at as u64),
        how,
    })
}

/// `mq_timedsend(fd, data, count, priority, deadline)`; without a deadline it is `mq_send`.
pub(crate) fn send(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, count) = c.bytes(1)?;
    let deadline = deadline(c, 3)?;
    let args = [c.word(0)?, at, count, c.word(2)?, deadline.at];
    Ok(Plan::new(libc::SYS_mq_timedsend, args).how(deadline.how))
}

/// `mq_timedreceive(fd, buffer, count, &priority, deadline)`.
pub(crate) fn receive(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, count, piece) = c.room(1)?;
    let own = c.build.zeroed(8)?;
    let priority = match c.sys {
        Sys::MqReceiveTo => c.bytes(2)?.0,
        _ => Word::Const(own as u64),
    };
    let deadline = deadline(c, 2)?;
    let args = [c.word(0)?, at, count, priority, deadline.at];
    let plan = Plan::new(libc::SYS_mq_timedreceive, args).how(deadline.how);
    Ok(plan.gives(Decode::QueueMessage(piece, own)))
}

/// `mq_getsetattr(fd, NULL, &old)`.
pub(crate) fn get_attributes(c: &mut Call) -> Result<Plan, Unsupported> {
    let old = c.build.zeroed(64)?;
    let args = [c.word(0)?, Word::Const(0), Word::Const(old as u64)];
    Ok(Plan::new(libc::SYS_mq_getsetattr, args).gives(Decode::QueueAttributes(old)))
}

/// `mq_getsetattr(fd, &new, &old)`.
pub(crate) fn set_attributes(c: &mut Call) -> Result<Plan, Unsupported> {
    if c.sys == Sys::MqSetattrTo {
        let flags = c.known_number(1);
        let new = attributes(c, [flags, Ok(0), Ok(0), Ok(0)])?;
        let args = [c.word(0)?, new, c.bytes(2)?.0];
        return Ok(Plan::new(libc::SYS_mq_getsetattr, args));
    }
    let numbers = [1, 2, 3, 4].map(|at| c.known_number(at));
    let new = attributes(c, numbers)?;
    let old = c.build.zeroed(64)?;
    let args = [c.word(0)?, new, Word::Const(old as u64)];
    Ok(Plan::new(libc::SYS_mq_getsetattr, args).gives(Decode::QueueAttributes(old)))
}

/// `mq_notify(fd, event)`.
pub(crate) fn notify(c: &mut Call) -> Result<Plan, Unsupported> {
    let (method, signal) = match c.sys {
        Sys::MqNotifyNone => (libc::SIGEV_NONE, 0),
        Sys::MqNotifySignal => (libc::SIGEV_SIGNAL, c.known_number(1)? as i32),
        Sys::MqNotifyNumber => (c.known_number(1)? as i32, c.known_number(2)? as i32),
        sys => {
            let event = match sys {
                Sys::MqNotifyFault => c.bytes(1)?.0,
                _ => Word::Const(0),
            };
            return Ok(Plan::new(libc::SYS_mq_notify, [c.word(0)?, event]));
        }
    };
    // `struct sigevent`: a value of 8 bytes, the signal, the method, and room.
    let mut event = [0u32; 16];
    (event[2], event[3]) = (signal as u32, method as u32);
    let event = c.build.put(&event)?;
    let args = [c.word(0)?, Word::Const(event as u64)];
    Ok(Plan::new(libc::SYS_mq_notify, args))
}

/// Removes the queues that a run of the program may have left.
pub(crate) fn sweep(program: &Program) {
    let stmts = program.tasks.iter().flat_map(|t| &t.body);
    for stmt in stmts.filter(|s| names_queue(s.sys)) {
        let name = match stmt.args.first() {
            Some(Arg::Value(Value::Path(name))) => below(name).map(|n| n.as_bytes().to_vec()),
            Some(Arg::Value(Value::Data(data))) => Some(data.to_vec()),
            _ => None,
        };
        if let Some(name) = name.and_then(|n| std::ffi::CString::new(n).ok()) {
            // SAFETY: the name is valid; one that is gone is an error that does not matter.
            unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_refuses_the_names_that_are_refused_here() {
        for name in [c"x", c"", c"x/y", c"."] {
            // SAFETY: the names are valid; no flag asks for more arguments.
            let opened = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDONLY) };
            let error = std::io::Error::last_os_error().raw_os_error();
            assert_eq!((opened, error), (-1, Some(libc::EINVAL)), "{name:?}");
            // SAFETY: as above.
            let removed = unsafe { libc::mq_unlink(name.as_ptr()) };
            let error = std::io::Error::last_os_error().raw_os_error();
            assert_eq!((removed, error), (-1, Some(libc::EINVAL)), "{name:?}");
            assert_eq!(below(name.to_str().expect("ASCII")), None);
        }
    }
}
