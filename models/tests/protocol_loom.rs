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
        let found = run(&program, None, Some(3));
        let why = found.run.incomplete_because.as_deref();
        assert_eq!(why, Some("only schedules of at most 3 preemptions"));
        assert_eq!(found.run.outcomes, explored(&program), "{}", program.name);
        assert!(
            found.broken.is_empty(),
            "{} {:?}",
            program.name,
            found.broken
        );
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
        common::KILL_RUNNING,
        common::KILL_SLEEPING,
        common::HANDLER,
        common::OPENER_DISTURBED,
        common::MQ_ONE,
        common::MQ_RECEIVERS,
        common::MQ_FULL,
        common::MQ_PRIORITIES,
        common::MQ_DISTURBED,
        common::MQ_KILLED,
        common::MQ_SENDER_KILLED,
        common::MSG_TYPES,
        common::MSG_ROOM,
        common::MSG_SENDER_REMOVED,
        common::MSG_RECEIVER_REMOVED,
        common::MSG_TOO_LONG,
        common::MSG_DISTURBED,
        common::MSG_KILLED,
        common::MSG_LIMIT_RAISED,
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
        assert!(
            found.broken.is_empty(),
            "{} {:?}",
            program.name,
            found.broken
        );
    }
}

#[test]
fn every_broken_rule_is_caught() {
    let named: BTreeSet<Fault> = FAULTS.iter().map(|f| f.0).collect();
    assert_eq!(named, Fault::ALL.iter().copied().collect());
    for &(fault, text) in FAULTS {
        let program = program(text);
        let found = run(&program, Some(fault), Some(3));
        assert!(!wrong(&program, &found).is_empty(), "{fault:?} goes unseen");
        assert!(wrong(&program, &run(&program, None, Some(3))).is_empty());
    }
}

#[test]
fn what_the_protocols_do_not_have_is_a_skip() {
    for text in [
        common::FORK,
        common::THREAD,
        common::TWO_SIGNALS,
        common::STOPPED,
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
