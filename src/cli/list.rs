//! `lockstep list`: the scenarios, or the calls that they can make.

use super::args::{ListArgs, Plain};
use super::out::{DIM, Out, PLAIN};
use super::table::{Align, Cell, Table};
use super::{Done, Status, select};
use lockstep::Case;
use lockstep::scenario::Sys;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    mechanism: &'a str,
    file: &'a str,
    description: &'a str,
    clauses: &'a [String],
}

#[derive(Serialize)]
struct Call {
    call: &'static str,
    signature: String,
    gives: String,
    man: &'static str,
    doc: &'static str,
}

/// Runs it.
pub fn main(args: &ListArgs, out: &mut Out) -> Done {
    if args.calls {
        return calls(args.format, out);
    }
    let cases = select::cases(&args.choice)?;
    if args.format == Plain::Json {
        for case in &cases {
            out.json(&Line {
                scenario: case.name(),
                mechanism: case.program.mechanism(),
                file: &case.source.file,
                description: &case.program.description,
                clauses: &case.program.clauses,
            })?;
        }
        return Ok(Status::Agree);
    }
    let columns = [
        ("scenario", Align::Left),
        ("clauses", Align::Left),
        ("file", Align::Left),
    ];
    let mut table = Table::new(columns);
    for case in &cases {
        let row = |case: &Case| {
            let clauses = case.program.clauses.join(" ");
            [
                Cell::new(case.name(), PLAIN),
                Cell::new(clauses, PLAIN),
                Cell::new(&case.source.file, DIM),
            ]
        };
        table.row(row(case));
    }
    for line in table.lines(0) {
        out.line(line)?;
    }
    Ok(Status::Agree)
}

fn calls(format: Plain, out: &mut Out) -> Done {
    let calls = Sys::ALL.iter().map(|sys| sys.spec()).map(|spec| Call {
        call: spec.name,
        signature: spec.signature(),
        gives: spec.gives.to_string(),
        man: spec.man,
        doc: spec.doc,
    });
    if format == Plain::Json {
        for call in calls {
            out.json(&call)?;
        }
        return Ok(Status::Agree);
    }
    let columns = [
        ("call", Align::Left),
        ("gives", Align::Left),
        ("manual page", Align::Left),
        ("", Align::Left),
    ];
    let mut table = Table::new(columns);
    for call in calls {
        table.row([
            call.signature.into(),
            call.gives.into(),
            Cell::new(call.man, DIM),
            call.doc.into(),
        ]);
    }
    for line in table.lines(0) {
        out.line(line)?;
    }
    Ok(Status::Agree)
}
