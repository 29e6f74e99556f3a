//! Litmus tests for kernel IPC, as a library.
//!
//! A scenario describes a few processes and the system calls they make. Here one is explored on the
//! model of the kernel, and then run on the running kernel in every ordering and raced, and compared:
//!
//! ```
//! use lockstep::{CheckOptions, Machine, Scenario, Verdict, check};
//!
//! let scenario = Scenario::parse(
//!     "end-of-file.ipc",
//!     r#"
//! test pipe/end-of-file
//! "What was written before the last writer went can still be read."
//! setup
//!   pipe() = [r, w]
//! process writer
//!   write(w, "bye") = 3
//! process reader
//!   close(w) = 0
//!   read(r, 64) = a
//!   read(r, 64) = b
//! always a == "bye" and b == ""
//! "#,
//! )?;
//! let case = &scenario.cases()[0];
//!
//! // On the model: every outcome, each with a schedule that leads to it.
//! let explored = case.explore()?;
//! assert!(explored.complete);
//! assert_eq!(explored.outcomes.len(), 1);
//!
//! // One interleaving, chosen by a seed: the same trace on every machine.
//! assert_eq!(case.simulate(7)?.trace, case.simulate(7)?.trace);
//!
//! // On the running kernel.
//! match Machine::new(lockstep::real::Options::default()) {
//!     Ok(mut machine) => {
//!         let report = check(case, Some(&mut machine), &CheckOptions::default())?;
//!         assert_eq!(report.verdict, Verdict::Agree, "{}", report.explain(case));
//!         assert!(report.orderings > 1);
//!     }
//!     Err(why) => eprintln!("this machine permits no sandbox: {why}"),
//! }
//! # Ok::<(), lockstep::Error>(())
//! ```
//!
//! A test target with `harness = false` makes a named test of each scenario file of a folder:
//! [`harness::folder`].
//!
//! | question | look at |
//! |---|---|
//! | How is a scenario written? | the book of the language, `scenario/README.md` |
//! | What are its variants? | [`Scenario::cases`] |
//! | What can it do? | [`Case::explore`], [`Case::simulate`], [`sim`] |
//! | What does this kernel do? | [`Machine`], [`check()`], [`lockstep()`] |
//! | What do the threaded kernels do? | [`models`] |
//! | What if nobody thought of it? | [`random`] |

mod by_race;
mod case;
mod check;
mod error;
mod explain;
pub mod harness;
mod judge;
mod machine;
pub mod random;
pub mod suite;

pub use by_race::{ByRace, by_race};
pub use case::{Case, Scenario, Source};
pub use check::{
    CheckOptions, Compared, KernelDiffers, Report, Verdict, about, check, check_orderings, compare,
    lockstep,
};
pub use error::Error;
pub use explain::{
    alternatives, explain_broken, explain_divergence, got_and_allowed, place, show_ordering,
};
pub use judge::{Broken, judge};
pub use machine::Machine;
pub use {models, real, scenario, sim};
