//! Clauses that only a race can show.
//!
//! One call at a time lets nobody in between a wake-up and the run of the woken: whatever lies there,
//! lockstep cannot show. A race comes there, but sees outcomes only, not on which way the kernel came
//! to them. What can be said is this: if every way of the model to an outcome rests on a clause
//! ([`sim::certain`]), and the kernel comes to that outcome, then it keeps that clause.

use crate::check::rounds_for;
use crate::{Case, CheckOptions, Error, Machine};
use real::RunError;
use scenario::{Clause, Outcome};
use sim::ExploreOptions;
use std::collections::{BTreeMap, BTreeSet};

/// Rounds after which one looks whether anything is still to be shown.
const ROUNDS_AT_A_TIME: u32 = 200;

/// What a race showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByRace {
    /// The clauses of those asked for without which the model does not explain what was seen.
    pub clauses: BTreeSet<Clause>,
    /// Rounds raced.
    pub rounds: u32,
    /// Outcomes that the model does not have. Then nothing was shown.
    pub outside: Vec<Outcome>,
    /// Why it was not more.
    pub reason: Option<String>,
}

impl ByRace {
    fn nothing(reason: impl Into<String>) -> ByRace {
        ByRace {
            reason: Some(reason.into()),
            ..ByRace::default()
        }
    }
}

/// Races a case until the kernel was seen to keep those of the `wanted` clauses that an outcome of the
/// case can show, for as many rounds as the options say at most. Does not race if there is none.
///
/// # Errors
/// If the model cannot run the case, or a round gave no result.
pub fn by_race(
    case: &Case,
    machine: &mut Machine,
    options: &CheckOptions,
    wanted: &BTreeSet<Clause>,
) -> Result<ByRace, Error> {
    let program = &case.program;
    if program.order.is_some() {
        return Ok(ByRace::nothing("the scenario fixes its one ordering"));
    }
    let explore = ExploreOptions {
        config: options.config,
        max_states: options.max_states,
        ..ExploreOptions::default()
    };
    let certain = sim::certain(program, &explore)?;
    if let Some(why) = certain.incomplete_because {
        let why = format!("no way to an outcome is certain: {why}");
        return Ok(ByRace::nothing(why));
    }
    let shown: BTreeMap<&Outcome, BTreeSet<Clause>> = certain
        .clauses
        .iter()
        .map(|(outcome, clauses)| (outcome, clauses & wanted))
        .collect();
    let can_be_shown = shown.values().flatten().copied().collect();
    let mut found = ByRace::default();
    if shown.values().all(BTreeSet::is_empty) {
        return Ok(ByRace::nothing(
            "every outcome of its scenarios has ways without it",
        ));
    }
    let most = rounds_for(program, options.race_rounds);
    while found.rounds < most && found.clauses != can_be_shown {
        let rounds = ROUNDS_AT_A_TIME.min(most - found.rounds);
        let seed = options.seed.wrapping_add(u64::from(found.rounds));
        let histogram = match machine.race_both(program, rounds, seed) {
            Err(RunError::Skip(skip)) => return Ok(ByRace::nothing(skip.to_string())),
            raced => raced?,
        };
        found.rounds += rounds;
        for outcome in histogram.into_keys() {
            match shown.get(&outcome) {
                Some(clauses) => found.clauses.extend(clauses),
                None => found.outside.push(outcome),
            }
        }
        if !found.outside.is_empty() {
            found.clauses.clear();
            found.reason = Some("the model has no such outcome".into());
            return Ok(found);
        }
    }
    if found.clauses != can_be_shown {
        let why = format!(
            "no outcome that only it explains came in {} rounds",
            found.rounds
        );
        found.reason = Some(why);
    }
    Ok(found)
}
