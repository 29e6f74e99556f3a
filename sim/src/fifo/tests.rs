//! The rendezvous, told call by call, and the small name space.

use super::*;
use crate::kernel::{Config, Cx, Invocation, Kernel, ObjId, Seen, State};
use scenario::{Errno, Signal, Sys, TaskId, Value, constants::*};

const P: TaskId = TaskId(1);
const Q: TaskId = TaskId(2);

/// A kernel with two processes and a FIFO `f`.
fn kernel() -> Kernel {
    let mut k = Kernel::new(Config::default(), 3);
    for process in [P, Q] {
        k.fork(TaskId::SETUP, process, &mut Cx::default());
    }
    assert_eq!(
        call(&mut k, P, Sys::Mkfifo, vec![path("f"), Value::Int(0o600)]),
        Some(Value::ZERO)
    );
    k
}

fn path(p: &str) -> Value {
    Value::Path(p.into())
}

/// What a call returns, if it does at once.
fn call(k: &mut Kernel, task: TaskId, sys: Sys, args: Vec<Value>) -> Option<Value> {
    let mut cx = Cx::default();
    k.invoke(task, Invocation { sys, args }, &mut cx);
    returned(cx, task)
}

fn returned(cx: Cx, task: TaskId) -> Option<Value> {
    cx.effects.into_iter().find_map(|e| match e.what {
        Seen::Return(v) if e.task == task => Some(v),
        _ => None,
    })
}

fn resume(k: &mut Kernel, task: TaskId) -> Option<Value> {
    assert!(k.can_resume(task));
    let mut cx = Cx::default();
    k.resume(task, &mut cx);
    returned(cx, task)
}

fn open(k: &mut Kernel, task: TaskId, flags: u64) -> Option<Value> {
    call(
        k,
        task,
        Sys::Open,
        vec![path("f"), Value::Int(flags as i64), Value::Int(0)],
    )
}

fn fifo(k: &Kernel) -> ObjId {
    k.lookup(P, "f").expect("it was made")
}

#[test]
fn an_opener_is_counted_before_it_sleeps() {
    let mut k = kernel();
    assert_eq!(open(&mut k, P, O_RDONLY), None);
    let id = fifo(&k);
    let p = k.pipes.get(id);
    assert_eq!((p.readers, p.writers), (1, 0));
    assert_eq!(
        k.process_of(P).free_fd(0),
        Some(4),
        "its number is reserved"
    );
    assert_eq!(open(&mut k, Q, O_WRONLY | O_NONBLOCK), Some(Value::Int(3)));
    assert_eq!(resume(&mut k, P), Some(Value::Int(3)));
}

#[test]
fn a_partner_that_came_and_went_is_noticed() {
    let mut k = kernel();
    open(&mut k, P, O_RDONLY);
    open(&mut k, Q, O_WRONLY);
    call(&mut k, Q, Sys::Close, vec![Value::Int(3)]);
    assert_eq!(resume(&mut k, P), Some(Value::Int(3)));
}

#[test]
fn an_open_that_fails_after_the_rendezvous_releases_its_partner() {
    let mut k = kernel();
    open(&mut k, P, O_RDONLY);
    let failed = open(&mut k, Q, O_WRONLY | O_DIRECT);
    assert_eq!(failed, Some(Errno::EINVAL.into()));
    assert_eq!(resume(&mut k, P), Some(Value::Int(3)));
    assert_eq!(k.pipes.get(fifo(&k)).writers, 0);
}

#[test]
fn a_withdrawn_opener_leaves_nothing() {
    let mut k = kernel();
    let before = k.clone();
    open(&mut k, P, O_RDONLY);
    let args = vec![Value::Task(P), Value::Signal(Signal::SIGKILL)];
    call(&mut k, Q, Sys::Kill, args);
    assert_eq!(resume(&mut k, P), None);
    assert!(matches!(k.task(P).state, State::Ended(_)));
    assert_eq!(k.pipes, before.pipes);
    let open_files = |k: &Kernel| {
        k.files
            .iter()
            .map(|(id, f)| (id, f.holds))
            .collect::<Vec<_>>()
    };
    assert_eq!(open_files(&k), open_files(&before));
}

#[test]
fn a_stopped_opener_is_withdrawn_and_starts_over() {
    let mut k = kernel();
    open(&mut k, P, O_WRONLY);
    let id = fifo(&k);
    let send = |k: &mut Kernel, s: Signal| {
        call(k, Q, Sys::Kill, vec![Value::Task(P), Value::Signal(s)]);
        resume(k, P)
    };
    assert_eq!(send(&mut k, Signal::SIGSTOP), None);
    assert!(k.pipes.find(id).is_none(), "nobody has it open");
    assert_eq!(send(&mut k, Signal::SIGCONT), None);
    assert_eq!(k.pipes.get(id).writers, 1);
}

#[test]
fn openers_of_one_kind_do_not_release_each_other() {
    let mut k = kernel();
    for t in [P, Q] {
        assert_eq!(open(&mut k, t, O_WRONLY), None);
    }
    assert!(!k.can_resume(P) && !k.can_resume(Q));
    assert_eq!(k.pipes.get(fifo(&k)).writers, 2);
}

#[test]
fn paths_are_walked() {
    let mut k = kernel();
    let made = |k: &mut Kernel, sys, args| call(k, P, sys, args);
    made(&mut k, Sys::Mkdir, vec![path("d"), Value::Int(0o755)]);
    made(&mut k, Sys::Symlink, vec![path("../f"), path("d/link")]);
    made(&mut k, Sys::Symlink, vec![path("loop"), path("loop")]);
    let id = fifo(&k);
    for same in [
        "./f",
        "d/../f",
        "d/link",
        "d/./../d/link",
        "/f",
        "/../f",
        "//d//link",
    ] {
        assert_eq!(k.lookup(P, same), Ok(id), "{same}");
    }
    for (bad, why) in [
        ("", Errno::ENOENT),
        ("d/f", Errno::ENOENT),
        ("f/", Errno::ENOTDIR),
        ("f/.", Errno::ENOTDIR),
        ("d/link/", Errno::ENOTDIR),
        ("loop", Errno::ELOOP),
        ("loop/f", Errno::ELOOP),
    ] {
        assert_eq!(k.lookup(P, bad), Err(why), "{bad}");
    }
}

#[test]
fn the_maker_of_a_file_may_open_it_whatever_its_mode() {
    let mut k = kernel();
    call(&mut k, P, Sys::Setuid, vec![Value::Int(1000)]);
    let args = |flags: u64| vec![path("new"), Value::Int(flags as i64), Value::Int(0)];
    assert_eq!(
        call(&mut k, P, Sys::Open, args(O_CREAT | O_RDWR)),
        Some(Value::Int(3))
    );
    assert_eq!(
        call(&mut k, P, Sys::Open, args(O_RDONLY)),
        Some(Errno::EACCES.into())
    );
}

#[test]
fn names_are_changed_as_linux_changes_them() {
    let mut k = kernel();
    let one = |k: &mut Kernel, sys, a: &str| call(k, P, sys, vec![path(a), Value::Int(0o755)]);
    let two = |k: &mut Kernel, sys, a: &str, b: &str| call(k, P, sys, vec![path(a), path(b)]);
    for d in ["d", "d/e", "x"] {
        assert_eq!(one(&mut k, Sys::Mkdir, d), Some(Value::ZERO));
    }
    let fails = |e: Errno| Some(Value::Error(e));
    for (from, to, why) in [
        (".", "f", Errno::EBUSY),
        ("f", "d/..", Errno::EBUSY),
        ("none", "f/x", Errno::ENOTDIR),
        ("none", "g", Errno::ENOENT),
        ("f/", "g", Errno::ENOTDIR),
        ("f", "g/", Errno::ENOTDIR),
        ("f", "d", Errno::EISDIR),
        ("d", "f", Errno::ENOTDIR),
        ("d", "d/e/d", Errno::EINVAL),
        ("d/e", "d", Errno::ENOTEMPTY),
        ("x", "d", Errno::ENOTEMPTY),
    ] {
        assert_eq!(
            two(&mut k, Sys::Rename, from, to),
            fails(why),
            "{from} to {to}"
        );
    }
    for (old, new, why) in [
        ("f/", "g", Errno::ENOTDIR),
        ("f", "g/", Errno::ENOENT),
        ("f", "d/", Errno::EEXIST),
        ("d", "g", Errno::EPERM),
        ("none", "f", Errno::ENOENT),
    ] {
        assert_eq!(
            two(&mut k, Sys::Link, old, new),
            fails(why),
            "{old} as {new}"
        );
    }
    for (gone, why) in [
        (".", Errno::EISDIR),
        ("d/", Errno::EISDIR),
        ("f/", Errno::ENOTDIR),
    ] {
        assert_eq!(one(&mut k, Sys::Unlink, gone), fails(why), "{gone}");
    }
    // A directory that moves takes its `..` along; one that is replaced is gone.
    let links = |k: &Kernel, p: &str| k.inodes.get(k.lookup(P, p).expect("it exists")).links;
    assert_eq!((links(&k, "."), links(&k, "d")), (4, 3));
    assert_eq!(two(&mut k, Sys::Rename, "d/e", "x"), Some(Value::ZERO));
    assert_eq!((links(&k, "."), links(&k, "d"), links(&k, "x")), (4, 2, 2));
    assert_eq!(k.lookup(P, "x/.."), k.lookup(P, "."));
}
