//! The protocols under loom: what comes of them is what explore says, no wake-up is lost, and every
//! broken rule is caught.

mod common;

use common::{FAULTS, PROTOCOL, explored, program, wrong};
use models::protocol::{self, Fault, ProtocolRun};
use models::{LoomOptions, ModelError};
use scenario::Program;
use std::collections::BTreeSet;

fn run(program: &Program, fault: Option<Fault>, preemptions: Option<usize>) -> ProtocolRun {
    let options = LoomOptions {
        preemptions,
        ..LoomOptions::default()
    };
    let found = protocol::loom(program, fault, &options);
    found.unwrap_or_else(|e| panic!("{}: {e}", program.name))
}

#[test]
fn a_few_preemptions_give_the_outcomes_of_explore() {
    for text in PROTOCOL {
        let program = program(text);
        let found = run(&program, None, Some(2));
        let why = found.run.incomplete_because.as_deref();
        assert_eq!(why, Some("only schedules of at most 2 preemptions"));
        assert_eq!(found.run.outcomes, explored(&program), "{}", program.name);
        assert!(found.lost.is_empty(), "{} {:?}", program.name, found.lost);
    }
}

#[test]
fn every_schedule_gives_the_outcomes_of_explore() {
    let small = [
        common::ALONE,
        common::ONE_BYTE,
        common::BROKEN,
        common::STUCK,
        common::NONBLOCKING,
        common::OPEN_MEETS_CLOSE,
        common::ROOM_BEFORE_EMPTY,
    ];
    for text in small {
        let program = program(text);
        let found = run(&program, None, None);
        assert!(
            found.run.complete,
            "{} {:?}",
            program.name, found.run.incomplete_because
        );
        assert_eq!(found.run.outcomes, explored(&program), "{}", program.name);
        assert!(found.lost.is_empty(), "{} {:?}", program.name, found.lost);
    }
}

#[test]
fn every_broken_rule_is_caught() {
    let named: BTreeSet<Fault> = FAULTS.iter().map(|f| f.0).collect();
    assert_eq!(named, Fault::ALL.iter().copied().collect());
    for &(fault, text) in FAULTS {
        let program = program(text);
        let found = run(&program, Some(fault), Some(2));
        assert!(!wrong(&program, &found).is_empty(), "{fault:?} goes unseen");
        assert!(wrong(&program, &run(&program, None, Some(2))).is_empty());
    }
}

#[test]
fn what_the_protocols_do_not_have_is_a_skip() {
    for text in [
        common::FORK,
        common::THREAD,
        common::HANDLER,
        common::KILL_RUNNING,
    ] {
        let program = program(text);
        let found = protocol::loom(&program, None, &LoomOptions::default());
        assert!(
            matches!(found, Err(ModelError::Skip(_))),
            "{} {found:?}",
            program.name
        );
    }
}
