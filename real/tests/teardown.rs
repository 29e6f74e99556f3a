//! The end of a sandbox: killed, hung, or left behind by who made it.

mod common;
use common::*;
use real::{Isolation, Options, RunError, Sandbox};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[test]
fn a_killed_sandbox_is_replaced() {
    // In a process of its own, whose family is this sandbox alone.
    let result = apart(false, || {
        let mut sandbox = sandbox();
        told(&mut sandbox);
        for pid in family(std::process::id() as i32) {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if comm.trim() == "lockstep-host" {
                // SAFETY: a process that this sandbox started.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        let program = program(BUSY);
        // The loss is told once at most, and then all is well.
        let lost = (0..2)
            .filter(|_| sandbox.lockstep(&program, &[]).is_err())
            .count();
        told(&mut sandbox);
        Ok(lost.to_string())
    });
    assert!(matches!(result.as_deref(), Ok("0" | "1")), "{result:?}");
}

fn vanishes(isolation: Isolation) {
    use std::io::Read;
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    // SAFETY: the child uses its own memory, and never returns.
    let outer = unsafe { libc::fork() };
    if outer == 0 {
        drop(ours);
        let _ = std::panic::catch_unwind(|| {
            let options = Options {
                isolation,
                run_deadline: Duration::from_secs(60),
                ..Options::default()
            };
            let mut sandbox = Sandbox::new(&options).unwrap();
            // Blocked workers, and a run that goes on: the poll is waited for.
            let program = program(
                "setup\n  pipe() = [r, w]\nprocess a\n  fork c\n    read(r, 1)\n  read(r, 1)\nprocess b\n  thread t\n    read(r, 1)\n  poll([[r, POLLIN]], 2000)\n  poll([[r, POLLIN]], 2000)\n  poll([[r, POLLIN]], 2000)\n  poll([[r, POLLIN]], 2000)\n  poll([[r, POLLIN]], 2000)\n",
            );
            use std::io::Write;
            (&theirs).write_all(b"!").unwrap();
            let _ = sandbox.lockstep(&program, &[]);
        });
        // SAFETY: ends the child.
        unsafe { libc::_exit(1) }
    }
    drop(theirs);
    let mut byte = [0u8];
    ours.read_exact(&mut byte).unwrap();
    // Until all are there: the outer process, guard, host, setup, a, c, b.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut pids = family(outer);
    while pids.len() < 7 {
        assert!(Instant::now() < deadline, "they do not come: {pids:?}");
        std::thread::yield_now();
        pids = family(outer);
    }
    let fds: Vec<i32> = pids
        .iter()
        .filter(|&&p| p != outer)
        // SAFETY: takes numbers.
        .map(|&p| unsafe { libc::syscall(libc::SYS_pidfd_open, p, 0) } as i32)
        .collect();
    let own = namespace(std::process::id() as i32, "mnt");
    let spaces: BTreeSet<_> = pids
        .iter()
        .filter_map(|&p| namespace(p, "mnt"))
        .filter(|n| Some(n) != own.as_ref())
        .collect();
    assert_eq!(spaces.is_empty(), isolation == Isolation::Without);
    // SAFETY: our child.
    unsafe {
        libc::kill(outer, libc::SIGKILL);
        libc::waitpid(outer, std::ptr::null_mut(), 0);
    }
    for fd in fds.into_iter().filter(|fd| *fd >= 0) {
        let mut entry = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid entry; a descriptor of ours.
        unsafe {
            assert_eq!(
                libc::poll(&mut entry, 1, 10_000),
                1,
                "one of {pids:?} goes on"
            );
            libc::close(fd);
        }
    }
    // A mount namespace, and the file system mounted in it, goes with its last process.
    let left = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| {
            let pid = e.file_name().to_string_lossy().parse().ok()?;
            namespace(pid, "mnt")
                .filter(|n| spaces.contains(n))
                .map(|_| pid)
        });
    assert_eq!(left.collect::<Vec<i32>>(), []);
    let homes: Vec<_> = std::fs::read_dir("/tmp")
        .unwrap()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| pids.iter().any(|p| *n == format!("lockstep-{p}")))
        .collect();
    assert_eq!(homes, Vec::<String>::new());
}

#[test]
fn all_vanish_with_the_outermost_process() {
    vanishes(Isolation::Auto);
}

#[test]
fn all_vanish_without_namespaces_too() {
    vanishes(Isolation::Without);
}

#[test]
fn a_sandbox_that_hangs_is_replaced_and_its_trace_kept() {
    let result = apart(false, || {
        let options = Options {
            run_deadline: Duration::from_millis(500),
            ..Options::default()
        };
        let mut sandbox = Sandbox::new(&options).map_err(|e| e.to_string())?;
        // A poll that is waited for, while someone stops the conductor.
        let program = program(
            "setup\n  pipe() = [r, w]\nprocess a\n  poll([[r, POLLIN]], 400)\n  poll([[r, POLLIN]], 400)\n",
        );
        let host = *family(std::process::id() as i32)
            .iter()
            .find(|p| {
                let comm = std::fs::read_to_string(format!("/proc/{p}/comm")).unwrap_or_default();
                comm.trim() == "lockstep-host"
            })
            .ok_or("no host")?;
        let stopper = std::thread::spawn(move || {
            // Once somebody sleeps in the poll (system call 7).
            let polls = |pid: &i32| {
                let call = std::fs::read_to_string(format!("/proc/{pid}/syscall"));
                call.is_ok_and(|c| c.starts_with("7 "))
            };
            while !family(host).iter().any(polls) {
                std::thread::yield_now();
            }
            // SAFETY: a process that this sandbox started.
            unsafe { libc::kill(host, libc::SIGSTOP) };
        });
        let run = sandbox.lockstep(&program, &[]);
        stopper.join().map_err(|_| "the stopper panicked")?;
        let Err(RunError::Overrun(run)) = run else {
            return Err(format!("{run:?}"));
        };
        if !run.overrun || run.steps.is_empty() {
            return Err(format!("{run:?}"));
        }
        told(&mut sandbox);
        Ok(tell(&program, &run)[0].clone())
    });
    assert_eq!(result.as_deref(), Ok("setup = [3, 4]"));
}
