//! Litmus tests for kernel IPC.
//!
//! Placeholder for the crate page.

mod case;
mod check;
mod error;
mod explain;
mod judge;
mod machine;
pub mod harness;
pub mod random;
pub mod suite;

pub use case::{Case, Scenario, Source};
pub use check::{
    CheckOptions, Compared, KernelDiffers, Report, Verdict, about, check, check_orderings, compare,
    lockstep,
};
pub use error::Error;
pub use explain::{explain_broken, explain_divergence, place, show_events, show_ordering};
pub use judge::{Broken, judge};
pub use machine::Machine;
pub use {models, real, scenario, sim};
