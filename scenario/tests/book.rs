//! The book of the language, `README.md`: its tables are those of the source, its examples are
//! scenarios. `LOCKSTEP_BLESS=1 cargo test -p lockstep-scenario --test book` writes the tables
//! anew.

use scenario::{Bits, Errno, Kind, Signal, Sys, Sysctl, load};
use std::collections::BTreeSet;
use std::fmt::Write;

const BOOK: &str = include_str!("../README.md");

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn calls() -> String {
    let mut out = String::from("| call | gives | what it does | manual |\n|---|---|---|---|\n");
    for sys in Sys::ALL {
        let spec = sys.spec();
        let written = match sys {
            Sys::Fork | Sys::Thread => format!("{} NAME", spec.name),
            _ => spec.signature(),
        };
        let gives = cell(&spec.gives.to_string());
        writeln!(
            out,
            "| `{written}` | {gives} | {} | {} |",
            cell(spec.doc),
            spec.man
        )
        .expect("writing to a string succeeds");
    }
    out
}

fn parameters() -> String {
    let mut names: Vec<(Kind, BTreeSet<&str>)> = Vec::new();
    for param in Sys::ALL.iter().flat_map(|s| s.spec().params) {
        match names.iter_mut().find(|(kind, _)| *kind == param.kind) {
            Some((_, names)) => {
                names.insert(param.name);
            }
            None => names.push((param.kind, BTreeSet::from([param.name]))),
        }
    }
    let mut out = String::from("| it takes | parameters |\n|---|---|\n");
    for (kind, names) in names {
        if let Kind::Word(_) = kind {
            continue;
        }
        let names: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
        writeln!(
            out,
            "| {} | {} |",
            cell(&kind.to_string()),
            names.join(", ")
        )
        .expect("writing to a string succeeds");
    }
    out
}

fn constants() -> String {
    let mut out = String::from("| family | names |\n|---|---|\n");
    let mut row = |family: &str, names: Vec<String>| {
        let names: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
        writeln!(out, "| {family} | {} |", names.join(" ")).expect("writing to a string succeeds");
    };
    for family in Bits::ALL {
        if !family.names().is_empty() {
            let names = family.names().iter().map(|(n, _)| n.to_string()).collect();
            row(&format!("{family:?}"), names);
        }
    }
    let mut signals: Vec<String> = Signal::NAMED.iter().map(|(n, _)| n.to_string()).collect();
    signals.extend(["SIGRTMIN", "SIGRTMIN+1", "…", "SIGRTMAX"].map(String::from));
    row("Signals", signals);
    row(
        "Limits",
        Sysctl::ALL.iter().map(|s| format!("\"{s}\"")).collect(),
    );
    row("Errnos", Errno::ALL.iter().map(Errno::to_string).collect());
    out
}

/// The book with its tables made anew.
fn made_anew() -> String {
    let mut book = BOOK.to_string();
    for (name, table) in [
        ("calls", calls()),
        ("parameters", parameters()),
        ("constants", constants()),
    ] {
        let begin = format!("<!-- {name} -->\n");
        let from = book.find(&begin).expect("the book has this table") + begin.len();
        let to = from
            + book[from..]
                .find("<!-- end -->")
                .expect("the table has an end");
        book.replace_range(from..to, &table);
    }
    book
}

#[test]
fn its_tables_are_those_of_the_source() {
    let anew = made_anew();
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        std::fs::write(path, &anew).expect("the book can be written");
        return;
    }
    assert!(
        anew == BOOK,
        "the book's tables are not those of the source; see {}",
        file!()
    );
}

#[test]
fn its_examples_are_scenarios() {
    let examples: Vec<&str> = BOOK
        .split("```ipc\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or(rest))
        .collect();
    assert!(examples.len() >= 3);
    for example in examples {
        if let Err(error) = load("README.md", example) {
            panic!("{error:?}\n{example}");
        }
    }
}
