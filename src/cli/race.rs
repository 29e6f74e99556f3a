//! `lockstep race`: how often each outcome comes at full speed, beside what the model has.

use super::args::{Choice, Plain, RaceArgs};
use super::out::{BAD, DIM, GOOD, ODD, Out, paint};
use super::table::{Align, Cell, Table};
use super::{Done, Status, Stop, explore, run, select};
use lockstep::scenario::Outcome;
use lockstep::sim::{self, Explored};
use lockstep::{Case, Error};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;

/// Why a scenario with an `order` is not raced.
pub const ONE_ORDERING: &str = "the scenario fixes its one ordering";

/// Runs it.
pub fn main(args: &RaceArgs, out: &mut Out) -> Done {
    let cases = select::cases(&Choice::from(&args.choice))?;
    let config = args.model.config_here();
    run::preflight(&cases, config)?;
    let mut machine = run::machine(&lockstep::real::Options::default())?;
    let mut worst = Status::Agree;
    let mut raced = 0;
    for (n, case) in cases.iter().enumerate() {
        let options = sim::ExploreOptions {
            config,
            ..args.model.explore()
        };
        let explored = sim::explore(&case.program, &options).map_err(Error::from)?;
        let histogram = match machine.can_run(&case.program) {
            Ok(()) if case.program.order.is_some() => Err(ONE_ORDERING.to_string()),
            Err(skip) => Err(skip.to_string()),
            Ok(()) => match machine.race_both(&case.program, args.rounds, args.seed) {
                Ok(histogram) => Ok(histogram),
                Err(lockstep::real::RunError::Skip(skip)) => Err(skip.to_string()),
                Err(error) => return Err(Stop::Unable(Error::Run(error))),
            },
        };
        if let Ok(histogram) = &histogram {
            raced += 1;
            if explored.complete && histogram.keys().any(|o| !explored.outcomes.contains_key(o)) {
                worst = Status::Differ;
            }
        }
        match args.format {
            Plain::Json => out.json(&line(case, args, &explored, &histogram))?,
            Plain::Text => {
                if n > 0 {
                    out.line("")?;
                }
                let release = &machine.facts().release;
                table(out, case, args, release, &explored, &histogram)?;
            }
        }
    }
    Ok(if raced == 0 { Status::Unable } else { worst })
}

type Histogram = Result<BTreeMap<Outcome, u32>, String>;

/// Outcomes with their counts, most frequent first, those that never came last.
fn rows<'a>(
    explored: &'a Explored,
    histogram: &'a BTreeMap<Outcome, u32>,
) -> Vec<(&'a Outcome, u32)> {
    let never = explored
        .outcomes
        .keys()
        .filter(|o| !histogram.contains_key(*o))
        .map(|o| (o, 0));
    let mut rows: Vec<_> = histogram
        .iter()
        .map(|(o, n)| (o, *n))
        .chain(never)
        .collect();
    rows.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    rows
}

/// Whether the model has an outcome; none if it was not explored to the end.
fn allowed(explored: &Explored, outcome: &Outcome) -> Option<bool> {
    match explored.outcomes.contains_key(outcome) {
        true => Some(true),
        false if explored.complete => Some(false),
        false => None,
    }
}

fn table(
    out: &mut Out,
    case: &Case,
    args: &RaceArgs,
    release: &str,
    explored: &Explored,
    histogram: &Histogram,
) -> io::Result<()> {
    explore::title(
        out,
        case,
        &format!("  {}", paint(DIM, format!("Linux {release}"))),
    )?;
    let histogram = match histogram {
        Ok(histogram) => histogram,
        Err(reason) => return out.line(paint(ODD, format!("skipped: {reason}"))),
    };
    let half = args.rounds.div_ceil(2);
    out.line(format!(
        "Rounds {} ({half} on all processors, {} on one), seed {}",
        args.rounds,
        args.rounds - half,
        args.seed
    ))?;
    if let Some(why) = &explored.incomplete_because {
        out.line(paint(
            ODD,
            format!("The model was not explored to the end: {why}"),
        ))?;
    }
    let columns = [("count", Align::Right)]
        .into_iter()
        .map(|(n, a)| (n.to_string(), a))
        .chain(
            case.program
                .outcome_columns()
                .into_iter()
                .map(|n| (n, Align::Left)),
        )
        .chain([("model".to_string(), Align::Left)]);
    let mut table = Table::new(columns);
    for (outcome, count) in rows(explored, histogram) {
        let verdict = match allowed(explored, outcome) {
            Some(true) => Cell::new("allowed", if count > 0 { GOOD } else { DIM }),
            Some(false) => Cell::new("NOT ALLOWED", BAD),
            None => Cell::new("unknown", ODD),
        };
        let row = case
            .program
            .outcome_row(outcome)
            .into_iter()
            .map(Cell::from);
        table.row(
            std::iter::once(Cell::from(count.to_string()))
                .chain(row)
                .chain([verdict]),
        );
    }
    out.line(format!(
        "Histogram ({} of {} outcomes)",
        histogram
            .keys()
            .filter(|o| explored.outcomes.contains_key(*o))
            .count(),
        explored.outcomes.len()
    ))?;
    for line in table.lines(2) {
        out.line(line)?;
    }
    let outside: Vec<_> = histogram
        .keys()
        .filter(|o| allowed(explored, o) == Some(false))
        .collect();
    match outside.is_empty() {
        true => out.line(format!(
            "{}  every outcome is one of the model's",
            paint(GOOD, "Ok")
        )),
        false => {
            let n = super::out::count(outside.len(), "outcome");
            out.line(format!(
                "{}  {n} that the model does not have",
                paint(BAD, "No")
            ))
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    mechanism: &'a str,
    verdict: &'static str,
    reason: Option<&'a str>,
    rounds: u32,
    seed: u64,
    complete: bool,
    histogram: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    count: u32,
    text: String,
    allowed: Option<bool>,
}

fn line<'a>(
    case: &'a Case,
    args: &RaceArgs,
    explored: &Explored,
    histogram: &'a Histogram,
) -> Line<'a> {
    let empty = BTreeMap::new();
    let bars = rows(explored, histogram.as_ref().unwrap_or(&empty));
    let bar = |(outcome, count): (&Outcome, u32)| Bar {
        count,
        text: case.program.show_outcome(outcome),
        allowed: allowed(explored, outcome),
    };
    let histogram_rows: Vec<Bar> = bars.into_iter().map(bar).collect();
    let verdict = match histogram {
        Err(_) => "skip",
        Ok(_) if histogram_rows.iter().any(|b| b.allowed == Some(false)) => "differ",
        Ok(_) => "agree",
    };
    Line {
        scenario: case.name(),
        mechanism: case.program.mechanism(),
        verdict,
        reason: histogram.as_ref().err().map(String::as_str),
        rounds: if histogram.is_ok() { args.rounds } else { 0 },
        seed: args.seed,
        complete: explored.complete,
        histogram: histogram_rows,
    }
}
