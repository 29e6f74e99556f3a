//! The guard: makes the namespaces, starts the sandbox's first process in them, and sees to it
//! that it does not outlive the caller.

use crate::facts::Namespace;
use crate::host::{self, Given};
use crate::options::{Isolation, Options};
use crate::wire::{Mail, Note};
use std::os::fd::{AsRawFd, OwnedFd};

/// What the guard is to start.
pub(crate) struct Start<'a> {
    pub options: &'a Options,
    /// Why it goes without namespaces, if it does.
    pub reason: &'a str,
    pub cpus: Vec<usize>,
    pub cpu: usize,
}

/// The guard's whole life. It runs in a fork of a caller that may have had many threads.
pub(crate) fn main(bell: &OwnedFd, life: &OwnedFd, mail: &Mail, start: Start) -> ! {
    // A panic must not unwind into what was the caller's code.
    let life_of = || live(bell, life, mail, start);
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life_of));
    exit(101)
}

fn live(bell: &OwnedFd, life: &OwnedFd, mail: &Mail, start: Start) -> ! {
    let Start {
        options,
        reason,
        cpus,
        cpu,
    } = start;
    detach([bell.as_raw_fd(), life.as_raw_fd()]);
    let (user_namespace, namespaces) = match options.isolation {
        Isolation::Without => (false, none(reason)),
        Isolation::Auto | Isolation::Required => unshare(),
    };
    let lacking = namespaces.iter().find(|n| n.refused.is_some());
    if let (Some(lacking), Isolation::Required) = (lacking, options.isolation) {
        let _ = mail.note(&Note::Lacking(lacking.clone()));
        let _ = host::ring(bell);
        exit(1);
    }
    let enclosed = ["pid", "mount"].iter().all(|name| {
        namespaces
            .iter()
            .any(|n| n.name == *name && n.refused.is_none())
    });
    let bare_home = if enclosed { None } else { bare_home() };
    let given = Given {
        options: options.clone(),
        namespaces,
        user_namespace,
        bare_home: bare_home.clone(),
        cpus,
        cpu,
    };
    // Where no process id namespace does it, orphans come to this process.
    // SAFETY: the numbers that the call takes.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    // SAFETY: this process has one thread.
    let first = unsafe { libc::fork() };
    if first < 0 {
        let why = format!("fork: {}", std::io::Error::last_os_error());
        let _ = mail.note(&Note::Refused(why));
        let _ = host::ring(bell);
        exit(1);
    }
    if first == 0 {
        // SAFETY: the numbers that the call takes.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        if has_hung_up(life) {
            exit(1);
        }
        // Only the guard and the caller hold the life line.
        close(life.as_raw_fd());
        let code = i32::from(host::main(bell, mail, given).is_err());
        exit(code);
    }
    close(bell.as_raw_fd());
    watch(life, first);
    if let Some(home) = bare_home {
        let _ = std::fs::remove_dir_all(home);
    }
    exit(0)
}

/// Waits until the caller is gone or the first process has ended; then nothing is left.
fn watch(life: &OwnedFd, first: i32) {
    // SAFETY: plain system calls on a child of ours, which is reaped once, at the end.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, first, 0) as i32;
        let mut fds = [
            libc::pollfd {
                fd: life.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            },
            libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            },
        ];
        while libc::poll(fds.as_mut_ptr(), 2, -1) < 0 {}
        libc::kill(first, libc::SIGKILL);
        libc::waitpid(first, std::ptr::null_mut(), 0);
        // Workers that were not in a namespace of their own: they are children of this process
        // now, and so are their children as they die.
        while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) >= 0 {
            for child in children() {
                libc::kill(child, libc::SIGKILL);
            }
            libc::sched_yield();
        }
    }
}

/// The children of this process.
fn children() -> Vec<i32> {
    let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_whitespace()
        .filter_map(|id| id.parse().ok())
        .filter(|id| *id > 1)
        .collect()
}

fn has_hung_up(life: &OwnedFd) -> bool {
    let mut fd = libc::pollfd {
        fd: life.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&mut fd, 1, 0) > 0 }
}

fn close(fd: i32) {
    // SAFETY: a descriptor of ours that is not used any more.
    unsafe { libc::close(fd) };
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process, without what the caller has registered for its end.
    unsafe { libc::_exit(code) }
}

/// Leaves the caller's descriptors, signals, session and terminal.
fn detach(keep: [i32; 2]) {
    // SAFETY: plain system calls; descriptors other than `keep` belong to the caller's objects,
    // which this process never uses again.
    unsafe {
        let mut keep = keep.map(|fd| fd as u32);
        keep.sort_unstable();
        let mut first = 3;
        for fd in keep {
            if fd > first {
                libc::syscall(libc::SYS_close_range, first, fd - 1, 0);
            }
            first = fd + 1;
        }
        libc::syscall(libc::SYS_close_range, first, u32::MAX, 0);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for fd in 0..3 {
            libc::dup2(null, fd);
        }
        if null > 2 {
            libc::close(null);
        }
        // Not by `signal`, which would leave flags and a mask that a query shows.
        let usual: libc::sigaction = std::mem::zeroed();
        for signal in 1..=64 {
            libc::sigaction(signal, &usual, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"lockstep-guard".as_ptr());
        // Changing the user id took the files in /proc away from the process.
        libc::prctl(libc::PR_SET_DUMPABLE, 1);
    }
}

/// No namespace at all.
fn none(reason: &str) -> Vec<Namespace> {
    let refused = Some(reason.to_string());
    ["pid", "mount", "ipc", "net"]
        .map(|name| Namespace {
            name: name.into(),
            refused: refused.clone(),
        })
        .to_vec()
}

/// Makes the namespaces. Tells which were not to be had and why.
fn unshare() -> (bool, Vec<Namespace>) {
    // SAFETY: take nothing.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let try_one = |flag| {
        // SAFETY: this process has one thread.
        match unsafe { libc::unshare(flag) } {
            0 => None,
            _ => Some(std::io::Error::last_os_error().to_string()),
        }
    };
    let mut user = false;
    let mut refused = None;
    let mut pid = try_one(libc::CLONE_NEWPID);
    if pid.is_some() {
        // No privilege: a user namespace gives it, over what lies inside.
        refused = try_one(libc::CLONE_NEWUSER).or_else(|| map_ids(uid, gid).err());
        user = refused.is_none();
        if user {
            pid = try_one(libc::CLONE_NEWPID);
        }
    }
    let explain = |why: Option<String>| match (&refused, why) {
        (Some(user), Some(why)) => Some(format!("{why}; and no user namespace: {user}")),
        (_, why) => why,
    };
    let rest = [
        ("mount", libc::CLONE_NEWNS),
        ("ipc", libc::CLONE_NEWIPC),
        ("net", libc::CLONE_NEWNET),
    ];
    let mut found = vec![Namespace {
        name: "pid".into(),
        refused: explain(pid),
    }];
    for (name, flag) in rest {
        found.push(Namespace {
            name: name.into(),
            refused: explain(try_one(flag)),
        });
    }
    (user, found)
}

/// Makes this user the user 0 of its new namespace.
fn map_ids(uid: u32, gid: u32) -> Result<(), String> {
    let write = |file: &str, text: String| {
        let path = format!("/proc/self/{file}");
        std::fs::write(&path, text).map_err(|e| format!("{path}: {e}"))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}

/// A directory for the runs of a sandbox that has no file system of its own.
fn bare_home() -> Option<String> {
    // SAFETY: takes nothing.
    let home = format!("/tmp/lockstep-{}", unsafe { libc::getpid() });
    std::fs::create_dir(&home).ok()?;
    Some(home)
}
