//! Random scenarios: the model explains what the running kernel does with each of them.
//!
//! `LOCKSTEP_CASES=100000 LOCKSTEP_SEED=7 cargo test --release --test random` runs a campaign; the
//! command `lockstep random` does the same with a progress bar.

use lockstep::{Scenario, harness, random};

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

#[test]
fn the_model_explains_random_scenarios() {
    let (seed, cases) = (number("LOCKSTEP_SEED", 1), number("LOCKSTEP_CASES", 1500));
    let result = harness::with_machine(|machine| {
        for case in 0..cases {
            if let Some(found) = random::try_case(seed, case, machine)? {
                let scenario = Scenario::parse("random.ipc", found.text.clone())?;
                let why = found.report.explain(&scenario.cases()[0]);
                panic!(
                    "seed {seed}, case {case}; the smallest scenario found:\n\n{}\n{why}\n\
                     once more: lockstep random --seed {seed} --case {case}",
                    found.text
                );
            }
        }
        Ok(())
    });
    match result {
        Err(lockstep::Error::Sandbox(why)) => eprintln!("skipped: {why}"),
        other => other.expect("random scenarios are valid and can be run"),
    }
}

#[test]
fn a_case_is_the_same_each_time() {
    for case in 0..50 {
        assert_eq!(random::text(3, case), random::text(3, case));
        assert_ne!(random::text(3, case), random::text(4, case));
    }
}

#[test]
fn random_scenarios_are_valid() {
    for case in 0..500 {
        let text = random::text(11, case);
        if let Err(error) = Scenario::parse("random.ipc", text.clone()) {
            panic!("case {case}: {error}\n{text}");
        }
    }
}
