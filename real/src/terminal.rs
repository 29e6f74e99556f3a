//! Terminals: making pseudoterminals, their settings and groups, and waiting for what the kernel
//! does with a written byte after the write is over.
//!
//! What is written to one end reaches the other through a worker of the kernel. A look at an end
//! that has nothing to read waits for that worker (so do `poll` and `read` on Linux); of an end that
//! has something already, it is known that its worker has begun: one of a pair of the conductor's
//! own, put in the same queue behind it, has been waited for.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::{Do, Word};
use crate::stage::Stage;
use crate::wire::Failure;
use scenario::{Bits, Value};
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Output flags, input flags and the fixed rest of `struct termios`: 8 bits, 38400 baud, receiver on.
const OUTPUT: u32 = 16;
const INPUT: u32 = 24;
const CONTROL: u32 = 0o277;
/// `TIOCSIG`.
const TIOCSIG: u64 = 0x4004_5436;

/// `posix_openpt`, `unlockpt`, and the slave.
pub(crate) fn openpt(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.build.string(b"/dev/ptmx")?;
    let pair = c.build.zeroed(8)?;
    let args = [
        Word::from(i64::from(libc::AT_FDCWD)),
        Word::Const(path as u64),
        Word::from(i64::from(libc::O_RDWR | libc::O_NOCTTY)),
        Word::Const(pair as u64),
    ];
    let plan = Plan::new(libc::SYS_openat, args).how(Do::Openpt);
    Ok(plan.gives(Decode::FdPair(pair)))
}

/// `open_slave(master, flags)`.
pub(crate) fn open_slave(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, Word::Const(libc::TIOCGPTPEER), c.word(1)?];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// `open_tty(flags)`.
pub(crate) fn open_tty(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.build.string(b"/dev/tty")?;
    let here = Word::from(i64::from(libc::AT_FDCWD));
    let args = [here, Word::Const(path as u64), c.word(0)?];
    Ok(Plan::new(libc::SYS_openat, args))
}

/// `ioctl` with a number as its argument.
pub(crate) fn ioctl(c: &mut Call, request: u64, argument: i32) -> Result<Plan, Unsupported> {
    let argument = Word::from(i64::from(argument));
    let args = [c.word(0)?, Word::Const(request), argument];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// `TIOCSIG`.
pub(crate) fn signal(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, Word::Const(TIOCSIG), c.word(1)?];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// `ioctl` that stores a task's id.
pub(crate) fn task_of(c: &mut Call, request: u64) -> Result<Plan, Unsupported> {
    let at = c.build.zeroed(8)?;
    let args = [c.word(0)?, Word::Const(request), Word::Const(at as u64)];
    Ok(Plan::new(libc::SYS_ioctl, args).gives(Decode::TaskAt(at)))
}

/// `tcgetattr(fd)`.
pub(crate) fn get_attributes(c: &mut Call) -> Result<Plan, Unsupported> {
    let at = c.build.zeroed(64)?;
    let args = [
        c.word(0)?,
        Word::Const(libc::TCGETS),
        Word::Const(at as u64),
    ];
    Ok(Plan::new(libc::SYS_ioctl, args).gives(Decode::Terminal(at)))
}

/// `tcsetattr(fd, TCSANOW, settings)`, with the usual control characters.
pub(crate) fn set_attributes(c: &mut Call) -> Result<Plan, Unsupported> {
    let settings = c.known_number(1)? as u64;
    let part = |at: u32, bits: u64| (settings >> at & bits) as u32;
    let mut termios = [0u32; 9];
    termios[0] = part(INPUT, 0xffff);
    termios[1] = part(OUTPUT, 0xff);
    termios[2] = CONTROL;
    termios[3] = part(0, 0xffff);
    // c_line, then c_cc: INTR QUIT ERASE KILL EOF TIME MIN SWTC START STOP SUSP EOL REPRINT
    // DISCARD WERASE LNEXT EOL2.
    let characters = [
        0, 3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0x0f, 0x17, 0x16, 0, 0, 0,
    ];
    for (word, bytes) in termios[4..].iter_mut().zip(characters.chunks_exact(4)) {
        *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let at = c.build.put(&termios)?;
    let args = [
        c.word(0)?,
        Word::Const(libc::TCSETS),
        Word::Const(at as u64),
    ];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// What `tcgetattr` gives: `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag`.
pub(crate) fn settings([input, output, _, local]: [u32; 4]) -> Value {
    let all = u64::from(local & 0xffff) | u64::from(output) << OUTPUT | u64::from(input) << INPUT;
    let known = Bits::Terminal.names().iter().fold(0, |k, (_, bit)| k | bit);
    Value::Bits(Bits::Terminal, all & known)
}

/// `tcgetwinsize(fd)`.
pub(crate) fn get_size(c: &mut Call) -> Result<Plan, Unsupported> {
    let at = c.build.zeroed(8)?;
    let args = [
        c.word(0)?,
        Word::Const(libc::TIOCGWINSZ),
        Word::Const(at as u64),
    ];
    Ok(Plan::new(libc::SYS_ioctl, args).gives(Decode::WindowSize(at)))
}

/// `tcsetwinsize(fd, rows, columns)`.
pub(crate) fn set_size(c: &mut Call) -> Result<Plan, Unsupported> {
    let size = [c.known_number(1)? as u16, c.known_number(2)? as u16, 0, 0];
    let at = c.build.put(&size)?;
    let args = [
        c.word(0)?,
        Word::Const(libc::TIOCSWINSZ),
        Word::Const(at as u64),
    ];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// Gives the sandbox pseudoterminals of its own, and the name of the controlling terminal, in the
/// directory that is to be its root. What cannot be had is not there: scenarios need `pty`.
pub(crate) fn enclose(ground: &str) {
    let c = |s: String| CString::new(s).unwrap_or_default();
    let tty = format!("{ground}/dev/tty");
    let _ = std::fs::File::create(&tty);
    let _ = std::os::unix::fs::symlink("pts/ptmx", format!("{ground}/dev/ptmx"));
    let (tty, pts) = (c(tty), c(format!("{ground}/dev/pts")));
    let flags = libc::MS_NOSUID | libc::MS_NOEXEC;
    let options = c"newinstance,ptmxmode=0666,mode=0620";
    // SAFETY: valid strings.
    unsafe {
        let bind = libc::MS_BIND;
        let (none, old) = (std::ptr::null(), c"/dev/tty");
        libc::mount(old.as_ptr(), tty.as_ptr(), none, bind, none.cast());
        let (what, kind) = (c"devpts".as_ptr(), c"devpts".as_ptr());
        libc::mount(what, pts.as_ptr(), kind, flags, options.as_ptr().cast());
    }
}

/// Whether pseudoterminals can be made.
pub(crate) fn is_there() -> bool {
    use std::os::unix::fs::FileTypeExt;
    let device = |path| std::fs::metadata(path).is_ok_and(|m| m.file_type().is_char_device());
    device("/dev/ptmx") && device("/dev/tty")
}

/// A pair of the conductor's own.
fn own_pair() -> Option<(OwnedFd, OwnedFd)> {
    // SAFETY: a valid string, a valid number; descriptors are ours.
    unsafe {
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let master = libc::open(c"/dev/ptmx".as_ptr(), flags);
        if master < 0 {
            return None;
        }
        let master = OwnedFd::from_raw_fd(master);
        let unlocked = 0i32;
        libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlocked);
        let slave = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        (slave >= 0).then(|| (master, OwnedFd::from_raw_fd(slave)))
    }
}

impl Stage<'_> {
    /// Has the kernel finish what was written to terminals. Tells whether there are any.
    pub fn flush_terminals(&mut self) -> Result<bool, Failure> {
        if !self.has_terminals {
            return Ok(false);
        }
        let ends = self.terminal_ends();
        if ends.is_empty() {
            return Ok(false);
        }
        let failed = |what| Failure::call(what, std::io::Error::last_os_error());
        let (master, slave) = own_pair().ok_or_else(|| failed("/dev/ptmx"))?;
        for _ in 0..2 {
            let mut line = [b'\n'; 1];
            // SAFETY: valid buffers of one byte.
            let through = unsafe {
                libc::write(master.as_raw_fd(), line.as_ptr().cast(), 1) == 1
                    && libc::read(slave.as_raw_fd(), line.as_mut_ptr().cast(), 1) == 1
            };
            if !through {
                return Err(failed("a terminal of the conductor's"));
            }
            // Slaves first: what they echo is for their masters.
            for wanted in [false, true] {
                for (end, _) in ends.iter().filter(|(_, is_master)| *is_master == wanted) {
                    let mut look = libc::pollfd {
                        fd: end.as_raw_fd(),
                        events: libc::POLLIN,
                        revents: 0,
                    };
                    // SAFETY: one valid entry.
                    unsafe { libc::poll(&mut look, 1, 0) };
                }
            }
        }
        Ok(true)
    }

    /// Duplicates of all descriptors of terminals that the tasks have, and whether each is a master.
    fn terminal_ends(&self) -> Vec<(OwnedFd, bool)> {
        let mut ends = Vec::new();
        for task in 0..self.actors.len() {
            let pid = self.tid(task);
            if pid == 0 || self.is_dead(task) {
                continue;
            }
            let Ok(names) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
                continue;
            };
            let Some(process) = crate::status::pidfd(pid) else {
                continue;
            };
            for entry in names.flatten() {
                let Ok(target) = std::fs::read_link(entry.path()) else {
                    continue;
                };
                let target = target.to_string_lossy();
                let master = target.ends_with("/ptmx");
                let terminal = master || target.starts_with("/dev/pts/") || target == "/dev/tty";
                let number = entry.file_name().to_string_lossy().parse::<i32>();
                let (true, Ok(number)) = (terminal, number) else {
                    continue;
                };
                // SAFETY: takes numbers; the result is ours.
                let fd =
                    unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
                if fd >= 0 {
                    // SAFETY: fresh.
                    ends.push((unsafe { OwnedFd::from_raw_fd(fd as i32) }, master));
                }
            }
        }
        ends
    }
}
