//! The protocols under shuttle: what comes of them is what explore says, no wake-up is lost, every
//! broken rule is caught, and what was caught replays.

mod common;

use common::{FAULTS, PROTOCOL, SIX, explored, program, wrong};
use models::protocol::{self, Fault, ProtocolRun};
use models::{ShuttleOptions, Strategy};
use scenario::Program;

fn run(program: &Program, fault: Option<Fault>, strategy: Strategy) -> ProtocolRun {
    run_so_often(program, fault, strategy, 1_000)
}

fn run_so_often(
    program: &Program,
    fault: Option<Fault>,
    strategy: Strategy,
    executions: usize,
) -> ProtocolRun {
    let options = ShuttleOptions {
        seed: 11,
        executions,
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
            assert!(
                found.broken.is_empty(),
                "{} {:?}",
                program.name,
                found.broken
            );
        }
    }
}

#[test]
fn every_broken_rule_is_caught_and_replays() {
    // Its memory is never weak.
    for &(fault, text) in FAULTS.iter().filter(|f| !f.0.is_weak()) {
        let program = program(text);
        let mut found = run(&program, Some(fault), Strategy::Random);
        if wrong(&program, &found).is_empty() {
            // A rare order: one task is kept from running for long.
            found = run_so_often(&program, Some(fault), Strategy::Pct(3), 20_000);
        }
        let wrong = wrong(&program, &found);
        assert!(!wrong.is_empty(), "{fault:?} goes unseen");
        for outcome in wrong {
            let broken = found.broken.get(&outcome);
            let schedule = match broken {
                Some(broken) => broken.shuttle.clone(),
                None => found.run.witnesses[&outcome].shuttle.clone(),
            };
            let schedule = schedule.expect("shuttle has schedules");
            let again = run(&program, Some(fault), Strategy::Replay(schedule));
            assert!(again.run.outcomes.contains(&outcome), "{fault:?}");
            let what = |found: &ProtocolRun| found.broken.get(&outcome).map(|b| b.what.clone());
            assert_eq!(what(&again), what(&found), "{fault:?}");
        }
    }
}
