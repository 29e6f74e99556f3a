//! The oracle: every action from every state, breadth first, whole states in a set.
//!
//! Nothing here is clever, so that it can be believed. A preemption bound makes the task that
//! acted last and the preemptions so far part of the state.

use super::{ExploreOptions, Explored, Findings};
use crate::{SetupError, System};
use scenario::{Action, Program, Schedule, TaskId};
use std::collections::{HashSet, VecDeque};

/// A state with what a preemption bound needs to know of the way to it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    system: System,
    /// The task that acted last, and how many preemptions there were; both only under a bound.
    last: Option<TaskId>,
    preemptions: u32,
}

pub(super) fn run(program: &Program, options: &ExploreOptions) -> Result<Explored, SetupError> {
    let (system, setup) = System::start(program, options.config)?;
    let mut found = Findings::default();
    found.clauses.extend(setup.clauses);
    let start = Node {
        system,
        last: None,
        preemptions: 0,
    };
    let mut seen = HashSet::from([start.clone()]);
    // How each state was reached: from which, by what.
    let mut reached: Vec<Option<(usize, Action)>> = vec![None];
    let mut queue = VecDeque::from([(0, start)]);
    'search: while let Some((at, node)) = queue.pop_front() {
        let actions = node.system.enabled(program);
        if actions.is_empty() {
            let outcome = node.system.outcome(program);
            found
                .outcomes
                .entry(outcome)
                .or_insert_with(|| way_to(&reached, at));
        }
        let could_go_on = |t: TaskId| actions.iter().any(|a| a.task == t);
        for action in &actions {
            let mut next = Node {
                system: node.system.clone(),
                last: None,
                preemptions: 0,
            };
            if let Some(most) = options.preemptions {
                let preempts = node
                    .last
                    .is_some_and(|t| t != action.task && could_go_on(t));
                next.preemptions = node.preemptions + u32::from(preempts);
                next.last = Some(action.task);
                if next.preemptions > most {
                    found.incomplete =
                        Some(format!("only schedules of at most {most} preemptions"));
                    continue;
                }
            }
            for (action, system, taken) in node.system.take_each(program, action) {
                found.transitions += 1;
                found.clauses.extend(taken.clauses);
                next.system = system;
                if seen.contains(&next) {
                    continue;
                }
                if seen.len() >= options.max_states {
                    found.state_limit(options);
                    break 'search;
                }
                seen.insert(next.clone());
                queue.push_back((reached.len(), next.clone()));
                reached.push(Some((at, action)));
            }
        }
    }
    Ok(found.finish(seen.len()))
}

/// The actions that led to a state.
fn way_to(reached: &[Option<(usize, Action)>], mut at: usize) -> Schedule {
    let mut actions = Vec::new();
    while let Some((before, action)) = &reached[at] {
        actions.push(action.clone());
        at = *before;
    }
    actions.reverse();
    Schedule(actions)
}
