//! Pipes as Linux has them: a mutex around the ring and the counts, two wait queues beside it.
//!
//! The ring is the pure kernel's ([`sim::pipe::Ring`]). What is new is all that happens while the
//! mutex is *not* held. A reader that finds nothing drops it, waits in the readers' queue, and takes
//! it again; a writer that has stored its bytes drops it and only then wakes a reader:
//!
//! ```text
//! reader 1   lock  empty  unlock  join queue  still empty?  sleep ············ lock  "a"  unlock
//! reader 2       lock  empty  unlock  join queue  still empty?  sleep ···················· (sleeps on)
//! writer                                       lock  store "a"  unlock  wake one
//! ```
//!
//! A wake-up is for one, so whoever was woken and leaves something over passes it on: a reader that
//! leaves bytes wakes the next reader, a writer that leaves a free slot the next writer. The last
//! one of a side to close wakes everyone on both.

use crate::protocol::{Fault, Left, World};
use crate::runtime::Runtime;
use crate::wait::WaitQueue;
use scenario::{Data, Errno, TaskId};
use sim::kernel::{Clauses, Restart};
use sim::pipe::{Buffer, Ring, Source};
use std::sync::Arc;

/// A pipe or FIFO.
pub(crate) struct Pipe<R: Runtime> {
    pub inner: R::Mutex<Inner>,
    /// Readers, and openers of either kind.
    pub read_queue: WaitQueue<R>,
    /// Writers.
    pub write_queue: WaitQueue<R>,
}

/// What the mutex holds.
pub(crate) struct Inner {
    pub ring: Ring,
    /// Descriptions open for reading, for writing.
    pub readers: u32,
    pub writers: u32,
    /// How often it was opened so: what an opener waits to see move.
    pub reader_opens: u32,
    pub writer_opens: u32,
}

/// What a task sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Bytes, or the end of the last writer.
    Readable,
    /// A free slot, or the end of the last reader.
    Writable,
    /// Another open for reading than the last one seen.
    Reader(u32),
    /// Another open for writing.
    Writer(u32),
}

impl Inner {
    /// Whether what a task sleeps for is there.
    pub fn has(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Readable => !self.ring.is_empty() || self.writers == 0,
            Wanted::Writable => !self.ring.is_full() || self.readers == 0,
            Wanted::Reader(seen) => self.reader_opens != seen,
            Wanted::Writer(seen) => self.writer_opens != seen,
        }
    }
}

/// How a write ends.
pub(crate) enum Written {
    Done(usize),
    Again,
    /// Nobody reads: SIGPIPE.
    Broken,
}

impl<R: Runtime> Pipe<R> {
    pub fn new(inner: Inner) -> Pipe<R> {
        Pipe {
            inner: R::mutex(inner),
            read_queue: WaitQueue::new(),
            write_queue: WaitQueue::new(),
        }
    }

    pub fn has(&self, wanted: Wanted) -> bool {
        R::lock(&self.inner).has(wanted)
    }

    /// Notes what a task is about to sleep for.
    pub fn waits(self: &Arc<Self>, world: &World<R>, task: TaskId, wanted: Wanted) {
        let pipe = self.clone();
        world.waits(task, move || pipe.has(wanted));
    }

    /// `anon_pipe_read`.
    pub fn read(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        count: usize,
        nonblocking: bool,
    ) -> Result<Result<Data, Errno>, Left> {
        let mut waited = false;
        let mut pipe = R::lock(&self.inner);
        let taken = loop {
            let taken = pipe.ring.read(count, count, &mut Clauses::default());
            if !taken.data.is_empty() || pipe.writers == 0 {
                break taken;
            }
            if nonblocking {
                return Ok(Err(Errno::EAGAIN));
            }
            if waited && world.fault == Some(Fault::IfForWhile) {
                break taken;
            }
            drop(pipe);
            let wanted = Wanted::Readable;
            self.waits(world, task, wanted);
            self.read_queue
                .wait_event(world, task, || self.has(wanted))?;
            waited = true;
            pipe = R::lock(&self.inner);
        };
        let left = !pipe.ring.is_empty();
        let empty = !left;
        drop(pipe);
        let wake_writer = match world.fault {
            Some(Fault::RoomOnlyWhenEmpty) => empty && !taken.data.is_empty(),
            _ => taken.made_room,
        };
        if wake_writer {
            self.write_queue.wake_one(world);
        }
        if waited && left && world.fault != Some(Fault::ReaderKeepsWakeUp) {
            self.read_queue.wake_one(world);
        }
        Ok(Ok(taken.data))
    }

    /// `anon_pipe_write`.
    pub fn write(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        data: &Data,
        nonblocking: bool,
    ) -> Result<Written, Left> {
        let buffer = Buffer::new(data.clone());
        let source = Source {
            valid: &buffer.valid,
            count: data.len(),
        };
        let clauses = &mut Clauses::default();
        if world.fault == Some(Fault::WakeBeforeStore) {
            self.read_queue.wake_one(world);
        }
        let mut pipe = R::lock(&self.inner);
        if pipe.readers == 0 {
            return Ok(Written::Broken);
        }
        let mut was_empty = pipe.ring.is_empty();
        let mut waited = false;
        let mut done = pipe.ring.merge(source, clauses).bytes;
        let result = loop {
            if pipe.readers == 0 {
                break Written::Broken;
            }
            done += pipe.ring.append(source, done, false, clauses).bytes;
            if done == data.len() {
                break Written::Done(done);
            }
            if nonblocking {
                break match done {
                    0 => Written::Again,
                    n => Written::Done(n),
                };
            }
            if world.signal_pending(task) {
                match done {
                    0 => return Err(Left::Disturbed(Restart::UnlessHandler)),
                    n => break Written::Done(n),
                }
            }
            drop(pipe);
            if was_empty {
                self.wake_reader(world);
            }
            let wanted = Wanted::Writable;
            self.waits(world, task, wanted);
            let slept = self
                .write_queue
                .wait_event(world, task, || self.has(wanted));
            // A signal is looked for when there is still no room.
            if let Err(Left::Stuck) = slept {
                return Err(Left::Stuck);
            }
            waited = true;
            pipe = R::lock(&self.inner);
            was_empty = pipe.ring.is_empty();
        };
        let room = !pipe.ring.is_full();
        drop(pipe);
        if was_empty {
            self.wake_reader(world);
        }
        if waited && room && world.fault != Some(Fault::WriterKeepsWakeUp) {
            self.write_queue.wake_one(world);
        }
        Ok(result)
    }

    fn wake_reader(&self, world: &World<R>) {
        if world.fault != Some(Fault::WakeBeforeStore) {
            self.read_queue.wake_one(world);
        }
    }

    /// `pipe_release`: a description that was open so is gone.
    pub fn release(&self, world: &World<R>, reader: bool, writer: bool) {
        self.release_locked(world, &mut R::lock(&self.inner), reader, writer);
    }

    /// The same, by who holds the mutex already. As on Linux, it is held while others are woken.
    pub fn release_locked(&self, world: &World<R>, pipe: &mut Inner, reader: bool, writer: bool) {
        pipe.readers -= u32::from(reader);
        pipe.writers -= u32::from(writer);
        match (pipe.readers, pipe.writers) {
            (0, 0) => pipe.ring = Ring::new(pipe.ring.limit()),
            (0, _) | (_, 0) => {
                self.read_queue.wake_all(world);
                self.write_queue.wake_all(world);
            }
            _ => {}
        }
    }
}
