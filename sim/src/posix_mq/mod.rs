//! POSIX message queues: names, opening, attributes, notification, and the file behind a
//! descriptor.
//!
//! A queue has an inode, as every file; its names form one flat set of their own. What a queue
//! holds and who waits for it is `queue.rs`, sending and receiving `io.rs`.

mod io;
mod queue;
#[cfg(test)]
mod tests;

pub use io::MessageOp;
pub(crate) use io::{begin_receive, begin_send};
pub use queue::{CHARGE_LIMIT, MESSAGES, Message, PRIORITIES, QUEUES, Queue, Registration, SIZE};

use crate::clause::*;
use crate::fifo::Inode;
use crate::kernel::{Cx, File, FileKind, Invocation, Kernel, ObjId};
use crate::pipe::Room;
use io::queue_of;
use scenario::{Bits, Data, Errno, Fault, Sys, Sysctl, TaskId, Value, constants::*};

/// The methods of a notification, by their numbers.
const SIGEV_SIGNAL: u8 = 0;
pub(crate) const SIGEV_NONE: u8 = 1;
const SIGEV_THREAD: i64 = 2;

/// The longest name, in bytes.
const NAME_MAX: usize = 255;
/// The longest path that the kernel copies in, its final NUL counted.
const PATH_MAX: usize = 4096;

/// Flags of the open that the description does not keep.
const FOR_OPEN: u64 = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;

/// Whether a call may wait at a queue.
pub(crate) fn waits(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::MqSend
            | Sys::MqTimedSend
            | Sys::MqTimedSendAt
            | Sys::MqTimedSendFault
            | Sys::MqReceive
            | Sys::MqReceiveTo
            | Sys::MqTimedReceive
            | Sys::MqTimedReceiveAt
            | Sys::MqTimedReceiveFault
    )
}

type Outcome = Result<Value, Errno>;

/// The calls that take no message.
pub(crate) fn call(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    match call.sys {
        Sys::MqOpen | Sys::MqOpenAttr | Sys::MqOpenRaw => open(k, task, call, cx),
        Sys::MqUnlink => unlink(k, task, call, cx),
        Sys::MqGetattr => {
            let (file, queue) = queue_of(k, task, call.int(0), cx)?;
            cx.cite(MQ_038);
            Ok(attributes(k, file, queue))
        }
        Sys::MqSetattr | Sys::MqSetattrTo => set_attributes(k, task, call, cx),
        _ => notify(k, task, call, cx),
    }
}

/// The name as the system call gets it: the C library takes the slash.
fn raw_name(call: &Invocation, cx: &mut Cx) -> Result<String, Errno> {
    if call.sys == Sys::MqOpenRaw {
        cx.cite(MQ_005);
        return match call.args.first() {
            Some(Value::Data(d)) => {
                let bytes = d.slice(0, PATH_MAX + 1).to_vec();
                let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
                Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
            }
            _ => Err(Errno::EFAULT),
        };
    }
    cx.cite(MQ_001);
    let name = call.path(0).strip_prefix('/');
    Ok(name.ok_or(Errno::EINVAL)?.to_string())
}

/// What the copy of a name checks.
fn check_copied(name: &str, cx: &mut Cx) -> Result<(), Errno> {
    if name.is_empty() {
        cx.cite(MQ_002);
        return Err(Errno::ENOENT);
    }
    if name.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(())
}

/// What the look-up of a name checks.
fn check_component(name: &str, cx: &mut Cx) -> Result<(), Errno> {
    if name.contains('/') || name == "." || name == ".." {
        cx.cite(MQ_003);
        return Err(Errno::EACCES);
    }
    if name.len() > NAME_MAX {
        cx.cite(MQ_004);
        return Err(Errno::ENAMETOOLONG);
    }
    if name.len() == NAME_MAX {
        cx.cite(MQ_004);
    }
    Ok(())
}

/// `mq_open`.
fn open(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    let flags = call.bits(1);
    let failed = |cx: &mut Cx, e: Errno| {
        cx.cite(MQ_106);
        e
    };
    // The library refuses a name first; then the attributes are copied in, and then the name.
    let name = raw_name(call, cx);
    if call.sys != Sys::MqOpenRaw {
        name.as_ref().map_err(|e| failed(cx, *e))?;
    } else if !matches!(call.args.get(3), None | Some(Value::Int(0)))
        && !matches!(call.args.get(3), Some(Value::Memory(m)) if m.fault == Fault::Null)
    {
        cx.cite(MQ_010);
        return Err(failed(cx, Errno::EFAULT));
    }
    let name = name.map_err(|e| failed(cx, e))?;
    check_copied(&name, cx).map_err(|e| failed(cx, e))?;
    let process = k.process_of(task);
    if process.free_fd(0).is_none() {
        cx.cite(MQ_020);
        return Err(failed(cx, Errno::EMFILE));
    }
    check_component(&name, cx).map_err(|e| failed(cx, e))?;
    let queue = match k.queue_names.get(&name).copied() {
        Some(queue) => existing(k, task, queue, flags, call, cx).map_err(|e| failed(cx, e))?,
        None if flags & O_CREAT == 0 => {
            cx.cite(MQ_007);
            return Err(failed(cx, Errno::ENOENT));
        }
        None => create(k, task, name, call, cx).map_err(|e| failed(cx, e))?,
    };
    if flags & (O_TRUNC | O_APPEND | O_DIRECTORY) != 0 {
        cx.cite(MQ_024);
    }
    cx.cite(MQ_020);
    cx.cite(MQ_034);
    let file = k.new_id(task);
    let description = File::new(FileKind::Queue(queue), flags & !FOR_OPEN);
    k.files.insert(file, description);
    let fd = k.install(task, file, true, 0, cx);
    Ok(Value::Int(fd.expect("a free number was found") as i64))
}

/// What an access mode asks of a queue's mode; none if it is no access mode.
fn wanted(flags: u64) -> Option<u32> {
    match flags & O_ACCMODE {
        O_RDONLY => Some(4),
        O_WRONLY => Some(2),
        O_RDWR => Some(6),
        _ => None,
    }
}

fn existing(
    k: &Kernel,
    task: TaskId,
    queue: ObjId,
    flags: u64,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<ObjId, Errno> {
    if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
        cx.cite(MQ_008);
        return Err(Errno::EEXIST);
    }
    let want = wanted(flags).ok_or_else(|| {
        cx.cite(MQ_023);
        Errno::EINVAL
    })?;
    let (inode, me) = (k.inodes.get(queue), k.task(task).credentials);
    cx.cite(MQ_025);
    if inode.mode != 0o600 {
        cx.cite(MQ_029);
    }
    if !inode.permits(me, want) {
        if flags & O_CREAT != 0 {
            cx.cite(MQ_026);
        }
        return Err(Errno::EACCES);
    }
    if flags & O_CREAT != 0 && call.sys == Sys::MqOpenAttr {
        cx.cite(MQ_009);
    }
    cx.cite(MQ_100);
    Ok(queue)
}

fn create(
    k: &mut Kernel,
    task: TaskId,
    name: String,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<ObjId, Errno> {
    let (me, limit) = (k.task(task).credentials, k.process_of(task).queue_limit);
    // Workers run without CAP_SYS_RESOURCE.
    let limits = &k.limits;
    if !limits.is_stock(Sysctl::QueuesMax) {
        cx.cite(MQ_115);
    }
    if k.queues.len() as u64 >= limits.most(Sysctl::QueuesMax) {
        cx.cite(MQ_017);
        return Err(Errno::ENOSPC);
    }
    let most_messages = i64::from(limits.get(Sysctl::MqMsgMax));
    let most_bytes = i64::from(limits.get(Sysctl::MqMsgsizeMax));
    if !limits.is_stock(Sysctl::MqMsgMax) || !limits.is_stock(Sysctl::MqMsgsizeMax) {
        cx.cite(MQ_016);
    }
    let (most, size) = match call.sys {
        Sys::MqOpenAttr => {
            if call.int(5) != 0 || call.int(6) != 0 {
                cx.cite(MQ_012);
            }
            (call.int(3), call.int(4))
        }
        _ => {
            cx.cite(MQ_011);
            let usual = |which| i64::from(limits.get(which));
            (
                usual(Sysctl::MqMsgDefault).min(most_messages),
                usual(Sysctl::MqMsgsizeDefault).min(most_bytes),
            )
        }
    };
    if most <= 0 || size <= 0 {
        cx.cite(MQ_013);
        return Err(Errno::EINVAL);
    }
    if most > most_messages || size > most_bytes {
        cx.cite(MQ_014);
        return Err(Errno::EINVAL);
    }
    let theirs = k.queues.iter().filter(|(_, q)| q.user == me.uid);
    let used: u64 = theirs
        .map(|(_, q)| Queue::charge(q.most as u64, q.size as u64))
        .sum();
    cx.cite(MQ_018);
    if used + Queue::charge(most as u64, size as u64) > limit {
        cx.cite(MQ_019);
        return Err(Errno::EMFILE);
    }
    if wanted(call.bits(1)).is_none() {
        cx.cite(MQ_023);
    }
    let mode = call.bits(2) as u32 & 0o7777 & !k.process_of(task).umask;
    if !Inode::queue(mode, me.euid, me.gid).permits_owner(6) {
        cx.cite(MQ_022);
    }
    cx.cite(MQ_008);
    cx.cite(MQ_021);
    if k.queues.len() > k.queue_names.len() {
        cx.cite(MQ_098);
    }
    let id = k.new_id(task);
    k.inodes.insert(id, Inode::queue(mode, me.euid, me.gid));
    k.queues
        .insert(id, Queue::new(most as usize, size as usize, me.uid));
    k.queue_names.make_mut().insert(name, id);
    cx.cite(MQ_006);
    Ok(id)
}

/// `mq_unlink`.
fn unlink(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    let name = raw_name(call, cx)?;
    check_copied(&name, cx)?;
    check_component(&name, cx)?;
    let Some(queue) = k.queue_names.get(&name).copied() else {
        cx.cite(MQ_097);
        return Err(Errno::ENOENT);
    };
    let me = k.task(task).credentials;
    cx.cite(MQ_028);
    // The directory belongs to user 0, is open to all, and sticky.
    if !me.privileged() && me.euid != k.inodes.get(queue).uid {
        return Err(Errno::EPERM);
    }
    k.queue_names.make_mut().remove(&name);
    k.inodes.get_mut(queue).links = 0;
    cx.cite(if k.is_open(queue) { MQ_097 } else { MQ_099 });
    k.drop_unused_queue(queue);
    Ok(Value::ZERO)
}

/// [flags, maxmsg, msgsize, curmsgs].
fn attributes(k: &Kernel, file: ObjId, queue: ObjId) -> Value {
    let q = k.queues.get(queue);
    let flags = k.files.get(file).flags & O_NONBLOCK;
    Value::List(vec![
        match flags {
            0 => Value::Int(0),
            flags => Value::Bits(Bits::Open, flags),
        },
        Value::Int(q.most as i64),
        Value::Int(q.size as i64),
        Value::Int(q.messages().len() as i64),
    ])
}

/// `mq_setattr`.
fn set_attributes(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    let flags = call.bits(1);
    if flags & !O_NONBLOCK != 0 {
        cx.cite(MQ_040);
        return Err(Errno::EINVAL);
    }
    let (file, queue) = queue_of(k, task, call.int(0), cx)?;
    let old = attributes(k, file, queue);
    cx.cite(MQ_039);
    cx.cite(MQ_041);
    cx.cite(MQ_105);
    let f = k.files.get_mut(file);
    if f.holds > 0 && flags != 0 {
        cx.cite(MQ_042);
    }
    f.flags = f.flags & !O_NONBLOCK | flags;
    k.inodes.get_mut(queue).touch_both([true, false]);
    if call.sys == Sys::MqSetattr {
        return Ok(old);
    }
    match call.args.get(2) {
        Some(Value::Memory(m)) if m.fault == Fault::Null => Ok(Value::ZERO),
        _ => {
            cx.cite(MQ_043);
            Err(Errno::EFAULT)
        }
    }
}

/// `mq_notify`: a registration, or `None` for its removal.
fn event(call: &Invocation, cx: &mut Cx) -> Result<Option<(u8, u8)>, Errno> {
    let (method, signal) = match call.sys {
        Sys::MqNotifyNull => return Ok(None),
        Sys::MqNotifyNone => (i64::from(SIGEV_NONE), 0),
        Sys::MqNotifySignal => (i64::from(SIGEV_SIGNAL), call.int(1)),
        Sys::MqNotifyNumber => (call.int(1), call.int(2)),
        _ => {
            return match call.args.get(1) {
                Some(Value::Memory(m)) if m.fault == Fault::Null => Ok(None),
                _ => {
                    cx.cite(MQ_088);
                    Err(Errno::EFAULT)
                }
            };
        }
    };
    let method = i64::from(method as i32);
    if method == SIGEV_THREAD {
        // Below the library it takes a cookie and a socket to send it to; there is none.
        return Err(Errno::EFAULT);
    }
    let known = method == i64::from(SIGEV_SIGNAL) || method == i64::from(SIGEV_NONE);
    let sends = method == i64::from(SIGEV_SIGNAL);
    if !known || sends && !(0..=64).contains(&signal) {
        cx.cite(MQ_088);
        return Err(Errno::EINVAL);
    }
    Ok(Some((method as u8, if sends { signal as u8 } else { 0 })))
}

fn notify(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    let event = event(call, cx).inspect_err(|_| cx.cite(MQ_112))?;
    let (file, queue) = queue_of(k, task, call.int(0), cx).inspect_err(|_| cx.cite(MQ_112))?;
    let process = k.task(task).process;
    if task != process {
        cx.cite(MQ_076);
    }
    let programs = k.process_of(task).programs;
    let q = k.queues.get_mut(queue);
    match event {
        None => {
            cx.cite(MQ_075);
            if q.registration.is_none_or(|r| r.process != process) {
                return Ok(Value::ZERO);
            }
            q.registration = None;
        }
        Some(_) if q.registration.is_some() => {
            cx.cite(MQ_074);
            cx.cite(MQ_112);
            return Err(Errno::EBUSY);
        }
        Some((method, signal)) => {
            cx.cite(MQ_074);
            q.registration = Some(Registration {
                process,
                programs,
                method,
                signal,
            });
            if k.files.get(file).flags & O_ACCMODE == O_WRONLY {
                cx.cite(MQ_089);
            }
            if k.queues
                .iter()
                .filter(|(_, q)| q.registration.is_some_and(|r| r.process == process))
                .count()
                > 1
            {
                cx.cite(MQ_076);
            }
        }
    }
    cx.cite(MQ_105);
    k.inodes.get_mut(queue).touch_both([true, false]);
    Ok(Value::ZERO)
}

impl Kernel {
    /// A process gives up a descriptor: if it is one of a queue, whichever, its registration there
    /// goes.
    pub(crate) fn flush_queue(&mut self, task: TaskId, file: ObjId, cx: &mut Cx) {
        let FileKind::Queue(queue) = self.files.get(file).kind else {
            return;
        };
        let leader = self.task(task).process;
        let theirs = |r: Registration| r.process == leader;
        match self.queues.get(queue).registration {
            Some(r) if theirs(r) => {
                let ended = self.process(leader).ended.is_some();
                cx.cite(if ended { MQ_091 } else { MQ_090 });
                self.queues.get_mut(queue).registration = None;
            }
            Some(_) => cx.cite(MQ_091),
            None => {}
        }
    }

    /// Forgets a queue that has no name and that nothing is open on, with what it holds.
    pub(crate) fn drop_unused_queue(&mut self, queue: ObjId) {
        self.drop_unused_inode(queue);
        if self.queues.find(queue).is_some() && self.inodes.find(queue).is_none() {
            self.queues.remove(queue);
        }
    }
}

/// `read` of the descriptor: the status line, from `at` or from the offset of the description.
pub(crate) fn read_status(
    k: &mut Kernel,
    file: ObjId,
    queue: ObjId,
    room: Room,
    at: Option<u64>,
    cx: &mut Cx,
) -> Outcome {
    cx.cite(MQ_036);
    cx.cite(MQ_104);
    let q = k.queues.get(queue);
    let told = q.registration;
    // Whoever is registered is named by a process id, which no rule fixes.
    let line = format!(
        "QSIZE:{:<10} NOTIFY:{:<5} SIGNO:{:<5} NOTIFY_PID:{:<6}\n",
        q.bytes(),
        told.map_or(0, |r| r.method),
        told.map_or(0, |r| r.signal),
        told.map_or(0, |r| r.process.0),
    );
    let line = Data::from(line.as_str());
    let from = at.unwrap_or(k.files.get(file).offset) as usize;
    let count = usize::try_from(room.count).unwrap_or(usize::MAX);
    let data = line.slice(from, from.saturating_add(count).min(line.len()));
    if room.outside || room.mapped < data.len() as u64 {
        return Err(Errno::EFAULT);
    }
    if at.is_none() {
        k.files.get_mut(file).offset += data.len() as u64;
    }
    if !data.is_empty() {
        cx.cite(MQ_105);
        k.inodes.get_mut(queue).touch_both([true, false]);
    }
    Ok(Value::Data(data))
}

/// The calls on the file behind a descriptor that queues have a rule of their own for.
pub(crate) fn file_call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    f: &File,
    queue: ObjId,
    cx: &mut Cx,
) -> Option<Outcome> {
    cx.cite(MQ_030);
    Some(match call.sys {
        Sys::Fstat => {
            cx.cite(MQ_035);
            let mut status = crate::fd::status(k, queue);
            if let Value::List(fields) = &mut status {
                fields[3] = Value::Int(k.queues.get(queue).shown_size);
            }
            Ok(status)
        }
        Sys::FstatTimes => {
            cx.cite(MQ_105);
            let times = k.inodes.get_mut(queue).ask_times();
            Ok(times)
        }
        Sys::Fchmod => {
            cx.cite(MQ_029);
            crate::fd::change_mode(k, task, queue, call.bits(1) as u32)
        }
        Sys::Fchown => {
            cx.cite(MQ_029);
            crate::fd::change_owner(k, task, queue, call.int(1), call.int(2))
        }
        Sys::Mmap => {
            cx.cite(MQ_036);
            let shared_write = call.bits(2) & MAP_SHARED != 0 && call.bits(1) & PROT_WRITE != 0;
            match f.readable() && (!shared_write || f.writable()) {
                true => Err(Errno::ENODEV),
                false => Err(Errno::EACCES),
            }
        }
        Sys::Ftruncate => {
            cx.cite(MQ_036);
            let len = call.int(1);
            if len < 0 || !f.writable() {
                return Some(Err(Errno::EINVAL));
            }
            k.queues.get_mut(queue).shown_size = len;
            Ok(Value::ZERO)
        }
        Sys::Fionread => {
            cx.cite(MQ_114);
            let left = k.queues.get(queue).shown_size - f.offset as i64;
            Ok(Value::Int(i64::from(left as i32)))
        }
        Sys::FionreadFault => {
            cx.cite(MQ_114);
            Err(Errno::EFAULT)
        }
        Sys::Lseek => {
            cx.cite(MQ_114);
            seek(k, task, call, f, queue)
        }
        _ => return None,
    })
}

/// `lseek`: the offset is that of the status line.
fn seek(k: &mut Kernel, task: TaskId, call: &Invocation, f: &File, queue: ObjId) -> Outcome {
    let size = k.queues.get(queue).shown_size;
    let by = call.int(1);
    let at = match call.bits(2) {
        SEEK_SET => Some(by),
        SEEK_CUR => by.checked_add(f.offset as i64),
        SEEK_END => by.checked_add(size),
        // SEEK_DATA, SEEK_HOLE: all is data, behind it is a hole.
        3 | 4 if by >= size => return Err(Errno::ENXIO),
        3 => Some(by),
        4 => Some(size),
        _ => None,
    };
    let at = at.filter(|at| *at >= 0).ok_or(Errno::EINVAL)?;
    let file = k.file_of(task, call.int(0))?;
    k.files.get_mut(file).offset = at as u64;
    Ok(Value::Int(at))
}
