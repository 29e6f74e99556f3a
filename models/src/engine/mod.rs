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
            if stop.failed() {
                // An execution has come to nothing, and the rest is moot. loom has no other way out:
                // to do nothing in its turn would leave it on a path that leads nowhere, for ever.
                std::panic::resume_unwind(Box::new("given up"));
            }
            body();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;
    use crate::runtime::loom::Loom;
    use crate::runtime::shuttle::Shuttle;
    use std::panic;

    /// Two threads that wait for a third, which panics.
    fn broken<R: Runtime>() {
        let pair = Arc::new((R::mutex(()), R::condvar()));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let pair = pair.clone();
                R::spawn(move || drop(R::wait(&pair.1, R::lock(&pair.0)))).expect("a thread")
            })
            .collect();
        let third = R::spawn(|| panic!("as it was meant to be")).expect("a thread");
        R::join(third);
        threads.into_iter().for_each(R::join);
    }

    /// A thread that waits for nobody.
    fn stuck<R: Runtime>() {
        let pair = (R::mutex(()), R::condvar());
        drop(R::wait(&pair.1, R::lock(&pair.0)));
    }

    fn says<T: std::fmt::Debug>(result: Result<T, ModelError>, what: &str) {
        match result {
            Err(ModelError::Failed { why, .. }) => assert!(why.contains(what), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    /// Neither ends the process, nor takes the panics of others for its own.
    #[test]
    fn a_panic_under_an_engine_is_an_error() {
        for _ in 0..2 {
            let record = Arc::default();
            let shuttle = ShuttleOptions::default();
            let loom = LoomOptions::default();
            says(
                loom_run(&loom, &record, broken::<Loom>),
                "as it was meant to be",
            );
            says(
                shuttle_run(&shuttle, &record, broken::<Shuttle>),
                "as it was meant to be",
            );
            says(loom_run(&loom, &record, stuck::<Loom>), "deadlock");
            says(shuttle_run(&shuttle, &record, stuck::<Shuttle>), "deadlock");
            let own = panic::catch_unwind(|| panic!("and this is nobody's"));
            assert!(own.is_err());
        }
    }
}
