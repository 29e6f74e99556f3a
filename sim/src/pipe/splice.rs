//! `splice`, `tee`, `vmsplice`, `sendfile`: moving slots rather than bytes.
//!
//! Between two pipes a whole slot moves as it is; part of one arrives unmergeable (FD-030). The tests
//! come in a fixed order (FD-054): an empty input that has a writer, an output without reader, a
//! full output, end of file.

use super::{PAGE, Side, Slot};
use crate::clause::*;
use crate::fd::write_regular;
use crate::kernel::{Cx, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart};
use crate::pipe::{Buffer, Room};
use scenario::{Data, DataBuilder, Errno, Sys, TaskId, Value, constants::*};

/// Every flag that `splice` and its kin know.
const KNOWN: u64 = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

/// A move in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MoveOp {
    from: End,
    to: End,
    /// Bytes asked for.
    len: usize,
    /// Slots are copied, not taken (`tee`).
    copies: bool,
    /// It does not sleep.
    nonblocking: bool,
    /// It has passed the test of its input.
    input_seen: bool,
    /// `tee` has passed both tests, let go of the locks, and copies next.
    between: bool,
}

/// An end of a move.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum End {
    /// A pipe, through this description.
    Pipe { file: ObjId, pipe: ObjId },
    /// A regular file.
    Regular(Place),
    /// A pipe, through this description, as the source of `sendfile`, which takes nothing from it.
    Refused(ObjId),
    /// Memory to take from: one piece a segment.
    Memory(Vec<Buffer>),
    /// Memory to store to.
    Room(Room),
}

/// A place in a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    /// The description it is open through.
    file: ObjId,
    inode: ObjId,
    /// The offset; it is settled when the call begins, however long that then sleeps.
    start: u64,
    /// The offset is an argument, not the description's, which then stays as it is.
    own: bool,
}

impl Place {
    /// So many bytes were moved.
    fn advance(self, k: &mut Kernel, moved: usize) {
        if !self.own {
            k.files.get_mut(self.file).offset = self.start + moved as u64;
        }
    }

    /// Stores bytes there; gives their count.
    fn write(self, k: &mut Kernel, data: &Data) -> usize {
        let n = write_regular(k, self.file, self.inode, data, Some(self.start));
        self.advance(k, n);
        n
    }
}

impl End {
    fn file(&self) -> Option<ObjId> {
        match self {
            End::Pipe { file, .. } | End::Regular(Place { file, .. }) | End::Refused(file) => {
                Some(*file)
            }
            End::Memory(_) | End::Room(_) => None,
        }
    }

    fn pipe(&self) -> Option<ObjId> {
        match self {
            End::Pipe { pipe, .. } => Some(*pipe),
            _ => None,
        }
    }
}

/// What a description is as an end of a move.
fn end_of(k: &Kernel, file: ObjId, at: Option<u64>) -> Result<End, Errno> {
    let f = k.files.get(file);
    match f.kind {
        FileKind::Pipe(pipe) => Ok(End::Pipe { file, pipe }),
        // Their records can be spliced from; what comes of it has no rule here.
        FileKind::Event(_) | FileKind::Signals(_) => Err(Errno::ENOSYS),
        FileKind::Queue(_) | FileKind::Epoll(_) | FileKind::Directory(_) => Ok(End::Refused(file)),
        FileKind::Regular(inode) => Ok(End::Regular(Place {
            file,
            inode,
            start: at.unwrap_or(f.offset),
            own: at.is_some(),
        })),
        _ => Err(Errno::EINVAL),
    }
}

/// A move begins.
pub(crate) fn begin_move(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match request(k, task, call, cx) {
        Err(e) => Progress::Done(e.into()),
        Ok(None) if call.sys == Sys::VmspliceIn => Progress::Done(Value::Data(Data::empty())),
        Ok(None) => Progress::Done(Value::ZERO),
        Ok(Some(op)) => {
            for file in [op.from.file(), op.to.file()].into_iter().flatten() {
                k.hold(file);
            }
            op.run(k, task, cx)
        }
    }
}

fn nonblock(k: &Kernel, file: ObjId) -> bool {
    k.files.get(file).nonblocking()
}

/// `RWF_NOWAIT` is over for a pipe's description that is spliced through, were it in vain.
fn end_nowait(k: &mut Kernel, file: ObjId, cx: &mut Cx) {
    if k.files.get(file).nowait {
        cx.cite(PIPE_124);
        k.files.get_mut(file).nowait = false;
    }
}

/// Checks the arguments; none if there is nothing to do.
fn request(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Option<MoveOp>, Errno> {
    let op = |from, to, len, nonblocking| {
        Ok(Some(MoveOp {
            from,
            to,
            len,
            copies: false,
            nonblocking,
            input_seen: false,
            between: false,
        }))
    };
    match call.sys {
        Sys::Splice | Sys::Tee => {
            let (len, flags) = (call.int(2).max(0) as usize, call.bits(3));
            let tee = call.sys == Sys::Tee;
            cx.cite(if tee { FD_034 } else { FD_026 });
            if !tee && len == 0 {
                return Ok(None);
            }
            if flags & !KNOWN != 0 {
                cx.cite(FD_025);
                return Err(Errno::EINVAL);
            }
            if len == 0 {
                return Ok(None);
            }
            let from = k.file_of(task, call.int(0))?;
            let to = k.file_of(task, call.int(1))?;
            if !tee {
                end_nowait(k, from, cx);
                end_nowait(k, to, cx);
            }
            if !k.files.get(from).readable() || !k.files.get(to).writable() {
                return Err(Errno::EBADF);
            }
            cx.cite(FD_025);
            let is_pipe = |file| k.files.get(file).pipe().is_some();
            if tee && !(is_pipe(from) && is_pipe(to)) {
                return Err(Errno::EINVAL);
            }
            let (from, to) = (end_of(k, from, None)?, end_of(k, to, None)?);
            match (&from, &to) {
                (End::Pipe { pipe: a, .. }, End::Pipe { pipe: b, .. }) if a != b => {}
                (End::Pipe { .. }, End::Regular(to)) if !tee => {
                    if k.files.get(to.file).flags & O_APPEND != 0 {
                        cx.cite(FD_032);
                        return Err(Errno::EINVAL);
                    }
                }
                (End::Regular(_), End::Pipe { .. }) if !tee => {}
                (End::Refused(_), End::Pipe { .. }) if !tee => cx.cite(FD_056),
                _ => return Err(Errno::EINVAL),
            }
            let nonblocking = flags & SPLICE_F_NONBLOCK != 0
                || [&from, &to]
                    .iter()
                    .any(|e| e.pipe().is_some() && e.file().is_some_and(|f| nonblock(k, f)));
            Ok(Some(MoveOp {
                from,
                to,
                len,
                copies: tee,
                nonblocking,
                input_seen: false,
                between: false,
            }))
        }
        Sys::VmspliceOut | Sys::VmspliceIn => {
            cx.cite(FD_041);
            let flags = call.bits(2);
            if flags & !KNOWN != 0 {
                return Err(Errno::EINVAL);
            }
            let file = k.file_of(task, call.int(0))?;
            let reads = call.sys == Sys::VmspliceIn;
            let segments = call.list(1);
            if segments.len() > 1024 {
                return Err(Errno::EINVAL);
            }
            let f = k.files.get(file);
            if reads && !f.readable() || !reads && !f.writable() {
                return Err(Errno::EBADF);
            }
            let room = Room::joined(segments);
            let pieces: Vec<_> = segments.iter().map(|v| Buffer::of(Some(v))).collect();
            let len = match reads {
                true => room.count as usize,
                false => pieces.iter().map(|s| s.count as usize).sum(),
            };
            if len == 0 {
                return Ok(None);
            }
            let pipe = f.pipe().ok_or(Errno::EBADF)?;
            end_nowait(k, file, cx);
            cx.cite(if reads { FD_040 } else { FD_039 });
            if flags & SPLICE_F_GIFT != 0 && len % PAGE != 0 {
                cx.cite(FD_042);
            }
            let end = End::Pipe { file, pipe };
            let nonblocking = flags & SPLICE_F_NONBLOCK != 0;
            match reads {
                true => op(end, End::Room(room), len, nonblocking),
                false => op(End::Memory(pieces), end, len, nonblocking),
            }
        }
        Sys::Sendfile | Sys::SendfileAt => {
            cx.cite(PIPE_025);
            let with_offset = call.sys == Sys::SendfileAt;
            let count = call.int(if with_offset { 3 } else { 2 });
            let from = k.file_of(task, call.int(1))?;
            if !k.files.get(from).readable() {
                return Err(Errno::EBADF);
            }
            let from_pipe = k.files.get(from).pipe().is_some();
            if with_offset && from_pipe {
                return Err(Errno::ESPIPE);
            }
            let to = k.file_of(task, call.int(0))?;
            if !k.files.get(to).writable() {
                return Err(Errno::EBADF);
            }
            let at = with_offset.then(|| call.int(2) as u64);
            let nonblocking = nonblock(k, to) || nonblock(k, from);
            let from = match from_pipe {
                true => End::Refused(from),
                false => end_of(k, from, at)?,
            };
            let to = end_of(k, to, None)?;
            if from_pipe && to.pipe().is_none() {
                return Err(Errno::EINVAL);
            }
            op(from, to, count.max(0) as usize, nonblocking)
        }
        _ => {
            cx.cite(PIPE_025);
            let from = k.file_of(task, call.int(0))?;
            let to = k.file_of(task, call.int(1))?;
            let regular = |f| matches!(k.files.get(f).kind, FileKind::Regular(_));
            if !regular(from) || !regular(to) {
                return Err(Errno::EINVAL);
            }
            op(
                end_of(k, from, None)?,
                end_of(k, to, None)?,
                call.int(2).max(0) as usize,
                false,
            )
        }
    }
}

/// What one step of a move came to.
enum Moved {
    Bytes(usize),
    Data(Data),
    Fails(Errno),
    SleepsOn(ObjId, Side),
    /// Nothing yet, and others may act before it goes on.
    LetsOthersIn,
}

impl MoveOp {
    /// Whether it does not sleep, but goes on as soon as it may.
    pub(crate) fn goes_on(&self) -> bool {
        self.between
    }

    /// The pipes and files it moves between.
    pub(crate) fn inodes(&self) -> impl Iterator<Item = ObjId> {
        let inode = |end: &End| match end {
            End::Pipe { pipe, .. } => Some(*pipe),
            End::Regular(place) => Some(place.inode),
            End::Refused(_) | End::Memory(_) | End::Room(_) => None,
        };
        [inode(&self.from), inode(&self.to)].into_iter().flatten()
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        self.leave_queues(k, task);
        self.run(k, task, cx)
    }

    fn run(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let result = match self.step(k, task, cx) {
            Moved::Bytes(n) => Value::Int(n as i64),
            Moved::Data(d) => Value::Data(d),
            Moved::Fails(e) => Value::Error(e),
            Moved::LetsOthersIn => return Progress::Sleep(Op::Move(self)),
            Moved::SleepsOn(pipe, side) => {
                if k.signal_pending(task) {
                    cx.cite(FD_033);
                    self.let_go(k, cx);
                    return Progress::Restart(Restart::UnlessHandler);
                }
                cx.cite(FD_027);
                let p = k.pipes.get_mut(pipe);
                match side {
                    Side::Readers => p.read_queue.join(task, How::Together),
                    Side::Writers => p.write_queue.join(task, How::Together),
                }
                return Progress::Sleep(Op::Move(self));
            }
        };
        self.let_go(k, cx);
        Progress::Done(result)
    }

    fn step(&mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Moved {
        if let (Some(input), false) = (self.from.pipe(), self.input_seen) {
            let p = k.pipes.get(input);
            if p.ring.is_empty() && p.writers > 0 {
                cx.cite(FD_054);
                if self.nonblocking {
                    cx.cite(FD_028);
                    return Moved::Fails(Errno::EAGAIN);
                }
                return Moved::SleepsOn(input, Side::Readers);
            }
            self.input_seen = true;
        }
        if let (Some(output), false) = (self.to.pipe(), self.between) {
            let p = k.pipes.get(output);
            if p.readers == 0 {
                cx.cite(FD_029);
                k.send_sigpipe(task, cx);
                return Moved::Fails(Errno::EPIPE);
            }
            if p.ring.is_full() {
                cx.cite(FD_054);
                if self.nonblocking {
                    cx.cite(FD_028);
                    return Moved::Fails(Errno::EAGAIN);
                }
                return Moved::SleepsOn(output, Side::Writers);
            }
        }
        match (self.from.clone(), self.to.clone()) {
            (End::Pipe { pipe: from, .. }, End::Pipe { pipe: to, .. }) => {
                let input = k.pipes.get(from);
                if !self.copies && input.ring.is_empty() && input.writers > 0 {
                    // Emptied by another while this slept for room: back to the first test.
                    cx.cite(FD_054);
                    self.input_seen = false;
                    return self.step(k, task, cx);
                }
                if self.copies && !self.between {
                    self.between = true;
                    return Moved::LetsOthersIn;
                }
                if self.between && k.pipes.get(to).readers == 0 {
                    cx.cite(FD_035);
                    k.send_sigpipe(task, cx);
                    return Moved::Fails(Errno::EPIPE);
                }
                self.pipe_to_pipe(k, from, to, cx)
            }
            (End::Refused(_), _) => {
                cx.cite(PIPE_025);
                match self.len {
                    0 => Moved::Bytes(0),
                    _ => Moved::Fails(Errno::EINVAL),
                }
            }
            (End::Regular(from), End::Pipe { pipe, .. }) => self.file_to_pipe(k, from, pipe, cx),
            (End::Pipe { pipe, .. }, End::Regular(to)) => {
                let data = self.take(k, pipe, self.len, cx);
                cx.cite(FD_032);
                Moved::Bytes(to.write(k, &data))
            }
            (End::Memory(segments), End::Pipe { pipe, .. }) => {
                memory_to_pipe(k, &segments, pipe, cx)
            }
            (End::Pipe { pipe, .. }, End::Room(room)) => {
                if room.outside || room.mapped < room.count {
                    return Moved::Fails(Errno::EFAULT);
                }
                Moved::Data(self.take(k, pipe, self.len, cx))
            }
            (End::Regular(from), End::Regular(to)) => {
                let data = self.file_data(k, from, self.len);
                Moved::Bytes(to.write(k, &data))
            }
            _ => Moved::Fails(Errno::EINVAL),
        }
    }

    fn pipe_to_pipe(&self, k: &mut Kernel, from: ObjId, to: ObjId, cx: &mut Cx) -> Moved {
        let mut left = self.len;
        let mut emptied = false;
        if self.copies {
            cx.cite(FD_036);
            let slots: Vec<Slot> = k.pipes.get(from).ring.slots().iter().cloned().collect();
            for slot in slots {
                if left == 0 || k.pipes.get(to).ring.is_full() {
                    break;
                }
                let data = slot.data.slice(0, left);
                left -= data.len();
                cx.cite(PIPE_073);
                k.pipes.get_mut(to).ring.push(Slot {
                    data,
                    mergeable: false,
                    ..slot
                });
            }
        } else {
            while left > 0 && !k.pipes.get(to).ring.is_full() {
                let ring = &mut k.pipes.get_mut(from).ring;
                let before = ring.slots().len();
                let Some(slot) = ring.split(left, &mut cx.clauses) else {
                    break;
                };
                emptied |= ring.slots().len() < before;
                left -= slot.data.len();
                if !slot.mergeable {
                    cx.cite(PIPE_073);
                }
                k.pipes.get_mut(to).ring.push(slot);
            }
        }
        let moved = self.len - left;
        if moved == 0 && self.copies && k.pipes.get(from).writers > 0 {
            cx.cite(FD_055);
        }
        if moved > 0 {
            k.wake_one(to, Side::Readers, cx);
            k.tell_owners(to, Side::Readers, cx);
        }
        if emptied {
            k.wake_one(from, Side::Writers, cx);
            k.tell_owners(from, Side::Writers, cx);
        }
        cx.cite(if self.copies { FD_035 } else { FD_027 });
        Moved::Bytes(moved)
    }

    /// The bytes of a regular file that a move takes.
    fn file_data(&self, k: &mut Kernel, from: Place, len: usize) -> Data {
        let start = from.start as usize;
        let data = k.inodes.get(from.inode).data();
        let data = data.slice(start, start.saturating_add(len));
        from.advance(k, data.len());
        data
    }

    fn file_to_pipe(&self, k: &mut Kernel, from: Place, pipe: ObjId, cx: &mut Cx) -> Moved {
        cx.cite(FD_031);
        let start = from.start as usize;
        // As many bytes as there are free slots for, each slot a page of the file.
        let free = k.pipes.get(pipe).ring.free();
        let most = free * PAGE - start % PAGE;
        let data = self.file_data(k, from, self.len.min(most));
        let mut at = 0;
        while at < data.len() {
            let offset = (start + at) % PAGE;
            let end = (at + PAGE - offset).min(data.len());
            cx.cite(PIPE_073);
            k.pipes.get_mut(pipe).ring.push(Slot {
                data: data.slice(at, end),
                offset: offset as u16,
                mergeable: false,
                packet: false,
            });
            at = end;
        }
        if !data.is_empty() {
            k.wake_one(pipe, Side::Readers, cx);
            k.tell_owners(pipe, Side::Readers, cx);
        }
        Moved::Bytes(data.len())
    }

    /// Takes bytes out of a pipe for something that is not one.
    fn take(&self, k: &mut Kernel, pipe: ObjId, len: usize, cx: &mut Cx) -> Data {
        let mut taken = DataBuilder::default();
        let mut left = len;
        let mut emptied = false;
        let ring = &mut k.pipes.get_mut(pipe).ring;
        while left > 0 {
            let before = ring.slots().len();
            let Some(slot) = ring.split(left, &mut cx.clauses) else {
                break;
            };
            emptied |= ring.slots().len() < before;
            left -= slot.data.len();
            taken.append(&slot.data);
        }
        if emptied {
            k.wake_one(pipe, Side::Writers, cx);
            k.tell_owners(pipe, Side::Writers, cx);
        }
        taken.finish()
    }

    fn leave_queues(&self, k: &mut Kernel, task: TaskId) {
        for pipe in [self.from.pipe(), self.to.pipe()].into_iter().flatten() {
            let p = k.pipes.get_mut(pipe);
            p.read_queue.leave(task);
            p.write_queue.leave(task);
        }
    }

    fn let_go(&self, k: &mut Kernel, cx: &mut Cx) {
        for file in [self.from.file(), self.to.file()].into_iter().flatten() {
            k.unhold(file, cx);
        }
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        self.leave_queues(k, task);
        self.let_go(k, cx);
    }
}

/// Attaches pages of memory to a pipe: each page touched takes a slot. Segments begin at a page's
/// start.
fn memory_to_pipe(k: &mut Kernel, segments: &[Buffer], pipe: ObjId, cx: &mut Cx) -> Moved {
    cx.cite(FD_037);
    let mut moved = 0;
    'segments: for segment in segments {
        let mut at = 0;
        while at < segment.count as usize {
            if k.pipes.get(pipe).ring.is_full() {
                break 'segments;
            }
            let end = (at + PAGE).min(segment.count as usize);
            if segment.outside || segment.valid.len() < end {
                if moved == 0 {
                    return Moved::Fails(Errno::EFAULT);
                }
                break 'segments;
            }
            cx.cite(PIPE_073);
            k.pipes.get_mut(pipe).ring.push(Slot {
                data: segment.valid.slice(at, end),
                offset: 0,
                mergeable: false,
                packet: false,
            });
            moved += end - at;
            at = end;
        }
    }
    if moved > 0 {
        k.wake_one(pipe, Side::Readers, cx);
        k.tell_owners(pipe, Side::Readers, cx);
    }
    Moved::Bytes(moved)
}
