//! Calls that wait for signals: `sigsuspend`, `pause`, `sigtimedwait`, `sigwaitinfo`.
//!
//! `sigsuspend` and `pause` sleep until a handler has run. `sigtimedwait` takes a signal itself: while
//! it sleeps the signals that it waits for are not blocked, so that they wake it, and it looks for
//! them before anybody delivers them.

use super::SigSet;
use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, Op, Progress, Restart};
use scenario::{Errno, Fault, Sys, TaskId, Value};

/// A call in progress that waits for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitOp {
    /// Until a handler has run.
    Suspend,
    /// Until one of these can be taken.
    Take(SigSet),
}

/// A task waits for a signal.
pub(crate) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match call.sys {
        Sys::Pause => {
            cx.cite(SIG_083);
            suspend(k, task)
        }
        Sys::Sigsuspend => {
            cx.cite(SIG_084);
            let old = k.task(task).mask;
            let new = SigSet::of_list(call.list(0)).mortal();
            if new != old {
                cx.cite(SIG_085);
            }
            k.set_temporary_mask(task, new);
            suspend(k, task)
        }
        Sys::SigsuspendFault => {
            cx.cite(SIG_087);
            let size = call.int(1) == 8;
            Progress::Done(if size { Errno::EFAULT } else { Errno::EINVAL }.into())
        }
        Sys::SigwaitFault => {
            cx.cite(SIG_094);
            let set = SigSet::of_list(call.list(0)).mortal();
            let null = matches!(call.args.get(1), Some(Value::Memory(m)) if m.fault == Fault::Null);
            Progress::Done(match k.accept(task, set, cx) {
                None => Errno::EAGAIN.into(),
                Some(info) if null => Value::Int(i64::from(info.signal.0)),
                Some(_) => Errno::EFAULT.into(),
            })
        }
        _ => take(k, task, call, cx),
    }
}

fn suspend(k: &Kernel, task: TaskId) -> Progress {
    match k.signal_pending(task) {
        true => Progress::Restart(Restart::NoHandler),
        false => Progress::Sleep(Op::Signal(WaitOp::Suspend)),
    }
}

fn take(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let set = SigSet::of_list(call.list(0)).mortal();
    if set != SigSet::of_list(call.list(0)) {
        cx.cite(SIG_091);
    }
    // In nanoseconds; none: without limit.
    let limit = match call.sys {
        Sys::Sigtimedwait => Some(i128::from(call.int(1)) * 1_000_000),
        Sys::SigtimedwaitAt => {
            let (seconds, nanoseconds) = (call.int(1), call.int(2));
            if seconds < 0 || !(0..1_000_000_000).contains(&nanoseconds) {
                cx.cite(SIG_089);
                return Progress::Done(Errno::EINVAL.into());
            }
            Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds))
        }
        _ => None,
    };
    if limit.is_some_and(|limit| limit < 0) {
        cx.cite(SIG_089);
        return Progress::Done(Errno::EINVAL.into());
    }
    cx.cite(SIG_088);
    if let Some(info) = k.accept(task, set, cx) {
        return Progress::Done(info.to_value());
    }
    cx.cite(SIG_089);
    if limit == Some(0) {
        return Progress::Done(Errno::EAGAIN.into());
    }
    if let Some(limit) = limit {
        k.set_timeout(task, u64::try_from(limit).unwrap_or(u64::MAX));
    }
    let mask = k.task(task).mask;
    k.task_mut(task).awaited = SigSet(mask.0 & set.0);
    k.change_mask(task, SigSet(mask.0 & !set.0));
    match k.signal_pending(task) {
        true => give_up(k, task, set, cx),
        false => Progress::Sleep(Op::Signal(WaitOp::Take(set))),
    }
}

/// The wait is over: a last look, then whatever ended it.
fn give_up(k: &mut Kernel, task: TaskId, set: SigSet, cx: &mut Cx) -> Progress {
    let awaited = std::mem::take(&mut k.task_mut(task).awaited);
    let mask = k.task(task).mask;
    // It blocks them again before it looks: what waits for the process is shown to others that wait
    // for it, who will find that it is gone.
    k.change_mask(task, SigSet(mask.0 | awaited.0));
    let taken = k.accept(task, set, cx);
    match taken {
        Some(info) => {
            if !awaited.contains(info.signal) {
                cx.cite(SIG_092);
            }
            Progress::Done(info.to_value())
        }
        None if k.timed_out(task) && !k.signal_pending(task) => {
            cx.cite(SIG_088);
            Progress::Done(Errno::EAGAIN.into())
        }
        None => Progress::Restart(Restart::Never),
    }
}

impl WaitOp {
    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        match self {
            WaitOp::Suspend => suspend(k, task),
            WaitOp::Take(set) => give_up(k, task, set, cx),
        }
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId) {
        k.task_mut(task).awaited = SigSet::default();
    }
}
