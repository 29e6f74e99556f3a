//! The pure kernel of Lockstep, and what needs only it.
//!
//! | question | look at |
//! |---|---|
//! | What does the kernel do? | [`kernel`], and one module a mechanism: [`pipe`], [`fifo`], [`fd`], [`poll`], [`posix_mq`], [`signal`], [`sysv_msg`], [`process`] |
//! | What says that it does so? | [`clauses`]: every rule cites a clause of the catalogue |
//! | How does a scenario run on it? | [`System`] |
//! | What can come of it? | [`explore()`]; one run: [`simulate()`], [`replay()`] |
//! | Does it explain what a real kernel did? | [`Oracle`], [`orderings`] |
//!
//! Nothing here touches the operating system: no I/O, no clock, no threads, no randomness but that
//! of a seed that the caller gives.

#![forbid(unsafe_code)]

pub mod clauses;
pub mod epoll;
pub mod eventfd;
pub mod explore;
pub mod fd;
pub mod fifo;
pub mod fingerprint;
pub mod kernel;
mod oracle;
mod orderings;
pub mod pipe;
pub mod poll;
pub mod posix_mq;
pub mod process;
pub mod quiet;
pub mod select;
pub mod signal;
pub mod simulate;
pub mod sysctl;
mod system;
pub mod sysv_msg;
pub mod terminal;

pub use clauses::clause;
pub use explore::{Certain, ExploreOptions, Explored, certain, explore, explore_naive};
pub use oracle::{Allowed, Divergence, Oracle};
pub use orderings::{Cover, OrderingLimits, Orderings, orderings};
pub use simulate::{ReplayError, Replayed, Simulated, replay, simulate};
pub use system::{SetupError, System, Taken};
