//! Descriptors and the calls on any descriptor: `dup` and its kin, `fcntl`, `ioctl`, `fstat`,
//! and the calls that pipes do not support.
//!
//! A descriptor is a number of one process; behind it stands an open file description
//! ([`crate::kernel::File`]), which `dup` and `fork` share. Close-on-exec belongs to the number,
//! the status flags to the description (FD-002).

mod io;

pub(crate) use io::{begin_read, begin_write, write_regular};

use crate::clause::*;
use crate::kernel::{Cx, File, FileKind, Invocation, Kernel, ObjId};
use crate::pipe;
use crate::posix_mq;
use scenario::{Bits, Class, Errno, Signal, Sys, TaskId, Value, constants::*};

/// The status flags that `F_SETFL` changes (FD-005).
const SETTABLE: u64 = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;

type Outcome = Result<Value, Errno>;

/// Calls on descriptors as numbers, and on what a description remembers.
pub(crate) fn descriptor_call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Outcome {
    let fd = call.int(0);
    let fd_limit = k.process_of(task).fd_limit;
    let in_limit = |n: i64| usize::try_from(n).ok().filter(|n| *n < fd_limit);
    match call.sys {
        Sys::Close => {
            cx.cite(FD_001);
            k.file_of(task, fd)?;
            k.close_fd(task, fd as usize, cx)?;
            Ok(Value::ZERO)
        }
        Sys::CloseRange => close_range(k, task, call, cx),
        Sys::Setrlimit => {
            if call.bits(0) == RLIMIT_NOFILE {
                cx.cite(FD_018);
                k.process_mut(task).fd_limit = call.int(1).max(0) as usize;
            } else if call.bits(0) == RLIMIT_MSGQUEUE {
                k.process_mut(task).queue_limit = call.int(1) as u64;
            } else if call.bits(0) == RLIMIT_SIGPENDING {
                k.process_mut(task).signal_limit = call.int(1) as u64;
            } else if call.bits(0) == RLIMIT_FSIZE {
                cx.cite(PIPE_029);
            }
            Ok(Value::ZERO)
        }
        Sys::Dup => {
            cx.cite(FD_011);
            cx.cite(FD_004);
            let file = k.file_of(task, fd)?;
            Ok(Value::Int(k.install(task, file, false, 0, cx)? as i64))
        }
        Sys::Dup2 | Sys::Dup3 => {
            let to = call.int(1);
            let flags = if call.sys == Sys::Dup3 {
                call.bits(2)
            } else {
                0
            };
            if call.sys == Sys::Dup3 && (flags & !O_CLOEXEC != 0 || fd == to) {
                cx.cite(FD_015);
                return Err(Errno::EINVAL);
            }
            if call.sys == Sys::Dup2 && fd == to {
                cx.cite(FD_013);
                k.file_of(task, fd)?;
                return Ok(Value::Int(to));
            }
            cx.cite(FD_014);
            let target = in_limit(to).ok_or(Errno::EBADF)?;
            let file = k.file_of(task, fd)?;
            cx.cite(FD_012);
            // The new description is in place before the old one is given up, in one step.
            let old = k.process_of(task).fds.get(target).copied().flatten();
            k.install_at(task, file, flags & O_CLOEXEC != 0, target);
            if let Some(old) = old {
                cx.cite(FD_016);
                k.flush_queue(task, old.file, cx);
                k.drop_descriptor(old.file, cx);
            }
            Ok(Value::Int(to))
        }
        Sys::DupFd | Sys::DupFdCloexec => {
            cx.cite(FD_017);
            let file = k.file_of(task, fd)?;
            let least = in_limit(call.int(1)).ok_or(Errno::EINVAL)?;
            let cloexec = call.sys == Sys::DupFdCloexec;
            Ok(Value::Int(k.install(task, file, cloexec, least, cx)? as i64))
        }
        Sys::FcntlUnknown => {
            cx.cite(FD_007);
            k.file_of(task, fd)?;
            Err(Errno::EINVAL)
        }
        Sys::GetFd => {
            k.file_of(task, fd)?;
            let cloexec = k.process_of(task).fds[fd as usize].is_some_and(|d| d.cloexec);
            Ok(Value::Bits(Bits::Descriptor, u64::from(cloexec)))
        }
        Sys::SetFd => {
            k.file_of(task, fd)?;
            let flags = call.bits(1);
            cx.cite(FD_002);
            if flags & FD_CLOFORK != 0 {
                cx.cite(FD_008);
            }
            if let Some(d) = &mut k.process_mut(task).fds[fd as usize] {
                d.cloexec = flags & FD_CLOEXEC != 0;
            }
            Ok(Value::ZERO)
        }
        Sys::GetFl => {
            let file = k.file_of(task, fd)?;
            cx.cite(FD_002);
            if k.inodes_named(file) {
                cx.cite(FIFO_046);
            } else {
                cx.cite(PIPE_004);
            }
            if k.files.get(file).flags & O_DIRECT != 0 {
                cx.cite(PIPE_008);
            }
            Ok(Value::Bits(Bits::Open, k.files.get(file).flags))
        }
        Sys::SetFl => set_status(k, task, call, cx),
        Sys::SetOwn => {
            let file = k.file_of(task, fd)?;
            let owner = call.task(1);
            if owner.is_some_and(|t| k.is_gone(t)) {
                return Err(Errno::ESRCH);
            }
            cx.cite(PIPE_113);
            k.files.get_mut(file).owner = owner;
            Ok(Value::ZERO)
        }
        Sys::GetOwn => {
            let file = k.file_of(task, fd)?;
            // A thread can be the owner, but only a process is told of.
            let owner = k.files.get(file).owner;
            let owner = owner.filter(|t| k.task(*t).process == *t);
            Ok(owner.map_or(Value::ZERO, Value::Task))
        }
        Sys::SetSig => {
            let file = k.file_of(task, fd)?;
            let n = u8::try_from(call.int(1))
                .ok()
                .filter(|n| *n <= 64)
                .ok_or(Errno::EINVAL)?;
            cx.cite(PIPE_112);
            k.files.get_mut(file).async_signal = (n > 0).then_some(Signal(n));
            Ok(Value::ZERO)
        }
        _ => Err(Errno::ENOSYS),
    }
}

fn close_range(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    cx.cite(FD_019);
    // The system call takes unsigned ints.
    let (first, last) = (call.int(0) as u32, call.int(1) as u32);
    let flags = call.bits(2);
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    let end = k.process_of(task).fds.len().min(last as usize + 1);
    for fd in first as usize..end {
        if k.process_of(task).fds.get(fd).is_none_or(|d| d.is_none()) {
            continue;
        }
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            if let Some(d) = &mut k.process_mut(task).fds[fd] {
                d.cloexec = true;
            }
        } else {
            k.close_fd(task, fd, cx)?;
        }
    }
    Ok(Value::ZERO)
}

fn set_status(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    let file = k.file_of(task, call.int(0))?;
    let f = k.files.get(file);
    if matches!(f.kind, FileKind::Path(_)) {
        cx.cite(FIFO_038);
        return Err(Errno::EBADF);
    }
    let mut flags = call.bits(1) & SETTABLE;
    cx.cite(FD_005);
    cx.cite(FD_002);
    cx.cite(FD_003);
    if flags & O_NOATIME != 0 && f.flags & O_NOATIME == 0 {
        let me = k.task(task).credentials;
        let owner = match f.kind {
            FileKind::Pipe(i)
            | FileKind::Regular(i)
            | FileKind::Directory(i)
            | FileKind::Queue(i) => k.inodes.get(i).uid,
            _ => 0,
        };
        if !me.privileged() && me.euid != owner {
            return Err(Errno::EPERM);
        }
    }
    if f.pipe().is_none() {
        // Only pipes have the notification here, and only they and block devices direct I/O.
        flags &= !O_ASYNC;
        if flags & O_DIRECT != 0 {
            return Err(Errno::EINVAL);
        }
    }
    if f.pipe().is_some() && (flags ^ f.flags) & O_DIRECT != 0 {
        cx.cite(FD_049);
        if k.inodes_named(file) {
            cx.cite(FIFO_044);
        }
    }
    if f.pipe().is_some() && k.inodes_named(file) {
        cx.cite(FIFO_015);
    }
    let f = k.files.get_mut(file);
    if f.holds > 0 && flags & O_NONBLOCK != 0 {
        // Whoever sleeps in a call does not notice.
        cx.cite(PIPE_045);
    }
    if f.descriptors > 1 {
        cx.cite(FD_004);
    }
    f.flags = f.flags & !SETTABLE | flags;
    Ok(Value::ZERO)
}

/// Calls on the file behind a descriptor.
pub(crate) fn file_call(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Outcome {
    let file = k.file_of(task, call.int(0))?;
    let f = k.files.get(file).clone();
    if let FileKind::Path(inode) = f.kind {
        // fstat is one of the few calls that O_PATH descriptors allow.
        if call.sys == Sys::Fstat {
            return Ok(status(k, inode));
        }
        cx.cite(FIFO_038);
        return Err(Errno::EBADF);
    }
    if let Some(outcome) = crate::terminal::file_call(k, task, call, f.kind, cx) {
        return outcome;
    }
    match f.kind {
        FileKind::Queue(queue) => posix_mq::file_call(k, task, call, &f, queue, cx)
            .or_else(|| common_call(k, task, call, file, &f, cx))
            .unwrap_or(Err(Errno::ENOSYS)),
        FileKind::Pipe(pipe) => pipe_file_call(k, task, call, file, &f, pipe, cx),
        FileKind::Regular(inode) | FileKind::Directory(inode) => match call.sys {
            Sys::Fstat => Ok(status(k, inode)),
            Sys::Fchmod => change_mode(k, task, inode, call.bits(1) as u32),
            Sys::Fchown => change_owner(k, task, inode, call.int(1), call.int(2)),
            Sys::Fsync | Sys::Fdatasync => Ok(Value::ZERO),
            _ if f.kind == FileKind::Regular(inode) => regular_file_call(k, call, file, inode),
            _ => common_call(k, task, call, file, &f, cx).unwrap_or(Err(Errno::EINVAL)),
        },
        FileKind::Signals(_) | FileKind::Event(_) | FileKind::Epoll(_) => match call.sys {
            // They have a place that nothing moves.
            Sys::Lseek => Ok(Value::ZERO),
            Sys::Fstat => Ok(anonymous_status()),
            // An epoll instance has requests of its own, and knows no others.
            Sys::Fionread
            | Sys::FionreadFault
            | Sys::Figetbsz
            | Sys::IoctlUnknown
            | Sys::Isatty
                if matches!(f.kind, FileKind::Epoll(_)) =>
            {
                Err(Errno::EINVAL)
            }
            Sys::Fionread | Sys::FionreadFault | Sys::Figetbsz => Err(Errno::ENOTTY),
            _ => common_call(k, task, call, file, &f, cx).unwrap_or(Err(Errno::ENOSYS)),
        },
        _ => common_call(k, task, call, file, &f, cx).unwrap_or(Err(Errno::ENOTTY)),
    }
}

/// What `stat` reports of the one inode that all descriptors share which are open on none of their own.
fn anonymous_status() -> Value {
    Value::List(vec![
        Value::Bits(Bits::FileType, 0),
        Value::Bits(Bits::Mode, 0o600),
        Value::Int(1),
        Value::Int(0),
        Value::Int(0),
        Value::Int(0),
        Value::Symbol(Class::Inode, u32::MAX),
    ])
}

/// The calls that act on every descriptor alike.
fn common_call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    file: ObjId,
    f: &File,
    cx: &mut Cx,
) -> Option<Outcome> {
    let flag = |k: &mut Kernel, bit: u64| {
        let flags = &mut k.files.get_mut(file).flags;
        *flags = if call.int(1) != 0 {
            *flags | bit
        } else {
            *flags & !bit
        };
        Ok(Value::ZERO)
    };
    let cloexec = |k: &mut Kernel, on: bool| {
        if let Some(d) = &mut k.process_mut(task).fds[call.int(0) as usize] {
            d.cloexec = on;
        }
        Ok(Value::ZERO)
    };
    cx.cite(PIPE_028);
    cx.cite(FD_006);
    Some(match call.sys {
        Sys::Fionbio => flag(k, O_NONBLOCK),
        Sys::Fioasync if f.pipe().is_some() => flag(k, O_ASYNC),
        Sys::Fioasync if call.int(1) == 0 => Ok(Value::ZERO),
        Sys::Fioclex => cloexec(k, true),
        Sys::Fionclex => cloexec(k, false),
        Sys::IoctlUnknown | Sys::Isatty => Err(Errno::ENOTTY),
        _ => return None,
    })
}

fn pipe_file_call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    file: ObjId,
    f: &File,
    pipe: ObjId,
    cx: &mut Cx,
) -> Outcome {
    let named = k.inodes.get(pipe).is_named();
    match call.sys {
        Sys::Fionread => {
            cx.cite(PIPE_027);
            let ring = &k.pipes.get(pipe).ring;
            if ring.slots().iter().any(|s| s.packet) {
                cx.cite(FD_046);
            }
            Ok(Value::Int(ring.buffered() as i64))
        }
        Sys::FionreadFault => {
            cx.cite(PIPE_027);
            Err(Errno::EFAULT)
        }
        Sys::Figetbsz => {
            cx.cite(PIPE_028);
            Ok(Value::Int(pipe::PAGE as i64))
        }
        Sys::Lseek => {
            cx.cite(if named { FIFO_020 } else { PIPE_021 });
            if call.bits(2) > 4 {
                cx.cite(PIPE_021);
                return Err(Errno::EINVAL);
            }
            Err(Errno::ESPIPE)
        }
        Sys::Ftruncate | Sys::Fsync | Sys::Fdatasync => {
            cx.cite(if named { FIFO_020 } else { PIPE_023 });
            Err(Errno::EINVAL)
        }
        Sys::Fallocate => {
            cx.cite(PIPE_023);
            // The access mode is tested first.
            Err(if f.writable() {
                Errno::ESPIPE
            } else {
                Errno::EBADF
            })
        }
        Sys::SyncFileRange | Sys::Fadvise => {
            cx.cite(PIPE_023);
            Err(Errno::ESPIPE)
        }
        Sys::Mmap => {
            cx.cite(PIPE_024);
            let shared_write = call.bits(2) & MAP_SHARED != 0 && call.bits(1) & PROT_WRITE != 0;
            if !f.readable() || (shared_write && !f.writable()) {
                Err(Errno::EACCES)
            } else {
                Err(Errno::ENODEV)
            }
        }
        Sys::Fstat => {
            cx.cite(if named { FIFO_001 } else { PIPE_017 });
            cx.cite(if named { FIFO_002 } else { PIPE_018 });
            Ok(status(k, pipe))
        }
        Sys::FstatBlock => {
            cx.cite(PIPE_017);
            Ok(Value::Int(4096))
        }
        Sys::FstatTimes => {
            // Asking sets the times, which is for the owner and the privileged.
            let me = k.task(task).credentials;
            if !me.privileged() && me.euid != k.inodes.get(pipe).uid {
                return Err(Errno::EPERM);
            }
            cx.cite(if named { FIFO_019 } else { PIPE_020 });
            let times = k.inodes.get_mut(pipe).ask_times();
            Ok(times)
        }
        Sys::Fchmod => {
            cx.cite(if named { FIFO_018 } else { PIPE_019 });
            change_mode(k, task, pipe, call.bits(1) as u32)
        }
        Sys::Fchown => {
            cx.cite(PIPE_019);
            change_owner(k, task, pipe, call.int(1), call.int(2))
        }
        Sys::SetLk => {
            cx.cite(PIPE_026);
            let allowed = match call.bits(1) {
                F_RDLCK => f.readable(),
                F_WRLCK => f.writable(),
                _ => true,
            };
            if allowed {
                Ok(Value::ZERO)
            } else {
                Err(Errno::EBADF)
            }
        }
        Sys::Flock => {
            cx.cite(PIPE_026);
            Ok(Value::ZERO)
        }
        _ => common_call(k, task, call, file, f, cx).unwrap_or(Err(Errno::ENOSYS)),
    }
}

fn regular_file_call(k: &mut Kernel, call: &Invocation, file: ObjId, inode: ObjId) -> Outcome {
    match call.sys {
        Sys::Lseek => {
            let base = match call.bits(2) {
                SEEK_SET => 0,
                SEEK_CUR => k.files.get(file).offset as i64,
                SEEK_END => k.inodes.get(inode).data().len() as i64,
                _ => return Err(Errno::EINVAL),
            };
            let at = base
                .checked_add(call.int(1))
                .filter(|n| *n >= 0)
                .ok_or(Errno::EINVAL)?;
            k.files.get_mut(file).offset = at as u64;
            Ok(Value::Int(at))
        }
        Sys::Isatty | Sys::IoctlUnknown => Err(Errno::ENOTTY),
        _ => Err(Errno::ENOSYS),
    }
}

/// What `stat` reports: [type, mode, links, size, uid, gid, inode].
pub(crate) fn status(k: &Kernel, inode: ObjId) -> Value {
    let i = k.inodes.get(inode);
    Value::List(vec![
        Value::Bits(Bits::FileType, i.file_type()),
        Value::Bits(Bits::Mode, u64::from(i.mode)),
        Value::Int(i64::from(i.links)),
        Value::Int(i.data().len() as i64),
        Value::Int(i64::from(i.uid)),
        Value::Int(i64::from(i.gid)),
        Value::Symbol(
            Class::Inode,
            u32::from(inode.task) << 16 | u32::from(inode.n),
        ),
    ])
}

/// `chmod` and `fchmod`: for the owner and the privileged.
pub(crate) fn change_mode(k: &mut Kernel, task: TaskId, inode: ObjId, mode: u32) -> Outcome {
    let me = k.task(task).credentials;
    let i = k.inodes.get_mut(inode);
    if !me.privileged() && me.euid != i.uid {
        return Err(Errno::EPERM);
    }
    i.mode = mode & 0o7777;
    Ok(Value::ZERO)
}

/// `chown` and `fchown`: to another user only for the privileged.
pub(crate) fn change_owner(
    k: &mut Kernel,
    task: TaskId,
    inode: ObjId,
    uid: i64,
    gid: i64,
) -> Outcome {
    let me = k.task(task).credentials;
    let i = k.inodes.get_mut(inode);
    let same_uid = uid == -1 || uid == i64::from(i.uid) && me.euid == i.uid;
    let own_gid = gid == -1 || me.euid == i.uid && gid == i64::from(me.gid);
    if !(me.privileged() || same_uid && own_gid) {
        return Err(Errno::EPERM);
    }
    if uid >= 0 {
        i.uid = uid as u32;
    }
    if gid >= 0 {
        i.gid = gid as u32;
    }
    Ok(Value::ZERO)
}

impl Kernel {
    /// Whether a description is open on a FIFO, not on an anonymous pipe.
    pub(crate) fn inodes_named(&self, file: ObjId) -> bool {
        self.files
            .get(file)
            .pipe()
            .is_some_and(|p| self.inodes.get(p).is_named())
    }
}
