//! The explorer against its oracle on the scenario files of the project.

use scenario::{Program, load};
use sim::{ExploreOptions, Explored, explore, explore_naive, replay};
use std::fs;
use std::path::{Path, PathBuf};

fn files(dir: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "ipc") {
            into.push(path);
        }
    }
}

/// Every program of the scenario files.
fn programs() -> Vec<Program> {
    let mut paths = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests"),
        &mut paths,
    );
    assert!(
        !paths.is_empty(),
        "the scenario files lie beside the crates"
    );
    let program = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a scenario file is text");
        load(&path.display().to_string(), &text).unwrap_or_else(|e| panic!("{e:?}"))
    };
    paths.iter().flat_map(program).collect()
}

#[test]
fn on_every_scenario_the_explorers_agree() {
    let options = ExploreOptions {
        max_states: 50_000,
        ..ExploreOptions::default()
    };
    let mut compared = 0;
    for program in programs() {
        let Ok(naive) = explore_naive(&program, &options) else {
            continue;
        };
        let reduced = explore(&program, &options).expect("it could be started before");
        for (outcome, schedule) in &reduced.outcomes {
            let run = replay(&program, options.config, schedule).expect("it was enabled before");
            assert_eq!(
                &run.outcome,
                outcome,
                "{}: {}",
                program.name,
                schedule.show(&program)
            );
        }
        if !naive.complete {
            continue;
        }
        assert!(reduced.complete, "{}", program.name);
        assert!(reduced.states <= naive.states, "{}", program.name);
        let shown = |e: &Explored| -> Vec<String> {
            let outcomes = e.outcomes.keys();
            outcomes.map(|o| program.show_outcome(o)).collect()
        };
        assert_eq!(shown(&reduced), shown(&naive), "{}", program.name);
        assert!(
            reduced.outcomes.keys().eq(naive.outcomes.keys()),
            "{}",
            program.name
        );
        assert!(
            reduced.clauses.is_subset(&naive.clauses),
            "{}",
            program.name
        );
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}
