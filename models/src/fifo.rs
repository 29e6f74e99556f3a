//! The rendezvous of a FIFO's openers as Linux has it.
//!
//! An opener counts itself, wakes everyone who waits for its kind, and, if nobody is there on the
//! other side, waits until the other side's *count of opens* moves. Not until the other side is there:
//! it may have come and gone before the opener wakes.
//!
//! ```text
//! reader   lock  readers 1, no writer  join queue  unlock  sleep ·················· lock  opens moved  unlock
//! writer                                   lock  writers 1, wake all, a reader is there  unlock   close
//! ```

use crate::pipe::{Pipe, Wanted};
use crate::protocol::{Fault, Left, World};
use crate::runtime::Runtime;
use scenario::{Errno, TaskId};
use sim::kernel::{How, Restart};
use std::sync::Arc;

/// How a FIFO is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub reads: bool,
    pub writes: bool,
    pub nonblocking: bool,
}

impl<R: Runtime> Pipe<R> {
    /// `fifo_open`.
    pub fn open(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        access: Access,
    ) -> Result<Result<(), Errno>, Left> {
        let mut pipe = R::lock(&self.inner);
        if access.writes && !access.reads && access.nonblocking && pipe.readers == 0 {
            return Ok(Err(Errno::ENXIO));
        }
        let first = access.reads && pipe.readers == 0 || access.writes && pipe.writers == 0;
        pipe.readers += u32::from(access.reads);
        pipe.writers += u32::from(access.writes);
        pipe.reader_opens += u32::from(access.reads);
        pipe.writer_opens += u32::from(access.writes);
        if first {
            self.read_queue.wake_all(world);
        }
        let partner = match (access.reads, access.writes) {
            (true, false) if pipe.writers == 0 => Wanted::Writer(pipe.writer_opens),
            (false, true) if pipe.readers == 0 => Wanted::Reader(pipe.reader_opens),
            _ => return Ok(Ok(())),
        };
        if access.nonblocking {
            return Ok(Ok(()));
        }
        // Asked of whoever is there now, the question is wrong for a partner that came and went.
        let met = |pipe: &crate::pipe::Inner| match (world.fault, partner) {
            (Some(Fault::PartnerMustStay), Wanted::Writer(_)) => pipe.writers > 0,
            (Some(Fault::PartnerMustStay), _) => pipe.readers > 0,
            _ => pipe.has(partner),
        };
        while !met(&pipe) {
            self.waits(world, task, partner);
            if world.fault != Some(Fault::UnlockThenJoin) {
                self.read_queue.prepare(world, task, How::Together);
            }
            drop(pipe);
            if world.fault == Some(Fault::UnlockThenJoin) {
                self.read_queue.prepare(world, task, How::Together);
            }
            world.schedule(task)?;
            self.read_queue.finish(world, task);
            pipe = R::lock(&self.inner);
            if !met(&pipe) && world.signal_pending(task) {
                // Not unlocked in between: who opens now would meet a partner that is about to leave.
                self.release_locked(world, &mut pipe, access.reads, access.writes);
                return Err(Left::Disturbed(Restart::UnlessHandler));
            }
        }
        Ok(Ok(()))
    }
}
