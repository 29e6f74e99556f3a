//! Open file descriptions: what descriptors of one origin share, over `dup` and `fork`.

use super::{Cx, Kernel, ObjId};
use crate::clause::*;
use crate::signal::SigSet;
use scenario::{Errno, Signal, TaskId, constants::*};

/// An open file description.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct File {
    /// What it is open on.
    pub kind: FileKind,
    /// Access mode and status flags, as `F_GETFL` shows them.
    pub flags: u64,
    /// Descriptors that name it, over all processes.
    pub descriptors: u32,
    /// Calls in progress that use it; they keep it open (FD-010).
    pub holds: u32,
    /// Whether `RWF_NOWAIT` works through it (PIPE-124).
    pub nowait: bool,
    /// The offset, in bytes, of a file that has one.
    pub offset: u64,
    /// The writer count that a FIFO's reader opened in `O_NONBLOCK` mode without writers saw: as
    /// long as no other has opened since, it shows no hangup (FIFO-055).
    pub seen_writers: u32,
    /// Whom `O_ASYNC` tells, by which signal (0: SIGIO), and through which descriptor it was set.
    pub owner: Option<TaskId>,
    /// The signal of `F_SETSIG`.
    pub async_signal: Option<Signal>,
}

/// What a description is open on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// The null device: the standard descriptors.
    Null,
    /// A pipe or FIFO, by its inode.
    Pipe(ObjId),
    /// A regular file, by its inode.
    Regular(ObjId),
    /// A directory, by its inode.
    Directory(ObjId),
    /// Nothing but a name (`O_PATH`), by its inode.
    Path(ObjId),
    /// A message queue, by its inode.
    Queue(ObjId),
    /// The master of a pseudoterminal.
    Master(ObjId),
    /// Its slave: the terminal.
    Slave(ObjId),
    /// A signalfd, with the signals it accepts.
    Signals(SigSet),
    /// An eventfd, by its counter.
    Event(ObjId),
    /// An epoll instance.
    Epoll(ObjId),
}

impl File {
    /// A description that nothing refers to yet.
    pub fn new(kind: FileKind, flags: u64) -> File {
        File {
            kind,
            flags,
            descriptors: 0,
            holds: 0,
            nowait: false,
            offset: 0,
            seen_writers: 0,
            owner: None,
            async_signal: None,
        }
    }

    /// Whether it may be read through.
    pub fn readable(&self) -> bool {
        !matches!(self.kind, FileKind::Path(_)) && self.flags & O_ACCMODE != O_WRONLY
    }

    /// Whether it may be written through.
    pub fn writable(&self) -> bool {
        !matches!(self.kind, FileKind::Path(_))
            && matches!(self.flags & O_ACCMODE, O_WRONLY | O_RDWR)
    }

    /// Whether calls through it do not sleep.
    pub fn nonblocking(&self) -> bool {
        self.flags & O_NONBLOCK != 0
    }

    /// The inode it is open on; none if that is the null device.
    pub fn inode(&self) -> Option<ObjId> {
        match self.kind {
            FileKind::Pipe(id)
            | FileKind::Regular(id)
            | FileKind::Directory(id)
            | FileKind::Queue(id)
            | FileKind::Path(id) => Some(id),
            FileKind::Null
            | FileKind::Master(_)
            | FileKind::Slave(_)
            | FileKind::Signals(_)
            | FileKind::Event(_)
            | FileKind::Epoll(_) => None,
        }
    }

    /// The pipe it is open on.
    pub fn pipe(&self) -> Option<ObjId> {
        match self.kind {
            FileKind::Pipe(id) => Some(id),
            _ => None,
        }
    }
}

impl Kernel {
    /// The description that the descriptor names.
    ///
    /// # Errors
    /// EBADF if the descriptor is not open.
    pub fn file_of(&self, task: TaskId, fd: i64) -> Result<ObjId, Errno> {
        let process = self.process_of(task);
        usize::try_from(fd)
            .ok()
            .and_then(|fd| process.fds.get(fd))
            .and_then(|d| *d)
            .map(|d| d.file)
            .ok_or(Errno::EBADF)
    }

    /// Keeps a description open for the time of a call.
    pub(crate) fn hold(&mut self, file: ObjId) {
        self.files.get_mut(file).holds += 1;
    }

    /// The call is over.
    pub(crate) fn unhold(&mut self, file: ObjId, cx: &mut Cx) {
        self.files.get_mut(file).holds -= 1;
        self.release_if_unused(file, cx);
    }

    /// A descriptor of it is gone.
    pub(crate) fn drop_descriptor(&mut self, file: ObjId, cx: &mut Cx) {
        self.files.get_mut(file).descriptors -= 1;
        self.release_if_unused(file, cx);
    }

    fn release_if_unused(&mut self, file: ObjId, cx: &mut Cx) {
        let f = self.files.get(file);
        if f.descriptors > 0 || f.holds > 0 {
            if matches!(f.kind, FileKind::Pipe(_)) {
                cx.cite(if f.descriptors > 0 { FD_021 } else { FD_010 });
            }
            return;
        }
        let f = f.clone();
        self.forget_watched(file, cx);
        match f.kind {
            FileKind::Event(event) => {
                self.files.remove(file);
                self.events.remove(event);
            }
            FileKind::Epoll(epoll) => {
                self.files.remove(file);
                self.drop_epoll(epoll);
            }
            FileKind::Pipe(pipe) => {
                crate::pipe::release(self, pipe, f.readable(), f.writable(), cx);
                self.files.remove(file);
                self.drop_idle_pipe(pipe);
            }
            FileKind::Regular(inode) | FileKind::Directory(inode) | FileKind::Path(inode) => {
                self.files.remove(file);
                self.drop_unused_queue(inode);
                self.drop_unused_inode(inode);
            }
            FileKind::Queue(queue) => {
                self.files.remove(file);
                self.drop_unused_queue(queue);
                if self.queues.find(queue).is_none() {
                    cx.cite(MQ_099);
                }
            }
            FileKind::Null | FileKind::Signals(_) => self.files.remove(file),
            FileKind::Master(id) | FileKind::Slave(id) => {
                self.files.remove(file);
                crate::terminal::release(self, id, matches!(f.kind, FileKind::Master(_)), cx);
            }
        }
    }

    /// Whether a description is open on this inode.
    pub fn is_open(&self, inode: ObjId) -> bool {
        self.files.iter().any(|(_, f)| match f.kind {
            FileKind::Pipe(i)
            | FileKind::Regular(i)
            | FileKind::Directory(i)
            | FileKind::Queue(i)
            | FileKind::Path(i) => i == inode,
            FileKind::Null
            | FileKind::Master(_)
            | FileKind::Slave(_)
            | FileKind::Signals(_)
            | FileKind::Event(_)
            | FileKind::Epoll(_) => false,
        })
    }
}
