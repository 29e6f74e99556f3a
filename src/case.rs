//! Scenarios as they are loaded: a text, and the programs that its variants make.

use crate::Error;
use scenario::Program;
use std::path::Path;
use std::sync::Arc;

/// The text of a scenario and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file, as messages name it.
    pub file: String,
    /// The text.
    pub text: String,
    /// Whether it comes with Lockstep: then there need not be such a file.
    pub built_in: bool,
}

/// A scenario: its text, and a [`Case`] for each variant.
#[derive(Clone, Debug)]
pub struct Scenario {
    cases: Vec<Case>,
    source: Arc<Source>,
}

/// One variant of a scenario: what an engine runs.
#[derive(Clone, Debug)]
pub struct Case {
    /// The program.
    pub program: Arc<Program>,
    /// The text it comes from.
    pub source: Arc<Source>,
}

impl Scenario {
    /// Reads a scenario from a text.
    ///
    /// # Errors
    /// What is wrong with the text, with file, line and column.
    pub fn parse(file: impl Into<String>, text: impl Into<String>) -> Result<Scenario, Error> {
        Self::make(Source {
            file: file.into(),
            text: text.into(),
            built_in: false,
        })
    }

    /// Reads a scenario that comes with Lockstep.
    pub(crate) fn built_in(file: String, text: String) -> Result<Scenario, Error> {
        Self::make(Source {
            file,
            text,
            built_in: true,
        })
    }

    fn make(source: Source) -> Result<Scenario, Error> {
        let source = Arc::new(source);
        let programs = scenario::load(&source.file, &source.text)?;
        let case = |program| Case {
            program: Arc::new(program),
            source: source.clone(),
        };
        Ok(Scenario {
            cases: programs.into_iter().map(case).collect(),
            source,
        })
    }

    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a scenario.
    pub fn read(path: impl AsRef<Path>) -> Result<Scenario, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| Error::File {
            file: path.display().to_string(),
            error,
        })?;
        Scenario::parse(path.display().to_string(), text)
    }

    /// Its variants; one, if it has no `with`.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The text it comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl Case {
    /// `pipe/no-boundaries`, with its variant if it has one.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// The name without the variant.
    pub fn base_name(&self) -> &str {
        self.name()
            .split_once('[')
            .map_or(self.name(), |(base, _)| base)
    }

    /// What its variant is: `n=4096,ends=pipe`; empty if there is one only.
    pub fn variant(&self) -> &str {
        let inside = self
            .name()
            .split_once('[')
            .map(|(_, v)| v.strip_suffix(']').unwrap_or(v));
        inside.unwrap_or_default()
    }

    /// The line of the file, counted from 1, in which a byte of the text stands.
    pub fn line_at(&self, byte: usize) -> usize {
        let text = self.source.text.as_bytes();
        text.iter().take(byte).filter(|b| **b == b'\n').count() + 1
    }

    /// Explores every interleaving on the model.
    ///
    /// # Errors
    /// If the model cannot run it.
    pub fn explore(&self) -> Result<sim::Explored, Error> {
        Ok(sim::explore(
            &self.program,
            &sim::ExploreOptions::default(),
        )?)
    }

    /// Runs one interleaving on the model, chosen by a seed.
    ///
    /// # Errors
    /// If the model cannot run it.
    pub fn simulate(&self, seed: u64) -> Result<sim::Simulated, Error> {
        Ok(sim::simulate(
            &self.program,
            sim::kernel::Config::default(),
            seed,
        )?)
    }

    /// The line of the file in which a call stands, counted from 1, if it is written there.
    pub fn line_of(&self, task: scenario::TaskId, index: usize) -> Option<usize> {
        let stmt = self.program.task(task).body.get(index)?;
        if stmt.implicit {
            return None;
        }
        Some(self.line_at(stmt.span.start))
    }
}
