//! Names: making FIFOs and other files, opening, removing. Paths are relative to the scenario's
//! private directory.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::{Do, Word};

const HERE: Word = Word::Const(libc::AT_FDCWD as i64 as u64);

/// The mode with the type of a FIFO added.
fn fifo_mode(c: &Call, i: usize) -> Result<Word, Unsupported> {
    Ok(Word::Const(
        c.known_number(i)? as u64 | u64::from(libc::S_IFIFO),
    ))
}

/// `mkfifo(path, mode)`.
pub(crate) fn mkfifo(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.path(0)?;
    Ok(Plan::new(libc::SYS_mknodat, [HERE, path, fifo_mode(c, 1)?]))
}

/// `mkfifoat(dir, path, mode)`.
pub(crate) fn mkfifoat(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.path(1)?;
    Ok(Plan::new(
        libc::SYS_mknodat,
        [c.word(0)?, path, fifo_mode(c, 2)?],
    ))
}

/// `mknod(path, S_IFIFO | mode, dev)`.
pub(crate) fn mknod(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.path(0)?;
    Ok(Plan::new(
        libc::SYS_mknodat,
        [HERE, path, fifo_mode(c, 1)?, c.word(2)?],
    ))
}

/// `open(path, flags, mode)`, with `O_LARGEFILE` added by the kernel alone.
pub(crate) fn open(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.path(0)?;
    Ok(Plan::new(libc::SYS_open, [path, c.word(1)?, c.word(2)?]))
}

/// A call on one path, with its other arguments in registers.
pub(crate) fn path_call(c: &mut Call, nr: i64) -> Result<Plan, Unsupported> {
    let mut args = [Word::Const(0); 6];
    args[0] = c.path(0)?;
    for (i, arg) in args
        .iter_mut()
        .enumerate()
        .take(c.sys.spec().params.len())
        .skip(1)
    {
        *arg = c.word(i)?;
    }
    Ok(Plan::new(nr, args))
}

/// A call on two paths.
pub(crate) fn two_paths(c: &mut Call, nr: i64) -> Result<Plan, Unsupported> {
    let args = [c.path(0)?, c.path(1)?];
    Ok(Plan::new(nr, args))
}

/// `stat(path)`.
pub(crate) fn stat(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.path(0)?;
    let at = c.build.zeroed(size_of::<libc::stat>())?;
    let plan = Plan::new(libc::SYS_stat, [path, Word::Const(at as u64)]);
    Ok(plan.gives(Decode::Stat(at)))
}

/// Opens `/proc/self/fd/N`.
pub(crate) fn open_fd(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.build.zeroed(64)?;
    let none = Word::Const(0);
    let args = [HERE, none, c.word(1)?, none, c.word(0)?, none];
    Ok(Plan::new(libc::SYS_openat, args).how(Do::OpenFd { path, own: true }))
}

/// Opens `/proc/PID/fd/N`.
pub(crate) fn open_fd_of(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.build.zeroed(64)?;
    let none = Word::Const(0);
    let args = [HERE, none, c.word(2)?, none, c.word(1)?, c.word(0)?];
    Ok(Plan::new(libc::SYS_openat, args).how(Do::OpenFd { path, own: false }))
}

/// `execve(path, [path], [])`.
pub(crate) fn execve(c: &mut Call) -> Result<Plan, Unsupported> {
    let path = c.path(0)?;
    let Word::Const(address) = path else {
        return Err(Unsupported("a path is known before the run".into()));
    };
    let argv = c.build.put(&[address, 0])?;
    let envp = c.build.put(&[0u64])?;
    Ok(Plan::new(
        libc::SYS_execve,
        [path, Word::Const(argv as u64), Word::Const(envp as u64)],
    ))
}
