//! `lockstep explore`: every outcome that the model has.

use super::args::{Choice, ExploreArgs, Plain};
use super::difference::condition_text;
use super::out::{self, BAD, DIM, GOOD, ODD, Out, STRONG, label, paint};
use super::table::{Align, Cell, Table};
use super::{Done, Status, run, select, trace};
use lockstep::scenario::ast::Quantifier;
use lockstep::scenario::{Clause, Condition, End, Outcome, Schedule};
use lockstep::sim::{self, Certain, Explored, Replayed};
use lockstep::{Broken, Case, Error, judge};
use serde::Serialize;
use std::io;

/// Runs it.
pub fn main(args: &ExploreArgs, out: &mut Out) -> Done {
    let cases = select::cases(&Choice::from(&args.choice))?;
    run::preflight(&cases, args.model.config())?;
    if let Some(text) = &args.schedule {
        let case = select::only(&cases)?;
        let schedule = Schedule::parse(text, &case.program).map_err(Error::from)?;
        let run =
            sim::replay(&case.program, args.model.config(), &schedule).map_err(Error::from)?;
        match args.format {
            Plain::Text => replayed(out, case, &run)?,
            Plain::Json => out.json(&RunLine::new(case, &run, None))?,
        }
        return Ok(match run.outcome.failed.is_empty() {
            true => Status::Agree,
            false => Status::Differ,
        });
    }
    let mut status = Status::Agree;
    for (n, case) in cases.iter().enumerate() {
        let options = args.model.explore();
        let explored = match args.naive {
            true => sim::explore_naive(&case.program, &options),
            false => sim::explore(&case.program, &options),
        };
        let explored = explored.map_err(Error::from)?;
        let model = args.model.model.name();
        let broken = judge(case, model, &explored.outcomes, explored.complete);
        if !broken.is_empty() {
            status = Status::Differ;
        }
        let certain = match args.certain {
            true => Some(sim::certain(&case.program, &options).map_err(Error::from)?),
            false => None,
        };
        match args.format {
            Plain::Json => {
                let certain = certain.as_ref();
                out.json(&Line::new(case, model, &explored, &broken, certain))?;
            }
            Plain::Text => {
                if n > 0 {
                    out.line("")?;
                }
                table(out, case, model, &explored, &broken)?;
                if let Some(certain) = &certain {
                    what_is_certain(out, case, certain)?;
                }
            }
        }
    }
    Ok(status)
}

/// The clauses that all ways to an outcome rest on: first those of all outcomes, then what each
/// has besides.
fn what_is_certain(out: &mut Out, case: &Case, certain: &Certain) -> io::Result<()> {
    if let Some(why) = &certain.incomplete_because {
        let text = format!("Nothing is certain of an outcome: {why}");
        return out.line(paint(ODD, text));
    }
    let shared = certain.of_all();
    let names = |clauses: &mut dyn Iterator<Item = &Clause>| -> String {
        let names: Vec<String> = clauses.map(ToString::to_string).collect();
        match names.is_empty() {
            true => "–".into(),
            false => names.join(" "),
        }
    };
    out.line(format!("Certain of all  {}", names(&mut shared.iter())))?;
    let mut table = Table::new([("", Align::Left), ("and of", Align::Left)]);
    for (outcome, clauses) in &certain.clauses {
        let besides = names(&mut clauses.difference(&shared));
        table.row([
            besides.into(),
            Cell::new(case.program.show_outcome(outcome), DIM),
        ]);
    }
    table
        .lines(2)
        .into_iter()
        .try_for_each(|line| out.line(line))
}

/// Whether somebody is stuck for ever in it.
pub fn is_deadlock(outcome: &Outcome) -> bool {
    outcome
        .ends
        .iter()
        .any(|e| matches!(e, End::Blocked(_) | End::Stopped(_)))
}

/// What a scenario is called and what it shows.
pub fn title(out: &mut Out, case: &Case, rest: &str) -> io::Result<()> {
    out.line(format!("Test {}{rest}", paint(STRONG, case.name())))?;
    match case.program.description.as_str() {
        "" => Ok(()),
        text => {
            let room = out.width().unwrap_or(100).clamp(40, 100);
            out::wrap(text, room)
                .iter()
                .try_for_each(|line| out.line(line))
        }
    }
}

/// How a condition stands.
struct Stands {
    verdict: &'static str,
    positive: usize,
    negative: usize,
}

fn stands(
    case: &Case,
    model: &str,
    explored: &Explored,
    broken: &[Broken],
    index: usize,
    condition: &Condition,
) -> Stands {
    let positive = explored
        .outcomes
        .keys()
        .filter(|o| condition.holds(&case.program, o))
        .count();
    let negative = explored.outcomes.len() - positive;
    let is_broken = broken.iter().any(|b| match b {
        Broken::Condition { index: at, .. } | Broken::Missing { index: at } => *at == index,
        Broken::Expectation { .. } => false,
    });
    let settled = match condition.quantifier {
        Quantifier::Sometimes => positive > 0,
        Quantifier::Always | Quantifier::Never => explored.complete,
    };
    let verdict = match (condition.under.as_deref(), is_broken, settled) {
        (Some(under), ..) if under != model => "skip",
        (_, true, _) => "no",
        (_, false, true) => "ok",
        (_, false, false) => "unknown",
    };
    Stands {
        verdict,
        positive,
        negative,
    }
}

fn table(
    out: &mut Out,
    case: &Case,
    model: &str,
    explored: &Explored,
    broken: &[Broken],
) -> io::Result<()> {
    let program = &case.program;
    title(out, case, "")?;
    let completeness = match &explored.incomplete_because {
        None => paint(GOOD, "complete"),
        Some(why) => paint(ODD, format!("incomplete: {why}")),
    };
    out.line(format!(
        "States {}, transitions {}, {completeness}, model {model}",
        explored.states, explored.transitions
    ))?;
    out.line(format!("Outcomes {}", explored.outcomes.len()))?;
    let columns = program.outcome_columns();
    let headings = std::iter::once(String::new())
        .chain(columns)
        .chain(["witness".to_string()])
        .map(|name| (name, Align::Left));
    let mut table = Table::new(headings);
    for (outcome, witness) in &explored.outcomes {
        let mark = match (outcome.failed.is_empty(), is_deadlock(outcome)) {
            (false, _) => Cell::new("!", BAD),
            (true, true) => Cell::new("†", ODD),
            (true, false) => "".into(),
        };
        let row = program.outcome_row(outcome).into_iter().map(Cell::from);
        let witness = Cell::new(witness.show(program), DIM);
        table.row(std::iter::once(mark).chain(row).chain([witness]));
    }
    for line in table.lines(2) {
        out.line(line)?;
    }
    let deadlocks = explored.outcomes.keys().filter(|o| is_deadlock(o)).count();
    if deadlocks > 0 {
        out.line(format!(
            "Deadlocks {deadlocks} (†: somebody waits for ever)"
        ))?;
    }
    let failed = broken.iter().filter_map(|b| match b {
        Broken::Expectation { task, index, .. } => Some((*task, *index)),
        _ => None,
    });
    for (task, index) in failed {
        let line = case
            .line_of(task, index)
            .map_or(String::new(), |n| format!(":{n}"));
        out.line(format!(
            "{}  {}{line}  {}: {} does otherwise than its line says (!)",
            paint(BAD, "No"),
            case.source.file,
            program.task(task).name,
            program.stmt(task, index).text,
        ))?;
    }
    let mut conditions = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
    for (index, condition) in program.conditions.iter().enumerate() {
        let stands = stands(case, model, explored, broken, index, condition);
        let verdict = match stands.verdict {
            "ok" => Cell::new("Ok", GOOD),
            "no" => Cell::new("No", BAD),
            "skip" => Cell::new("--", DIM),
            _ => Cell::new("??", ODD),
        };
        let count = format!("{} positive, {} negative", stands.positive, stands.negative);
        conditions.row([
            verdict,
            condition_text(condition).into(),
            Cell::new(count, DIM),
        ]);
    }
    for line in conditions.lines(0) {
        out.line(line)?;
    }
    Ok(())
}

/// One run of the model, with its clauses.
pub fn replayed(out: &mut Out, case: &Case, run: &Replayed) -> io::Result<()> {
    title(out, case, "")?;
    for line in trace::model(&case.program, run, false, out.width()) {
        out.line(line)?;
    }
    out.line(format!(
        "  {}",
        label("outcome", &case.program.show_outcome(&run.outcome))
    ))?;
    out.line("")
}

#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    mechanism: &'a str,
    complete: bool,
    incomplete_because: Option<&'a str>,
    states: usize,
    transitions: usize,
    outcomes: Vec<OutcomeLine>,
    deadlocks: usize,
    conditions: Vec<ConditionLine>,
}

#[derive(Serialize)]
struct OutcomeLine {
    text: String,
    schedule: String,
    deadlock: bool,
    /// The clauses that every way to it rests on, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    certain: Option<Vec<String>>,
}

#[derive(Serialize)]
struct ConditionLine {
    text: String,
    verdict: &'static str,
    positive: usize,
    negative: usize,
}

impl<'a> Line<'a> {
    fn new(
        case: &'a Case,
        model: &str,
        explored: &'a Explored,
        broken: &[Broken],
        certain: Option<&Certain>,
    ) -> Line<'a> {
        let program = &case.program;
        let clauses = |outcome: &Outcome| {
            let clauses = certain?.clauses.get(outcome)?;
            Some(clauses.iter().map(ToString::to_string).collect())
        };
        let outcome = |(outcome, witness): (&Outcome, &Schedule)| OutcomeLine {
            text: program.show_outcome(outcome),
            schedule: witness.show(program),
            deadlock: is_deadlock(outcome),
            certain: clauses(outcome),
        };
        let condition = |(index, condition): (usize, &Condition)| {
            let stands = stands(case, model, explored, broken, index, condition);
            ConditionLine {
                text: condition_text(condition),
                verdict: stands.verdict,
                positive: stands.positive,
                negative: stands.negative,
            }
        };
        Line {
            scenario: case.name(),
            mechanism: program.mechanism(),
            complete: explored.complete,
            incomplete_because: explored.incomplete_because.as_deref(),
            states: explored.states,
            transitions: explored.transitions,
            outcomes: explored.outcomes.iter().map(outcome).collect(),
            deadlocks: explored.outcomes.keys().filter(|o| is_deadlock(o)).count(),
            conditions: program
                .conditions
                .iter()
                .enumerate()
                .map(condition)
                .collect(),
        }
    }
}

/// A run as JSON.
#[derive(Serialize)]
pub struct RunLine<'a> {
    scenario: &'a str,
    seed: Option<u64>,
    schedule: String,
    outcome: String,
    steps: Vec<StepLine>,
}

#[derive(Serialize)]
struct StepLine {
    action: String,
    events: Vec<String>,
    clauses: Vec<String>,
}

impl<'a> RunLine<'a> {
    /// The run of a case.
    pub fn new(case: &'a Case, run: &Replayed, seed: Option<u64>) -> RunLine<'a> {
        let program = &case.program;
        let step = |action: String, taken: &sim::Taken| StepLine {
            action,
            events: taken.events.iter().map(|e| program.show_event(e)).collect(),
            clauses: taken.clauses.iter().map(ToString::to_string).collect(),
        };
        let setup = step("setup".into(), &run.setup);
        let steps = run
            .steps
            .iter()
            .map(|(a, taken)| step(Schedule(vec![a.clone()]).show(program), taken));
        RunLine {
            scenario: case.name(),
            seed,
            schedule: schedule(run).show(program),
            outcome: program.show_outcome(&run.outcome),
            steps: std::iter::once(setup).chain(steps).collect(),
        }
    }
}

/// The schedule that repeats a run.
pub fn schedule(run: &Replayed) -> Schedule {
    Schedule(run.steps.iter().map(|(action, _)| action.clone()).collect())
}

/// How a schedule is replayed, in two lines.
pub fn how_to_replay(case: &Case, schedule: &str, given: &str) -> Vec<String> {
    let replay = format!(
        "{} --schedule {}{given}",
        select::words(case),
        out::quote(schedule)
    );
    vec![
        format!("  {}", label("schedule", schedule)),
        format!(
            "  {}",
            label("replay", &format!("lockstep explore {replay}"))
        ),
        format!("  {}", label("kernel", &format!("lockstep run {replay}"))),
    ]
}
