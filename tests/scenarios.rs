//! Every scenario, by its name: its outcome table is as the snapshot has it, and model, scenario
//! and running kernel agree.
//!
//! A scenario that cannot run here is ignored, with its reason.

use lockstep::{Case, harness, sim, suite};
use std::fmt::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let scenarios = suite::built_in().expect("the scenarios that come with Lockstep are valid");
    harness::cases(scenarios, |case| {
        outcomes_are_as_recorded(&case);
        harness::agrees(&case)
    })
}

/// The outcome table, without what depends on how it was found.
fn outcomes_are_as_recorded(case: &Case) {
    let explored = sim::explore(&case.program, &sim::ExploreOptions::default())
        .expect("the scenarios that come with Lockstep can be explored");
    assert!(explored.complete, "{:?}", explored.incomplete_because);
    let mut text = String::new();
    for outcome in explored.outcomes.keys() {
        let _ = writeln!(text, "{}", case.program.show_outcome(outcome));
    }
    let name = case.name().replace('/', "__");
    insta::with_settings!({
        snapshot_path => "../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => case.program.description.clone(),
    }, {
        insta::assert_snapshot!(name, text);
    });
}
