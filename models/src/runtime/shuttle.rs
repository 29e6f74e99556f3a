//! shuttle: schedules drawn at random, by priorities (PCT), or depth first.
//!
//! What it cannot see:
//!
//! - It samples. What it has not met in so many schedules may still be there; only `Dfs` that
//!   ends by itself is exhaustive, and it has no reduction, so it ends only for the smallest.
//! - Atomics are sequentially consistent: a missing `Release` is invisible to it.
//! - Condition variables never wake for nothing.

use super::runtime;
use ::shuttle::rand::Rng;
use ::shuttle::thread;
use ::std::io;
use ::std::sync::PoisonError;

/// Threads of shuttle.
#[derive(Clone, Copy, Debug)]
pub struct Shuttle;

runtime!(
    Shuttle,
    choose: |n| Some(::shuttle::rand::thread_rng().gen_range(0..n.max(1))),
    recorded: Some(crate::engine::recorded())
);

mod lib {
    pub use ::shuttle::sync::atomic::AtomicUsize as Word;
    pub use ::shuttle::sync::{Condvar, Mutex, MutexGuard};
    use ::shuttle::thread;
    use ::std::io;

    #[track_caller]
    pub fn spawn(
        builder: thread::Builder,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        builder.spawn(body)
    }

    pub fn join(thread: thread::JoinHandle<()>) {
        // A thread that panicked has told its engine, which ends the run.
        let _ = thread.join();
    }
}
