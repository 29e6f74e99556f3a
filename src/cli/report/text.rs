//! For people: one line a scenario, what differs right below it.

use super::{About, Checked, Reporter, Totals, headline, orderings, word};
use crate::cli::difference::Difference;
use crate::cli::out::{BAD, DIM, GOOD, ODD, Out, STRONG, label, pad, paint, width};
use lockstep::{Case, Verdict};
use std::collections::HashMap;
use std::io;

/// The form.
#[derive(Default)]
pub struct Text {
    name: usize,
    passes: u32,
    /// The verdicts of the first pass: later ones tell only what is new.
    first: HashMap<String, Verdict>,
}

/// Names longer than this stand out of line.
const MOST_NAME: usize = 64;

impl Reporter for Text {
    fn begin(&mut self, out: &mut Out, about: &About) -> io::Result<()> {
        let widest = about
            .cases
            .iter()
            .map(|c| width(c.name()))
            .max()
            .unwrap_or(0);
        self.name = widest.clamp(8, MOST_NAME);
        self.passes = about.passes;
        out.line(paint(DIM, headline(about)))?;
        let heading = format!(
            "{}  {:7}  {:>8}  {:>8}  {:14}  {}",
            pad("scenario", self.name),
            "verdict",
            "outcomes",
            "states",
            "orderings",
            "race"
        );
        out.line(paint(STRONG, heading))
    }

    fn case(&mut self, out: &mut Out, checked: &Checked) -> io::Result<()> {
        let report = checked.report;
        if checked.pass == 1 {
            self.first.insert(key(checked.case), report.verdict);
        } else if self.first.get(&key(checked.case)) == Some(&report.verdict)
            && report.verdict != Verdict::Differ
        {
            return Ok(());
        }
        let style = match report.verdict {
            Verdict::Agree => GOOD,
            Verdict::Differ => BAD,
            Verdict::Skip => ODD,
        };
        let name = pad(&report.name, self.name);
        let mut line = format!(
            "{name}  {}",
            paint(style, format!("{:7}", word(report.verdict)))
        );
        if report.verdict == Verdict::Skip {
            line += &format!("  {}", report.reason.as_deref().unwrap_or_default());
        } else {
            let explored = report.explored.as_ref();
            let number = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
            let race = match report.race_rounds {
                0 => String::new(),
                n => n.to_string(),
            };
            line += &format!(
                "  {:>8}  {:>8}  {:14}  {race}",
                number(explored.map(|e| e.outcomes.len())),
                number(explored.map(|e| e.states)),
                orderings(report),
            );
            if let Some(reason) = &report.reason {
                line = format!("{}  {}", line.trim_end(), paint(ODD, reason));
            }
        }
        if self.passes > 1 && checked.pass > 1 {
            line = format!(
                "{}  {}",
                line.trim_end(),
                paint(DIM, format!("pass {}", checked.pass))
            );
        }
        out.line(line.trim_end())?;
        for difference in &checked.differences {
            out.line("")?;
            for line in told(difference) {
                out.line(match line.is_empty() {
                    true => line,
                    false => format!("  {line}"),
                })?;
            }
        }
        if !checked.differences.is_empty() {
            out.line("")?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Out, totals: &Totals) -> io::Result<()> {
        let style = if totals.differ > 0 { BAD } else { GOOD };
        let line = totals.line();
        let (head, rest) = match line.split_once(" (") {
            Some((head, rest)) => (head, format!(" ({rest}")),
            None => (line.as_str(), String::new()),
        };
        out.line(paint(style, head) + &rest)
    }
}

fn key(case: &Case) -> String {
    format!("{}\0{}", case.source.file, case.name())
}

/// A difference, as lines.
pub fn told(difference: &Difference) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {}", paint(STRONG, &difference.place), difference.about),
        paint(BAD, &difference.text),
    ];
    lines.extend(difference.notes.iter().cloned());
    if !difference.trace.is_empty() {
        lines.push(String::new());
        lines.extend(difference.trace.iter().cloned());
    }
    if difference.repeats {
        lines.push("by the same run as above".into());
        return lines;
    }
    if difference.schedule.is_some() || difference.replay.is_some() {
        lines.push(String::new());
    }
    if let Some(schedule) = &difference.schedule {
        lines.push(label("schedule", schedule));
    }
    if let Some(replay) = &difference.replay {
        lines.push(label("replay", replay));
    }
    lines
}
