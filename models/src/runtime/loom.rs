//! loom: every schedule, up to those that differ only in the order of independent steps.
//!
//! What it cannot see:
//!
//! - At most five threads, the one that starts the others among them.
//! - With a bound on preemptions, schedules with more of them. Without one it is exhaustive on
//!   locks and condition variables, but not on atomics: its reduction remembers only the last
//!   access to each. Nothing here uses atomics under loom.
//! - Condition variables never wake for nothing, and wake in the order of arrival.
//! - It has no choice of its own to offer: what depends on a choice of the kernel's is skipped.
//! - It stops at its limits without saying so; [`crate::loom()`] notices and says *incomplete*.

use super::runtime;
use ::loom::thread;
use ::std::io;
use ::std::sync::PoisonError;

/// Threads of loom.
#[derive(Clone, Copy, Debug)]
pub struct Loom;

/// The most threads loom has, the one that starts the others among them.
pub const MOST_THREADS: usize = ::loom::MAX_THREADS;

runtime!(
    Loom,
    choose: |_| None,
    recorded: None,
    #[track_caller]
    fn enter<T: Send + 'static>(mutex: &Self::Mutex<T>) -> Self::Guard<'_, T> {
        lib::joined_with_start(|| Self::lock(mutex))
    }
);

/// What stands for `std::sync`: loom's lock, and a condition variable of threads that park.
///
/// loom's own condition variable makes every wait and every notification one more point at which
/// any thread may come first. Here all of them happen under the lock that goes with the variable,
/// which has settled their order already, so that such points add executions and no outcome.
mod lib {
    use ::loom::sync as loom;
    use ::loom::thread::{self, Thread};
    use ::std::collections::VecDeque;
    use ::std::ops::{Deref, DerefMut};
    use ::std::sync::{LockResult, PoisonError};

    /// loom ends an execution only when all its threads have ended. To wait for them once more
    /// would make the order of their ends one more thing to explore.
    pub fn join(thread: thread::JoinHandle<()>) {
        drop(thread);
    }

    /// Does the first step of a thread that loom has just started or let go on.
    ///
    /// Such a thread does nothing before it takes its lock, so the point at which loom chose it is
    /// the point at which the lock is fought for. Left to itself loom would choose among all
    /// threads twice, and explore every order twice.
    #[track_caller]
    pub fn joined_with_start<T>(step: impl FnOnce() -> T) -> T {
        ::loom::stop_exploring();
        let result = step();
        ::loom::explore();
        result
    }

    pub struct Mutex<T>(loom::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Mutex<T> {
            Mutex(loom::Mutex::new(value))
        }

        #[track_caller]
        pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(MutexGuard { mutex: self, guard })
        }
    }

    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        guard: loom::MutexGuard<'a, T>,
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }

    /// loom does not see this lock; nobody ever waits for it.
    pub struct Condvar(::std::sync::Mutex<VecDeque<Thread>>);

    impl Condvar {
        pub fn new() -> Condvar {
            Condvar(::std::sync::Mutex::default())
        }

        fn waiting(&self) -> ::std::sync::MutexGuard<'_, VecDeque<Thread>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        #[track_caller]
        pub fn wait<'a, T>(&self, held: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
            let mutex = held.mutex;
            self.waiting().push_back(thread::current());
            // loom lets no other thread run between these two: it may when one parks, not when
            // one unlocks.
            drop(held);
            thread::park();
            joined_with_start(|| mutex.lock())
        }

        pub fn notify_one(&self) {
            let first = self.waiting().pop_front();
            if let Some(thread) = first {
                thread.unpark();
            }
        }

        pub fn notify_all(&self) {
            let all = ::std::mem::take(&mut *self.waiting());
            all.iter().for_each(Thread::unpark);
        }
    }
}
