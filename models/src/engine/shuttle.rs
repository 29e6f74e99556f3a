//! shuttle's strategies behind one scheduler that records what they choose, and replays it.
//!
//! A recorded schedule is the numbers of shuttle's threads in the order in which they ran, each
//! until its next lock, notification or end, and the random numbers drawn: `0*5 2 1*3 ~1f`. It is
//! good for this version of shuttle and of this crate; what is good for longer is the schedule of
//! the kernel's own steps ([`Witness::schedule`](crate::Witness)).

use super::quiet;
use crate::report::{ModelError, Record};
use shuttle::scheduler::{
    DfsScheduler, PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId,
};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How shuttle chooses schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The next thread is drawn at random at every step.
    Random,
    /// Probabilistic concurrency testing: priorities at random, changed at so many points less one.
    Pct(usize),
    /// Depth first over all schedules, at most so many; alone of all it can be complete.
    Dfs(usize),
    /// The one schedule that a [`Witness`](crate::Witness) holds.
    Replay(String),
}

/// How far shuttle may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShuttleOptions {
    /// What the strategy draws from.
    pub seed: u64,
    /// The most executions.
    pub executions: usize,
    /// The most time.
    pub max_duration: Duration,
    /// How schedules are chosen.
    pub strategy: Strategy,
}

impl Default for ShuttleOptions {
    fn default() -> Self {
        ShuttleOptions {
            seed: 0,
            executions: 10_000,
            max_duration: Duration::from_secs(20),
            strategy: Strategy::Random,
        }
    }
}

/// The most steps of one execution, far above what a program of this size has.
const MOST_STEPS: usize = 1_000_000;

/// One choice of a schedule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Thread(usize),
    Number(u64),
}

thread_local! {
    /// The schedule of the execution under way: engines run all on one thread of the system.
    static RECORDING: RefCell<Vec<Choice>> = const { RefCell::new(Vec::new()) };
}

/// The schedule of the execution under way, as far as it got.
pub(crate) fn recorded() -> String {
    RECORDING.with_borrow(|choices| show(choices))
}

fn show(choices: &[Choice]) -> String {
    let words: Vec<String> = choices
        .chunk_by(|a, b| a == b)
        .map(|same| {
            let word = match same[0] {
                Choice::Thread(n) => n.to_string(),
                Choice::Number(n) => format!("~{n:x}"),
            };
            match same.len() {
                1 => word,
                n => format!("{word}*{n}"),
            }
        })
        .collect();
    words.join(" ")
}

fn parse(text: &str) -> Result<Vec<Choice>, ModelError> {
    let mut choices = Vec::new();
    for (at, word) in text.split_whitespace().enumerate() {
        let error = || {
            ModelError::Schedule(format!(
                "shuttle schedule word {}, `{word}`: expected the number of a thread (`2`, `2*5`) or `~` and a hexadecimal number",
                at + 1
            ))
        };
        let (one, times) = match word.split_once('*') {
            Some((one, n)) => (one, n.parse().map_err(|_| error())?),
            None => (word, 1),
        };
        let choice = match one.strip_prefix('~') {
            Some(n) => Choice::Number(u64::from_str_radix(n, 16).map_err(|_| error())?),
            None => Choice::Thread(one.parse().map_err(|_| error())?),
        };
        if times == 0 || choices.len().saturating_add(times) > MOST_STEPS {
            return Err(error());
        }
        choices.extend(std::iter::repeat_n(choice, times));
    }
    Ok(choices)
}

/// What a run tells of itself.
#[derive(Default)]
struct Told {
    begun: AtomicUsize,
    /// The strategy ended by itself.
    exhausted: AtomicBool,
    late: AtomicBool,
    /// The schedule to be replayed asked for what cannot be.
    diverged: AtomicBool,
}

/// Records what a strategy chooses, and keeps to the limits.
struct Recorder {
    /// `None` once it is over.
    strategy: Option<Box<dyn Scheduler + Send>>,
    most: usize,
    until: Instant,
    record: Arc<Record>,
    told: Arc<Told>,
}

impl Scheduler for Recorder {
    fn new_execution(&mut self) -> Option<Schedule> {
        let Some(schedule) = self.strategy.as_mut()?.new_execution() else {
            self.told.exhausted.store(true, Ordering::Relaxed);
            self.strategy = None;
            return None;
        };
        let late = Instant::now() >= self.until;
        let begun = self.told.begun.load(Ordering::Relaxed);
        if late || begun >= self.most || self.record.failed() {
            self.told.late.store(late, Ordering::Relaxed);
            // A strategy that draws takes being dropped before its end for a failure, and prints.
            std::mem::forget(self.strategy.take());
            return None;
        }
        self.told.begun.store(begun + 1, Ordering::Relaxed);
        RECORDING.with_borrow_mut(Vec::clear);
        Some(schedule)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let strategy = self.strategy.as_mut()?;
        let next = strategy.next_task(runnable, current, is_yielding)?;
        RECORDING.with_borrow_mut(|r| r.push(Choice::Thread(next.into())));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        let next = self.strategy.as_mut().map_or(0, |s| s.next_u64());
        RECORDING.with_borrow_mut(|r| r.push(Choice::Number(next)));
        next
    }
}

/// Replays a schedule; where that cannot be, it says so and lets the first thread run.
struct Replay {
    choices: std::vec::IntoIter<Choice>,
    started: bool,
    told: Arc<Told>,
}

impl Scheduler for Replay {
    fn new_execution(&mut self) -> Option<Schedule> {
        let first = !std::mem::replace(&mut self.started, true);
        first.then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        _current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        let wanted = match self.choices.next() {
            Some(Choice::Thread(n)) => runnable.iter().find(|t| usize::from(t.id()) == n),
            Some(Choice::Number(_)) => None,
            // A recording ends when the outcome is known; how threads go home is all the same.
            None => return runnable.first().map(|t| t.id()),
        };
        if wanted.is_none() {
            self.told.diverged.store(true, Ordering::Relaxed);
        }
        wanted.or(runnable.first()).map(|t| t.id())
    }

    fn next_u64(&mut self) -> u64 {
        if let Some(Choice::Number(n)) = self.choices.next() {
            return n;
        }
        self.told.diverged.store(true, Ordering::Relaxed);
        0
    }
}

/// Runs `body` under shuttle. Gives why the search is not exhaustive, if it is not. `body` adds one
/// execution to `record` each time.
///
/// # Errors
/// If shuttle panics, or the schedule to be replayed is not one of this body.
pub(crate) fn run(
    options: &ShuttleOptions,
    record: &Arc<Record>,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<Option<String>, ModelError> {
    let options = options.clone();
    let told = Arc::new(Told::default());
    let replayed = match &options.strategy {
        Strategy::Replay(text) => parse(text)?,
        _ => Vec::new(),
    };
    let whole = show(&replayed);
    let strategy = options.strategy.clone();
    let (writes, tell) = (record.clone(), told.clone());
    quiet::quietly("shuttle", move || {
        let seed = options.seed;
        // One more than allowed, so that the last one allowed is told from a truncated search.
        let more = |n: usize| n.saturating_add(1);
        let (scheduler, most): (Box<dyn Scheduler + Send>, usize) = match options.strategy {
            Strategy::Random => (
                Box::new(RandomScheduler::new_from_seed(
                    seed,
                    more(options.executions),
                )),
                options.executions,
            ),
            Strategy::Pct(depth) => (
                Box::new(PctScheduler::new_from_seed(
                    seed,
                    depth.max(1),
                    more(options.executions),
                )),
                options.executions,
            ),
            Strategy::Dfs(most) => (Box::new(DfsScheduler::new(Some(more(most)), true)), most),
            Strategy::Replay(_) => (
                Box::new(Replay {
                    choices: replayed.into_iter(),
                    started: false,
                    told: tell.clone(),
                }),
                1,
            ),
        };
        let mut config = ::shuttle::Config::new();
        config.stack_size = crate::runtime::STACK;
        config.failure_persistence = ::shuttle::FailurePersistence::None;
        config.max_steps = ::shuttle::MaxSteps::FailAfter(MOST_STEPS);
        config.silence_warnings = true;
        let recorder = Recorder {
            strategy: Some(scheduler),
            most,
            until: Instant::now() + options.max_duration,
            record: writes,
            told: tell,
        };
        ::shuttle::Runner::new(recorder, config).run(body);
    })?;
    let replaying = matches!(strategy, Strategy::Replay(_));
    // One that ends too early or too late is none either.
    if told.diverged.load(Ordering::Relaxed) || replaying && !record.has_witness(&whole) {
        let why = "the shuttle schedule is not one of this program";
        return Err(ModelError::Schedule(why.into()));
    }
    let begun = told.begun.load(Ordering::Relaxed);
    let exhausted = told.exhausted.load(Ordering::Relaxed);
    Ok(match strategy {
        Strategy::Dfs(_) if exhausted => None,
        Strategy::Replay(_) => Some("one schedule replayed".into()),
        _ if told.late.load(Ordering::Relaxed) => {
            Some(format!("time was up after {begun} executions"))
        }
        Strategy::Dfs(most) => Some(format!("stopped after {most} executions")),
        Strategy::Random => Some(format!("{begun} schedules at random")),
        Strategy::Pct(depth) => Some(format!("{begun} schedules by PCT of depth {depth}")),
    })
}
