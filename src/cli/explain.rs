//! `lockstep explain`: a clause of the catalogue.

use super::args::{ExplainArgs, Plain};
use super::out::{self, DIM, GOOD, ODD, Out, STRONG, paint};
use super::table::pairs;
use super::{Done, Status, Stop};
use lockstep::scenario::{Clause, Prefix, nearest};
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
        let citing: Vec<&Case> = cases
            .iter()
            .copied()
            .filter(|c| c.program.clauses.contains(&id))
            .collect();
        match args.format {
            Plain::Json => out.json(&Line {
                clause: id,
                file: entry.file,
                section: entry.section,
                statement: &entry.statement,
                fields: entry
                    .fields
                    .iter()
                    .map(|(name, text)| (*name, text.as_str()))
                    .collect(),
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
    out.line(format!(
        "{}  {}",
        paint(STRONG, entry.id.to_string()),
        paint(DIM, section)
    ))?;
    let room = out.width().unwrap_or(100).clamp(40, 100);
    for line in out::wrap(&entry.statement, room) {
        out.line(line)?;
    }
    out.line("")?;
    let mut told: Vec<(&str, String)> = entry
        .fields
        .iter()
        .map(|(name, text)| (*name, text.clone()))
        .collect();
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
            let lines: Vec<String> = text
                .lines()
                .flat_map(|l| out::wrap(l, room.saturating_sub(widest + 4)))
                .collect();
            (name, lines.join(&format!("\n{}", " ".repeat(widest + 4))))
        })
        .collect();
    for line in pairs(2, &told) {
        out.line(line)?;
    }
    Ok(())
}

/// The entry that a word names; small letters and missing zeroes do.
fn find(word: &str) -> Result<&'static Entry, String> {
    let entries = catalogue();
    let id = word.to_uppercase().parse::<Clause>().ok();
    if let Some(entry) = id.and_then(|id| entries.get(&id)) {
        return Ok(entry);
    }
    // `PIPE31`, `pipe_031`, `PIPE-31x`: the letters and the number are what is meant.
    let letters: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
    let number: String = word.chars().filter(char::is_ascii_digit).take(5).collect();
    let prefixes: Vec<String> = Prefix::ALL.iter().map(ToString::to_string).collect();
    let prefix = nearest(&letters, prefixes.iter().map(String::as_str));
    let meant = prefix.and_then(|p| format!("{p}-{number}").parse::<Clause>().ok());
    let near = meant.and_then(|id| {
        let of = entries.keys().filter(|c| c.prefix == id.prefix);
        of.min_by_key(|c| c.number.abs_diff(id.number))
    });
    let first = format!("no clause is called `{word}`");
    Err(match (near, entries.keys().next()) {
        (Some(near), _) => format!("{first}; did you mean `{near}`?"),
        (None, Some(known)) => format!("{first}; clauses are called like `{known}`"),
        (None, None) => first,
    })
}
