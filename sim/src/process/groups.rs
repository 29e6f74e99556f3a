//! Process groups and sessions: who is signalled together, and who belongs to one terminal.
//!
//! A group and a session are named by the process that began them, and exist as long as a process
//! is in them, which need not be that one.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel};
use scenario::{Errno, Sys, TaskId, Value};

/// `setpgid`, `setsid`, and the calls that ask.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    match call.sys {
        Sys::Setpgid => set_group(k, task, call, cx),
        Sys::Setsid => begin_session(k, task, cx),
        Sys::Getpgrp => {
            let process = k.process_of(task);
            if process.group != k.task(task).process {
                cx.cite(SIG_159);
            }
            Ok(Value::Task(process.group))
        }
        Sys::Getpgid | Sys::Getsid => {
            let Some(of) = named(k, task, call.args.first()) else {
                cx.cite(SIG_159);
                return Err(Errno::ESRCH);
            };
            let process = k.process(of);
            if of != k.task(task).process && process.group != of {
                cx.cite(SIG_157);
            }
            if process.ended.is_some() {
                cx.cite(SIG_148);
            }
            Ok(Value::Task(match call.sys {
                Sys::Getsid => process.session,
                _ => process.group,
            }))
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// The process of the task that an argument names: 0 is the caller.
fn named(k: &Kernel, task: TaskId, arg: Option<&Value>) -> Option<TaskId> {
    match arg {
        Some(Value::Task(of)) => (!k.is_gone(*of)).then(|| k.task(*of).process),
        Some(v) if v.number() == Some(0) => Some(k.task(task).process),
        _ => None,
    }
}

/// `setpgid`: the checks in the kernel's order.
fn set_group(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Value, Errno> {
    let caller = k.task(task).process;
    let group = match call.args.get(1) {
        Some(Value::Task(group)) => Some(*group),
        Some(v) if v.number().is_some_and(|n| n < 0) => {
            cx.cite(SIG_155);
            return Err(Errno::EINVAL);
        }
        _ => None,
    };
    // A number other than 0 is one that no process of the run has.
    let nobody = group.is_none() && call.int(1) != 0;
    let Some(of) = named(k, task, call.args.first()) else {
        cx.cite(SIG_155);
        return Err(Errno::ESRCH);
    };
    if call.task(0).is_some_and(|t| t != of) {
        // A thread that is not its process's first.
        cx.cite(SIG_155);
        return Err(Errno::EINVAL);
    }
    let session = k.process(caller).session;
    if of != caller {
        cx.cite(SIG_155);
        if k.process(of).parent != Some(caller) {
            return Err(Errno::ESRCH);
        }
        if k.process(of).session != session {
            return Err(Errno::EPERM);
        }
        if k.process(of).programs > 0 {
            return Err(Errno::EACCES);
        }
    }
    if k.process(of).session == of {
        cx.cite(if of == caller { SIG_156 } else { SIG_155 });
        return Err(Errno::EPERM);
    }
    let group = group.unwrap_or(of);
    if group != of || nobody {
        let known = k.members_of(group).first().copied();
        if nobody || known.is_none_or(|m| k.process(m).session != session) {
            cx.cite(SIG_155);
            return Err(Errno::EPERM);
        }
    }
    cx.cite(SIG_154);
    if k.process(of).ended.is_some() {
        cx.cite(SIG_148);
    }
    let old = std::mem::replace(&mut k.process_mut(of).group, group);
    let orphaned = |g| k.has_stopped(g) && k.is_orphaned_without(g, None);
    if orphaned(old) || orphaned(group) {
        cx.cite(SIG_163);
    }
    Ok(Value::ZERO)
}

fn begin_session(k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Result<Value, Errno> {
    cx.cite(SIG_158);
    let caller = k.task(task).process;
    if k.process(caller).session == caller || !k.members_of(caller).is_empty() {
        return Err(Errno::EPERM);
    }
    let process = k.process_mut(caller);
    (process.group, process.session) = (caller, caller);
    process.terminal = None;
    Ok(Value::Task(caller))
}

impl Kernel {
    /// The processes of a group, those among them that ended and were not waited for.
    pub fn members_of(&self, group: TaskId) -> Vec<TaskId> {
        let processes = self.processes.iter().enumerate();
        processes
            .filter(|(_, p)| p.as_deref().is_some_and(|p| p.group == group && !p.reaped))
            .map(|(leader, _)| TaskId(leader as u16))
            .collect()
    }

    /// Whether no member of a group, zombies aside, has its parent in another group of the same
    /// session.
    pub fn is_orphaned(&self, group: TaskId, cx: &mut Cx) -> bool {
        let orphaned = self.is_orphaned_without(group, None);
        let zombies = self.members_of(group).into_iter();
        let mut zombies = zombies.filter(|m| self.is_zombie(*m));
        cx.cite(match orphaned && zombies.any(|m| self.ties(m)) {
            true => SIG_214,
            false => SIG_160,
        });
        orphaned
    }

    /// The same, where one member does not count.
    pub(super) fn is_orphaned_without(&self, group: TaskId, ignored: Option<TaskId>) -> bool {
        let mut members = self.members_of(group).into_iter();
        !members.any(|m| Some(m) != ignored && !self.is_zombie(m) && self.ties(m))
    }

    /// Whether a process's parent is in another group of its session.
    fn ties(&self, member: TaskId) -> bool {
        let process = self.process(member);
        process.parent.is_some_and(|p| {
            let parent = self.process(p);
            parent.group != process.group && parent.session == process.session
        })
    }
}
