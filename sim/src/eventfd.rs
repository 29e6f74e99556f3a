//! `eventfd`: a counter that reads take and writes add to.

use crate::clause::*;
use crate::kernel::{
    Cx, File, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart, WaitQueue,
};
use scenario::{Errno, Sys, TaskId, Value, constants::*};

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
}

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
    let fd = k.process_of(task).free_fd(0).ok_or(Errno::EMFILE)?;
    let event = k.new_id(task);
    let counter = EventFd {
        // An unsigned int.
        count: u64::from(call.int(0) as u32),
        semaphore: flags & EFD_SEMAPHORE != 0,
        queue: WaitQueue::default(),
    };
    k.events.insert(event, counter);
    let file = k.new_id(task);
    let status = flags & EFD_NONBLOCK;
    k.files
        .insert(file, File::new(FileKind::Event(event), O_RDWR | status));
    k.install_at(task, file, flags & EFD_CLOEXEC != 0, fd);
    Ok(Value::Int(fd as i64))
}

/// `eventfd_read` and `eventfd_write`.
pub(crate) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let file = match k.file_of(task, call.int(0)) {
        Ok(file) => file,
        Err(e) => return Progress::Done(e.into()),
    };
    let FileKind::Event(event) = k.files.get(file).kind else {
        // What other kinds of descriptor do with eight bytes is not told by this call.
        return Progress::Done(Errno::EINVAL.into());
    };
    let adds = match call.sys {
        Sys::EventfdWrite => Some(call.int(1) as u64),
        _ => None,
    };
    if adds == Some(u64::MAX) {
        cx.cite(READY_072);
        return Progress::Done(Errno::EINVAL.into());
    }
    k.hold(file);
    EventOp { file, event, adds }.advance(k, task, cx)
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
            // A value above the greatest positive one is shown as what its bits are.
            Progress::Done(Value::Int(value as i64))
        } else if k.files.get(self.file).nonblocking() {
            cx.cite(READY_073);
            Progress::Done(Errno::EAGAIN.into())
        } else if k.signal_pending(task) {
            Progress::Restart(Restart::UnlessHandler)
        } else {
            cx.cite(READY_073);
            let queue = &mut k.events.get_mut(self.event).queue;
            queue.join(task, How::Together);
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
