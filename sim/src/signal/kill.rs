//! Sending by a call: whom `kill` and its kin mean, and whether the caller may.

use super::Usual;
use super::calls::{cite_after, cite_before, number};
use super::send::Sent;
use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, State};
use scenario::{Bits, End, Errno, Handled, Signal, Sys, TaskId, Value, constants::*};

/// `kill`, `killpg`, `tgkill` and `raise`.
pub(super) fn send(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    if let Some(group) = group(k, task, call, cx)? {
        return send_to_group(k, task, group, call, cx);
    }
    let (target, signal, alone) = target(k, task, call, cx)?;
    if signal.0 == 0 {
        cx.cite(SIG_055);
        return Ok(Value::ZERO);
    }
    cx.cite(SIG_051);
    let leader = k.task(target).process;
    if k.task(task).process == leader {
        cx.cite(if call.sys == Sys::Raise {
            SIG_200
        } else if Usual::of(signal) == Usual::Stop {
            SIG_119
        } else {
            SIG_028
        });
    }
    if !alone && target != leader {
        cx.cite(SIG_066);
    }
    if k.task(task).process != leader && Usual::of(signal) == Usual::Stop {
        cx.cite(SIG_206);
    }
    let code = Value::Bits(Bits::SiCode, if alone { SI_TKILL } else { SI_USER });
    let info = Handled::new(signal, code, Value::Task(k.task(task).process));
    generate(k, target, info, alone, cx)?;
    Ok(Value::ZERO)
}

/// The group that is meant, if one is.
fn group(
    k: &Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Option<TaskId>, Errno> {
    match (call.sys, call.task(0)) {
        (Sys::Killpg, Some(group)) => Ok(Some(group)),
        (Sys::Kill | Sys::Killpg, None) if call.int(0) == 0 => {
            cx.cite(SIG_056);
            Ok(Some(k.process_of(task).group))
        }
        (Sys::Killpg, None) if call.int(0) <= 1 => Err(Errno::EINVAL),
        // A number that nobody has.
        (Sys::Killpg, None) => {
            cx.cite(SIG_059);
            Err(Errno::ESRCH)
        }
        _ => Ok(None),
    }
}

/// Who is to get a signal, and whether the caller may send it: the target, its number, and whether
/// it is for that thread alone.
fn target(
    k: &Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<(TaskId, Signal, bool), Errno> {
    if call.sys == Sys::Raise {
        let signal = number(call, 0).inspect_err(|_| cx.cite(SIG_059))?;
        return Ok((task, signal, true));
    }
    let alone = matches!(call.sys, Sys::Tgkill | Sys::SigqueueThread);
    let Some(target) = call.task(0) else {
        if alone && call.int(0) <= 0 {
            cx.cite(SIG_067);
            return Err(Errno::EINVAL);
        }
        cx.cite(SIG_059);
        return Err(Errno::ESRCH);
    };
    if k.is_gone(target) {
        cx.cite(match k.task(target).state {
            State::NotStarted => SIG_059,
            _ => SIG_067,
        });
        return Err(Errno::ESRCH);
    }
    let signal = number(call, 1).inspect_err(|_| cx.cite(SIG_059))?;
    if !may_signal(k, task, target, signal, cx) {
        cx.cite(SIG_063);
        return Err(Errno::EPERM);
    }
    Ok((target, signal, alone))
}

/// `sigqueue` and what lies below it.
pub(super) fn queue(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let (code, value) = match call.sys {
        Sys::SigqueueCode => (call.bits(2), 0),
        _ => (SI_QUEUE, call.int(2)),
    };
    // Codes of the kernel's and of `tgkill` are forged only to oneself.
    if (code as i32 >= 0 || code == SI_TKILL) && call.task(0) != Some(task) {
        cx.cite(SIG_049);
        return Err(Errno::EPERM);
    }
    cx.cite(SIG_043);
    let (target, signal, alone) = target(k, task, call, cx)?;
    if signal.0 == 0 {
        return Ok(Value::ZERO);
    }
    cx.cite(match call.sys {
        Sys::SigqueueCode => SIG_049,
        Sys::SigqueueThread => SIG_050,
        _ => SIG_042,
    });
    let sender = Value::Task(k.task(task).process);
    let queued = (code as i32) < 0 && code != SI_TKILL && code != SI_MESGQ;
    let info = Handled {
        // It is an `int` in the end.
        value: queued.then_some(i64::from(value as i32)),
        ..Handled::new(signal, Value::Bits(Bits::SiCode, code), sender)
    };
    generate(k, target, info, alone, cx)?;
    Ok(Value::ZERO)
}

/// To every member of a group that the caller may signal. Members that have ended count, and only if
/// no member may be signalled does the call fail.
fn send_to_group(
    k: &mut Kernel,
    task: TaskId,
    group: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let members = k.members_of(group);
    if members.is_empty() {
        cx.cite(SIG_059);
        return Err(Errno::ESRCH);
    }
    let signal = number(call, 1).inspect_err(|_| cx.cite(SIG_059))?;
    cx.cite(SIG_057);
    let mut permitted = members.clone();
    permitted.retain(|member| may_signal(k, task, *member, signal, cx));
    if permitted.len() < members.len() {
        cx.cite(SIG_064);
    }
    if permitted.is_empty() {
        return Err(Errno::EPERM);
    }
    cx.cite(SIG_051);
    let sender = Value::Task(k.task(task).process);
    for member in permitted.into_iter().filter(|_| signal.0 != 0) {
        let code = Value::Bits(Bits::SiCode, SI_USER);
        generate(
            k,
            member,
            Handled::new(signal, code, sender.clone()),
            false,
            cx,
        )?;
    }
    Ok(Value::ZERO)
}

/// Whether a task may send a signal to another.
fn may_signal(k: &Kernel, from: TaskId, to: TaskId, signal: Signal, cx: &mut Cx) -> bool {
    let (sender, target) = (k.task(from).credentials, k.task(to).credentials);
    // The saved user id is always the real one here: only a privileged setuid changes either.
    if k.task(from).process == k.task(to).process || [sender.uid, sender.euid].contains(&target.uid)
    {
        cx.cite(SIG_061);
    } else if sender.privileged() {
        cx.cite(SIG_065);
    } else if signal == Signal::SIGCONT && k.process_of(from).session == k.process_of(to).session {
        cx.cite(SIG_062);
    } else {
        return false;
    }
    true
}

/// A signal that may be sent is sent.
fn generate(
    k: &mut Kernel,
    target: TaskId,
    info: Handled,
    alone: bool,
    cx: &mut Cx,
) -> Result<(), Errno> {
    let signal = info.signal;
    if k.task(target).process == TaskId::SETUP && k.has_retired_setup() {
        // It blocks what can be blocked, and has nothing to stop in.
        if signal == Signal::SIGKILL && k.process(TaskId::SETUP).ended.is_none() {
            k.end_process(TaskId::SETUP, End::Killed(signal), cx);
        }
        return Ok(());
    }
    cite_before(k, target, signal, cx);
    let sent = match alone {
        true => k.send_to_task(target, info, cx),
        false => k.send_to_process(target, info, cx),
    };
    cite_after(k, target, signal, sent, cx);
    if signal == Signal::SIGKILL && sent == Sent::Pending {
        cx.cite(SIG_039);
    }
    match sent {
        Sent::Refused => Err(Errno::EAGAIN),
        _ => Ok(()),
    }
}
