//! The limits of an IPC namespace, which are files in `/proc/sys`: each shows, and takes, the value of
//! the namespace that the process is in which opens it.
//!
//! A run that reads or sets one has a namespace of its own, and so has the run after it. Where none
//! is to be had, such a program is not run.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::{Do, Word};
use scenario::{Program, Sys, Sysctl, TaskKind, Value};

/// Room for the digits of a number, its sign and the end of the line.
pub(crate) const DIGITS: usize = 32;

/// Whether a call reads or sets a limit.
pub(crate) fn is_one(sys: Sys) -> bool {
    matches!(sys, Sys::Sysctl | Sys::SysctlWrite)
}

/// The file of a limit.
fn file(which: Sysctl) -> String {
    format!("/proc/sys/{}", which.name().replace('.', "/"))
}

/// Whether a process with threads reads or sets a limit. It has the limit's file open meanwhile, and
/// the others, at full speed, could find the number taken.
pub(crate) fn is_beside_threads(program: &Program) -> bool {
    let first = |mut task| {
        while let TaskKind::Thread(of) = program.task(task).kind {
            task = of;
        }
        task
    };
    let is_thread = |t: &_| matches!(program.task(*t).kind, TaskKind::Thread(_));
    let threaded: Vec<_> = program.task_ids().filter(is_thread).map(first).collect();
    let mut tasks = program.task_ids();
    tasks.any(|t| {
        let uses = program.task(t).body.iter().any(|s| is_one(s.sys));
        uses && threaded.contains(&first(t))
    })
}

/// Why limits cannot be set in the IPC namespace that this process is in, if so: it sets them to what
/// they are. Only where that namespace is the sandbox's own.
pub(crate) fn refusal() -> Option<String> {
    let same = |which| {
        let path = file(which);
        let value = std::fs::read(&path);
        let set = value.and_then(|value| std::fs::write(&path, value));
        set.map_err(|e| format!("{path}: {e}")).err()
    };
    // Both kinds are in the hands of the same rule.
    same(Sysctl::MsgMax)
}

/// The path of the limit that a call is about.
fn path(c: &mut Call) -> Result<Word, Unsupported> {
    match *c.known(0)? {
        Value::Sysctl(which) => {
            let at = c.build.string(file(which).as_bytes())?;
            Ok(Word::Const(at as u64))
        }
        ref other => Err(Unsupported(format!("`{other}` is not a limit"))),
    }
}

fn plan(path: Word, flags: i32, value: Word, how: Do) -> Plan {
    let here = Word::from(i64::from(libc::AT_FDCWD));
    let flags = Word::from(i64::from(flags | libc::O_CLOEXEC));
    Plan::new(libc::SYS_openat, [here, path, flags, value]).how(how)
}

/// `sysctl(name)`.
pub(crate) fn read(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = path(c)?;
    let text = c.build.zeroed(DIGITS)?;
    let number = c.build.zeroed(8)?;
    let how = Do::ReadSysctl { text, number };
    Ok(plan(path, libc::O_RDONLY, Word::Const(0), how).gives(Decode::LongAt(number)))
}

/// `sysctl_write(name, value)`.
pub(crate) fn write(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = path(c)?;
    let text = c.build.zeroed(DIGITS)?;
    let value = c.word(1)?;
    Ok(plan(path, libc::O_WRONLY, value, Do::WriteSysctl { text }))
}
