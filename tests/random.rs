//! Random scenarios: the model explains what the running kernel does with each of them.
//!
//! `LOCKSTEP_CASES=100000 LOCKSTEP_SEED=7 cargo test --release --test random` runs a campaign; the
//! command `lockstep random` does the same with a progress bar.

use lockstep::random::{ALL, Campaign, Tried};
use lockstep::{Scenario, harness};

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
    let campaign = Campaign::of_all(seed);
    let result = harness::with_machine(|machine| {
        for case in 0..cases {
            if let Tried::Differs(found) = campaign.try_case(case, machine)? {
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
        let text = |seed| Campaign::of_all(seed).text(case);
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
    }
}

fn assert_valid(campaign: &Campaign, cases: u64) {
    for case in 0..cases {
        let text = campaign.text(case);
        if let Err(error) = Scenario::parse("random.ipc", text.clone()) {
            panic!("case {case}: {error}\n{text}");
        }
    }
}

#[test]
fn random_scenarios_are_valid() {
    assert_valid(&Campaign::of_all(11), 500);
    for mechanism in ALL {
        let campaign = Campaign {
            seed: 11,
            mechanisms: vec![mechanism],
        };
        assert_valid(&campaign, 100);
    }
}

#[test]
fn a_mechanism_that_is_left_out_does_not_occur() {
    let campaign = Campaign {
        seed: 11,
        mechanisms: ALL
            .iter()
            .copied()
            .filter(|m| m.name == "posix_mq")
            .collect(),
    };
    let text: String = (0..100).map(|case| campaign.text(case)).collect();
    assert!(text.contains("mq_send("));
    for call in [" pipe2(", " mkfifo(", " msgsnd(", " write("] {
        assert!(!text.contains(call), "{call}");
    }
}
