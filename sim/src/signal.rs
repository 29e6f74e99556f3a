//! Signals: dispositions, masks, pending signals, and what they do to a task.
//!
//! Signals cut across every mechanism, and they do it here and nowhere else. A call that sleeps
//! asks [`Kernel::signal_pending`] before it goes back to sleep, and then says how far it got:
//! done, or disturbed before anything showed ([`Progress::Restart`](crate::kernel::Progress)). What
//! follows (handler, restart, `EINTR`, stop, death) is decided in [`Kernel::deliver`].

use crate::clause::*;
use crate::kernel::{Cx, Effect, Invocation, Kernel, ObjId, Restart, Seen, State, Then, abandon};
use crate::pipe::Side;
use scenario::{Bits, End, Errno, Handled, Signal, Sys, TaskId, Value, constants::*};

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
}

/// What a signal does by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Default_ {
    Terminate,
    Ignore,
    Stop,
    Continue,
}

fn default_action(signal: Signal) -> Default_ {
    match signal {
        Signal::SIGCHLD | Signal::SIGURG | Signal::SIGWINCH => Default_::Ignore,
        Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU => Default_::Stop,
        Signal::SIGCONT => Default_::Continue,
        _ => Default_::Terminate,
    }
}

/// Whether the process does nothing at all about the signal.
fn ignores(dispositions: &Dispositions, signal: Signal) -> bool {
    match dispositions.get(signal).handler {
        SIG_IGN => true,
        SIG_DFL => matches!(
            default_action(signal),
            Default_::Ignore | Default_::Continue
        ),
        _ => false,
    }
}

impl Kernel {
    /// Whether a signal waits that the task does not block (one that is ignored does not wait).
    pub fn signal_pending(&self, task: TaskId) -> bool {
        let t = self.task(task);
        if matches!(t.state, State::NotStarted | State::Ended(_)) {
            return false;
        }
        let process = self.process_of(task);
        t.pending
            .iter()
            .chain(&process.pending)
            .any(|h| !t.mask.contains(h.signal))
    }

    /// Whether SIGKILL waits.
    pub fn kill_pending(&self, task: TaskId) -> bool {
        let t = self.task(task);
        let process = self.process_of(task);
        t.pending
            .iter()
            .chain(&process.pending)
            .any(|h| h.signal == Signal::SIGKILL)
    }

    /// Sends a signal to one task.
    pub(crate) fn send_to_task(&mut self, task: TaskId, info: Handled) {
        if !matches!(self.task(task).state, State::NotStarted | State::Ended(_)) {
            self.send(task, info, true);
        }
    }

    /// Sends a signal to a process.
    pub(crate) fn send_to_process(&mut self, leader: TaskId, info: Handled) {
        if self.process(leader).ended.is_none() {
            self.send(leader, info, false);
        }
    }

    fn send(&mut self, task: TaskId, info: Handled, private: bool) {
        let leader = self.task(task).process;
        let signal = info.signal;
        match default_action(signal) {
            // Continuing happens when the signal is sent, whatever is then done with it, and
            // takes pending stop signals away; a stop signal takes SIGCONT away.
            Default_::Continue => {
                self.forget(leader, |s| default_action(s) == Default_::Stop);
                for t in self.threads_of(leader) {
                    if let State::Stopped { woken, .. } = &mut self.task_mut(t).state {
                        *woken = true;
                    }
                }
            }
            Default_::Stop => self.forget(leader, |s| s == Signal::SIGCONT),
            Default_::Terminate | Default_::Ignore => {}
        }
        let blocked = self.task(task).mask.contains(signal);
        if !blocked && ignores(&self.process(leader).dispositions, signal) {
            return;
        }
        let list = if private {
            &mut self.task_mut(task).pending
        } else {
            &mut self.process_mut(leader).pending
        };
        if signal.is_realtime() || !list.iter().any(|h| h.signal == signal) {
            list.push(info);
        }
    }

    fn forget(&mut self, leader: TaskId, which: impl Fn(Signal) -> bool) {
        self.process_mut(leader)
            .pending
            .retain(|h| !which(h.signal));
        for t in self.threads_of(leader) {
            self.task_mut(t).pending.retain(|h| !which(h.signal));
        }
    }

    /// Takes the next signal that the task does not block: its own before the process's, of each
    /// SIGKILL first, then the lowest number.
    fn dequeue(&mut self, task: TaskId) -> Option<Handled> {
        let mask = self.task(task).mask;
        let next = |list: &[Handled]| {
            list.iter()
                .enumerate()
                .filter(|(_, h)| !mask.contains(h.signal))
                .min_by_key(|(at, h)| (h.signal != Signal::SIGKILL, h.signal, *at))
                .map(|(at, _)| at)
        };
        let private = &self.task(task).pending;
        let shared = &self.process_of(task).pending;
        if let Some(at) = shared.iter().position(|h| h.signal == Signal::SIGKILL) {
            return Some(self.process_mut(task).pending.remove(at));
        }
        if let Some(at) = next(private) {
            return Some(self.task_mut(task).pending.remove(at));
        }
        let at = next(shared)?;
        Some(self.process_mut(task).pending.remove(at))
    }

    /// On the way back to its own code, a task takes its signals; then it goes on with `then`.
    pub(crate) fn deliver(&mut self, task: TaskId, mut then: Then, cx: &mut Cx) {
        let mut handled = Vec::new();
        while let Some(info) = self.dequeue(task) {
            let signal = info.signal;
            let leader = self.task(task).process;
            let disposition = self.process(leader).dispositions.get(signal);
            match disposition.handler {
                SIG_IGN => continue,
                SIG_DFL => match default_action(signal) {
                    Default_::Ignore | Default_::Continue => continue,
                    Default_::Stop => {
                        self.run_handlers(task, &mut handled, cx);
                        self.task_mut(task).state = State::Stopped { then, woken: false };
                        self.stop_others(task, leader, cx);
                        return;
                    }
                    Default_::Terminate => {
                        if signal == Signal::SIGPIPE {
                            cx.cite(PIPE_052);
                        }
                        self.run_handlers(task, &mut handled, cx);
                        self.end_process(leader, End::Killed(signal), cx);
                        return;
                    }
                },
                _ => {}
            }
            if signal == Signal::SIGPIPE {
                cx.cite(PIPE_052);
            }
            if disposition.flags & SA_RESETHAND != 0 {
                self.process_mut(leader)
                    .dispositions
                    .set(signal, Disposition::default());
            }
            // The first handler decides what becomes of a disturbed call.
            if let Then::Restart(_, kind) = &then {
                let restarts =
                    *kind == Restart::UnlessHandler && disposition.flags & SA_RESTART != 0;
                if !restarts {
                    then = Then::Return(Errno::EINTR.into());
                }
            }
            // While handlers' frames pile up, the handled signal itself is blocked.
            if disposition.flags & SA_NODEFER == 0 {
                handled.push((info, Some(self.task(task).mask)));
                let mask = self.task(task).mask.with(signal);
                self.task_mut(task).mask = mask;
            } else {
                handled.push((info, None));
            }
        }
        let ran = !handled.is_empty();
        self.run_handlers(task, &mut handled, cx);
        match then {
            Then::Idle => self.task_mut(task).state = State::Idle,
            Then::Return(value) => {
                self.task_mut(task).state = State::Idle;
                cx.effects.push(Effect {
                    task,
                    what: Seen::Return(value),
                });
            }
            Then::Restart(call, _) => {
                self.task_mut(task).state = State::Idle;
                self.restart(task, call, cx);
                return;
            }
        }
        // A signal that its own handler blocked may have come again meanwhile.
        if ran && self.signal_pending(task) && self.is_idle(task) {
            self.deliver(task, Then::Idle, cx);
        }
    }

    /// Runs handlers whose frames have piled up: the last one first.
    fn run_handlers(
        &mut self,
        task: TaskId,
        handled: &mut Vec<(Handled, Option<SigSet>)>,
        cx: &mut Cx,
    ) {
        while let Some((info, mask)) = handled.pop() {
            cx.effects.push(Effect {
                task,
                what: Seen::Handle(info),
            });
            if let Some(mask) = mask {
                self.task_mut(task).mask = mask;
            }
        }
    }

    /// A stop signal stops every thread of the process.
    fn stop_others(&mut self, task: TaskId, leader: TaskId, cx: &mut Cx) {
        for t in self.threads_of(leader) {
            if t == task {
                continue;
            }
            match std::mem::replace(&mut self.task_mut(t).state, State::Idle) {
                State::Idle => {
                    self.task_mut(t).state = State::Stopped {
                        then: Then::Idle,
                        woken: false,
                    };
                }
                State::Sleeping { call, op, .. } => {
                    self.task_mut(t).state = State::Stopped {
                        then: Then::Restart(call, Restart::UnlessHandler),
                        woken: false,
                    };
                    abandon(self, t, op, cx);
                }
                other => self.task_mut(t).state = other,
            }
        }
    }

    /// Tells the owners of a pipe's descriptions that have `O_ASYNC` set: those of read
    /// descriptions that there is input, those of write descriptions that there is room.
    pub(crate) fn tell_owners(&mut self, pipe: ObjId, side: Side, cx: &mut Cx) {
        if self.files.iter().all(|(_, f)| f.flags & O_ASYNC == 0) {
            return;
        }
        let told: Vec<_> = self
            .files
            .iter()
            .filter(|(_, f)| f.pipe() == Some(pipe) && f.flags & O_ASYNC != 0)
            .filter(|(_, f)| match side {
                Side::Readers => f.readable(),
                Side::Writers => f.writable(),
            })
            .map(|(_, f)| (f.owner, f.async_signal))
            .collect();
        for (owner, chosen) in told {
            let Some(owner) = owner else {
                cx.cite(PIPE_113);
                continue;
            };
            cx.cite(PIPE_110);
            cx.cite(PIPE_112);
            let code = match (chosen, side) {
                (None, _) => SI_KERNEL,
                (Some(_), Side::Readers) => POLL_IN,
                (Some(_), Side::Writers) => POLL_OUT,
            };
            let info = Handled {
                signal: chosen.unwrap_or(Signal::SIGIO),
                code: Value::Bits(Bits::SiCode, code),
                sender: Value::Int(0),
            };
            self.send_to_process(owner, info);
        }
    }
}

/// The calls on signals.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let signal = |at: usize| -> Result<Signal, Errno> {
        u8::try_from(call.int(at))
            .ok()
            .filter(|n| *n <= 64)
            .map(Signal)
            .ok_or(Errno::EINVAL)
    };
    match call.sys {
        Sys::Sigaction => {
            let signal = signal(0)?;
            if signal.0 == 0 || matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
                return Err(Errno::EINVAL);
            }
            let disposition = Disposition {
                handler: call.bits(1),
                flags: call.bits(2),
            };
            k.process_mut(task).dispositions.set(signal, disposition);
            if ignores(&k.process_of(task).dispositions, signal) {
                // Pending ones are thrown away.
                let leader = k.task(task).process;
                k.forget(leader, |s| s == signal);
            }
            Ok(Value::ZERO)
        }
        Sys::Sigprocmask => {
            let set = call
                .list(1)
                .iter()
                .fold(SigSet::default(), |set, s| match s.number() {
                    Some(n @ 1..=64) => set.with(Signal(n as u8)),
                    _ => set,
                });
            let old = k.task(task).mask;
            let new = match call.bits(0) {
                SIG_BLOCK => SigSet(old.0 | set.0),
                SIG_UNBLOCK => SigSet(old.0 & !set.0),
                SIG_SETMASK => set,
                _ => return Err(Errno::EINVAL),
            };
            let never = SigSet::default()
                .with(Signal::SIGKILL)
                .with(Signal::SIGSTOP);
            k.task_mut(task).mask = SigSet(new.0 & !never.0);
            Ok(Value::ZERO)
        }
        Sys::Sigpending => {
            let t = k.task(task);
            let mut signals: Vec<Signal> = t
                .pending
                .iter()
                .chain(&k.process_of(task).pending)
                .map(|h| h.signal)
                .filter(|s| t.mask.contains(*s))
                .collect();
            signals.sort();
            signals.dedup();
            Ok(Value::List(
                signals.into_iter().map(Value::Signal).collect(),
            ))
        }
        Sys::Kill | Sys::Tgkill => {
            let signal = signal(1)?;
            let target = call.task(0).ok_or(Errno::ESRCH)?;
            if matches!(k.task(target).state, State::NotStarted) {
                return Err(Errno::ESRCH);
            }
            let leader = k.task(target).process;
            let (from, to) = (
                k.process_of(task).credentials,
                k.process(leader).credentials,
            );
            let same_user = [from.uid, from.euid].contains(&to.uid);
            if !from.privileged() && !same_user {
                return Err(Errno::EPERM);
            }
            if signal.0 == 0 {
                return Ok(Value::ZERO);
            }
            let sender = Value::Task(k.task(task).process);
            if call.sys == Sys::Kill {
                let code = Value::Bits(Bits::SiCode, SI_USER);
                k.send_to_process(
                    leader,
                    Handled {
                        signal,
                        code,
                        sender,
                    },
                );
            } else {
                let code = Value::Bits(Bits::SiCode, SI_TKILL);
                k.send_to_task(
                    target,
                    Handled {
                        signal,
                        code,
                        sender,
                    },
                );
            }
            cx.cite(PIPE_105);
            Ok(Value::ZERO)
        }
        _ => Err(Errno::ENOSYS),
    }
}
