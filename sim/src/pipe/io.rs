//! `read` and `write` on a pipe, as steps of the kernel.
//!
//! A step lasts from the start of the call, or from a wake-up, to the next sleep or to the end: the
//! time for which Linux holds the pipe's mutex (PIPE-118, PIPE-119). The waits are those of
//! Linux: exclusive, in order of arrival, and one that was woken for nothing goes to the tail:
//!
//! ```text
//! reader 1   read: empty, sleeps ────────────────── woken ─ takes "a" ─ wakes the next if data is left
//! reader 2        read: empty, sleeps ─────────────────────────────────────── (still asleep)
//! writer                     write "a": was empty, wakes the head of the queue
//! ```

use super::{DEFAULT_SLOTS, PAGE, Side, Source};
use crate::clause::*;
use crate::kernel::{Cx, How, Kernel, ObjId, Op, Progress, Restart};
use scenario::{BadMemory, Data, Errno, Fault, TaskId, Value, constants::*};

/// The kernel cuts greater counts to this (PIPE-121).
const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// Memory to read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// The count asked for, as the call's unsigned argument.
    pub count: u64,
    /// Bytes of it that are there; behind them memory faults.
    pub mapped: u64,
    /// Whether the pointer itself lies outside the user address range.
    pub outside: bool,
}

impl Room {
    /// Good memory of that many bytes.
    pub fn new(count: u64) -> Room {
        Room {
            count,
            mapped: count,
            outside: false,
        }
    }

    /// The memory an argument stands for.
    pub fn of(value: Option<&Value>) -> Room {
        match value {
            Some(Value::Memory(m)) => {
                let (mapped, outside) = faults(m);
                Room {
                    count: m.count as u64,
                    mapped: mapped as u64,
                    outside,
                }
            }
            Some(v) => Room::new(v.number().unwrap_or(0) as u64),
            None => Room::new(0),
        }
    }

    /// Several buffers as one.
    pub fn joined(values: &[Value]) -> Room {
        let mut all = Room::new(0);
        for v in values {
            let r = Room::of(Some(v));
            // Behind a fault nothing counts as mapped.
            if all.mapped == all.count {
                all.mapped += r.mapped;
            }
            all.count += r.count;
            all.outside |= r.outside;
        }
        all
    }
}

/// Bytes to write, as memory holds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// The count asked for.
    pub count: u64,
    /// The bytes that are there; behind them memory faults.
    pub valid: Data,
    /// Whether the pointer itself lies outside the user address range.
    pub outside: bool,
}

impl Buffer {
    /// Good memory with these bytes.
    pub fn new(data: Data) -> Buffer {
        Buffer {
            count: data.len() as u64,
            valid: data,
            outside: false,
        }
    }

    /// The bytes an argument stands for.
    pub fn of(value: Option<&Value>) -> Buffer {
        match value {
            Some(Value::Data(d)) => Buffer::new(d.clone()),
            Some(Value::Memory(m)) => {
                let (_, outside) = faults(m);
                Buffer {
                    count: m.count as u64,
                    valid: m.valid.clone(),
                    outside,
                }
            }
            _ => Buffer::new(Data::empty()),
        }
    }

    /// Several buffers as one.
    pub fn joined(values: &[Value]) -> Buffer {
        let mut all = Buffer::new(Data::empty());
        for v in values {
            let b = Buffer::of(Some(v));
            if all.valid.len() as u64 == all.count {
                all.valid = all.valid.concat(&b.valid);
            }
            all.count += b.count;
            all.outside |= b.outside;
        }
        all
    }
}

/// How many bytes are good, and whether the pointer lies outside the user address range.
fn faults(m: &BadMemory) -> (usize, bool) {
    match m.fault {
        Fault::Unmapped | Fault::Null => (m.valid.len(), false),
        Fault::Outside => (0, true),
    }
}

/// A read in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadOp {
    file: ObjId,
    pipe: ObjId,
    room: Room,
    /// It does not sleep, whatever the description says (`RWF_NOWAIT`).
    nowait: bool,
    /// It slept, and so passes a wake-up on if it leaves data behind.
    slept: bool,
}

/// A write in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteOp {
    file: ObjId,
    pipe: ObjId,
    source: Buffer,
    /// Bytes stored so far.
    done: usize,
    /// The pipe was empty when this step of the call began: a reader is to be woken.
    was_empty: bool,
    /// It slept, and so passes a wake-up on if it leaves a free slot.
    slept: bool,
    nowait: bool,
    nosignal: bool,
}

/// A read through a description that is open for reading on a pipe.
pub fn begin_read(
    k: &mut Kernel,
    task: TaskId,
    file: ObjId,
    room: Room,
    rwf: u64,
    cx: &mut Cx,
) -> Progress {
    let pipe = k
        .files
        .get(file)
        .pipe()
        .expect("the caller has seen a pipe");
    if room.outside {
        cx.cite(PIPE_041);
        return Progress::Done(Errno::EFAULT.into());
    }
    if room.count > i64::MAX as u64 {
        cx.cite(PIPE_042);
        return Progress::Done(Errno::EFAULT.into());
    }
    if room.count == 0 {
        cx.cite(PIPE_037);
        if k.pipes
            .get(pipe)
            .ring
            .slots()
            .front()
            .is_some_and(|s| s.packet)
        {
            cx.cite(FD_045);
        }
        return Progress::Done(Value::Data(Data::empty()));
    }
    k.hold(file);
    let nowait = rwf & RWF_NOWAIT != 0;
    ReadOp {
        file,
        pipe,
        room,
        nowait,
        slept: false,
    }
    .run(k, task, cx)
}

impl ReadOp {
    /// The pipe it reads.
    pub(crate) fn pipe(&self) -> ObjId {
        self.pipe
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let p = k.pipes.get_mut(self.pipe);
        let readable = !p.ring.is_empty() || p.writers == 0;
        if !readable {
            cx.cite(PIPE_122);
            if p.writers > 0 && p.was_reopened() {
                cx.cite(PIPE_103);
            }
            return self.wait(k, task, cx);
        }
        p.read_queue.leave(task);
        self.slept = true;
        self.run(k, task, cx)
    }

    fn run(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let p = k.pipes.get_mut(self.pipe);
        let count = self.room.count.min(MAX_RW_COUNT) as usize;
        let mapped = self.room.mapped.min(self.room.count) as usize;
        let taken = p.ring.read(count, mapped, &mut cx.clauses);
        let writers = p.writers;
        let left = !p.ring.is_empty();

        let result = if !taken.data.is_empty() {
            if writers == 0 {
                cx.cite(if taken.packet { FD_047 } else { PIPE_035 });
                if k.inodes.get(self.pipe).is_named() {
                    cx.cite(FIFO_032);
                }
            }
            Ok(taken.data)
        } else if taken.faulted {
            Err(Errno::EFAULT)
        } else if writers == 0 {
            cx.cite(PIPE_034);
            if self.slept {
                // It looks for itself when it runs.
                cx.cite(PIPE_103);
            }
            if k.inodes.get(self.pipe).is_named() {
                cx.cite(FIFO_051);
            }
            if self.room.mapped < self.room.count {
                cx.cite(PIPE_041);
            }
            Ok(taken.data)
        } else if self.nowait || k.files.get(self.file).nonblocking() {
            cx.cite(if self.nowait { PIPE_044 } else { PIPE_033 });
            if self.room.mapped < self.room.count {
                cx.cite(PIPE_041);
            }
            if self.slept {
                cx.cite(PIPE_045);
            }
            cx.cite(PIPE_109);
            Err(Errno::EAGAIN)
        } else {
            cx.cite(PIPE_032);
            if k.pipes.get(self.pipe).polled {
                cx.cite(READY_011);
            }
            cx.cite(PIPE_036);
            if self.room.mapped < self.room.count {
                cx.cite(PIPE_041);
            }
            return self.wait(k, task, cx);
        };

        if result.as_ref().is_ok_and(|d| !d.is_empty()) {
            k.touch(self.pipe, false);
        }
        if taken.made_room {
            cx.cite(PIPE_099);
            k.wake_one(self.pipe, Side::Writers, cx);
        }
        if self.slept && left {
            cx.cite(PIPE_098);
            k.wake_one(self.pipe, Side::Readers, cx);
        }
        k.tell_owners(self.pipe, Side::Writers, cx);
        if self.slept && k.files.get(self.file).descriptors == 0 {
            cx.cite(FD_010);
            cx.cite(PIPE_046);
        }
        k.unhold(self.file, cx);
        Progress::Done(result.map_or_else(Value::Error, Value::Data))
    }

    /// Sleeps for data, at the tail of the queue.
    fn wait(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if k.signal_pending(task) {
            let queue = &mut k.pipes.get_mut(self.pipe).read_queue;
            queue.leave(task);
            if !queue.waiters().is_empty() {
                cx.cite(PIPE_101);
            }
            cx.cite(if k.handler_pending(task) {
                PIPE_104
            } else {
                PIPE_107
            });
            k.unhold(self.file, cx);
            return Progress::Restart(Restart::UnlessHandler);
        }
        k.pipes.get_mut(self.pipe).read_queue.join(task, How::Alone);
        Progress::Sleep(Op::Read(self))
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        k.pipes.get_mut(self.pipe).read_queue.leave(task);
        k.unhold(self.file, cx);
    }
}

/// A write through a description that is open for writing on a pipe.
pub fn begin_write(
    k: &mut Kernel,
    task: TaskId,
    file: ObjId,
    source: Buffer,
    rwf: u64,
    cx: &mut Cx,
) -> Progress {
    let pipe = k
        .files
        .get(file)
        .pipe()
        .expect("the caller has seen a pipe");
    if source.outside {
        cx.cite(PIPE_056);
        return Progress::Done(Errno::EFAULT.into());
    }
    if source.count > i64::MAX as u64 {
        cx.cite(PIPE_042);
        return Progress::Done(Errno::EFAULT.into());
    }
    if source.count == 0 {
        cx.cite(PIPE_048);
        cx.cite(PIPE_038);
        if k.files.get(file).flags & O_DIRECT != 0 {
            cx.cite(FD_045);
        }
        return Progress::Done(Value::ZERO);
    }
    if source.count > MAX_RW_COUNT {
        cx.cite(PIPE_121);
    }
    let source = Buffer {
        count: source.count.min(MAX_RW_COUNT),
        ..source
    };
    k.hold(file);
    let mut op = WriteOp {
        file,
        pipe,
        source,
        done: 0,
        was_empty: false,
        slept: false,
        nowait: rwf & RWF_NOWAIT != 0,
        nosignal: rwf & RWF_NOSIGNAL != 0,
    };
    if k.pipes.get(pipe).readers == 0 {
        return op.broken(k, task, cx);
    }
    cx.cite(PIPE_120);
    let p = k.pipes.get_mut(pipe);
    op.was_empty = p.ring.is_empty();
    let full = p.ring.is_full();
    let merged = p.ring.merge(op.source(), &mut cx.clauses);
    op.done = merged.bytes;
    if full && merged.bytes > 0 && !p.write_queue.waiters().is_empty() {
        cx.cite(PIPE_082);
    }
    if merged.faulted {
        cx.cite(PIPE_056);
        return op.end(k, Err(Errno::EFAULT), cx);
    }
    if merged.bytes > 0 && k.files.get(file).flags & O_DIRECT != 0 {
        cx.cite(FD_050);
    }
    op.run(k, task, cx)
}

impl WriteOp {
    /// The pipe it writes.
    pub(crate) fn pipe(&self) -> ObjId {
        self.pipe
    }

    fn source(&self) -> Source<'_> {
        Source {
            valid: &self.source.valid,
            count: self.source.count as usize,
        }
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let disturbed = k.signal_pending(task);
        let p = k.pipes.get_mut(self.pipe);
        let writable = !p.ring.is_full() || p.readers == 0;
        if !writable && !disturbed {
            cx.cite(PIPE_122);
            p.write_queue.join(task, How::Alone);
            return Progress::Sleep(Op::Write(self));
        }
        p.write_queue.leave(task);
        self.was_empty = p.ring.is_empty();
        self.slept = true;
        self.run(k, task, cx)
    }

    /// There is no reader (any more).
    fn broken(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if self.nosignal {
            cx.cite(PIPE_053);
        } else {
            cx.cite(PIPE_049);
            k.send_sigpipe(task, cx);
        }
        if self.slept {
            cx.cite(if self.done == 0 { PIPE_054 } else { PIPE_055 });
        }
        let result = if self.done > 0 {
            Ok(self.done)
        } else {
            Err(Errno::EPIPE)
        };
        self.end(k, result, cx)
    }

    fn run(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let file = k.files.get(self.file);
        let packet = file.flags & O_DIRECT != 0;
        let nonblocking = self.nowait || file.nonblocking();
        let p = k.pipes.get_mut(self.pipe);
        if p.readers == 0 {
            return self.broken(k, task, cx);
        }
        let stored = p
            .ring
            .append(self.source(), self.done, packet, &mut cx.clauses);
        self.done += stored.bytes;
        let (count, done) = (self.source.count as usize, self.done);
        if stored.faulted {
            cx.cite(if done == 0 { PIPE_057 } else { PIPE_058 });
            let result = if done > 0 {
                Ok(done)
            } else {
                Err(Errno::EFAULT)
            };
            return self.end(k, result, cx);
        }
        if done == count {
            cx.cite(PIPE_118);
            cx.cite(PIPE_068);
            if count <= super::PIPE_BUF {
                cx.cite(PIPE_062);
                cx.cite(PIPE_063);
            } else {
                cx.cite(PIPE_065);
            }
            if nonblocking {
                cx.cite(if count <= super::PIPE_BUF {
                    PIPE_064
                } else {
                    PIPE_066
                });
            } else {
                cx.cite(PIPE_047);
            }
            return self.end(k, Ok(done), cx);
        }
        // The ring is full.
        if self.nowait {
            cx.cite(PIPE_061);
        }
        if nonblocking {
            cx.cite(PIPE_109);
            if self.slept {
                cx.cite(PIPE_045);
            }
            return if done == 0 {
                cx.cite(if count <= PAGE { PIPE_064 } else { PIPE_066 });
                if self.source().valid.len() < count {
                    cx.cite(PIPE_056);
                }
                let p = k.pipes.get(self.pipe);
                if p.ring.buffered() + count <= p.ring.limit() * PAGE {
                    cx.cite(PIPE_077);
                }
                if p.ring.limit() == DEFAULT_SLOTS && count <= PAGE {
                    cx.cite(PIPE_078);
                }
                if packet {
                    cx.cite(FD_048);
                }
                self.end(k, Err(Errno::EAGAIN), cx)
            } else {
                cx.cite(PIPE_066);
                cx.cite(PIPE_067);
                cx.cite(if done < PAGE { PIPE_080 } else { PIPE_081 });
                if packet {
                    cx.cite(FD_048);
                }
                self.end(k, Ok(done), cx)
            };
        }
        if k.signal_pending(task) {
            let handler = k.handler_pending(task);
            if done > 0 {
                cx.cite(if handler { PIPE_106 } else { PIPE_108 });
                return self.end(k, Ok(done), cx);
            }
            cx.cite(if handler { PIPE_104 } else { PIPE_107 });
            if !k.pipes.get(self.pipe).write_queue.waiters().is_empty() {
                cx.cite(PIPE_101);
            }
            self.wake(k, cx);
            k.unhold(self.file, cx);
            return Progress::Restart(Restart::UnlessHandler);
        }
        cx.cite(PIPE_047);
        if count > super::PIPE_BUF {
            cx.cite(PIPE_065);
            if self.slept {
                cx.cite(PIPE_100);
            }
        } else {
            cx.cite(PIPE_063);
        }
        if self.was_empty {
            k.wake_one(self.pipe, Side::Readers, cx);
        }
        k.tell_owners(self.pipe, Side::Readers, cx);
        k.pipes
            .get_mut(self.pipe)
            .write_queue
            .join(task, How::Alone);
        Progress::Sleep(Op::Write(self))
    }

    /// Wakes whom the end of this call wakes.
    fn wake(&self, k: &mut Kernel, cx: &mut Cx) {
        let p = k.pipes.get(self.pipe);
        let (full, polled) = (p.ring.is_full(), p.polled);
        if self.was_empty || polled {
            cx.cite(if self.was_empty { PIPE_096 } else { PIPE_123 });
            if self.done > 0 && k.pipes.get(self.pipe).read_queue.waiters().len() > 1 {
                cx.cite(PIPE_097);
            }
            k.wake_one(self.pipe, Side::Readers, cx);
        } else {
            cx.cite(PIPE_123);
        }
        k.tell_owners(self.pipe, Side::Readers, cx);
        if self.slept && !full {
            cx.cite(PIPE_099);
            k.wake_one(self.pipe, Side::Writers, cx);
        }
    }

    fn end(self, k: &mut Kernel, result: Result<usize, Errno>, cx: &mut Cx) -> Progress {
        if result.is_err() && !self.was_empty && k.pipes.get(self.pipe).polled {
            cx.cite(READY_060);
        }
        self.wake(k, cx);
        if self.slept && k.files.get(self.file).descriptors == 0 {
            cx.cite(FD_010);
        }
        if result.is_ok() {
            k.touch(self.pipe, true);
        }
        k.unhold(self.file, cx);
        Progress::Done(result.map_or_else(Value::Error, |n| Value::Int(n as i64)))
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        let full = {
            let p = k.pipes.get_mut(self.pipe);
            p.write_queue.leave(task);
            p.ring.is_full()
        };
        // It runs once more on its way out, and passes a free slot on.
        if !full {
            k.wake_one(self.pipe, Side::Writers, cx);
        }
        k.unhold(self.file, cx);
    }
}
