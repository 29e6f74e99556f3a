//! Nice values: what the scheduling priority of ordinary tasks is made of.
//!
//! Each thread has its own. Who waits at a POSIX message queue is served by it
//! (`Kernel::join_queue`); nothing else in the model depends on it.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel};
use scenario::{Errno, Sys, TaskId, Value};

/// What nice values are limited to.
const LIMITS: (i32, i32) = (-20, 19);

/// `getpriority` and `setpriority`.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    // System calls take ints.
    match call.sys {
        Sys::GetPriority => get(k, &named(k, task, call, cx)?, cx),
        Sys::GetPriorityGroup => get(k, &members(k, task, call, cx)?, cx),
        Sys::SetPriority => set(k, task, &named(k, task, call, cx)?, call.int(1) as i32, cx),
        Sys::SetPriorityGroup => {
            cx.cite(NICE_011);
            let members = members(k, task, call, cx)?;
            set(k, task, &members, call.int(1) as i32, cx)
        }
        _ => {
            cx.cite(NICE_010);
            Err(Errno::EINVAL)
        }
    }
}

/// The thread whose id an argument is; 0 is the caller's. A process that has ended has its id until
/// somebody waits for it.
fn named(k: &Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Vec<TaskId>, Errno> {
    let of = match call.args.first() {
        Some(Value::Task(of)) => (!k.is_gone(*of)).then_some(*of),
        Some(v) if v.number() == Some(0) => Some(task),
        _ => None,
    };
    if of.is_none_or(|of| k.is_over(of)) {
        cx.cite(NICE_009);
    }
    Ok(vec![of.ok_or(Errno::ESRCH)?])
}

/// The threads of all processes of the group that an argument names.
fn members(k: &Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Vec<TaskId>, Errno> {
    let group = match call.args.first() {
        Some(Value::Task(group)) => Some(*group),
        Some(v) if v.number() == Some(0) => Some(k.process_of(task).group),
        _ => None,
    };
    let processes = group.map_or(Vec::new(), |g| k.members_of(g));
    if processes.is_empty() {
        cx.cite(NICE_009);
        return Err(Errno::ESRCH);
    }
    let threads = |leader: TaskId| {
        let others = k
            .threads_of(leader)
            .into_iter()
            .filter(move |t| *t != leader);
        std::iter::once(leader).chain(others)
    };
    Ok(processes.into_iter().flat_map(threads).collect())
}

/// The lowest value of some tasks.
fn get(k: &Kernel, of: &[TaskId], cx: &mut Cx) -> Result<Value, Errno> {
    cx.cite(if of.len() > 1 { NICE_011 } else { NICE_001 });
    let lowest = of.iter().map(|t| k.task(*t).nice).min();
    Ok(Value::Int(i64::from(lowest.unwrap_or(0))))
}

/// Sets the value of each that it may be set of.
fn set(
    k: &mut Kernel,
    task: TaskId,
    of: &[TaskId],
    value: i32,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let nice = value.clamp(LIMITS.0, LIMITS.1);
    if nice != value {
        cx.cite(NICE_004);
    }
    let mut errors = Vec::new();
    for &target in of {
        match may_set(k, task, target, nice as i8, cx) {
            Ok(()) => {
                k.cite_place_kept(target, cx);
                k.task_mut(target).nice = nice as i8;
            }
            Err(e) if errors.contains(&e) => {}
            Err(e) => errors.push(e),
        }
    }
    // One refusal is enough. Which is told of several hangs on how the kernel lists a group.
    match errors.len() {
        0 => Ok(Value::ZERO),
        n => Err(errors[cx.choices.choose(n)]),
    }
}

/// The checks in the kernel's order.
fn may_set(k: &Kernel, task: TaskId, target: TaskId, nice: i8, cx: &mut Cx) -> Result<(), Errno> {
    let (caller, of) = (k.task(task).credentials, k.task(target).credentials);
    let capable = k.sys_nice && caller.privileged();
    if target != task {
        cx.cite(NICE_007);
    }
    if ![of.uid, of.euid].contains(&caller.euid) && !capable {
        return Err(Errno::EPERM);
    }
    if nice < k.task(target).nice {
        cx.cite(if capable { NICE_006 } else { NICE_005 });
        if !capable {
            return Err(Errno::EACCES);
        }
    }
    // A real user id of 0 keeps the capabilities, in effect or not.
    if of.uid == 0 && caller.uid != 0 {
        cx.cite(NICE_008);
        return Err(Errno::EPERM);
    }
    cx.cite(NICE_003);
    Ok(())
}

impl Kernel {
    /// Whether a task has ended.
    fn is_over(&self, task: TaskId) -> bool {
        matches!(self.task(task).state, crate::kernel::State::Ended(_))
    }
}
