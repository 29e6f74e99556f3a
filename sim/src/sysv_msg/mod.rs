//! System V message queues.
//!
//! The queues of the IPC namespace are one table ([`Queues`]), found by id. A queue belongs to no
//! process and is no descriptor. Its smallest interesting life, a queue with room for one byte:
//!
//! ```text
//!              queue   sleeping senders   sleeping receivers
//! msgsnd "a"   a
//! msgsnd "b"   a       b                                       no room
//! msgrcv "a"           b (woken)                               room, but "b" is not in yet
//! msgrcv               b (woken)          r                    a receiver can come in between
//! b runs               -                  r has "b"            handed over: never in the queue
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `queue.rs` | the queue and the table of queues: selection, room, permissions, ids |
//! | `io.rs` | `msgsnd` and `msgrcv` as steps of the kernel, and who is woken |
//! | `mod.rs` | `msgget` and `msgctl` |

mod io;
mod queue;

pub use io::{ReceiveOp, SendOp};
pub(crate) use io::{begin_receive, begin_send};
pub use queue::{
    MSGMAX, MSGMNB, MSGMNI, Message, Queue, Queues, Receiver, SLOTS, Selection, Sender,
};

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, Op, Progress};
use scenario::{Bits, Errno, Program, Sys, Sysctl, TaskId, Value, constants::*};

/// Permission to receive and to look.
const READ: u32 = 4;
/// Permission to send.
const WRITE: u32 = 2;

/// The slot of the queue that an id names.
fn lookup(k: &Kernel, id: i32, cx: &mut Cx) -> Result<u16, Errno> {
    let found = k.message_queues.find(id);
    if found.is_some_and(|slot| k.message_queues.get(slot).key as u64 == IPC_PRIVATE) {
        // Nobody but its maker was told the id by `msgget`.
        cx.cite(MSG_006);
    }
    found.ok_or_else(|| {
        if k.message_queues.in_use(id).is_none() {
            cx.cite(MSG_009);
        }
        // Whoever is late finds nothing; only those who sleep are told of a removal.
        cx.cite(MSG_008);
        Errno::EINVAL
    })
}

/// A call that a stop disturbed has started over: a queue that was removed meanwhile is unknown.
pub(crate) fn cite_restarted(call: &Invocation, progress: &Progress, cx: &mut Cx) {
    if matches!(call.sys, Sys::MsgSend | Sys::MsgReceive)
        && *progress == Progress::Done(Errno::EINVAL.into())
    {
        cx.cite(MSG_079);
    }
}

/// `msgget`.
pub(crate) fn get(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let (key, flags) = (call.int(0) as i32, call.bits(1));
    let who = k.task(task).credentials;
    if key as u64 != IPC_PRIVATE {
        cx.cite(MSG_002);
        let found = k.message_queues.by_key(key);
        if found.is_some() && flags & IPC_CREAT != 0 && flags & IPC_EXCL != 0 {
            cx.cite(MSG_003);
            return Err(Errno::EEXIST);
        }
        if flags & IPC_CREAT == 0 && flags & IPC_EXCL != 0 {
            cx.cite(MSG_003);
        }
        if let Some(slot) = found {
            cx.cite(MSG_005);
            let want = (flags >> 6 | flags >> 3 | flags) as u32 & 7;
            let queue = k.message_queues.get(slot);
            return match queue.permits(who, want, &mut cx.clauses) {
                true => Ok(Value::Int(k.message_queues.id(slot).into())),
                false => Err(Errno::EACCES),
            };
        }
        if flags & IPC_CREAT == 0 {
            return Err(Errno::ENOENT);
        }
    } else {
        cx.cite(MSG_001);
    }
    cx.cite(MSG_004);
    cx.cite(MSG_007);
    if !k.limits.is_stock(Sysctl::MsgMnb) {
        cx.cite(MSG_033);
    }
    let queue = Queue::new(key, flags as u32, who, k.limits.most(Sysctl::MsgMnb));
    let most = k.limits.most(Sysctl::MsgMni) as usize;
    let id = k.message_queues.make_mut().add(queue, most);
    id.map(|id| Value::Int(id.into())).ok_or_else(|| {
        cx.cite(MSG_010);
        Errno::ENOSPC
    })
}

/// A look at a queue that it has found, and has yet to lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatOp {
    slot: u16,
    sys: Sys,
    /// The queue was removed: it fails with this.
    removed: Option<Errno>,
}

/// `IPC_STAT` and its kin.
pub(crate) fn begin_stat(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let id = call.int(0) as i32;
    let found = match call.sys {
        _ if id < 0 => {
            cx.cite(MSG_009);
            Err(Errno::EINVAL)
        }
        Sys::MsgStatSlot | Sys::MsgStatAny => {
            cx.cite(MSG_023);
            k.message_queues.in_use(id).ok_or(Errno::EINVAL)
        }
        _ => lookup(k, id, cx),
    };
    let op = match found {
        Ok(slot) => StatOp {
            slot,
            sys: call.sys,
            removed: None,
        },
        Err(e) => return Progress::Done(e.into()),
    };
    match k.task(task).meets_removal {
        true => Progress::Sleep(Op::MsgStat(op)),
        false => op.advance(k, task, cx),
    }
}

impl StatOp {
    /// It locks the queue, and looks.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if let Some(e) = self.removed {
            cx.cite(MSG_081);
            return Progress::Done(e.into());
        }
        let queue = k.message_queues.get(self.slot);
        if !queue.permits(k.task(task).credentials, READ, &mut cx.clauses) {
            cx.cite(MSG_014);
            if self.sys != Sys::MsgStatAny {
                return Progress::Done(Errno::EACCES.into());
            }
        }
        let value = match self.sys {
            Sys::MsgStat => {
                cx.cite(MSG_017);
                status(queue)
            }
            Sys::MsgTimes => {
                cx.cite(MSG_017);
                let set = |by: Option<TaskId>| Value::Int(by.is_some().into());
                Value::List(vec![
                    set(queue.last_sender),
                    set(queue.last_receiver),
                    // Set when it was made.
                    Value::Int(1),
                ])
            }
            _ => Value::Int(k.message_queues.id(self.slot).into()),
        };
        Progress::Done(value)
    }
}

/// The tasks that may be about to lock a queue that somebody else removes.
pub fn meet_removals(program: &Program) -> Vec<TaskId> {
    let removes = |t: TaskId| {
        let body = &program.task(t).body;
        body.iter()
            .any(|s| matches!(s.sys, Sys::MsgRemove | Sys::MsgControlNumber))
    };
    let tasks = || program.task_ids().filter(|t| *t != TaskId::SETUP);
    let meets = |t: &TaskId| tasks().any(|other| other != *t && removes(other));
    tasks().filter(meets).collect()
}

/// `msgctl`, but for `IPC_STAT` and its kin.
pub(crate) fn control(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let id = call.int(0) as i32;
    if id < 0 {
        cx.cite(MSG_009);
        if call.sys == Sys::MsgControlNumber {
            cx.cite(MSG_077);
        }
        return Err(Errno::EINVAL);
    }
    match call.sys {
        Sys::MsgSet => set(k, task, id, call, cx),
        Sys::MsgRemove => remove(k, task, id, cx),
        Sys::MsgLimits => {
            cx.cite(MSG_024);
            let limits = [Sysctl::MsgMax, Sysctl::MsgMnb, Sysctl::MsgMni];
            if limits.iter().all(|&l| k.limits.is_stock(l)) {
                cx.cite(MSG_075);
            }
            let highest = k.message_queues.highest().into();
            let limits = limits.map(|l| i64::from(k.limits.get(l)));
            let told = std::iter::once(highest).chain(limits);
            Ok(Value::List(told.map(Value::Int).collect()))
        }
        Sys::MsgTotals => {
            cx.cite(MSG_024);
            let all = &k.message_queues;
            let totals = [
                all.highest().into(),
                all.iter().count() as i64,
                all.iter().map(|q| q.messages.len() as i64).sum(),
                all.iter().map(|q| q.bytes as i64).sum(),
            ];
            Ok(Value::List(totals.map(Value::Int).to_vec()))
        }
        _ => by_number(k, task, id, call.int(1) as i32, cx),
    }
}

/// `msgctl` with a command by its number and a buffer outside memory.
fn by_number(
    k: &mut Kernel,
    task: TaskId,
    id: i32,
    command: i32,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    match command {
        0 => remove(k, task, id, cx),
        1 => {
            // The buffer is read before the id is looked at.
            cx.cite(MSG_018);
            cx.cite(MSG_077);
            Err(Errno::EFAULT)
        }
        2 | 11 | 13 => {
            cx.cite(MSG_077);
            if command == 2 {
                readable(k, task, id, cx)?;
            } else {
                indexed(k, task, id, command == 11, cx)?;
            }
            cx.cite(MSG_017);
            Err(Errno::EFAULT)
        }
        3 | 12 => Err(Errno::EFAULT),
        _ => {
            cx.cite(MSG_009);
            Err(Errno::EINVAL)
        }
    }
}

/// The queue of an id, if the caller may read it.
fn readable(k: &Kernel, task: TaskId, id: i32, cx: &mut Cx) -> Result<u16, Errno> {
    let slot = lookup(k, id, cx)?;
    let who = k.task(task).credentials;
    if !k
        .message_queues
        .get(slot)
        .permits(who, READ, &mut cx.clauses)
    {
        cx.cite(MSG_014);
        return Err(Errno::EACCES);
    }
    Ok(slot)
}

/// The queue of a slot, if the caller may read it or need not.
fn indexed(k: &Kernel, task: TaskId, index: i32, checks: bool, cx: &mut Cx) -> Result<u16, Errno> {
    cx.cite(MSG_023);
    let slot = k.message_queues.in_use(index).ok_or(Errno::EINVAL)?;
    let who = k.task(task).credentials;
    if !k
        .message_queues
        .get(slot)
        .permits(who, READ, &mut cx.clauses)
    {
        cx.cite(MSG_014);
        if checks {
            return Err(Errno::EACCES);
        }
    }
    Ok(slot)
}

/// What `IPC_STAT` tells.
fn status(queue: &Queue) -> Value {
    let number = |n: u32| Value::Int(n.into());
    let task = |t: Option<TaskId>| t.map_or(Value::ZERO, Value::Task);
    Value::List(vec![
        Value::Bits(Bits::Mode, queue.mode.into()),
        number(queue.owner.0),
        number(queue.owner.1),
        number(queue.creator.0),
        number(queue.creator.1),
        Value::Int(queue.bytes as i64),
        Value::Int(queue.messages.len() as i64),
        Value::Int(queue.limit as i64),
        task(queue.last_sender),
        task(queue.last_receiver),
    ])
}

/// The queue of an id, if the caller may change it.
fn controlled(k: &Kernel, task: TaskId, id: i32, cx: &mut Cx) -> Result<u16, Errno> {
    let slot = lookup(k, id, cx)?;
    let who = k.task(task).credentials;
    cx.cite(MSG_015);
    match k.message_queues.get(slot).controls(who, &mut cx.clauses) {
        true => Ok(slot),
        false => Err(Errno::EPERM),
    }
}

/// `IPC_SET`.
fn set(
    k: &mut Kernel,
    task: TaskId,
    id: i32,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let (uid, gid) = (call.int(1) as u32, call.int(2) as u32);
    let (mode, limit) = (call.bits(3) as u32, call.int(4) as u64);
    let slot = controlled(k, task, id, cx).inspect_err(|_| cx.cite(MSG_077))?;
    if !k.limits.is_stock(Sysctl::MsgMnb) {
        cx.cite(MSG_033);
    }
    if limit > k.limits.most(Sysctl::MsgMnb) {
        // Workers run without CAP_SYS_RESOURCE.
        cx.cite(MSG_019);
        if [uid, gid].contains(&u32::MAX) {
            cx.cite(MSG_077);
        }
        return Err(Errno::EPERM);
    }
    if [uid, gid].contains(&u32::MAX) {
        cx.cite(MSG_018);
        return Err(Errno::EINVAL);
    }
    cx.cite(MSG_018);
    let queue = k.message_queues.make_mut().get_mut(slot);
    queue.owner = (uid, gid);
    queue.mode = mode & 0o777;
    queue.limit = limit;
    if queue.bytes > limit || limit == 0 {
        cx.cite(MSG_021);
    }
    // Receivers look at their permission again when they run; until then they stay in the list.
    let receivers = queue.receivers.clone();
    if !receivers.is_empty() {
        cx.cite(MSG_057);
    }
    for receiver in receivers {
        k.wake_task(receiver.task);
    }
    if !k.message_queues.get(slot).senders.is_empty() {
        cx.cite(MSG_067);
    }
    io::wake_senders(k, slot, cx);
    Ok(Value::ZERO)
}

/// `IPC_RMID`.
fn remove(k: &mut Kernel, task: TaskId, id: i32, cx: &mut Cx) -> Result<Value, Errno> {
    let slot = controlled(k, task, id, cx)?;
    cx.cite(MSG_022);
    let queue = k.message_queues.make_mut().remove(slot);
    io::warn(k, slot, &queue);
    for receiver in queue.receivers {
        io::give(k, receiver.task, Err(Errno::EIDRM));
    }
    for sender in queue.senders {
        io::dismiss(k, sender.task);
    }
    Ok(Value::ZERO)
}
