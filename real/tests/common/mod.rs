//! Programs from text, sandboxes, and runs written short.
#![allow(dead_code, missing_docs)]

use real::{Options, Run, RunError, Sandbox};
use scenario::{End, Event, Program, TaskId, What};
use std::collections::BTreeSet;

/// Runs a scenario and holds each step against what is written.
#[allow(unused_macros)]
macro_rules! told {
    ($name:ident, $text:literal, $order:literal, [$($line:literal),* $(,)?]) => {
        #[test]
        fn $name() {
            let mut sandbox = sandbox();
            let expected: Vec<&str> = vec![$($line),*];
            assert_eq!(story(&mut sandbox, $text, $order), expected);
            // A second run in the same sandbox finds no trace of the first.
            assert_eq!(story(&mut sandbox, $text, $order), expected);
        }
    };
}

/// A sandbox with the default options.
pub fn sandbox() -> Sandbox {
    Sandbox::new(&Options::default()).expect("a sandbox")
}

/// The one program of a scenario. A first line is added that names it.
pub fn program(text: &str) -> Program {
    let text = format!(
        "test test/case\n\"A case.\"\n{}",
        text.trim_start_matches('\n')
    );
    match scenario::load("case.ipc", &text) {
        Ok(mut programs) => programs.remove(0),
        Err(e) => panic!("{e:?}\n{text}"),
    }
}

/// An ordering, by the tasks' names.
pub fn ordering(program: &Program, names: &str) -> Vec<TaskId> {
    let named = |n: &str| {
        program
            .task_named(n)
            .unwrap_or_else(|| panic!("no task {n}"))
    };
    names.split_whitespace().map(named).collect()
}

/// Runs a scenario in an ordering and writes down each step.
pub fn story(sandbox: &mut Sandbox, text: &str, order: &str) -> Vec<String> {
    let program = program(text);
    match run(sandbox, &program, order) {
        Ok(run) => tell(&program, &run),
        Err(e) => vec![format!("error: {e}")],
    }
}

pub fn run(sandbox: &mut Sandbox, program: &Program, order: &str) -> Result<Run, RunError> {
    sandbox.lockstep(program, &ordering(program, order))
}

pub fn tell(program: &Program, run: &Run) -> Vec<String> {
    let mut seen = Vec::new();
    let mut renamed = |e: &Event| {
        let what = match &e.what {
            What::Return(n, v) => What::Return(*n, scenario::rename(v, &mut seen)),
            other => other.clone(),
        };
        show(program, &Event { task: e.task, what })
    };
    let mut lines: Vec<String> = run
        .steps
        .iter()
        .map(|s| {
            s.events
                .iter()
                .map(&mut renamed)
                .collect::<Vec<_>>()
                .join("; ")
        })
        .collect();
    let left: Vec<String> = run
        .left
        .iter()
        .map(|&(task, end)| {
            show(
                program,
                &Event {
                    task,
                    what: What::End(end),
                },
            )
        })
        .collect();
    if !left.is_empty() {
        lines.push(left.join("; "));
    }
    lines
}

/// `reader 1` is the issue of its second call; `reader = 5` a return.
pub fn show(program: &Program, e: &Event) -> String {
    let name = &program.task(e.task).name;
    match &e.what {
        What::Issue(n) => format!("{name} {n}"),
        What::Block(_) => format!("{name} blocks"),
        What::Return(_, v) => format!("{name} = {v}"),
        What::Handle(h) => format!("{name} handles {} {} {}", h.signal, h.code, h.sender),
        What::End(End::Blocked(n)) => format!("{name} blocked {n}"),
        What::End(End::Stopped(n)) => format!("{name} stopped {n}"),
        What::End(end) => format!("{name} {end}"),
    }
}

/// Blocks, wakes, ends: the whole of what a method must know.
pub const BUSY: &str = r#"
setup
  pipe() = [r, w]
  pipe() = [r2, w2]
process a
  read(r, 1) = x
  write(w2, "2")
  read(r, 1) = y
  kill(c, SIGKILL)
process b
  close(w2)
  write(w, "1")
  read(r2, 1) = z
  write(w, "3")
process c
  close(r)
  close(w)
  close(w2)
  read(r2, 9)
"#;
pub const BUSY_ORDER: &str = "a c c c c b b a b a b a b a";

pub fn told(sandbox: &mut Sandbox) {
    let lines = [
        "setup = [3, 4]; setup = [5, 6]",
        "a 0; a blocks",
        "c 0; c = 0",
        "c 1; c = 0",
        "c 2; c = 0",
        "c 3; c blocks",
        "b 0; b = 0",
        "b 1; b = 1; a = \"1\"",
        "a 1; a = 1; c = \"2\"",
        "b 2; b blocks",
        "a 2; a blocks",
        "c 4; c exited 0",
        "a blocked 2; b blocked 2",
    ];
    let got = story(sandbox, BUSY, BUSY_ORDER);
    // Which comes first across tasks is not fixed where they run on several CPUs.
    let set = |line: &str| {
        line.split("; ")
            .map(str::to_string)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(got.len(), lines.len(), "{got:#?}");
    for (got, expected) in got.iter().zip(lines) {
        assert_eq!(set(got), set(expected));
    }
}

/// Runs `f` in a child process, without privileges if asked; gives what it gave.
pub fn apart(
    unprivileged: bool,
    f: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    use std::io::{Read, Write};
    let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    // SAFETY: the child uses its own memory and no lock of this process, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            drop(ours);
            let user = 65_534;
            // SAFETY: plain system calls.
            let dropped = !unprivileged
                || unsafe {
                    libc::setgroups(0, std::ptr::null()) == 0
                        && libc::setresgid(user, user, user) == 0
                        && libc::setresuid(user, user, user) == 0
                };
            // Someone else than root has none to drop.
            // SAFETY: takes nothing.
            let root = unsafe { libc::geteuid() } == 0;
            let result = if root && !dropped {
                Err("root that may not change its user".into())
            } else {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(f))
                    .unwrap_or_else(|_| Err("panicked".into()))
            };
            let _ = match result {
                Ok(text) => write!(theirs, "+{text}"),
                Err(text) => write!(theirs, "-{text}"),
            };
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        child => {
            assert!(child > 0);
            drop(theirs);
            let mut text = String::new();
            ours.read_to_string(&mut text).unwrap();
            // SAFETY: our child.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            match text.split_at_checked(1) {
                Some(("+", text)) => Ok(text.to_string()),
                Some((_, text)) => Err(text.to_string()),
                None => Err("died".into()),
            }
        }
    }
}

pub fn descends(mut pid: i32, ancestor: i32) -> bool {
    while pid > 1 {
        if pid == ancestor {
            return true;
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|r| r.split_whitespace().nth(1)?.parse().ok());
        pid = parent.unwrap_or(0);
    }
    false
}

/// Processes that are `ancestor` or descend from it.
pub fn family(ancestor: i32) -> Vec<i32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|&pid| descends(pid, ancestor))
        .collect()
}

/// The namespaces of processes, by their inode numbers.
pub fn namespace(pid: i32, kind: &str) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}
