//! The shell on plain threads: the same text, really blocking.

mod common;

use common::{ALL, PROTOCOL, SIX, explored, program};
use sim::kernel::Config;

#[test]
fn plain_threads_stay_within_explore() {
    for text in ALL.iter().chain([&SIX, &common::ALONE]) {
        let program = program(text);
        let found = models::std_threads(&program, Config::default(), 50)
            .unwrap_or_else(|e| panic!("{}: {e}", program.name));
        assert_eq!(found.executions, 50);
        assert!(!found.complete);
        assert!(
            found.outcomes.is_subset(&explored(&program)),
            "{}",
            program.name
        );
    }
}

#[test]
fn the_protocols_stay_within_explore_on_plain_threads() {
    for text in PROTOCOL.iter().chain([&SIX]) {
        let program = program(text);
        let found = models::protocol::std_threads(&program, None, 50)
            .unwrap_or_else(|e| panic!("{}: {e}", program.name));
        assert_eq!(found.run.executions, 50);
        assert!(
            found.run.outcomes.is_subset(&explored(&program)),
            "{}",
            program.name
        );
        assert!(
            found.broken.is_empty(),
            "{} {:?}",
            program.name,
            found.broken
        );
    }
}
