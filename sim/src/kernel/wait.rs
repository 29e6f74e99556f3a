//! Wait queues: who sleeps for what, in which order they are woken.
//!
//! As on Linux: those that want to be woken alone (*exclusive*: readers, writers) stand at the
//! tail in order of arrival, the others (openers, pollers) at the head. A wake-up wakes every
//! non-exclusive waiter and one exclusive one. Who is woken leaves the queue, save a poller, which
//! stays in it until its call is over.

use super::{Cx, Flavor, Kernel, ObjId};
use crate::clause::*;
use scenario::TaskId;

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiter {
    /// Who it is.
    pub who: Who,
    /// How it wants to be woken.
    pub how: How,
}

/// Who stands in a wait queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A task.
    Task(TaskId),
    /// An entry of an epoll instance.
    Entry(ObjId, crate::epoll::Key),
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
        /// The events that it wants to know of; hangups and new partners it is told of in any case.
        asks: u64,
    },
}

/// A wait queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WaitQueue(Vec<Waiter>);

impl WaitQueue {
    /// A task joins the queue, unless it stands in it already.
    pub fn join(&mut self, task: TaskId, how: How) {
        self.enter(Who::Task(task), how);
    }

    /// Joins the queue; who stands in it already keeps its place.
    pub(crate) fn enter(&mut self, who: Who, how: How) {
        if let Some(known) = self.0.iter_mut().find(|w| w.who == who) {
            if let Who::Entry(..) = who {
                known.how = how;
            }
            return;
        }
        let waiter = Waiter { who, how };
        match how {
            How::Alone => self.0.push(waiter),
            How::Together | How::Watching { .. } => self.0.insert(0, waiter),
        }
    }

    /// A task that wants to be woken alone joins the queue before all others.
    pub(crate) fn join_first(&mut self, task: TaskId) {
        let who = Who::Task(task);
        self.withdraw(who);
        let how = How::Alone;
        self.0.insert(0, Waiter { who, how });
    }

    /// A task that is woken with all others joins the queue behind them, and behind those that want
    /// to be woken alone: whoever of those is woken first keeps the wake-up from it.
    pub(crate) fn join_last(&mut self, task: TaskId) {
        if !self.contains(task) {
            let (who, how) = (Who::Task(task), How::Together);
            self.0.push(Waiter { who, how });
        }
    }

    /// A task leaves the queue.
    pub fn leave(&mut self, task: TaskId) {
        self.withdraw(Who::Task(task));
    }

    /// Leaves the queue.
    pub(crate) fn withdraw(&mut self, who: Who) {
        self.0.retain(|w| w.who != who);
    }

    /// The tasks that stand in it, in order.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        let task = |w: &Waiter| match w.who {
            Who::Task(task) => Some(task),
            Who::Entry(..) => None,
        };
        self.0.iter().filter_map(task).collect()
    }

    /// Whether the task stands in it.
    pub fn contains(&self, task: TaskId) -> bool {
        self.0.iter().any(|w| w.who == Who::Task(task))
    }

    /// Those that wait, first to be woken first.
    pub fn waiters(&self) -> &[Waiter] {
        &self.0
    }
}

impl Kernel {
    /// Wakes those in a queue that the test finds. They stay in it until their calls are over.
    pub(crate) fn wake_some(&mut self, queue: &WaitQueue, test: impl Fn(&Kernel, TaskId) -> bool) {
        for task in queue.tasks() {
            if test(self, task) {
                self.wake_task(task);
            }
        }
    }

    /// Wakes every waiter of `queue`, or (`one`) the non-exclusive ones and one exclusive one. A
    /// waiter that is awake already, by a signal or another wake-up, is passed over. `key` tells the
    /// events that it is about; 0: something that everybody must look at.
    pub(crate) fn wake_queue(
        &mut self,
        queue: impl Fn(&mut Kernel) -> &mut WaitQueue,
        one: bool,
        key: u64,
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
            let task = match waiter.who {
                Who::Task(task) => task,
                Who::Entry(epoll, entry) => {
                    let counts = self.entry_is_woken(epoll, entry, key, cx);
                    if one && counts && waiter.how == How::Alone {
                        break;
                    }
                    continue;
                }
            };
            if let How::Watching { asks } = waiter.how
                && key != 0
                && asks & key == 0
            {
                cx.cite(READY_014);
                continue;
            }
            if !self.wake_task(task) {
                continue;
            }
            if !matches!(waiter.how, How::Watching { .. }) {
                queue(self).leave(task);
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
