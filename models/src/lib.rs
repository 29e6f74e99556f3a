//! The kernel of Lockstep as threads: scenarios and wake-up protocols under loom, shuttle and std.
//!
//! The pure kernel (`sim`) explores schedules by copying states. Here the same scenarios run as
//! threads that really block, under engines that know nothing of the kernel, only of locks and
//! condition variables. What both find must be the same.
//!
//! | question | look at |
//! |---|---|
//! | How do I run a scenario under loom, shuttle, std? | [`loom()`], [`shuttle()`], [`std_threads()`] |
//! | What comes out? | [`ModelRun`], [`ModelError`] |
//! | What can each engine not see? | [`runtime::loom`], [`runtime::shuttle`], [`runtime::std`] |
//! | How does a scenario become threads? | [`shell`] |
//! | How does a kernel really do it: locks, wait queues, wake-ups? | [`protocol`]: [`wait`], [`signal`], [`pipe`], [`fifo`], [`handoff`], [`posix_mq`], [`sysv_msg`] |
//!
//! ```
//! let text = "\
//! test pipe/one-byte
//! \"A byte goes through a pipe.\"
//!
//! setup
//!   pipe() = [r, w]
//!
//! process writer
//!   write(w, \"a\") = 1
//!
//! process reader
//!   read(r, 1) = got
//!
//! always got == \"a\"
//! ";
//! let program = &scenario::load("one-byte.ipc", text).expect("it is a scenario")[0];
//! let run = models::loom(program, Default::default(), &Default::default()).expect("it fits loom");
//! assert!(run.complete);
//! assert_eq!(run.outcomes.len(), 1);
//! ```

#![forbid(unsafe_code)]

mod engine;
pub mod fifo;
pub mod handoff;
pub mod pipe;
pub mod posix_mq;
pub mod protocol;
mod report;
pub mod runtime;
pub mod shell;
pub mod signal;
pub mod sysv_msg;
pub mod wait;

pub use engine::{LoomOptions, ShuttleOptions, Strategy};
pub use report::{ModelError, ModelRun, Witness};
pub use shell::{loom, shuttle, std_threads};
