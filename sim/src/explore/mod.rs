//! Exploring: every interleaving of a program on the pure kernel, and the exact set of its outcomes.
//!
//! | strategy | file | what it is for |
//! |---|---|---|
//! | [`explore`] | `reduced.rs` | the one to use |
//! | [`explore_naive`] | `naive.rs` | every action from every state, whole states in a set: the oracle of the other |
//!
//! Both give the same [`outcomes`](Explored::outcomes) whenever they are
//! [complete](Explored::complete). [`certain`] looks at every way to each of them (`certain.rs`).
//! What the first leaves out, and why it may:
//!
//! | file | what is left out |
//! |---|---|
//! | `footprint.rs`, `uses.rs` | orders of what does not depend on each other: persistent sets |
//! | `core.rs` | from the kernel's states, what is only looked at; from what is looked at, what no condition shows |
//! | `blind.rs` | from the kernel's states, which bytes they are that a pipe holds |
//!
//! The smallest scenario, one byte through a pipe, has ten states. A writer writes and exits (places
//! 0, 1, 2), a reader reads and exits (0, asleep, woken, 1, 2):
//!
//! ```text
//!             reader 0        asleep        woken         1            2
//! writer 0    start ─────────▶ s
//!               │              │ write wakes
//! writer 1    a in the pipe ───│───────────▶ w ─────────▶ has it ────▶ gone      a in the pipe: ─▶ has it, too
//!               │ exit         └──────────▶   │ exit       │ exit       │ exit
//! writer 2    a in the pipe ───────────────▶ w ─────────▶ has it ────▶ all gone
//! ```
//!
//! That is 2 + 4 + 4 states, with 3 + 7 + 3 transitions between them. The reduction has seven: once
//! the byte is written, when the writer exits makes no difference to the reader, who holds a write
//! descriptor itself; so first the reader reads, then both exit in one order.
//!
//! What exploring cannot see: behaviour that the kernel's model does not have, and schedules in which
//! time passes otherwise than the scenario's numbers say.

mod blind;
mod certain;
mod core;
mod footprint;
mod naive;
mod reduced;
mod uses;

pub use certain::{Certain, certain};

use crate::SetupError;
use crate::kernel::Config;
use scenario::{Clause, End, Outcome, Program, Schedule};
use std::collections::{BTreeMap, BTreeSet};

/// How to explore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExploreOptions {
    /// What the run assumes of the machine.
    pub config: Config,
    /// States after which the exploration is given up as incomplete.
    pub max_states: usize,
    /// The most preemptions in a schedule; every schedule if none. A preemption is an action of
    /// one task while the task that acted before it could have gone on.
    pub preemptions: Option<u32>,
}

impl Default for ExploreOptions {
    fn default() -> Self {
        ExploreOptions {
            config: Config::default(),
            max_states: 2_000_000,
            preemptions: None,
        }
    }
}

/// What an exploration found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Every outcome, with a shortest schedule that was found to lead to it.
    pub outcomes: BTreeMap<Outcome, Schedule>,
    /// States visited.
    pub states: usize,
    /// Transitions taken.
    pub transitions: usize,
    /// Whether these are all outcomes.
    pub complete: bool,
    /// If not, why.
    pub incomplete_because: Option<String>,
    /// The outcomes in which some task is blocked for ever.
    pub deadlocks: usize,
    /// Every clause that a transition rests on, those of the setup included.
    pub clauses: BTreeSet<Clause>,
}

/// Explores a program with a reduction: as few states as give every outcome.
///
/// # Errors
/// If the program cannot be run on the model.
pub fn explore(program: &Program, options: &ExploreOptions) -> Result<Explored, SetupError> {
    match options.preemptions {
        None => reduced::run(program, options),
        Some(_) => naive::run(program, options),
    }
}

/// Explores a program by taking every action from every state, with whole states in a set.
///
/// # Errors
/// If the program cannot be run on the model.
pub fn explore_naive(program: &Program, options: &ExploreOptions) -> Result<Explored, SetupError> {
    naive::run(program, options)
}

/// Gathers what an exploration finds.
#[derive(Default)]
struct Findings {
    outcomes: BTreeMap<Outcome, Schedule>,
    transitions: usize,
    clauses: BTreeSet<Clause>,
    incomplete: Option<String>,
}

impl Findings {
    fn state_limit(&mut self, options: &ExploreOptions) {
        self.incomplete = Some(format!("more than {} states", options.max_states));
    }

    fn finish(self, states: usize) -> Explored {
        let blocked = |o: &&Outcome| o.ends.iter().any(|e| matches!(e, End::Blocked(_)));
        Explored {
            states,
            transitions: self.transitions,
            complete: self.incomplete.is_none(),
            incomplete_because: self.incomplete,
            deadlocks: self.outcomes.keys().filter(blocked).count(),
            clauses: self.clauses,
            outcomes: self.outcomes,
        }
    }
}
