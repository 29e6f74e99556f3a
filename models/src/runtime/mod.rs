//! What a threaded kernel needs of the machine below it: a mutex, a condition variable, a word that is
//! shared without a lock, threads.
//!
//! [`Runtime`] is implemented three times by one macro, because loom, shuttle and std share their
//! paths. Everything in this crate that blocks is generic over it, so that one text runs under
//! all three.

pub mod loom;
pub mod shuttle;
pub mod std;

use ::std::io;
use ::std::ops::DerefMut;
use ::std::sync::atomic::Ordering;

/// The machine below a threaded kernel.
///
/// Locks are never poisoned for their users: nothing here panics while it holds one.
pub trait Runtime: Sized + 'static {
    /// A lock around a value.
    type Mutex<T: Send + 'static>: Send + Sync;
    /// The lock, held.
    type Guard<'a, T: Send + 'static>: DerefMut<Target = T>;
    /// A condition variable.
    type Condvar: Send + Sync;
    /// A word that threads share without a lock.
    type Word: Send + Sync;
    /// A thread to be joined.
    type Thread: Send;

    /// A new lock.
    fn mutex<T: Send + 'static>(value: T) -> Self::Mutex<T>;
    /// Takes a lock.
    #[track_caller]
    fn lock<T: Send + 'static>(mutex: &Self::Mutex<T>) -> Self::Guard<'_, T>;
    /// A new condition variable.
    fn condvar() -> Self::Condvar;
    /// Drops the lock, sleeps until it is notified, takes the lock again. It may wake for nothing.
    #[track_caller]
    fn wait<'a, T: Send + 'static>(
        condvar: &Self::Condvar,
        guard: Self::Guard<'a, T>,
    ) -> Self::Guard<'a, T>;
    /// Wakes one thread that waits. The caller holds the lock that goes with it.
    #[track_caller]
    fn notify_one(condvar: &Self::Condvar);
    /// Wakes all threads that wait. The caller holds the lock that goes with them.
    #[track_caller]
    fn notify_all(condvar: &Self::Condvar);
    /// A new word.
    fn word(value: usize) -> Self::Word;
    /// Reads a word.
    #[track_caller]
    fn load(word: &Self::Word, order: Ordering) -> usize;
    /// Writes a word.
    #[track_caller]
    fn store(word: &Self::Word, value: usize, order: Ordering);
    /// Starts a thread.
    ///
    /// # Errors
    /// When the operating system has none to give; only std asks it.
    #[track_caller]
    fn spawn(body: impl FnOnce() + Send + 'static) -> io::Result<Self::Thread>;
    /// Waits for a thread to end, at the end of an execution.
    #[track_caller]
    fn join(thread: Self::Thread);
    /// Lets others go first.
    #[track_caller]
    fn yield_now();
    /// Chooses one of `n` alternatives, or `None` where the engine has no such choice.
    fn choose(n: usize) -> Option<usize>;
    /// The engine's own schedule of this execution so far, if it can be replayed.
    fn recorded() -> Option<String>;
}

/// Bytes of stack for each thread: the kernel's rules run on it, and what loom gives by default
/// (32 KiB) leaves little room.
pub(crate) const STACK: usize = 1 << 18;

/// Implements [`Runtime`] for a library that has `sync` (as `lib`) and `thread` as std has.
macro_rules! runtime {
    ($name:ident, choose: $choose:expr, recorded: $recorded:expr) => {
        impl $crate::runtime::Runtime for $name {
            type Mutex<T: Send + 'static> = lib::Mutex<T>;
            type Guard<'a, T: Send + 'static> = lib::MutexGuard<'a, T>;
            type Condvar = lib::Condvar;
            type Word = lib::Word;
            type Thread = thread::JoinHandle<()>;

            fn mutex<T: Send + 'static>(value: T) -> lib::Mutex<T> {
                lib::Mutex::new(value)
            }

            #[track_caller]
            fn lock<T: Send + 'static>(mutex: &Self::Mutex<T>) -> Self::Guard<'_, T> {
                mutex.lock().unwrap_or_else(PoisonError::into_inner)
            }

            fn condvar() -> lib::Condvar {
                lib::Condvar::new()
            }

            #[track_caller]
            fn wait<'a, T: Send + 'static>(
                condvar: &lib::Condvar,
                guard: Self::Guard<'a, T>,
            ) -> Self::Guard<'a, T> {
                condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
            }

            #[track_caller]
            fn notify_one(condvar: &lib::Condvar) {
                condvar.notify_one();
            }

            #[track_caller]
            fn notify_all(condvar: &lib::Condvar) {
                condvar.notify_all();
            }

            fn word(value: usize) -> lib::Word {
                lib::Word::new(value)
            }

            #[track_caller]
            fn load(word: &lib::Word, order: ::std::sync::atomic::Ordering) -> usize {
                word.load(order)
            }

            #[track_caller]
            fn store(word: &lib::Word, value: usize, order: ::std::sync::atomic::Ordering) {
                word.store(value, order);
            }

            #[track_caller]
            fn spawn(body: impl FnOnce() + Send + 'static) -> io::Result<Self::Thread> {
                lib::spawn(
                    thread::Builder::new().stack_size($crate::runtime::STACK),
                    body,
                )
            }

            fn join(thread: Self::Thread) {
                lib::join(thread);
            }

            #[track_caller]
            fn yield_now() {
                thread::yield_now();
            }

            fn choose(n: usize) -> Option<usize> {
                let choose: fn(usize) -> Option<usize> = $choose;
                choose(n)
            }

            fn recorded() -> Option<String> {
                $recorded
            }
        }
    };
}
use runtime;
