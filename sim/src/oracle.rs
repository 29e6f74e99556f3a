//! The oracle: does the model explain what a kernel did?
//!
//! It keeps the set of model states that explain what was seen so far. Each step of the observed
//! run narrows it; where it would become empty the run has *diverged*: the oracle says what it
//! got and what was allowed, by which clause, and goes on from the allowed result nearest to what
//! was seen, so that one difference does not hide the next.

use crate::kernel::Config;
use crate::quiet::{self, Quiet};
use crate::{SetupError, System, Taken};
use scenario::{Class, Clause, Event, Program, TaskId, Value, What};
use std::collections::{BTreeMap, BTreeSet};

/// A state that explains what was seen, with the renaming of numbers that no rule fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    system: System,
    renaming: Renaming,
}

/// Pairs of a seen number and the model's.
type Renaming = Vec<(Class, u32, u32)>;

/// Holds an observed run against the model, step by step.
#[derive(Clone, Debug)]
pub struct Oracle<'p> {
    program: &'p Program,
    candidates: Vec<Candidate>,
    setup: Taken,
    clauses: BTreeSet<Clause>,
}

/// A result that the model allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// What would happen, by task.
    pub events: BTreeMap<TaskId, Vec<What>>,
    /// The clauses that say so.
    pub clauses: BTreeSet<Clause>,
}

/// A step that the model does not explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The task that issued a call.
    pub issued: TaskId,
    /// The call's index in its program.
    pub index: usize,
    /// What was seen, by task.
    pub got: BTreeMap<TaskId, Vec<What>>,
    /// What the model allows.
    pub allowed: Vec<Allowed>,
}

impl<'p> Oracle<'p> {
    /// Starts where the program starts.
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn new(program: &'p Program, config: Config) -> Result<Oracle<'p>, SetupError> {
        let (system, setup) = System::start(program, config)?;
        let clauses = setup.clauses.iter().copied().collect();
        let candidates = vec![Candidate {
            system,
            renaming: Vec::new(),
        }];
        Ok(Oracle {
            program,
            candidates,
            setup,
            clauses,
        })
    }

    /// Compares what the setup calls did.
    pub fn setup(&mut self, events: &[Event]) -> Result<(), Divergence> {
        // Only what setup calls gave counts; a kernel's run need not tell when they were issued.
        let returns = |events: &[Event]| {
            let events: Vec<Event> = events
                .iter()
                .filter(|e| matches!(e.what, What::Return(..)))
                .cloned()
                .collect();
            by_task(&events)
        };
        let got = returns(events);
        let want = returns(&self.setup.events);
        let mut renaming = Vec::new();
        if agree(&got, &want, &mut renaming) {
            for c in &mut self.candidates {
                c.renaming.clone_from(&renaming);
            }
            return Ok(());
        }
        let (got_setup, want_setup) = (got.get(&TaskId::SETUP), want.get(&TaskId::SETUP));
        let differ = got_setup
            .into_iter()
            .flatten()
            .zip(want_setup.into_iter().flatten());
        let index = differ.filter(|(a, b)| a != b).find_map(|(a, _)| match a {
            What::Return(index, _) => Some(*index),
            _ => None,
        });
        let clauses = self.setup.clauses.iter().copied().collect();
        Err(Divergence {
            issued: TaskId::SETUP,
            index: index.unwrap_or(0),
            got,
            allowed: vec![Allowed {
                events: want,
                clauses,
            }],
        })
    }

    /// Takes a step in: `task` issued its next call, and `events` is what happened until the
    /// system was quiet again.
    ///
    /// # Errors
    /// If the model does not explain it. The oracle then goes on from the nearest allowed result.
    pub fn step(&mut self, task: TaskId, events: &[Event]) -> Result<(), Divergence> {
        let got = by_task(events);
        let issues = events.iter().any(|e| matches!(e.what, What::Issue(_)));
        let mut index = 0;
        let mut others: Vec<(Quiet, Renaming)> = Vec::new();
        let mut explained: Vec<Candidate> = Vec::new();
        let mut clauses: BTreeSet<Clause> = BTreeSet::new();
        // A kernel may be so slow that time ends meanwhile; that is looked at only if need be.
        for slowly in [false, true] {
            for (candidate, before) in self.bases(slowly || !issues) {
                let results = if !issues {
                    let mut results = quiet::pass_time(self.program, &candidate.system);
                    if got.is_empty() {
                        // A time that may have ended, and of which nothing shows.
                        results.push(quiet::nothing(&candidate.system));
                    }
                    results
                } else if !candidate.system.can_issue(self.program, task) {
                    continue;
                } else if slowly {
                    quiet::issue_slowly(self.program, &candidate.system, task)
                } else {
                    quiet::issue(self.program, &candidate.system, task)
                };
                index = candidate.system.at(task);
                for result in results {
                    let mut renaming = candidate.renaming.clone();
                    if agree(&got, &result.events, &mut renaming) {
                        clauses.extend(&result.clauses);
                        clauses.extend(&before);
                        let next = Candidate {
                            system: result.system,
                            renaming,
                        };
                        if !explained.contains(&next) {
                            explained.push(next);
                        }
                    } else if !slowly {
                        others.push((result, candidate.renaming.clone()));
                    }
                }
            }
            // Also the time of the call itself, if it began to wait.
            let before = self.candidates.iter().map(|c| &c.system);
            let after = others.iter().map(|(result, _)| &result.system);
            let timed = |s: &System| !s.due(self.program).is_empty();
            if !explained.is_empty() || !before.chain(after).any(timed) {
                break;
            }
        }
        if !explained.is_empty() {
            self.clauses.extend(clauses);
            self.candidates = explained;
            return Ok(());
        }

        let mut allowed: Vec<Allowed> = others
            .iter()
            .map(|(q, _)| Allowed {
                events: q.events.clone(),
                clauses: q.clauses.clone(),
            })
            .collect();
        allowed.sort();
        allowed.dedup();
        let likeness = |q: &Quiet| {
            got.iter()
                .filter(|(task, whats)| q.events.get(task) == Some(whats))
                .count()
        };
        let best = others.iter().map(|(q, _)| likeness(q)).max().unwrap_or(0);
        let nearest: Vec<Candidate> = others
            .into_iter()
            .filter(|(q, _)| likeness(q) == best)
            .map(|(q, renaming)| Candidate {
                system: q.system,
                renaming,
            })
            .collect();
        if !nearest.is_empty() {
            self.candidates = nearest;
        }
        Err(Divergence {
            issued: task,
            index,
            got,
            allowed,
        })
    }

    /// The states that explain what was seen so far; `later`: also those that come of them by time
    /// alone, of which nothing shows, with the clauses that say so.
    fn bases(&self, later: bool) -> Vec<(Candidate, BTreeSet<Clause>)> {
        let now = self.candidates.iter().cloned();
        let mut bases: Vec<_> = now.map(|c| (c, BTreeSet::new())).collect();
        let mut at = 0;
        while later && at < bases.len() {
            let (base, clauses) = bases[at].clone();
            at += 1;
            for quiet in quiet::pass_time(self.program, &base.system) {
                let next = Candidate {
                    system: quiet.system,
                    renaming: base.renaming.clone(),
                };
                if quiet.events.is_empty() && bases.iter().all(|(b, _)| *b != next) {
                    bases.push((next, &clauses | &quiet.clauses));
                }
            }
        }
        bases
    }

    /// The clauses that explain the steps taken in so far.
    pub fn clauses(&self) -> &BTreeSet<Clause> {
        &self.clauses
    }

    /// Whether the model agrees that nothing more can happen.
    pub fn is_over(&self) -> bool {
        self.candidates
            .iter()
            .any(|c| c.system.is_over(self.program))
    }
}

fn by_task(events: &[Event]) -> BTreeMap<TaskId, Vec<What>> {
    let mut map: BTreeMap<TaskId, Vec<What>> = BTreeMap::new();
    for event in events {
        map.entry(event.task).or_default().push(event.what.clone());
    }
    map
}

/// Whether two sets of events are the same up to a renaming that extends the given one.
fn agree(
    got: &BTreeMap<TaskId, Vec<What>>,
    model: &BTreeMap<TaskId, Vec<What>>,
    renaming: &mut Renaming,
) -> bool {
    got.len() == model.len()
        && got.iter().zip(model).all(|((ta, a), (tb, b))| {
            ta == tb && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, renaming))
        })
}

fn same(got: &What, model: &What, renaming: &mut Renaming) -> bool {
    match (got, model) {
        (What::Return(i, a), What::Return(j, b)) => i == j && same_value(a, b, renaming),
        _ => got == model,
    }
}

fn same_value(got: &Value, model: &Value, renaming: &mut Renaming) -> bool {
    match (got, model) {
        (Value::Symbol(c, a), Value::Symbol(d, b)) => {
            if c != d {
                return false;
            }
            match renaming
                .iter()
                .find(|(e, x, y)| e == c && (x == a || y == b))
            {
                Some((_, x, y)) => x == a && y == b,
                None => {
                    renaming.push((*c, *a, *b));
                    true
                }
            }
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b, renaming))
        }
        _ => got == model,
    }
}
