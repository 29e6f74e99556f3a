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
//! | `calls.rs` | `sigaction`, `sigprocmask`, `sigpending`, `kill`, `tgkill` |
//! | `owner.rs` | `O_ASYNC`: signals to the owners of descriptions |
//! | `reach.rs` | whom signals may reach from outside |

mod calls;
mod deliver;
mod owner;
mod reach;
mod send;
#[cfg(test)]
mod tests;

pub(crate) use calls::call;
pub use deliver::Frame;
pub use reach::reachable;
pub(crate) use send::ChildCode;

use crate::kernel::Kernel;
use scenario::{Signal, TaskId, constants::*};

/// A set of signals; bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SigSet(pub u64);

impl SigSet {
    /// Whether the signal is in it.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 >> (signal.0 - 1) & 1 == 1
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
    fn ignore(&self, signal: Signal) -> bool {
        match self.get(signal).handler {
            SIG_IGN => true,
            SIG_DFL => matches!(Usual::of(signal), Usual::Ignore | Usual::Continue),
            _ => false,
        }
    }
}

/// What a signal does by default (SIG-002, SIG-003, SIG-004).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usual {
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
    fn of(signal: Signal) -> Usual {
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

impl Kernel {
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
