//! Signals as a kernel has them: a list of what is pending under a lock of its own, and a wake-up.
//!
//! Who sends a signal makes it pending *first* and wakes the task *afterwards*; the task says that it
//! is about to sleep *first* and looks for signals *afterwards*. So one of the two always sees the other:
//!
//! ```text
//! sleeper   "about to sleep" ── signal? no ── sleep ─────────────── awake ── signal? yes: leaves the call
//! sender                         make it pending ── wake
//!
//! sleeper   "about to sleep" ── signal? yes: does not sleep
//! sender        make it pending ────────────────── wake: nobody sleeps
//! ```
//!
//! A call that leaves for a signal must first have withdrawn from where others serve it, and then look
//! once more whether it has been served: what was given to it by then is its own. On the way back to
//! its own code the task takes what is pending; a handler decides whether the call fails with `EINTR` or
//! starts over.

use crate::protocol::{Fault, World};
use crate::runtime::Runtime;
use scenario::constants::*;
use scenario::{Bits, End, Handled, Signal, TaskId, Value, What};
use sim::kernel::Restart;
use sim::signal::{Dispositions, Usual};

/// What the lock holds: the signals of a process.
#[derive(Default)]
pub(crate) struct Signals {
    pending: Vec<Handled>,
    /// The first signal sent that ends the process.
    fatal: Option<Signal>,
}

/// What becomes of a task on the way back to its own code.
pub(crate) enum Back {
    /// Its call, if it was disturbed, starts over; otherwise it goes on.
    GoesOn,
    /// Its disturbed call fails with `EINTR`.
    Interrupted,
    /// It ends.
    Dies(End),
}

/// Whether the protocol knows what a process with these dispositions does with a signal.
pub(crate) fn is_known(dispositions: &Dispositions, signal: Signal) -> bool {
    let disposition = dispositions.get(signal);
    match disposition.handler {
        SIG_IGN => true,
        SIG_DFL => matches!(Usual::of(signal), Usual::Terminate | Usual::Ignore),
        _ => disposition.mask.0 == 0 && disposition.flags & !(SA_RESTART | SA_SIGINFO) == 0,
    }
}

impl<R: Runtime> World<R> {
    fn dispositions(&self, task: TaskId) -> &Dispositions {
        &self.kernel().process_of(task).dispositions
    }

    /// `kill`: makes a signal pending, and wakes whom it disturbs.
    pub fn send(&self, from: TaskId, to: TaskId, signal: Signal) {
        let dispositions = self.dispositions(to);
        if dispositions.ignore(signal) {
            return;
        }
        if self.fault == Some(Fault::WakeBeforePending) {
            self.try_to_wake(to);
        }
        {
            let mut signals = R::lock(&self.task(to).signals);
            if !signals.pending.iter().any(|h| h.signal == signal) {
                let code = Value::Bits(Bits::SiCode, SI_USER);
                let info = Handled::new(signal, code, Value::Task(from));
                signals.pending.push(info);
            }
            if dispositions.get(signal).handler == SIG_DFL {
                signals.fatal.get_or_insert(signal);
            }
        }
        if self.fault != Some(Fault::WakeBeforePending) {
            self.try_to_wake(to);
        }
    }

    /// `signal_pending`. Only who can be sent signals need look.
    pub fn signal_pending(&self, task: TaskId) -> bool {
        self.is_reachable(task) && !R::lock(&self.task(task).signals).pending.is_empty()
    }

    /// On the way back to its own code a task takes its signals: all of them first, then the handlers
    /// run, the last one's first.
    pub fn take_signals(&self, task: TaskId, disturbed: Option<Restart>) -> Back {
        if !self.is_reachable(task) {
            return Back::GoesOn;
        }
        let mut taken = {
            let mut signals = R::lock(&self.task(task).signals);
            if let Some(signal) = signals.fatal {
                return Back::Dies(End::Killed(signal));
            }
            std::mem::take(&mut signals.pending)
        };
        taken.sort_by_key(|h| h.signal);
        let restarts = taken.first().is_none_or(|h| {
            self.dispositions(task).get(h.signal).flags & SA_RESTART != 0
                && disturbed != Some(Restart::NoHandler)
        });
        for info in taken.into_iter().rev() {
            self.happens(task, What::Handle(info));
        }
        match disturbed {
            Some(_) if !restarts => Back::Interrupted,
            _ => Back::GoesOn,
        }
    }
}
