//! Signals: dispositions, masks, pending signals, and what they do to a task.
//!
//! Signals cut across every mechanism, and they do it here and nowhere else. A call that sleeps
//! asks [`Kernel::signal_pending`] before it goes back to sleep, and then says how far it got:
//! done, or disturbed before anything showed ([`Progress::Restart`](crate::kernel::Progress)). What
//! follows (handler, restart, `EINTR`, stop, death) is decided in `deliver.rs`:
//!
//! ```text
//! reader   read: empty, sleeps ──────── disturbed ─ handler ─ EINTR, or sleeps again (SA_RESTART)
//! sender          kill(reader, SIGUSR1)
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `mod.rs` | sets, dispositions, what a signal does by default |
//! | `send.rs` | generation: what is dropped, what becomes pending, which thread is told |
//! | `deliver.rs` | delivery: the order, handlers, restart, stop, death |
//! | `calls.rs` | `sigaction`, `sigprocmask`, `sigpending` |
//! | `kill.rs` | `kill`, `killpg`, `tgkill`: whom they mean, and who may |
//! | `limit.rs` | `RLIMIT_SIGPENDING` |
//! | `owner.rs` | `O_ASYNC`: signals to the owners of descriptions |
//! | `wait.rs` | `sigsuspend`, `pause`, `sigtimedwait` |
//! | `fd.rs` | `signalfd` |
//! | `timer.rs` | `alarm`, `setitimer` |
//! | `reach.rs` | whom signals may reach from outside |
//!
//! What is not here: handlers note what they were told and make no calls of their own, so nothing is
//! said of what a handler may do; there is no alternate stack; of the interval timers only the real one
//! runs. A group's members get a signal in one step, where Linux lets others run in between.

mod calls;
mod deliver;
mod fd;
mod kill;
mod limit;
mod owner;
mod reach;
mod send;
#[cfg(test)]
mod tests;
mod timer;
mod wait;

pub(crate) use calls::call;
pub use deliver::Frame;
pub use fd::{FdReadOp, SignalFd};
pub(crate) use fd::{begin_read, open as open_fd, read_without_room, readable as fd_readable};
pub use limit::PENDING_LIMIT;
pub(crate) use reach::may_hang_up;
pub use reach::reachable;
pub(crate) use send::ChildCode;
pub use timer::Timer;
pub(crate) use timer::call as timer_call;
pub use wait::WaitOp;
pub(crate) use wait::begin as begin_wait;

use crate::kernel::Kernel;
use scenario::{Signal, TaskId, Value, constants::*};

/// The first signal that the kernel queues: from here on they are real-time signals, of which the C
/// library keeps two for itself.
const QUEUES_FROM: u8 = 32;

/// A set of signals; bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SigSet(pub u64);

impl SigSet {
    /// Whether the signal is in it.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 >> (signal.0 - 1) & 1 == 1
    }

    /// The signals of a list of an invocation; what is no signal's number counts for nothing.
    pub(crate) fn of_list(list: &[Value]) -> SigSet {
        list.iter()
            .filter_map(Value::number)
            .fold(SigSet::default(), |set, number| match number {
                n @ 1..=64 => set.with(Signal(n as u8)),
                _ => set,
            })
    }

    /// Its signals, the lowest first.
    pub fn signals(self) -> impl Iterator<Item = Signal> {
        (1..=64).map(Signal).filter(move |s| self.contains(*s))
    }

    /// Without what cannot be blocked, caught or ignored.
    pub(crate) fn mortal(self) -> SigSet {
        let never = SigSet::default()
            .with(Signal::SIGKILL)
            .with(Signal::SIGSTOP);
        SigSet(self.0 & !never.0)
    }

    /// With the signal.
    pub fn with(self, signal: Signal) -> SigSet {
        SigSet(self.0 | 1 << (signal.0 - 1))
    }
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disposition {
    /// `SIG_DFL`, `SIG_IGN`, or a handler that records.
    pub handler: u64,
    /// `sa_flags`.
    pub flags: u64,
    /// `sa_mask`: what its handler blocks besides.
    pub mask: SigSet,
}

/// The dispositions of a process that are not the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dispositions(Vec<(Signal, Disposition)>);

impl Dispositions {
    /// Of one signal.
    pub fn get(&self, signal: Signal) -> Disposition {
        self.0
            .iter()
            .find(|(s, _)| *s == signal)
            .map(|(_, d)| *d)
            .unwrap_or_default()
    }

    /// Sets that of one signal.
    pub fn set(&mut self, signal: Signal, disposition: Disposition) {
        self.0.retain(|(s, _)| *s != signal);
        if disposition != Disposition::default() {
            self.0.push((signal, disposition));
            self.0.sort_by_key(|(s, _)| *s);
        }
    }

    /// Whether the process does nothing at all about the signal.
    pub fn ignore(&self, signal: Signal) -> bool {
        match self.get(signal).handler {
            SIG_IGN => true,
            SIG_DFL => matches!(Usual::of(signal), Usual::Ignore | Usual::Continue),
            _ => false,
        }
    }
}

/// What a signal does by default (SIG-002, SIG-003, SIG-004).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// The process ends.
    Terminate,
    /// The process ends, with a core if there is room for one.
    Core,
    /// Nothing happens.
    Ignore,
    /// The process stops.
    Stop,
    /// The process goes on if it is stopped; nothing else happens.
    Continue,
}

impl Usual {
    /// Of this signal.
    pub fn of(signal: Signal) -> Usual {
        match signal {
            Signal::SIGCHLD | Signal::SIGURG | Signal::SIGWINCH => Usual::Ignore,
            Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU => Usual::Stop,
            Signal::SIGCONT => Usual::Continue,
            Signal::SIGQUIT
            | Signal::SIGILL
            | Signal::SIGTRAP
            | Signal::SIGABRT
            | Signal::SIGBUS
            | Signal::SIGFPE
            | Signal::SIGSEGV
            | Signal::SIGXCPU
            | Signal::SIGXFSZ
            | Signal::SIGSYS => Usual::Core,
            _ => Usual::Terminate,
        }
    }
}

/// Whether a process that the signal ends leaves a core, if there is room for one.
pub(crate) fn dumps(signal: Signal) -> bool {
    Usual::of(signal) == Usual::Core
}

impl Kernel {
    /// The task blocks these signals for the time of a call. The mask before comes back when the call
    /// returns; if a handler runs first, when that returns.
    pub(crate) fn set_temporary_mask(&mut self, task: TaskId, mask: SigSet) {
        let old = self.task(task).mask;
        self.task_mut(task).saved_mask.get_or_insert(old);
        self.change_mask(task, mask.mortal());
    }

    /// The call of a temporary mask is over, and no handler has taken the mask before.
    pub(crate) fn restore_mask(&mut self, task: TaskId) {
        if self.task(task).saved_mask.is_some()
            && let Some(old) = self.task_mut(task).saved_mask.take()
        {
            self.change_mask(task, old);
        }
    }

    /// The task comes to block these signals. It is told of those that wait and that it now takes;
    /// those that it was told of and now blocks are another thread's.
    pub(crate) fn change_mask(&mut self, task: TaskId, new: SigSet) {
        let old = self.task(task).mask;
        self.task_mut(task).mask = new;
        self.retarget(task, SigSet(new.0 & !old.0));
        let waits = self.has_deliverable(task);
        self.task_mut(task).told = waits;
    }

    /// Whether something keeps the task from sleeping: it was told of a signal, its process is to
    /// stop, or to end. What it was told of may be gone when it looks: another thread has taken it.
    pub fn signal_pending(&self, task: TaskId) -> bool {
        let t = self.task(task);
        self.is_alive(task) && (t.told || t.stopping || self.process_of(task).exiting.is_some())
    }

    /// Whether the task's process is being ended.
    pub fn kill_pending(&self, task: TaskId) -> bool {
        self.process_of(task).exiting.is_some()
    }

    /// Whether a signal is pending that the task does not block.
    fn has_deliverable(&self, task: TaskId) -> bool {
        let t = self.task(task);
        let pending = t.pending.iter().chain(&self.process_of(task).pending);
        pending.into_iter().any(|h| !t.mask.contains(h.signal))
    }
}
