//! `lockstep matrix`: scenarios against engines.

use super::args::{MatrixArgs, Plain};
use super::out::{BAD, DIM, GOOD, ODD, Out, PLAIN, STRONG, pad, paint, width};
use super::progress::Progress;
use super::race::ONE_ORDERING;
use super::{Done, Status, Stop, pool, run};
use anstyle::Style;
use lockstep::models::{self, LoomOptions, ModelError, ModelRun, ShuttleOptions, Strategy};
use lockstep::scenario::Outcome;
use lockstep::{Case, CheckOptions, Error, Machine, Report};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// Runs it.
pub fn main(args: &MatrixArgs, out: &mut Out) -> Done {
    let (cases, options) = run::subject(
        &args.choice,
        &args.model,
        args.no_kernel,
        args.rounds,
        args.seed,
    )?;
    let machines = run::machines(&args.kernel, args.no_kernel, cases.len())?;
    let widest = cases
        .iter()
        .map(|c| width(c.name()))
        .max()
        .unwrap_or(0)
        .clamp(8, MOST_NAME);
    let mut heading = pad("scenario", widest);
    for engine in ENGINES {
        heading += &format!("  {}", pad(engine, CELL));
    }
    if args.format == Plain::Text {
        out.line(paint(STRONG, heading.trim_end()))?;
    }
    let progress = Progress::new(cases.len());
    let mut tally = Tally::default();
    let work =
        |machine: &mut Option<Machine>, case: &Case| row(case, machine.as_mut(), &options, args);
    pool::each(machines, &cases, work, |at, row: Result<Row, Error>| {
        let row = row?;
        tally.add(&row);
        progress.done(cases[at].name(), || match args.format {
            Plain::Json => out.json(&row),
            Plain::Text => text(out, &row, widest),
        })?;
        Ok::<(), Stop>(())
    })?;
    drop(progress);
    if args.format == Plain::Text {
        tally.tell(out)?;
    }
    Ok(if tally.differ > 0 {
        Status::Differ
    } else {
        Status::Agree
    })
}

const ENGINES: [&str; 5] = ["explore", "loom", "shuttle", "lockstep", "race"];
const CELL: usize = 9;
const MOST_NAME: usize = 64;

/// What an engine's outcomes are to explore's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Relation {
    /// The same.
    Equal,
    /// Some of them, none other.
    Within,
    /// Others.
    Differ,
    /// The engine did not run.
    Skip,
}

#[derive(Serialize)]
struct Row {
    scenario: String,
    mechanism: String,
    explore: Explore,
    loom: Cell,
    shuttle: Cell,
    lockstep: Cell,
    race: Cell,
}

#[derive(Serialize)]
struct Explore {
    outcomes: usize,
    complete: bool,
    states: usize,
    verdict: Relation,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Cell {
    outcomes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    executions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orderings: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    verdict: Relation,
    reason: Option<String>,
}

impl Cell {
    fn new(verdict: Relation, outcomes: usize, reason: Option<String>) -> Cell {
        Cell {
            outcomes,
            executions: None,
            orderings: None,
            rounds: None,
            complete: None,
            verdict,
            reason,
        }
    }

    fn skip(reason: impl Into<String>) -> Cell {
        Cell::new(Relation::Skip, 0, Some(reason.into()))
    }
}

/// Explore's outcomes, and whether they are all.
struct All<'a> {
    outcomes: &'a BTreeSet<Outcome>,
    complete: bool,
}

impl All<'_> {
    fn relation(&self, found: &BTreeSet<Outcome>) -> Relation {
        if found == self.outcomes {
            Relation::Equal
        } else if found.is_subset(self.outcomes) {
            Relation::Within
        } else if self.complete {
            Relation::Differ
        } else {
            Relation::Within
        }
    }
}

fn row(
    case: &Case,
    machine: Option<&mut Machine>,
    options: &CheckOptions,
    args: &MatrixArgs,
) -> Result<Row, Error> {
    let here = machine.is_some();
    let report = run::check(case, machine, options)?;
    let empty = Row {
        scenario: case.name().to_string(),
        mechanism: case.program.mechanism().to_string(),
        explore: Explore {
            outcomes: 0,
            complete: false,
            states: 0,
            verdict: Relation::Skip,
            reason: report.reason.clone(),
        },
        loom: Cell::skip("not explored"),
        shuttle: Cell::skip("not explored"),
        lockstep: Cell::skip("not explored"),
        race: Cell::skip("not explored"),
    };
    let Some(explored) = &report.explored else {
        return Ok(empty);
    };
    let outcomes: BTreeSet<Outcome> = explored.outcomes.keys().cloned().collect();
    let all = All {
        outcomes: &outcomes,
        complete: explored.complete,
    };
    let loom = LoomOptions {
        preemptions: args.loom_preemptions,
        max_duration: Duration::from_secs_f64(args.loom_seconds),
        max_executions: usize::MAX,
    };
    let shuttle = ShuttleOptions {
        seed: args.seed,
        executions: args.shuttle_executions,
        max_duration: Duration::from_secs_f64(args.loom_seconds),
        strategy: Strategy::Random,
    };
    let broken = report.broken.len();
    Ok(Row {
        explore: Explore {
            outcomes: outcomes.len(),
            complete: explored.complete,
            states: explored.states,
            verdict: if broken == 0 {
                Relation::Equal
            } else {
                Relation::Differ
            },
            reason: match broken {
                0 => explored.incomplete_because.clone(),
                n => Some(format!(
                    "{} not hold",
                    super::out::count(n, "expectation or condition")
                        + if n == 1 { " does" } else { " do" }
                )),
            },
        },
        loom: engine(&all, models::loom(&case.program, options.config, &loom)),
        shuttle: engine(
            &all,
            models::shuttle(&case.program, options.config, &shuttle),
        ),
        lockstep: lockstep(&report, &all, here),
        race: race(case, &report, &all, here),
        ..empty
    })
}

fn engine(all: &All, result: Result<ModelRun, ModelError>) -> Cell {
    match result {
        Err(ModelError::Skip(reason)) => Cell::skip(reason),
        Err(error) => Cell::new(Relation::Differ, 0, Some(error.to_string())),
        Ok(run) => {
            let mut verdict = all.relation(&run.outcomes);
            let mut reason = run.incomplete_because;
            // An engine that went through every schedule must have found every outcome.
            if verdict == Relation::Within && run.complete && all.complete {
                verdict = Relation::Differ;
                reason = Some("it is complete and lacks outcomes".into());
            }
            Cell {
                executions: Some(run.executions),
                complete: Some(run.complete),
                ..Cell::new(verdict, run.outcomes.len(), reason)
            }
        }
    }
}

fn lockstep(report: &Report, all: &All, here: bool) -> Cell {
    if !here {
        return Cell::skip("the kernel is left out");
    }
    let failed = report
        .failed_runs
        .iter()
        .find(|(ordering, _)| !ordering.is_empty());
    if report.orderings == 0 && failed.is_none() {
        return Cell::skip(report.reason.clone().unwrap_or_default());
    }
    let mut verdict = all.relation(&report.kernel_outcomes);
    let mut reason = None;
    if let Some((_, why)) = failed {
        (verdict, reason) = (Relation::Differ, Some(why.clone()));
    }
    if !report.differs.is_empty() {
        verdict = Relation::Differ;
        reason = Some(format!("{} orderings differ", report.differs.len()));
    }
    Cell {
        orderings: Some(report.orderings),
        ..Cell::new(verdict, report.kernel_outcomes.len(), reason)
    }
}

fn race(case: &Case, report: &Report, all: &All, here: bool) -> Cell {
    let failed = report
        .failed_runs
        .iter()
        .find(|(ordering, _)| ordering.is_empty());
    if let Some((_, why)) = failed {
        return Cell::new(Relation::Differ, 0, Some(why.clone()));
    }
    if report.race_rounds == 0 {
        return Cell::skip(match (here, &report.reason) {
            (false, _) => "the kernel is left out".to_string(),
            (true, _) if case.program.order.is_some() => ONE_ORDERING.to_string(),
            (true, Some(reason)) if report.orderings == 0 => reason.clone(),
            (true, _) => "no rounds".to_string(),
        });
    }
    let seen: BTreeSet<Outcome> = report.raced.keys().cloned().collect();
    Cell {
        rounds: Some(report.race_rounds),
        ..Cell::new(all.relation(&seen), seen.len(), None)
    }
}

fn text(out: &mut Out, row: &Row, widest: usize) -> io::Result<()> {
    let explored = match (row.explore.verdict, row.explore.complete) {
        (Relation::Skip, _) => ("skip".to_string(), ODD),
        (Relation::Differ, _) => (format!("{} ≠", row.explore.outcomes), BAD),
        (_, true) => (row.explore.outcomes.to_string(), PLAIN),
        (_, false) => (format!("{} …", row.explore.outcomes), ODD),
    };
    let cells = [&row.loom, &row.shuttle, &row.lockstep, &row.race].map(|c| match c.verdict {
        Relation::Equal => (format!("{} =", c.outcomes), GOOD),
        Relation::Within => (format!("{} ⊆", c.outcomes), PLAIN),
        Relation::Differ => (format!("{} ≠", c.outcomes), BAD),
        Relation::Skip => ("skip".to_string(), ODD),
    });
    let mut line = pad(&row.scenario, widest);
    let cell = |(text, style): (String, Style)| paint(style, pad(&text, CELL));
    for shown in std::iter::once(explored).chain(cells) {
        line += &format!("  {}", cell(shown));
    }
    out.line(line.trim_end())?;
    for (name, cell) in row.cells().filter(|(_, c)| c.verdict == Relation::Differ) {
        let reason = cell
            .reason
            .as_deref()
            .unwrap_or("an outcome that explore does not have");
        out.line(format!("  {}  {reason}", paint(BAD, name)))?;
    }
    if row.explore.verdict == Relation::Differ {
        let reason = row.explore.reason.as_deref().unwrap_or_default();
        out.line(format!("  {}  {reason}", paint(BAD, "explore")))?;
    }
    Ok(())
}

impl Row {
    fn cells(&self) -> impl Iterator<Item = (&'static str, &Cell)> {
        let cells = [&self.loom, &self.shuttle, &self.lockstep, &self.race];
        ENGINES[1..].iter().copied().zip(cells)
    }
}

/// How each engine did over all scenarios.
#[derive(Default)]
struct Tally {
    differ: usize,
    by_engine: BTreeMap<&'static str, [usize; 4]>,
    skipped: BTreeMap<(&'static str, String), usize>,
}

impl Tally {
    fn add(&mut self, row: &Row) {
        if row.explore.verdict == Relation::Differ {
            self.differ += 1;
        }
        for (name, cell) in row.cells() {
            self.by_engine.entry(name).or_default()[cell.verdict as usize] += 1;
            match cell.verdict {
                Relation::Differ => self.differ += 1,
                Relation::Skip => {
                    let reason = cell.reason.clone().unwrap_or_default();
                    *self.skipped.entry((name, reason)).or_default() += 1;
                }
                Relation::Equal | Relation::Within => {}
            }
        }
    }

    fn tell(&self, out: &mut Out) -> io::Result<()> {
        out.line("")?;
        for engine in &ENGINES[1..] {
            let Some([equal, within, differ, skip]) = self.by_engine.get(engine) else {
                continue;
            };
            let style = if *differ > 0 { BAD } else { GOOD };
            let told = format!("{equal} equal, {within} within, {differ} differ, {skip} skipped");
            out.line(format!("{}  {}", pad(engine, CELL), paint(style, told)))?;
            for ((_, reason), n) in self.skipped.iter().filter(|((e, _), _)| e == engine) {
                out.line(format!(
                    "{}  {}",
                    pad("", CELL),
                    paint(DIM, format!("{n} skipped: {reason}"))
                ))?;
            }
        }
        Ok(())
    }
}
