//! Pipes and FIFOs once they are open: reading, writing, sizes, and who is woken.
//!
//! [`Ring`] holds the bytes and the slot rules; [`Pipe`] adds the counts of readers and writers
//! and the two wait queues; `io.rs` has `read` and `write` as steps of the kernel, `splice.rs`
//! `splice`, `tee` and their kin.

mod io;
mod ring;
mod splice;

pub use io::{Buffer, ReadOp, Room, WriteOp, begin_read, begin_write};
pub use ring::{DEFAULT_SLOTS, PAGE, PIPE_BUF, Ring, Slot, Source, Stored, Taken};
pub use splice::MoveOp;
pub(crate) use splice::begin_move;

use crate::clause::*;
use crate::fifo::Inode;
use crate::kernel::{Cx, File, FileKind, Invocation, Kernel, ObjId, WaitQueue};
use scenario::{Bits, Errno, Handled, Signal, TaskId, Value, constants::*};

/// Slots that an unprivileged user's pipes may have in sum before new ones are small
/// (`/proc/sys/fs/pipe-user-pages-soft`).
pub(crate) const USER_SLOTS: usize = 16384;
/// Slots of such a small pipe.
const SMALL_SLOTS: usize = 2;

/// A pipe: the ring, who has it open, who waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pipe {
    /// What it holds.
    pub ring: Ring,
    /// Descriptions open for reading; an open that sleeps is counted already.
    pub readers: u32,
    /// Descriptions open for writing.
    pub writers: u32,
    /// How often it was opened for reading, so that a sleeping opener notices a partner that came
    /// and went.
    pub reader_opens: u32,
    /// How often it was opened for writing.
    pub writer_opens: u32,
    /// The real user id whose share of slots it counts against (PIPE-093).
    pub user: u32,
    /// Whether `poll` ever looked at it (PIPE-123).
    pub polled: bool,
    /// Sleeping readers, openers and pollers.
    pub read_queue: WaitQueue,
    /// Sleeping writers and pollers.
    pub write_queue: WaitQueue,
}

impl Pipe {
    /// A new pipe of so many slots that nobody has open.
    pub fn new(slots: usize) -> Pipe {
        Pipe {
            ring: Ring::new(slots),
            readers: 0,
            writers: 0,
            reader_opens: 1,
            writer_opens: 1,
            user: 0,
            polled: false,
            read_queue: WaitQueue::default(),
            write_queue: WaitQueue::default(),
        }
    }
}

impl Pipe {
    /// Whether a writer came after the one that the pipe was made with.
    fn was_reopened(&self) -> bool {
        self.writer_opens > 1
    }
}

impl Pipe {
    /// Whether it was opened since it was made.
    pub(crate) fn was_opened(&self) -> bool {
        self.reader_opens > 1 || self.writer_opens > 1
    }
}

/// The two ends of a pipe, as who is to be woken or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Sleeping readers; owners of read descriptions.
    Readers,
    /// Sleeping writers; owners of write descriptions.
    Writers,
}

impl Kernel {
    /// Wakes one reader or writer of a pipe, and everyone who watches that side.
    pub(crate) fn wake_one(&mut self, pipe: ObjId, side: Side, cx: &mut Cx) {
        let key = match side {
            Side::Readers => POLLIN | POLLRDNORM,
            Side::Writers => POLLOUT | POLLWRNORM,
        };
        self.wake_queue(|k| queue(k, pipe, side), true, key, cx);
    }

    /// Wakes everyone who waits on a side of a pipe.
    pub(crate) fn wake_all(&mut self, pipe: ObjId, side: Side, cx: &mut Cx) {
        self.wake_queue(|k| queue(k, pipe, side), false, 0, cx);
    }

    /// A task wrote to a pipe that nobody reads: the signal is for the task, not for its process.
    pub(crate) fn send_sigpipe(&mut self, task: TaskId, cx: &mut Cx) {
        cx.cite(PIPE_050);
        cx.cite(PIPE_051);
        if self
            .process_of(task)
            .dispositions
            .get(Signal::SIGPIPE)
            .handler
            == SIG_IGN
        {
            cx.cite(PIPE_052);
        }
        let info = Handled::new(
            Signal::SIGPIPE,
            Value::Bits(Bits::SiCode, SI_USER),
            Value::Task(self.task(task).process),
        );
        self.send_to_task(task, info, cx);
    }

    /// Whether a handler is about to run; else what disturbs the task is a stop, or its end.
    fn handler_pending(&self, task: TaskId) -> bool {
        let (t, process) = (self.task(task), self.process_of(task));
        let mut pending = t.pending.iter().chain(&process.pending);
        pending.any(|h| {
            let handler = process.dispositions.get(h.signal).handler;
            !t.mask.contains(h.signal) && !matches!(handler, SIG_DFL | SIG_IGN)
        })
    }

    /// Forgets a pipe that no description is open on, with what it holds.
    pub(crate) fn drop_idle_pipe(&mut self, pipe: ObjId) {
        // A description that is nothing but a name (`O_PATH`) keeps the inode, not the pipe.
        let open = |f: &File| f.kind == FileKind::Pipe(pipe);
        if !self.files.iter().any(|(_, f)| open(f)) {
            self.pipes.remove(pipe);
        }
        self.drop_unused_inode(pipe);
    }

    /// A pipe for an inode that has none, with nobody on it.
    pub(crate) fn add_pipe(&mut self, task: TaskId, inode: ObjId, cx: &mut Cx) {
        let most = (self.config.pipe_max_size as usize / PAGE).max(1);
        if most < DEFAULT_SLOTS {
            cx.cite(PIPE_091);
        }
        let mut slots = DEFAULT_SLOTS.min(most);
        let user = self.task(task).credentials.uid;
        if self.over_share(task, user, slots) {
            cx.cite(PIPE_093);
            slots = SMALL_SLOTS;
        }
        let mut pipe = Pipe::new(slots);
        pipe.user = user;
        self.pipes.insert(inode, pipe);
    }

    /// Whether so many slots more would exceed the user's share, and the task is bound by it.
    fn over_share(&self, task: TaskId, user: u32, more: usize) -> bool {
        let theirs = self.pipes.iter().filter(|(_, p)| p.user == user);
        let used: usize = theirs.map(|(_, p)| p.ring.limit()).sum();
        used + more > USER_SLOTS && !self.task(task).credentials.privileged()
    }
}

fn queue(k: &mut Kernel, pipe: ObjId, side: Side) -> &mut WaitQueue {
    let pipe = k.pipes.get_mut(pipe);
    match side {
        Side::Readers => &mut pipe.read_queue,
        Side::Writers => &mut pipe.write_queue,
    }
}

/// `pipe` and `pipe2`.
pub(crate) fn create(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    use scenario::Sys;
    let flags = call.bits(0);
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL) != 0 {
        cx.cite(PIPE_009);
        cx.cite(PIPE_012);
        cx.cite(PIPE_014);
        return Err(Errno::EINVAL);
    }
    if flags & O_EXCL != 0 {
        cx.cite(PIPE_010);
        return Err(Errno::ENOPKG);
    }
    let process = k.process_of(task);
    let reader = process.free_fd(0).ok_or(Errno::EMFILE);
    let two = reader.and_then(|r| process.free_fd(r + 1).ok_or(Errno::EMFILE));
    if let Err(e) = two {
        cx.cite(PIPE_011);
        cx.cite(PIPE_012);
        cx.cite(PIPE_014);
        return Err(e);
    }
    if call.sys == Sys::PipeBadArray && !matches!(call.args.get(1), Some(Value::Data(_))) {
        cx.cite(PIPE_012);
        cx.cite(PIPE_013);
        return Err(Errno::EFAULT);
    }

    cx.cite(PIPE_001);
    cx.cite(PIPE_018);
    let inode = k.new_id(task);
    let owner = k.task(task).credentials;
    k.inodes
        .insert(inode, Inode::anonymous_pipe(owner.euid, owner.gid));
    k.add_pipe(task, inode, cx);
    cx.cite(PIPE_069);
    let pipe = k.pipes.get_mut(inode);
    (pipe.readers, pipe.writers) = (1, 1);

    let status = flags & O_NONBLOCK;
    let cloexec = flags & O_CLOEXEC != 0;
    cx.cite(if status == 0 && !cloexec {
        PIPE_006
    } else {
        PIPE_007
    });
    if flags & O_DIRECT != 0 {
        cx.cite(PIPE_008);
    }
    cx.cite(PIPE_002);
    cx.cite(PIPE_003);
    cx.cite(PIPE_004);
    let mut fds = [0; 2];
    // O_DIRECT is noted on the write description alone (PIPE-008).
    for (fd, flags) in fds
        .iter_mut()
        .zip([O_RDONLY | status, O_WRONLY | status | flags & O_DIRECT])
    {
        let file = k.new_id(task);
        let mut description = File::new(FileKind::Pipe(inode), flags);
        description.nowait = true;
        k.files.insert(file, description);
        *fd = k
            .install(task, file, cloexec, 0, cx)
            .expect("two free numbers were found") as i64;
    }
    Ok(Value::List(fds.map(Value::Int).to_vec()))
}

/// A description of a pipe is gone: the last of a kind wakes the other side.
pub(crate) fn release(k: &mut Kernel, pipe: ObjId, reader: bool, writer: bool, cx: &mut Cx) {
    let p = k.pipes.get_mut(pipe);
    p.readers -= u32::from(reader);
    p.writers -= u32::from(writer);
    if reader && writer && p.writers == 0 && p.readers > 0 {
        cx.cite(FIFO_060);
    }
    let told = |(_, f): (ObjId, &File)| f.pipe() == Some(pipe) && f.flags & O_ASYNC != 0;
    match (p.readers, p.writers) {
        (0, 0) => cx.cite(PIPE_117),
        (0, _) | (_, 0) => {
            cx.cite(PIPE_102);
            if k.files.iter().any(told) {
                cx.cite(PIPE_111);
            }
            k.wake_all(pipe, Side::Readers, cx);
            k.wake_all(pipe, Side::Writers, cx);
            k.tell_owners(pipe, Side::Readers, cx);
            k.tell_owners(pipe, Side::Writers, cx);
        }
        // Not the last of its kind: nobody is woken, nobody told.
        _ => cx.cite(PIPE_102),
    }
}

/// The pipe behind a descriptor of `F_GETPIPE_SZ` and its kin.
fn pipe_of(k: &Kernel, task: TaskId, fd: i64, cx: &mut Cx) -> Result<ObjId, Errno> {
    let pipe = k.file_of(task, fd).map(|f| k.files.get(f).pipe());
    match pipe {
        Ok(Some(pipe)) => Ok(pipe),
        _ => {
            cx.cite(PIPE_095);
            Err(Errno::EBADF)
        }
    }
}

/// `F_GETPIPE_SZ`.
pub(crate) fn get_size(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let pipe = pipe_of(k, task, call.int(0), cx)?;
    cx.cite(PIPE_069);
    Ok(Value::Int((k.pipes.get(pipe).ring.limit() * PAGE) as i64))
}

/// `F_SETPIPE_SZ`.
pub(crate) fn set_size(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let pipe = pipe_of(k, task, call.int(0), cx)?;
    // The system call takes an unsigned int.
    let asked = u64::from(call.int(1) as u32);
    if asked > 1 << 31 {
        cx.cite(PIPE_085);
        return Err(Errno::EINVAL);
    }
    let size = asked.next_power_of_two().max(PAGE as u64);
    cx.cite(PIPE_084);
    let limit = size as usize / PAGE;
    let (ring, user) = (&k.pipes.get(pipe).ring, k.pipes.get(pipe).user);
    if limit > ring.limit() {
        if size > k.config.pipe_max_size {
            // Workers run without CAP_SYS_RESOURCE.
            cx.cite(PIPE_089);
            return Err(Errno::EPERM);
        }
        if k.over_share(task, user, limit - ring.limit()) {
            cx.cite(PIPE_093);
            return Err(Errno::EPERM);
        }
    }
    let was_full = ring.is_full();
    if !k.pipes.get_mut(pipe).ring.resize(limit, &mut cx.clauses) {
        return Err(Errno::EBUSY);
    }
    if k.inodes.get(pipe).is_named() {
        cx.cite(FIFO_062);
    }
    if was_full && !k.pipes.get(pipe).ring.is_full() {
        cx.cite(PIPE_088);
    } else if was_full {
        cx.cite(PIPE_122);
    }
    if !k.pipes.get(pipe).write_queue.waiters().is_empty() {
        cx.cite(READY_064);
    }
    // The kernel wakes a writer whatever the new size is (PIPE-122).
    k.wake_one(pipe, Side::Writers, cx);
    Ok(Value::Int(size as i64))
}
