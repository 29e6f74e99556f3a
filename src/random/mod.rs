//! Random scenarios: valid ones, over whatever mechanisms are asked for, to hold the model against a
//! kernel in places that nobody thought of.
//!
//! A scenario is a plan ([`Plan`]) written out as text. Plans come from a proptest strategy, so
//! that one on which model and kernel differ shrinks to a small one; all randomness is ChaCha's,
//! from one seed and the number of the case, so that any case can be made again alone.
//!
//! Each mechanism has a file: what the setup makes of it, its steps, how they are written out
//! ([`Mechanism`]). [`ALL`] lists them. A case mixes some of those that a [`Campaign`] has.

mod fd;
mod fifo;
mod pipe;
mod plan;
mod posix_mq;
mod process;
mod ready;
mod signal;
mod sysv_msg;

pub use plan::{Mechanism, Plan};

use crate::{CheckOptions, Error, Machine, Report, Scenario, Verdict, check_orderings};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Every mechanism that random scenarios have.
pub const ALL: &[&Mechanism] = &[
    &fd::MECHANISM,
    &pipe::MECHANISM,
    &fifo::MECHANISM,
    &posix_mq::MECHANISM,
    &sysv_msg::MECHANISM,
    &signal::MECHANISM,
    &ready::MECHANISM,
    &process::MECHANISM,
];

/// The mechanism of that name, if there is one.
pub fn mechanism(name: &str) -> Option<&'static Mechanism> {
    ALL.iter().find(|m| m.name == name).copied()
}

/// A series of random scenarios: the same seed and mechanisms, the same scenarios.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The seed of all cases.
    pub seed: u64,
    /// What they are made of: each case takes some of these.
    pub mechanisms: Vec<&'static Mechanism>,
}

impl Campaign {
    /// The cases of a seed over every mechanism.
    pub fn of_all(seed: u64) -> Campaign {
        let mechanisms = ALL.to_vec();
        Campaign { seed, mechanisms }
    }

    /// Makes the plan of one case.
    fn plan_tree(&self, case: u64) -> impl ValueTree<Value = Plan> + use<> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&case.to_le_bytes());
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        // Few mechanisms at a time: then their steps meet. Which they are does not shrink.
        let mut taken = self.mechanisms.clone();
        taken.retain(|m| rng.next_u32() % 100 < m.percent);
        if taken.is_empty() {
            taken.clone_from(&self.mechanisms);
        }
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        plan::plans(&taken)
            .new_tree(&mut runner)
            .expect("the strategy rejects nothing")
    }

    fn name(&self, case: u64) -> String {
        format!("random/{}-{case}", self.seed)
    }

    /// The text of one case.
    pub fn text(&self, case: u64) -> String {
        self.plan_tree(case).current().text(&self.name(case))
    }

    /// Runs one case on model and kernel, and makes it small if they differ.
    ///
    /// # Errors
    /// If the case could not be run, which is a fault of this crate.
    pub fn try_case(&self, case: u64, machine: &mut Machine) -> Result<Tried, Error> {
        let name = self.name(case);
        let mut tree = self.plan_tree(case);
        let report = try_plan(&tree.current(), &name, machine)?;
        match report.verdict {
            Verdict::Agree => return Ok(Tried::Agrees),
            Verdict::Skip => {
                let why = report.reason.unwrap_or_else(|| "no reason given".into());
                return Ok(Tried::Skipped(why));
            }
            Verdict::Differ => {}
        }
        let mut best = (tree.current(), report);
        // Shrinking runs both sides again for each candidate; some hundreds are enough.
        let mut budget = 500;
        let mut smaller = tree.simplify();
        while smaller && budget > 0 {
            budget -= 1;
            let plan = tree.current();
            let report = try_plan(&plan, &name, machine)?;
            smaller = if report.verdict == Verdict::Differ {
                best = (plan, report);
                tree.simplify()
            } else {
                tree.complicate()
            };
        }
        let (plan, report) = best;
        Ok(Tried::Differs(Found {
            case,
            text: plan.text(&name),
            report: Box::new(report),
        }))
    }
}

/// What came of a case.
#[derive(Debug)]
pub enum Tried {
    /// Model and kernel agree.
    Agrees,
    /// They were not compared, or not to the end, for this reason.
    Skipped(String),
    /// They differ.
    Differs(Found),
}

/// A random scenario on which model and kernel differ, shrunk.
#[derive(Debug)]
pub struct Found {
    /// The number of the case.
    pub case: u64,
    /// The smallest scenario found on which they still differ.
    pub text: String,
    /// What was found on it.
    pub report: Box<Report>,
}

/// How a random scenario is checked: a few orderings, no race (which `run` is for).
fn options(seed: u64) -> CheckOptions {
    let orderings = sim::OrderingLimits {
        every: 3,
        cover: 0,
        sample: 3,
        states: 60,
    };
    CheckOptions {
        orderings,
        race_rounds: 0,
        max_states: 1,
        seed,
        ..CheckOptions::default()
    }
}

fn try_plan(plan: &Plan, name: &str, machine: &mut Machine) -> Result<Report, Error> {
    let scenario = Scenario::parse("random.ipc", plan.text(name))?;
    check_orderings(&scenario.cases()[0], machine, &options(plan.seed))
}
