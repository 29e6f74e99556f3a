//! How a sandbox is to be.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the conductor knows that the system is quiet: that every worker is idle or asleep in a
/// call, and none will do anything before it is told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quiet {
    /// The best of those that this machine permits.
    #[default]
    Auto,
    /// Real-time priorities on one CPU: waking a worker preempts the conductor until every worker
    /// sleeps. Each call that has not returned is then confirmed asleep once, in `/proc`. Not for
    /// programs that have nice values, which count among ordinary priorities only.
    Realtime,
    /// Ordinary priorities on one CPU: a look at all workers counts if the conductor was not
    /// switched out during it, since then nobody else ran.
    Pinned,
    /// Any CPUs: two looks at all workers in a row, both of which find them asleep, with none
    /// having been scheduled in between.
    DoubleCollect,
}

/// Which CPUs the tasks of a race run on. Some outcomes show on one CPU only, others on several
/// only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaceCpus {
    /// All on one.
    One,
    /// On all that the sandbox may use.
    All,
}

/// Whether scenarios are kept apart from the machine by namespaces: of processes, files, System V
/// objects and networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// By those that are to be had. What would not be safe without one that is missing is refused.
    #[default]
    Auto,
    /// By all of them; without any one there is no sandbox.
    Required,
    /// By none; only what is harmless is run.
    Without,
}

/// How a sandbox is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// How the conductor knows that the system is quiet.
    pub quiet: Quiet,
    /// The CPUs it may use; all that the caller may use if empty. Lockstep runs on one of them,
    /// another for each sandbox in turn.
    pub cpus: Vec<usize>,
    /// The time that one step may take.
    pub step_deadline: Duration,
    /// The time that one run may take (each round, in a race).
    pub run_deadline: Duration,
    /// Whether the conductor looks again after each step, by other means: to confirm a divergence before
    /// it is reported.
    pub slow: bool,
    /// Whether tasks get their own address spaces even where nothing depends on it.
    pub own_memory: bool,
    /// Whether scenarios are kept apart from the machine by namespaces.
    pub isolation: Isolation,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            quiet: Quiet::Auto,
            cpus: Vec::new(),
            step_deadline: Duration::from_secs(2),
            run_deadline: Duration::from_secs(10),
            slow: false,
            own_memory: false,
            isolation: Isolation::Auto,
        }
    }
}
