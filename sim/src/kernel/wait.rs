//! Wait queues: who sleeps for what, in which order they are woken.
//!
//! As on Linux: those that want to be woken alone (*exclusive*: readers, writers) stand at the
//! tail in order of arrival, the others (openers, pollers) at the head. A wake-up wakes every
//! non-exclusive waiter and one exclusive one. Who is woken leaves the queue, save a poller, which
//! stays in it until its call is over.

use super::{Cx, Flavor, Kernel};
use crate::clause::*;
use scenario::TaskId;

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiter {
    /// The task.
    pub task: TaskId,
    /// How it wants to be woken.
    pub how: How,
}

/// How a waiter wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// One at a time.
    Alone,
    /// With all others of its kind.
    Together,
    /// The same, and it stays in the queue.
    Watching {
        /// It wants to know of bytes or room, and not only of hangups and new partners.
        heeds: bool,
    },
}

/// A wait queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WaitQueue(Vec<Waiter>);

impl WaitQueue {
    /// Joins the queue, unless the task stands in it already.
    pub fn join(&mut self, task: TaskId, how: How) {
        if self.contains(task) {
            return;
        }
        let waiter = Waiter { task, how };
        match how {
            How::Alone => self.0.push(waiter),
            How::Together | How::Watching { .. } => self.0.insert(0, waiter),
        }
    }

    /// Leaves the queue.
    pub fn leave(&mut self, task: TaskId) {
        self.0.retain(|w| w.task != task);
    }

    /// Those that stand in it, in order.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        self.0.iter().map(|w| w.task).collect()
    }

    /// Whether the task stands in it.
    pub fn contains(&self, task: TaskId) -> bool {
        self.0.iter().any(|w| w.task == task)
    }

    /// Those that wait, first to be woken first.
    pub fn waiters(&self) -> &[Waiter] {
        &self.0
    }
}

impl Kernel {
    /// Wakes those in a queue that the test finds. They stay in it until their calls are over.
    pub(crate) fn wake_some(&mut self, queue: &WaitQueue, test: impl Fn(&Kernel, TaskId) -> bool) {
        for waiter in queue.waiters() {
            if test(self, waiter.task) {
                self.wake_task(waiter.task);
            }
        }
    }

    /// Wakes every waiter of `queue`, or (`one`) the non-exclusive ones and one exclusive one. A
    /// waiter that is awake already, by a signal or another wake-up, is passed over.
    pub(crate) fn wake_queue(
        &mut self,
        queue: impl Fn(&mut Kernel) -> &mut WaitQueue,
        one: bool,
        cx: &mut Cx,
    ) {
        let mut waiting = queue(self).0.clone();
        if one && self.config.flavor == Flavor::Posix {
            // POSIX leaves open which of the sleepers it is.
            let alone: Vec<_> = waiting
                .iter()
                .copied()
                .filter(|w| w.how == How::Alone)
                .collect();
            if alone.len() > 1 {
                let first = alone[cx.choices.choose(alone.len())];
                waiting.retain(|w| *w != first);
                let at = waiting.len() - (alone.len() - 1);
                waiting.insert(at, first);
            }
        }
        let watchers = |w: &&Waiter| matches!(w.how, How::Watching { .. });
        if waiting.iter().filter(watchers).count() > 1 {
            cx.cite(READY_021);
        }
        for (at, waiter) in waiting.iter().enumerate() {
            // Bytes and room are told to one reader or writer, the rest to all.
            if one && waiter.how == (How::Watching { heeds: false }) {
                cx.cite(READY_014);
                continue;
            }
            if !self.wake_task(waiter.task) {
                continue;
            }
            if !matches!(waiter.how, How::Watching { .. }) {
                queue(self).leave(waiter.task);
            }
            if one && waiter.how == How::Alone {
                if waiting[at + 1..].iter().any(|w| w.how == How::Alone) {
                    cx.cite(PIPE_096);
                }
                break;
            }
        }
    }
}
