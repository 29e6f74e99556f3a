//! Processes and threads: starting, ending, limits, credentials.

use crate::arena::MAX_TASKS;
use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::{Do, Word};
use scenario::{Bits, Sys, Value};

/// `fork NAME` and `thread NAME`.
pub(crate) fn spawn(c: &mut Call, thread: bool) -> Result<Plan, Unsupported> {
    let Value::Task(task) = *c.known(0)? else {
        return Err(Unsupported("what is started is a task".into()));
    };
    if task.index() >= MAX_TASKS {
        return Err(Unsupported(format!("more than {MAX_TASKS} tasks")));
    }
    let slot = c.build.slot_of(task.index());
    Ok(Plan::new(libc::SYS_clone, [])
        .how(Do::Spawn { slot, thread })
        .gives(Decode::Task))
}

/// `exit(status)`.
pub(crate) fn exit(c: &mut Call) -> Result<Plan, Unsupported> {
    let thread = c.thread;
    Ok(Plan::new(libc::SYS_exit_group, [c.word(0)?]).how(Do::Exit { thread }))
}

/// A call whose result is the id of a process, a group or a session.
pub(crate) fn task_of(c: &mut Call, nr: i64) -> Result<Plan, Unsupported> {
    Ok(crate::fd::registers(c, nr)?.gives(Decode::Task))
}

/// `killpg(group, signal)`.
pub(crate) fn killpg(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, c.word(1)?];
    Ok(Plan::new(libc::SYS_kill, args).how(Do::Group))
}

/// `waitpid(task, options)` and its kin: the status word lies in memory.
pub(crate) fn waitpid(c: &mut Call) -> Result<Plan, Unsupported> {
    let status = c.build.zeroed(4)?;
    let args = [c.word(0)?, Word::Const(status as u64), c.word(1)?];
    let plan = Plan::new(libc::SYS_wait4, args);
    Ok(match c.sys {
        Sys::Wait4 => plan.gives(Decode::StatusWord(status)),
        Sys::WaitpidGroup => plan.gives(Decode::Status(status)).how(Do::Group),
        _ => plan.gives(Decode::Status(status)),
    })
}

/// `wait4_fault(task, options, status)`.
pub(crate) fn wait4_fault(c: &mut Call) -> Result<Plan, Unsupported> {
    let Value::Memory(memory) = c.known(2)?.clone() else {
        return Err(Unsupported("the place for the status is bad memory".into()));
    };
    let at = c.build.bad(&memory)?;
    let args = [c.word(0)?, Word::Const(at as u64), c.word(1)?];
    Ok(Plan::new(libc::SYS_wait4, args).gives(Decode::Task))
}

/// `waitid(which, id, options)`.
pub(crate) fn waitid(c: &mut Call) -> Result<Plan, Unsupported> {
    // What the kernel does not write is seen.
    let info = c.build.put(&[u64::MAX; 16])?;
    let (which, id, options) = match c.sys {
        Sys::WaitidAll => (Word::from(0), Word::from(0), c.word(0)?),
        Sys::WaitidPid => (Word::from(1), c.word(0)?, c.word(1)?),
        Sys::WaitidGroup => (Word::from(2), c.word(0)?, c.word(1)?),
        _ => (c.word(0)?, c.word(1)?, c.word(2)?),
    };
    let args = [which, id, Word::Const(info as u64), options];
    Ok(Plan::new(libc::SYS_waitid, args).gives(Decode::ChildInfo(info)))
}

/// `prctl(PR_SET_CHILD_SUBREAPER, on)`.
pub(crate) fn subreaper(c: &mut Call) -> Result<Plan, Unsupported> {
    let option = Word::from(i64::from(libc::PR_SET_CHILD_SUBREAPER));
    Ok(Plan::new(libc::SYS_prctl, [option, c.word(0)?]))
}

/// `setrlimit(resource, soft)`; the hard limit stays what it is.
pub(crate) fn setrlimit(c: &mut Call) -> Result<Plan, Unsupported> {
    let resource = c.known_number(0)?;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid; an unknown resource is an error that the call will find too.
    unsafe { libc::getrlimit(resource as libc::__rlimit_resource_t, &mut limit) };
    limit.rlim_cur = c.known_number(1)? as u64;
    let limit = c.build.put(&[limit])?;
    Ok(Plan::new(
        libc::SYS_setrlimit,
        [Word::from(resource), Word::Const(limit as u64)],
    ))
}

/// `umask(mask)`.
pub(crate) fn umask(c: &mut Call) -> Result<Plan, Unsupported> {
    Ok(Plan::new(libc::SYS_umask, [c.word(0)?]).gives(Decode::Bits(Bits::Mode)))
}

/// `seteuid(uid)`: `setresuid` that leaves the other two.
pub(crate) fn seteuid(c: &mut Call) -> Result<Plan, Unsupported> {
    let stay = Word::from(-1);
    Ok(Plan::new(libc::SYS_setresuid, [stay, c.word(0)?, stay]))
}
