//! Orderings: in which orders the tasks of a program can issue their calls, and which of those to
//! run on a real kernel.
//!
//! At every quiet point any idle task with calls left may go next. Where the orderings are few, all
//! are run. Else a *transition cover* is: orderings chosen so that every step the model has from
//! every state it reaches is taken at least once. Else a seeded sample.

use crate::kernel::Config;
use crate::quiet;
use crate::{SetupError, System};
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use scenario::{Program, TaskId};
use std::collections::HashMap;

/// How many orderings to run at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderingLimits {
    /// Every ordering, if there are no more than so many.
    pub every: u64,
    /// A transition cover, if it needs no more orderings than so many.
    pub cover: usize,
    /// The size of a sample.
    pub sample: usize,
    /// States to look at before giving up on anything but a sample.
    pub states: usize,
}

impl Default for OrderingLimits {
    fn default() -> Self {
        OrderingLimits {
            every: 200,
            cover: 400,
            sample: 200,
            states: 20_000,
        }
    }
}

/// How a list of orderings was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// The scenario fixes the one ordering.
    Fixed,
    /// It is every ordering.
    Every,
    /// It takes every step from every state.
    Transitions {
        /// The steps.
        steps: usize,
        /// All orderings there are (at most this number can be told: `u64::MAX`).
        of: u64,
    },
    /// A sample made with this seed.
    Sample {
        /// The seed.
        seed: u64,
        /// All orderings there are, if they could be counted.
        of: Option<u64>,
    },
}

/// Orderings to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orderings {
    /// How they were chosen.
    pub cover: Cover,
    /// The tasks in the order in which they issue calls; each list runs to the end.
    pub list: Vec<Vec<TaskId>>,
}

/// A set of states that the same ordering can lead to.
type Belief = Vec<System>;

struct Node {
    belief: Belief,
    next: Vec<(TaskId, usize)>,
    /// Orderings from here to the end.
    orderings: u64,
}

/// Chooses orderings of a program.
///
/// # Errors
/// As [`System::start`].
pub fn orderings(
    program: &Program,
    config: Config,
    limits: &OrderingLimits,
    seed: u64,
) -> Result<Orderings, SetupError> {
    let (start, _) = System::start(program, config)?;
    if let Some(order) = &program.order {
        return Ok(Orderings {
            cover: Cover::Fixed,
            list: vec![order.clone()],
        });
    }
    let Some(mut graph) = graph(program, vec![start.clone()], limits.states) else {
        let list = sample(program, &start, limits.sample, seed);
        return Ok(Orderings {
            cover: Cover::Sample { seed, of: None },
            list,
        });
    };
    count(&mut graph);
    let total = graph[0].orderings;
    if total <= limits.every {
        return Ok(Orderings {
            cover: Cover::Every,
            list: every(&graph),
        });
    }
    let steps = graph.iter().map(|n| n.next.len()).sum();
    match cover(&graph, limits.cover) {
        Some(list) => Ok(Orderings {
            cover: Cover::Transitions { steps, of: total },
            list,
        }),
        None => {
            let list = sample(program, &start, limits.sample, seed);
            Ok(Orderings {
                cover: Cover::Sample {
                    seed,
                    of: Some(total),
                },
                list,
            })
        }
    }
}

/// Where an ordering may go on from a set of states, and where it leads.
fn successors(program: &Program, belief: &Belief) -> Vec<(TaskId, Belief)> {
    let mut next = Vec::new();
    for task in program.task_ids().skip(1) {
        let mut to: Belief = Vec::new();
        for system in belief.iter().filter(|s| s.can_issue(program, task)) {
            for result in quiet::issue(program, system, task) {
                if !to.contains(&result.system) {
                    to.push(result.system);
                }
            }
        }
        if !to.is_empty() {
            next.push((task, wait(program, to)));
        }
    }
    next
}

/// Lets time pass in states in which nobody can go on otherwise, as long as somebody waits for it.
fn wait(program: &Program, belief: Belief) -> Belief {
    let mut open = belief;
    let mut quiet: Belief = Vec::new();
    while let Some(system) = open.pop() {
        let stuck = program.task_ids().all(|t| !system.can_issue(program, t));
        let later = if stuck {
            quiet::pass_time(program, &system)
        } else {
            Vec::new()
        };
        if !later.is_empty() {
            open.extend(later.into_iter().map(|q| q.system));
        } else if !quiet.contains(&system) {
            quiet.push(system);
        }
    }
    quiet.reverse();
    quiet
}

/// The graph of states under big steps; the first is the start. None if it is too large.
fn graph(program: &Program, start: Belief, limit: usize) -> Option<Vec<Node>> {
    let mut known: HashMap<Belief, usize> = HashMap::from([(start.clone(), 0)]);
    let mut nodes = vec![Node {
        belief: start,
        next: Vec::new(),
        orderings: 0,
    }];
    let mut at = 0;
    while at < nodes.len() {
        let mut next = Vec::new();
        for (task, belief) in successors(program, &nodes[at].belief) {
            let to = *known.entry(belief).or_insert_with_key(|belief| {
                nodes.push(Node {
                    belief: belief.clone(),
                    next: Vec::new(),
                    orderings: 0,
                });
                nodes.len() - 1
            });
            next.push((task, to));
        }
        nodes[at].next = next;
        nodes[at].belief = Vec::new();
        at += 1;
        if nodes.len() > limit {
            return None;
        }
    }
    Some(nodes)
}

/// Counts the orderings from each state. Each step uses a call up, so the graph has no cycles; it is
/// layered by the number of calls issued, and breadth-first numbering goes by layers.
fn count(graph: &mut [Node]) {
    for at in (0..graph.len()).rev() {
        let sum = graph[at].next.iter().map(|(_, to)| graph[*to].orderings);
        let sum = sum.fold(0, u64::saturating_add);
        graph[at].orderings = if graph[at].next.is_empty() { 1 } else { sum };
    }
}

fn every(graph: &[Node]) -> Vec<Vec<TaskId>> {
    let mut all = Vec::new();
    let mut open = vec![(0, Vec::new())];
    while let Some((at, path)) = open.pop() {
        if graph[at].next.is_empty() {
            all.push(path);
            continue;
        }
        for (task, to) in graph[at].next.iter().rev() {
            let mut path = path.clone();
            path.push(*task);
            open.push((*to, path));
        }
    }
    all
}

/// Orderings that take every step at least once: again and again a walk from the start that
/// prefers steps not yet taken, then steps that lead to such.
fn cover(graph: &[Node], most: usize) -> Option<Vec<Vec<TaskId>>> {
    let mut taken: Vec<Vec<bool>> = graph.iter().map(|n| vec![false; n.next.len()]).collect();
    let mut list = Vec::new();
    loop {
        // Whether a step that was not taken can be reached from each state.
        let mut fresh = vec![false; graph.len()];
        for at in (0..graph.len()).rev() {
            fresh[at] = graph[at]
                .next
                .iter()
                .zip(&taken[at])
                .any(|((_, to), taken)| !taken || fresh[*to]);
        }
        if !fresh[0] {
            return Some(list);
        }
        if list.len() == most {
            return None;
        }
        let (mut at, mut path) = (0, Vec::new());
        while !graph[at].next.is_empty() {
            let steps = &graph[at].next;
            let pick = (0..steps.len())
                .find(|i| !taken[at][*i])
                .or_else(|| (0..steps.len()).find(|i| fresh[steps[*i].1]))
                .unwrap_or(0);
            taken[at][pick] = true;
            path.push(steps[pick].0);
            at = steps[pick].1;
        }
        list.push(path);
    }
}

fn sample(program: &Program, start: &System, size: usize, seed: u64) -> Vec<Vec<TaskId>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut list: Vec<Vec<TaskId>> = Vec::new();
    for _ in 0..size {
        let (mut system, mut path) = (start.clone(), Vec::new());
        loop {
            let idle: Vec<TaskId> = program
                .task_ids()
                .skip(1)
                .filter(|t| system.can_issue(program, *t))
                .collect();
            let Some(task) = idle.choose(&mut rng) else {
                break;
            };
            path.push(*task);
            let results = quiet::issue(program, &system, *task);
            let states = results.into_iter().take(1).map(|q| q.system).collect();
            system = wait(program, states).swap_remove(0);
        }
        if !list.contains(&path) {
            list.push(path);
        }
    }
    list
}
