//! `exec`: the program of a process is replaced, and what it had is sorted into what stays and what
//! does not. In a scenario the new program goes on where the old one stood.

use crate::clause::*;
use crate::kernel::{Cx, Kernel};
use crate::signal::{Disposition, Dispositions};
use scenario::constants::SIG_IGN;
use scenario::{Errno, Program, Signal, Sys, TaskId, TaskKind, Value};

/// `exec()`.
pub(crate) fn exec(k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Result<Value, Errno> {
    let process = k.process_of(task);
    let close: Vec<usize> = process
        .fds
        .iter()
        .enumerate()
        .filter(|(_, d)| d.is_some_and(|d| d.cloexec))
        .map(|(fd, _)| fd)
        .collect();
    if close.len() < process.fds.iter().skip(3).flatten().count() || !close.is_empty() {
        cx.cite(FD_024);
    }
    for fd in close {
        k.close_fd(task, fd, cx)?;
    }
    let old = k.process_of(task).dispositions.clone();
    let mut kept = Dispositions::default();
    for signal in (1..=64).map(Signal) {
        let disposition = old.get(signal);
        if disposition != Disposition::default() {
            cx.cite(SIG_151);
        }
        if disposition.handler == SIG_IGN {
            let ignored = Disposition {
                handler: SIG_IGN,
                ..Disposition::default()
            };
            kept.set(signal, ignored);
        }
    }
    if old != kept {
        k.process_mut(task).dispositions = kept;
    }
    let process = k.process_of(task);
    let t = k.task(task);
    if t.mask.0 != 0 || !t.pending.is_empty() || process.timer.is_some() {
        cx.cite(SIG_152);
    }
    if process.group != t.process || process.session != t.process {
        cx.cite(SIG_159);
    }
    if t.nice != 0 {
        cx.cite(NICE_002);
    }
    k.process_mut(task).programs += 1;
    Ok(Value::ZERO)
}

/// Whether a task executes a program while its process has threads, or may have: their ids change
/// hands then, and tasks are told by their ids.
pub(crate) fn among_threads(program: &Program, task: TaskId) -> bool {
    let leader = |mut t: TaskId| {
        while let TaskKind::Thread(of) = program.task(t).kind {
            t = of;
        }
        t
    };
    let is_exec = |s: &scenario::Stmt| s.sys == Sys::Exec;
    program.task(task).body.iter().any(is_exec)
        && program.task_ids().any(|t| {
            let is_thread = matches!(program.task(t).kind, TaskKind::Thread(_));
            is_thread && leader(t) == leader(task)
        })
}
