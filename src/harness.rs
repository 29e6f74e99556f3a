//! Tests from scenario files: each variant of each file is a test with its own name.
//!
//! For a test target with `harness = false`:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     lockstep::harness::folder("tests/ipc")
//! }
//! ```
//!
//! It takes the arguments of any other Rust test (`--list`, a filter, `--exact`, `--nocapture`).

use crate::{Case, CheckOptions, Error, Machine, Scenario, Verdict, check, suite};
use libtest_mimic::{Arguments, Failed, Trial};
use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;

thread_local! {
    /// Each test thread has a sandbox of its own, made when the first test needs it.
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// Runs `f` with this thread's sandbox.
///
/// # Errors
/// If this machine does not permit one, or what `f` gives.
pub fn with_machine<T>(f: impl FnOnce(&mut Machine) -> Result<T, Error>) -> Result<T, Error> {
    MACHINE.with_borrow_mut(|machine| {
        let machine = match machine {
            Some(machine) => machine,
            none => none.insert(Machine::new(real::Options::default())?),
        };
        f(machine)
    })
}

/// Tests every scenario file in a folder and below on the model and on the running kernel.
pub fn folder(dir: impl AsRef<Path>) -> ExitCode {
    let scenarios = suite::files_under(dir.as_ref()).and_then(|files| {
        files
            .into_iter()
            .map(Scenario::read)
            .collect::<Result<Vec<_>, _>>()
    });
    match scenarios {
        Ok(scenarios) => cases(scenarios, |case| agrees(&case)),
        Err(error) => {
            eprintln!("{:?}", miette::Report::new(error));
            ExitCode::from(2)
        }
    }
}

/// Makes a test of each variant of some scenarios, and runs them as the command line says.
pub fn cases(
    scenarios: impl IntoIterator<Item = Scenario>,
    test: impl Fn(Case) -> Result<(), Failed> + Clone + Send + 'static,
) -> ExitCode {
    let arguments = Arguments::from_args();
    let facts = with_machine(|_| Ok(()));
    let trials = scenarios
        .into_iter()
        .flat_map(|s| s.cases().to_vec())
        .map(|case| {
            let test = test.clone();
            let name = case.name().to_string();
            // What cannot run here is counted as ignored, with its reason.
            let skip = match &facts {
                Err(error) => Some(error.to_string()),
                Ok(()) => with_machine(|m| Ok(m.can_run(&case.program).err()))
                    .ok()
                    .flatten()
                    .map(|skip| skip.to_string()),
            };
            match skip {
                Some(why) => Trial::test(name, || Ok(()))
                    .with_kind(why)
                    .with_ignored_flag(true),
                None => Trial::test(name, move || test(case)),
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The same for tests that need no kernel.
pub fn model_cases(
    scenarios: impl IntoIterator<Item = Scenario>,
    test: impl Fn(Case) -> Result<(), Failed> + Clone + Send + 'static,
) -> ExitCode {
    let trials = scenarios
        .into_iter()
        .flat_map(|s| s.cases().to_vec())
        .map(|case| {
            let test = test.clone();
            Trial::test(case.name().to_string(), move || test(case))
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Checks a case on the model and on the running kernel. What cannot run here passes, and says on
/// standard error that it was skipped, and why.
///
/// # Errors
/// What differs, as text.
pub fn agrees(case: &Case) -> Result<(), Failed> {
    let report = with_machine(|machine| check(case, Some(machine), &CheckOptions::default()))
        .map_err(|error| Failed::from(error.to_string()))?;
    match report.verdict {
        Verdict::Agree => Ok(()),
        Verdict::Skip => {
            let reason = report.reason.as_deref().unwrap_or("no reason given");
            eprintln!("{}: skipped: {reason}", case.name());
            Ok(())
        }
        Verdict::Differ => Err(Failed::from(report.explain(case))),
    }
}
