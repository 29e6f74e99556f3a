//! The shell under shuttle: what it finds is among the outcomes of explore, and replays.

mod common;

use common::{ALL, explored, explored_under, program};
use models::{ModelError, ModelRun, ShuttleOptions, Strategy};
use scenario::Program;
use sim::kernel::{Config, Flavor};
use std::collections::BTreeSet;

fn run(program: &Program, config: Config, strategy: Strategy) -> ModelRun {
    let options = ShuttleOptions {
        seed: 7,
        executions: 400,
        strategy,
        ..ShuttleOptions::default()
    };
    models::shuttle(program, config, &options).unwrap_or_else(|e| panic!("{}: {e}", program.name))
}

/// Every witness gives its outcome again, and itself as the witness.
fn replays(program: &Program, config: Config, found: &ModelRun) {
    for (outcome, witness) in &found.witnesses {
        let text = witness.shuttle.clone().expect("shuttle has schedules");
        let again = run(program, config, Strategy::Replay(text));
        assert_eq!(again.executions, 1, "{}", program.name);
        assert_eq!(
            again.witnesses.get(outcome),
            Some(witness),
            "{}",
            program.name
        );
    }
}

#[test]
fn what_it_finds_is_what_explore_finds() {
    for text in ALL.iter().chain([&common::SIX]) {
        let program = program(text);
        let all = explored(&program);
        for strategy in [Strategy::Random, Strategy::Pct(3), Strategy::Dfs(400)] {
            let found = run(&program, Config::default(), strategy.clone());
            assert!(!found.outcomes.is_empty());
            assert!(
                found.outcomes.is_subset(&all),
                "{} {strategy:?}",
                program.name
            );
            replays(&program, Config::default(), &found);
        }
    }
}

#[test]
fn random_schedules_reach_every_outcome_of_these() {
    for text in ALL {
        let program = program(text);
        let found = run(&program, Config::default(), Strategy::Random);
        assert_eq!(found.outcomes, explored(&program), "{}", program.name);
    }
}

#[test]
fn depth_first_is_complete_where_it_ends() {
    for text in [common::ALONE, common::NONBLOCKING, common::STUCK] {
        let program = program(text);
        let found = run(&program, Config::default(), Strategy::Dfs(100_000));
        assert!(found.complete, "{} {found:?}", program.name);
        assert_eq!(found.outcomes, explored(&program), "{}", program.name);
        let one_less = run(
            &program,
            Config::default(),
            Strategy::Dfs(found.executions - 1),
        );
        let one_less = (found.executions > 1).then_some(one_less);
        assert!(one_less.is_none_or(|r| !r.complete), "{}", program.name);
    }
}

#[test]
fn a_seed_fixes_the_run() {
    let program = program(common::TWO_WRITERS);
    let once = run(&program, Config::default(), Strategy::Random);
    assert_eq!(once, run(&program, Config::default(), Strategy::Random));
    assert_eq!(once.executions, 400);
    let why = once.incomplete_because.as_deref();
    assert_eq!(why, Some("400 schedules at random"));
}

#[test]
fn choices_of_the_kernel_are_drawn_and_replayed() {
    let program = program(common::TWO_READERS);
    let posix = Config {
        flavor: Flavor::Posix,
        ..Config::default()
    };
    let found = run(&program, posix, Strategy::Random);
    assert_eq!(found.outcomes, explored_under(&program, posix));
    let mut drawn = BTreeSet::new();
    for seed in 0..40 {
        let options = ShuttleOptions {
            seed,
            executions: 1,
            ..ShuttleOptions::default()
        };
        let found = models::shuttle(&program, posix, &options).expect("it runs");
        replays(&program, posix, &found);
        let schedule = found
            .witnesses
            .into_values()
            .next()
            .and_then(|w| w.schedule);
        let actions = schedule.expect("one execution").0;
        drawn.extend(actions.into_iter().flat_map(|a| a.choices));
    }
    assert_eq!(drawn, BTreeSet::from([0, 1]), "either reader was woken");
}

#[test]
fn a_schedule_that_is_not_one_is_refused() {
    let program = program(common::TWO_WRITERS);
    for text in [
        "x",
        "0*0",
        "0*99999999999999999999",
        "~g",
        "7",
        "0",
        "",
        "0*2 1 2",
        "0 ~1",
    ] {
        let options = ShuttleOptions {
            strategy: Strategy::Replay(text.into()),
            ..ShuttleOptions::default()
        };
        let run = models::shuttle(&program, Config::default(), &options);
        assert!(
            matches!(run, Err(ModelError::Schedule(_))),
            "{text:?}: {run:?}"
        );
    }
}
