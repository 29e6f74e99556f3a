//! The calls on signals.

use super::send::Sent;
use super::{Disposition, SigSet, Usual};
use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, Op, State};
use scenario::{Bits, Errno, Handled, Signal, Sys, TaskId, Value, constants::*};

/// `sigaction`, `sigprocmask`, `sigpending`, `kill`, `tgkill`.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    match call.sys {
        Sys::Sigaction => sigaction(k, task, call, cx),
        Sys::Sigprocmask => sigprocmask(k, task, call, cx),
        Sys::Sigpending => Ok(sigpending(k, task, cx)),
        Sys::Kill | Sys::Tgkill => send(k, task, call, cx),
        _ => Err(Errno::ENOSYS),
    }
}

/// An argument that is a signal's number, 0 among them.
fn number(call: &Invocation, at: usize) -> Result<Signal, Errno> {
    u8::try_from(call.int(at))
        .ok()
        .filter(|n| *n <= 64)
        .map(Signal)
        .ok_or(Errno::EINVAL)
}

fn sigaction(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Value, Errno> {
    let signal = number(call, 0).inspect_err(|_| cx.cite(SIG_009))?;
    if signal.0 == 0 {
        cx.cite(SIG_009);
        return Err(Errno::EINVAL);
    }
    if matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
        cx.cite(SIG_008);
        return Err(Errno::EINVAL);
    }
    let disposition = Disposition {
        handler: call.bits(1),
        flags: call.bits(2),
    };
    let leader = k.task(task).process;
    k.process_mut(task).dispositions.set(signal, disposition);
    if k.threads_of(leader).len() > 1 {
        cx.cite(SIG_007);
    }
    if k.process_of(task).dispositions.ignore(signal) {
        cx.cite(match disposition.handler {
            SIG_IGN => SIG_013,
            _ => SIG_014,
        });
        k.forget(leader, |s| s == signal);
    }
    Ok(Value::ZERO)
}

fn sigprocmask(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
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
        _ => {
            cx.cite(SIG_026);
            return Err(Errno::EINVAL);
        }
    };
    let never = SigSet::default()
        .with(Signal::SIGKILL)
        .with(Signal::SIGSTOP);
    if new.0 & never.0 != 0 {
        cx.cite(SIG_006);
    }
    cx.cite(SIG_025);
    let new = SigSet(new.0 & !never.0);
    k.task_mut(task).mask = new;
    k.retarget(task, SigSet(new.0 & !old.0));
    let waits = k.has_deliverable(task);
    if waits {
        cx.cite(SIG_027);
    }
    k.task_mut(task).told = waits;
    Ok(Value::ZERO)
}

fn sigpending(k: &Kernel, task: TaskId, cx: &mut Cx) -> Value {
    cx.cite(SIG_029);
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
    Value::List(signals.into_iter().map(Value::Signal).collect())
}

/// `kill` and `tgkill`.
fn send(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Value, Errno> {
    let target = call.task(0).ok_or(Errno::ESRCH)?;
    if k.is_gone(target) {
        cx.cite(match k.task(target).state {
            State::NotStarted => SIG_059,
            _ => SIG_067,
        });
        return Err(Errno::ESRCH);
    }
    let leader = k.task(target).process;
    let alone = call.sys == Sys::Tgkill;
    let signal = number(call, 1).inspect_err(|_| cx.cite(SIG_059))?;
    let (from, to) = (k.task(task).credentials, k.task(target).credentials);
    // The saved user id is always the real one here: only a privileged setuid changes either. All
    // processes of a run are of one session.
    let own = k.task(task).process == leader;
    let same_user = [from.uid, from.euid].contains(&to.uid);
    if own || same_user {
        cx.cite(SIG_061);
    } else if from.privileged() {
        cx.cite(SIG_065);
    } else if signal == Signal::SIGCONT {
        cx.cite(SIG_062);
    } else {
        cx.cite(SIG_063);
        return Err(Errno::EPERM);
    }
    if signal.0 == 0 {
        cx.cite(SIG_055);
        return Ok(Value::ZERO);
    }
    cx.cite(SIG_051);
    let sender = Value::Task(k.task(task).process);
    let code = Value::Bits(Bits::SiCode, if alone { SI_TKILL } else { SI_USER });
    if own {
        cx.cite(if Usual::of(signal) == Usual::Stop {
            SIG_119
        } else {
            SIG_028
        });
    }
    if !alone && target != leader {
        cx.cite(SIG_066);
    }
    cite_before(k, target, signal, cx);
    let info = Handled {
        signal,
        code,
        sender,
    };
    let sent = match alone {
        true => k.send_to_task(target, info),
        false => k.send_to_process(target, info),
    };
    cite_after(k, target, signal, sent, cx);
    Ok(Value::ZERO)
}

/// Cites what sending a signal does besides making it pending.
fn cite_before(k: &Kernel, target: TaskId, signal: Signal, cx: &mut Cx) {
    let leader = k.task(target).process;
    let threads = k.threads_of(leader);
    let stopped = threads
        .iter()
        .any(|t| matches!(k.task(*t).state, State::Stopped { .. }));
    let waits = |which: &dyn Fn(Signal) -> bool| {
        let private = threads.iter().flat_map(|t| &k.task(*t).pending);
        private
            .chain(&k.process(leader).pending)
            .any(|h| which(h.signal))
    };
    match Usual::of(signal) {
        Usual::Continue => {
            cx.cite(if stopped { SIG_113 } else { SIG_117 });
            if k.process(leader).dispositions.get(signal).handler > SIG_IGN && !stopped {
                cx.cite(SIG_118);
            }
            if waits(&|s| Usual::of(s) == Usual::Stop) {
                cx.cite(SIG_114);
            }
        }
        Usual::Stop if waits(&|s| s == Signal::SIGCONT) => cx.cite(SIG_114),
        Usual::Stop if stopped => cx.cite(SIG_117),
        _ if stopped && signal == Signal::SIGKILL => cx.cite(SIG_116),
        _ if stopped => cx.cite(SIG_115),
        _ => {}
    }
}

/// Cites what became of a signal.
fn cite_after(k: &Kernel, target: TaskId, signal: Signal, sent: Sent, cx: &mut Cx) {
    let sleeping = matches!(k.task(target).state, State::Sleeping { .. });
    let mut undisturbed = || {
        cx.cite(SIG_204);
        match &k.task(target).state {
            State::Sleeping {
                op: Op::Open(_), ..
            } => cx.cite(FIFO_036),
            State::Sleeping {
                op: Op::Message(_), ..
            } => cx.cite(MQ_110),
            _ => cx.cite(PIPE_105),
        }
    };
    let blocked = k.task(target).mask.contains(signal);
    match sent {
        Sent::Late => cx.cite(SIG_060),
        Sent::Merged => cx.cite(SIG_030),
        Sent::Dropped => {
            if sleeping {
                undisturbed();
            }
            cx.cite(SIG_015);
        }
        Sent::Pending => {
            if blocked && sleeping {
                undisturbed();
            }
            cite_waiting(k, target, signal, cx);
        }
    }
}

/// Cites how a signal waits that was not dropped.
fn cite_waiting(k: &Kernel, target: TaskId, signal: Signal, cx: &mut Cx) {
    let leader = k.task(target).process;
    let threads = k.threads_of(leader);
    if k.task(target).mask.contains(signal) && k.process(leader).dispositions.ignore(signal) {
        cx.cite(match k.process(leader).dispositions.get(signal).handler {
            SIG_IGN => SIG_016,
            _ => SIG_017,
        });
    }
    let has = |list: &[Handled]| list.iter().any(|h| h.signal == signal);
    if Usual::of(signal) == Usual::Stop && !has(&k.process(leader).pending) {
        cx.cite(SIG_120);
    }
    if has(&k.task(target).pending) && has(&k.process(leader).pending) {
        cx.cite(SIG_031);
    }
    if threads.len() > 1 {
        cx.cite(SIG_079);
        if threads.iter().all(|t| k.task(*t).mask.contains(signal)) {
            cx.cite(SIG_075);
        }
    }
}
