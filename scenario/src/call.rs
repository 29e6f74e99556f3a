//! The system calls, each described once. Parser, printer, random generator, documentation and
//! name completion all read this table; a new call is a row here, its transition in `sim`, its
//! execution in `real`.

use crate::{Arg, Bits, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A descriptor: a number or a name that holds one.
    Fd,
    /// Any number.
    Int,
    /// Where a call stores bytes: a count, or bad memory (`fault(n, count)`, `outside(count)`).
    Room,
    /// Bytes to take: a string, or bad memory.
    Bytes,
    /// A list of [`Kind::Room`].
    Rooms,
    /// A list of [`Kind::Bytes`].
    Chunks,
    /// A path name, relative to the scenario's private directory.
    Path,
    /// Named constants of a family (or a number).
    Bits(Bits),
    /// A task of the scenario (its process or thread id), or a number.
    Task,
    /// A signal.
    Signal,
    /// A list of signals.
    Signals,
    /// A list of descriptors.
    Fds,
    /// A list of pairs `[fd, events]`.
    PollFds,
    /// A limit of the IPC namespace, by its name.
    Sysctl,
    /// This very word, which tells rows of one name apart: `fcntl(fd, F_GETFL)`.
    Word(&'static str),
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name in the manual.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may be left out (then it is 0 or empty).
    pub optional: bool,
}

/// What a call gives when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// 0.
    Nothing,
    /// A number.
    Int,
    /// A new descriptor.
    Fd,
    /// A list of two new descriptors.
    FdPair,
    /// Bytes.
    Bytes,
    /// Named constants.
    Bits(Bits),
    /// A list of values whose meaning the row's text tells.
    List,
    /// A task.
    Task,
    /// It does not return.
    Never,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The call's name, as the system call's.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// What it gives on success.
    pub gives: Gives,
    /// The manual page.
    pub man: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

impl Spec {
    /// The call with the names of its parameters, optional ones in brackets:
    /// `open(path, flags[, mode])`.
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (i, param) in self.params.iter().enumerate() {
            let name = match param.kind {
                Kind::Word(word) => word,
                _ => param.name,
            };
            let comma = if i > 0 { ", " } else { "" };
            text.push_str(&match param.optional {
                true => format!("[{comma}{name}]"),
                false => format!("{comma}{name}"),
            });
        }
        text + ")"
    }
}

impl fmt::Display for Kind {
    /// What a parameter takes, in words: `a signal`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Fd => "a descriptor: a number, or a name that holds one",
            Kind::Int => "a number",
            Kind::Room => "a count, or bad memory: fault(n, count), outside(count)",
            Kind::Bytes => "a string, or bad memory: fault(\"abc\", count), outside(count)",
            Kind::Rooms => "a list of counts",
            Kind::Chunks => "a list of strings",
            Kind::Path => "a path, as a string",
            Kind::Bits(kind) => return write!(f, "{} or a number", kind.describe()),
            Kind::Task => "a task or a number",
            Kind::Signal => "a signal",
            Kind::Signals => "a list of signals",
            Kind::Fds => "a list of descriptors",
            Kind::PollFds => "a list of pairs [fd, events]",
            Kind::Sysctl => "a limit of the IPC namespace, such as \"kernel.msgmax\"",
            Kind::Word(word) => return write!(f, "the word `{word}`"),
        })
    }
}

impl Bits {
    /// The family in words, with its first two names: `constants such as O_RDONLY, O_WRONLY`.
    pub fn describe(self) -> String {
        let names: Vec<&str> = self.names().iter().take(2).map(|(n, _)| *n).collect();
        match names.as_slice() {
            [] => "a mode such as 0o600".into(),
            [one] => format!("the constant {one}"),
            names => format!("constants such as {}", names.join(", ")),
        }
    }
}

impl fmt::Display for Gives {
    /// What a call gives, in words: `a descriptor`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gives::Nothing => "0",
            Gives::Int => "a number",
            Gives::Fd => "a descriptor",
            Gives::FdPair => "two descriptors",
            Gives::Bytes => "bytes",
            Gives::Bits(kind) => return f.write_str(&kind.describe()),
            Gives::List => "a list",
            Gives::Task => "a task",
            Gives::Never => "nothing: it does not return",
        })
    }
}

macro_rules! kind {
    (Bits $b:ident) => {
        Kind::Bits(Bits::$b)
    };
    (Word $w:ident) => {
        Kind::Word(stringify!($w))
    };
    ($k:ident) => {
        Kind::$k
    };
}
macro_rules! gives {
    (Bits $b:ident) => {
        Gives::Bits(Bits::$b)
    };
    ($k:ident) => {
        Gives::$k
    };
}
macro_rules! optional {
    (?) => {
        true
    };
    () => {
        false
    };
}

macro_rules! calls {
    ($($id:ident = $name:ident ($($p:ident : $k:ident $($kb:ident)? $(@ $opt:tt)?),*) -> $g:ident $($gb:ident)?, $man:literal, $doc:literal;)*) => {
        /// A system call of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Sys { $(#[doc = $doc] $id,)* }

        impl Sys {
            /// Every call, in the table's order.
            pub const ALL: &'static [Sys] = &[$(Sys::$id),*];

            /// Its row.
            pub fn spec(self) -> &'static Spec {
                match self {
                    $(Sys::$id => {
                        const SPEC: Spec = Spec {
                            name: stringify!($name),
                            params: &[$(Param { name: stringify!($p), kind: kind!($k $($kb)?), optional: optional!($($opt)?) }),*],
                            gives: gives!($g $($gb)?),
                            man: $man,
                            doc: $doc,
                        };
                        &SPEC
                    })*
                }
            }
        }
    };
}

calls! {
    // Pipes.
    Pipe = pipe() -> FdPair, "pipe(2)", "Makes a pipe; gives its read and its write descriptor.";
    Pipe2 = pipe2(flags: Bits Open) -> FdPair, "pipe(2)", "Makes a pipe with flags.";
    PipeBadArray = pipe_to(flags: Bits Open, array: Bytes) -> FdPair, "pipe(2)", "`pipe2` whose result array is bad memory.";
    GetPipeSize = fcntl(fd: Fd, cmd: Word F_GETPIPE_SZ) -> Int, "F_GETPIPE_SZ(2const)", "The capacity of a pipe in bytes.";
    SetPipeSize = fcntl(fd: Fd, cmd: Word F_SETPIPE_SZ, size: Int) -> Int, "F_GETPIPE_SZ(2const)", "Changes the capacity of a pipe; gives the new one.";
    Splice = splice(from: Fd, to: Fd, len: Int, flags: Bits Splice @ ?) -> Int, "splice(2)", "Moves bytes from or to a pipe; gives their count.";
    Tee = tee(from: Fd, to: Fd, len: Int, flags: Bits Splice @ ?) -> Int, "tee(2)", "Copies bytes from one pipe to another without taking them.";
    VmspliceOut = vmsplice(fd: Fd, data: Chunks, flags: Bits Splice @ ?) -> Int, "vmsplice(2)", "Attaches user pages to a pipe.";
    VmspliceIn = vmsplice_read(fd: Fd, counts: Rooms, flags: Bits Splice @ ?) -> Bytes, "vmsplice(2)", "`vmsplice` on a read end: copies bytes out of a pipe.";
    Sendfile = sendfile(to: Fd, from: Fd, count: Int) -> Int, "sendfile(2)", "Moves bytes between files, no offset given.";
    SendfileAt = sendfile_at(to: Fd, from: Fd, offset: Int, count: Int) -> Int, "sendfile(2)", "`sendfile` with an offset.";
    CopyFileRange = copy_file_range(from: Fd, to: Fd, len: Int) -> Int, "copy_file_range(2)", "Copies bytes between files, no offsets given.";

    // Reading and writing.
    Read = read(fd: Fd, count: Room) -> Bytes, "read(2)", "Reads; \"\" is end of file.";
    Write = write(fd: Fd, data: Bytes) -> Int, "write(2)", "Writes; gives the count.";
    Readv = readv(fd: Fd, counts: Rooms) -> Bytes, "readv(2)", "Reads into several buffers.";
    Writev = writev(fd: Fd, data: Chunks) -> Int, "readv(2)", "Writes several buffers as one.";
    ReadvCount = readv_n(fd: Fd, segments: Int) -> Bytes, "readv(2)", "`readv` with so many one-byte segments.";
    WritevCount = writev_n(fd: Fd, segments: Int) -> Int, "readv(2)", "`writev` with so many one-byte segments of \"v\".";
    Preadv2 = preadv2(fd: Fd, counts: Rooms, offset: Int, flags: Bits Rwf @ ?) -> Bytes, "readv(2)", "`readv` with offset (-1: the file's) and flags.";
    Pwritev2 = pwritev2(fd: Fd, data: Chunks, offset: Int, flags: Bits Rwf @ ?) -> Int, "readv(2)", "`writev` with offset (-1: the file's) and flags.";
    Pread = pread(fd: Fd, count: Room, offset: Int) -> Bytes, "pread(2)", "Reads at an offset.";
    Pwrite = pwrite(fd: Fd, data: Bytes, offset: Int) -> Int, "pread(2)", "Writes at an offset.";

    // Descriptors and descriptions.
    Close = close(fd: Fd) -> Nothing, "close(2)", "Closes a descriptor.";
    CloseRange = close_range(first: Int, last: Int, flags: Bits CloseRange @ ?) -> Nothing, "close_range(2)", "Closes or marks a range of descriptors.";
    Dup = dup(fd: Fd) -> Fd, "dup(2)", "Duplicates a descriptor.";
    Dup2 = dup2(fd: Fd, to: Fd) -> Fd, "dup(2)", "Duplicates a descriptor onto a given number.";
    Dup3 = dup3(fd: Fd, to: Fd, flags: Bits Open) -> Fd, "dup(2)", "`dup2` with flags.";
    DupFd = fcntl(fd: Fd, cmd: Word F_DUPFD, least: Int) -> Fd, "F_DUPFD(2const)", "Duplicates onto the lowest free number not below `least`.";
    DupFdCloexec = fcntl(fd: Fd, cmd: Word F_DUPFD_CLOEXEC, least: Int) -> Fd, "F_DUPFD(2const)", "`F_DUPFD` that sets close-on-exec.";
    GetFd = fcntl(fd: Fd, cmd: Word F_GETFD) -> Bits Descriptor, "F_GETFD(2const)", "The descriptor's flags.";
    SetFd = fcntl(fd: Fd, cmd: Word F_SETFD, flags: Bits Descriptor) -> Nothing, "F_GETFD(2const)", "Sets the descriptor's flags.";
    GetFl = fcntl(fd: Fd, cmd: Word F_GETFL) -> Bits Open, "F_GETFL(2const)", "Access mode and status flags of the description.";
    SetFl = fcntl(fd: Fd, cmd: Word F_SETFL, flags: Bits Open) -> Nothing, "F_GETFL(2const)", "Sets the status flags of the description.";
    SetOwn = fcntl(fd: Fd, cmd: Word F_SETOWN, owner: Task) -> Nothing, "F_GETSIG(2const)", "Who gets the signal of `O_ASYNC`.";
    GetOwn = fcntl(fd: Fd, cmd: Word F_GETOWN) -> Task, "F_GETSIG(2const)", "Who gets the signal of `O_ASYNC`.";
    SetSig = fcntl(fd: Fd, cmd: Word F_SETSIG, signal: Signal) -> Nothing, "F_GETSIG(2const)", "Which signal `O_ASYNC` sends.";
    FcntlUnknown = fcntl_n(fd: Fd, cmd: Int) -> Int, "fcntl(2)", "`fcntl` with a command by its number.";
    SetLk = fcntl(fd: Fd, cmd: Word F_SETLK, lock: Bits Lock) -> Nothing, "fcntl_locking(2)", "Takes or drops a record lock on the whole file.";
    Flock = flock(fd: Fd, operation: Bits Flock) -> Nothing, "flock(2)", "Takes or drops an advisory lock.";
    Fionread = ioctl(fd: Fd, request: Word FIONREAD) -> Int, "FIONREAD(2const)", "Bytes ready to be read.";
    FionreadFault = ioctl(fd: Fd, request: Word FIONREAD_FAULT) -> Int, "FIONREAD(2const)", "`FIONREAD` with a bad pointer.";
    Fionbio = ioctl(fd: Fd, request: Word FIONBIO, on: Int) -> Nothing, "ioctl(2)", "Sets or clears `O_NONBLOCK`.";
    Fioasync = ioctl(fd: Fd, request: Word FIOASYNC, on: Int) -> Nothing, "ioctl(2)", "Sets or clears `O_ASYNC`.";
    Fioclex = ioctl(fd: Fd, request: Word FIOCLEX) -> Nothing, "ioctl(2)", "Sets close-on-exec.";
    Fionclex = ioctl(fd: Fd, request: Word FIONCLEX) -> Nothing, "ioctl(2)", "Clears close-on-exec.";
    Figetbsz = ioctl(fd: Fd, request: Word FIGETBSZ) -> Int, "ioctl(2)", "The file system's block size.";
    IoctlUnknown = ioctl_n(fd: Fd, request: Int) -> Int, "ioctl(2)", "`ioctl` with a request by its number.";
    Isatty = isatty(fd: Fd) -> Int, "isatty(3)", "Whether it is a terminal (asked by TCGETS).";
    Lseek = lseek(fd: Fd, offset: Int, whence: Bits Whence) -> Int, "lseek(2)", "Moves the offset.";
    Ftruncate = ftruncate(fd: Fd, len: Int) -> Nothing, "truncate(2)", "Sets the size.";
    Fsync = fsync(fd: Fd) -> Nothing, "fsync(2)", "Flushes.";
    Fdatasync = fdatasync(fd: Fd) -> Nothing, "fsync(2)", "Flushes data.";
    Fallocate = fallocate(fd: Fd, offset: Int, len: Int) -> Nothing, "fallocate(2)", "Allocates space.";
    SyncFileRange = sync_file_range(fd: Fd, offset: Int, len: Int) -> Nothing, "sync_file_range(2)", "Flushes a range.";
    Fadvise = posix_fadvise(fd: Fd, offset: Int, len: Int) -> Nothing, "posix_fadvise(2)", "Announces normal access.";
    Mmap = mmap(fd: Fd, prot: Bits Prot, flags: Bits Map) -> Nothing, "mmap(2)", "Maps one page (and unmaps it again).";
    Fstat = fstat(fd: Fd) -> List, "stat(2)", "[type, mode, links, size, uid, gid, inode]; a directory's size counts as 0.";
    FstatBlock = fstat_blksize(fd: Fd) -> Int, "stat(2)", "The preferred block size that `fstat` reports.";
    FstatTimes = fstat_times(fd: Fd) -> List, "stat(2)", "[a, m]: whether access and modification time moved since they were last asked for, each 0 or 1. Asking sets both to the epoch, so that no clock granularity matters; the first ask of a file only does that and gives [0, 0].";
    Fchmod = fchmod(fd: Fd, mode: Bits Mode) -> Nothing, "chmod(2)", "Changes the mode.";
    Fchown = fchown(fd: Fd, uid: Int, gid: Int) -> Nothing, "chown(2)", "Changes the owner.";
    Setrlimit = setrlimit(resource: Bits Resource, soft: Int) -> Nothing, "setrlimit(2)", "Sets a soft limit.";

    // Names.
    Mkfifo = mkfifo(path: Path, mode: Bits Mode) -> Nothing, "mkfifo(3)", "Makes a FIFO.";
    Mkfifoat = mkfifoat(dir: Fd, path: Path, mode: Bits Mode) -> Nothing, "mkfifo(3)", "Makes a FIFO relative to a directory descriptor.";
    Mknod = mknod(path: Path, mode: Bits Mode, dev: Int) -> Nothing, "mknod(2)", "Makes a FIFO (S_IFIFO is added to the mode), with a device number.";
    Open = open(path: Path, flags: Bits Open, mode: Bits Mode @ ?) -> Fd, "open(2)", "Opens a file.";
    Unlink = unlink(path: Path) -> Nothing, "unlink(2)", "Removes a name.";
    Rename = rename(from: Path, to: Path) -> Nothing, "rename(2)", "Renames.";
    Link = link(from: Path, to: Path) -> Nothing, "link(2)", "Makes a hard link.";
    Symlink = symlink(target: Path, path: Path) -> Nothing, "symlink(2)", "Makes a symbolic link.";
    Mkdir = mkdir(path: Path, mode: Bits Mode) -> Nothing, "mkdir(2)", "Makes a directory.";
    Chmod = chmod(path: Path, mode: Bits Mode) -> Nothing, "chmod(2)", "Changes the mode.";
    Chown = chown(path: Path, uid: Int, gid: Int) -> Nothing, "chown(2)", "Changes the owner.";
    Stat = stat(path: Path) -> List, "stat(2)", "[type, mode, links, size, uid, gid, inode]; a directory's size counts as 0.";
    Truncate = truncate(path: Path, len: Int) -> Nothing, "truncate(2)", "Sets the size.";
    Reopen = open_fd(fd: Fd, flags: Bits Open) -> Fd, "proc_pid_fd(5)", "Opens a descriptor's file anew through /proc/self/fd.";
    ReopenOf = open_fd_of(task: Task, fd: Fd, flags: Bits Open) -> Fd, "proc_pid_fd(5)", "Opens another process's descriptor anew through /proc/PID/fd.";
    Execve = execve(path: Path) -> Never, "execve(2)", "Executes a file; here only to see it fail.";
    Umask = umask(mask: Bits Mode) -> Bits Mode, "umask(2)", "Sets the file mode mask; gives the old one.";

    // Credentials.
    Setuid = setuid(uid: Int) -> Nothing, "setuid(2)", "Sets all user ids.";
    Setgid = setgid(gid: Int) -> Nothing, "setgid(2)", "Sets all group ids.";
    Seteuid = seteuid(uid: Int) -> Nothing, "seteuid(2)", "Sets the effective user id.";
    Setgroups = setgroups() -> Nothing, "setgroups(2)", "Drops all supplementary groups.";

    // POSIX message queues.
    MqOpen = mq_open(name: Path, flags: Bits Open, mode: Bits Mode @ ?) -> Fd, "mq_open(3)", "Opens a message queue; one that it makes has the default attributes. A name without its slash is refused as the C library does.";
    MqOpenAttr = mq_open_attr(name: Path, flags: Bits Open, mode: Bits Mode, maxmsg: Int, msgsize: Int, attr_flags: Bits Open @ ?, curmsgs: Int @ ?) -> Fd, "mq_open(3)", "`mq_open` with attributes.";
    MqOpenRaw = mq_open_raw(name: Bytes, flags: Bits Open, mode: Bits Mode @ ?, attr: Bytes @ ?) -> Fd, "mq_open(3)", "The system call below `mq_open`: the name goes without its slash, and it or the attributes may be bad memory.";
    MqUnlink = mq_unlink(name: Path) -> Nothing, "mq_unlink(3)", "Removes the name of a message queue.";
    MqSend = mq_send(fd: Fd, data: Bytes, priority: Int) -> Nothing, "mq_send(3)", "Sends a message.";
    MqTimedSend = mq_timedsend(fd: Fd, data: Bytes, priority: Int, milliseconds: Int) -> Nothing, "mq_send(3)", "`mq_send` that gives up so long after it is issued; the kernel is given the time of day then. 0 or less has passed already.";
    MqTimedSendAt = mq_timedsend_at(fd: Fd, data: Bytes, priority: Int, seconds: Int, nanoseconds: Int) -> Nothing, "mq_send(3)", "`mq_timedsend` with the time of day as it is handed over: less than 1000000000 seconds is past, more never comes.";
    MqTimedSendFault = mq_timedsend_fault(fd: Fd, data: Bytes, priority: Int, deadline: Bytes) -> Nothing, "mq_send(3)", "`mq_timedsend` whose time is bad memory; `null(0)` is no limit.";
    MqReceive = mq_receive(fd: Fd, count: Room) -> List, "mq_receive(3)", "Receives a message: [data, priority].";
    MqReceiveTo = mq_receive_to(fd: Fd, count: Room, priority: Bytes) -> List, "mq_receive(3)", "`mq_receive` whose place for the priority is bad memory; with `null(0)` it gives [data, 0].";
    MqTimedReceive = mq_timedreceive(fd: Fd, count: Room, milliseconds: Int) -> List, "mq_receive(3)", "`mq_receive` that gives up so long after it is issued; the kernel is given the time of day then. 0 or less has passed already.";
    MqTimedReceiveAt = mq_timedreceive_at(fd: Fd, count: Room, seconds: Int, nanoseconds: Int) -> List, "mq_receive(3)", "`mq_timedreceive` with the time of day as it is handed over: less than 1000000000 seconds is past, more never comes.";
    MqTimedReceiveFault = mq_timedreceive_fault(fd: Fd, count: Room, deadline: Bytes) -> List, "mq_receive(3)", "`mq_timedreceive` whose time is bad memory; `null(0)` is no limit.";
    MqGetattr = mq_getattr(fd: Fd) -> List, "mq_getattr(3)", "[flags, maxmsg, msgsize, curmsgs].";
    MqSetattr = mq_setattr(fd: Fd, flags: Bits Open, maxmsg: Int @ ?, msgsize: Int @ ?, curmsgs: Int @ ?) -> List, "mq_getattr(3)", "Sets or clears `O_NONBLOCK`; gives what `mq_getattr` gave before.";
    MqSetattrTo = mq_setattr_to(fd: Fd, flags: Bits Open, old: Bytes) -> Nothing, "mq_getattr(3)", "`mq_setattr` whose place for the old attributes is bad memory; with `null(0)` they are not asked for.";
    MqNotifyNone = mq_notify(fd: Fd, method: Word SIGEV_NONE) -> Nothing, "mq_notify(3)", "Registers for a notification that does nothing.";
    MqNotifySignal = mq_notify(fd: Fd, method: Word SIGEV_SIGNAL, signal: Signal) -> Nothing, "mq_notify(3)", "Registers for a signal when a message enters the empty queue.";
    MqNotifyNull = mq_notify(fd: Fd, method: Word NULL) -> Nothing, "mq_notify(3)", "Removes the registration of this process.";
    MqNotifyNumber = mq_notify_n(fd: Fd, method: Int, signal: Int) -> Nothing, "mq_notify(3)", "`mq_notify` with a method and a signal by their numbers.";
    MqNotifyFault = mq_notify_fault(fd: Fd, event: Bytes) -> Nothing, "mq_notify(3)", "`mq_notify` whose event is bad memory; `null(0)` removes the registration.";

    // Readiness.
    Poll = poll(fds: PollFds, timeout: Int) -> List, "poll(2)", "Waits for events; gives the revents of each entry.";
    Ppoll = ppoll(fds: PollFds, timeout: Int, signals: Signals) -> List, "poll(2)", "`poll` that blocks these signals alone for its time. The timeout is in milliseconds, less than 0 for none.";
    PpollRaw = ppoll_raw(fds: PollFds, seconds: Int, nanoseconds: Int) -> List, "poll(2)", "`ppoll` with its timeout as it is handed over, and no mask.";
    Select = select(read: Fds, write: Fds, except: Fds, timeout: Int) -> List, "select(2)", "Waits for events, for so many milliseconds, less than 0 for ever; gives the three sets that are left.";
    Pselect = pselect(read: Fds, write: Fds, except: Fds, timeout: Int, signals: Signals) -> List, "select(2)", "`select` that blocks these signals alone for its time.";
    SelectRaw = select_raw(count: Int, fd: Fd, seconds: Int, microseconds: Int) -> List, "select(2)", "`select` of one descriptor for reading, with the count of descriptors and the timeout as they are handed over.";
    PselectRaw = pselect_raw(count: Int, fd: Fd, seconds: Int, nanoseconds: Int) -> List, "select(2)", "The same of `pselect`, without a mask.";
    EpollCreate = epoll_create(size: Int) -> Fd, "epoll_create(2)", "Makes an epoll instance; the size is a hint that nobody follows.";
    EpollCreate1 = epoll_create1(flags: Bits EpollFlags) -> Fd, "epoll_create(2)", "Makes an epoll instance.";
    EpollCtl = epoll_ctl(epfd: Fd, op: Bits EpollOp, fd: Fd, events: Bits Epoll @ ?, data: Int @ ?) -> Nothing, "epoll_ctl(2)", "Adds, changes or removes an entry; the data comes back with its events.";
    EpollCtlFault = epoll_ctl_fault(epfd: Fd, op: Bits EpollOp, fd: Fd, event: Bytes) -> Nothing, "epoll_ctl(2)", "`epoll_ctl` whose event is bad memory.";
    EpollWait = epoll_wait(epfd: Fd, maxevents: Int, timeout: Int) -> List, "epoll_wait(2)", "Waits for events, for so many milliseconds, less than 0 for ever; gives each as [events, data].";
    EpollPwait = epoll_pwait(epfd: Fd, maxevents: Int, timeout: Int, signals: Signals) -> List, "epoll_wait(2)", "`epoll_wait` that blocks these signals alone for its time.";
    EpollWaitFault = epoll_wait_fault(epfd: Fd, maxevents: Int, events: Bytes) -> List, "epoll_wait(2)", "`epoll_wait` that does not wait, and whose place for the events is bad memory.";
    Eventfd = eventfd(count: Int, flags: Bits Eventfd @ ?) -> Fd, "eventfd(2)", "Makes a counter.";
    EventfdRead = eventfd_read(fd: Fd) -> Int, "eventfd(2)", "Takes what a counter holds, or 1 of a semaphore.";
    EventfdWrite = eventfd_write(fd: Fd, value: Int) -> Nothing, "eventfd(2)", "Adds to a counter.";

    // Signals.
    Sigaction = sigaction(signal: Signal, handler: Bits Handler, flags: Bits Action @ ?, mask: Signals @ ?) -> Nothing, "sigaction(2)", "Sets a disposition, with the signals that its handler blocks besides.";
    SigactionGet = sigaction_get(signal: Signal) -> List, "sigaction(2)", "The disposition: [handler, flags, mask].";
    SigactionFault = sigaction_fault(signal: Signal, action: Bytes, old: Bytes) -> Nothing, "sigaction(2)", "`sigaction` with a new action (`null(0)`: none; else bad memory) and a place for the old one that is bad memory (`null(0)`: none).";
    SigactionSize = sigaction_size(signal: Signal, size: Int) -> Nothing, "sigaction(2)", "A query by the system call, with this many bytes as the size of a set of signals.";
    Sigprocmask = sigprocmask(how: Bits MaskHow, signals: Signals) -> Nothing, "sigprocmask(2)", "Changes the thread's mask.";
    SigprocmaskGet = sigprocmask_get(how: Int) -> List, "sigprocmask(2)", "The thread's mask; no set is given, so `how` does not matter.";
    SigprocmaskFault = sigprocmask_fault(how: Bits MaskHow, signals: Signals, old: Bytes) -> Nothing, "sigprocmask(2)", "`sigprocmask` whose place for the old mask is bad memory.";
    Sigpending = sigpending() -> List, "sigpending(2)", "The pending signals that are blocked.";
    Kill = kill(task: Task, signal: Signal) -> Nothing, "kill(2)", "Sends a signal to a process.";
    Tgkill = tgkill(task: Task, signal: Signal) -> Nothing, "tgkill(2)", "Sends a signal to a thread.";
    Segfault = segfault() -> Nothing, "signal(7)", "Reads memory that is not mapped; a handler that returns goes on behind the access.";
    Raise = raise(signal: Signal) -> Nothing, "raise(3)", "Sends a signal to the thread itself.";
    Sigqueue = sigqueue(task: Task, signal: Signal, value: Int) -> Nothing, "sigqueue(3)", "Sends a signal with a value to a process.";
    SigqueueThread = tgsigqueue(task: Task, signal: Signal, value: Int) -> Nothing, "rt_sigqueueinfo(2)", "Sends a signal with a value to a thread.";
    SigqueueCode = sigqueue_as(task: Task, signal: Signal, code: Bits SiCode) -> Nothing, "rt_sigqueueinfo(2)", "`sigqueue` that claims another `si_code`.";
    Sigsuspend = sigsuspend(signals: Signals) -> Nothing, "sigsuspend(2)", "Blocks these signals alone until a handler has run.";
    SigsuspendFault = sigsuspend_fault(signals: Bytes, size: Int) -> Nothing, "sigsuspend(2)", "`sigsuspend` whose set is bad memory, or of this size in bytes.";
    Pause = pause() -> Nothing, "pause(2)", "Sleeps until a handler has run.";
    Sigwaitinfo = sigwaitinfo(signals: Signals) -> List, "sigwaitinfo(2)", "Takes one of these signals, or waits for one; gives its information as `siginfo` does.";
    Sigtimedwait = sigtimedwait(signals: Signals, milliseconds: Int) -> List, "sigwaitinfo(2)", "`sigwaitinfo` that gives up after a time; 0 does not wait.";
    SigtimedwaitAt = sigtimedwait_raw(signals: Signals, seconds: Int, nanoseconds: Int) -> List, "sigwaitinfo(2)", "`sigtimedwait` with its time as it is handed over.";
    SigwaitFault = sigwait_fault(signals: Signals, info: Bytes) -> Int, "sigwaitinfo(2)", "`sigwaitinfo` that does not wait, and whose place for the information is bad memory.";
    Alarm = alarm(seconds: Int) -> Int, "alarm(2)", "Has SIGALRM sent after a time, in place of an earlier alarm; gives what that had left, in seconds.";
    Setitimer = setitimer(milliseconds: Int, interval: Int @ ?) -> Nothing, "getitimer(2)", "Has SIGALRM sent after a time, and again after each interval, both in milliseconds (`ITIMER_REAL`).";
    SetitimerRaw = setitimer_raw(timer: Int, seconds: Int, microseconds: Int) -> Nothing, "getitimer(2)", "`setitimer` with a timer's number and a time as it is handed over, no interval.";
    Getitimer = getitimer() -> List, "getitimer(2)", "[armed, interval]: whether `ITIMER_REAL` runs, 0 or 1, and its interval in milliseconds.";
    Signalfd = signalfd(fd: Fd, signals: Signals, flags: Bits Signalfd @ ?) -> Fd, "signalfd(2)", "Makes a descriptor that accepts these signals (`fd` -1), or changes the signals of one.";
    SignalfdRead = read_signals(fd: Fd, count: Int) -> List, "signalfd(2)", "`read` into room for so many records of a signalfd; gives each as `siginfo` does.";

    // Process groups and sessions.
    Setpgid = setpgid(task: Task, group: Task) -> Nothing, "setpgid(2)", "Moves a process to a group; 0 is the caller, and the group that the process leads.";
    Getpgid = getpgid(task: Task) -> Task, "setpgid(2)", "The group of a process, by the task that leads it or did; 0 is the caller.";
    Getpgrp = getpgrp() -> Task, "setpgid(2)", "The group of the caller.";
    Setsid = setsid() -> Task, "setsid(2)", "Begins a session, and a group in it, that the caller leads.";
    Getsid = getsid(task: Task) -> Task, "getsid(2)", "The session of a process, by the task that leads it or did; 0 is the caller.";
    Killpg = killpg(group: Task, signal: Signal) -> Nothing, "killpg(3)", "Sends a signal to a process group: `kill` with the number negated. 0 is the caller's group; 1 and negative numbers are EINVAL, as POSIX leaves them open.";

    // Nice values.
    GetPriority = getpriority(which: Word PRIO_PROCESS, task: Task) -> Int, "getpriority(2)", "The nice value of a task, -20 to 19; 0 is the caller. Other numbers are to be nobody's.";
    GetPriorityGroup = getpriority(which: Word PRIO_PGRP, group: Task) -> Int, "getpriority(2)", "The lowest nice value in a process group; 0 is the caller's.";
    GetPriorityNumber = getpriority_n(which: Int, task: Task) -> Int, "getpriority(2)", "`getpriority` with a number that is none of its three.";
    SetPriority = setpriority(which: Word PRIO_PROCESS, task: Task, nice: Int) -> Nothing, "getpriority(2)", "Sets the nice value of a task; 0 is the caller. Other numbers are to be nobody's.";
    SetPriorityGroup = setpriority(which: Word PRIO_PGRP, group: Task, nice: Int) -> Nothing, "getpriority(2)", "Sets the nice values of all in a process group; 0 is the caller's.";
    SetPriorityNumber = setpriority_n(which: Int, task: Task, nice: Int) -> Nothing, "getpriority(2)", "`setpriority` with a number that is none of its three.";

    // Terminals.
    Openpt = openpt() -> FdPair, "posix_openpt(3)", "Makes a pseudoterminal; gives master and slave, which becomes nobody's controlling terminal by it.";
    OpenSlave = open_slave(master: Fd, flags: Bits Open) -> Fd, "TIOCGPTPEER(2const)", "Opens the slave of a master anew.";
    OpenTty = open_tty(flags: Bits Open) -> Fd, "tty(4)", "Opens the caller's controlling terminal by its name, `/dev/tty`.";
    Tcgetattr = tcgetattr(fd: Fd) -> Bits Terminal, "termios(3)", "The settings of a terminal, as far as the language has them.";
    Tcsetattr = tcsetattr(fd: Fd, settings: Bits Terminal) -> Nothing, "termios(3)", "Turns these settings on and all others off.";
    Tcflush = tcflush(fd: Fd) -> Nothing, "termios(3)", "Throws away input that was not read.";
    Tcdrain = tcdrain(fd: Fd) -> Nothing, "termios(3)", "Waits until output is written.";
    Tcflow = tcflow(fd: Fd) -> Nothing, "termios(3)", "Has output go on that was suspended.";
    Tcsendbreak = tcsendbreak(fd: Fd) -> Nothing, "termios(3)", "Sends a break, which means nothing to a pseudoterminal.";
    Tcgetpgrp = tcgetpgrp(fd: Fd) -> Task, "tcgetpgrp(3)", "The foreground group of a terminal.";
    Tcsetpgrp = tcsetpgrp(fd: Fd, group: Task) -> Nothing, "tcgetpgrp(3)", "Sets the foreground group of a terminal.";
    Tcgetsid = tcgetsid(fd: Fd) -> Task, "tcgetsid(3)", "The session of a terminal.";
    Tiocsctty = ioctl(fd: Fd, request: Word TIOCSCTTY) -> Nothing, "TIOCSCTTY(2const)", "Makes a terminal the controlling terminal of the caller's session.";
    Tiocnotty = ioctl(fd: Fd, request: Word TIOCNOTTY) -> Nothing, "TIOCNOTTY(2const)", "Gives the controlling terminal up.";
    Tiocsig = ioctl(fd: Fd, request: Word TIOCSIG, signal: Signal) -> Nothing, "ioctl_tty(2)", "Through a master: sends a signal to the foreground group.";
    Tcgetwinsize = tcgetwinsize(fd: Fd) -> List, "TIOCGWINSZ(2const)", "[rows, columns] of a terminal.";
    Tcsetwinsize = tcsetwinsize(fd: Fd, rows: Int, columns: Int) -> Nothing, "TIOCGWINSZ(2const)", "Sets rows and columns of a terminal.";

    // Children.
    Waitpid = waitpid(task: Task, options: Bits Wait @ ?) -> List, "waitpid(2)", "Waits for a child, for any of one's group (0) or for any at all (-1): [child, how it changed, exit status or signal]; [] if WNOHANG finds none.";
    WaitpidGroup = waitpid_group(group: Task, options: Bits Wait @ ?) -> List, "waitpid(2)", "`waitpid` for any child of a group: `waitpid` with its number negated.";
    Wait4 = wait4(task: Task, options: Bits Wait @ ?) -> List, "wait4(2)", "`waitpid` that gives the status word as it is: [child, word].";
    Wait4Fault = wait4_fault(task: Task, options: Bits Wait, status: Bytes) -> Task, "wait4(2)", "`wait4` whose place for the status is bad memory; with `null(0)` it is not asked for.";
    WaitidAll = waitid(which: Word P_ALL, options: Bits Wait) -> List, "waitid(2)", "Waits for a change of any child: [child, how it changed, exit status or signal, the child's user id]; zeros if WNOHANG finds none.";
    WaitidPid = waitid(which: Word P_PID, task: Task, options: Bits Wait) -> List, "waitid(2)", "`waitid` for one child.";
    WaitidGroup = waitid(which: Word P_PGID, group: Task, options: Bits Wait) -> List, "waitid(2)", "`waitid` for any child of a group; 0 is the caller's.";
    WaitidNumber = waitid_n(type: Int, id: Int, options: Int) -> List, "waitid(2)", "`waitid` by numbers; the id is to be nobody's.";
    Exec = exec() -> Nothing, "execve(2)", "Executes a program: what that does to a process happens, and the new program is the rest of the task's.";
    Subreaper = prctl(option: Word PR_SET_CHILD_SUBREAPER, on: Int) -> Nothing, "PR_SET_CHILD_SUBREAPER(2const)", "Whether the caller becomes the parent of its descendants whose parent ends.";

    // System V message queues.
    MsgGet = msgget(key: Int, flags: Bits Ipc) -> Int, "msgget(2)", "Gives the id of the message queue with that key, or of a new one; permission bits are or-ed to the flags.";
    MsgSend = msgsnd(id: Int, type: Int, data: Bytes, flags: Bits Msg @ ?) -> Nothing, "msgop(2)", "Sends a message. Memory that faults does so in the text; `outside` and `null` have no room for the type.";
    MsgReceive = msgrcv(id: Int, size: Room, type: Int, flags: Bits Msg @ ?) -> List, "msgop(2)", "Receives a message: [type, data].";
    MsgStat = msgctl(id: Int, cmd: Word IPC_STAT) -> List, "msgctl(2)", "[mode, uid, gid, creator's uid, creator's gid, bytes, messages, most bytes, last sender, last receiver].";
    MsgSet = msgctl(id: Int, cmd: Word IPC_SET, uid: Int, gid: Int, mode: Bits Mode, qbytes: Int) -> Nothing, "msgctl(2)", "Sets owner, permissions and the most bytes.";
    MsgRemove = msgctl(id: Int, cmd: Word IPC_RMID) -> Nothing, "msgctl(2)", "Removes a message queue.";
    MsgStatSlot = msgctl(index: Int, cmd: Word MSG_STAT) -> Int, "msgctl(2)", "`IPC_STAT` by slot; gives the id of the queue there.";
    MsgStatAny = msgctl(index: Int, cmd: Word MSG_STAT_ANY) -> Int, "msgctl(2)", "`MSG_STAT` that needs no permission.";
    MsgLimits = msgctl(id: Int, cmd: Word IPC_INFO) -> List, "msgctl(2)", "[highest slot in use, msgmax, msgmnb, msgmni].";
    MsgTotals = msgctl(id: Int, cmd: Word MSG_INFO) -> List, "msgctl(2)", "[highest slot in use, queues, messages, bytes], of the IPC namespace.";
    MsgTimes = msgctl_times(id: Int) -> List, "msgctl(2)", "[sent, received, changed]: whether `IPC_STAT` shows each time as set, 0 or 1.";
    MsgControlNumber = msgctl_n(id: Int, cmd: Int) -> Int, "msgctl(2)", "`msgctl` with a command by its number and a buffer outside memory.";

    // Limits of the IPC namespace.
    Sysctl = sysctl(name: Sysctl) -> Int, "sysctl(8)", "Reads a limit of the IPC namespace.";
    SysctlWrite = sysctl_write(name: Sysctl, value: Int) -> Nothing, "sysctl(8)", "Sets a limit of the IPC namespace.";

    // Tasks.
    Fork = fork(child: Task) -> Task, "fork(2)", "Starts a child process; written `fork NAME` with its program below.";
    Thread = thread(thread: Task) -> Task, "clone(2)", "Starts a thread; written `thread NAME` with its program below.";
    Exit = exit(status: Int) -> Never, "_exit(2)", "Ends the process (the thread, in a thread's program); of the status eight bits are kept.";
}

/// No process has a greater id (`PID_MAX_LIMIT`).
const MOST_PROCESSES: i32 = 4_194_304;

impl Sys {
    /// The calls of that name (rows of one name differ by a word: `fcntl`, `ioctl`).
    pub fn by_name(name: &str) -> impl Iterator<Item = Sys> + '_ {
        Sys::ALL
            .iter()
            .copied()
            .filter(move |s| s.spec().name == name)
    }

    /// Whether the call waits for children.
    pub fn waits_for_children(self) -> bool {
        matches!(
            self,
            Sys::Waitpid
                | Sys::WaitpidGroup
                | Sys::Wait4
                | Sys::Wait4Fault
                | Sys::WaitidAll
                | Sys::WaitidPid
                | Sys::WaitidGroup
                | Sys::WaitidNumber
        )
    }

    /// Whether the call asks for or sets nice values.
    pub fn is_on_nice_values(self) -> bool {
        matches!(
            self,
            Sys::GetPriority
                | Sys::GetPriorityGroup
                | Sys::GetPriorityNumber
                | Sys::SetPriority
                | Sys::SetPriorityGroup
                | Sys::SetPriorityNumber
        )
    }

    /// Why the call must not be made with these arguments: they might mean processes other than the
    /// scenario's. Gives the place of the argument too.
    pub fn strays(self, args: &[Arg]) -> Option<(usize, &'static str)> {
        if !self.is_on_nice_values() {
            return None;
        }
        let number = |at: usize| match args.get(at) {
            Some(Arg::Value(Value::Int(n))) => Some(*n),
            _ => None,
        };
        let by_number = matches!(self, Sys::GetPriorityNumber | Sys::SetPriorityNumber);
        // The kernel takes ints.
        if by_number && number(0).is_none_or(|n| (0..=2).contains(&(n as i32))) {
            return Some((
                0,
                "a number other than 0, 1 and 2 is to be written out here",
            ));
        }
        let at = usize::from(by_number);
        let id = number(at)?;
        ((1..=MOST_PROCESSES).contains(&(id as i32))).then_some((
            at,
            "a process is named by its task here, or is the caller (0); numbers above 4194304 are nobody's",
        ))
    }

    /// The word that tells this row apart, if it has one: `F_GETFL`.
    pub fn word(self) -> Option<&'static str> {
        self.spec().params.iter().find_map(|p| match p.kind {
            Kind::Word(w) => Some(w),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_told_apart_by_name_and_word() {
        let mut seen = std::collections::BTreeSet::new();
        for &sys in Sys::ALL {
            assert!(seen.insert((sys.spec().name, sys.word())), "{sys:?} twice");
            assert!(sys.spec().doc.ends_with('.'), "{sys:?}: a sentence");
        }
    }
}
