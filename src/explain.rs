//! What a check found, in words.

use crate::{Broken, Case, Report};
use scenario::{Clause, End, Event, Program, Schedule, TaskId, What};
use sim::Divergence;
use std::collections::{BTreeMap, BTreeSet};
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
    let action = |task: &TaskId| scenario::Action {
        task: *task,
        step: scenario::Step::Issue,
        choices: Vec::new(),
    };
    Schedule(ordering.iter().map(action).collect()).show(&case.program)
}

/// Where a call stands: `tests/pipe/x.ipc:12`.
pub fn place(case: &Case, task: TaskId, index: usize) -> String {
    match case.line_of(task, index) {
        Some(line) => format!("{}:{line}", case.source.file),
        None => format!(
            "{}, end of {}",
            case.source.file,
            case.program.task(task).name
        ),
    }
}

/// A broken condition or expectation.
pub fn explain_broken(case: &Case, broken: &Broken) -> String {
    let program = &case.program;
    let line = |start: usize| case.line_at(start);
    match broken {
        Broken::Condition {
            index,
            outcome,
            witness,
        } => {
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
        Broken::Expectation {
            task,
            index,
            witness,
        } => {
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

/// A step that the model does not explain: where, what was got, what was allowed, by which clauses.
pub fn explain_divergence(case: &Case, d: &Divergence) -> String {
    let program = &case.program;
    let call = program
        .task(d.issued)
        .body
        .get(d.index)
        .map_or("(no call)", |s| s.text.as_str());
    format!(
        "{}: {}: {call}: {}",
        place(case, d.issued, d.index),
        program.task(d.issued).name,
        got_and_allowed(program, d)
    )
}

/// `got -1 EAGAIN; allowed: 5 (PIPE-047) or blocks (PIPE-047)`: of a step that the model does not
/// explain, what of the tasks that do otherwise than it allows.
pub fn got_and_allowed(program: &Program, divergence: &Divergence) -> String {
    let Divergence {
        issued,
        index,
        got,
        allowed,
    } = divergence;
    let mut differ: BTreeSet<TaskId> = BTreeSet::new();
    for one in allowed {
        let tasks: BTreeSet<TaskId> = got.keys().chain(one.events.keys()).copied().collect();
        differ.extend(
            tasks
                .into_iter()
                .filter(|t| got.get(t) != one.events.get(t)),
        );
    }
    let tell = |events: &BTreeMap<TaskId, Vec<What>>| {
        let told: Vec<String> = differ
            .iter()
            .map(|&task| {
                let whats = events.get(&task).map_or(&[][..], Vec::as_slice);
                let text = results(program, task, whats, *issued, *index);
                match task == *issued {
                    true => text,
                    false => format!("{}: {text}", program.task(task).name),
                }
            })
            .collect();
        told.join(", ")
    };
    if allowed.is_empty() {
        let whats = got.get(issued).map_or(&[][..], Vec::as_slice);
        let text = results(program, *issued, whats, *issued, *index);
        return format!("got {text}; allowed: nothing, the task has no call to issue");
    }
    let mut ways: BTreeMap<String, BTreeSet<Clause>> = BTreeMap::new();
    for one in allowed {
        ways.entry(tell(&one.events))
            .or_default()
            .extend(&one.clauses);
    }
    format!("got {}; allowed: {}", tell(got), alternatives(ways))
}

/// What came to a task in a step; of the call at `index`, which is known, only what it gave.
fn results(
    program: &Program,
    task: TaskId,
    whats: &[What],
    issued: TaskId,
    index: usize,
) -> String {
    let known = |i: usize| task == issued && i == index;
    let mut told = Vec::new();
    for what in whats {
        // Of the whole setup one call is told.
        if task == TaskId::SETUP && !matches!(what, What::Return(i, _) if *i == index) {
            continue;
        }
        match what {
            What::Issue(_) => {}
            What::Block(i) if known(*i) => told.push("blocks".to_string()),
            What::Return(i, value) if known(*i) => told.push(program.show_value(value)),
            What::End(End::Exited(status)) => told.push(format!("exits with {status}")),
            other => told.push(program.show_what(&Event {
                task,
                what: other.clone(),
            })),
        }
    }
    match told.is_empty() {
        true => "nothing".into(),
        false => told.join(", "),
    }
}

/// Ways in which things may go, each with the clauses that say so: `5 (PIPE-047) or blocks
/// (PIPE-036)`.
pub fn alternatives(ways: BTreeMap<String, BTreeSet<Clause>>) -> String {
    let one = |(text, clauses): (String, BTreeSet<Clause>)| match clauses.is_empty() {
        true => text,
        false => {
            let ids: Vec<String> = clauses.iter().map(Clause::to_string).collect();
            format!("{text} ({})", ids.join(", "))
        }
    };
    let ways: Vec<String> = ways.into_iter().map(one).collect();
    match ways.is_empty() {
        true => "nothing".into(),
        false => ways.join(" or "),
    }
}
