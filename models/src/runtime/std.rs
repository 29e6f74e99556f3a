//! Plain threads of the operating system.
//!
//! What it cannot see: anything but the few schedules that this machine happened to take. It is
//! here because the text under test must run on real threads too, and because what breaks only
//! there (a lost wake-up of a real condition variable) breaks here.

use super::runtime;
use ::std::sync::PoisonError;
use ::std::{io, thread};

/// Threads of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct Std;

// A plain run has no source of choices; the first alternative is one of those allowed.
runtime!(Std, choose: |_| Some(0), recorded: None);

mod lib {
    use ::std::io;
    pub use ::std::sync::atomic::AtomicUsize as Word;
    pub use ::std::sync::{Condvar, Mutex, MutexGuard};
    use ::std::thread;

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
