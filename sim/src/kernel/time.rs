//! Time, as far as it decides anything: calls that give up, and timers that send a signal.
//!
//! There is no clock, only the order in which times end. A task that waits for a time holds what is
//! left of it; when time passes, it passes to the nearest end, and what is left of the others is
//! less by that much. Calls take no time by themselves, but a call may be late by any amount, so time
//! may pass at any moment: an explorer takes that action like any other.

use super::{Cx, Kernel, State};
use crate::signal::Timer;
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

    /// What is left of the times that a task waits for: of its call's, and of its process's timer, which
    /// counts for the first task of the process.
    fn times_of(&self, task: TaskId) -> impl Iterator<Item = u64> {
        let timer = match self.processes.get(task.index()) {
            Some(Some(process)) => process.timer.map(|t| t.left),
            _ => None,
        };
        self.task(task).deadline.into_iter().chain(timer)
    }

    /// What is left of the time that ends first.
    fn nearest(&self) -> Option<u64> {
        self.all_tasks().flat_map(|t| self.times_of(t)).min()
    }

    fn all_tasks(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u16).map(TaskId)
    }

    /// Whether it is the task's time that ends next.
    pub fn can_expire(&self, task: TaskId) -> bool {
        let nearest = self.nearest();
        nearest.is_some() && self.times_of(task).any(|left| Some(left) == nearest)
    }

    /// Time passes to the end of the task's, which [ends next](Kernel::can_expire).
    pub(crate) fn expire(&mut self, task: TaskId, cx: &mut Cx) {
        let passed = self.nearest().unwrap_or(0);
        let rings = match &self.processes[task.index()] {
            Some(process) => process.timer.is_some_and(|t| t.left == passed),
            None => false,
        };
        for other in self.all_tasks() {
            if self.task(other).deadline.is_some_and(|left| left > 0) && passed > 0 {
                let t = self.task_mut(other);
                t.deadline = t.deadline.map(|left| left.saturating_sub(passed));
            }
            if let Some(process) = &mut self.processes[other.index()]
                && let Some(timer) = process.timer
                && passed > 0
            {
                process.make_mut().timer = Some(Timer {
                    left: timer.left.saturating_sub(passed),
                    ..timer
                });
            }
        }
        // If both end at once, the timer is first; the call's time is then left at nothing.
        if rings {
            return self.ring(task, cx);
        }
        let t = self.task_mut(task);
        (t.deadline, t.expired) = (None, true);
        if let State::Sleeping { woken, .. } = &mut t.state {
            *woken = true;
        }
    }
}
