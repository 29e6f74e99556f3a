//! `lockstep explain`: a clause of the catalogue.

use super::args::{ExplainArgs, Plain};
use super::out::{DIM, GOOD, ODD, Out, STRONG, paint};
use super::table::pairs;
use super::{Done, Status, Stop};
use lockstep::scenario::{Clause, nearest};
use lockstep::sim::clauses::{Entry, catalogue, is_modelled};
use lockstep::{Case, suite};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Line<'a> {
    clause: String,
    file: &'a str,
    section: &'a str,
    statement: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
    modelled: bool,
    scenarios: Vec<&'a str>,
}

/// Runs it.
pub fn main(args: &ExplainArgs, out: &mut Out) -> Done {
    let mut entries = Vec::new();
    let mut unknown = Vec::new();
    for word in &args.clauses {
        match find(word) {
            Ok(entry) => entries.push(entry),
            Err(why) => unknown.push(lockstep::Error::Usage(why)),
        }
    }
    if !unknown.is_empty() {
        return Err(Stop::Bad(unknown));
    }
    let scenarios = suite::built_in()?;
    let cases: Vec<&Case> = scenarios.iter().flat_map(|s| s.cases()).collect();
    for (n, entry) in entries.into_iter().enumerate() {
        let id = entry.id.to_string();
        let citing: Vec<&Case> =
            cases.iter().copied().filter(|c| c.program.clauses.contains(&id)).collect();
        match args.format {
            Plain::Json => out.json(&Line {
                clause: id,
                file: entry.file,
                section: entry.section,
                statement: &entry.statement,
                fields: entry.fields.iter().map(|(name, text)| (*name, text.as_str())).collect(),
                modelled: is_modelled(entry.id),
                scenarios: citing.iter().map(|c| c.name()).collect(),
            })?,
            Plain::Text => {
                if n > 0 {
                    out.line("")?;
                }
                text(out, entry, &citing)?;
            }
        }
    }
    Ok(Status::Agree)
}

fn text(out: &mut Out, entry: &Entry, citing: &[&Case]) -> std::io::Result<()> {
    let section = format!("{}.md, {}", entry.file, entry.section);
    out.line(format!("{}  {}", paint(STRONG, entry.id.to_string()), paint(DIM, section)))?;
    let room = out.width().unwrap_or(100).clamp(40, 100);
    for line in wrap(&entry.statement, room) {
        out.line(line)?;
    }
    out.line("")?;
    let mut told: Vec<(&str, String)> =
        entry.fields.iter().map(|(name, text)| (*name, text.clone())).collect();
    told.push((
        "modelled",
        match is_modelled(entry.id) {
            true => paint(GOOD, "yes"),
            false => paint(ODD, "no rule cites it"),
        },
    ));
    told.push((
        "scenarios",
        match citing {
            [] => paint(ODD, "none"),
            cases => {
                // Variants of one scenario are one.
                let mut names: Vec<&str> = cases.iter().map(|c| c.base_name()).collect();
                names.dedup();
                names.join("\n")
            }
        },
    ));
    let widest = told.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let told: Vec<(&str, String)> = told
        .into_iter()
        .map(|(name, text)| {
            let lines: Vec<String> =
                text.lines().flat_map(|l| wrap(l, room.saturating_sub(widest + 4))).collect();
            (name, lines.join(&format!("\n{}", " ".repeat(widest + 4))))
        })
        .collect();
    for line in pairs(2, &told) {
        out.line(line)?;
    }
    Ok(())
}

/// A text in lines of at most `room` columns.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if super::out::width(line) + 1 + super::out::width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// The entry that a word names; small letters and missing zeroes do.
fn find(word: &str) -> Result<&'static Entry, String> {
    let entries = catalogue();
    let id = word.to_uppercase().parse::<Clause>().ok();
    if let Some(entry) = id.and_then(|id| entries.get(&id)) {
        return Ok(entry);
    }
    let known: Vec<String> = entries.keys().map(Clause::to_string).collect();
    let near = match id {
        // The prefix is right, so the number is not.
        Some(id) => {
            let of = entries.keys().filter(|c| c.prefix == id.prefix);
            of.min_by_key(|c| c.number.abs_diff(id.number)).map(Clause::to_string)
        }
        None => nearest(word, known.iter().map(String::as_str)).map(str::to_string),
    };
    let first = format!("no clause is called `{word}`");
    Err(match near {
        Some(near) => format!("{first}; did you mean `{near}`?"),
        None => format!("{first}; clauses are called like {}", known.first().map_or("PIPE-001", |k| k)),
    })
}
