//! The calls on signals.

use super::send::Sent;
use super::{Disposition, SigSet, Usual, kill};
use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, Op, State};
use scenario::{Bits, Errno, Fault, Handled, Signal, Sys, TaskId, Value, constants::*};

/// The flags that the kernel knows and the language has.
const FLAGS: u64 =
    SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND;

/// The calls on dispositions, masks and pending signals, and those that send one.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    match call.sys {
        Sys::Sigaction => sigaction(k, task, call, cx),
        Sys::SigactionGet => sigaction_get(k, task, call, cx),
        Sys::SigactionFault => sigaction_fault(k, task, call, cx),
        Sys::SigactionSize => {
            cx.cite(SIG_009);
            match call.int(1) {
                8 => sigaction_get(k, task, call, cx).map(|_| Value::ZERO),
                _ => Err(Errno::EINVAL),
            }
        }
        Sys::Sigprocmask | Sys::SigprocmaskFault => sigprocmask(k, task, call, cx),
        Sys::SigprocmaskGet => {
            if call.int(0) > 2 {
                cx.cite(SIG_026);
            }
            let set = k.task(task).mask;
            Ok(Value::List(set.signals().map(Value::Signal).collect()))
        }
        Sys::Segfault => Ok(fault(k, task, cx)),
        Sys::Sigpending => Ok(sigpending(k, task, cx)),
        Sys::Kill | Sys::Killpg | Sys::Tgkill | Sys::Raise => kill::send(k, task, call, cx),
        Sys::Sigqueue | Sys::SigqueueThread | Sys::SigqueueCode => kill::queue(k, task, call, cx),
        _ => Err(Errno::ENOSYS),
    }
}

/// The greatest number of a signal.
const GREATEST: u8 = 64;

/// An argument that is a signal's number, 0 among them.
pub(super) fn number(call: &Invocation, at: usize) -> Result<Signal, Errno> {
    u8::try_from(call.int(at))
        .ok()
        .filter(|n| *n <= GREATEST)
        .map(Signal)
        .ok_or(Errno::EINVAL)
}

fn sigaction(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Value, Errno> {
    let signal = number(call, 0).inspect_err(|_| {
        cx.cite(SIG_001);
        cx.cite(SIG_009);
    })?;
    if signal.0 == 0 {
        cx.cite(SIG_001);
        cx.cite(SIG_009);
        return Err(Errno::EINVAL);
    }
    if matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
        cx.cite(SIG_008);
        return Err(Errno::EINVAL);
    }
    if matches!(signal.0, 32 | 33 | GREATEST) {
        // The C library keeps two for itself, the kernel none.
        cx.cite(SIG_001);
    }
    let mask = SigSet::of_list(call.list(3));
    if mask != mask.mortal() {
        cx.cite(SIG_011);
    }
    // Bits that no flag has are dropped, and SA_RESTORER is the library's.
    let flags = call.bits(2) & FLAGS;
    if flags != call.bits(2) {
        cx.cite(SIG_012);
    }
    let disposition = Disposition {
        handler: call.bits(1),
        flags,
        mask: mask.mortal(),
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

/// A query: the disposition as it was installed, also after `SA_RESETHAND` has reset it.
fn sigaction_get(k: &Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Value, Errno> {
    let signal = number(call, 0)
        .ok()
        .filter(|s| s.0 > 0)
        .ok_or(Errno::EINVAL)
        .inspect_err(|_| cx.cite(SIG_009))?;
    if signal != Signal(signal.0) || matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
        cx.cite(SIG_008);
    }
    let d = k.process_of(task).dispositions.get(signal);
    if d.handler == SIG_DFL && d.flags & SA_RESETHAND != 0 {
        cx.cite(SIG_023);
    }
    Ok(Value::List(vec![
        Value::Bits(Bits::Handler, d.handler),
        Value::Bits(Bits::Action, d.flags),
        Value::List(d.mask.signals().map(Value::Signal).collect()),
    ]))
}

/// `sigaction` with memory that is bad. The new action is read first; a place for the old one that
/// is bad is found out when the new one is in force.
fn sigaction_fault(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let null = |at: usize| match call.args.get(at) {
        Some(Value::Memory(m)) => m.fault == Fault::Null,
        _ => true,
    };
    cx.cite(SIG_009);
    if !null(1) {
        return Err(Errno::EFAULT);
    }
    sigaction_get(k, task, call, cx)?;
    match null(2) {
        true => Ok(Value::ZERO),
        false => Err(Errno::EFAULT),
    }
}

fn sigprocmask(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let set = SigSet::of_list(call.list(1));
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
    if new != new.mortal() {
        cx.cite(SIG_006);
    }
    cx.cite(SIG_025);
    k.change_mask(task, new.mortal());
    if k.has_deliverable(task) {
        cx.cite(SIG_027);
    }
    if call.sys == Sys::SigprocmaskFault
        && !matches!(call.args.get(2), Some(Value::Memory(m)) if m.fault == Fault::Null)
    {
        cx.cite(SIG_010);
        return Err(Errno::EFAULT);
    }
    Ok(Value::ZERO)
}

/// A fault of the task's own, which it cannot put off: if the signal is blocked or ignored the
/// process dies of it.
fn fault(k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Value {
    let signal = Signal::SIGSEGV;
    let mask = k.task(task).mask;
    let ignored = k.process_of(task).dispositions.get(signal).handler == SIG_IGN;
    if mask.contains(signal) || ignored {
        cx.cite(SIG_040);
        k.process_mut(task)
            .dispositions
            .set(signal, Disposition::default());
        k.change_mask(task, SigSet(mask.0 & !SigSet::default().with(signal).0));
    }
    let code = Value::Bits(Bits::SiCode, SEGV_MAPERR);
    k.send_to_task(task, Handled::new(signal, code, Value::ZERO), cx);
    Value::ZERO
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

/// Cites what sending a signal does besides making it pending.
pub(super) fn cite_before(k: &Kernel, target: TaskId, signal: Signal, cx: &mut Cx) {
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
pub(super) fn cite_after(k: &Kernel, target: TaskId, signal: Signal, sent: Sent, cx: &mut Cx) {
    let sleeping = matches!(k.task(target).state, State::Sleeping { .. });
    let undisturbed = |cx: &mut Cx| {
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
        // The limit is cited where it decides.
        Sent::Lost | Sent::Refused => {}
        Sent::Dropped => {
            if stop_key(signal) {
                cx.cite(SIG_111);
            }
            if sleeping {
                undisturbed(cx);
            }
            cx.cite(SIG_015);
        }
        Sent::Pending => {
            if blocked && stop_key(signal) {
                cx.cite(SIG_111);
            }
            if blocked && sleeping {
                undisturbed(cx);
            }
            cite_waiting(k, target, signal, cx);
        }
    }
}

/// Whether it is a signal that stops and can be caught, ignored and blocked.
pub(super) fn stop_key(signal: Signal) -> bool {
    Usual::of(signal) == Usual::Stop && signal != Signal::SIGSTOP
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
    let waits = |t: &TaskId| k.task(*t).awaited.contains(signal);
    if threads.iter().filter(|t| waits(t)).count() > 1 {
        cx.cite(SIG_082);
    }
    if threads.iter().any(waits) && !waits(&leader) && !k.task(leader).mask.contains(signal) {
        cx.cite(SIG_081);
    }
    if threads.len() > 1 {
        cx.cite(SIG_079);
        if threads.iter().all(|t| k.task(*t).mask.contains(signal)) {
            cx.cite(SIG_075);
        }
    }
}
