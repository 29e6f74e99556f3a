//! The command in a folder of its own, and scenarios for it.
#![allow(dead_code, missing_docs)]

use serde_json::Value;
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub const AGREES: &str = r#"test pipe/agrees
"A pipe keeps the order of bytes and forgets where one write ended."
clauses PIPE-031

setup
  pipe() = [r, w]

process writer
  close(r)
  write(w, "hello") = 5
  write(w, "world") = 5

process reader
  close(w)
  read(r, 64) = a
  read(r, 64) = b

sometimes  a == "hello" and b == "world"
sometimes  a == "helloworld"
never      a == "world"
"#;

/// One process, so that there is one schedule.
pub const DIFFERS: &str = r#"test pipe/differs
clauses PIPE-047

process p
  pipe() = [r, w]
  write(w, "hello") = 6
  read(r, 64) = a

never      a == "hello"
sometimes  a == "world"
"#;

pub const STUCK: &str = r#"test pipe/stuck
"Who keeps a write end of its own waits for ever."

setup
  pipe() = [r, w]

process reader
  read(r, 1) = x

process writer
  write(w, "x") = 1

process other
  read(r, 1) = y

always  x == "x" or y == "x"
always  under posix  x == "x"
"#;

pub const UNMET: &str = "test pipe/unmet\nneeds linux>=99.1\nprocess p\n  pipe() = [r, w]\n";

pub const VARIANTS: &str = r#"test pipe/variants
with n in 1, 2
setup
  pipe() = [r, w]
process p
  write(w, "ab") = n
"#;

pub const BAD: &str = "test pipe/bad\nprocess p\n  raed(0, 1)\n";
pub const WORSE: &str = "test pipe/worse\nprocess p\n  read(0, 1\n";
pub const WAITS: &str =
    "test pipe/waits\nsetup\n  pipe() = [r, w]\n  read(r, 1)\nprocess p\n  close(r)\n";

/// What a run of the command gave.
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// A folder with scenario files.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Folder {
        let folder = TempDir::new().expect("a folder for the test");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file for the test");
        }
        Folder(folder)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        finish(&mut self.command(args))
    }
}

pub fn finish(command: &mut Command) -> Ran {
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("the command writes UTF-8");
    Ran {
        status: output.status.code().expect("no signal ended it"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// The result, or none where the machine permits no sandbox.
pub fn on_kernel(ran: Ran) -> Option<Ran> {
    if ran.status == 3 {
        eprintln!("skipped: this machine permits no sandbox: {}", ran.err);
        return None;
    }
    Some(ran)
}

pub fn json(text: &str) -> Vec<Value> {
    text.lines()
        .map(|l| serde_json::from_str(l).expect("a line is an object"))
        .collect()
}

/// The fields of an object in the order in which they stand.
pub fn assert_fields(line: &str, fields: &[&str]) {
    let places: Vec<Option<usize>> = fields
        .iter()
        .map(|f| line.find(&format!("\"{f}\":")))
        .collect();
    assert!(
        places.iter().all(Option::is_some),
        "{fields:?} {places:?} in {line}"
    );
    assert!(places.is_sorted(), "{fields:?} are out of order in {line}");
}

/// Leaves clauses out.
pub fn without_clauses(text: &str) -> String {
    let is_clause = |word: &str| {
        word.trim_matches(['(', ')', ',', ';'])
            .parse::<lockstep::scenario::Clause>()
            .is_ok()
    };
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').filter(|w| !is_clause(w)).collect();
        words.join(" ").trim_end().to_string()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Leaves out what depends on how the model is explored: how many states that takes.
pub fn without_states(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["States", ..] => "States …".to_string(),
            [name, verdict @ ("agree" | "differ"), ..] => format!("{name}  {verdict}  …"),
            _ => line.to_string(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
