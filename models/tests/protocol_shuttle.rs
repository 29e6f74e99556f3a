//! The protocols under shuttle: what comes of them is what explore says, no wake-up is lost, every
//! broken rule is caught, and what was caught replays.

mod common;

use common::{FAULTS, PROTOCOL, SIX, explored, program, wrong};
use models::protocol::{self, Fault, ProtocolRun};
use models::{ShuttleOptions, Strategy};
use scenario::Program;

fn run(program: &Program, fault: Option<Fault>, strategy: Strategy) -> ProtocolRun {
    let options = ShuttleOptions {
        seed: 11,
        executions: 1_000,
        strategy,
        ..ShuttleOptions::default()
    };
    let found = protocol::shuttle(program, fault, &options);
    found.unwrap_or_else(|e| panic!("{}: {e}", program.name))
}

#[test]
fn what_it_finds_is_what_explore_finds() {
    for text in PROTOCOL.iter().chain([&SIX]) {
        let program = program(text);
        let all = explored(&program);
        for strategy in [Strategy::Random, Strategy::Pct(3)] {
            let found = run(&program, None, strategy);
            assert!(found.run.outcomes.is_subset(&all), "{}", program.name);
            assert!(found.lost.is_empty(), "{} {:?}", program.name, found.lost);
        }
    }
}

#[test]
fn every_broken_rule_is_caught_and_replays() {
    for &(fault, text) in FAULTS {
        let program = program(text);
        let found = run(&program, Some(fault), Strategy::Random);
        let wrong = wrong(&program, &found);
        assert!(!wrong.is_empty(), "{fault:?} goes unseen");
        for outcome in wrong {
            let witness = found.run.witnesses[&outcome].shuttle.clone();
            let schedule = witness.expect("shuttle has schedules");
            let again = run(&program, Some(fault), Strategy::Replay(schedule));
            assert!(again.run.outcomes.contains(&outcome), "{fault:?}");
            assert_eq!(
                again.lost.get(&outcome),
                found.lost.get(&outcome),
                "{fault:?}"
            );
        }
    }
}
