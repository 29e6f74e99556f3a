//! Delivery: on the way back to its own code, a task takes its signals.
//!
//! All that can be delivered is taken first, each signal with a handler as a frame on the stack; then
//! the bodies run, the last frame's first. What ends or stops the process does so before any body
//! has run:
//!
//! ```text
//! pending   SIGUSR1 (handler), SIGUSR2 (handler), SIGTSTP (default)
//! taken     frame SIGUSR1 │ frame SIGUSR2 on top │ stopped … continued │ body SIGUSR2, body SIGUSR1
//! ```

use super::calls::stop_key;
use super::{ChildCode, Disposition, SigSet, Usual};
use crate::clause::*;
use crate::kernel::{Cx, Effect, Kernel, Report, Restart, Seen, State, Then};
use crate::posix_mq;
use scenario::{End, Errno, Handled, Signal, Sys, TaskId, constants::*};

/// A handler that will run, and the mask that comes back when it returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    info: Handled,
    mask: SigSet,
}

/// What a task does about a signal.
enum Action {
    /// Nothing.
    Nothing,
    /// Its handler runs.
    Handle(Disposition),
    /// Its process stops.
    Stop,
    /// Its process ends.
    Die,
}

impl Kernel {
    /// Takes the next signal that the task does not block: its own before the process's, of each
    /// the fault signals first, then the lowest number.
    fn dequeue(&mut self, task: TaskId, cx: &mut Cx) -> Option<Handled> {
        self.dequeue_unblocked(task, self.task(task).mask, cx)
    }

    /// Takes the next signal of a set, blocked or not, for a call that accepts it.
    pub(super) fn accept(&mut self, task: TaskId, set: SigSet, cx: &mut Cx) -> Option<Handled> {
        let info = self.dequeue_unblocked(task, SigSet(!set.0), cx)?;
        cx.cite(SIG_090);
        let leader = self.task(task).process;
        if self.process(leader).dispositions.ignore(info.signal) {
            cx.cite(SIG_016);
        }
        // What the task was told of may be what it has just taken.
        if self.task(task).told && !self.has_deliverable(task) {
            self.task_mut(task).told = false;
        }
        Some(info)
    }

    fn dequeue_unblocked(&mut self, task: TaskId, mask: SigSet, cx: &mut Cx) -> Option<Handled> {
        let fault = |s: Signal| matches!(s.0, 4 | 5 | 7 | 8 | 11 | 31);
        let next = |list: &[Handled]| {
            list.iter()
                .enumerate()
                .filter(|(_, h)| !mask.contains(h.signal))
                .min_by_key(|(at, h)| (!fault(h.signal), h.signal, *at))
                .map(|(at, _)| at)
        };
        // One that is taken makes room where there was none.
        if self.is_at_limit(task) {
            cx.cite(SIG_048);
        }
        let private = next(&self.task(task).pending);
        let shared = next(&self.process_of(task).pending);
        if private.is_none() && shared.is_none() {
            return None;
        }
        let leader = self.task(task).process;
        let alone = self.threads_of(leader).len() == 1;
        if let Some(at) = private {
            if shared.is_some() {
                cx.cite(SIG_033);
            }
            if !alone {
                cx.cite(SIG_076);
            }
            let pending = &mut self.task_mut(task).pending;
            cite_order(pending, at, mask, cx);
            return Some(pending.remove(at));
        }
        if !alone {
            cx.cite(SIG_073);
            cx.cite(SIG_074);
        }
        let pending = &mut self.process_mut(task).pending;
        cite_order(pending, shared?, mask, cx);
        Some(pending.remove(shared?))
    }

    fn action_of(&self, leader: TaskId, signal: Signal) -> Action {
        let disposition = self.process(leader).dispositions.get(signal);
        match (disposition.handler, Usual::of(signal)) {
            (SIG_IGN, _) | (SIG_DFL, Usual::Ignore | Usual::Continue) => Action::Nothing,
            (SIG_DFL, Usual::Stop) => Action::Stop,
            (SIG_DFL, Usual::Terminate | Usual::Core) => Action::Die,
            _ => Action::Handle(disposition),
        }
    }

    /// On the way back to its own code, a task takes its signals; then it goes on with `then`.
    pub(crate) fn deliver(&mut self, task: TaskId, mut then: Then, cx: &mut Cx) {
        let leader = self.task(task).process;
        let continued = self.process(leader).continued;
        if continued {
            self.process_mut(leader).continued = false;
            let status = i64::from(Signal::SIGCONT.0);
            self.tell_parent(leader, ChildCode::Continued, status, cx);
        }
        // Who was told of nothing does not look: a signal of the process is for who was told of it.
        let mut looks = self.signal_pending(task) || !self.task(task).frames.is_empty();
        if let Then::Restart(call, Restart::Never) = &then {
            cite_never(call.sys, cx);
            then = Then::Return(Errno::EINTR.into());
        }
        // Only the first handler decides what becomes of a disturbed call; it may have been taken
        // before a stop.
        let mut decided = !self.task(task).frames.is_empty();
        while looks {
            if let Some(signal) = self.process(leader).exiting {
                return self.die(task, leader, signal, cx);
            }
            if self.task(task).stopping {
                return self.stop(task, leader, then, cx);
            }
            if let Some(info) = self.dequeue(task, cx) {
                let signal = info.signal;
                match self.action_of(leader, signal) {
                    Action::Nothing => {
                        cx.cite(SIG_016);
                        if stop_key(signal) {
                            cx.cite(SIG_111);
                        }
                        if task != leader && self.task(leader).mask.contains(signal) {
                            cx.cite(SIG_205);
                        }
                    }
                    Action::Die => return self.die(task, leader, signal, cx),
                    Action::Stop
                        if signal != Signal::SIGSTOP
                            && self.is_orphaned(self.process(leader).group, cx) =>
                    {
                        cx.cite(SIG_112);
                    }
                    Action::Stop => self.stop_all(leader, signal, cx),
                    Action::Handle(disposition) => {
                        let flags = disposition.flags;
                        if stop_key(signal) {
                            cx.cite(SIG_111);
                        }
                        if continued && decided {
                            cx.cite(SIG_121);
                        }
                        if let Then::Restart(call, kind) = &then {
                            if decided {
                                cx.cite(SIG_109);
                            } else if match self.is_on_terminal(task, call) {
                                true => {
                                    cx.cite(SIG_105);
                                    flags & SA_RESTART == 0
                                }
                                false => interrupts(call.sys, *kind, flags, cx),
                            } {
                                if signal == Signal::SIGCHLD && call.sys.waits_for_children() {
                                    cx.cite(SIG_144);
                                }
                                then = Then::Return(Errno::EINTR.into());
                            }
                        }
                        decided = true;
                        self.push_frame(task, info, disposition, cx);
                    }
                }
            } else if let Some(frame) = self.task_mut(task).frames.pop() {
                let t = self.task_mut(task);
                t.mask = frame.mask;
                t.told = true;
                cx.effects.push(Effect {
                    task,
                    what: Seen::Handle(frame.info),
                });
            } else if self.task(task).saved_mask.is_some() {
                // The call starts over, whatever the mask before it lets through now.
                decided = true;
                self.restore_mask(task);
                looks = self.signal_pending(task);
            } else {
                looks = false;
            }
        }
        // States share what does not change.
        if self.task(task).told || !self.is_idle(task) {
            let t = self.task_mut(task);
            t.told = false;
            t.state = State::Idle;
        }
        match then {
            Then::Idle => {}
            Then::Return(value) => cx.effects.push(Effect {
                task,
                what: Seen::Return(value),
            }),
            Then::Restart(call, _) => self.restart(task, call, cx),
        }
    }

    /// A signal with a handler becomes a frame.
    fn push_frame(&mut self, task: TaskId, info: Handled, disposition: Disposition, cx: &mut Cx) {
        let leader = self.task(task).process;
        let flags = disposition.flags;
        let signal = info.signal;
        if signal == Signal::SIGPIPE {
            cx.cite(PIPE_052);
        }
        if flags & SA_RESETHAND != 0 {
            cx.cite(SIG_022);
            if flags & SA_NODEFER == 0 {
                cx.cite(SIG_024);
            }
            // The flags stay, for who asks.
            let reset = Disposition {
                handler: SIG_DFL,
                ..disposition
            };
            self.process_mut(leader).dispositions.set(signal, reset);
        }
        let mask = self.task(task).mask;
        if !self.task(task).frames.is_empty() {
            cx.cite(SIG_035);
            // Each is a frame on the stack, and nothing else of the task knows of it.
            cx.cite(SIG_201);
        }
        if flags & SA_SIGINFO != 0 {
            cx.cite(SIG_199);
        }
        // After a call that blocked other signals for its time, the mask before it comes back.
        let before = self.task_mut(task).saved_mask.take();
        let before_call = before.is_some();
        if before_call {
            cx.cite(SIG_085);
        }
        let before = before.unwrap_or(mask);
        self.task_mut(task)
            .frames
            .push(Frame { info, mask: before });
        let mut blocked = SigSet(mask.0 | disposition.mask.0);
        if disposition.mask != SigSet::default() {
            cx.cite(SIG_018);
            if self.has_deliverable(task) {
                cx.cite(SIG_036);
            }
        }
        if before_call && self.has_deliverable(task) {
            cx.cite(SIG_086);
        }
        if flags & SA_NODEFER == 0 {
            cx.cite(SIG_018);
            blocked = blocked.with(signal);
        } else {
            cx.cite(SIG_020);
        }
        if blocked != mask {
            self.task_mut(task).mask = blocked;
            self.retarget(task, SigSet(blocked.0 & !mask.0));
        }
    }

    /// The process ends; no handler that waits to run does.
    fn die(&mut self, task: TaskId, leader: TaskId, signal: Signal, cx: &mut Cx) {
        cx.cite(match (signal, Usual::of(signal)) {
            (Signal::SIGPIPE, _) => PIPE_052,
            (Signal::SIGKILL, _) => SIG_038,
            (_, Usual::Core) => SIG_003,
            _ => SIG_002,
        });
        if !self.task(task).frames.is_empty() {
            cx.cite(SIG_202);
        }
        let threads = self.threads_of(leader);
        if threads.len() > 1 {
            cx.cite(SIG_078);
        }
        let mask = self.task(task).mask;
        let pending = self.task(task).pending.iter();
        let mut waiting = pending.chain(&self.process(leader).pending);
        if waiting.any(|h| !mask.contains(h.signal) && h.signal != signal) {
            cx.cite(SIG_037);
        }
        for t in threads {
            let t = self.task_mut(t);
            t.frames.clear();
            (t.told, t.stopping) = (false, false);
        }
        self.end_process(leader, End::Killed(signal), cx);
    }

    /// A stop signal stops every thread of the process, each where it is.
    fn stop_all(&mut self, leader: TaskId, signal: Signal, cx: &mut Cx) {
        self.process_mut(leader).stop_signal = Some(signal);
        let threads = self.threads_of(leader);
        if threads.len() > 1 {
            cx.cite(SIG_110);
        }
        for t in threads {
            let t = self.task_mut(t);
            t.stopping = !matches!(t.state, State::Stopped { .. });
        }
    }

    /// One thread stops.
    fn stop(&mut self, task: TaskId, leader: TaskId, then: Then, cx: &mut Cx) {
        cx.cite(SIG_004);
        // It keeps what it has open.
        cx.cite(FD_023);
        if let Then::Restart(call, kind) = &then {
            match self.is_on_terminal(task, call) {
                true => cx.cite(SIG_107),
                false => cite_stopped(call.sys, *kind, cx),
            }
            if call.sys == Sys::Poll && self.task(task).deadline.is_some() {
                cx.cite(SIG_108);
            }
        }
        if !self.task(task).frames.is_empty() {
            cx.cite(SIG_202);
        }
        let t = self.task_mut(task);
        // When it goes on it looks for signals anew, told or not.
        (t.stopping, t.told) = (false, true);
        t.state = State::Stopped { then, woken: false };
        let threads = self.threads_of(leader);
        let all = |t: &TaskId| matches!(self.task(*t).state, State::Stopped { .. });
        if threads.iter().all(all) {
            let status = self
                .process(leader)
                .stop_signal
                .map_or(0, |s| i64::from(s.0));
            if self.process(leader).report == Some(Report::Continued) {
                cx.cite(SIG_137);
            }
            let stopped = self.process(leader).stop_signal.map(Report::Stopped);
            self.process_mut(leader).report = stopped;
            self.tell_parent(leader, ChildCode::Stopped, status, cx);
        }
    }
}

/// Cites why this signal comes before the others that wait with it.
fn cite_order(pending: &[Handled], at: usize, mask: SigSet, cx: &mut Cx) {
    let signal = pending[at].signal;
    let mut others = pending
        .iter()
        .enumerate()
        .filter(|(i, h)| *i != at && !mask.contains(h.signal));
    if others.clone().any(|(_, h)| h.signal == signal) {
        cx.cite(SIG_032);
    }
    if others.any(|(_, h)| h.signal != signal) {
        cx.cite(SIG_034);
    }
}

/// Cites why a disturbed call fails, handler or not.
fn cite_never(sys: Sys, cx: &mut Cx) {
    cx.cite(SIG_106);
    if matches!(
        sys,
        Sys::Sigtimedwait | Sys::SigtimedwaitAt | Sys::Sigwaitinfo
    ) {
        cx.cite(SIG_088);
        cx.cite(SIG_093);
    }
}

/// Whether a handler with these flags ends the call that it disturbed.
fn interrupts(sys: Sys, kind: Restart, flags: u64, cx: &mut Cx) -> bool {
    match (kind, sys) {
        (Restart::NoHandler, Sys::MsgSend | Sys::MsgReceive) => {
            cx.cite(SIG_106);
            cx.cite(MSG_070);
            return true;
        }
        (Restart::NoHandler, Sys::Pause | Sys::Sigsuspend) => {
            cx.cite(SIG_106);
            cx.cite(match sys {
                Sys::Pause => SIG_083,
                _ => SIG_084,
            });
            return true;
        }
        (Restart::NoHandler, _) => {
            cx.cite(SIG_106);
            cx.cite(READY_022);
            return true;
        }
        (_, Sys::SignalfdRead) => cx.cite(SIG_100),
        (_, Sys::Open | Sys::Reopen | Sys::ReopenOf) => cx.cite(FIFO_036),
        (_, sys) if posix_mq::waits(sys) => {
            cx.cite(SIG_105);
            cx.cite(MQ_072);
            return flags & SA_RESTART == 0;
        }
        (_, sys) if sys.waits_for_children() => {
            cx.cite(SIG_143);
            cx.cite(SIG_105);
            return flags & SA_RESTART == 0;
        }
        _ => cx.cite(PIPE_104),
    }
    cx.cite(SIG_105);
    let restarts = flags & SA_RESTART != 0;
    if restarts {
        cx.cite(PIPE_101);
    }
    !restarts
}

/// Cites what a stop does to the call that it disturbed.
fn cite_stopped(sys: Sys, kind: Restart, cx: &mut Cx) {
    cx.cite(SIG_107);
    match (kind, sys) {
        (Restart::NoHandler, Sys::MsgSend | Sys::MsgReceive) => {
            cx.cite(MSG_059);
            cx.cite(MSG_071);
        }
        (Restart::NoHandler, Sys::Pause) => cx.cite(SIG_083),
        (Restart::NoHandler, Sys::Sigsuspend) => cx.cite(SIG_087),
        (Restart::NoHandler, _) => cx.cite(READY_023),
        (_, Sys::SignalfdRead) => cx.cite(SIG_100),
        (_, sys) if sys.waits_for_children() => cx.cite(SIG_143),
        (_, Sys::Open | Sys::Reopen | Sys::ReopenOf) => cx.cite(FIFO_035),
        (_, sys) if posix_mq::waits(sys) => {
            cx.cite(MQ_064);
            cx.cite(MQ_073);
            cx.cite(MQ_081);
        }
        _ => {
            cx.cite(PIPE_107);
            cx.cite(PIPE_101);
        }
    }
}
