//! Signals, told call by call.

use super::*;
use crate::kernel::{Config, Cx, Invocation, Seen, State};
use scenario::{End, Errno, Sys, Value};

const P: TaskId = TaskId(1);
const Q: TaskId = TaskId(2);
const T: TaskId = TaskId(3);

/// A kernel with two processes, and a task that is not started.
fn kernel() -> Kernel {
    let mut k = Kernel::new(Config::default(), 4);
    for process in [P, Q] {
        k.fork(TaskId::SETUP, process, &mut Cx::default());
        k.process_mut(process).group = P;
    }
    k
}

/// What a task makes of a step, one line each.
type Told = Vec<(TaskId, Seen)>;

fn told(cx: Cx) -> Told {
    cx.effects.into_iter().map(|e| (e.task, e.what)).collect()
}

/// A call, and what comes of it at once.
fn call(k: &mut Kernel, task: TaskId, sys: Sys, args: Vec<Value>) -> Told {
    let mut cx = Cx::default();
    k.invoke(task, Invocation { sys, args }, &mut cx);
    told(cx)
}

/// Lets everything under way happen, the lowest task first.
fn settle(k: &mut Kernel) -> Told {
    let mut all = Vec::new();
    loop {
        let mut cx = Cx::default();
        let tasks = [P, Q, T];
        if let Some(&t) = tasks.iter().find(|t| k.can_resume(**t)) {
            k.resume(t, &mut cx);
        } else if let Some(&t) = tasks.iter().find(|t| k.can_take_signals(**t)) {
            k.take_signals(t, &mut cx);
        } else {
            return all;
        }
        all.extend(told(cx));
    }
}

fn action(k: &mut Kernel, task: TaskId, signal: Signal, handler: u64, flags: u64) {
    let args = vec![
        Value::Signal(signal),
        Value::Int(handler as i64),
        Value::Int(flags as i64),
    ];
    call(k, task, Sys::Sigaction, args);
}

fn mask(k: &mut Kernel, task: TaskId, how: u64, signals: &[Signal]) -> Told {
    let set = signals.iter().map(|s| Value::Signal(*s)).collect();
    call(
        k,
        task,
        Sys::Sigprocmask,
        vec![Value::Int(how as i64), Value::List(set)],
    )
}

fn kill(k: &mut Kernel, from: TaskId, to: TaskId, signal: Signal) -> Told {
    call(
        k,
        from,
        Sys::Kill,
        vec![Value::Task(to), Value::Signal(signal)],
    )
}

/// The signals that a task handled.
fn handled(told: &Told, task: TaskId) -> Vec<Signal> {
    let handled = told.iter().filter(|(t, _)| *t == task);
    handled
        .filter_map(|(_, seen)| match seen {
            Seen::Handle(h) => Some(h.signal),
            _ => None,
        })
        .collect()
}

fn pipe(k: &mut Kernel, task: TaskId) {
    call(k, task, Sys::Pipe, vec![]);
}

#[test]
fn frames_run_last_first_and_what_they_block_comes_between() {
    let mut k = kernel();
    let rt = Signal(34);
    for s in [Signal::SIGUSR1, rt] {
        action(&mut k, P, s, record, 0);
    }
    mask(&mut k, P, SIG_BLOCK, &[Signal::SIGUSR1, rt]);
    for s in [Signal::SIGUSR1, rt, rt] {
        kill(&mut k, Q, P, s);
    }
    let told = mask(&mut k, P, SIG_SETMASK, &[]);
    assert_eq!(handled(&told, P), [rt, rt, Signal::SIGUSR1]);
    assert_eq!(told.last(), Some(&(P, Seen::Return(Value::ZERO))));
    assert_eq!(k.task(P).mask, SigSet::default());
}

#[test]
fn death_comes_before_any_body() {
    let mut k = kernel();
    action(&mut k, P, Signal::SIGUSR1, record, 0);
    mask(&mut k, P, SIG_BLOCK, &[Signal::SIGUSR1, Signal::SIGTERM]);
    kill(&mut k, Q, P, Signal::SIGUSR1);
    kill(&mut k, Q, P, Signal::SIGTERM);
    let told = mask(&mut k, P, SIG_SETMASK, &[]);
    assert_eq!(told, [(P, Seen::End(End::Killed(Signal::SIGTERM)))]);
}

#[test]
fn frames_outlive_a_stop() {
    let mut k = kernel();
    action(&mut k, P, Signal::SIGUSR1, record, 0);
    mask(&mut k, P, SIG_BLOCK, &[Signal::SIGUSR1, Signal::SIGTSTP]);
    kill(&mut k, Q, P, Signal::SIGUSR1);
    kill(&mut k, Q, P, Signal::SIGTSTP);
    assert_eq!(mask(&mut k, P, SIG_SETMASK, &[]), []);
    assert!(matches!(k.task(P).state, State::Stopped { .. }));
    kill(&mut k, Q, P, Signal::SIGCONT);
    assert_eq!(handled(&settle(&mut k), P), [Signal::SIGUSR1]);
}

#[test]
fn the_first_handler_decides_on_a_restart() {
    for (first, second, restarts) in [(SA_RESTART, 0, true), (0, SA_RESTART, false)] {
        let mut k = kernel();
        pipe(&mut k, P);
        action(&mut k, P, Signal::SIGUSR1, record, first);
        action(&mut k, P, Signal::SIGUSR2, record, second);
        call(&mut k, P, Sys::Read, vec![Value::Int(3), Value::Int(1)]);
        kill(&mut k, Q, P, Signal::SIGUSR2);
        kill(&mut k, Q, P, Signal::SIGUSR1);
        let told = settle(&mut k);
        assert_eq!(handled(&told, P), [Signal::SIGUSR2, Signal::SIGUSR1]);
        let failed = told.contains(&(P, Seen::Return(Errno::EINTR.into())));
        assert_eq!(failed, !restarts);
    }
}

#[test]
fn one_thread_is_told() {
    let mut k = kernel();
    pipe(&mut k, P);
    action(&mut k, P, Signal::SIGUSR1, record, 0);
    call(&mut k, P, Sys::Thread, vec![Value::Task(T)]);
    for t in [P, T] {
        call(&mut k, t, Sys::Read, vec![Value::Int(3), Value::Int(1)]);
    }
    kill(&mut k, Q, P, Signal::SIGUSR1);
    assert!(k.can_resume(P) && !k.can_resume(T));
    // Where the first blocks it, it is the other's.
    settle(&mut k);
    mask(&mut k, P, SIG_BLOCK, &[Signal::SIGUSR1]);
    kill(&mut k, Q, P, Signal::SIGUSR1);
    assert!(!k.can_resume(P) && k.can_resume(T));
    assert_eq!(handled(&settle(&mut k), T), [Signal::SIGUSR1]);
}

#[test]
fn blocking_what_one_was_told_of_hands_it_on() {
    let mut k = kernel();
    action(&mut k, P, Signal::SIGUSR1, record, 0);
    call(&mut k, P, Sys::Thread, vec![Value::Task(T)]);
    kill(&mut k, Q, P, Signal::SIGUSR1);
    // P was told, and blocks the signal before it looks.
    assert_eq!(
        handled(&mask(&mut k, P, SIG_BLOCK, &[Signal::SIGUSR1]), P),
        []
    );
    assert_eq!(handled(&settle(&mut k), T), [Signal::SIGUSR1]);
}

#[test]
fn a_stop_is_whole_when_every_thread_has_stopped() {
    let mut k = kernel();
    pipe(&mut k, P);
    action(&mut k, TaskId::SETUP, Signal::SIGCHLD, record, 0);
    mask(&mut k, TaskId::SETUP, SIG_BLOCK, &[Signal::SIGCHLD]);
    call(&mut k, P, Sys::Thread, vec![Value::Task(T)]);
    call(&mut k, T, Sys::Read, vec![Value::Int(3), Value::Int(1)]);
    kill(&mut k, Q, P, Signal::SIGSTOP);
    let mut cx = Cx::default();
    k.take_signals(P, &mut cx);
    assert!(k.process(TaskId::SETUP).pending.is_empty());
    assert!(k.can_resume(T));
    settle(&mut k);
    assert_eq!(k.process(TaskId::SETUP).pending.len(), 1);
    for t in [P, T] {
        assert!(matches!(k.task(t).state, State::Stopped { .. }), "{t:?}");
    }
    kill(&mut k, Q, P, Signal::SIGCONT);
    settle(&mut k);
    assert!(k.is_idle(P) && matches!(k.task(T).state, State::Sleeping { .. }));
}

#[test]
fn a_stopped_process_dies_of_sigkill_alone() {
    let mut k = kernel();
    kill(&mut k, Q, P, Signal::SIGSTOP);
    settle(&mut k);
    kill(&mut k, Q, P, Signal::SIGTERM);
    assert_eq!(settle(&mut k), []);
    kill(&mut k, Q, P, Signal::SIGKILL);
    assert_eq!(
        settle(&mut k),
        [(P, Seen::End(End::Killed(Signal::SIGKILL)))]
    );
}

#[test]
fn sigcont_and_stops_cancel_each_other() {
    let mut k = kernel();
    mask(&mut k, P, SIG_BLOCK, &[Signal::SIGTSTP, Signal::SIGCONT]);
    let waiting =
        |k: &Kernel| -> Vec<Signal> { k.process(P).pending.iter().map(|h| h.signal).collect() };
    kill(&mut k, Q, P, Signal::SIGTSTP);
    kill(&mut k, Q, P, Signal::SIGCONT);
    assert_eq!(waiting(&k), [Signal::SIGCONT]);
    kill(&mut k, Q, P, Signal::SIGTSTP);
    assert_eq!(waiting(&k), [Signal::SIGTSTP]);
}

#[test]
fn what_is_ignored_is_dropped_unless_it_is_blocked() {
    let mut k = kernel();
    kill(&mut k, Q, P, Signal::SIGURG);
    assert!(k.process(P).pending.is_empty());
    mask(&mut k, P, SIG_BLOCK, &[Signal::SIGURG]);
    kill(&mut k, Q, P, Signal::SIGURG);
    assert_eq!(k.process(P).pending.len(), 1);
    action(&mut k, P, Signal::SIGURG, SIG_DFL, 0);
    assert!(k.process(P).pending.is_empty());
}

#[test]
fn fault_signals_are_taken_first_and_own_ones_before_shared_ones() {
    let mut k = kernel();
    let all = [Signal::SIGHUP, Signal::SIGSEGV, Signal::SIGUSR1];
    for s in all {
        action(&mut k, P, s, record, 0);
    }
    mask(&mut k, P, SIG_BLOCK, &all);
    kill(&mut k, Q, P, Signal::SIGHUP);
    kill(&mut k, Q, P, Signal::SIGSEGV);
    let args = vec![Value::Task(P), Value::Signal(Signal::SIGUSR1)];
    call(&mut k, Q, Sys::Tgkill, args);
    let told = mask(&mut k, P, SIG_SETMASK, &[]);
    // Taken: SIGUSR1, SIGSEGV, SIGHUP.
    assert_eq!(
        handled(&told, P),
        [Signal::SIGHUP, Signal::SIGSEGV, Signal::SIGUSR1]
    );
}
