//! What a run under an engine comes to, and the record it is made from.

use scenario::{Event, Outcome, Program, Schedule, ScheduleError};
use sim::{SetupError, System};
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelRun {
    /// The outcomes.
    pub outcomes: BTreeSet<Outcome>,
    /// How often the program ran.
    pub executions: usize,
    /// The schedules of the kernel's steps that these were, each counted once. 0 for a protocol,
    /// which has many locks and no such schedule.
    pub schedules: usize,
    /// Whether every schedule was covered.
    pub complete: bool,
    /// If not, why.
    pub incomplete_because: Option<String>,
    /// For each outcome the first run that gave it.
    pub witnesses: BTreeMap<Outcome, Witness>,
}

/// A run, so that it can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The order in which threads took the kernel's lock: replayed by any engine that speaks of
    /// the kernel. `None` for a protocol that has many locks.
    pub schedule: Option<Schedule>,
    /// The order in which shuttle let threads run, for [`Strategy::Replay`](crate::Strategy::Replay).
    pub shuttle: Option<String>,
}

/// Why there is nothing to report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// This engine cannot run this program.
    #[error("{0}")]
    Skip(String),
    /// The program cannot be run on the model at all.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The schedule to be replayed is not one of this program.
    #[error("{0}")]
    Schedule(String),
    /// The schedule found does not replay on the pure kernel: a bug of this crate.
    #[error("the schedule `{schedule}` does not replay on the pure kernel: {why}")]
    Replay {
        /// The schedule.
        schedule: String,
        /// What differed.
        why: String,
    },
    /// The engine or the threads under it failed: a bug of this crate or of the engine.
    #[error("{engine} failed: {why}")]
    Failed {
        /// The engine.
        engine: &'static str,
        /// What it said.
        why: String,
    },
}

impl From<ScheduleError> for ModelError {
    fn from(e: ScheduleError) -> Self {
        ModelError::Schedule(e.to_string())
    }
}

/// How one execution went.
pub(crate) struct Execution {
    /// The order in which threads took the kernel's lock, where there is one.
    pub schedule: Option<Schedule>,
    /// What happened, in that order.
    pub events: Vec<Event>,
    /// What it came to.
    pub outcome: Outcome,
}

/// Collects executions. It lives outside the model: engines do not see its lock.
#[derive(Default)]
pub(crate) struct Record(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    executions: usize,
    outcomes: BTreeMap<Outcome, Witness>,
    /// Each distinct schedule with a hash of what it gave.
    schedules: HashMap<Schedule, u64>,
    failure: Option<Failure>,
}

/// Why an execution came to nothing.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The engine cannot run this program after all.
    Skip(String),
    /// The threads did what must not be.
    Broken(String),
}

/// A schedule, and what it gave, in brief.
fn digest(events: &[Event], outcome: &Outcome) -> u64 {
    let mut hasher = DefaultHasher::new();
    events.hash(&mut hasher);
    outcome.hash(&mut hasher);
    hasher.finish()
}

impl Record {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an execution in; `recorded` is asked for the engine's schedule if the outcome is new.
    pub fn add(&self, execution: Execution, recorded: impl FnOnce() -> Option<String>) {
        let mut inner = self.inner();
        inner.executions += 1;
        if let Some(schedule) = &execution.schedule {
            let digest = digest(&execution.events, &execution.outcome);
            match inner.schedules.entry(schedule.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(digest);
                }
                Entry::Occupied(entry) if *entry.get() == digest => {}
                Entry::Occupied(_) => {
                    let why = "one schedule gave two different runs".to_string();
                    inner.failure.get_or_insert(Failure::Broken(why));
                }
            }
        }
        inner
            .outcomes
            .entry(execution.outcome)
            .or_insert_with(|| Witness {
                schedule: execution.schedule,
                shuttle: recorded(),
            });
    }

    /// Notes that an execution came to nothing.
    pub fn fail(&self, failure: Failure) {
        self.inner().failure.get_or_insert(failure);
    }

    /// Whether an outcome has this witness.
    pub fn has_witness(&self, shuttle: &str) -> bool {
        let inner = self.inner();
        let mut witnesses = inner.outcomes.values();
        witnesses.any(|w| w.shuttle.as_deref() == Some(shuttle))
    }

    /// Whether an execution came to nothing, so that going on is of no use.
    pub fn failed(&self) -> bool {
        self.inner().failure.is_some()
    }

    /// Replays every schedule on the pure kernel, which must give the same.
    ///
    /// # Errors
    /// The first that does not.
    pub fn verify(&self, program: &Program, start: &System) -> Result<(), ModelError> {
        for (schedule, &found) in &self.inner().schedules {
            let error = |why: String| ModelError::Replay {
                schedule: schedule.show(program),
                why,
            };
            let mut system = start.clone();
            let mut events = Vec::new();
            for (at, action) in schedule.0.iter().enumerate() {
                if !system.is_enabled(program, action) {
                    return Err(error(format!("action {} is not enabled", at + 1)));
                }
                events.extend(system.take(program, action).events);
            }
            if !system.is_over(program) {
                return Err(error("the system can go on after it".into()));
            }
            if digest(&events, &system.outcome(program)) != found {
                return Err(error("it gives other events or another outcome".into()));
            }
        }
        Ok(())
    }

    /// What was found; `searched` tells why that is not all, or how the engine failed.
    ///
    /// # Errors
    /// If an execution came to nothing, or the engine failed.
    pub fn finish(
        &self,
        engine: &'static str,
        searched: Result<Option<String>, ModelError>,
    ) -> Result<ModelRun, ModelError> {
        let inner = self.inner();
        match inner.failure.clone() {
            Some(Failure::Skip(why)) => return Err(ModelError::Skip(why)),
            Some(Failure::Broken(why)) => return Err(ModelError::Failed { engine, why }),
            None => {}
        }
        let incomplete_because = searched?;
        Ok(ModelRun {
            outcomes: inner.outcomes.keys().cloned().collect(),
            executions: inner.executions,
            schedules: inner.schedules.len(),
            complete: incomplete_because.is_none(),
            incomplete_because,
            witnesses: inner.outcomes.clone(),
        })
    }
}
