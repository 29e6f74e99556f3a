//! `open`, and the rendezvous of a FIFO's openers.
//!
//! An opener counts on its own side from the moment it arrives; if the other side is empty, it
//! sleeps until that side's *count of opens* moves, so that a partner who came and went is noticed:
//!
//! ```text
//! reader   open(f, O_RDONLY): reader 1, no writer, sleeps ──────────────── released ─ read: ""
//! writer        open(f, O_WRONLY): writer 1, a reader is there, returns ─ close
//! ```

use super::Content;
use crate::clause::*;
use crate::kernel::{Cx, File, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart};
use crate::pipe::{Pipe, Side};
use scenario::{Data, Errno, Sys, TaskId, Value, constants::*};

/// Flags that only `open` itself looks at; the description does not keep them.
const NOT_KEPT: u64 = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

/// An open of a FIFO that waits for its partner. Its descriptor number is reserved, and the
/// description exists, without a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OpenOp {
    file: ObjId,
    pipe: ObjId,
    fd: usize,
    cloexec: bool,
    reader: bool,
    /// The other side's count of opens when the wait began.
    seen: u32,
}

/// `open`, and opening anew through the descriptor directory.
pub(crate) fn begin_open(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match target(k, task, call, cx) {
        Err(e) => Progress::Done(e.into()),
        Ok(inode) => {
            let flags = match call.sys {
                Sys::ReopenOf => call.bits(2),
                _ => call.bits(1),
            };
            open_inode(k, task, inode, flags, cx)
        }
    }
}

/// Finds, or makes, what is to be opened.
fn target(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<ObjId, Errno> {
    match call.sys {
        Sys::Open => {}
        Sys::Reopen | Sys::ReopenOf => {
            let (owner, fd) = match call.sys {
                Sys::Reopen => (task, call.int(0)),
                _ => (call.task(0).ok_or(Errno::ENOENT)?, call.int(1)),
            };
            if matches!(
                k.task(owner).state,
                crate::kernel::State::NotStarted | crate::kernel::State::Ended(_)
            ) {
                return Err(Errno::ENOENT);
            }
            let file = k.file_of(owner, fd).map_err(|_| Errno::ENOENT)?;
            return Ok(match k.files.get(file).kind {
                FileKind::Pipe(i) => {
                    cx.cite(if k.inodes.get(i).is_named() {
                        FIFO_017
                    } else {
                        PIPE_114
                    });
                    i
                }
                FileKind::Regular(i) | FileKind::Directory(i) | FileKind::Path(i) => i,
                FileKind::Null => return Err(Errno::EACCES),
            });
        }
        _ => return Err(Errno::ENOSYS),
    }
    let flags = call.bits(1);
    // A descriptor number is taken before the path is looked at.
    if k.process_of(task).free_fd(0).is_none() {
        cx.cite(FIFO_039);
        return Err(Errno::EMFILE);
    }
    let start = k.process_of(task).cwd;
    let nofollow = flags & O_NOFOLLOW != 0 || flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
    let found = k.resolve(task, start, call.path(0), !nofollow, &mut 0)?;
    match found.inode {
        Some(inode) => {
            if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
                cx.cite(FIFO_041);
                return Err(Errno::EEXIST);
            }
            if found.slash && !matches!(k.inodes.get(inode).content, Content::Directory { .. }) {
                return Err(Errno::ENOTDIR);
            }
            if matches!(k.inodes.get(inode).content, Content::Symlink(_)) && flags & O_PATH == 0 {
                cx.cite(FIFO_043);
                return Err(Errno::ELOOP);
            }
            if flags & O_CREAT != 0 {
                cx.cite(FIFO_041);
                if matches!(k.inodes.get(inode).content, Content::Directory { .. }) {
                    return Err(Errno::EISDIR);
                }
            }
            Ok(inode)
        }
        None if flags & O_CREAT != 0 => {
            if found.slash {
                return Err(Errno::EISDIR);
            }
            cx.cite(FIFO_041);
            let content = Content::Regular(Data::empty());
            k.add_inode(task, &found, content, call.bits(2) as u32 & 0o7777, cx)
        }
        None => {
            cx.cite(FIFO_050);
            Err(Errno::ENOENT)
        }
    }
}

/// Opens an inode.
fn open_inode(k: &mut Kernel, task: TaskId, inode: ObjId, flags: u64, cx: &mut Cx) -> Progress {
    let fail = |e: Errno| Progress::Done(Value::Error(e));
    let Some(fd) = k.process_of(task).free_fd(0) else {
        cx.cite(FIFO_039);
        return fail(Errno::EMFILE);
    };
    let content = k.inodes.get(inode).content.clone();
    let is_dir = matches!(content, Content::Directory { .. });
    if flags & O_PATH != 0 {
        if flags & O_DIRECTORY != 0 && !is_dir {
            return fail(Errno::ENOTDIR);
        }
        cx.cite(FIFO_038);
        let file = File::new(FileKind::Path(inode), O_PATH);
        return finish(k, task, file, flags, fd);
    }
    if flags & O_DIRECTORY != 0 && !is_dir {
        cx.cite(FIFO_043);
        return fail(Errno::ENOTDIR);
    }
    let access = flags & O_ACCMODE;
    let mut want = match access {
        O_RDONLY => 4,
        O_WRONLY => 2,
        _ => 6,
    };
    if flags & O_TRUNC != 0 {
        want |= 2;
    }
    if is_dir && want & 2 != 0 {
        return fail(Errno::EISDIR);
    }
    let who = k.process_of(task).credentials;
    if !k.inodes.get(inode).permits(who, want) {
        cx.cite(match content {
            Content::AnonymousPipe => PIPE_115,
            _ => FIFO_040,
        });
        if flags & O_TRUNC != 0 {
            cx.cite(FIFO_042);
        }
        return fail(Errno::EACCES);
    }
    // A 64-bit kernel adds the large-file bit to every open.
    let kept = flags & !NOT_KEPT | O_LARGEFILE;
    match content {
        Content::AnonymousPipe | Content::Fifo => {}
        Content::Regular(_) => {
            if flags & O_TRUNC != 0 {
                k.inodes.get_mut(inode).content = Content::Regular(Data::empty());
            }
            if flags & O_DIRECT != 0 {
                return fail(Errno::EINVAL);
            }
            return finish(
                k,
                task,
                File::new(FileKind::Regular(inode), kept),
                flags,
                fd,
            );
        }
        Content::Directory { .. } => {
            return finish(
                k,
                task,
                File::new(FileKind::Directory(inode), kept),
                flags,
                fd,
            );
        }
        Content::Symlink(_) => return fail(Errno::ELOOP),
    }
    if flags & O_TRUNC != 0 {
        cx.cite(FIFO_042);
    }
    if flags & O_APPEND != 0 {
        cx.cite(FIFO_043);
    }
    open_pipe(k, task, inode, kept, flags, fd, cx)
}

/// Makes the description and its descriptor.
fn finish(k: &mut Kernel, task: TaskId, file: File, flags: u64, fd: usize) -> Progress {
    let id = k.new_id(task);
    k.files.insert(id, file);
    k.install_at(task, id, flags & O_CLOEXEC != 0, fd);
    Progress::Done(Value::Int(fd as i64))
}

fn open_pipe(
    k: &mut Kernel,
    task: TaskId,
    inode: ObjId,
    kept: u64,
    flags: u64,
    fd: usize,
    cx: &mut Cx,
) -> Progress {
    let access = flags & O_ACCMODE;
    let (reads, writes) = match access {
        O_RDONLY => (true, false),
        O_WRONLY => (false, true),
        O_RDWR => (true, true),
        _ => {
            cx.cite(FIFO_045);
            return Progress::Done(Errno::EINVAL.into());
        }
    };
    let named = k.inodes.get(inode).is_named();
    let nonblocking = flags & O_NONBLOCK != 0;
    cx.cite(if named { FIFO_012 } else { PIPE_114 });
    if k.pipes.find(inode).is_none() {
        cx.cite(FIFO_013);
        let slots = k.default_slots(task, cx);
        k.pipes.insert(inode, Pipe::new(slots));
    }
    let p = k.pipes.get_mut(inode);
    if !p.ring.is_empty() {
        cx.cite(if named { FIFO_014 } else { PIPE_116 });
    }
    if named && access == O_WRONLY && nonblocking && p.readers == 0 {
        cx.cite(FIFO_025);
        if p.writers > 0 {
            cx.cite(FIFO_028);
        }
        k.drop_idle_pipe(inode);
        return Progress::Done(Errno::ENXIO.into());
    }
    // Arriving: counted at once, and a first of its kind releases the openers of the other.
    let first = reads && p.readers == 0 || writes && p.writers == 0;
    p.readers += u32::from(reads);
    p.writers += u32::from(writes);
    p.reader_opens += u32::from(reads);
    p.writer_opens += u32::from(writes);
    let (readers, writers) = (p.readers, p.writers);
    let (reader_opens, writer_opens) = (p.reader_opens, p.writer_opens);
    let releases = p
        .read_queue
        .waiters()
        .iter()
        .any(|w| w.how == How::Together);
    if first {
        if releases {
            cx.cite(FIFO_030);
            cx.cite(match access {
                O_RDWR => FIFO_029,
                O_RDONLY => FIFO_027,
                _ => FIFO_026,
            });
        }
        k.wake_all(inode, Side::Readers, cx);
    }
    let mut file = File::new(FileKind::Pipe(inode), kept);
    let alone = named && (access == O_RDONLY && writers == 0 || access == O_WRONLY && readers == 0);
    if access == O_RDONLY && alone && nonblocking {
        file.seen_writers = writer_opens;
        cx.cite(FIFO_055);
    }
    let sleeps = alone && !nonblocking;
    if flags & O_DIRECT != 0 && named {
        // Refused after the rendezvous: the open that fails has released its partner.
        if !sleeps {
            cx.cite(FIFO_044);
        }
    }
    if named {
        cx.cite(match (access, nonblocking, alone) {
            (O_RDWR, ..) => FIFO_029,
            (O_RDONLY, true, _) => FIFO_024,
            (O_WRONLY, true, _) => FIFO_025,
            (O_RDONLY, ..) => FIFO_022,
            _ => FIFO_023,
        });
        cx.cite(FIFO_061);
    }
    let id = k.new_id(task);
    k.files.insert(id, file);
    if !sleeps {
        return complete(k, task, id, inode, flags, fd, cx);
    }
    // Reserve the number: nobody else of the process gets it meanwhile (FIFO-039).
    cx.cite(FIFO_039);
    if access == O_RDONLY && !k.pipes.get(inode).ring.is_empty() {
        cx.cite(FIFO_033);
    }
    k.process_mut(task).reserved.push(fd);
    k.hold(id);
    let reader = access == O_RDONLY;
    let seen = if reader { writer_opens } else { reader_opens };
    let cloexec = flags & O_CLOEXEC != 0;
    OpenOp {
        file: id,
        pipe: inode,
        fd,
        cloexec,
        reader,
        seen,
    }
    .wait(k, task, cx)
}

fn complete(
    k: &mut Kernel,
    task: TaskId,
    file: ObjId,
    pipe: ObjId,
    flags: u64,
    fd: usize,
    cx: &mut Cx,
) -> Progress {
    if flags & O_DIRECT != 0 && k.inodes.get(pipe).is_named() {
        k.hold(file);
        k.unhold(file, cx);
        return Progress::Done(Errno::EINVAL.into());
    }
    k.install_at(task, file, flags & O_CLOEXEC != 0, fd);
    Progress::Done(Value::Int(fd as i64))
}

impl OpenOp {
    fn wait(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if k.signal_pending(task) {
            self.withdraw(k, task, cx);
            cx.cite(FIFO_034);
            cx.cite(FIFO_036);
            return Progress::Restart(Restart::UnlessHandler);
        }
        k.pipes
            .get_mut(self.pipe)
            .read_queue
            .join(task, How::Together);
        Progress::Sleep(Op::Open(self))
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let p = k.pipes.get_mut(self.pipe);
        p.read_queue.leave(task);
        let now = if self.reader {
            p.writer_opens
        } else {
            p.reader_opens
        };
        if now == self.seen {
            return self.wait(k, task, cx);
        }
        cx.cite(if self.reader { FIFO_022 } else { FIFO_023 });
        cx.cite(FIFO_031);
        let flags = k.files.get(self.file).flags;
        if flags & O_DIRECT != 0 {
            cx.cite(FIFO_044);
            self.take_back(k, task, cx);
            return Progress::Done(Errno::EINVAL.into());
        }
        k.process_mut(task).reserved.retain(|n| *n != self.fd);
        k.install_at(task, self.file, self.cloexec, self.fd);
        k.unhold(self.file, cx);
        Progress::Done(Value::Int(self.fd as i64))
    }

    /// The open did not happen: its count, its number and its description go.
    fn withdraw(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        cx.cite(FIFO_034);
        k.pipes.get_mut(self.pipe).read_queue.leave(task);
        // It never was a writer for those who look for a hangup (FIFO-058).
        self.take_back(k, task, cx);
    }

    fn take_back(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        k.process_mut(task).reserved.retain(|n| *n != self.fd);
        k.unhold(self.file, cx);
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        self.withdraw(k, task, cx);
    }
}
