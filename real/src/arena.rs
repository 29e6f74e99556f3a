//! Memory that the conductor and all workers see at the same address.
//!
//! Each task has a *slot*: its mailbox, the ring in which it posts what happens to it, its stack,
//! its operations and their buffers. Slots are large (address space is free, memory is only what
//! is touched), so that a read of two gigabytes has a buffer, and aligned to their size, so that a
//! signal handler finds its slot from its stack pointer.
//!
//! ```text
//! 0        mailbox (one page)
//! 64 KiB   ring
//! 1 MiB    the stack, which grows down from its end
//! 2 MiB    heap: operations, strings, buffers
//! 3 GiB    fault zones: 1 MiB of memory each, then a page that faults
//! 4 GiB    huge buffers: they start 16 MiB apart and reach over each other
//! 8 GiB    end
//! ```

use crate::raw;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, fence};
use std::time::Duration;

pub(crate) const SLOT: usize = 8 << 30;
const RING_AT: usize = 64 << 10;
const STACK_END: usize = HEAP_AT;
pub(crate) const HEAP_AT: usize = 2 << 20;
pub(crate) const HEAP_END: usize = 3 << 30;
const ZONE_AT: usize = 3 << 30;
/// Memory before the page that faults.
pub(crate) const ZONE_LEN: usize = 1 << 20;
const ZONE_STRIDE: usize = 2 << 20;
pub(crate) const ZONES: usize = 64;
const HUGE_AT: usize = 4 << 30;
/// Buffers above this size are huge: only their first bytes are told apart.
pub(crate) const HUGE: usize = 16 << 20;
pub(crate) const HUGES: usize = 100;

/// Where the mapping is wished to be: at 16 TiB of 128.
const LOW: usize = 16 << 40;

/// Tasks a program may have.
pub(crate) const MAX_TASKS: usize = 72;
/// Names a program may bind.
pub(crate) const MAX_VARS: usize = 4096;
/// Entries of a ring.
pub(crate) const RING: u32 = 16384;

/// `struct robust_list_head` with the one lock that a worker "holds": its own life. When the
/// worker dies, however it dies, the kernel sets [`libc::FUTEX_OWNER_DIED`] in `death`.
#[repr(C)]
pub(crate) struct Robust {
    pub first: usize,
    pub offset: i64,
    pub pending: usize,
    pub node: usize,
    pub death: AtomicU32,
}

/// A task's mailbox.
#[repr(C)]
pub(crate) struct Slot {
    /// Operations that the conductor allows: those before this index. The futex that an idle
    /// worker sleeps at.
    pub go: AtomicU32,
    /// Operations done. The worker is idle when it equals `go`, or `count`.
    pub done: AtomicU32,
    /// The task's id in the sandbox, stored by the kernel before the task runs.
    pub tid: AtomicI32,
    /// Its process's id.
    pub tgid: AtomicI32,
    /// Entries posted in the ring.
    pub posted: AtomicU32,
    /// See [`Robust`].
    pub robust: Robust,
    /// Operations in all.
    pub count: u32,
    /// Operations before the first statement of the program.
    pub prelude: u32,
    /// The operations.
    pub ops: usize,
    /// State of the small generator that varies a race; 0 for none.
    pub skew: u64,
    /// Whether the task waits at the gate before it begins.
    pub gated: bool,
    /// Tasks that wait there in all.
    pub gated_tasks: u32,
    /// The address of [`Globals`].
    pub globals: usize,
    /// Pages of the slot that fault: their addresses, so many.
    pub faults: usize,
    pub fault_count: usize,
}

/// What all tasks share.
#[repr(C)]
pub(crate) struct Globals {
    /// Orders what tasks post.
    pub ticket: AtomicU64,
    /// The gate at which the tasks of a race wait; open when not 0.
    pub gate: AtomicU32,
    /// Tasks that have come to the gate.
    pub arrived: AtomicU32,
    /// Tasks that have passed it.
    pub started: AtomicU32,
    /// Tasks that are about to exit.
    pub leaving: AtomicU32,
    /// Whether the conductor waits for news: only then are tasks to ring.
    pub listening: AtomicU32,
    /// Rung by who has posted something.
    pub bell: AtomicU32,
    /// Whether tasks of a race share one CPU, and give way instead of spinning.
    pub one_cpu: bool,
    /// Flags for `clone` besides the signal: `CLONE_VM` or none.
    pub share: u64,
    /// Flag for futexes: `FUTEX_PRIVATE_FLAG`, which is quicker, if all share their address space.
    pub private: u32,
    /// What each name holds, as a number.
    pub cells: [AtomicI64; MAX_VARS],
}

impl Globals {
    /// Tells the conductor, if it waits for news, that something was posted.
    pub fn ring(&self) {
        // What was posted before, and whether the conductor waits: one of the two sees the other.
        fence(SeqCst);
        if self.listening.load(Relaxed) != 0 {
            self.bell.fetch_add(1, SeqCst);
            // SAFETY: the word lies in the arena.
            unsafe { raw::futex_wake(self.bell.as_ptr(), self.private, 1) };
        }
    }

    /// The conductor listens for the bell, until it drops what this gives.
    pub fn listen(&self) -> Listening<'_> {
        self.listening.store(1, SeqCst);
        fence(SeqCst);
        Listening(self)
    }
}

/// The conductor listens: what is posted from now on rings.
pub(crate) struct Listening<'a>(&'a Globals);

impl Listening<'_> {
    /// How often the bell has rung; asked before one looks at what may have been posted.
    pub fn heard(&self) -> u32 {
        self.0.bell.load(SeqCst)
    }

    /// Waits until the bell rings again, and for so long at most: who falls asleep or dies rings no
    /// bell.
    pub fn wait(&self, heard: u32, most: Duration) {
        let most = libc::timespec {
            tv_sec: most.as_secs() as libc::time_t,
            tv_nsec: most.subsec_nanos().into(),
        };
        // SAFETY: the word lies in the arena.
        unsafe { raw::futex_wait(self.0.bell.as_ptr(), self.0.private, heard, Some(&most)) };
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.listening.store(0, SeqCst);
    }
}

/// What an entry of a ring tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Posted {
    /// Operation `a` returned `b`.
    Returned,
    /// Signal `a` was handled; `b` is its code, `c` the sender's process id.
    Handled,
    /// Operation `a` is about to end the task with status `b`.
    Leaving,
}

/// An entry of a ring.
#[repr(C)]
pub(crate) struct Entry {
    /// 1 more than the entry's running number once it is complete.
    pub ready: AtomicU32,
    pub what: Posted,
    pub ticket: u64,
    pub a: i64,
    pub b: i64,
    pub c: i64,
}

/// The mapping. It is never unmapped: a sandbox process lives and dies with it.
#[derive(Clone, Copy)]
pub(crate) struct Arena {
    base: usize,
    /// Where the mapping begins, which need not be aligned.
    at: usize,
    /// The memory, for who has to map it anew.
    fd: i32,
}

/// The length of the mapping.
pub(crate) const LEN: usize = (MAX_TASKS + 2) * SLOT;

impl Arena {
    /// Maps it.
    pub fn new() -> Result<Arena, std::io::Error> {
        let len = LEN;
        // Low in the address space, if that is free: a count of many gigabytes is to stay within
        // the user's range behind any buffer.
        let hint = LOW as *mut libc::c_void;
        // SAFETY: a valid name; the descriptor is ours, and stays open.
        let fd = unsafe { libc::memfd_create(c"lockstep".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: no pointer is used.
        if fd < 0 || unsafe { libc::ftruncate(fd, len as i64) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a fresh mapping, wherever the kernel likes.
        let at = unsafe {
            libc::mmap(
                hint,
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                fd,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Arena {
            base: (at as usize).next_multiple_of(SLOT),
            at: at as usize,
            fd,
        })
    }

    /// The address of a task's slot.
    pub fn at(self, task: usize) -> usize {
        debug_assert!(task < MAX_TASKS);
        self.base + task * SLOT
    }

    /// Where it is mapped, and the file to map it from, by a name that other processes can open.
    pub fn source(self) -> (usize, String) {
        let path = format!("/proc/{}/fd/{}", std::process::id(), self.fd);
        (self.at, path)
    }

    /// A task's mailbox.
    pub fn slot(self, task: usize) -> &'static Slot {
        // SAFETY: the slot is mapped for good, zeroes are a valid mailbox, and what changes while
        // others look is atomic (the plain fields are written before the worker is made).
        unsafe { &*(self.at(task) as *const Slot) }
    }

    /// The plain fields of a task's mailbox, for writing.
    ///
    /// # Safety
    /// No worker may use the slot.
    pub unsafe fn slot_ptr(self, task: usize) -> *mut Slot {
        self.at(task) as *mut Slot
    }

    /// What all share.
    pub fn globals(self) -> &'static Globals {
        // SAFETY: as for the slots.
        unsafe { &*globals_of(self.base) }
    }

    /// Where a slot's heap begins.
    pub fn heap(self, task: usize) -> usize {
        self.at(task) + HEAP_AT
    }

    /// The page that faults in a zone of a slot.
    pub fn fault_page(self, task: usize, zone: usize) -> usize {
        self.at(task) + ZONE_AT + zone * ZONE_STRIDE + ZONE_LEN
    }

    /// The start of a huge buffer.
    pub fn huge(self, task: usize, nth: usize) -> usize {
        self.at(task) + HUGE_AT + nth * HUGE
    }
}

/// What all share lies in the slot after the last; slots know their number from `base`.
fn globals_of(base: usize) -> *const Globals {
    (base + MAX_TASKS * SLOT) as *const Globals
}

/// The end of the stack in a slot.
pub(crate) fn stack_of(slot: usize) -> usize {
    slot + STACK_END
}

/// The ring's entry of that running number.
pub(crate) fn entry_of(slot: usize, number: u32) -> *mut Entry {
    (slot + RING_AT + (number % RING) as usize * size_of::<Entry>()) as *mut Entry
}

const _: () = assert!(RING as usize * size_of::<Entry>() + RING_AT <= 1 << 20);
const _: () = assert!(size_of::<Slot>() <= 4096);
// The last huge buffer still has room for the greatest count that a call moves.
const _: () = assert!(HUGE_AT + HUGES * HUGE + (2 << 30) <= SLOT);
const _: () = assert!(ZONE_AT + ZONES * ZONE_STRIDE <= HUGE_AT);
