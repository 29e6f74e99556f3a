//! The main job: a scenario on the model and on the running kernel, compared.

use crate::judge::{Broken, judge};
use crate::{Case, Error, Machine};
use real::{Run, RunError};
use scenario::{Clause, Errno, Outcome, Program, TaskId, Value, What};
use sim::kernel::{Config, Flavor};
use sim::{Cover, Divergence, ExploreOptions, Explored, Oracle, OrderingLimits};
use std::collections::{BTreeMap, BTreeSet};

/// Rounds of a race of a scenario with calls that give up after a time, at most.
const TIMED_ROUNDS: u32 = 20;

/// How to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// What the model assumes.
    pub config: Config,
    /// States to explore at most.
    pub max_states: usize,
    /// Which orderings to run.
    pub orderings: OrderingLimits,
    /// One ordering to run instead.
    pub ordering: Option<Vec<TaskId>>,
    /// Rounds of the race; 0 for none.
    pub race_rounds: u32,
    /// The seed of everything that is chosen at random.
    pub seed: u64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions {
            config: Config::default(),
            max_states: ExploreOptions::default().max_states,
            orderings: OrderingLimits::default(),
            ordering: None,
            race_rounds: 200,
            seed: 0,
        }
    }
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Model, kernel and scenario agree.
    Agree,
    /// They do not.
    Differ,
    /// It could not be run here.
    Skip,
}

/// The kernel did what the model does not allow.
#[derive(Clone, Debug)]
pub struct KernelDiffers {
    /// The ordering in which calls were issued.
    pub ordering: Vec<TaskId>,
    /// Each step that the model does not explain.
    pub divergences: Vec<Divergence>,
    /// The run.
    pub run: Run,
}

/// All that a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario's name, variant included.
    pub name: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it was skipped, or what the check could not look at.
    pub reason: Option<String>,
    /// What exploring found.
    pub explored: Option<Explored>,
    /// What of the scenario does not hold on the model.
    pub broken: Vec<Broken>,
    /// How the orderings were chosen.
    pub cover: Option<Cover>,
    /// Orderings run on the kernel.
    pub orderings: usize,
    /// What those runs came to.
    pub kernel_outcomes: BTreeSet<Outcome>,
    /// Those in which it differs from the model.
    pub differs: Vec<KernelDiffers>,
    /// Runs that a deadline ended, or that the harness could not do.
    pub failed_runs: Vec<(Vec<TaskId>, String)>,
    /// Rounds raced.
    pub race_rounds: u32,
    /// How often each outcome was seen in the race.
    pub raced: BTreeMap<Outcome, u32>,
    /// Those that the model does not have.
    pub raced_outside: Vec<Outcome>,
    /// The clauses that explain what the kernel did.
    pub kernel_clauses: BTreeSet<Clause>,
    /// A call was made that the model has no rule for: nothing more can be said.
    pub no_rule: bool,
}

impl Report {
    fn new(case: &Case) -> Report {
        Report {
            name: case.name().to_string(),
            verdict: Verdict::Agree,
            reason: None,
            explored: None,
            broken: Vec::new(),
            cover: None,
            orderings: 0,
            kernel_outcomes: BTreeSet::new(),
            differs: Vec::new(),
            failed_runs: Vec::new(),
            race_rounds: 0,
            raced: BTreeMap::new(),
            raced_outside: Vec::new(),
            kernel_clauses: BTreeSet::new(),
            no_rule: false,
        }
    }

    /// The report on a case that cannot be run at all.
    pub fn skipped(case: &Case, reason: String) -> Report {
        Report {
            verdict: Verdict::Skip,
            reason: Some(reason),
            ..Report::new(case)
        }
    }

    /// The clauses the scenario is about that fired in the model.
    pub fn fired(&self, case: &Case) -> BTreeSet<Clause> {
        let Some(explored) = &self.explored else {
            return BTreeSet::new();
        };
        about(case)
            .filter(|c| explored.clauses.contains(c))
            .collect()
    }

    /// The clauses the scenario is about that fired and with which the kernel agreed.
    pub fn agreed(&self, case: &Case) -> BTreeSet<Clause> {
        if self.verdict != Verdict::Agree || self.orderings == 0 {
            return BTreeSet::new();
        }
        about(case)
            .filter(|c| self.kernel_clauses.contains(c))
            .collect()
    }
}

/// The clauses that a scenario says it is about.
pub fn about(case: &Case) -> impl Iterator<Item = Clause> + '_ {
    case.program.clauses.iter().filter_map(|c| c.parse().ok())
}

/// Explores a case, runs it on the kernel in its orderings, races it, and compares.
///
/// # Errors
/// If the model cannot run the scenario at all. What the kernel cannot run is a skip.
pub fn check(
    case: &Case,
    machine: Option<&mut Machine>,
    options: &CheckOptions,
) -> Result<Report, Error> {
    let program = &case.program;
    let mut report = Report::new(case);

    let explore = ExploreOptions {
        config: options.config,
        max_states: options.max_states,
        ..ExploreOptions::default()
    };
    let explored = sim::explore(program, &explore)?;
    let model = match options.config.flavor {
        Flavor::Linux => "linux",
        Flavor::Posix => "posix",
    };
    report.broken = judge(case, model, &explored.outcomes, explored.complete);
    let outcomes: BTreeSet<Outcome> = explored.outcomes.keys().cloned().collect();
    let complete = explored.complete;
    if let Some(why) = &explored.incomplete_because {
        report.reason = Some(format!("exploring is incomplete: {why}"));
    }
    report.explored = Some(explored);

    if let Some(machine) = machine {
        match machine.can_run(program) {
            Err(skip) => report.reason = Some(skip.to_string()),
            Ok(()) => {
                orderings(case, machine, options, &mut report)?;
                if !report.no_rule {
                    race(
                        case,
                        machine,
                        options,
                        complete.then_some(&outcomes),
                        &mut report,
                    );
                }
            }
        }
        if report.orderings == 0 && report.failed_runs.is_empty() {
            report.verdict = Verdict::Skip;
        }
    }
    let differs = !report.broken.is_empty() && !report.no_rule
        || !report.differs.is_empty()
        || !report.failed_runs.is_empty()
        || !report.raced_outside.is_empty();
    if differs {
        report.verdict = Verdict::Differ;
    } else if report.no_rule {
        report.verdict = Verdict::Skip;
    }
    Ok(report)
}

/// Runs a case on the kernel in its orderings and compares, without exploring it: for scenarios
/// that say nothing of their outcomes.
///
/// # Errors
/// If the model cannot run the scenario.
pub fn check_orderings(
    case: &Case,
    machine: &mut Machine,
    options: &CheckOptions,
) -> Result<Report, Error> {
    let mut report = Report::new(case);
    orderings(case, machine, options, &mut report)?;
    if !report.differs.is_empty() || !report.failed_runs.is_empty() {
        report.verdict = Verdict::Differ;
    } else if report.orderings == 0 || report.no_rule {
        report.verdict = Verdict::Skip;
    }
    Ok(report)
}

/// The call that the model has no rule for, if that is why it does not explain a run. It answers such
/// a call with ENOSYS, which no call of the table does.
fn without_rule(program: &Program, divergences: &[Divergence]) -> Option<String> {
    let no_rule = |what: &What| match what {
        What::Return(index, Value::Error(Errno::ENOSYS)) => Some(*index),
        _ => None,
    };
    // Only the first: what comes after a step that is not explained may be its consequence.
    divergences.first().and_then(|d| {
        d.allowed.iter().find_map(|allowed| {
            allowed.events.iter().find_map(|(task, whats)| {
                let index = whats.iter().find_map(no_rule)?;
                let call = program.stmt(*task, index).sys.spec().name;
                Some(format!(
                    "the model has no rule for `{call}` on such a descriptor"
                ))
            })
        })
    })
}

fn orderings(
    case: &Case,
    machine: &mut Machine,
    options: &CheckOptions,
    report: &mut Report,
) -> Result<(), Error> {
    let program = &case.program;
    let list = match &options.ordering {
        Some(ordering) => {
            report.cover = Some(Cover::Fixed);
            vec![ordering.clone()]
        }
        None => {
            let chosen = sim::orderings(program, options.config, &options.orderings, options.seed)?;
            report.cover = Some(chosen.cover);
            chosen.list
        }
    };
    for ordering in list {
        match lockstep(case, machine, options.config, &ordering) {
            Err(Error::Run(RunError::Skip(skip))) => {
                report.reason = Some(skip.to_string());
                return Ok(());
            }
            Err(Error::Run(error)) => {
                report.failed_runs.push((ordering, error.to_string()));
                // What goes wrong once mostly goes wrong each time, and takes a deadline's time.
                return Ok(());
            }
            Err(other) => return Err(other),
            Ok(compared) => {
                report.orderings += 1;
                if let Some(why) = without_rule(program, &compared.divergences) {
                    report.reason = Some(why);
                    report.no_rule = true;
                    return Ok(());
                }
                report.kernel_clauses.extend(&compared.clauses);
                report.kernel_outcomes.insert(compared.run.outcome(program));
                if !compared.divergences.is_empty() {
                    report.differs.push(KernelDiffers {
                        ordering,
                        divergences: compared.divergences,
                        run: compared.run,
                    });
                }
            }
        }
    }
    Ok(())
}

/// A run of the kernel held against the model.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The run.
    pub run: Run,
    /// The steps that the model does not explain; none, if it explains all.
    pub divergences: Vec<Divergence>,
    /// The clauses that explain the others.
    pub clauses: BTreeSet<Clause>,
}

/// Runs a case on the kernel in one ordering and holds it against the model. A difference is
/// confirmed by a second, slow run before it is reported, so that it is never the harness's own
/// fault.
///
/// # Errors
/// If the run gave no result.
pub fn lockstep(
    case: &Case,
    machine: &mut Machine,
    config: Config,
    ordering: &[TaskId],
) -> Result<Compared, Error> {
    let run = machine.lockstep(&case.program, ordering)?;
    let compared = compare(case, config, run)?;
    if compared.divergences.is_empty() {
        return Ok(compared);
    }
    let run = machine.lockstep_slowly(&case.program, ordering)?;
    compare(case, config, run)
}

/// Holds a run against the model.
///
/// # Errors
/// If the model cannot run the scenario.
pub fn compare(case: &Case, config: Config, run: Run) -> Result<Compared, Error> {
    let mut oracle = Oracle::new(&case.program, config)?;
    let mut divergences = Vec::new();
    for step in &run.steps {
        let held = match step.issued {
            TaskId::SETUP => oracle.setup(&step.events),
            task => oracle.step(task, &step.events),
        };
        divergences.extend(held.err());
    }
    let clauses = oracle.clauses().clone();
    Ok(Compared {
        run,
        divergences,
        clauses,
    })
}

/// So many rounds of a race, or fewer: a round in which a call waits for its time takes that time.
pub(crate) fn rounds_for(program: &Program, rounds: u32) -> u32 {
    match program.is_timed() {
        true => rounds.min(TIMED_ROUNDS),
        false => rounds,
    }
}

fn race(
    case: &Case,
    machine: &mut Machine,
    options: &CheckOptions,
    allowed: Option<&BTreeSet<Outcome>>,
    report: &mut Report,
) {
    // A scenario that fixes its one ordering says nothing of others.
    if options.race_rounds == 0 || case.program.order.is_some() || report.orderings == 0 {
        return;
    }
    let rounds = rounds_for(&case.program, options.race_rounds);
    match machine.race_both(&case.program, rounds, options.seed) {
        Ok(histogram) => {
            report.race_rounds = rounds;
            report.raced = histogram;
        }
        Err(error) => {
            report
                .failed_runs
                .push((Vec::new(), format!("race: {error}")));
            return;
        }
    }
    if let Some(allowed) = allowed {
        report.raced_outside = report
            .raced
            .keys()
            .filter(|o| !allowed.contains(*o))
            .cloned()
            .collect();
    }
}
