//! One run: seeded, or by a schedule.
//!
//! A seed picks each action among those that are enabled with ChaCha8, so that the same seed gives
//! the same trace on every machine. A schedule says each action itself; whatever engine printed it,
//! [`replay`] runs it on the pure kernel.

use crate::kernel::{Config, State};
use crate::{SetupError, System, Taken};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scenario::{Action, Event, Outcome, Program, Schedule, Step, TaskId, Trace, What};

/// A run, action by action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// What the setup did.
    pub setup: Taken,
    /// Each action, with the choices made in it, and what it did.
    pub steps: Vec<(Action, Taken)>,
    /// What the run came to.
    pub outcome: Outcome,
    /// Its events, the setup's first. Wherever the system is quiet, the calls that have gone to sleep
    /// are told as blocked.
    pub trace: Trace,
}

/// A seeded run, and its schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// The run.
    pub run: Replayed,
    /// The schedule that repeats it.
    pub schedule: Schedule,
}

impl std::ops::Deref for Simulated {
    type Target = Replayed;

    fn deref(&self) -> &Replayed {
        &self.run
    }
}

/// A schedule that cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The program cannot be run at all.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An action of the schedule cannot come at its place.
    #[error("schedule word {position}, `{word}`, cannot come here; {}", possible(.enabled))]
    NotEnabled {
        /// Which word, counted from 1.
        position: usize,
        /// The word.
        word: String,
        /// The words that could come.
        enabled: Vec<String>,
    },
}

fn possible(enabled: &[String]) -> String {
    match enabled {
        [] => "the run is over".into(),
        words => format!("what can: {}", words.join(", ")),
    }
}

/// A run under way.
struct Run<'a> {
    program: &'a Program,
    system: System,
    setup: Taken,
    steps: Vec<(Action, Taken)>,
    trace: Trace,
    /// The calls told as blocked, by task.
    told: Vec<Option<usize>>,
}

impl<'a> Run<'a> {
    fn start(program: &'a Program, config: Config) -> Result<Run<'a>, SetupError> {
        let (system, setup) = System::start(program, config)?;
        Ok(Run {
            program,
            system,
            trace: Trace {
                events: setup.events.clone(),
            },
            setup,
            steps: Vec::new(),
            told: vec![None; program.tasks.len()],
        })
    }

    fn take(&mut self, action: Action) {
        let taken = self.system.take(self.program, &action);
        self.note(action, taken);
    }

    /// Takes an action, the kernel's choices in it chosen by `pick`.
    fn take_any(&mut self, action: Action, mut pick: impl FnMut(usize) -> usize) {
        let before = self.system.clone();
        let taken = self.system.take(self.program, &action);
        if taken.choices.made.is_empty() {
            return self.note(action, taken);
        }
        let mut ways = before.take_each(self.program, &action);
        let (action, ..) = ways.swap_remove(pick(ways.len()));
        self.system = before;
        self.take(action);
    }

    fn note(&mut self, mut action: Action, taken: Taken) {
        action.choices = taken.choices.made.iter().map(|c| c.0).collect();
        self.trace.events.extend(taken.events.iter().cloned());
        self.steps.push((action, taken));
        if self.system.is_quiet(self.program) {
            for task in self.program.task_ids().skip(1) {
                self.tell_blocked(task);
            }
        }
    }

    fn tell_blocked(&mut self, task: TaskId) {
        let at = self.system.at(task);
        let told = &mut self.told[task.index()];
        let sleeps = matches!(
            self.system.kernel().task(task).state,
            State::Sleeping { .. }
        );
        if sleeps && *told != Some(at) {
            *told = Some(at);
            let what = What::Block(at);
            self.trace.events.push(Event { task, what });
        }
    }

    fn finish(self) -> Replayed {
        Replayed {
            outcome: self.system.outcome(self.program),
            setup: self.setup,
            steps: self.steps,
            trace: self.trace,
        }
    }
}

/// Runs a program once, each action chosen by the seed.
///
/// # Errors
/// If the program cannot be run on the model.
pub fn simulate(program: &Program, config: Config, seed: u64) -> Result<Simulated, SetupError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut run = Run::start(program, config)?;
    loop {
        let actions = run.system.enabled(program);
        if actions.is_empty() {
            break;
        }
        let action = actions[pick(&mut rng, actions.len())].clone();
        run.take_any(action, |n| pick(&mut rng, n));
    }
    let run = run.finish();
    let schedule = Schedule(run.steps.iter().map(|(a, _)| a.clone()).collect());
    Ok(Simulated { run, schedule })
}

/// One of `n`, drawn as 32 bits so that the width of `usize` leaves no mark.
fn pick(rng: &mut ChaCha8Rng, n: usize) -> usize {
    rng.random_range(0..n as u32) as usize
}

/// Runs a program once by a schedule. After the schedule's end it goes on with the first action
/// that is enabled, what the kernel has under way before new calls, until nothing can come.
///
/// # Errors
/// If the program cannot be run on the model, or an action of the schedule cannot come at its place.
pub fn replay(
    program: &Program,
    config: Config,
    schedule: &Schedule,
) -> Result<Replayed, ReplayError> {
    let mut run = Run::start(program, config)?;
    for (at, action) in schedule.0.iter().enumerate() {
        if !run.system.is_enabled(program, action) {
            let word = |a: &Action| Schedule(vec![a.clone()]).show(program);
            return Err(ReplayError::NotEnabled {
                position: at + 1,
                word: word(action),
                enabled: run.system.enabled(program).iter().map(word).collect(),
            });
        }
        run.take(action.clone());
    }
    loop {
        let actions = run.system.enabled(program);
        let kernel_first = actions.iter().find(|a| a.step != Step::Issue);
        let Some(action) = kernel_first.or(actions.first()) else {
            break;
        };
        run.take(action.clone());
    }
    Ok(run.finish())
}
