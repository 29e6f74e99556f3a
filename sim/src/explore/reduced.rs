//! The explorer to use: two walks, one over what the kernel does, one over what is seen of it.
//!
//! What a scenario's conditions look at (the bytes that a read gave, the errno of a write) is often
//! of no consequence for what happens next, and yet multiplies states. So:
//!
//! 1. The *kernel's graph*: states without observations, depth first, each expanded once, each a
//!    128-bit fingerprint once it has been left. A name is part of a state only while a call is to
//!    come that takes it as an argument. Only a persistent set of tasks is expanded
//!    ([`footprint`](super::footprint)). An edge keeps what the step did that can be seen.
//! 2. The *observed graph*: pairs of a state and what was seen so far, breadth first along the edges,
//!    so that the first way to an outcome is a shortest. No kernel runs here: an edge is a
//!    look-up in two tables.
//!
//! Two writers of one byte each and a reader of both, which is interested in what it got:
//!
//! ```text
//!          ∅              kernel: 2 orders of the bytes in the pipe, then the same pipe
//!        a/ \b            observed: the pair (state, what was read)
//!        a   b
//!       b|   |a                     (∅, –)
//!        ab  ba                   /        \
//!         \ /                (…, "ab")  (…, "ba")      both end in the kernel state "all done"
//!          ∅
//! ```
//!
//! With full observation three writers of three bytes and two readers have millions of pairs on some
//! hundred thousand kernel states.

use super::core::{Core, Seen, Sight};
use super::footprint::Footprints;
use super::{ExploreOptions, Explored, Findings};
use crate::fingerprint::{AsIs, BuildFingerprinter};
use crate::kernel::{Choices, Cx};
use crate::{SetupError, System};
use scenario::{Action, Clause, End, Prefix, Program, Schedule};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash};

pub(super) fn run(program: &Program, options: &ExploreOptions) -> Result<Explored, SetupError> {
    let core = Core::new(program);
    let (mut start, setup) = System::start(&core.program, options.config)?;
    let mut found = Findings::default();
    found.clauses.extend(setup.clauses);
    let seen = core.first_seen(&mut start, &setup.events);
    let graph = Graph::build(&core, options, start, &mut found);
    let states = graph.observe(&core, options, seen, &mut found);
    Ok(found.finish(states))
}

/// Gives things numbers.
pub(super) struct Interner<T> {
    known: HashMap<T, u32, BuildFingerprinter>,
    list: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner {
            known: HashMap::default(),
            list: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub fn number(&mut self, thing: T) -> u32 {
        let list = &mut self.list;
        *self.known.entry(thing).or_insert_with_key(|thing| {
            list.push(thing.clone());
            (list.len() - 1) as u32
        })
    }

    /// All of them, by number.
    pub fn list(&self) -> &[T] {
        &self.list
    }
}

/// A step of the kernel.
struct Edge {
    to: u32,
    /// What it did that can be seen, as a number; 0 is nothing.
    sight: u32,
    /// The action, as a number.
    action: u32,
}

/// What a state is in the graph.
#[derive(Clone, Copy)]
enum Node {
    /// Not expanded (the exploration was given up).
    Open,
    /// Its edges stand at this place, so many.
    Inner { first: u32, edges: u32 },
    /// Nothing can follow; the tasks' ends, as a number.
    Last { ends: u32 },
}

/// The kernel's graph.
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    sights: Interner<Sight>,
    actions: Interner<Action>,
    ends: Interner<Vec<End>>,
}

impl Graph {
    /// The first walk.
    fn build(core: &Core, options: &ExploreOptions, start: System, found: &mut Findings) -> Graph {
        let mut graph = Graph {
            nodes: vec![Node::Open],
            edges: Vec::new(),
            sights: Interner::default(),
            actions: Interner::default(),
            ends: Interner::default(),
        };
        graph.sights.number(Sight::default());
        let mut clauses = ClauseSet::default();
        let mut known: HashMap<u128, u32, BuildHasherDefault<AsIs>> = HashMap::default();
        known.insert(start.fingerprint(), 0);
        let prints = Footprints::new(&core.program, &start);
        let mut stack = vec![(0, start)];
        let (mut cx, mut events) = (Cx::default(), Vec::new());
        while let Some((node, system)) = stack.pop() {
            let mut actions = system.enabled(&core.program);
            if actions.is_empty() {
                let ends = graph.ends.number(core.ends(&system));
                graph.nodes[node as usize] = Node::Last { ends };
                continue;
            }
            let places = core.places(&system);
            let expand = prints.persistent(&system, &actions);
            actions.retain(|a| expand >> a.task.0.min(63) & 1 == 1);
            let first = graph.edges.len() as u32;
            for mut action in actions {
                let mut given = Some(Vec::new());
                while let Some(choices) = given {
                    let mut next = system.clone();
                    cx.choices = Choices::new(choices);
                    next.step(&core.program, &action, &mut cx, &mut events);
                    given = cx.choices.next();
                    action.choices.clear();
                    action.choices.extend(cx.choices.made.iter().map(|c| c.0));
                    clauses.add(&cx.clauses.0);
                    cx.clauses.0.clear();
                    let sight = core.sight(&action, &system, places, &mut next, &events);
                    core.tidy(&mut next, &events);
                    events.clear();
                    let new = graph.nodes.len() as u32;
                    let to = *known.entry(next.fingerprint()).or_insert(new);
                    if to == new {
                        graph.nodes.push(Node::Open);
                        stack.push((new, next));
                    }
                    let sight = sight.map_or(0, |sight| graph.sights.number(sight));
                    let action = graph.actions.number(action.clone());
                    graph.edges.push(Edge { to, sight, action });
                }
            }
            let edges = graph.edges.len() as u32 - first;
            graph.nodes[node as usize] = Node::Inner { first, edges };
            if graph.nodes.len() > options.max_states {
                found.state_limit(options);
                break;
            }
        }
        found.clauses.extend(clauses.list());
        graph
    }

    /// The second walk. Gives the number of pairs.
    fn observe(
        &self,
        core: &Core,
        options: &ExploreOptions,
        first: Seen,
        found: &mut Findings,
    ) -> usize {
        let mut observers: Interner<Seen> = Interner::default();
        observers.number(first);
        // By observer and sight: the observer that follows.
        let mut follow: HashMap<u64, u32, BuildFingerprinter> = HashMap::default();
        let pair = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        let mut seen: HashSet<u64, BuildFingerprinter> = HashSet::from_iter([pair(0, 0)]);
        let mut ended: HashSet<u64, BuildFingerprinter> = HashSet::default();
        let mut pairs = vec![Pair {
            node: 0,
            observer: 0,
            from: 0,
            action: 0,
        }];
        let mut at = 0;
        'walk: while let Some(&Pair { node, observer, .. }) = pairs.get(at) {
            match self.nodes[node as usize] {
                Node::Open => {}
                Node::Last { ends } => {
                    if ended.insert(pair(ends, observer)) {
                        let seen = &observers.list[observer as usize];
                        let outcome = core.outcome(seen, &self.ends.list[ends as usize]);
                        let way = || self.way_to(&pairs, at);
                        found.outcomes.entry(outcome).or_insert_with(way);
                    }
                }
                Node::Inner { first, edges } => {
                    for edge in &self.edges[first as usize..(first + edges) as usize] {
                        found.transitions += 1;
                        let observer = match edge.sight {
                            0 => observer,
                            sight => *follow.entry(pair(observer, sight)).or_insert_with(|| {
                                let sight = &self.sights.list[sight as usize];
                                let mut next = observers.list[observer as usize].clone();
                                core.look(&mut next, sight);
                                observers.number(next)
                            }),
                        };
                        if !seen.insert(pair(edge.to, observer)) {
                            continue;
                        }
                        if pairs.len() >= options.max_states {
                            found.state_limit(options);
                            break 'walk;
                        }
                        pairs.push(Pair {
                            node: edge.to,
                            observer,
                            from: at as u32,
                            action: edge.action,
                        });
                    }
                }
            }
            at += 1;
        }
        pairs.len()
    }

    fn way_to(&self, pairs: &[Pair], mut at: usize) -> Schedule {
        let mut actions = Vec::new();
        while at != 0 {
            actions.push(self.actions.list[pairs[at].action as usize].clone());
            at = pairs[at].from as usize;
        }
        actions.reverse();
        Schedule(actions)
    }
}

/// A state with what was seen so far, and how it was reached.
struct Pair {
    node: u32,
    observer: u32,
    from: u32,
    action: u32,
}

/// The clauses that fired, a bit each.
#[derive(Default)]
struct ClauseSet(Vec<[u64; 16]>);

impl ClauseSet {
    fn add(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            let (row, bit) = (clause.prefix as usize, usize::from(clause.number) % 1024);
            if self.0.len() <= row {
                self.0.resize(row + 1, [0; 16]);
            }
            self.0[row][bit / 64] |= 1 << (bit % 64);
        }
    }

    fn list(&self) -> impl Iterator<Item = Clause> {
        self.0.iter().zip(Prefix::ALL).flat_map(|(row, &prefix)| {
            let set = (0..1024u16).filter(|n| row[usize::from(n / 64)] >> (n % 64) & 1 == 1);
            set.map(move |number| Clause { prefix, number })
        })
    }
}
