//! The same system as a stateright model: the same step function, its own search.

use scenario::{Action, Outcome, Program};
use sim::System;
use stateright::{Checker, Model, Property};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

struct Peer {
    program: Program,
    start: System,
    outcomes: Arc<Mutex<BTreeSet<Outcome>>>,
}

impl Model for Peer {
    type State = System;
    type Action = Action;

    fn init_states(&self) -> Vec<System> {
        vec![self.start.clone()]
    }

    fn actions(&self, state: &System, actions: &mut Vec<Action>) {
        actions.extend(state.enabled(&self.program));
        if actions.is_empty() {
            let mut outcomes = self.outcomes.lock().expect("nobody panics with it");
            outcomes.insert(state.outcome(&self.program));
        }
    }

    fn next_state(&self, last: &System, action: Action) -> Option<System> {
        let mut next = last.clone();
        next.take(&self.program, &action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // One that always holds, so that it looks at every state.
        vec![Property::always("nothing fails", |_, _| true)]
    }
}

/// Runs it, depth first on one thread. Gives the outcomes and the states.
pub fn run(program: &Program) -> (usize, usize) {
    let (start, _) = System::start(program, Default::default()).expect("the setup does not sleep");
    let outcomes = Arc::default();
    let peer = Peer {
        program: program.clone(),
        start,
        outcomes: Arc::clone(&outcomes),
    };
    let states = peer
        .checker()
        .threads(1)
        .spawn_dfs()
        .join()
        .unique_state_count();
    let found = outcomes.lock().expect("the search is over").len();
    (found, states)
}
