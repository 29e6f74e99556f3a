//! What a check found, told so that one can go after it: where, what was got, what was allowed, how
//! it came to that, and the command that does it again.

use super::out::quote;
use super::{select, trace};
use lockstep::scenario::ast::Quantifier;
use lockstep::scenario::{Clause, Outcome, Program, Schedule, TaskId, What};
use lockstep::sim::kernel::Config;
use lockstep::{Broken, Case, KernelDiffers, Report, sim};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The kernel did what the model does not allow.
    Kernel,
    /// The race showed an outcome that the model does not have.
    Race,
    /// A condition does not hold on the model.
    Condition,
    /// A call of the model does not do what its line says.
    Expectation,
    /// A run gave no result.
    Run,
}

/// A difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// `file:line`, or the file alone.
    pub place: String,
    /// The line of the scenario that it is about.
    pub about: String,
    /// What was got and what was allowed.
    pub text: String,
    /// The schedule that leads to it.
    pub schedule: Option<String>,
    /// The command that does it again.
    pub replay: Option<String>,
    /// The trace, as lines.
    pub trace: Vec<String>,
    /// Whether an earlier difference has shown the same run, and its trace is not told again.
    pub repeats: bool,
    /// More that is to be said.
    pub notes: Vec<String>,
}

/// How the check was made, as far as a replay must know.
pub struct How<'a> {
    /// What the model assumed.
    pub config: Config,
    /// Options that a replay needs too: ` --model posix`.
    pub options: &'a str,
    /// The seed.
    pub seed: u64,
    /// The columns that there are for a trace, if there is a limit.
    pub room: Option<usize>,
}

/// Of the witnesses of outcomes, no more than so many are looked at for what a call gives.
const MOST_WITNESSES: usize = 256;

/// More outcomes than so many are not told.
const MOST_OUTCOMES: usize = 8;

/// All differences that a check found, the gravest first.
pub fn all(case: &Case, report: &Report, how: &How) -> Vec<Difference> {
    let teller = Teller {
        case,
        program: &case.program,
        report,
        how,
    };
    let mut all = teller.kernel();
    all.extend(report.raced_outside.iter().map(|o| teller.race(o)));
    all.extend(report.broken.iter().map(|b| teller.broken(b)));
    all.extend(
        report
            .failed_runs
            .iter()
            .map(|(ordering, why)| teller.failed(ordering, why)),
    );
    // One run may show several things; it is told once.
    let mut told: Vec<String> = Vec::new();
    for difference in &mut all {
        let Some(schedule) = &difference.schedule else {
            continue;
        };
        if difference.trace.is_empty() || !told.contains(schedule) {
            told.push(schedule.clone());
        } else {
            difference.trace.clear();
            difference.repeats = true;
        }
    }
    all
}

struct Teller<'a> {
    case: &'a Case,
    program: &'a Program,
    report: &'a Report,
    how: &'a How<'a>,
}

impl Teller<'_> {
    fn call(&self, task: TaskId, index: usize) -> String {
        let text = self
            .program
            .task(task)
            .body
            .get(index)
            .map_or("", |s| &s.text);
        format!("{}: {text}", self.program.task(task).name)
    }

    fn command(&self, what: &str, rest: &str) -> String {
        format!(
            "lockstep {what} {}{rest}{}",
            select::words(self.case),
            self.how.options
        )
    }

    fn replay(&self, what: &str, schedule: &str) -> String {
        self.command(what, &format!(" --schedule {}", quote(schedule)))
    }

    /// Of the orderings in which the kernel differs: each first difference once, by the ordering
    /// that comes to it soonest.
    fn kernel(&self) -> Vec<Difference> {
        let mut by_text: BTreeMap<(TaskId, usize, String), (usize, &KernelDiffers, usize)> =
            BTreeMap::new();
        for differs in &self.report.differs {
            let Some(first) = differs.divergences.first() else {
                continue;
            };
            let text = lockstep::got_and_allowed(self.program, first);
            let steps = differs.run.steps.len();
            let entry = by_text
                .entry((first.issued, first.index, text))
                .or_insert((steps, differs, 0));
            entry.2 += 1;
            if steps < entry.0 {
                (entry.0, entry.1) = (steps, differs);
            }
        }
        let mut found: Vec<_> = by_text.into_iter().collect();
        found.sort_by_key(|(_, (steps, ..))| *steps);
        let tell =
            |((task, index, text), (_, differs, times)): (_, (usize, &KernelDiffers, usize))| {
                let schedule = lockstep::show_ordering(self.case, &differs.ordering);
                let mut notes = Vec::new();
                if times > 1 {
                    notes.push(format!(
                        "the same in {} of {} orderings",
                        times, self.report.orderings
                    ));
                }
                if differs.divergences.len() > 1 {
                    notes.push(format!(
                        "{} more steps differ after it",
                        differs.divergences.len() - 1
                    ));
                }
                Difference {
                    kind: Kind::Kernel,
                    place: lockstep::place(self.case, task, index),
                    about: self.call(task, index),
                    text,
                    replay: Some(self.replay("run", &schedule)),
                    schedule: Some(schedule),
                    trace: trace::beside(
                        self.program,
                        &differs.run,
                        &differs.divergences,
                        self.how.room,
                    ),
                    repeats: false,
                    notes,
                }
            };
        found.into_iter().map(tell).collect()
    }

    fn race(&self, outcome: &Outcome) -> Difference {
        let times = self.report.raced.get(outcome).copied().unwrap_or(0);
        let rounds = self.report.race_rounds;
        Difference {
            kind: Kind::Race,
            place: self.case.source.file.clone(),
            about: "race".into(),
            text: format!(
                "got {}, in {times} of {rounds} rounds; the model does not have this outcome",
                self.program.show_outcome(outcome)
            ),
            schedule: None,
            replay: Some(self.command("race", &format!(" -n {rounds} --seed {}", self.how.seed))),
            trace: Vec::new(),
            repeats: false,
            notes: Vec::new(),
        }
    }

    fn broken(&self, broken: &Broken) -> Difference {
        match broken {
            Broken::Condition {
                index,
                outcome,
                witness,
            } => {
                let mut told = self.condition(*index);
                let so = match self.program.conditions[*index].quantifier {
                    Quantifier::Always => "does not hold",
                    Quantifier::Never | Quantifier::Sometimes => "holds",
                };
                told.text = format!("{so} in {}", self.program.show_outcome(outcome));
                if let Some(witness) = witness {
                    self.witness(&mut told, witness);
                }
                told
            }
            Broken::Missing { index } => {
                let mut told = self.condition(*index);
                told.text = "no outcome meets it".into();
                let outcomes = self.report.explored.iter().flat_map(|e| e.outcomes.keys());
                let all: Vec<String> = outcomes.map(|o| self.program.show_outcome(o)).collect();
                told.notes.push("outcomes:".into());
                told.notes
                    .extend(all.iter().take(MOST_OUTCOMES).map(|o| format!("  {o}")));
                if all.len() > MOST_OUTCOMES {
                    told.notes
                        .push(format!("  and {} more", all.len() - MOST_OUTCOMES));
                }
                told
            }
            Broken::Expectation {
                task,
                index,
                witness,
            } => {
                let mut told = Difference {
                    kind: Kind::Expectation,
                    place: lockstep::place(self.case, *task, *index),
                    about: self.call(*task, *index),
                    text: self.expected_and_allowed(*task, *index),
                    schedule: None,
                    replay: None,
                    trace: Vec::new(),
                    repeats: false,
                    notes: Vec::new(),
                };
                if self.report.orderings > 0 && self.report.differs.is_empty() {
                    told.notes.push("this kernel does as the model says".into());
                }
                if let Some(witness) = witness {
                    self.witness(&mut told, witness);
                }
                told
            }
        }
    }

    fn condition(&self, index: usize) -> Difference {
        let condition = &self.program.conditions[index];
        let line = self.case.line_at(condition.span.start);
        Difference {
            kind: Kind::Condition,
            place: format!("{}:{line}", self.case.source.file),
            about: condition_text(condition),
            text: String::new(),
            schedule: None,
            replay: None,
            trace: Vec::new(),
            repeats: false,
            notes: Vec::new(),
        }
    }

    fn witness(&self, told: &mut Difference, witness: &Schedule) {
        let schedule = witness.show(self.program);
        if let Ok(run) = sim::replay(self.program, self.how.config, witness) {
            told.trace = trace::model(self.program, &run, false, self.how.room);
        }
        told.replay = Some(self.replay("explore", &schedule));
        told.schedule = Some(schedule);
    }

    /// What a line wants, and what the model's call gives, with the clauses that say so.
    fn expected_and_allowed(&self, task: TaskId, index: usize) -> String {
        let stmt = self.program.stmt(task, index);
        let (start, end) = (
            stmt.span.start,
            stmt.span.start.saturating_add(stmt.span.len),
        );
        let line = self.case.source.text.get(start..end).unwrap_or_default();
        let wanted = match line.rsplit_once(&stmt.text.as_str()) {
            Some((_, rest)) if !rest.trim().is_empty() => rest.trim(),
            _ if stmt.blocks => "blocks",
            _ => line
                .trim()
                .split_once(" = ")
                .map_or("what its line says", |(_, w)| w.trim()),
        };
        let wanted = wanted.trim_start_matches("= ");
        let mut allowed: BTreeMap<String, BTreeSet<Clause>> = BTreeMap::new();
        let outcomes = self
            .report
            .explored
            .iter()
            .flat_map(|e| e.outcomes.values());
        for witness in outcomes.take(MOST_WITNESSES) {
            let Ok(run) = sim::replay(self.program, self.how.config, witness) else {
                continue;
            };
            let mut told = None;
            let mut slept = false;
            for (_, taken) in &run.steps {
                for event in taken.events.iter().filter(|e| e.task == task) {
                    let text = match &event.what {
                        What::Issue(i) if *i == index => {
                            slept = true;
                            "blocks".to_string()
                        }
                        What::Return(i, value) if *i == index => {
                            slept = false;
                            self.program.show_value(value)
                        }
                        What::End(end) if slept => end.to_string(),
                        _ => continue,
                    };
                    told = Some((text, taken.clauses.clone()));
                }
            }
            if let Some((text, clauses)) = told {
                allowed.entry(text).or_default().extend(clauses);
            }
        }
        match allowed.is_empty() {
            true => format!("expected {wanted}; no run that was found comes to this call"),
            false => format!(
                "expected {wanted}; allowed: {}",
                lockstep::alternatives(allowed)
            ),
        }
    }

    fn failed(&self, order: &[TaskId], why: &str) -> Difference {
        let schedule = (!order.is_empty()).then(|| lockstep::show_ordering(self.case, order));
        Difference {
            kind: Kind::Run,
            place: self.case.source.file.clone(),
            about: "run on this kernel".into(),
            text: why.to_string(),
            replay: schedule.as_ref().map(|s| self.replay("run", s)),
            schedule,
            trace: Vec::new(),
            repeats: false,
            notes: Vec::new(),
        }
    }
}

/// `never under posix a == 1`.
pub fn condition_text(condition: &lockstep::scenario::Condition) -> String {
    match &condition.under {
        Some(model) => format!("{} under {model} {}", condition.quantifier, condition.text),
        None => format!("{} {}", condition.quantifier, condition.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report;
    use lockstep::Scenario;
    use lockstep::real::{Run, StepReport};
    use lockstep::scenario::{End, Errno, Event, Value};

    fn case(text: &str) -> Case {
        let scenario = Scenario::parse("t.ipc", text).expect("a scenario");
        scenario.cases()[0].clone()
    }

    fn step(issued: u16, events: &[(u16, What)]) -> StepReport {
        let event = |(task, what): &(u16, What)| Event {
            task: TaskId(*task),
            what: what.clone(),
        };
        StepReport {
            issued: TaskId(issued),
            events: events.iter().map(event).collect(),
        }
    }

    /// What is told of a run that this kernel did not do.
    fn told(case: &Case, steps: Vec<StepReport>) -> String {
        let run = Run {
            steps,
            ..Run::default()
        };
        let ordering = run.ordering();
        let compared = lockstep::compare(case, Config::default(), run).expect("it can be run");
        assert!(
            !compared.divergences.is_empty(),
            "the model does not allow it"
        );
        let differs = KernelDiffers {
            ordering,
            divergences: compared.divergences,
            run: compared.run,
        };
        let mut report = Report::skipped(case, String::new());
        report.orderings = 3;
        report.differs = vec![differs.clone(), differs];
        let how = How {
            config: Config::default(),
            options: "",
            seed: 0,
            room: None,
        };
        let lines: Vec<String> = all(case, &report, &how)
            .iter()
            .flat_map(report::text_lines)
            .collect();
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    /// Compares the text, without the line that cites the model's clauses.
    fn snapshot(name: &str, text: &str) {
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("got ")).collect();
        let text = lines.join("\n");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }

    #[test]
    fn a_wrong_result_stands_beside_what_was_allowed() {
        let case = case(
            "test pipe/t\nsetup\n  pipe2(O_NONBLOCK) = [r, w]\nprocess p\n  write(w, \"hello\")\n  read(r, 64) = a\n",
        );
        let fds = Value::List(vec![Value::Int(3), Value::Int(4)]);
        let text = told(
            &case,
            vec![
                step(0, &[(0, What::Return(0, fds))]),
                step(
                    1,
                    &[(1, What::Issue(0)), (1, What::Return(0, Value::Int(5)))],
                ),
                step(
                    1,
                    &[
                        (1, What::Issue(1)),
                        (1, What::Return(1, Value::Error(Errno::EAGAIN))),
                    ],
                ),
                step(1, &[(1, What::Issue(2)), (1, What::End(End::Exited(0)))]),
            ],
        );
        assert!(
            text.contains("got -1 EAGAIN; allowed: \"hello\" (PIPE-"),
            "{text}"
        );
        snapshot("kernel_differs", &text);
    }

    #[test]
    fn a_wrong_wake_up_names_the_task_that_it_came_to() {
        let case = case(
            "test pipe/t\nsetup\n  pipe() = [r, w]\nprocess p\n  read(r, 64) = a\nprocess q\n  write(w, \"hello\")\n",
        );
        let fds = Value::List(vec![Value::Int(3), Value::Int(4)]);
        let text = told(
            &case,
            vec![
                step(0, &[(0, What::Return(0, fds))]),
                step(1, &[(1, What::Issue(0)), (1, What::Block(0))]),
                step(
                    2,
                    &[(2, What::Issue(0)), (2, What::Return(0, Value::Int(5)))],
                ),
                step(2, &[(2, What::Issue(1)), (2, What::End(End::Exited(0)))]),
            ],
        );
        assert!(
            text.contains("got p: nothing; allowed: p: read(r, 64) = \"hello\" ("),
            "{text}"
        );
        assert!(text.contains("the same in 2 of 3 orderings"), "{text}");
        snapshot("kernel_does_not_wake", &text);
    }
}
