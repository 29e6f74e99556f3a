//! What a check found, in words.

use crate::{Broken, Case, Report};
use scenario::{Schedule, TaskId, What};
use sim::Divergence;
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Report {
    /// What differs, in words: each broken condition and expectation, each step of the kernel
    /// that the model does not explain, each outcome of the race that it does not have.
    pub fn explain(&self, case: &Case) -> String {
        let program = &case.program;
        let mut text = String::new();
        for broken in &self.broken {
            let _ = writeln!(text, "{}", explain_broken(case, broken));
        }
        for differs in &self.differs {
            let _ = writeln!(
                text,
                "the kernel, with calls issued in the order {}:",
                show_ordering(case, &differs.ordering)
            );
            for divergence in &differs.divergences {
                let _ = writeln!(text, "  {}", explain_divergence(case, divergence));
            }
        }
        for (ordering, why) in &self.failed_runs {
            let _ = writeln!(text, "the run {}: {why}", show_ordering(case, ordering));
        }
        for outcome in &self.raced_outside {
            let _ = writeln!(
                text,
                "raced {} times, and not an outcome of the model: {}",
                self.raced.get(outcome).copied().unwrap_or_default(),
                program.show_outcome(outcome)
            );
        }
        text
    }
}

/// An ordering as a schedule string.
pub fn show_ordering(case: &Case, ordering: &[TaskId]) -> String {
    let action =
        |task: &TaskId| scenario::Action { task: *task, step: scenario::Step::Issue, choices: Vec::new() };
    Schedule(ordering.iter().map(action).collect()).show(&case.program)
}

/// Where a call stands: `tests/pipe/x.ipc:12`.
pub fn place(case: &Case, task: TaskId, index: usize) -> String {
    match case.line_of(task, index) {
        Some(line) => format!("{}:{line}", case.source.file),
        None => format!("{}, end of {}", case.source.file, case.program.task(task).name),
    }
}

/// A broken condition or expectation.
pub fn explain_broken(case: &Case, broken: &Broken) -> String {
    let program = &case.program;
    let line = |start: usize| {
        let before = case.source.text.get(..start).unwrap_or_default();
        before.matches('\n').count() + 1
    };
    match broken {
        Broken::Condition { index, outcome, witness } => {
            let c = &program.conditions[*index];
            let mut text = format!(
                "{}:{}: `{} {}` does not hold: {}",
                case.source.file,
                line(c.span.start),
                c.quantifier,
                c.text,
                program.show_outcome(outcome)
            );
            if let Some(w) = witness {
                let _ = write!(text, "\n  with the schedule: {}", w.show(program));
            }
            text
        }
        Broken::Missing { index } => {
            let c = &program.conditions[*index];
            format!(
                "{}:{}: `{} {}` holds in no outcome",
                case.source.file,
                line(c.span.start),
                c.quantifier,
                c.text
            )
        }
        Broken::Expectation { task, index, witness } => {
            let stmt = program.stmt(*task, *index);
            let mut text = format!(
                "{}: `{}` does not do what its line says",
                place(case, *task, *index),
                stmt.text
            );
            if let Some(w) = witness {
                let _ = write!(text, "\n  with the schedule: {}", w.show(program));
            }
            text
        }
    }
}

/// A step that the model does not explain: what was got, what was allowed, by which clauses.
pub fn explain_divergence(case: &Case, d: &Divergence) -> String {
    let program = &case.program;
    let call = program.task(d.issued).body.get(d.index).map_or("(no call)", |s| s.text.as_str());
    let mut allowed: Vec<String> = d
        .allowed
        .iter()
        .map(|a| {
            let clauses: Vec<String> = a.clauses.iter().map(ToString::to_string).collect();
            format!("{} ({})", show_events(case, d.issued, &a.events), clauses.join(" "))
        })
        .collect();
    if allowed.is_empty() {
        allowed.push("nothing: the task should not be able to issue it".into());
    }
    format!(
        "{}: {}: {call}: got {}; allowed: {}",
        place(case, d.issued, d.index),
        program.task(d.issued).name,
        show_events(case, d.issued, &d.got),
        allowed.join(", or ")
    )
}

/// What happened in a step: what became of the issued call first, then of other tasks.
pub fn show_events(case: &Case, issued: TaskId, events: &BTreeMap<TaskId, Vec<What>>) -> String {
    let program = &case.program;
    let mut parts = Vec::new();
    let own = events.get(&issued).into_iter().flatten().map(|w| (issued, w));
    let others = events
        .iter()
        .filter(|(task, _)| **task != issued)
        .flat_map(|(task, whats)| whats.iter().map(|w| (*task, w)));
    for (task, what) in own.chain(others) {
        let short = match what {
            What::Issue(_) => continue,
            What::Block(_) => "blocks".to_string(),
            What::Return(_, value) if task == issued => program.show_value(value),
            What::Handle(h) => format!("handles {}", program.show_handled(h)),
            What::End(end) => program.show_end(task, *end),
            What::Return(..) => {
                let event = scenario::Event { task, what: what.clone() };
                program.show_what(&event)
            }
        };
        if task == issued {
            parts.push(short);
        } else {
            parts.push(format!("{}: {short}", program.task(task).name));
        }
    }
    if parts.is_empty() { "nothing".into() } else { parts.join("; ") }
}
