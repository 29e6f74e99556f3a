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
use super::names::{LastLink, PATH_MAX};
use crate::clause::*;
use crate::kernel::{
    Cx, File, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart, State, Then,
};
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
    let flags = match call.sys {
        Sys::ReopenOf => call.bits(2),
        _ => call.bits(1),
    };
    match target(k, task, call, flags, cx) {
        Err(e) => Progress::Done(e.into()),
        Ok(found) => open_found(k, task, found, flags, cx),
    }
}

/// What is to be opened.
enum Target {
    /// An inode that was there.
    Existing(ObjId),
    /// A regular file that this call made: whatever its mode, the maker may open it.
    Made(ObjId),
    /// The null device.
    Null,
}

/// Finds, or makes, what is to be opened.
fn target(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    flags: u64,
    cx: &mut Cx,
) -> Result<Target, Errno> {
    let path = call.path(0);
    if call.sys == Sys::Open {
        // Flags that contradict each other are found first, then a path that is none.
        if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY && flags & O_PATH == 0 {
            return Err(Errno::EINVAL);
        }
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
    }
    // The descriptor number is taken before the path is looked at.
    if k.process_of(task).free_fd(0).is_none() {
        cx.cite(FIFO_039);
        return Err(Errno::EMFILE);
    }
    if call.sys == Sys::Open {
        by_path(k, task, call, flags, cx)
    } else {
        by_descriptor(k, task, call, cx)
    }
}

/// Through `/proc/self/fd` or `/proc/PID/fd`.
fn by_descriptor(
    k: &Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Target, Errno> {
    let (owner, fd) = match call.sys {
        Sys::Reopen => (task, call.int(0)),
        _ => (call.task(0).ok_or(Errno::ENOENT)?, call.int(1)),
    };
    if matches!(k.task(owner).state, State::NotStarted | State::Ended(_)) {
        return Err(Errno::ENOENT);
    }
    // Who has changed its user id may look at no other process, and no other such process at it.
    let own = k.task(owner).process == k.task(task).process;
    if !own && !k.task(task).credentials.privileged() {
        return Err(Errno::EACCES);
    }
    let file = k.file_of(owner, fd).map_err(|_| Errno::ENOENT)?;
    Ok(match k.files.get(file).kind {
        FileKind::Pipe(inode) => {
            let i = k.inodes.get(inode);
            if !i.is_named() {
                cx.cite(PIPE_114);
            } else if i.links == 0 {
                cx.cite(FIFO_017);
            }
            Target::Existing(inode)
        }
        FileKind::Path(inode) => {
            if k.pipes.find(inode).is_some_and(Pipe::has_sleeping_openers) {
                cx.cite(FIFO_037);
            }
            Target::Existing(inode)
        }
        FileKind::Regular(inode) | FileKind::Directory(inode) | FileKind::Queue(inode) => {
            Target::Existing(inode)
        }
        FileKind::Null => Target::Null,
        // It has no inode of its own that could be opened.
        FileKind::Signals(_) | FileKind::Event(_) | FileKind::Epoll(_) => return Err(Errno::ENXIO),
        // Terminals are opened anew by calls of their own.
        FileKind::Master(_) | FileKind::Slave(_) => return Err(Errno::EIO),
    })
}

fn by_path(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    flags: u64,
    cx: &mut Cx,
) -> Result<Target, Errno> {
    let start = k.process_of(task).cwd;
    let creates = flags & O_CREAT != 0 && flags & O_PATH == 0;
    let exclusive = creates && flags & O_EXCL != 0;
    let last_link = match flags & O_NOFOLLOW != 0 || exclusive {
        true => LastLink::IfSlash,
        false => LastLink::Follow,
    };
    let found = k.resolve(task, start, call.path(0), last_link, &mut 0)?;
    if creates && found.slash {
        return Err(Errno::EISDIR);
    }
    let Some(inode) = found.inode else {
        if !creates {
            cx.cite(FIFO_050);
            return Err(Errno::ENOENT);
        }
        cx.cite(FIFO_041);
        let content = Content::Regular(Data::empty());
        let mode = call.bits(2) as u32 & 0o7777;
        return Ok(Target::Made(k.add_inode(task, &found, content, mode, cx)?));
    };
    if exclusive {
        cx.cite(FIFO_041);
        return Err(Errno::EEXIST);
    }
    let content = &k.inodes.get(inode).content;
    let is_dir = matches!(content, Content::Directory { .. });
    if found.slash && !is_dir {
        return Err(Errno::ENOTDIR);
    }
    if matches!(content, Content::Symlink(_)) && flags & O_PATH == 0 {
        cx.cite(FIFO_043);
        return Err(Errno::ELOOP);
    }
    if creates {
        cx.cite(FIFO_041);
        if is_dir {
            return Err(Errno::EISDIR);
        }
    }
    Ok(Target::Existing(inode))
}

/// Opens what was found.
fn open_found(k: &mut Kernel, task: TaskId, found: Target, flags: u64, cx: &mut Cx) -> Progress {
    let fail = |e: Errno| Progress::Done(Value::Error(e));
    let fd = k
        .process_of(task)
        .free_fd(0)
        .expect("a free number was found before the target was");
    // A 64-bit kernel adds the large-file bit to every open.
    let kept = flags & !NOT_KEPT | O_LARGEFILE;
    let (inode, made) = match found {
        Target::Existing(inode) => (inode, false),
        Target::Made(inode) => (inode, true),
        Target::Null => return finish(k, task, File::new(FileKind::Null, kept), flags, fd),
    };
    let content = k.inodes.get(inode).content.clone();
    let is_dir = matches!(content, Content::Directory { .. });
    if flags & O_DIRECTORY != 0 && !is_dir {
        cx.cite(FIFO_043);
        return fail(Errno::ENOTDIR);
    }
    if flags & O_PATH != 0 {
        cx.cite(FIFO_038);
        let kept = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
        return finish(k, task, File::new(FileKind::Path(inode), kept), flags, fd);
    }
    let mut want = match flags & O_ACCMODE {
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
    let who = k.task(task).credentials;
    if !made && !k.inodes.get(inode).permits(who, want) {
        cx.cite(match content {
            Content::AnonymousPipe => PIPE_115,
            _ => FIFO_040,
        });
        if flags & O_TRUNC != 0 {
            cx.cite(FIFO_042);
        }
        return fail(Errno::EACCES);
    }
    match content {
        Content::AnonymousPipe | Content::Fifo => {
            if flags & O_TRUNC != 0 {
                cx.cite(FIFO_042);
            }
            if flags & O_APPEND != 0 {
                cx.cite(FIFO_043);
            }
            open_pipe(k, task, inode, kept, flags, fd, cx)
        }
        Content::Regular(_) => {
            if flags & O_TRUNC != 0 {
                k.inodes.get_mut(inode).content = Content::Regular(Data::empty());
            }
            let file = File::new(FileKind::Regular(inode), kept);
            finish(k, task, file, flags, fd)
        }
        Content::Directory { .. } => {
            let file = File::new(FileKind::Directory(inode), kept);
            finish(k, task, file, flags, fd)
        }
        Content::Queue => {
            cx.cite(MQ_033);
            let file = File::new(FileKind::Queue(inode), kept);
            finish(k, task, file, flags, fd)
        }
        Content::Symlink(_) => fail(Errno::ELOOP),
    }
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
    if k.pipes.find(inode).is_some() {
        cx.cite(if named { FIFO_012 } else { PIPE_114 });
    } else {
        cx.cite(FIFO_013);
        k.add_pipe(task, inode, cx);
    }
    let p = k.pipes.get_mut(inode);
    if !p.ring.is_empty() {
        cx.cite(if named { FIFO_014 } else { PIPE_116 });
    }
    if named && access == O_WRONLY && nonblocking && p.readers == 0 {
        cx.cite(FIFO_025);
        if p.has_sleeping_openers() {
            cx.cite(FIFO_028);
        }
        k.drop_idle_pipe(inode);
        return Progress::Done(Errno::ENXIO.into());
    }
    // Arriving: counted at once, and a first of its kind releases the openers of the other.
    let (first_reader, first_writer) = (reads && p.readers == 0, writes && p.writers == 0);
    p.readers += u32::from(reads);
    p.writers += u32::from(writes);
    p.reader_opens += u32::from(reads);
    p.writer_opens += u32::from(writes);
    let (readers, writers) = (p.readers, p.writers);
    let (reader_opens, writer_opens) = (p.reader_opens, p.writer_opens);
    if named {
        cite_arrival(k, inode, first_reader, first_writer, cx);
    }
    if first_reader || first_writer {
        let waiting = k.pipes.get(inode).sleeping_openers();
        if waiting > 0 {
            cx.cite(match access {
                O_RDWR => FIFO_029,
                O_RDONLY => FIFO_027,
                _ => FIFO_026,
            });
            if waiting > 1 {
                cx.cite(FIFO_030);
            }
        }
        k.wake_all(inode, Side::Readers, cx);
    } else if k.pipes.get(inode).has_sleeping_openers() {
        cx.cite(FIFO_028);
    }
    let mut file = File::new(FileKind::Pipe(inode), kept);
    let alone = named && alone(access, readers, writers);
    if access == O_RDONLY && alone && nonblocking {
        file.seen_writers = writer_opens;
        cx.cite(FIFO_055);
    }
    let sleeps = alone && !nonblocking;
    if named {
        cx.cite(match (access, nonblocking) {
            (O_RDWR, _) => FIFO_029,
            (O_RDONLY, true) => FIFO_024,
            (O_WRONLY, true) => FIFO_025,
            (O_RDONLY, false) => FIFO_022,
            _ => FIFO_023,
        });
        if access == O_RDWR {
            cx.cite(FIFO_059);
        }
        if readers > 1 || writers > 1 {
            cx.cite(FIFO_061);
        }
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

/// Whether an opener has no partner.
fn alone(access: u64, readers: u32, writers: u32) -> bool {
    access == O_RDONLY && writers == 0 || access == O_WRONLY && readers == 0
}

/// Cites what a new reader or writer means to those who have the FIFO open already.
fn cite_arrival(k: &Kernel, pipe: ObjId, reader: bool, writer: bool, cx: &mut Cx) {
    let p = k.pipes.get(pipe);
    if writer && p.readers > u32::from(reader) && p.writer_opens > 2 {
        cx.cite(FIFO_052);
    }
    // One that was woken by the last close and has not run since, or that was stopped before it,
    // will find nothing amiss.
    for (at, task) in k.tasks.iter().enumerate() {
        let (reads, writes) = match &task.state {
            State::Sleeping {
                op, woken: true, ..
            } => match op {
                Op::Read(op) => (op.pipe() == pipe, false),
                Op::Write(op) => (false, op.pipe() == pipe),
                _ => (false, false),
            },
            State::Stopped {
                then: Then::Restart(call, _),
                ..
            } => {
                let file = k.file_of(TaskId(at as u16), call.int(0));
                let on = file.is_ok_and(|f| k.files.get(f).pipe() == Some(pipe));
                (on && call.sys == Sys::Read, on && call.sys == Sys::Write)
            }
            _ => (false, false),
        };
        if reads && writer {
            cx.cite(FIFO_053);
            cx.cite(PIPE_103);
        }
        if writes && reader {
            cx.cite(FIFO_054);
            cx.cite(PIPE_103);
        }
    }
}

impl Pipe {
    /// How many sleep in an open of this FIFO.
    fn sleeping_openers(&self) -> usize {
        let openers = self.read_queue.waiters().iter();
        openers.filter(|w| w.how == How::Together).count()
    }

    /// Whether anyone sleeps in an open of this FIFO.
    pub(super) fn has_sleeping_openers(&self) -> bool {
        self.sleeping_openers() > 0
    }
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
        // Refused after the rendezvous: a partner that slept has been released.
        cx.cite(FIFO_044);
        k.hold(file);
        k.unhold(file, cx);
        return Progress::Done(Errno::EINVAL.into());
    }
    k.install_at(task, file, flags & O_CLOEXEC != 0, fd);
    Progress::Done(Value::Int(fd as i64))
}

impl OpenOp {
    /// The FIFO it opens.
    pub(crate) fn pipe(&self) -> ObjId {
        self.pipe
    }

    /// Whether the other side was opened since the wait began.
    fn is_released(&self, pipe: &Pipe) -> bool {
        let now = if self.reader {
            pipe.writer_opens
        } else {
            pipe.reader_opens
        };
        now != self.seen
    }

    /// Remembers a count that never was if its own is outdated, else the current one, brought to
    /// `most` at most.
    pub(crate) fn remember(&mut self, pipe: &Pipe, most: u32) {
        self.seen = match self.is_released(pipe) {
            true => u32::MAX,
            false => self.seen.min(most),
        };
    }

    fn wait(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if k.signal_pending(task) {
            self.withdraw(k, task, cx);
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
        let (now, partners) = if self.reader {
            (p.writer_opens, p.writers)
        } else {
            (p.reader_opens, p.readers)
        };
        if now == self.seen {
            return self.wait(k, task, cx);
        }
        cx.cite(if self.reader { FIFO_022 } else { FIFO_023 });
        if partners == 0 {
            // It came and went.
            cx.cite(FIFO_031);
            if self.reader && !p.ring.is_empty() {
                cx.cite(FIFO_032);
            }
        }
        k.process_mut(task).reserved.retain(|n| *n != self.fd);
        if k.files.get(self.file).flags & O_DIRECT != 0 {
            cx.cite(FIFO_044);
            k.unhold(self.file, cx);
            return Progress::Done(Errno::EINVAL.into());
        }
        k.install_at(task, self.file, self.cloexec, self.fd);
        k.unhold(self.file, cx);
        Progress::Done(Value::Int(self.fd as i64))
    }

    /// The open did not happen: its count, its number and its description go. Nobody is woken:
    /// without a partner since it came, nobody reads or writes.
    fn withdraw(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        cx.cite(FIFO_034);
        let p = k.pipes.get_mut(self.pipe);
        p.read_queue.leave(task);
        if self.reader {
            p.readers -= 1;
        } else {
            // Who comes later sees no hangup: its arrival was counted before theirs.
            cx.cite(FIFO_058);
            p.writers -= 1;
        }
        k.process_mut(task).reserved.retain(|n| *n != self.fd);
        k.files.remove(self.file);
        k.drop_idle_pipe(self.pipe);
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        let p = k.pipes.get(self.pipe);
        if !self.is_released(p) {
            return self.withdraw(k, task, cx);
        }
        // Its partner has come: it is through, and closes again on its way out.
        cx.cite(FIFO_058);
        k.pipes.get_mut(self.pipe).read_queue.leave(task);
        k.process_mut(task).reserved.retain(|n| *n != self.fd);
        k.unhold(self.file, cx);
    }
}
