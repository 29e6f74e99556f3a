//! The shell under loom: where it is complete, its outcomes are those of explore, and it runs
//! every schedule that there is.

mod common;

use common::{ALL, explored, program, schedules};
use models::{LoomOptions, ModelError};
use scenario::Schedule;
use sim::kernel::{Config, Flavor};
use std::time::Duration;

#[test]
fn every_schedule_gives_the_outcomes_of_explore() {
    for text in ALL {
        let program = program(text);
        let name = &program.name;
        let run = models::loom(&program, Config::default(), &LoomOptions::default())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(run.complete, "{name}: {:?}", run.incomplete_because);
        assert_eq!(run.outcomes, explored(&program), "{name}");
        assert_eq!(run.schedules, schedules(&program), "{name}");
        assert!(run.executions >= run.schedules, "{name}");
        for (outcome, witness) in &run.witnesses {
            let schedule = witness.schedule.as_ref().expect("the shell has schedules");
            let again = Schedule::parse(&schedule.show(&program), &program);
            assert_eq!(again.as_ref(), Ok(schedule), "{name}");
            let replayed = sim::replay(&program, Config::default(), schedule);
            assert_eq!(&replayed.expect("it replays").outcome, outcome, "{name}");
        }
    }
}

#[test]
fn a_task_alone_is_one_schedule() {
    let program = program(common::ALONE);
    let run = models::loom(&program, Config::default(), &LoomOptions::default()).expect("it runs");
    assert_eq!((run.executions, run.schedules, run.complete), (1, 1, true));
}

#[test]
fn a_bound_on_preemptions_is_said() {
    let program = program(common::LAST_CLOSE);
    let options = LoomOptions {
        preemptions: Some(1),
        ..LoomOptions::default()
    };
    let run = models::loom(&program, Config::default(), &options).expect("it runs");
    assert!(!run.complete);
    assert!(run.schedules < schedules(&program));
    let why = run.incomplete_because.as_deref();
    assert_eq!(why, Some("only schedules of at most 1 preemptions"));
}

#[test]
fn a_search_cut_short_says_so() {
    let program = program(common::TWO_WRITERS);
    let all = schedules(&program);
    let run = |max_executions, max_duration| {
        let options = LoomOptions {
            preemptions: None,
            max_executions,
            max_duration,
        };
        models::loom(&program, Config::default(), &options).expect("it runs")
    };
    let minute = Duration::from_secs(60);
    assert!(run(all, minute).complete, "exactly as many as there are");
    let cut = run(all - 1, minute);
    assert_eq!(
        cut.incomplete_because,
        Some(format!("stopped after {} executions", all - 1))
    );
    let late = run(all, Duration::ZERO);
    assert!(!late.complete, "{late:?}");
}

#[test]
fn too_many_threads_are_a_skip() {
    let program = program(common::SIX);
    let run = models::loom(&program, Config::default(), &LoomOptions::default());
    let why = "it needs 6 threads; loom has 5".to_string();
    assert_eq!(run, Err(ModelError::Skip(why)));
}

#[test]
fn too_many_signals_are_a_skip() {
    let program = program(common::FIVE_AND_A_SIGNAL);
    let run = models::loom(&program, Config::default(), &LoomOptions::default());
    let why = "it needs more than 5 threads, those that deliver signals among them".to_string();
    assert_eq!(run, Err(ModelError::Skip(why)));
}

#[test]
fn a_choice_of_the_kernel_is_a_skip() {
    let program = program(common::TWO_READERS);
    let config = Config {
        flavor: Flavor::Posix,
        ..Config::default()
    };
    let run = models::loom(&program, config, &LoomOptions::default());
    assert!(
        matches!(&run, Err(ModelError::Skip(why)) if why.contains("choice")),
        "{run:?}"
    );
}

#[test]
fn a_setup_that_blocks_is_an_error() {
    let program = program(common::BLOCKS_IN_SETUP);
    let run = models::loom(&program, Config::default(), &LoomOptions::default());
    assert!(matches!(run, Err(ModelError::Setup(_))), "{run:?}");
}
