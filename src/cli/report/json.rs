//! JSON, for other programs: one object a line. Fields keep their names, meanings and order; more
//! may come.
//!
//! # `lockstep run --format json`
//!
//! One object for each scenario and variant, as soon as those before it are done.
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `scenario` | string | the name, variant included |
//! | `mechanism` | string | the first part of the name |
//! | `file` | string | where it stands |
//! | `verdict` | `"agree"`, `"differ"`, `"skip"` | what the comparison came to |
//! | `reason` | string or null | why it was skipped, what differs first, or what could not be looked at |
//! | `outcomes` | number | outcomes of the model |
//! | `states` | number | states explored |
//! | `complete` | boolean | whether that is all of them |
//! | `orderings` | number | orderings run on the kernel |
//! | `cover` | string or null | how they were chosen: `every`, `fixed`, `transitions`, `sample` |
//! | `orderings_total` | number or null | how many orderings there are, where that is known |
//! | `race_rounds` | number | rounds raced |
//! | `race_outcomes` | number | outcomes seen in the race |
//! | `seed` | number | the seed of all that was chosen at random |
//! | `pass` | number | which pass of `--repeat`, from 1 |
//! | `differences` | array | see below |
//!
//! A difference is `{"kind", "place", "about", "text", "schedule", "replay"}`: `kind` is one of
//! `kernel`, `race`, `condition`, `expectation`, `run`; `place` is `file:line`; `about` the line of
//! the scenario; `text` what was got and what was allowed; `schedule` and `replay`, strings or null,
//! the schedule that leads to it and the command that does it again.
//!
//! # The other commands
//!
//! | command | one object a | fields |
//! |---|---|---|
//! | `explore` | scenario | `scenario`, `mechanism`, `complete`, `incomplete_because`, `states`, `transitions`, `outcomes` (`text`, `schedule`, `deadlock`), `deadlocks`, `conditions` (`text`, `verdict`: `ok`, `no`, `unknown` or `skip`, `positive`, `negative`) |
//! | `explore --schedule`, `simulate` | run | `scenario`, `seed`, `schedule`, `outcome`, `steps` (`action`, `events`, `clauses`) |
//! | `race` | scenario | `scenario`, `mechanism`, `verdict`, `reason`, `rounds`, `seed`, `complete`, `histogram` (`count`, `text`, `allowed`) |
//! | `matrix` | scenario | `scenario`, `mechanism`, `explore` (`outcomes`, `complete`), `loom`, `shuttle` (`outcomes`, `executions`, `complete`, `verdict`, `reason`), `lockstep` (`outcomes`, `orderings`, …), `race` (`outcomes`, `rounds`, …); `verdict` is `equal`, `within`, `differ` or `skip` |
//! | `list` | scenario | `scenario`, `mechanism`, `file`, `description`, `clauses` |
//! | `list --calls` | call | `call`, `signature`, `gives`, `man`, `doc` |
//! | `explain` | clause | `clause`, `file`, `section`, `statement`, `fields`, `modelled`, `scenarios` |
//! | `coverage` | prefix | `mechanism`, `prefix`, `total`, `modelled`, `fired`, `agreed`, `not_agreed` (`clause`, `reason`) |

use super::{About, Checked, Reporter, Totals, word};
use crate::cli::difference::{Difference, Kind};
use crate::cli::out::Out;
use lockstep::sim::Cover;
use serde::Serialize;
use std::io;

/// The form.
pub struct Json;

#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    mechanism: &'a str,
    file: &'a str,
    verdict: &'static str,
    reason: Option<String>,
    outcomes: usize,
    states: usize,
    complete: bool,
    orderings: usize,
    cover: Option<&'static str>,
    orderings_total: Option<u64>,
    race_rounds: u32,
    race_outcomes: usize,
    seed: u64,
    pass: u32,
    differences: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    kind: Kind,
    place: &'a str,
    about: &'a str,
    text: &'a str,
    schedule: Option<&'a str>,
    replay: Option<&'a str>,
}

impl<'a> From<&'a Difference> for Told<'a> {
    fn from(d: &'a Difference) -> Told<'a> {
        Told {
            kind: d.kind,
            place: &d.place,
            about: &d.about,
            text: &d.text,
            schedule: d.schedule.as_deref(),
            replay: d.replay.as_deref(),
        }
    }
}

impl Reporter for Json {
    fn begin(&mut self, _: &mut Out, _: &About) -> io::Result<()> {
        Ok(())
    }

    fn case(&mut self, out: &mut Out, checked: &Checked) -> io::Result<()> {
        let (report, program) = (checked.report, &checked.case.program);
        let explored = report.explored.as_ref();
        let (cover, orderings_total) = match report.cover {
            None => (None, None),
            Some(Cover::Fixed) => (Some("fixed"), Some(1)),
            Some(Cover::Every) => (Some("every"), Some(report.orderings as u64)),
            Some(Cover::Transitions { of, .. }) => {
                (Some("transitions"), Some(of).filter(|n| *n != u64::MAX))
            }
            Some(Cover::Sample { of, .. }) => (Some("sample"), of.filter(|n| *n != u64::MAX)),
        };
        let first = checked.differences.first();
        out.json(&Line {
            scenario: &report.name,
            mechanism: program.mechanism(),
            file: &checked.case.source.file,
            verdict: word(report.verdict),
            reason: first
                .map(|d| format!("{}: {}", d.about, d.text))
                .or(report.reason.clone()),
            outcomes: explored.map_or(0, |e| e.outcomes.len()),
            states: explored.map_or(0, |e| e.states),
            complete: explored.is_some_and(|e| e.complete),
            orderings: report.orderings,
            cover,
            orderings_total,
            race_rounds: report.race_rounds,
            race_outcomes: report.raced.len(),
            seed: checked.seed,
            pass: checked.pass,
            differences: checked.differences.iter().map(Told::from).collect(),
        })
    }

    fn end(&mut self, _: &mut Out, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}
