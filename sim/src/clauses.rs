//! The catalogue of clauses: the specification that every transition of the model cites.
//!
//! It is kept as text in `sim/clauses/*.md`, one entry a clause. Each clause is also a constant
//! ([`clause::PIPE_031`]), made from that text, so that a citation of a clause that does not
//! exist does not compile.

use scenario::Clause;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The clauses as constants, and [`CITED`](clause::CITED), those that the model's rules cite.
pub mod clause {
    use scenario::{Clause, Prefix};
    include!(concat!(env!("OUT_DIR"), "/clause.rs"));
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// An entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: Clause,
    /// The file it stands in: `pipe`.
    pub file: &'static str,
    /// The heading it stands under.
    pub section: &'static str,
    /// What it says.
    pub statement: String,
    /// Its fields (`source`, `class`, `nondet`, `conflict`, `verified`, `unmodelled`), in order.
    pub fields: Vec<(&'static str, String)>,
}

impl Entry {
    /// A field's text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, t)| t.as_str())
    }
}

/// Every clause, by id.
pub fn catalogue() -> &'static BTreeMap<Clause, Entry> {
    static CATALOGUE: LazyLock<BTreeMap<Clause, Entry>> = LazyLock::new(|| {
        FILES
            .iter()
            .flat_map(|&(file, text)| entries(file, text))
            .map(|e| (e.id, e))
            .collect()
    });
    &CATALOGUE
}

/// Whether the model has a rule that cites the clause.
pub fn is_modelled(id: Clause) -> bool {
    clause::CITED.contains(&id)
}

fn entries(file: &'static str, text: &'static str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        } else if let Some((id, statement)) =
            line.strip_prefix("- **").and_then(|r| r.split_once("** "))
        {
            if let Ok(id) = id.parse() {
                let statement = statement.to_string();
                found.push(Entry {
                    id,
                    file,
                    section,
                    statement,
                    fields: Vec::new(),
                });
            }
        } else if let (Some((name, value)), Some(entry)) = (
            line.strip_prefix("  - ").and_then(|r| r.split_once(": ")),
            found.last_mut(),
        ) {
            entry.fields.push((name, value.to_string()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_has_a_source_and_a_class() {
        assert_eq!(catalogue()[&clause::PIPE_031].file, "pipe");
        for (id, entry) in catalogue() {
            assert!(!entry.statement.is_empty(), "{id}");
            assert!(entry.field("source").is_some(), "{id} has no source");
            assert!(entry.field("class").is_some(), "{id} has no class");
        }
    }
}
