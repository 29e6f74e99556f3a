//! `eventfd`: a counter that reads take and writes add to.

use crate::clause::*;
use crate::kernel::{Cx, FileKind, Invocation, Kernel, ObjId, Op, Progress, Restart, WaitQueue};
use crate::pipe::{Buffer, Room};
use scenario::{Data, Errno, Sys, TaskId, Value, constants::*};

/// The greatest value of a counter.
pub const MOST: u64 = u64::MAX - 1;

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventFd {
    /// Its value.
    pub count: u64,
    /// A read takes one, not all.
    pub semaphore: bool,
    /// Who waits for it to change.
    pub queue: WaitQueue,
}

/// A read or a write in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventOp {
    file: ObjId,
    event: ObjId,
    /// What a write adds; none: a read.
    adds: Option<u64>,
    shown: Shown,
}

/// What the caller gets of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shown {
    /// The number; of a write 0.
    Number,
    /// Its eight bytes; of a write their count.
    Bytes,
    /// Its bytes did not fit: the memory faults.
    Fault,
}

/// The size of a counter, in bytes.
const SIZE: u64 = 8;

/// `eventfd`.
///
/// # Errors
/// EINVAL for unknown flags, EMFILE.
pub(crate) fn open(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    cx.cite(READY_070);
    let flags = call.bits(1);
    if flags & !(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let counter = EventFd {
        // An unsigned int.
        count: u64::from(call.int(0) as u32),
        semaphore: flags & EFD_SEMAPHORE != 0,
        queue: WaitQueue::default(),
    };
    k.open_new(task, flags & EFD_NONBLOCK, flags & EFD_CLOEXEC != 0, |k| {
        let event = k.new_id(task);
        k.events.insert(event, counter);
        FileKind::Event(event)
    })
}

/// `eventfd_read` and `eventfd_write`.
pub(crate) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let file = match k.file_of(task, call.int(0)) {
        Ok(file) => file,
        Err(e) => return Progress::Done(e.into()),
    };
    let FileKind::Event(event) = k.files.get(file).kind else {
        // What other kinds of descriptor do with eight bytes is not told by this call.
        return Progress::Done(Errno::ENOSYS.into());
    };
    let adds = match call.sys {
        Sys::EventfdWrite => Some(call.int(1) as u64),
        _ => None,
    };
    start(k, task, (file, event), adds, Shown::Number, cx)
}

/// `read` and its kin, of a counter.
pub(crate) fn begin_read(
    k: &mut Kernel,
    task: TaskId,
    at: (ObjId, ObjId),
    room: Room,
    cx: &mut Cx,
) -> Progress {
    cx.cite(READY_076);
    if room.outside {
        return Progress::Done(Errno::EFAULT.into());
    }
    if room.count < SIZE {
        return Progress::Done(Errno::EINVAL.into());
    }
    let shown = match room.mapped >= SIZE {
        true => Shown::Bytes,
        false => Shown::Fault,
    };
    start(k, task, at, None, shown, cx)
}

/// `write` of a counter.
pub(crate) fn begin_write(
    k: &mut Kernel,
    task: TaskId,
    at: (ObjId, ObjId),
    source: &Buffer,
    cx: &mut Cx,
) -> Progress {
    cx.cite(READY_076);
    if source.outside {
        return Progress::Done(Errno::EFAULT.into());
    }
    // A read may have more room than it needs; a write is of exactly a counter.
    if source.count != SIZE {
        return Progress::Done(Errno::EINVAL.into());
    }
    let bytes = source.valid.slice(0, SIZE as usize).to_vec();
    let Ok(bytes) = <[u8; SIZE as usize]>::try_from(bytes) else {
        return Progress::Done(Errno::EFAULT.into());
    };
    let adds = Some(u64::from_le_bytes(bytes));
    start(k, task, at, adds, Shown::Bytes, cx)
}

fn start(
    k: &mut Kernel,
    task: TaskId,
    (file, event): (ObjId, ObjId),
    adds: Option<u64>,
    shown: Shown,
    cx: &mut Cx,
) -> Progress {
    if adds == Some(u64::MAX) {
        cx.cite(READY_072);
        return Progress::Done(Errno::EINVAL.into());
    }
    k.hold(file);
    let op = EventOp {
        file,
        event,
        adds,
        shown,
    };
    op.advance(k, task, cx)
}

impl EventOp {
    /// It begins, was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let counter = k.events.get_mut(self.event);
        let (done, key) = match self.adds {
            None if counter.count == 0 => (None, 0),
            None => {
                cx.cite(READY_071);
                let taken = if counter.semaphore { 1 } else { counter.count };
                counter.count -= taken;
                (Some(taken), POLLOUT)
            }
            Some(n) if n > MOST - counter.count => (None, 0),
            Some(n) => {
                cx.cite(READY_072);
                counter.count += n;
                (Some(0), POLLIN)
            }
        };
        let progress = if let Some(value) = done {
            k.wake_queue(|k| &mut k.events.get_mut(self.event).queue, true, key, cx);
            Progress::Done(match (self.shown, self.adds) {
                // A value above the greatest positive one is shown as what its bits are.
                (Shown::Number, _) => Value::Int(value as i64),
                (Shown::Bytes, None) => Value::Data(Data::from_bytes(&value.to_le_bytes())),
                (Shown::Bytes, Some(_)) => Value::Int(SIZE as i64),
                // What was taken is lost.
                (Shown::Fault, _) => Errno::EFAULT.into(),
            })
        } else if k.files.get(self.file).nonblocking() {
            cx.cite(READY_073);
            Progress::Done(Errno::EAGAIN.into())
        } else if k.signal_pending(task) {
            Progress::Restart(Restart::UnlessHandler)
        } else {
            cx.cite(READY_073);
            cx.cite(READY_075);
            k.events.get_mut(self.event).queue.join_last(task);
            return Progress::Sleep(Op::Event(self));
        };
        self.abandon(k, task, cx);
        progress
    }

    /// The call is over, or its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        k.events.get_mut(self.event).queue.leave(task);
        k.unhold(self.file, cx);
    }
}

/// The events that a counter has.
pub(crate) fn readiness(k: &Kernel, event: ObjId, cx: &mut Cx) -> u64 {
    cx.cite(READY_074);
    let count = k.events.get(event).count;
    let reads = if count > 0 { POLLIN } else { 0 };
    let writes = if count < MOST { POLLOUT } else { 0 };
    reads | writes
}
