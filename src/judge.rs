//! Conditions and expectations, held against a set of outcomes.

use crate::Case;
use scenario::ast::Quantifier;
use scenario::{Outcome, Schedule, TaskId};
use std::collections::BTreeMap;

/// A condition or an expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An `always` or `never` that an outcome contradicts.
    Condition {
        /// The condition's index in the program.
        index: usize,
        /// The outcome.
        outcome: Box<Outcome>,
        /// A schedule that leads to it.
        witness: Option<Schedule>,
    },
    /// A `sometimes` that no outcome meets.
    Missing {
        /// The condition's index in the program.
        index: usize,
    },
    /// A call that did not do what its line says.
    Expectation {
        /// Whose call.
        task: TaskId,
        /// The call's index in the task's program.
        index: usize,
        /// A schedule in which it does not.
        witness: Option<Schedule>,
    },
}

/// Holds a complete set of outcomes against what the scenario says.
pub fn judge(
    case: &Case,
    model: &str,
    outcomes: &BTreeMap<Outcome, Schedule>,
    complete: bool,
) -> Vec<Broken> {
    let program = &case.program;
    let mut broken = Vec::new();
    let mut reported: Vec<(TaskId, usize)> = Vec::new();
    for (outcome, witness) in outcomes {
        for &(task, index) in &outcome.failed {
            if !reported.contains(&(task, index)) {
                reported.push((task, index));
                broken.push(Broken::Expectation {
                    task,
                    index,
                    witness: Some(witness.clone()),
                });
            }
        }
    }
    for (index, condition) in program.conditions.iter().enumerate() {
        if condition.under.as_deref().is_some_and(|u| u != model) {
            continue;
        }
        let against = |holds: bool| {
            outcomes
                .iter()
                .find(|(o, _)| condition.holds(program, o) == holds)
        };
        let contradiction = match condition.quantifier {
            Quantifier::Always => against(false),
            Quantifier::Never => against(true),
            Quantifier::Sometimes => {
                if complete && against(true).is_none() {
                    broken.push(Broken::Missing { index });
                }
                None
            }
        };
        if let Some((outcome, witness)) = contradiction {
            broken.push(Broken::Condition {
                index,
                outcome: Box::new(outcome.clone()),
                witness: Some(witness.clone()),
            });
        }
    }
    broken
}
