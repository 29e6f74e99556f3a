//! loom: every schedule, up to those that differ only in the order of independent steps.
//!
//! What it cannot see:
//!
//! - At most five threads, the one that starts the others among them.
//! - With a bound on preemptions, schedules with more of them. Without one it is exhaustive on
//!   locks and condition variables, but not on atomics: its reduction remembers only the last
//!   access to each. Here each word has a condition variable that nobody waits for and every access
//!   notifies, so that the reduction takes all accesses for dependent.
//! - Condition variables never wake for nothing, and wake in the order of arrival.
//! - It has no choice of its own to offer: what depends on a choice of the kernel's is skipped.
//! - It stops at its limits without saying so; [`crate::loom()`] notices and says *incomplete*.
//!
//! Left to itself loom explores the same order of locks many times over: it has no sleep sets, and each
//! start of a thread, each wait, each notification and each join is one more point at which any thread
//! may come first. Three things done here take those points away and no order of locks with them:
//! condition variables are threads that park under the lock that goes with them; a thread's first lock
//! after its start or its sleep is one point with the start; and nobody joins. Two readers and a
//! writer that closes were 31,320 executions, and are 828: as many as there are schedules. That none is
//! missing is a test, which counts them on the pure kernel.

use super::runtime;
use ::loom::thread;
use ::std::io;
use ::std::sync::PoisonError;

/// Threads of loom.
#[derive(Clone, Copy, Debug)]
pub struct Loom;

/// The most threads loom has, the one that starts the others among them.
pub const MOST_THREADS: usize = ::loom::MAX_THREADS;

runtime!(Loom, choose: |_| None, recorded: None);

/// What stands for `std::sync`: loom's lock, and a condition variable of threads that park.
///
/// loom's own condition variable makes every wait and every notification one more point at which
/// any thread may come first. Here all of them happen under the lock that goes with the variable,
/// which has settled their order already, so that such points add executions and no outcome.
mod lib {
    use ::loom::sync as loom;
    use ::loom::thread::{self, Thread};
    use ::std::cell::Cell;
    use ::std::collections::VecDeque;
    use ::std::io;
    use ::std::ops::{Deref, DerefMut};
    use ::std::sync::atomic::{AtomicBool, Ordering};
    use ::std::sync::{LockResult, PoisonError};

    ::std::thread_local! {
        /// The thread that runs has just been started, and has done nothing that loom saw.
        static STARTED: Cell<bool> = const { Cell::new(false) };
    }

    pub fn spawn(
        builder: thread::Builder,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        builder.spawn(move || {
            STARTED.set(true);
            body();
            STARTED.set(false);
        })
    }

    /// loom ends an execution only when all its threads have ended. To wait for them once more
    /// would make the order of their ends one more thing to explore.
    pub fn join(thread: thread::JoinHandle<()>) {
        drop(thread);
    }

    pub struct Mutex<T> {
        mutex: loom::Mutex<T>,
        held: AtomicBool,
    }

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Mutex<T> {
            Mutex {
                mutex: loom::Mutex::new(value),
                held: AtomicBool::new(false),
            }
        }

        #[track_caller]
        pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            match STARTED.replace(false) {
                true => self.first_lock(),
                false => Ok(self.plain_lock()),
            }
        }

        #[track_caller]
        fn plain_lock(&self) -> MutexGuard<'_, T> {
            let guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
            self.held.store(true, Ordering::Relaxed);
            MutexGuard { mutex: self, guard }
        }

        /// Takes the lock as the first step of a thread that loom has just started or let go on.
        ///
        /// Such a thread does nothing before it takes its lock, so the point at which loom chose it
        /// is the point at which the lock is fought for. Left to itself loom would choose among all
        /// threads twice, and explore every order twice.
        #[track_caller]
        fn first_lock(&self) -> LockResult<MutexGuard<'_, T>> {
            if self.held.load(Ordering::Relaxed) {
                // It has to wait, and what others do meanwhile is to be explored.
                return Ok(self.plain_lock());
            }
            ::loom::stop_exploring();
            let guard = self.plain_lock();
            ::loom::explore();
            Ok(guard)
        }
    }

    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        guard: loom::MutexGuard<'a, T>,
    }

    impl<T> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            self.mutex.held.store(false, Ordering::Relaxed);
        }
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
            mutex.first_lock()
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

    /// An atomic, and what makes loom take every two accesses to it for dependent: it says nothing of
    /// the order of memory.
    pub struct Word {
        value: loom::atomic::AtomicUsize,
        touched: loom::Condvar,
    }

    impl Word {
        pub fn new(value: usize) -> Word {
            Word {
                value: loom::atomic::AtomicUsize::new(value),
                touched: loom::Condvar::new(),
            }
        }

        #[track_caller]
        pub fn load(&self, order: Ordering) -> usize {
            self.touched.notify_all();
            self.value.load(order)
        }

        #[track_caller]
        pub fn store(&self, value: usize, order: Ordering) {
            self.touched.notify_all();
            self.value.store(value, order);
        }
    }
}
