//! The shell under loom: where it is complete, its outcomes are those of explore.

mod common;

use common::{ALL, explored, program};
use models::{LoomOptions, ModelError};
use std::time::Duration;

#[test]
fn every_schedule_gives_the_outcomes_of_explore() {
    for text in ALL {
        let program = program(text);
        let started = std::time::Instant::now();
        let run = models::loom(&program, Default::default(), &LoomOptions::default())
            .unwrap_or_else(|e| panic!("{}: {e}", program.name));
        eprintln!("{} {} {} {:?}", program.name, run.executions, run.outcomes.len(), started.elapsed());
        assert!(run.complete, "{}: {:?}", program.name, run.incomplete_because);
        assert_eq!(run.outcomes, explored(&program), "{}", program.name);
    }
}
