//! Time, as far as it decides anything: calls that give up, and timers that send a signal.
//!
//! There is no clock, only the order in which times end. A task that waits for a time holds what is
//! left of it; when time passes, it passes to the nearest end, and what is left of the others is
//! less by that much. Calls take no time by themselves, but a call may be late by any amount, so time
//! may pass at any moment: an explorer takes that action like any other.

use super::{Kernel, State};
use scenario::TaskId;

impl Kernel {
    /// The call that `task` is in gives up after so many nanoseconds.
    pub(crate) fn set_timeout(&mut self, task: TaskId, nanoseconds: u64) {
        self.task_mut(task).deadline = Some(nanoseconds);
    }

    /// Whether the time of the call that `task` is in is over.
    pub(crate) fn timed_out(&self, task: TaskId) -> bool {
        self.task(task).expired
    }

    /// The call is done, or starts over with a time of its own.
    pub(crate) fn clear_timeout(&mut self, task: TaskId) {
        let t = self.task(task);
        if t.deadline.is_some() || t.expired {
            let t = self.task_mut(task);
            (t.deadline, t.expired) = (None, false);
        }
    }

    /// What is left of the time that ends first.
    fn nearest(&self) -> Option<u64> {
        self.tasks.iter().filter_map(|t| t.deadline).min()
    }

    /// Whether it is the task's time that ends next.
    pub fn can_expire(&self, task: TaskId) -> bool {
        let t = self.task(task);
        t.deadline.is_some() && t.deadline == self.nearest()
    }

    /// Time passes to the end of the task's, which [ends next](Kernel::can_expire).
    pub fn expire(&mut self, task: TaskId) {
        let passed = self.task(task).deadline.unwrap_or(0);
        for other in (0..self.tasks.len() as u16).map(TaskId) {
            if self.task(other).deadline.is_some_and(|left| left > 0) && passed > 0 {
                let t = self.task_mut(other);
                t.deadline = t.deadline.map(|left| left.saturating_sub(passed));
            }
        }
        let t = self.task_mut(task);
        (t.deadline, t.expired) = (None, true);
        if let State::Sleeping { woken, .. } = &mut t.state {
            *woken = true;
        }
    }
}
