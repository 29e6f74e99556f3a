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
    issued(program, system, task, false)
}

fn issued(program: &Program, system: &System, task: TaskId, slowly: bool) -> Vec<Quiet> {
    let action = Action {
        task,
        step: Step::Issue,
        choices: Vec::new(),
    };
    let index = system.at(task);
    let mut results = settle(program, system.take_each(program, &action), slowly);
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

/// All ways in which things end when nobody can go on but what waits for a time: it passes, to the
/// nearest end.
pub fn pass_time(program: &Program, system: &System) -> Vec<Quiet> {
    let due = system.due(program);
    let started = due
        .iter()
        .flat_map(|action| system.take_each(program, action));
    settle(program, started.collect(), false)
}

/// Nothing happens.
pub fn nothing(system: &System) -> Quiet {
    Quiet {
        system: system.clone(),
        events: BTreeMap::new(),
        clauses: BTreeSet::new(),
    }
}

/// The same as [`issue`], where time may pass meanwhile: a kernel may be slow.
pub fn issue_slowly(program: &Program, system: &System, task: TaskId) -> Vec<Quiet> {
    issued(program, system, task, true)
}

/// Lets everything under way happen, in every order.
fn settle(program: &Program, started: Vec<(Action, System, Taken)>, slowly: bool) -> Vec<Quiet> {
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
        let mut actions = quiet.system.under_way(program);
        if actions.is_empty() {
            done.push(quiet.clone());
        }
        if slowly {
            actions.extend(quiet.system.due(program));
        }
        for action in actions {
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
