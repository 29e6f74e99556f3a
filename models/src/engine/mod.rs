//! The engines: each runs a body many times, with its own way to choose schedules.
//!
//! | file | what it owns |
//! |---|---|
//! | `mod.rs` | options, and loom and std, which only need limits |
//! | `shuttle.rs` | shuttle's strategies, recorded and replayed |
//! | `quiet.rs` | a thread of its own for every run, whose panics are a result and not noise |

mod quiet;
mod shuttle;

pub use shuttle::{ShuttleOptions, Strategy};
pub(crate) use shuttle::{recorded, run as shuttle_run};

use crate::report::{ModelError, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How far loom may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoomOptions {
    /// The most preemptions in a schedule (a thread loses its turn though it could go on); `None`
    /// for any number, which alone is exhaustive.
    pub preemptions: Option<usize>,
    /// The most executions.
    pub max_executions: usize,
    /// The most time.
    pub max_duration: Duration,
}

impl Default for LoomOptions {
    fn default() -> Self {
        LoomOptions {
            preemptions: None,
            max_executions: 200_000,
            max_duration: Duration::from_secs(20),
        }
    }
}

/// The most branches of one execution, far above what a program of this size has.
const MOST_BRANCHES: usize = 100_000;

/// Runs `body` under loom until every schedule was taken, or a limit is hit. Gives why the search
/// is not exhaustive, if it is not. `body` adds one execution to `record` each time.
///
/// # Errors
/// If loom panics.
pub(crate) fn loom_run(
    options: &LoomOptions,
    record: &Arc<Record>,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<Option<String>, ModelError> {
    let LoomOptions {
        preemptions,
        max_executions,
        max_duration,
    } = options.clone();
    let started = Instant::now();
    let begun = Arc::new(AtomicUsize::new(0));
    let (count, stop) = (begun.clone(), record.clone());
    quiet::quietly("loom", move || {
        let mut builder = ::loom::model::Builder::new();
        // All that the environment (`LOOM_*`) could have changed is set here.
        builder.max_threads = ::loom::MAX_THREADS;
        builder.max_branches = MOST_BRANCHES;
        // One more than allowed, so that the last one allowed is told from a truncated search.
        builder.max_permutations = Some(max_executions.saturating_add(2));
        builder.max_duration = Some(max_duration);
        builder.preemption_bound = preemptions;
        builder.checkpoint_file = None;
        // Limits are looked at only at checkpoints.
        builder.checkpoint_interval = 1;
        builder.location = false;
        builder.log = false;
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            // Once an execution has come to nothing the rest is moot: no threads, no branches.
            if !stop.failed() {
                body();
            }
        });
    })?;
    let begun = begun.load(Ordering::Relaxed);
    Ok(if begun > max_executions {
        Some(format!("stopped after {max_executions} executions"))
    } else if started.elapsed() >= max_duration {
        Some(format!("time was up after {begun} executions"))
    } else {
        preemptions.map(|n| format!("only schedules of at most {n} preemptions"))
    })
}

/// Runs `body` on plain threads so many times. Gives why that is not exhaustive.
///
/// # Errors
/// If it panics.
pub(crate) fn std_run(
    rounds: usize,
    record: &Arc<Record>,
    body: impl Fn() + Send + 'static,
) -> Result<Option<String>, ModelError> {
    let record = record.clone();
    quiet::quietly("std", move || {
        for _ in 0..rounds {
            if record.failed() {
                break;
            }
            body();
        }
    })?;
    Ok(Some(format!("{rounds} runs on plain threads")))
}
