//! Big steps: a task issues a call, and everything that follows happens, until the system is quiet.
//!
//! This is what the lockstep engine sees of the real kernel: not each wake-up, but where things
//! stand when nobody runs any more. The order in which the woken run is not fixed, so a big step
//! has a set of results.

use crate::{System, Taken};
use scenario::{Action, Clause, End, Event, Program, Step, TaskId, What};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// One way in which a big step may end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The system, with nothing under way.
    pub system: System,
    /// What happened, by task; the order between tasks is not seen.
    pub events: BTreeMap<TaskId, Vec<What>>,
    /// The clauses that say so.
    pub clauses: BTreeSet<Clause>,
}

/// All ways in which things end when `task` issues its next call.
pub fn issue(program: &Program, system: &System, task: TaskId) -> Vec<Quiet> {
    let action = Action {
        task,
        step: Step::Issue,
        choices: Vec::new(),
    };
    let index = system.at(task);
    let mut results = settle(program, system.take_each(program, &action));
    for quiet in &mut results {
        // What had not returned when the system was quiet is known to block.
        if quiet.system.end_of(task) == End::Blocked(index) {
            quiet
                .events
                .entry(task)
                .or_default()
                .push(What::Block(index));
        }
    }
    results
}

/// Lets everything under way happen, in every order.
fn settle(program: &Program, started: Vec<(Action, System, Taken)>) -> Vec<Quiet> {
    let mut seen = HashSet::new();
    let mut done: Vec<Quiet> = Vec::new();
    let mut open: Vec<Quiet> = started
        .into_iter()
        .map(|(_, system, taken)| {
            let mut quiet = Quiet {
                system,
                events: BTreeMap::new(),
                clauses: BTreeSet::new(),
            };
            quiet.add(taken);
            quiet
        })
        .collect();
    while let Some(quiet) = open.pop() {
        if !seen.insert((quiet.system.clone(), quiet.events.clone())) {
            continue;
        }
        let under_way = quiet.system.under_way(program);
        if under_way.is_empty() {
            done.push(quiet);
            continue;
        }
        for action in under_way {
            for (_, system, taken) in quiet.system.take_each(program, &action) {
                let mut next = Quiet {
                    system,
                    ..quiet.clone()
                };
                next.add(taken);
                open.push(next);
            }
        }
    }
    done
}

impl Quiet {
    fn add(&mut self, taken: Taken) {
        for Event { task, what } in taken.events {
            self.events.entry(task).or_default().push(what);
        }
        self.clauses.extend(taken.clauses);
    }
}
