//! Generation: a signal is sent to a thread or to a process.
//!
//! A signal for a process waits in one place for all its threads, and whichever of them looks first
//! takes it; but only one is *told* of it, so that the calls of the others are not disturbed.

use super::limit::{self, Fit};
use super::{QUEUES_FROM, SigSet, Usual};
use crate::clause::*;
use crate::kernel::{Cx, Kernel, Op, Report, State};
use scenario::{Bits, Handled, Signal, TaskId, Value, constants::*};

/// What became of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is ignored, and was dropped.
    Dropped,
    /// It became pending.
    Pending,
    /// It waits already, and this one is lost.
    Merged,
    /// There is no room for one more of that number.
    Lost,
    /// There is no room, and the sender is told so.
    Refused,
    /// The process it was for has ended.
    Late,
}

impl Kernel {
    /// Whether the task has started and has not ended.
    pub(super) fn is_alive(&self, task: TaskId) -> bool {
        !matches!(self.task(task).state, State::NotStarted | State::Ended(_))
    }

    /// Whether the setup process has done its part: it then blocks all signals, and nobody ever looks
    /// at what waits for it.
    pub(super) fn has_retired_setup(&self) -> bool {
        self.task(TaskId::SETUP).mask == SigSet(u64::MAX)
    }

    /// Whether the task's id names nothing: it was not started, or is a thread that has ended (a
    /// process that has ended keeps its id until somebody waits for it).
    pub(crate) fn is_gone(&self, task: TaskId) -> bool {
        let t = self.task(task);
        match t.state {
            State::NotStarted => true,
            State::Ended(_) => t.process != task || self.process(task).reaped,
            _ => false,
        }
    }

    /// Sends a signal to one task.
    pub(crate) fn send_to_task(&mut self, task: TaskId, info: Handled, cx: &mut Cx) -> Sent {
        match self.is_alive(task) {
            true => self.send(task, info, true, cx),
            false => Sent::Late,
        }
    }

    /// Sends a signal to the process of a task: the task that was named is the first to be told.
    pub(crate) fn send_to_process(&mut self, named: TaskId, info: Handled, cx: &mut Cx) -> Sent {
        match self.process_of(named).ended {
            None => self.send(named, info, false, cx),
            Some(_) => Sent::Late,
        }
    }

    fn send(&mut self, task: TaskId, info: Handled, private: bool, cx: &mut Cx) -> Sent {
        let leader = self.task(task).process;
        if leader == TaskId::SETUP && self.has_retired_setup() {
            return Sent::Dropped;
        }
        let signal = info.signal;
        match Usual::of(signal) {
            // Continuing happens when the signal is sent, whatever is then done with it, and
            // takes pending stop signals away; a stop signal takes SIGCONT away.
            Usual::Continue => {
                self.forget(leader, |s| Usual::of(s) == Usual::Stop);
                self.wake_stopped(leader);
            }
            Usual::Stop => self.forget(leader, |s| s == Signal::SIGCONT),
            _ => {}
        }
        let t = self.task(task);
        let blocked = t.mask.contains(signal) || t.awaited.contains(signal);
        if !blocked && self.process(leader).dispositions.ignore(signal) {
            return Sent::Dropped;
        }
        let list = match private {
            true => &self.task(task).pending,
            false => &self.process(leader).pending,
        };
        if signal.0 < QUEUES_FROM && list.iter().any(|h| h.signal == signal) {
            return Sent::Merged;
        }
        let info = match self.fit(task, &info, list, cx) {
            Fit::Whole => info,
            Fit::Bare => limit::bare(signal),
            Fit::Lost => return Sent::Lost,
            Fit::Refused => return Sent::Refused,
        };
        let list = match private {
            true => &mut self.task_mut(task).pending,
            false => &mut self.process_mut(leader).pending,
        };
        // One without a record is no more than the number, which a record says as well.
        list.retain(|h| *h != limit::bare(signal));
        list.push(info);
        // Readers of signalfds look, whatever is blocked.
        if !self.process(leader).signal_readers.waiters().is_empty() {
            self.wake_queue(|k| &mut k.process_mut(leader).signal_readers, false, 0, cx);
        }
        let mut candidates = vec![task];
        if !private {
            candidates.extend(self.threads_of(leader));
        }
        if let Some(told) = candidates.into_iter().find(|t| self.wants(*t, signal)) {
            let fatal = Usual::of(signal) == Usual::Terminate
                && !self.task(told).awaited.contains(signal)
                && self.process(leader).dispositions.get(signal).handler == SIG_DFL;
            if fatal {
                // Death does not wait for its turn among other signals.
                self.process_mut(leader).exiting.get_or_insert(signal);
            }
            self.task_mut(told).told = true;
        }
        Sent::Pending
    }

    /// Whether a signal for its process may be this thread's to take.
    fn wants(&self, task: TaskId, signal: Signal) -> bool {
        let stopped = matches!(self.task(task).state, State::Stopped { .. });
        self.is_alive(task)
            && !self.task(task).mask.contains(signal)
            && (signal == Signal::SIGKILL || !stopped && !self.signal_pending(task))
    }

    /// SIGCONT: whoever is stopped goes on, and nobody stops who was to.
    fn wake_stopped(&mut self, leader: TaskId) {
        let threads = self.threads_of(leader);
        let is_stopped = |k: &Kernel, t: &TaskId| {
            matches!(k.task(*t).state, State::Stopped { woken: false, .. })
        };
        if !threads.is_empty() && threads.iter().all(|t| is_stopped(self, t)) {
            let process = self.process_mut(leader);
            process.continued = true;
            process.report = Some(Report::Continued);
        }
        for t in threads {
            self.task_mut(t).stopping = false;
            if let State::Stopped { woken, .. } = &mut self.task_mut(t).state {
                *woken = true;
            }
        }
    }

    /// Throws pending signals away. Who was told of them looks all the same, and finds nothing.
    pub(super) fn forget(&mut self, leader: TaskId, which: impl Fn(Signal) -> bool) {
        self.process_mut(leader)
            .pending
            .retain(|h| !which(h.signal));
        for t in self.threads_of(leader) {
            self.task_mut(t).pending.retain(|h| !which(h.signal));
        }
    }

    /// The task has come to block these signals, or has ended: those of its process that it was
    /// told of are another thread's.
    pub(crate) fn retarget(&mut self, task: TaskId, blocked: SigSet) {
        let leader = self.task(task).process;
        let waiting: Vec<Signal> = self
            .process(leader)
            .pending
            .iter()
            .map(|h| h.signal)
            .collect();
        for signal in waiting.into_iter().filter(|s| blocked.contains(*s)) {
            let threads = self.threads_of(leader).into_iter();
            if let Some(told) = threads
                .filter(|t| *t != task)
                .find(|t| self.wants(*t, signal))
            {
                self.task_mut(told).told = true;
            }
        }
    }

    /// A process ended, stopped or was continued: its parent gets SIGCHLD, unless it wants none.
    pub(crate) fn tell_parent(
        &mut self,
        leader: TaskId,
        code: ChildCode,
        status: i64,
        cx: &mut Cx,
    ) {
        let Some(parent) = self.process(leader).parent else {
            return;
        };
        let disposition = self.process(parent).dispositions.get(Signal::SIGCHLD);
        let lives_on = matches!(code, ChildCode::Stopped | ChildCode::Continued);
        let ignored = disposition.handler == SIG_IGN;
        let unwanted = !lives_on && (ignored || disposition.flags & SA_NOCLDWAIT != 0);
        if ignored {
            cx.cite(SIG_127);
        } else if lives_on && disposition.flags & SA_NOCLDSTOP != 0 {
            cx.cite(SIG_125);
        } else if parent != TaskId::SETUP || !self.has_retired_setup() {
            cx.cite(SIG_053);
            cx.cite(SIG_122);
            let info = Handled {
                value: Some(status),
                ..Handled::new(
                    Signal::SIGCHLD,
                    Value::Bits(Bits::SiCode, code as u64),
                    Value::Task(leader),
                )
            };
            // Its own thread is the first to be told.
            let named = self.process(leader).forker.unwrap_or(parent);
            if self.send_to_process(named, info, cx) == Sent::Merged {
                cx.cite(SIG_123);
            }
        }
        let heeds = |k: &Kernel, t: TaskId| match &k.task(t).state {
            State::Sleeping {
                op: Op::Wait(op), ..
            } => op.heeds(k, t, leader),
            _ => false,
        };
        self.wake_some(&self.process(parent).child_waiters.clone(), heeds);
        if unwanted {
            cx.cite(if ignored { SIG_126 } else { SIG_128 });
            self.reap(leader);
        }
    }
}

/// What SIGCHLD tells of a child, as its `si_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum ChildCode {
    /// `CLD_EXITED`
    Exited = 1,
    /// `CLD_KILLED`
    Killed = 2,
    /// `CLD_STOPPED`
    Stopped = 5,
    /// `CLD_CONTINUED`
    Continued = 6,
}
