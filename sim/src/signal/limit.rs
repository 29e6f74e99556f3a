//! How many signals may wait: the limit on the records of a user's signals.
//!
//! A signal that waits has a record of who sent it and how. A user's records are counted together,
//! whichever processes they wait for, and a process takes no further one beyond its limit
//! (`RLIMIT_SIGPENDING`). What the limit keeps out is refused where the sender asked for a queue, and
//! else waits without a record, or is lost.

use super::QUEUES_FROM;
use crate::clause::*;
use crate::kernel::{Cx, Kernel};
use scenario::{Bits, Handled, Signal, TaskId, Value, constants::*};

/// Soft `RLIMIT_SIGPENDING` as every run starts: more than scenarios send.
pub const PENDING_LIMIT: u64 = u64::MAX;

/// What the limit makes of a signal.
pub(super) enum Fit {
    /// It waits, as it is.
    Whole,
    /// It waits, and nobody will know who sent it.
    Bare,
    /// The sender is told that it did not get through.
    Refused,
    /// It is lost.
    Lost,
}

/// What is left of a signal without its record.
pub(super) fn bare(signal: Signal) -> Handled {
    Handled::new(signal, Value::Bits(Bits::SiCode, SI_USER), Value::ZERO)
}

impl Kernel {
    /// Whether there is room for the record of a signal for this task, or for its process, with
    /// `list` waiting in the same place.
    pub(super) fn fit(&self, task: TaskId, info: &Handled, list: &[Handled], cx: &mut Cx) -> Fit {
        let limit = self.process_of(task).signal_limit;
        if limit == PENDING_LIMIT || info.signal == Signal::SIGKILL {
            return Fit::Whole;
        }
        cx.cite(SIG_044);
        let code = info.code.number().unwrap_or(0) as u32 as i32;
        let queues = info.signal.0 >= QUEUES_FROM;
        let room = self.records_of(self.task(task).credentials.uid) < limit;
        // Standard signals by `kill` and from the kernel get their record in any case.
        if room || !queues && code >= 0 {
            if !room {
                cx.cite(SIG_047);
            }
            return Fit::Whole;
        }
        if queues && code != SI_USER as i32 {
            cx.cite(SIG_045);
            return Fit::Refused;
        }
        cx.cite(if queues { SIG_046 } else { SIG_047 });
        match list.iter().any(|h| h.signal == info.signal) {
            true => Fit::Lost,
            false => Fit::Bare,
        }
    }

    /// Whether a limit is in force for the task's process, and is reached.
    pub(super) fn is_at_limit(&self, task: TaskId) -> bool {
        let limit = self.process_of(task).signal_limit;
        limit != PENDING_LIMIT && self.records_of(self.task(task).credentials.uid) >= limit
    }

    /// The records that count for a user: those that wait for its tasks and processes, and those that
    /// its zombies have left.
    fn records_of(&self, uid: u32) -> u64 {
        let of_user = |t: TaskId| self.task(t).credentials.uid == uid;
        let tasks = (0..self.tasks.len() as u16)
            .map(TaskId)
            .filter(|t| of_user(*t));
        tasks
            .map(|t| {
                let own = records(&self.task(t).pending);
                let process = match &self.processes[t.index()] {
                    Some(p) if !p.reaped => records(&p.pending) + p.records_left,
                    _ => 0,
                };
                own + process
            })
            .sum()
    }

    /// What waits for a process that ends counts until somebody has waited for it. It is nothing to
    /// anybody where no limit is in force.
    pub(crate) fn leave_records(&mut self, leader: TaskId) {
        let limited = |p: &Option<crate::fingerprint::Shared<crate::kernel::Process>>| {
            p.as_ref().is_some_and(|p| p.signal_limit != PENDING_LIMIT)
        };
        let left = match self.processes.iter().any(limited) {
            true => records(&self.process(leader).pending),
            false => 0,
        };
        let process = self.process_mut(leader);
        process.records_left = left;
        process.pending.clear();
    }
}

/// How many of these have a record.
fn records(list: &[Handled]) -> u64 {
    list.iter().filter(|h| **h != bare(h.signal)).count() as u64
}
