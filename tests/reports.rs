//! What the command writes for other programs: JSON, KTAP, JUnit.

mod common;
use common::*;
use serde_json::Value;

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
            "by_race",
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
