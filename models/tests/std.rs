//! The shell on plain threads: the same text, really blocking.

mod common;

use common::{ALL, explored, program};
use sim::kernel::Config;

#[test]
fn plain_threads_stay_within_explore() {
    for text in ALL.iter().chain([&common::SIX, &common::ALONE]) {
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
