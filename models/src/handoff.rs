//! Handing something to a task that sleeps: the frame that it leaves for who serves it.
//!
//! A task that waits to be *served* leaves a frame in a list, under the lock of the object. Who
//! serves it takes the frame out of the list, puts into it what it gives, and marks it *ready*, all
//! under that lock; the wake-up comes when the lock is free again. The sleeper first looks at its
//! frame without any lock: once it is ready, nobody else will touch it, and the lock is not needed.
//!
//! ```text
//! receiver   lock  nothing  frame in the list  unlock  sleep ······················ ready?  take "a"
//! sender                            lock  frame out  give "a"  ready  unlock  wake
//! ```
//!
//! Three things follow, and each breaks if it is forgotten:
//!
//! * What is given is written before the mark, with *release*, and the mark read with *acquire*: a
//!   sleeper that a signal woke may look before the sender unlocks.
//! * The mark is the last that the server does with the frame: a sleeper that sees it returns, and the
//!   frame is gone. Whom to wake was read before.
//! * A sleeper that leaves for a signal looks once more under the lock: what was given to it meanwhile
//!   would be lost.

use crate::protocol::{Fault, Stuck, World};
use crate::runtime::Runtime;
use scenario::TaskId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A sleeper's frame: what it waits with, and what it is given.
///
/// On a kernel it lies on the sleeper's stack (`struct ext_wait_queue`, `struct msg_receiver`).
pub(crate) struct Frame<R: Runtime, T> {
    task: TaskId,
    /// [`EMPTY`] or [`READY`].
    state: R::Word,
    /// Where in `things` that stands which was given, counted from 1; 0 if nothing was. It has no order
    /// of its own: the mark's is what makes it visible.
    given: R::Word,
    /// Engines do not see this lock.
    things: Mutex<Vec<T>>,
    /// The sleeper has returned. Engines do not see it.
    gone: AtomicBool,
}

const EMPTY: usize = 0;
const READY: usize = 1;

/// The tasks to be woken when a lock is free again (`wake_q`).
#[derive(Default)]
pub(crate) struct WakeLater(Vec<TaskId>);

impl WakeLater {
    /// Adds a task.
    pub fn add(&mut self, task: TaskId) {
        self.0.push(task);
    }

    /// `wake_up_q`: wakes them, in the order in which they were added.
    pub fn wake<R: Runtime>(self, world: &World<R>) {
        for task in self.0 {
            world.try_to_wake(task);
        }
    }
}

impl<R: Runtime> World<R> {
    /// Says that the task is about to sleep, unlocks what it holds, and sleeps.
    pub fn unlock_and_sleep<T: Send + 'static>(
        &self,
        task: TaskId,
        held: R::Guard<'_, T>,
    ) -> Result<(), Stuck> {
        if self.fault == Some(Fault::SleepAfterUnlock) {
            drop(held);
            self.about_to_sleep(task);
        } else {
            self.about_to_sleep(task);
            drop(held);
        }
        self.schedule(task)
    }
}

impl<R: Runtime, T: Clone> Frame<R, T> {
    /// A frame in which nothing is yet.
    pub fn new(task: TaskId) -> Arc<Frame<R, T>> {
        Arc::new(Frame {
            task,
            state: R::word(EMPTY),
            given: R::word(0),
            things: Mutex::default(),
            gone: AtomicBool::new(false),
        })
    }

    /// Whose it is.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Puts something into the frame and marks it. The caller holds the object's lock, and has taken
    /// the frame out of its list.
    pub fn give(&self, world: &World<R>, thing: T, later: &mut WakeLater) {
        let late = world.fault == Some(Fault::FrameAfterReady);
        if !late {
            later.add(self.task);
        }
        let place = {
            let mut things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.push(thing);
            things.len()
        };
        let mark = || match world.fault {
            Some(Fault::ReadyWithoutRelease) => R::store(&self.state, READY, Ordering::Relaxed),
            _ => R::store(&self.state, READY, Ordering::Release),
        };
        if world.fault == Some(Fault::ReadyBeforeGiven) {
            mark();
            R::store(&self.given, place, Ordering::Relaxed);
        } else {
            R::store(&self.given, place, Ordering::Relaxed);
            mark();
        }
        if late {
            // Any read of the frame: others come first.
            R::load(&self.given, Ordering::Relaxed);
            if self.gone.load(Ordering::SeqCst) {
                world.breaks(self.task, "its frame is read after it has returned");
            }
            later.add(self.task);
        }
    }

    /// Whether it is marked, as its sleeper sees it.
    pub fn is_ready(&self) -> bool {
        R::load(&self.state, Ordering::Acquire) == READY
    }

    /// Takes what was given out of a frame that is ready. The sleeper returns with it.
    pub fn take(&self, world: &World<R>) -> Option<T> {
        let place = R::load(&self.given, Ordering::Relaxed);
        let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        let thing = place.checked_sub(1).and_then(|at| things.get(at)).cloned();
        if thing.is_none() {
            world.breaks(self.task, "its frame is ready, and there is nothing in it");
        }
        self.gone.store(true, Ordering::SeqCst);
        thing
    }
}
