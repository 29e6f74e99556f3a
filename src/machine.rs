//! The running kernel, ready to run scenarios.

use crate::Error;
use real::{Facts, Options, RaceCpus, Run, RunError, Sandbox, Skip};
use scenario::{Outcome, Program, TaskId};
use std::collections::BTreeMap;

/// A sandbox on the running kernel, and a second, slow one for confirming differences.
pub struct Machine {
    options: Options,
    sandbox: Sandbox,
    slow: Option<Sandbox>,
}

impl Machine {
    /// Makes a sandbox.
    ///
    /// # Errors
    /// If this machine does not permit one.
    pub fn new(options: Options) -> Result<Machine, Error> {
        let sandbox = Sandbox::new(&options)?;
        Ok(Machine {
            options,
            sandbox,
            slow: None,
        })
    }

    /// What the machine permits.
    pub fn facts(&self) -> &Facts {
        self.sandbox.facts()
    }

    /// Whether the program can be run here, else why not.
    ///
    /// # Errors
    /// The reason.
    pub fn can_run(&self, program: &Program) -> Result<(), Skip> {
        self.sandbox.can_run(program)
    }

    /// Runs a program with its calls issued in this order.
    ///
    /// # Errors
    /// If the run gave no result.
    pub fn lockstep(&mut self, program: &Program, ordering: &[TaskId]) -> Result<Run, RunError> {
        self.sandbox.lockstep(program, ordering)
    }

    /// The same, slowly, and watched by other means.
    ///
    /// # Errors
    /// If the run gave no result, or there is no second sandbox to be had.
    pub fn lockstep_slowly(
        &mut self,
        program: &Program,
        ordering: &[TaskId],
    ) -> Result<Run, RunError> {
        let sandbox = match &mut self.slow {
            Some(sandbox) => sandbox,
            none => {
                let slow = Options {
                    slow: true,
                    ..self.options.clone()
                };
                none.insert(Sandbox::new(&slow).map_err(RunError::Sandbox)?)
            }
        };
        sandbox.lockstep(program, ordering)
    }

    /// Runs a program at full speed so many times.
    ///
    /// # Errors
    /// If a round gave no result.
    pub fn race(
        &mut self,
        program: &Program,
        rounds: u32,
        cpus: RaceCpus,
        seed: u64,
    ) -> Result<Vec<(Outcome, u32)>, RunError> {
        self.sandbox.race(program, rounds, cpus, seed)
    }

    /// Runs a program at full speed so many times, one half of them on all CPUs, the other on
    /// one, since some outcomes show on one only and others on several only. Tells how often
    /// each outcome came.
    ///
    /// # Errors
    /// If a round gave no result.
    pub fn race_both(
        &mut self,
        program: &Program,
        rounds: u32,
        seed: u64,
    ) -> Result<BTreeMap<Outcome, u32>, RunError> {
        let half = rounds.div_ceil(2);
        let mut histogram = BTreeMap::new();
        for (cpus, rounds) in [(RaceCpus::All, half), (RaceCpus::One, rounds - half)] {
            if rounds > 0 {
                for (outcome, count) in self.race(program, rounds, cpus, seed)? {
                    *histogram.entry(outcome).or_default() += count;
                }
            }
        }
        Ok(histogram)
    }
}
