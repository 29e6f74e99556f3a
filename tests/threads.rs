//! Every scenario, by its name, on the threaded kernel: loom finds the outcomes that explore has,
//! shuttle none that it has not; and so do the protocols, where they have its calls.

use lockstep::models::{
    LoomOptions, ModelError, ModelRun, ShuttleOptions, Strategy, loom, protocol, shuttle,
};
use lockstep::scenario::Outcome;
use lockstep::sim::kernel::Config;
use lockstep::{Case, harness, sim, suite};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let scenarios = suite::built_in().expect("the scenarios that come with Lockstep are valid");
    harness::model_cases(scenarios, |case| {
        let explored = sim::explore(&case.program, &sim::ExploreOptions::default())
            .expect("the scenarios that come with Lockstep can be explored");
        let outcomes: BTreeSet<Outcome> = explored.outcomes.into_keys().collect();

        let options = LoomOptions {
            preemptions: None,
            max_executions: 20_000,
            max_duration: Duration::from_millis(500),
        };
        let run = loom(&case.program, Config::default(), &options);
        compare(&case, "loom", &outcomes, run);

        let options = ShuttleOptions {
            seed: 1,
            executions: 100,
            strategy: Strategy::Random,
            ..ShuttleOptions::default()
        };
        let run = shuttle(&case.program, Config::default(), &options);
        compare(&case, "shuttle", &outcomes, run);

        let run = protocol::shuttle(&case.program, None, &options);
        if let Ok(found) = &run {
            assert!(found.broken.is_empty(), "protocols: {:?}", found.broken);
        }
        compare(&case, "protocols", &outcomes, run.map(|found| found.run));
        Ok(())
    })
}

fn compare(
    case: &Case,
    engine: &str,
    outcomes: &BTreeSet<Outcome>,
    run: Result<ModelRun, ModelError>,
) {
    match run {
        Ok(run) => {
            let more: Vec<&Outcome> = run.outcomes.difference(outcomes).collect();
            assert!(
                more.is_empty(),
                "{engine} has outcomes that explore has not: {more:?}"
            );
            if run.complete {
                assert_eq!(
                    &run.outcomes, outcomes,
                    "{engine} is complete, and lacks outcomes"
                );
            }
        }
        Err(ModelError::Skip(why)) => eprintln!("{}: {engine} skipped: {why}", case.name()),
        Err(other) => panic!("{engine}: {other}"),
    }
}
