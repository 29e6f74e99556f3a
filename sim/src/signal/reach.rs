//! Whom signals may reach from outside, as far as a program's text tells.
//!
//! A task that no signal can reach goes from its call back to its own code unseen. For one that a
//! signal may reach, that way is a step of its own: others have seen what its call did, and the
//! signal comes before its value is back.

use super::Usual;
use scenario::{Arg, Kind, Program, Signal, Stmt, Sys, TaskId, TaskKind, Value};
use std::collections::BTreeSet;

/// Who may be sent a signal by a call.
enum Reach {
    /// Nobody but the caller itself, by what it does (`SIGPIPE`).
    Nobody,
    /// The process of the task.
    Process(TaskId),
    /// Anybody.
    All,
}

/// The tasks that a signal may reach at a time not of their choosing: those that somebody sends one
/// to, those that `O_ASYNC` or a message queue may tell, those whose children end, and threads, which end
/// with their process.
pub fn reachable(program: &Program) -> Vec<TaskId> {
    let leader = |mut task: TaskId| {
        while let TaskKind::Thread(of) = program.task(task).kind {
            task = of;
        }
        task
    };
    let heeds_children = program
        .tasks
        .iter()
        .flat_map(|t| &t.body)
        .any(heeds_sigchld);
    let mut processes = BTreeSet::new();
    if may_hang_up(program) {
        processes.extend(program.task_ids());
    }
    for task in program.task_ids() {
        for stmt in &program.task(task).body {
            match reach(stmt, task, heeds_children) {
                Reach::Nobody => {}
                Reach::Process(of) => {
                    processes.insert(leader(of));
                }
                Reach::All => processes.extend(program.task_ids()),
            }
        }
    }
    program
        .task_ids()
        .skip(1)
        .filter(|&t| processes.contains(&leader(t)))
        .collect()
}

/// Whether the end of a process may leave a group orphaned of which a member is stopped: then signals
/// come to all of its members.
pub(crate) fn may_hang_up(program: &Program) -> bool {
    let stmts = || program.tasks.iter().flat_map(|t| &t.body);
    let stops = |arg: &Arg| match arg {
        Arg::Value(Value::Signal(signal)) => Usual::of(*signal) == Usual::Stop,
        _ => false,
    };
    // A terminal's keys stop too.
    let stopping = |stmt: &Stmt| stmt.sys == Sys::Openpt || stmt.args.iter().any(stops);
    let parts = |stmt: &Stmt| {
        matches!(stmt.sys, Sys::Fork | Sys::Setpgid | Sys::Setsid)
            || stmt
                .args
                .iter()
                .filter_map(to_task)
                .any(|t| t == TaskId::SETUP)
    };
    stmts().any(parts) && stmts().any(stopping)
}

fn reach(stmt: &Stmt, caller: TaskId, heeds_children: bool) -> Reach {
    match stmt.sys {
        // The parent is told of its child's end.
        Sys::Fork if heeds_children => Reach::Process(caller),
        // The end of the process ends its threads, each where it is.
        Sys::Thread => Reach::Process(caller),
        Sys::Fork | Sys::ReopenOf => Reach::Nobody,
        Sys::Setpgid | Sys::Getpgid | Sys::Getsid => Reach::Nobody,
        sys if sys.is_on_nice_values() => Reach::Nobody,
        // What it is used for signals whole groups.
        Sys::Openpt => Reach::All,
        // Other people's children become one's own.
        Sys::Subreaper if heeds_children => Reach::Process(caller),
        sys if sys.waits_for_children() => Reach::Nobody,
        // Who registers at a queue is told of a message.
        Sys::MqNotifySignal | Sys::MqNotifyNumber => Reach::Process(caller),
        // And who sets a timer, of its end.
        Sys::Alarm | Sys::Setitimer | Sys::SetitimerRaw => Reach::Process(caller),
        Sys::Kill
        | Sys::Tgkill
        | Sys::Sigqueue
        | Sys::SigqueueThread
        | Sys::SigqueueCode
        | Sys::SetOwn => match &stmt.args.iter().find_map(to_task) {
            Some(to) => Reach::Process(*to),
            None => Reach::All,
        },
        // Whatever else takes a task may signal it, or others with it.
        sys => match sys.spec().params.iter().any(|p| p.kind == Kind::Task) {
            true => Reach::All,
            false => Reach::Nobody,
        },
    }
}

fn to_task(arg: &Arg) -> Option<TaskId> {
    match arg {
        Arg::Value(Value::Task(to)) => Some(*to),
        _ => None,
    }
}

/// Whether a program that has this call may be told of its children: by default SIGCHLD is dropped.
fn heeds_sigchld(stmt: &Stmt) -> bool {
    match stmt.sys {
        Sys::Sigaction => match stmt.args.first() {
            Some(Arg::Value(Value::Signal(signal))) => *signal == Signal::SIGCHLD,
            Some(Arg::Value(v)) => v.number() == Some(i64::from(Signal::SIGCHLD.0)),
            _ => true,
        },
        Sys::Sigprocmask | Sys::SigprocmaskFault | Sys::Signalfd => true,
        Sys::Sigwaitinfo | Sys::Sigtimedwait | Sys::SigtimedwaitAt | Sys::SigwaitFault => true,
        Sys::Sigsuspend => true,
        _ => false,
    }
}
