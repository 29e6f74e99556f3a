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
use ::loom::sync as lib;
use ::loom::thread;
use ::std::io;
use ::std::sync::PoisonError;

/// Threads of loom.
#[derive(Clone, Copy, Debug)]
pub struct Loom;

/// The most threads loom has, the one that starts the others among them.
pub const MOST_THREADS: usize = ::loom::MAX_THREADS;

runtime!(Loom, choose: |_| None, recorded: None);
