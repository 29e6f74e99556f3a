//! The command, run as a user runs it.
//!
//! Scenarios are written to a folder of the test's own. What looks at text leaves the model's
//! clauses out, which are the model's business; what needs the running kernel says so where
//! this machine does not permit a sandbox.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const AGREES: &str = r#"test pipe/agrees
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
const DIFFERS: &str = r#"test pipe/differs
clauses PIPE-047

process p
  pipe() = [r, w]
  write(w, "hello") = 6
  read(r, 64) = a

never      a == "hello"
sometimes  a == "world"
"#;

const STUCK: &str = r#"test pipe/stuck
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

const UNMET: &str = "test pipe/unmet\nneeds linux>=99.1\nprocess p\n  pipe() = [r, w]\n";

const VARIANTS: &str = r#"test pipe/variants
with n in 1, 2
setup
  pipe() = [r, w]
process p
  write(w, "ab") = n
"#;

const BAD: &str = "test pipe/bad\nprocess p\n  raed(0, 1)\n";
const WORSE: &str = "test pipe/worse\nprocess p\n  read(0, 1\n";
const WAITS: &str =
    "test pipe/waits\nsetup\n  pipe() = [r, w]\n  read(r, 1)\nprocess p\n  close(r)\n";

/// What a run of the command gave.
struct Ran {
    status: i32,
    out: String,
    err: String,
}

/// A folder with scenario files.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = TempDir::new().expect("a folder for the test");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file for the test");
        }
        Folder(folder)
    }

    fn command(&self, args: &[&str]) -> Command {
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

    fn run(&self, args: &[&str]) -> Ran {
        finish(&mut self.command(args))
    }
}

fn finish(command: &mut Command) -> Ran {
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("the command writes UTF-8");
    Ran {
        status: output.status.code().expect("no signal ended it"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// The result, or none where the machine permits no sandbox.
fn on_kernel(ran: Ran) -> Option<Ran> {
    if ran.status == 3 {
        eprintln!("skipped: this machine permits no sandbox: {}", ran.err);
        return None;
    }
    Some(ran)
}

fn json(text: &str) -> Vec<Value> {
    text.lines()
        .map(|l| serde_json::from_str(l).expect("a line is an object"))
        .collect()
}

/// The fields of an object in the order in which they stand.
fn assert_fields(line: &str, fields: &[&str]) {
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
fn without_clauses(text: &str) -> String {
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
fn without_states(text: &str) -> String {
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

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_exit_status_tells_what_came_of_it() {
    let folder = Folder::new(&[
        ("agrees.ipc", AGREES),
        ("differs.ipc", DIFFERS),
        ("bad.ipc", BAD),
        ("waits.ipc", WAITS),
        ("unmet.ipc", UNMET),
    ]);
    let status = |args: &[&str]| folder.run(args).status;
    assert_eq!(status(&["run", "agrees.ipc", "--no-kernel"]), 0);
    assert_eq!(status(&["agrees.ipc", "--no-kernel"]), 0);
    assert_eq!(status(&["run", "differs.ipc", "--no-kernel"]), 1);
    assert_eq!(
        status(&["run", "agrees.ipc", "differs.ipc", "--no-kernel"]),
        1
    );
    assert_eq!(status(&["run", "bad.ipc"]), 2);
    assert_eq!(status(&["run", "waits.ipc"]), 2);
    assert_eq!(status(&["run", "no-such.ipc"]), 2);
    assert_eq!(status(&["run", "no such name"]), 2);
    assert_eq!(status(&["run", "--no-such-option"]), 2);
    assert_eq!(status(&["run", "--repeat", "0"]), 2);
    assert_eq!(status(&["explore"]), 2);
    assert_eq!(status(&["explore", "agrees.ipc"]), 0);
    assert_eq!(status(&["explore", "differs.ipc"]), 1);
    // Nothing of it can be run here, wherever here is.
    assert_eq!(status(&["run", "unmet.ipc"]), 3);
    assert_eq!(status(&["--help"]), 0);
}

#[test]
fn every_bad_file_is_told_before_anything_runs() {
    let folder = Folder::new(&[
        ("agrees.ipc", AGREES),
        ("bad.ipc", BAD),
        ("worse.ipc", WORSE),
    ]);
    let ran = folder.run(&["run", "agrees.ipc", "bad.ipc", "worse.ipc", "none.ipc"]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    snapshot("bad_files", &ran.err);

    let whole = folder.run(&["run", "."]);
    assert_eq!((whole.status, whole.out.as_str()), (2, ""));
    assert!(whole.err.contains("bad.ipc:3:3"), "{}", whole.err);
    assert!(whole.err.contains("worse.ipc:3:12"), "{}", whole.err);
}

#[test]
fn mistakes_of_usage_say_what_would_be_right() {
    let folder = Folder::new(&[
        ("variants.ipc", VARIANTS),
        ("waits.ipc", WAITS),
        ("a.ipc", AGREES),
    ]);
    let told = |args: &[&str]| {
        let ran = folder.run(args);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{args:?}");
        ran.err
    };
    let all = [
        told(&["exlore"]),
        told(&["run", "no such name"]),
        told(&["run", "waits.ipc"]),
        told(&["run", "variants.ipc", "--schedule", "p*2"]),
        told(&["run", "variants.ipc", "--variant", "n=3"]),
        told(&["run", "a.ipc", "--no-kernel", "--schedule", "writer raeder"]),
        told(&["explore", "a.ipc", "--schedule", "writer reader+"]),
        told(&["explain", "PIPE-31x"]),
        told(&["explain", "PIPE-0"]),
        told(&["explain", "PYPE-031"]),
        told(&["explain", "something"]),
    ];
    snapshot("usage", &all.concat());
}

#[test]
fn a_difference_is_told_with_its_place_what_is_allowed_and_how_to_see_it_again() {
    let folder = Folder::new(&[("differs.ipc", DIFFERS), ("agrees.ipc", AGREES)]);
    let ran = folder.run(&["run", "agrees.ipc", "differs.ipc", "--no-kernel"]);
    assert_eq!((ran.status, ran.err.as_str()), (1, ""));
    assert!(
        ran.out.contains("expected 6; allowed: 5 (PIPE-047"),
        "{}",
        ran.out
    );
    snapshot("difference", &without_states(&without_clauses(&ran.out)));

    // The command that is shown does show it.
    let replay = ran
        .out
        .lines()
        .find_map(|l| l.trim().strip_prefix("replay"))
        .expect("a replay");
    let (_, schedule) = replay.split_once("--schedule '").expect("with a schedule");
    let schedule = schedule.trim_end_matches('\'');
    let again = folder.run(&["explore", "differs.ipc", "--schedule", schedule]);
    assert_eq!(again.status, 1);
    assert!(
        again.out.contains("write(w, \"hello\") = 5"),
        "{}",
        again.out
    );
}

#[test]
fn results_come_in_the_order_of_the_command_line() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let files: Vec<(String, String)> = names
        .iter()
        .map(|n| {
            (
                format!("{n}.ipc"),
                AGREES.replace("pipe/agrees", &format!("pipe/{n}")),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    let folder = Folder::new(&files);
    let with = |jobs: &str| folder.run(&["run", ".", "--no-kernel", "-j", jobs]).out;
    assert_eq!(with("1"), with("4"));
    let order: Vec<usize> = names
        .iter()
        .filter_map(|n| with("4").find(&format!("pipe/{n} ")))
        .collect();
    assert!(order.len() == names.len() && order.is_sorted(), "{order:?}");
}

const RUN: &[&str] = &[
    "scenario",
    "mechanism",
    "file",
    "verdict",
    "reason",
    "outcomes",
    "states",
    "complete",
    "orderings",
    "cover",
    "orderings_total",
    "race_rounds",
    "race_outcomes",
    "seed",
    "pass",
    "differences",
];

#[test]
fn json_has_the_documented_fields() {
    let folder = Folder::new(&[
        ("a.ipc", AGREES),
        ("d.ipc", DIFFERS),
        ("s.ipc", STUCK),
        ("u.ipc", UNMET),
    ]);
    let run = |args: &[&str]| folder.run(args).out;

    let out = run(&["run", "a.ipc", "d.ipc", "--no-kernel", "--format", "json"]);
    let lines = json(&out);
    assert_eq!(lines.len(), 2);
    out.lines().for_each(|l| assert_fields(l, RUN));
    assert_eq!(lines[0]["scenario"], "pipe/agrees");
    assert_eq!(lines[0]["mechanism"], "pipe");
    assert_eq!(lines[0]["verdict"], "agree");
    assert_eq!(lines[0]["outcomes"], 2);
    assert_eq!(lines[0]["orderings"], 0);
    assert_eq!(lines[1]["verdict"], "differ");
    let differences = lines[1]["differences"].as_array().expect("a list");
    let kinds: Vec<&Value> = differences.iter().map(|d| &d["kind"]).collect();
    assert_eq!(kinds, ["expectation", "condition", "condition"]);
    assert_eq!(differences[0]["place"], "d.ipc:6");

    let out = run(&["explore", "s.ipc", "--format", "json"]);
    assert_fields(
        &out,
        &[
            "scenario",
            "mechanism",
            "complete",
            "incomplete_because",
            "states",
            "transitions",
            "outcomes",
            "deadlocks",
            "conditions",
        ],
    );
    let line = &json(&out)[0];
    assert_eq!(line["outcomes"].as_array().map(Vec::len), Some(2));
    assert_eq!(line["deadlocks"], 2);
    assert_eq!(line["conditions"][0]["verdict"], "ok");
    assert_eq!(line["conditions"][1]["verdict"], "skip");

    let out = run(&["list", "a.ipc", "--format", "json"]);
    assert_fields(
        &out,
        &["scenario", "mechanism", "file", "description", "clauses"],
    );
    assert_eq!(json(&out)[0]["clauses"][0], "PIPE-031");

    let out = run(&["list", "--calls", "--format", "json"]);
    assert_eq!(json(&out).len(), lockstep::scenario::Sys::ALL.len());

    let args = [
        "matrix",
        "a.ipc",
        "--no-kernel",
        "--shuttle-executions",
        "50",
        "--format",
        "json",
    ];
    let out = run(&args);
    assert_fields(
        &out,
        &[
            "scenario",
            "mechanism",
            "explore",
            "loom",
            "shuttle",
            "lockstep",
            "race",
        ],
    );
    let line = &json(&out)[0];
    assert_eq!(line["explore"]["outcomes"], 2);
    assert_eq!(line["shuttle"]["executions"], 50);
    assert!(["equal", "within"].contains(&line["loom"]["verdict"].as_str().expect("a word")));
    assert_eq!(line["lockstep"]["verdict"], "skip");

    let out = run(&["coverage", "a.ipc", "--no-kernel", "--format", "json"]);
    let pipe = json(&out)
        .into_iter()
        .find(|l| l["prefix"] == "PIPE")
        .expect("a line for pipes");
    assert_fields(
        out.lines().next().expect("a line"),
        &[
            "mechanism",
            "prefix",
            "total",
            "modelled",
            "fired",
            "agreed",
            "not_agreed",
        ],
    );
    assert_eq!(
        (&pipe["mechanism"], &pipe["fired"], &pipe["agreed"]),
        (&Value::from("pipe"), &Value::from(1), &Value::from(0))
    );

    let out = run(&["explain", "PIPE-031", "--format", "json"]);
    assert_fields(
        &out,
        &[
            "clause",
            "file",
            "section",
            "statement",
            "fields",
            "modelled",
            "scenarios",
        ],
    );
}

#[test]
fn ktap_counts_names_and_skips() {
    let folder = Folder::new(&[("a.ipc", AGREES), ("d.ipc", DIFFERS)]);
    let out = folder
        .run(&["run", "a.ipc", "d.ipc", "--no-kernel", "--format", "ktap"])
        .out;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["KTAP version 1", "1..2"]);
    let results: Vec<&&str> = lines[2..].iter().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(results, [&"ok 1 pipe/agrees", &"not ok 2 pipe/differs"]);
    assert!(out.contains("# expected 6; allowed: 5 (PIPE-047"), "{out}");
}

#[test]
fn what_cannot_run_here_is_a_skip_with_its_reason() {
    let folder = Folder::new(&[("u.ipc", UNMET)]);
    let ran = folder.run(&["run", "u.ipc", "--format", "ktap"]);
    assert_eq!(ran.status, 3);
    if ran.out.is_empty() {
        eprintln!("skipped: this machine permits no sandbox: {}", ran.err);
        return;
    }
    let result = ran
        .out
        .lines()
        .find(|l| l.starts_with("ok"))
        .expect("a result");
    assert!(
        result.starts_with("ok 1 pipe/unmet # SKIP needs linux>=99.1"),
        "{result}"
    );
    let text = folder.run(&["run", "u.ipc"]).out;
    assert!(
        text.ends_with(")\n") && text.contains("1 skipped (1: needs linux>=99.1"),
        "{text}"
    );
}

#[test]
fn junit_is_well_formed() {
    let folder = Folder::new(&[("a.ipc", AGREES), ("d.ipc", DIFFERS)]);
    let out = folder
        .run(&["run", "a.ipc", "d.ipc", "--no-kernel", "--format", "junit"])
        .out;
    let report = quick_junit::Report::deserialize_from_str(&out).expect("well-formed");
    assert_eq!((report.tests, report.failures), (2, 1));
    let names: Vec<&str> = report.test_suites[0]
        .test_cases
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["pipe/agrees", "pipe/differs"]);
}

#[test]
fn a_seed_gives_one_run_and_its_schedule_gives_it_again() {
    let folder = Folder::new(&[("a.ipc", AGREES)]);
    let mut runs = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let seed = seed.to_string();
        let args = ["simulate", "a.ipc", "--seed", &seed, "--format", "json"];
        let first = folder.run(&args);
        assert_eq!(first.status, 0);
        assert_eq!(first.out, folder.run(&args).out);
        let run = &json(&first.out)[0];
        let schedule = run["schedule"].as_str().expect("a schedule");
        let again = folder.run(&[
            "explore",
            "a.ipc",
            "--schedule",
            schedule,
            "--format",
            "json",
        ]);
        let again = &json(&again.out)[0];
        assert_eq!(again["steps"], run["steps"]);
        assert_eq!(again["outcome"], run["outcome"]);
        runs.insert(schedule.to_string());
    }
    assert!(runs.len() > 1, "seeds choose among schedules");
}

#[test]
fn every_witness_leads_to_its_outcome() {
    let folder = Folder::new(&[("s.ipc", STUCK)]);
    for naive in [false, true] {
        let mut args = vec!["explore", "s.ipc", "--format", "json"];
        args.extend(naive.then_some("--naive"));
        let explored = json(&folder.run(&args).out).remove(0);
        let outcomes = explored["outcomes"].as_array().expect("a list");
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            let schedule = outcome["schedule"].as_str().expect("a schedule");
            let ran = folder.run(&[
                "explore",
                "s.ipc",
                "--schedule",
                schedule,
                "--format",
                "json",
            ]);
            assert_eq!(json(&ran.out)[0]["outcome"], outcome["text"]);
        }
    }
}

#[test]
fn tables_traces_and_charts() {
    let folder = Folder::new(&[("a.ipc", AGREES), ("s.ipc", STUCK), ("d.ipc", DIFFERS)]);
    let shown = |args: &[&str]| without_clauses(&folder.run(args).out);
    let explored = ["a.ipc", "s.ipc", "d.ipc"].map(|file| {
        let mut table = without_states(&shown(&["explore", file]));
        // Which of several witnesses is found is the explorer's business.
        let found = json(&folder.run(&["explore", file, "--format", "json"]).out).remove(0);
        for outcome in found["outcomes"].as_array().expect("a list") {
            let schedule = outcome["schedule"].as_str().expect("a schedule");
            assert!(table.contains(schedule), "{table}");
            table = table.replace(schedule, "…");
        }
        table
    });
    snapshot("explore", &explored.join("\n\n"));
    let schedule = "reader other writer reader+";
    snapshot(
        "trace",
        &shown(&["explore", "s.ipc", "--schedule", schedule]),
    );
    snapshot("chart", &shown(&["show", "s.ipc", "--schedule", schedule]));
    let schedule = "other reader writer other+";
    snapshot(
        "chart_to_the_right",
        &shown(&["show", "s.ipc", "--schedule", schedule]),
    );
    // The run that is shown if none is asked for leads to the first outcome.
    let first = json(&folder.run(&["explore", "s.ipc", "--format", "json"]).out);
    let first = first[0]["outcomes"][0]["text"]
        .as_str()
        .expect("a text")
        .to_string();
    assert!(
        folder
            .run(&["show", "s.ipc"])
            .out
            .contains(&format!("outcome   {first}"))
    );
}

#[test]
fn variants_are_chosen_by_their_values() {
    let folder = Folder::new(&[("v.ipc", VARIANTS)]);
    let verdicts = |args: &[&str]| {
        let ran = folder.run(args);
        let names: Vec<String> = json(&ran.out)
            .iter()
            .map(|l| format!("{} {}", l["scenario"], l["verdict"]).replace('"', ""))
            .collect();
        (ran.status, names)
    };
    let all = ["run", "v.ipc", "--no-kernel", "--format", "json"];
    assert_eq!(
        verdicts(&all),
        (
            1,
            vec![
                "pipe/variants[n=1] differ".into(),
                "pipe/variants[n=2] agree".into()
            ]
        )
    );
    let one = [&all[..], &["--variant", "n=2"]].concat();
    assert_eq!(verdicts(&one), (0, vec!["pipe/variants[n=2] agree".into()]));
}

#[test]
fn built_in_scenarios_go_by_their_names() {
    let folder = Folder::new(&[]);
    let out = folder.run(&["list", "--format", "json"]).out;
    let all = json(&out);
    let name = all[0]["scenario"].as_str().expect("a name");
    let one = folder.run(&["explore", name, "--format", "json"]);
    assert_eq!(json(&one.out).len(), 1, "{name} names one");
    assert_eq!(json(&one.out)[0]["scenario"], name);
    let file = all[0]["file"].as_str().expect("a file");
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR")).join(file).is_file(),
        "{file}"
    );
}

#[test]
fn clauses_are_explained() {
    let folder = Folder::new(&[]);
    let ran = folder.run(&["explain", "pipe-31"]);
    assert_eq!(ran.status, 0);
    let entry = &lockstep::sim::clauses::catalogue()[&"PIPE-031".parse().expect("a clause")];
    assert!(ran.out.starts_with("PIPE-031"), "{}", ran.out);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words(&ran.out).contains(&words(&entry.statement)),
        "{}",
        ran.out
    );
    for field in ["source", "class", "verified", "modelled", "scenarios"] {
        assert!(ran.out.contains(field), "{}", ran.out);
    }
}

#[test]
fn colour_is_for_terminals_and_can_be_refused() {
    let folder = Folder::new(&[("a.ipc", AGREES)]);
    let args = ["run", "a.ipc", "--no-kernel"];
    let has_colour = |text: &str| text.contains('\x1b');
    assert!(!has_colour(&folder.run(&args).out));
    assert!(has_colour(
        &finish(folder.command(&args).env("CLICOLOR_FORCE", "1")).out
    ));
    let refused = finish(
        folder
            .command(&args)
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1"),
    );
    assert!(!has_colour(&refused.out));
    assert!(!has_colour(&folder.run(&["explain", "nothing"]).err));
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let folder = Folder::new(&[("a.ipc", AGREES)]);
    let all: [&[&str]; 4] = [
        &["list"],
        &["run", "a.ipc", "--no-kernel"],
        &["explore", "a.ipc"],
        &["run", "a.ipc", "--no-kernel", "--format", "junit"],
    ];
    for args in all {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = folder.command(args);
        let child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), err.as_ref()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn each_pass_has_its_own_seed() {
    let folder = Folder::new(&[("a.ipc", AGREES)]);
    let args = [
        "run",
        "a.ipc",
        "--no-kernel",
        "--repeat",
        "3",
        "--seed",
        "7",
        "--format",
        "json",
    ];
    let lines = json(&folder.run(&args).out);
    let passes: Vec<(u64, u64)> = lines
        .iter()
        .map(|l| {
            (
                l["pass"].as_u64().expect("a number"),
                l["seed"].as_u64().expect("a number"),
            )
        })
        .collect();
    assert_eq!(passes, [(1, 7), (2, 8), (3, 9)]);
}

#[test]
fn the_kernel_runs_what_the_model_allows() {
    let folder = Folder::new(&[("a.ipc", AGREES)]);
    let args = ["run", "a.ipc", "--rounds", "50", "--format", "json"];
    let Some(ran) = on_kernel(folder.run(&args)) else {
        return;
    };
    assert_eq!(ran.status, 0, "{}", ran.out);
    let line = &json(&ran.out)[0];
    assert_eq!(line["verdict"], "agree");
    assert_eq!(line["race_rounds"], 50);
    assert!(line["orderings"].as_u64() > Some(1), "{line}");

    let args = ["race", "a.ipc", "-n", "60", "--format", "json"];
    let Some(ran) = on_kernel(folder.run(&args)) else {
        return;
    };
    let line = &json(&ran.out)[0];
    let bars = line["histogram"].as_array().expect("a list");
    let sum: u64 = bars.iter().filter_map(|b| b["count"].as_u64()).sum();
    assert_eq!((sum, bars.len()), (60, 2), "{line}");
    assert!(bars.iter().all(|b| b["allowed"] == true), "{line}");
}

#[test]
fn a_schedule_is_replayed_on_the_kernel_too() {
    let folder = Folder::new(&[("a.ipc", AGREES)]);
    let schedule = "reader*2 writer*2 reader+ writer reader*2 writer";
    let Some(ran) = on_kernel(folder.run(&["run", "a.ipc", "--schedule", schedule])) else {
        return;
    };
    assert_eq!(ran.status, 0, "{}", ran.out);
    let (model, kernel) = ran
        .out
        .split_once("On this kernel")
        .expect("both are shown");
    for side in [model, kernel] {
        assert!(side.contains("… read(r, 64) = \"hello\""), "{}", ran.out);
        assert!(
            side.contains("outcome   a = \"hello\", b = \"world\""),
            "{}",
            ran.out
        );
    }
}
