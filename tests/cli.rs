//! The command, run as a user runs it.
//!
//! Scenarios are written to a folder of the test's own. What looks at text leaves the model's
//! clauses out, which are the model's business; what needs the running kernel says so where
//! this machine does not permit a sandbox.

mod common;
use common::*;
use std::path::Path;
use std::process::Stdio;

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
fn a_call_that_the_model_has_no_rule_for_is_a_skip_with_its_reason() {
    let text = "test pipe/no-rule\nprocess p\n  open(\"f\", O_RDWR|O_CREAT, 0o600) = f\n  ftruncate(f, 9) = 0\nalways exited(p, 0)\n";
    let folder = Folder::new(&[("n.ipc", text)]);
    let ran = folder.run(&["run", "n.ipc"]);
    assert_eq!(ran.status, 3, "{}{}", ran.out, ran.err);
    if ran.out.is_empty() {
        eprintln!("skipped: this machine permits no sandbox: {}", ran.err);
        return;
    }
    let why = "the model has no rule for `ftruncate` on such a descriptor";
    assert!(ran.out.contains(why), "{}", ran.out);
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

const RETURN: &str = "signal/a-signal-comes-before-the-return";

#[test]
fn what_is_certain_of_an_outcome_is_told() {
    let folder = Folder::new(&[]);
    let text = folder.run(&["explore", RETURN, "--certain"]).out;
    let line = |of: &str| {
        let found = text.lines().find(|l| l.ends_with(of));
        found.unwrap_or_else(|| panic!("{of}: {text}")).trim()
    };
    let unseen = "n = -; writer killed by SIGKILL";
    assert!(
        line(unseen).starts_with("SIG-038 SIG-039 SIG-230 "),
        "{text}"
    );
    assert!(line("n = 1").starts_with('–'), "{text}");
    let explored = json(
        &folder
            .run(&["explore", RETURN, "--certain", "--format", "json"])
            .out,
    );
    for outcome in explored[0]["outcomes"].as_array().expect("a list") {
        let certain = outcome["certain"].as_array().expect("a list");
        let rests = |clause: &str| certain.contains(&clause.into());
        assert!(rests("PIPE-030"), "{outcome}");
        assert_eq!(rests("SIG-230"), outcome["text"] == unseen, "{outcome}");
    }
    let few = ["explore", RETURN, "--certain", "--max-states", "10"];
    let text = folder.run(&few).out;
    let none = "Nothing is certain of an outcome: more than 10 states";
    assert!(text.lines().any(|l| l == none), "{text}");
}

#[test]
fn a_race_shows_what_one_call_at_a_time_cannot() {
    let folder = Folder::new(&[]);
    let signals = |args: &[&str]| -> Option<serde_json::Value> {
        let mut all = vec!["coverage", RETURN, "--format", "json"];
        all.extend(args);
        let ran = on_kernel(folder.run(&all))?;
        assert_eq!(ran.status, 0, "{}", ran.out);
        json(&ran.out).into_iter().find(|l| l["prefix"] == "SIG")
    };
    // The outcome is that of one round in seven.
    let Some(raced) = signals(&[]) else { return };
    assert_eq!(raced["by_race"], serde_json::json!(["SIG-230"]), "{raced}");
    assert_eq!(raced["agreed"], 1, "{raced}");
    let Some(unraced) = signals(&["--rounds", "0"]) else {
        return;
    };
    assert_eq!(unraced["by_race"], serde_json::json!([]), "{unraced}");
    assert_eq!(unraced["agreed"], 0, "{unraced}");
}
