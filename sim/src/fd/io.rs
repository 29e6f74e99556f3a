//! Reading and writing through a descriptor: the tests that come before any file is looked at.

use super::Outcome;
use crate::clause::*;
use crate::kernel::{Cx, File, FileKind, Invocation, Kernel, ObjId, Progress};
use crate::pipe::{self, Buffer, Room};
use crate::{eventfd, posix_mq, signal};
use scenario::{Data, Errno, Sys, TaskId, Value, constants::*};

/// The most buffers that `readv` and `writev` take (PIPE-043, PIPE-060).
const IOV_MAX: i64 = 1024;

/// All flags of `preadv2` and `pwritev2` that work on a pipe. (The kernel knows two more, which
/// only some file systems have.)
const RWF_KNOWN: u64 = 0x13f;

/// `read`, `readv`, `preadv2`, `pread`.
pub(crate) fn begin_read(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match read_request(k, task, call, cx) {
        Err(e) => Progress::Done(e.into()),
        Ok((file, room, flags)) => match k.files.get(file).kind {
            FileKind::Pipe(_) => pipe::begin_read(k, task, file, room, flags, cx),
            FileKind::Regular(inode) => read_regular(k, file, inode, room, call).into(),
            FileKind::Queue(queue) => {
                let at = match call.sys {
                    Sys::Pread | Sys::Preadv2 => u64::try_from(call.int(2)).ok(),
                    _ => None,
                };
                posix_mq::read_status(k, file, queue, room, at, cx).into()
            }
            kind @ (FileKind::Master(id) | FileKind::Slave(id)) => {
                let end = (id, matches!(kind, FileKind::Master(_)));
                crate::terminal::begin_read(k, task, file, end, room, cx)
            }
            FileKind::Signals(_) => {
                // What whole records look like has process ids in it: `read_signals` tells it.
                signal::read_without_room(k, task, file, room, cx)
            }
            FileKind::Event(event) => eventfd::begin_read(k, task, (file, event), room, cx),
            FileKind::Epoll(_) => {
                cx.cite(READY_077);
                Progress::Done(Errno::EINVAL.into())
            }
            _ => Progress::Done(Value::Data(Data::empty())),
        },
    }
}

fn read_request(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<(ObjId, Room, u64), Errno> {
    let file = k.file_of(task, call.int(0))?;
    if matches!(call.sys, Sys::Pread | Sys::Preadv2) && has_no_place(k.files.get(file).kind) {
        if call.int(2) != -1 || call.sys == Sys::Pread {
            cx.cite(PIPE_022);
            if call.int(2) < 0 {
                return Err(Errno::EINVAL);
            }
            return Err(Errno::ESPIPE);
        }
        cx.cite(PIPE_022);
    }
    check_access(k, file, File::readable, cx)?;
    match call.sys {
        Sys::Readv | Sys::Preadv2 => {
            cx.cite(PIPE_043);
            let flags = if call.sys == Sys::Preadv2 {
                call.bits(3)
            } else {
                0
            };
            let room = Room::joined(call.list(1));
            if room.count > 0 {
                check_rwf(k, file, flags, cx)?;
            }
            Ok((file, room, flags))
        }
        Sys::ReadvCount => {
            cx.cite(PIPE_043);
            let segments = call.int(1);
            if !(0..=IOV_MAX).contains(&segments) {
                return Err(Errno::EINVAL);
            }
            Ok((file, Room::new(segments as u64), 0))
        }
        _ => Ok((file, Room::of(call.args.get(1)), 0)),
    }
}

/// Whether bytes of it have no place that a call could name.
fn has_no_place(kind: FileKind) -> bool {
    matches!(
        kind,
        FileKind::Pipe(_) | FileKind::Signals(_) | FileKind::Event(_) | FileKind::Epoll(_)
    )
}

/// Whether the description is open for what the call does.
fn check_access(
    k: &Kernel,
    file: ObjId,
    open_for: impl Fn(&File) -> bool,
    cx: &mut Cx,
) -> Result<(), Errno> {
    let f = k.files.get(file);
    if open_for(f) {
        return Ok(());
    }
    match f.kind {
        FileKind::Pipe(_) => cx.cite(PIPE_005),
        FileKind::Path(_) => cx.cite(FIFO_038),
        _ => {}
    }
    Err(Errno::EBADF)
}

/// The flags of a call that moves bytes; one that moves none does not look at them.
fn check_rwf(k: &Kernel, file: ObjId, flags: u64, cx: &mut Cx) -> Result<(), Errno> {
    if flags & !RWF_KNOWN != 0 {
        cx.cite(PIPE_061);
        return Err(Errno::EOPNOTSUPP);
    }
    let f = k.files.get(file);
    if flags & RWF_NOWAIT != 0 && f.pipe().is_some() && !f.nowait {
        cx.cite(PIPE_124);
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

fn read_regular(
    k: &mut Kernel,
    file: ObjId,
    inode: ObjId,
    room: Room,
    call: &Invocation,
) -> Outcome {
    if room.outside || room.mapped < room.count {
        return Err(Errno::EFAULT);
    }
    let at = match call.sys {
        Sys::Pread | Sys::Preadv2 if call.int(2) >= 0 => call.int(2) as u64,
        _ => k.files.get(file).offset,
    };
    let data = k
        .inodes
        .get(inode)
        .data()
        .slice(at as usize, at.saturating_add(room.count) as usize);
    if !matches!(call.sys, Sys::Pread) {
        k.files.get_mut(file).offset = at + data.len() as u64;
    }
    Ok(Value::Data(data))
}

/// `write`, `writev`, `pwritev2`, `pwrite`.
pub(crate) fn begin_write(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Progress {
    match write_request(k, task, call, cx) {
        Err(e) => Progress::Done(e.into()),
        Ok((file, source, flags)) => match k.files.get(file).kind {
            FileKind::Pipe(_) => pipe::begin_write(k, task, file, source, flags, cx),
            FileKind::Regular(inode) => {
                if source.outside || (source.valid.len() as u64) < source.count {
                    return Progress::Done(Errno::EFAULT.into());
                }
                let at = match call.sys {
                    Sys::Pwrite | Sys::Pwritev2 if call.int(2) >= 0 => Some(call.int(2) as u64),
                    _ => None,
                };
                let n = write_regular(k, file, inode, &source.valid, at);
                Progress::Done(Value::Int(n as i64))
            }
            kind @ (FileKind::Master(id) | FileKind::Slave(id)) => {
                let end = (id, matches!(kind, FileKind::Master(_)));
                crate::terminal::begin_write(k, task, end, &source, cx)
            }
            FileKind::Signals(_) => {
                cx.cite(SIG_098);
                Progress::Done(Errno::EINVAL.into())
            }
            FileKind::Queue(_) => {
                cx.cite(MQ_036);
                Progress::Done(Errno::EINVAL.into())
            }
            FileKind::Event(event) => eventfd::begin_write(k, task, (file, event), &source, cx),
            FileKind::Epoll(_) => {
                cx.cite(READY_077);
                Progress::Done(Errno::EINVAL.into())
            }
            _ => Progress::Done(Value::Int(source.count as i64)),
        },
    }
}

/// Writes to a regular file at `at`, or at the description's offset, which then moves.
pub(crate) fn write_regular(
    k: &mut Kernel,
    file: ObjId,
    inode: ObjId,
    data: &Data,
    at: Option<u64>,
) -> usize {
    let f = k.files.get(file);
    let append = f.flags & O_APPEND != 0;
    let size = k.inodes.get(inode).data().len();
    let start = if append {
        size
    } else {
        at.unwrap_or(f.offset) as usize
    };
    k.inodes.get_mut(inode).write_data(start, data);
    if at.is_none() {
        k.files.get_mut(file).offset = (start + data.len()) as u64;
    }
    data.len()
}

fn write_request(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<(ObjId, Buffer, u64), Errno> {
    let file = k.file_of(task, call.int(0))?;
    if matches!(call.sys, Sys::Pwrite | Sys::Pwritev2) && has_no_place(k.files.get(file).kind) {
        cx.cite(PIPE_022);
        if call.int(2) != -1 || call.sys == Sys::Pwrite {
            return Err(if call.int(2) < 0 {
                Errno::EINVAL
            } else {
                Errno::ESPIPE
            });
        }
    }
    check_access(k, file, File::writable, cx)?;
    match call.sys {
        Sys::Writev | Sys::Pwritev2 => {
            cx.cite(PIPE_060);
            let flags = if call.sys == Sys::Pwritev2 {
                call.bits(3)
            } else {
                0
            };
            let source = Buffer::joined(call.list(1));
            if source.count > 0 {
                check_rwf(k, file, flags, cx)?;
            }
            Ok((file, source, flags))
        }
        Sys::WritevCount => {
            cx.cite(PIPE_060);
            let segments = call.int(1);
            if !(0..=IOV_MAX).contains(&segments) {
                return Err(Errno::EINVAL);
            }
            Ok((file, Buffer::new(Data::repeat(b'v', segments as usize)), 0))
        }
        _ => Ok((file, Buffer::of(call.args.get(1)), 0)),
    }
}
