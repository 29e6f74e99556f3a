//! `signalfd`: signals read as records. The descriptor has no owner: whoever reads takes its own.

use super::SigSet;
use crate::clause::*;
use crate::kernel::{Cx, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart};
use crate::pipe::Room;
use scenario::{Errno, TaskId, Value, constants::*};

/// The signals that a descriptor accepts.
pub type SignalFd = SigSet;

/// A read in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FdReadOp {
    file: ObjId,
    /// Room for so many records.
    count: usize,
}

/// `signalfd`.
///
/// # Errors
/// EINVAL for unknown flags or another kind of descriptor, EBADF, EMFILE.
pub(crate) fn open(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    cx.cite(SIG_099);
    let flags = call.bits(2);
    if flags & !(SFD_NONBLOCK | SFD_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let set = SigSet::of_list(call.list(1)).mortal();
    if call.int(0) != -1 {
        let file = k.file_of(task, call.int(0))?;
        let FileKind::Signals(_) = k.files.get(file).kind else {
            return Err(Errno::EINVAL);
        };
        k.files.get_mut(file).kind = FileKind::Signals(set);
        // Whoever of this process sleeps for its signals looks again.
        let leader = k.task(task).process;
        k.wake_queue(|k| &mut k.process_mut(leader).signal_readers, false, 0, cx);
        return Ok(Value::Int(call.int(0)));
    }
    // SFD_NONBLOCK is O_NONBLOCK.
    k.open_new(task, flags & SFD_NONBLOCK, flags & SFD_CLOEXEC != 0, |_| {
        FileKind::Signals(set)
    })
}

/// Whether a read by this task would give a record.
pub(crate) fn readable(k: &Kernel, task: TaskId, set: SigSet) -> bool {
    let pending = k.task(task).pending.iter();
    pending
        .chain(&k.process_of(task).pending)
        .any(|h| set.contains(h.signal))
}

/// `read_signals`: a read into room for so many records.
pub(crate) fn begin_read(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let file = match k.file_of(task, call.int(0)) {
        Ok(file) => file,
        Err(e) => return Progress::Done(e.into()),
    };
    let FileKind::Signals(_) = k.files.get(file).kind else {
        return Progress::Done(Errno::ENOSYS.into());
    };
    cx.cite(SIG_095);
    let Ok(count @ 1..) = usize::try_from(call.int(1)) else {
        return Progress::Done(Errno::EINVAL.into());
    };
    k.hold(file);
    FdReadOp { file, count }.advance(k, task, cx)
}

/// A plain `read`: of less than a record, or into memory that faults, when a record is lost.
pub(crate) fn read_without_room(
    k: &mut Kernel,
    task: TaskId,
    file: ObjId,
    room: Room,
    cx: &mut Cx,
) -> Progress {
    let FileKind::Signals(set) = k.files.get(file).kind else {
        return Progress::Done(Errno::EINVAL.into());
    };
    cx.cite(SIG_095);
    if room.count < RECORD {
        return Progress::Done(Errno::EINVAL.into());
    }
    if room.outside {
        return Progress::Done(Errno::EFAULT.into());
    }
    if room.mapped >= RECORD {
        return Progress::Done(Errno::ENOSYS.into());
    }
    let taken = k.accept(task, set, cx);
    cx.cite(SIG_104);
    Progress::Done(
        match taken {
            Some(_) => Errno::EFAULT,
            // One that would sleep is not looked at further.
            None => Errno::EAGAIN,
        }
        .into(),
    )
}

/// The size of a record (`struct signalfd_siginfo`) in bytes.
const RECORD: u64 = 128;

impl FdReadOp {
    /// It begins, was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let leader = k.task(task).process;
        let FileKind::Signals(set) = k.files.get(self.file).kind else {
            return Progress::Done(Errno::EINVAL.into());
        };
        let mut records = Vec::new();
        while records.len() < self.count {
            let Some(info) = k.accept(task, set, cx) else {
                break;
            };
            if k.process(leader).dispositions.ignore(info.signal) {
                cx.cite(SIG_097);
            }
            records.push(info.to_value());
        }
        if records.len() > 1 {
            cx.cite(SIG_096);
        }
        let progress = if !records.is_empty() {
            if k.files.get(self.file).descriptors > 1 {
                cx.cite(SIG_101);
            }
            Progress::Done(Value::List(records))
        } else if k.files.get(self.file).nonblocking() {
            Progress::Done(Errno::EAGAIN.into())
        } else if k.signal_pending(task) {
            cx.cite(SIG_100);
            Progress::Restart(Restart::UnlessHandler)
        } else {
            k.process_mut(leader)
                .signal_readers
                .join(task, How::Together);
            return Progress::Sleep(Op::SignalFd(self));
        };
        self.abandon(k, task, cx);
        progress
    }

    /// The call is over, or its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        let leader = k.task(task).process;
        if k.process(leader).signal_readers.contains(task) {
            k.process_mut(leader).signal_readers.leave(task);
        }
        k.unhold(self.file, cx);
    }
}
