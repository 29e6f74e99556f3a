//! System V message queues.
//!
//! A run has an IPC namespace of its own, so that its ids begin at 0 and no queue outlives it.

use crate::compile::{Call, OUTSIDE, Plan, Unsupported};
use crate::decode::{Decode, World};
use crate::op::{Store, Word};
use scenario::{BadMemory, Bits, Data, Fault, Sys, Value};

/// `struct msgbuf` begins with the type, a long.
const TYPE: usize = 8;
/// Commands that the C library has no names for.
pub(crate) const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
pub(crate) const MSG_STAT_ANY: i32 = 13;

/// Whether a call makes, finds or uses System V objects.
pub(crate) fn is_one(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::MsgGet
            | Sys::MsgSend
            | Sys::MsgReceive
            | Sys::MsgStat
            | Sys::MsgTimes
            | Sys::MsgSet
            | Sys::MsgRemove
            | Sys::MsgStatSlot
            | Sys::MsgStatAny
            | Sys::MsgLimits
            | Sys::MsgTotals
            | Sys::MsgControlNumber
    )
}

/// Puts this process, and those that it starts, into a fresh IPC namespace.
pub(crate) fn fresh_namespace() -> std::io::Result<()> {
    // SAFETY: the number that the call takes.
    match unsafe { libc::unshare(libc::CLONE_NEWIPC) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// `msgsnd(id, {type, text}, length, flags)`.
pub(crate) fn send(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, len) = match c.known(2)?.clone() {
        Value::Data(text) => {
            let at = c.build.zeroed(TYPE)?;
            // Side by side: a heap that hands out multiples of the alignment leaves no gap.
            let bytes = text.to_vec();
            let text_at = c.build.put(&bytes)?;
            if text_at != at + TYPE && !bytes.is_empty() {
                return Err(Unsupported("a message's type and text lie apart".into()));
            }
            (at, bytes.len() as i64)
        }
        Value::Memory(memory) if memory.fault == Fault::Unmapped => {
            let valid = Data::repeat(0, TYPE).concat(&memory.valid);
            let at = c.build.bad(&BadMemory { valid, ..memory })?;
            (at, memory.count)
        }
        Value::Memory(memory) => {
            let at = c.build.bad(&memory)?;
            let args = [
                c.word(0)?,
                Word::Const(at as u64),
                Word::from(memory.count),
                c.word(3)?,
            ];
            return Ok(Plan::new(libc::SYS_msgsnd, args));
        }
        other => return Err(Unsupported(format!("`{other}` is not bytes"))),
    };
    let kind = c.word(1)?;
    let upper = match kind {
        Word::Const(n) => Word::Const(n >> 32),
        Word::Cell(v) => Word::Upper(v),
        _ => return Err(Unsupported("a message's type is a number".into())),
    };
    let stores = vec![
        Store { at, word: kind },
        Store {
            at: at + 4,
            word: upper,
        },
    ];
    let args = [
        c.word(0)?,
        Word::Const(at as u64),
        Word::from(len),
        c.word(3)?,
    ];
    Ok(Plan {
        stores,
        ..Plan::new(libc::SYS_msgsnd, args)
    })
}

/// `msgrcv(id, buffer, size, type, flags)`.
pub(crate) fn receive(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, size, room) = match c.known(1)?.clone() {
        Value::Memory(memory) if memory.fault == Fault::Unmapped => {
            let room = memory.valid.len() as u64;
            let valid = Data::repeat(0, TYPE).concat(&memory.valid);
            let at = c.build.bad(&BadMemory { valid, ..memory })?;
            (at, memory.count, room)
        }
        Value::Memory(memory) => (c.build.bad(&memory)?, memory.count, 0),
        value => {
            let size = value
                .number()
                .ok_or_else(|| Unsupported(format!("`{value}` is not a count")))?;
            // No message is longer than msgmax; a negative size is one that no memory has.
            let room = size.clamp(0, 1 << 20);
            let at = c.build.zeroed(TYPE + room as usize)?;
            (at, size, room as u64)
        }
    };
    let args = [
        c.word(0)?,
        Word::Const(at as u64),
        Word::from(size),
        c.word(2)?,
        c.word(3)?,
    ];
    Ok(Plan::new(libc::SYS_msgrcv, args).gives(Decode::Message(at, room)))
}

/// `msgctl` without a buffer that matters: the result is a number.
pub(crate) fn command(c: &mut Call, command: i32) -> Result<Plan, Unsupported> {
    let (plan, _) = with_buffer(c, command)?;
    Ok(plan)
}

/// `msgctl` with a buffer that it may fill.
fn with_buffer(c: &mut Call, command: i32) -> Result<(Plan, usize), Unsupported> {
    let at = c.build.zeroed(size_of::<libc::msqid_ds>())?;
    let args = [
        c.word(0)?,
        Word::from(i64::from(command)),
        Word::Const(at as u64),
    ];
    Ok((Plan::new(libc::SYS_msgctl, args), at))
}

/// `msgctl(id, IPC_STAT)`.
pub(crate) fn status(c: &mut Call) -> Result<Plan, Unsupported> {
    let (plan, at) = with_buffer(c, libc::IPC_STAT)?;
    Ok(plan.gives(Decode::QueueStatus(at)))
}

/// `msgctl(id, IPC_STAT)`: its times.
pub(crate) fn times(c: &mut Call) -> Result<Plan, Unsupported> {
    let (plan, at) = with_buffer(c, libc::IPC_STAT)?;
    Ok(plan.gives(Decode::QueueTimes(at)))
}

/// `msgctl(id, IPC_SET)`. All that the call must ignore is set to something it cannot be.
pub(crate) fn set(c: &mut Call) -> Result<Plan, Unsupported> {
    // SAFETY: a structure of numbers.
    let mut status: libc::msqid_ds = unsafe { std::mem::zeroed() };
    status.msg_perm.uid = c.known_number(1)? as u32;
    status.msg_perm.gid = c.known_number(2)? as u32;
    status.msg_perm.mode = c.known_number(3)? as u16 | 0o7000;
    status.msg_qbytes = c.known_number(4)? as u64;
    (status.msg_perm.cuid, status.msg_perm.cgid) = (77, 77);
    (status.msg_qnum, status.__msg_cbytes) = (77, 77);
    (status.msg_lspid, status.msg_lrpid) = (77, 77);
    let at = c.build.put(&[status])?;
    let args = [
        c.word(0)?,
        Word::from(i64::from(libc::IPC_SET)),
        Word::Const(at as u64),
    ];
    Ok(Plan::new(libc::SYS_msgctl, args))
}

/// `struct msginfo`: its ints, by their places.
const MSGPOOL: usize = 0;
const MSGMAP: usize = 1;
const MSGMAX: usize = 2;
const MSGMNB: usize = 3;
const MSGMNI: usize = 4;
const MSGTQL: usize = 6;

fn info(c: &mut Call, command: i32, fields: [usize; 3]) -> Result<Plan, Unsupported> {
    let (plan, at) = with_buffer(c, command)?;
    Ok(plan.gives(Decode::Ints(fields.map(|n| at + 4 * n).to_vec())))
}

/// `msgctl(id, IPC_INFO)`: the limits.
pub(crate) fn limits(c: &mut Call) -> Result<Plan, Unsupported> {
    info(c, libc::IPC_INFO, [MSGMAX, MSGMNB, MSGMNI])
}

/// `msgctl(id, MSG_INFO)`: queues, messages and bytes, which take the places of other numbers.
pub(crate) fn totals(c: &mut Call) -> Result<Plan, Unsupported> {
    info(c, MSG_INFO, [MSGPOOL, MSGMAP, MSGTQL])
}

/// `msgctl` with a command by its number and a buffer outside memory.
pub(crate) fn by_number(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, c.word(1)?, Word::Const(OUTSIDE as u64)];
    Ok(Plan::new(libc::SYS_msgctl, args))
}

/// What `IPC_STAT` told.
pub(crate) fn status_value(s: &libc::msqid_ds, world: &impl World) -> Value {
    let number = |n: u64| Value::Int(n as i64);
    Value::List(vec![
        Value::Bits(Bits::Mode, u64::from(s.msg_perm.mode)),
        number(s.msg_perm.uid.into()),
        number(s.msg_perm.gid.into()),
        number(s.msg_perm.cuid.into()),
        number(s.msg_perm.cgid.into()),
        number(s.__msg_cbytes),
        number(s.msg_qnum),
        number(s.msg_qbytes),
        world.task(s.msg_lspid),
        world.task(s.msg_lrpid),
    ])
}

/// Which times `IPC_STAT` showed as set.
pub(crate) fn times_value(s: &libc::msqid_ds) -> Value {
    let set = |time: i64| Value::Int(i64::from(time != 0));
    Value::List([s.msg_stime, s.msg_rtime, s.msg_ctime].map(set).to_vec())
}
