//! Turns the catalogue in `clauses/` into constants (`clause::PIPE_031`), so that a rule which cites
//! a clause that does not exist does not compile, and notes which of them the sources cite.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .expect("the crate's own folder can be read")
        .map(|e| e.expect("the crate's own folder can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=clauses");
    println!("cargo::rerun-if-changed=src");

    let mut files: Vec<_> = fs::read_dir(root.join("clauses"))
        .expect("the catalogue is part of the crate")
        .map(|e| e.expect("the catalogue can be listed").path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect();
    files.sort();
    let mut ids = BTreeSet::new();
    let mut texts = String::new();
    for path in &files {
        let text = fs::read_to_string(path).expect("the catalogue is text");
        for line in text.lines() {
            if let Some((id, _)) = line.strip_prefix("- **").and_then(|r| r.split_once("**")) {
                assert!(
                    ids.insert(id.to_string()),
                    "clause {id} stands twice in the catalogue"
                );
            }
        }
        let name = path
            .file_stem()
            .and_then(|n| n.to_str())
            .expect("an ASCII name");
        writeln!(
            texts,
            "    ({name:?}, include_str!({:?})),",
            path.display().to_string()
        )
        .expect("a string can be written");
    }

    let mut rust = Vec::new();
    sources(&root.join("src"), &mut rust);
    let code: String = rust
        .iter()
        .map(|p| fs::read_to_string(p).expect("sources are text"))
        .collect();
    let words: BTreeSet<&str> = code
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();

    let mut constants = String::new();
    let mut cited = String::new();
    for id in &ids {
        let (prefix, number) = id
            .rsplit_once('-')
            .expect("an id has a prefix and a number");
        let mut variant = prefix.to_ascii_lowercase();
        variant[..1].make_ascii_uppercase();
        let name = id.replace('-', "_");
        let number: u16 = number.parse().expect("the second part is a number");
        writeln!(
            constants,
            "/// {id}\npub const {name}: Clause = Clause {{ prefix: Prefix::{variant}, number: {number} }};"
        )
        .expect("a string can be written");
        if words.contains(name.as_str()) {
            writeln!(cited, "    {name},").expect("a string can be written");
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(
        out.join("clause.rs"),
        format!(
            "{constants}\n/// The clauses that the model's rules cite.\npub const CITED: &[Clause] = &[\n{cited}];\n"
        ),
    )
    .expect("cargo's output folder can be written");
    fs::write(
        out.join("catalogue.rs"),
        format!("/// The catalogue's files: name and text.\nconst FILES: &[(&str, &str)] = &[\n{texts}];\n"),
    )
    .expect("cargo's output folder can be written");
}
