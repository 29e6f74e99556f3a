//! `exec` in a worker: the program that is executed is this very one, and goes on at the same place.
//!
//! The new image knows nothing but what its arguments say. Before its `main` is reached, a constructor
//! recognises them, maps the arena where it was, and becomes the worker of the slot that they name. The
//! arena, like the program and its loader, is found through a descriptor of the conductor's: the worker has
//! none to hand on, and sees none of the machine's files.
//!
//! ```text
//! worker   execve(loader, [this program, MARK, where, slot, arena])
//! image    the loader ─ constructor: maps the arena, takes the slot's stack ─ the next operation
//! ```

use crate::arena::{self, Slot};
use crate::compile::{Call, Plan, Unsupported};
use crate::op::{Do, Word};
use crate::{raw, worker};
use scenario::{Arg, Program, Stmt, Sys, TaskId, TaskKind, Value};
use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

/// The argument of an image that is to become a worker.
const MARK: &[u8] = b"lockstep-worker";

/// Descriptors of what it takes to execute this program: workers have none of the machine's files,
/// but can open these through the conductor's directory in `/proc`.
struct Files {
    /// The program.
    program: OwnedFd,
    /// Its loader, if it is linked dynamically.
    loader: Option<OwnedFd>,
    /// The directories in which its libraries lie.
    libraries: Vec<OwnedFd>,
}

static FILES: OnceLock<Result<Files, String>> = OnceLock::new();

/// Opens what it takes, before the machine's files are left behind. What cannot be opened only keeps
/// scenarios from executing a program.
pub(crate) fn prepare() {
    // Once for each process: a second sandbox is another.
    FILES.get_or_init(|| find().map_err(|e| format!("what executes this program: {e}")));
}

fn find() -> std::io::Result<Files> {
    let open = |path: &Path| std::fs::File::open(path).map(OwnedFd::from);
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mapped = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    let objects: BTreeSet<&Path> = mapped
        .filter(|p| p.contains(".so"))
        .map(Path::new)
        .collect();
    let is_loader = |p: &&Path| {
        let name = p.file_name().and_then(|n| n.to_str());
        name.is_some_and(|n| n.starts_with("ld-") || n.starts_with("ld."))
    };
    let loader = objects.iter().copied().find(is_loader);
    let directories: BTreeSet<&Path> = objects.iter().filter_map(|p| p.parent()).collect();
    Ok(Files {
        program: open(Path::new("/proc/self/exe"))?,
        loader: loader.map(open).transpose()?,
        libraries: directories
            .into_iter()
            .map(open)
            .collect::<Result<_, _>>()?,
    })
}

/// Whether a task may execute the program as another user than 0. The program is found through the
/// conductor's directory in `/proc`, which is closed to such a one.
pub(crate) fn is_out_of_reach(program: &Program) -> bool {
    program.task_ids().any(|task| {
        let mut lowered = starts_lowered(program, task);
        program.task(task).body.iter().any(|stmt| {
            lowered = lowers(stmt).unwrap_or(lowered);
            lowered && stmt.sys == Sys::Exec
        })
    })
}

/// Whether the caller is another user than 0 afterwards, if the call is one that may change that.
fn lowers(stmt: &Stmt) -> Option<bool> {
    let to_root = matches!(stmt.args.first(), Some(Arg::Value(Value::Int(0))));
    match stmt.sys {
        // What has been given up for good does not come back; that it fails shows in the run.
        Sys::Setuid | Sys::Seteuid => Some(!to_root),
        _ => None,
    }
}

/// Whether a task may begin as another user than 0: one that its maker ever was.
fn starts_lowered(program: &Program, task: TaskId) -> bool {
    let ever = |of: TaskId| {
        let mut calls = program.task(of).body.iter();
        calls.any(|s| lowers(s) == Some(true)) || starts_lowered(program, of)
    };
    match program.task(task).kind {
        TaskKind::Setup => false,
        TaskKind::Process => ever(TaskId::SETUP),
        TaskKind::Child(of) | TaskKind::Thread(of) => ever(of),
    }
}

/// `exec()`.
pub(crate) fn exec(c: &mut Call) -> Result<Plan, Unsupported> {
    let files = match FILES.get() {
        Some(Ok(files)) => files,
        Some(Err(why)) => return Err(Unsupported(why.clone())),
        None => return Err(Unsupported("the sandbox has the machine's files".into())),
    };
    let path = |fd: &OwnedFd| format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
    let (at, arena) = c.build.arena_source();
    let slot = c.build.slot();
    let program = path(&files.program);
    let mut strings = Vec::new();
    if files.loader.is_some() {
        let libraries: Vec<String> = files.libraries.iter().map(path).collect();
        strings.push("loader".to_string());
        strings.push("--library-path".to_string());
        strings.push(libraries.join(":"));
    }
    strings.push(program.clone());
    strings.push(String::from_utf8_lossy(MARK).into_owned());
    strings.push(format!("{at:016x}"));
    strings.push(format!("{slot:016x}"));
    strings.push(arena);
    let mut argv = Vec::new();
    for string in &strings {
        argv.push(c.build.string(string.as_bytes())?);
    }
    argv.push(0);
    let argv = c.build.put(&argv)?;
    let environment = c.build.put(&[0usize])?;
    let executed = files.loader.as_ref().map_or(program, path);
    let executed = c.build.string(executed.as_bytes())?;
    let args = [executed, argv, environment].map(|at| Word::Const(at as u64));
    Ok(Plan::new(libc::SYS_execve, args).how(Do::Exec))
}

/// Runs before `main`, in every program that has this crate in it.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn(i32, *const *const u8) = before_main;

extern "C" fn before_main(count: i32, arguments: *const *const u8) {
    if count != 5 || arguments.is_null() {
        return;
    }
    // SAFETY: the loader passes the program's arguments, `count` strings that end with a zero.
    let argument = |n: usize| unsafe { std::ffi::CStr::from_ptr((*arguments.add(n)).cast()) };
    if argument(1).to_bytes() != MARK {
        return;
    }
    let at = hexadecimal(argument(2).to_bytes());
    let slot = hexadecimal(argument(3).to_bytes());
    // SAFETY: plain system calls; nothing of this image lies where the arena is mapped, or the call
    // fails. The slot's stack is nobody else's: its worker was replaced by this image.
    unsafe {
        let path = argument(4).as_ptr() as u64;
        let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u64;
        let fd = raw::syscall(
            libc::SYS_openat,
            [libc::AT_FDCWD as u64, path, flags, 0, 0, 0],
        );
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let shared = (libc::MAP_SHARED | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE) as u64;
        let len = arena::LEN as u64;
        let mapped = raw::syscall(
            libc::SYS_mmap,
            [at as u64, len, protection, shared, fd as u64, 0],
        );
        if fd < 0 || mapped != at as i64 {
            // Seen as an end that no scenario's text has.
            raw::syscall(libc::SYS_exit_group, [127, 0, 0, 0, 0, 0]);
        }
        raw::syscall(libc::SYS_close, [fd as u64, 0, 0, 0, 0, 0]);
        let (pages, count) = {
            let slot = &*(slot as *const Slot);
            (slot.faults as *const usize, slot.fault_count)
        };
        for n in 0..count {
            let page = *pages.add(n) as u64;
            raw::syscall(libc::SYS_mprotect, [page, 4096, 0, 0, 0, 0]);
        }
        raw::run_on(arena::stack_of(slot), worker::resume, slot);
    }
}

/// A number written with sixteen digits.
fn hexadecimal(digits: &[u8]) -> usize {
    digits.iter().fold(0usize, |n, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => digit.wrapping_sub(b'a').wrapping_add(10) & 15,
        };
        n << 4 | usize::from(digit)
    })
}

#[cfg(test)]
mod tests {
    fn is_out_of_reach(setup: &str, body: &str) -> bool {
        let text = format!(
            "test exec/reach\n\"Who may execute.\"\n\nsetup\n  pipe() = [r, w]\n{setup}\nprocess p\n{body}  close(r) = a\n\nalways a == 0\n"
        );
        let programs = scenario::load("reach.ipc", &text).expect("it is a scenario");
        super::is_out_of_reach(&programs[0])
    }

    #[test]
    fn who_has_given_up_user_0_cannot_execute() {
        assert!(!is_out_of_reach("", "  exec() = 0\n  setuid(1000) = 0\n"));
        assert!(is_out_of_reach("", "  setuid(1000) = 0\n  exec() = 0\n"));
        assert!(is_out_of_reach("  seteuid(1000) = 0\n", "  exec() = 0\n"));
        let back = "  seteuid(1000) = 0\n  seteuid(0) = 0\n  exec() = 0\n";
        assert!(!is_out_of_reach("", back));
        let child = "  seteuid(1000) = 0\n  fork c\n    exec() = 0\n";
        assert!(is_out_of_reach("", child));
    }
}
