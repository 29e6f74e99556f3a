//! Job control: whose terminal it is, who is in the foreground, what those in the background may
//! do, and what is left when the terminal goes.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, ObjId, Progress, Restart};
use scenario::{Bits, Errno, Handled, Signal, Sys, TaskId, Value, constants::*};

/// A signal of the kernel's to all of a group.
pub(super) fn signal_group(k: &mut Kernel, group: TaskId, signal: Signal, cx: &mut Cx) {
    for member in k.members_of(group) {
        let code = Value::Bits(Bits::SiCode, SI_KERNEL);
        k.send_to_process(member, Handled::new(signal, code, Value::ZERO), cx);
    }
}

/// A key's signal to the foreground group.
pub(super) fn key_signal(k: &mut Kernel, group: TaskId, signal: Signal, cx: &mut Cx) {
    let members = k.members_of(group);
    if members.len() > 1 {
        cx.cite(SIG_177);
    }
    let waits = |m: &TaskId| k.process(*m).pending.iter().any(|h| h.signal == signal);
    if members.iter().any(waits) {
        cx.cite(SIG_179);
    }
    if signal == Signal::SIGTSTP && k.is_orphaned(group, cx) {
        cx.cite(SIG_178);
    }
    signal_group(k, group, signal, cx);
}

/// Whether the caller's controlling terminal is this, and another group is in its foreground.
pub(super) fn is_background(k: &Kernel, task: TaskId, id: ObjId) -> bool {
    let process = k.process_of(task);
    let foreground = k.terminals.get(id).foreground;
    process.terminal == Some(id) && foreground.is_some_and(|g| g != process.group)
}

/// What becomes of a call that is for the foreground, if it may not go on. From the background, its group gets the
/// signal, unless it would not heed it or nobody would continue it.
pub(super) fn may_access(
    k: &mut Kernel,
    task: TaskId,
    id: ObjId,
    signal: Signal,
    cx: &mut Cx,
) -> Option<Progress> {
    if !is_background(k, task, id) {
        return None;
    }
    let reads = signal == Signal::SIGTTIN;
    let process = k.process_of(task);
    let (group, handler) = (process.group, process.dispositions.get(signal).handler);
    if k.task(task).mask.contains(signal) || handler == SIG_IGN {
        if reads {
            cx.cite(SIG_185);
            return Some(Progress::Done(Errno::EIO.into()));
        }
        return None;
    }
    if k.is_orphaned(group, cx) {
        if reads {
            cx.cite(SIG_185);
        }
        return Some(Progress::Done(Errno::EIO.into()));
    }
    if reads {
        cx.cite(if handler == SIG_DFL { SIG_184 } else { SIG_186 });
    }
    signal_group(k, group, signal, cx);
    // The caller looks for signals even if another of its threads was told.
    k.task_mut(task).told = true;
    Some(Progress::Restart(Restart::UnlessHandler))
}

/// Makes the terminal that of the caller's session, and its group the foreground.
fn acquire(k: &mut Kernel, task: TaskId, id: ObjId, cx: &mut Cx) {
    cx.cite(SIG_164);
    let process = k.process_mut(task);
    process.terminal = Some(id);
    process.old_foreground = None;
    let (session, group) = (process.session, process.group);
    let t = k.terminals.get_mut(id);
    (t.session, t.foreground) = (Some(session), Some(group));
}

fn is_leader(k: &Kernel, task: TaskId) -> bool {
    let leader = k.task(task).process;
    k.process(leader).session == leader
}

/// A slave was opened without `O_NOCTTY`.
pub(super) fn acquire_by_open(
    k: &mut Kernel,
    task: TaskId,
    id: ObjId,
    readable: bool,
    cx: &mut Cx,
) {
    if !is_leader(k, task) || k.process_of(task).terminal.is_some() {
        return;
    }
    if k.terminals.get(id).session.is_some() {
        cx.cite(SIG_165);
    } else if readable {
        acquire(k, task, id, cx);
    } else {
        cx.cite(SIG_164);
    }
}

/// `TIOCSCTTY` with argument 0.
pub(super) fn set_controlling(
    k: &mut Kernel,
    task: TaskId,
    id: ObjId,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let process = k.process_of(task);
    let owner = k.terminals.get(id).session;
    if is_leader(k, task) && owner == Some(process.session) {
        cx.cite(SIG_165);
        return Ok(Value::ZERO);
    }
    if !is_leader(k, task) || process.terminal.is_some() || owner.is_some() {
        cx.cite(SIG_165);
        return Err(Errno::EPERM);
    }
    acquire(k, task, id, cx);
    Ok(Value::ZERO)
}

/// All of a session lose their controlling terminal.
fn clear_session(k: &mut Kernel, session: TaskId) {
    for leader in 0..k.tasks.len() as u16 {
        let theirs = k.processes[usize::from(leader)].as_deref();
        if theirs.is_some_and(|p| p.session == session && p.terminal.is_some()) {
            k.process_mut(TaskId(leader)).terminal = None;
        }
    }
}

/// `TIOCNOTTY`.
pub(super) fn give_up(
    k: &mut Kernel,
    task: TaskId,
    id: ObjId,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    if k.process_of(task).terminal != Some(id) {
        return Err(Errno::ENOTTY);
    }
    if is_leader(k, task) {
        cx.cite(SIG_195);
        let sender = k.task(task).process;
        if let Some(group) = k.terminals.get(id).foreground {
            for signal in [Signal::SIGHUP, Signal::SIGCONT] {
                for member in k.members_of(group) {
                    let code = Value::Bits(Bits::SiCode, SI_USER);
                    let info = Handled::new(signal, code, Value::Task(sender));
                    k.send_to_process(member, info, cx);
                }
            }
        }
        let t = k.terminals.get_mut(id);
        (t.session, t.foreground) = (None, None);
        clear_session(k, sender);
    }
    k.process_mut(task).terminal = None;
    Ok(Value::ZERO)
}

/// The master is closed: the leader is told, and the session has no terminal any more.
pub(super) fn hang_up(k: &mut Kernel, id: ObjId, cx: &mut Cx) {
    let t = k.terminals.get_mut(id);
    let (session, foreground) = (t.session.take(), t.foreground.take());
    let Some(session) = session else {
        return;
    };
    clear_session(k, session);
    if k.process(session).ended.is_some() {
        return;
    }
    cx.cite(SIG_191);
    k.process_mut(session).old_foreground = foreground;
    for signal in [Signal::SIGHUP, Signal::SIGCONT] {
        let code = Value::Bits(Bits::SiCode, SI_KERNEL);
        k.send_to_process(session, Handled::new(signal, code, Value::ZERO), cx);
    }
}

impl Kernel {
    /// Whether a call is one on a terminal.
    pub(crate) fn is_on_terminal(&self, task: TaskId, call: &Invocation) -> bool {
        if call.sys == Sys::Poll {
            return false;
        }
        let file = self.file_of(task, call.int(0));
        file.is_ok_and(|f| super::of(self.files.get(f).kind).is_some())
    }

    /// A process ends: if it leads a session, that loses its terminal.
    pub(crate) fn leave_terminal(&mut self, leader: TaskId, cx: &mut Cx) {
        if self.process(leader).session != leader {
            return;
        }
        if let Some(group) = self.process_mut(leader).old_foreground.take() {
            cx.cite(SIG_191);
            signal_group(self, group, Signal::SIGHUP, cx);
            signal_group(self, group, Signal::SIGCONT, cx);
        }
        let Some(id) = self.process(leader).terminal else {
            return;
        };
        cx.cite(SIG_193);
        if let Some(t) = self.terminals.find(id) {
            if let Some(group) = t.foreground {
                signal_group(self, group, Signal::SIGHUP, cx);
            }
            let t = self.terminals.get_mut(id);
            (t.session, t.foreground) = (None, None);
        }
        clear_session(self, leader);
    }
}
