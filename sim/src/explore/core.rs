//! A program taken apart: what steers the kernel, and what is only looked at.

use super::blind::{Blindness, Meaning};
use crate::System;
use crate::kernel::State;
use scenario::{
    Action, End, Event, Observer, Outcome, Pattern, Program, Step, TaskId, Value, VarId, What,
};
use std::collections::BTreeSet;

/// A program taken apart.
pub(super) struct Core<'a> {
    original: &'a Program,
    /// The program with nothing to look at: only the names that calls take are bound.
    pub program: Program,
    /// The program with nothing to steer: only the names that outcomes show, or that expectations
    /// compare with, are bound.
    watch: Program,
    /// What the bytes in it are.
    blindness: Blindness,
    /// By task and place: how much of what the call returns is to be seen.
    interest: Vec<Vec<Interest>>,
    /// By task and place: the names that no later call of the task takes.
    last_taken: Vec<Vec<Vec<VarId>>>,
    /// By name: the last place of each task that takes it.
    taken: Vec<Vec<(TaskId, usize)>>,
}

/// What of a step can be seen: events that bind observed names, fail expectations or run observed
/// handlers, and a call that was to block and did not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sight {
    events: Vec<Event>,
    failed: Option<(TaskId, usize)>,
    /// The tokens in pipes were renamed: these are the former ones.
    renamed: Option<Vec<u8>>,
}

/// What was seen so far, and what the tokens in pipes stand for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    observer: Observer,
    meaning: Meaning,
}

/// How much of what a call returns is to be seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interest {
    None,
    /// Whether it is what was expected.
    Agreement,
    /// What it is.
    Value,
}

impl<'a> Core<'a> {
    pub fn new(original: &'a Program) -> Core<'a> {
        let mut taken = vec![Vec::new(); original.vars.len()];
        let mut last_taken: Vec<Vec<Vec<VarId>>> = Vec::new();
        for (t, task) in original.tasks.iter().enumerate() {
            let mut places = vec![Vec::new(); task.body.len()];
            let mut found = BTreeSet::new();
            for (at, stmt) in task.body.iter().enumerate().rev() {
                for arg in &stmt.args {
                    arg.vars(&mut |v| {
                        if found.insert(v) {
                            taken[v.index()].push((TaskId(t as u16), at));
                            places[at].push(v);
                        }
                    });
                }
            }
            last_taken.push(places);
        }
        let mut shown: BTreeSet<VarId> = original.observed.iter().copied().collect();
        for stmt in original.tasks.iter().flat_map(|t| &t.body) {
            compared(&stmt.expect, &mut |v| {
                shown.insert(v);
            });
        }
        let mut program = original.clone();
        program.observed.clear();
        program.observed_signals.clear();
        let mut watch = original.clone();
        let mut interest = Vec::new();
        for (t, task) in original.tasks.iter().enumerate() {
            let mut places = Vec::new();
            for (at, stmt) in task.body.iter().enumerate() {
                let core = &mut program.tasks[t].body[at];
                core.blocks = false;
                core.expect = binding(&stmt.expect, &|v| !taken[v.index()].is_empty());
                let seen = &mut watch.tasks[t].body[at].expect;
                *seen = keeping(&stmt.expect, &|v| shown.contains(&v));
                places.push(interest_in(seen));
            }
            interest.push(places);
        }
        let blindness = Blindness::make(&mut program, &watch);
        Core {
            original,
            program,
            watch,
            blindness,
            interest,
            last_taken,
            taken,
        }
    }

    /// What of a step can be seen, if anything; renames tokens. `places` are those of the state
    /// before.
    pub fn sight(
        &self,
        action: &Action,
        before: &System,
        places: usize,
        after: &mut System,
        events: &[Event],
    ) -> Option<Sight> {
        let mut sight = Sight {
            renamed: self.blindness.rename(after.kernel_mut(), places),
            ..Sight::default()
        };
        for event in events {
            let seen = match &event.what {
                What::Return(at, value) => match self.interest[event.task.index()][*at] {
                    Interest::None => false,
                    Interest::Value => true,
                    Interest::Agreement => {
                        let expect = &self.watch.stmt(event.task, *at).expect;
                        let none = &mut |_| Value::ZERO;
                        !expect.check(value, none, &mut |_, _| {})
                    }
                },
                What::Handle(_) => self.watch.observed_signals.contains(&event.task),
                What::Issue(_) | What::Block(_) | What::End(_) => false,
            };
            if seen {
                sight.events.push(event.clone());
            }
        }
        let (task, at) = (action.task, before.at(action.task));
        if action.step == Step::Issue
            && self.original.stmt(task, at).blocks
            && !matches!(after.kernel().task(task).state, State::Sleeping { .. })
        {
            sight.failed = Some((task, at));
        }
        (sight != Sight::default()).then_some(sight)
    }

    /// Takes off a state what nothing that is to come depends on.
    pub fn tidy(&self, system: &mut System, events: &[Event]) {
        for event in events {
            let places = &self.last_taken[event.task.index()];
            match event.what {
                What::Return(at, _) => self.forget(system, &places[at]),
                What::End(_) => {
                    for vars in &places[system.at(event.task)..] {
                        self.forget(system, vars);
                    }
                }
                _ => {}
            }
        }
        system.normalize();
    }

    fn forget(&self, system: &mut System, vars: &[VarId]) {
        for var in vars {
            let passed = |&(task, at): &(TaskId, usize)| {
                system.at(task) > at || matches!(system.kernel().task(task).state, State::Ended(_))
            };
            if self.taken[var.index()].iter().all(passed) {
                system.forget(*var);
            }
        }
    }

    /// How many tokens the pipes of a state hold.
    pub fn places(&self, system: &System) -> usize {
        self.blindness.places(system.kernel())
    }

    /// What is seen of the setup; renames tokens.
    pub fn first_seen(&self, start: &mut System, setup: &[Event]) -> Seen {
        let mut seen = Seen {
            observer: Observer::new(&self.watch),
            meaning: Meaning::new(),
        };
        let sight = Sight {
            events: setup.to_vec(),
            failed: None,
            renamed: self.blindness.rename(start.kernel_mut(), 0),
        };
        self.look(&mut seen, &sight);
        seen
    }

    /// Takes in what there is to be seen of a step.
    pub fn look(&self, seen: &mut Seen, sight: &Sight) {
        for event in &sight.events {
            match (&event.what, &self.blindness) {
                (What::Return(at, value), Blindness::Tokens(_)) => {
                    let value = self.blindness.value(value, &seen.meaning);
                    let what = What::Return(*at, value);
                    let task = event.task;
                    seen.observer.observe(&self.watch, &Event { task, what });
                }
                _ => {
                    seen.observer.observe(&self.watch, event);
                }
            }
        }
        if let Some((task, at)) = sight.failed {
            seen.observer.fail(task, at);
        }
        if let Some(former) = &sight.renamed {
            let byte = |token: &u8| self.blindness.byte(*token, &seen.meaning);
            seen.meaning = former.iter().map(byte).collect();
        }
    }

    /// How the tasks stand.
    pub fn ends(&self, system: &System) -> Vec<End> {
        let tasks = self.original.task_ids().skip(1);
        tasks.map(|t| system.end_of(t)).collect()
    }

    /// What a run comes to.
    pub fn outcome(&self, seen: &Seen, ends: &[End]) -> Outcome {
        let mut observer = seen.observer.clone();
        for (task, end) in self.original.task_ids().skip(1).zip(ends) {
            observer.end(task, *end);
        }
        observer.outcome(self.original)
    }
}

/// Calls `f` with every name that a pattern compares with.
fn compared(pattern: &Pattern, f: &mut impl FnMut(VarId)) {
    match pattern {
        Pattern::Same(v) => f(*v),
        Pattern::List(items) => items.iter().for_each(|p| compared(p, f)),
        Pattern::Any | Pattern::Bind(_) | Pattern::Value(_) => {}
    }
}

/// The pattern with nothing but the bindings to wanted names.
fn binding(pattern: &Pattern, wanted: &impl Fn(VarId) -> bool) -> Pattern {
    match pattern {
        Pattern::Bind(v) if wanted(*v) => Pattern::Bind(*v),
        Pattern::List(items) => {
            let items: Vec<_> = items.iter().map(|p| binding(p, wanted)).collect();
            match items.iter().all(|p| *p == Pattern::Any) {
                true => Pattern::Any,
                false => Pattern::List(items),
            }
        }
        _ => Pattern::Any,
    }
}

/// The pattern without the bindings to other names than wanted ones.
fn keeping(pattern: &Pattern, wanted: &impl Fn(VarId) -> bool) -> Pattern {
    match pattern {
        Pattern::Bind(v) if !wanted(*v) => Pattern::Any,
        Pattern::List(items) => Pattern::List(items.iter().map(|p| keeping(p, wanted)).collect()),
        other => other.clone(),
    }
}

fn interest_in(pattern: &Pattern) -> Interest {
    match pattern {
        Pattern::Any => Interest::None,
        Pattern::Value(Value::Data(_)) => Interest::Value,
        Pattern::Value(_) => Interest::Agreement,
        Pattern::Bind(_) | Pattern::Same(_) => Interest::Value,
        Pattern::List(items) => {
            let all = items.iter().map(interest_in);
            match all.max_by_key(|i| *i as u8) {
                Some(Interest::Value) => Interest::Value,
                // A list of another length, or none, is not what was expected.
                _ => Interest::Agreement,
            }
        }
    }
}
