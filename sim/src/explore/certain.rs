//! What is certain of an outcome: the clauses that every way to it rests on.
//!
//! Who sees a kernel come to an outcome at full speed does not see on which way it came there. But what
//! all ways have in common it did. One task kills a receiver and then sends; the receiver may sleep
//! at the queue, be gone, or come later:
//!
//! ```text
//! receiver sleeps ── kill ── send: handed over ── receiver dies with it          MQ-065   "lost"
//! receiver sleeps ── kill ── receiver dies ── send: into the queue               MQ-063   "stays"
//! receiver idle ──── kill ── send: into the queue ── it receives, and dies       SIG-230  "lost"
//! ```
//!
//! Of "lost" no clause of the three is certain. If the sender also looks whether its message was ever in
//! the queue (a registration with `mq_notify` tells), the first way is an outcome of its own, and
//! MQ-065 is certain of it.
//!
//! This is the greatest fixed point of "what is certain of a state is certain of all ways to it" on the
//! whole graph, as a forward analysis of data flow: the intersection, over the edges that lead to a
//! state, of what is certain of their beginning and what the edge cites. It is not done on the reduced
//! graph, which leaves ways out, and with them clauses that need not be. What was observed so far is
//! part of a state here, so that states of different outcomes are never one.

use super::ExploreOptions;
use super::reduced::Interner;
use crate::fingerprint::AsIs;
use crate::{SetupError, System};
use scenario::{Clause, Outcome, Program};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

/// What is certain of each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certain {
    /// For every outcome the clauses, those of the setup included, that each way to it rests on.
    /// Nothing if not every way was looked at.
    pub clauses: BTreeMap<Outcome, BTreeSet<Clause>>,
    /// States visited.
    pub states: usize,
    /// If not every way was looked at, why.
    pub incomplete_because: Option<String>,
}

impl Certain {
    /// The clauses that are certain whatever the outcome.
    pub fn of_all(&self) -> BTreeSet<Clause> {
        let mut all = self.clauses.values();
        let first = all.next().cloned().unwrap_or_default();
        all.fold(first, |shared, clauses| &shared & clauses)
    }
}

/// Finds what is certain of each outcome. Of the options, a bound on preemptions has no meaning here.
///
/// # Errors
/// If the program cannot be run on the model.
pub fn certain(program: &Program, options: &ExploreOptions) -> Result<Certain, SetupError> {
    let (start, setup) = System::start(program, options.config)?;
    let mut graph = Graph::default();
    let setup = graph.list(setup.clauses);
    let complete = graph.build(program, start, options.max_states);
    let mut found = Certain {
        states: graph.first.len(),
        ..Certain::default()
    };
    if !complete {
        found.incomplete_because = Some(format!("more than {} states", options.max_states));
        return Ok(found);
    }
    let sets = Sets::new(&graph);
    let certain = sets.solve(&graph, setup);
    for (state, outcome) in &graph.last {
        let here = sets.clauses(certain.of(*state));
        found
            .clauses
            .entry(outcome.clone())
            .and_modify(|clauses| clauses.retain(|c| here.contains(c)))
            .or_insert(here);
    }
    Ok(found)
}

/// A step from one state to another.
struct Edge {
    to: u32,
    /// What it cites, as a number.
    clauses: u32,
}

/// The graph of all states, numbered as they were found.
#[derive(Default)]
struct Graph {
    /// By state: its edges, as a range.
    first: Vec<(u32, u32)>,
    edges: Vec<Edge>,
    /// The states that nothing can follow.
    last: Vec<(u32, Outcome)>,
    /// What steps cite.
    lists: Interner<Vec<Clause>>,
}

impl Graph {
    fn list(&mut self, mut clauses: Vec<Clause>) -> u32 {
        clauses.sort_unstable();
        clauses.dedup();
        self.lists.number(clauses)
    }

    /// Takes every action from every state. Tells whether there were no more of them than `most`.
    fn build(&mut self, program: &Program, start: System, most: usize) -> bool {
        let mut known: HashMap<u128, u32, BuildHasherDefault<AsIs>> = HashMap::default();
        known.insert(start.fingerprint(), 0);
        self.first.push((0, 0));
        let mut stack = vec![(0, start)];
        while let Some((state, system)) = stack.pop() {
            let actions = system.enabled(program);
            if actions.is_empty() {
                self.last.push((state, system.outcome(program)));
                continue;
            }
            let from = self.edges.len() as u32;
            for action in &actions {
                for (_, next, taken) in system.take_each(program, action) {
                    let new = self.first.len() as u32;
                    let to = *known.entry(next.fingerprint()).or_insert(new);
                    if to == new {
                        if self.first.len() >= most {
                            return false;
                        }
                        self.first.push((0, 0));
                        stack.push((new, next));
                    }
                    let clauses = self.list(taken.clauses);
                    self.edges.push(Edge { to, clauses });
                }
            }
            self.first[state as usize] = (from, self.edges.len() as u32);
        }
        true
    }

    fn edges(&self, state: u32) -> &[Edge] {
        let (from, to) = self.first[state as usize];
        &self.edges[from as usize..to as usize]
    }

    /// The states such that, but for cycles, every edge leads to a later one.
    fn in_order(&self) -> Vec<u32> {
        let mut left = Vec::with_capacity(self.first.len());
        let mut entered = vec![false; self.first.len()];
        let mut path = vec![(0, 0)];
        entered[0] = true;
        while let Some((state, next)) = path.last_mut() {
            if let Some(edge) = self.edges(*state).get(*next) {
                *next += 1;
                if !std::mem::replace(&mut entered[edge.to as usize], true) {
                    path.push((edge.to, 0));
                }
            } else {
                left.push(*state);
                path.pop();
            }
        }
        left.reverse();
        left
    }
}

/// The clauses that some step cites, a bit each, in so many words.
struct Sets {
    clauses: Vec<Clause>,
    words: usize,
    /// What edges cite, by its number.
    cited: Rows,
}

/// Sets of clauses by number, one behind the other.
struct Rows {
    words: usize,
    bits: Vec<u64>,
}

impl Rows {
    /// So many sets of all clauses, or of none.
    fn new(words: usize, rows: usize, fill: u64) -> Rows {
        Rows {
            words,
            bits: vec![fill; words * rows],
        }
    }

    fn of(&self, row: u32) -> &[u64] {
        &self.bits[row as usize * self.words..][..self.words]
    }

    fn of_mut(&mut self, row: u32) -> &mut [u64] {
        &mut self.bits[row as usize * self.words..][..self.words]
    }
}

impl Sets {
    fn new(graph: &Graph) -> Sets {
        let lists = graph.lists.list();
        let all: BTreeSet<Clause> = lists.iter().flatten().copied().collect();
        let clauses: Vec<Clause> = all.into_iter().collect();
        let words = clauses.len().div_ceil(64);
        let mut cited = Rows::new(words, lists.len(), 0);
        for (row, list) in lists.iter().enumerate() {
            let bits = cited.of_mut(row as u32);
            for clause in list {
                if let Ok(at) = clauses.binary_search(clause) {
                    bits[at / 64] |= 1 << (at % 64);
                }
            }
        }
        Sets {
            clauses,
            words,
            cited,
        }
    }

    /// What is certain of each state. From "everything" of all but the first it only ever becomes
    /// less, until no edge takes anything away.
    fn solve(&self, graph: &Graph, setup: u32) -> Rows {
        let mut certain = Rows::new(self.words, graph.first.len(), u64::MAX);
        certain.of_mut(0).copy_from_slice(self.cited.of(setup));
        let order = graph.in_order();
        let mut changed = true;
        while changed {
            changed = false;
            for &state in &order {
                let here = certain.of(state).to_vec();
                for edge in graph.edges(state) {
                    let cited = self.cited.of(edge.clauses);
                    let there = certain.of_mut(edge.to);
                    for ((there, here), cited) in there.iter_mut().zip(&here).zip(cited) {
                        let both = *there & (here | cited);
                        changed |= both != *there;
                        *there = both;
                    }
                }
            }
        }
        certain
    }

    fn clauses(&self, bits: &[u64]) -> BTreeSet<Clause> {
        let of = |&(at, _): &(usize, &Clause)| bits[at / 64] >> (at % 64) & 1 == 1;
        let all = self.clauses.iter().enumerate();
        all.filter(of).map(|(_, clause)| *clause).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause::{PIPE_001, PIPE_002, PIPE_003, PIPE_004};

    /// A graph of so many states with these edges, from the first.
    fn graph(states: u32, edges: &[(u32, u32, Clause)]) -> Graph {
        let mut graph = Graph::default();
        graph.list(Vec::new());
        for state in 0..states {
            let first = graph.edges.len() as u32;
            for &(_, to, clause) in edges.iter().filter(|e| e.0 == state) {
                let clauses = graph.list(vec![clause]);
                graph.edges.push(Edge { to, clauses });
            }
            graph.first.push((first, graph.edges.len() as u32));
        }
        graph
    }

    #[test]
    fn what_a_cycle_cites_is_not_certain_behind_it() {
        // 0 ─▶ 1 ─▶ 3, and 1 ─▶ 2 ─▶ 1; what leads to state 2 is certain of it.
        let edges = [
            (0, 1, PIPE_001),
            (1, 2, PIPE_002),
            (2, 1, PIPE_003),
            (1, 3, PIPE_004),
        ];
        let graph = graph(4, &edges);
        let sets = Sets::new(&graph);
        let certain = sets.solve(&graph, 0);
        let of = |state| -> Vec<Clause> { sets.clauses(certain.of(state)).into_iter().collect() };
        assert_eq!(of(0), []);
        assert_eq!(of(1), [PIPE_001]);
        assert_eq!(of(2), [PIPE_001, PIPE_002]);
        assert_eq!(of(3), [PIPE_001, PIPE_004]);
    }

    #[test]
    fn ways_that_meet_keep_what_they_share() {
        // Two ways to 3; the longer one is found last.
        let edges = [
            (0, 3, PIPE_001),
            (0, 1, PIPE_001),
            (1, 2, PIPE_002),
            (2, 3, PIPE_003),
            (3, 4, PIPE_004),
        ];
        let graph = graph(5, &edges);
        let sets = Sets::new(&graph);
        let certain = sets.solve(&graph, 0);
        let of = |state| -> Vec<Clause> { sets.clauses(certain.of(state)).into_iter().collect() };
        assert_eq!(of(2), [PIPE_001, PIPE_002]);
        assert_eq!(of(4), [PIPE_001, PIPE_004]);
    }
}
