//! [`Scenario`] to [`Program`]s: variants are made, names become numbers, calls are typed and
//! checked against the table, constants are folded.

mod call;
mod condition;
pub(crate) mod fold;
mod task;
mod variant;

use crate::ast::{ExprKind, Line, Name, Need, Process, Scenario, Span};
use crate::diagnostic::{Problem, Problems};
use crate::{Bits, Clause, Diagnostic, Gives, Program, Stmt, Task, TaskId, TaskKind, Var, VarId};
use fold::Budget;
use std::collections::{BTreeMap, BTreeSet};

/// Most tasks of a scenario, the setup process among them.
const MOST_TASKS: usize = 64;
/// Most calls of a scenario.
const MOST_CALLS: usize = 10_000;
/// Most calls of all variants of a scenario.
const MOST_CALLS_IN_SUM: usize = 100_000;
/// Most names that results are bound to.
const MOST_NAMES: usize = 60_000;
/// The models that `under` may name.
const MODELS: &[&str] = &["posix", "linux", "sc", "x86-tso"];

/// Makes a scenario ready to run: one program for each combination of its variables' values.
/// `file` and `text` are what the scenario was parsed from, for the places of mistakes.
///
/// # Errors
/// The first mistake in the text, with further ones related to it.
pub fn lower(scenario: &Scenario, file: &str, text: &str) -> Result<Vec<Program>, Diagnostic> {
    let mut problems = Problems::default();
    limits(scenario, &mut problems);
    let variants = variant::combinations(scenario, &mut problems);
    let calls = scenario
        .processes
        .iter()
        .map(|p| count(&p.body))
        .sum::<usize>();
    if calls.saturating_mul(variants.len()) > MOST_CALLS_IN_SUM {
        problems.push(Problem::new(
            scenario.name.span,
            format!("the variants have more than {MOST_CALLS_IN_SUM} calls in sum"),
        ));
    }
    if !problems.is_empty() {
        return problems.finish(Vec::new(), file, text);
    }
    let budget = Budget::default();
    let mut programs = Vec::new();
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for mut variant in variants {
        let label = variant.label();
        let (applied, mut problems) = variant.apply(scenario);
        used.extend(variant.used());
        if problems.is_empty() {
            let program;
            (program, problems) = Lowering::new(&applied, &label, &budget).run(&applied);
            programs.push(program);
        }
        if !problems.is_empty() {
            let note = match label.as_str() {
                "" => String::new(),
                label => format!(" (in the variant {label})"),
            };
            return problems.note_all(&note).finish(Vec::new(), file, text);
        }
    }
    for (at, with) in scenario.with.iter().enumerate() {
        if !used.contains(&at) {
            let message = format!("the variable `{}` is never used", with.name.text);
            problems.push(Problem::new(with.name.span, message));
        }
    }
    problems.finish(programs, file, text)
}

/// Reads a scenario and makes it ready to run.
///
/// # Errors
/// Those of [`crate::parse()`] and of [`lower()`].
pub fn load(file: &str, text: &str) -> Result<Vec<Program>, Diagnostic> {
    lower(&crate::parse(file, text)?, file, text)
}

fn count(lines: &[Line]) -> usize {
    let own = |line: &Line| match line {
        Line::Call(_) => 1,
        Line::Fork(p) | Line::Thread(p) => 2 + count(&p.body),
    };
    1 + lines.iter().map(own).sum::<usize>()
}

/// Checks what does not depend on the variant.
fn limits(scenario: &Scenario, problems: &mut Problems) {
    let calls = count(&scenario.setup)
        + scenario
            .processes
            .iter()
            .map(|p| count(&p.body))
            .sum::<usize>();
    match scenario.processes.first() {
        None => problems.push(
            Problem::new(scenario.name.span, "a scenario needs a process")
                .help("process NAME, with its calls indented below"),
        ),
        Some(process) if calls > MOST_CALLS => {
            let message = format!("a scenario of more than {MOST_CALLS} calls");
            problems.push(Problem::new(process.name.span, message));
        }
        Some(_) => {}
    }
    for clause in &scenario.clauses {
        let right = clause.text.parse::<Clause>().map(|c| c.to_string());
        if right.as_ref() != Ok(&clause.text) {
            let problem = Problem::new(clause.span, format!("`{}` is no clause", clause.text))
                .label("expected a prefix of the catalogue and three digits");
            problems.push(match right.or_else(|()| upper(&clause.text)) {
                Ok(right) => problem.help(format!("did you mean `{right}`?")),
                Err(()) => problem.help("for example: PIPE-030"),
            });
        }
    }
    for need in &scenario.needs {
        if let Need::Capability { name, .. } = need
            && !name.text.starts_with("CAP_")
            && scenario.with.iter().all(|w| w.name.text != name.text)
        {
            problems.push(
                Problem::new(name.span, format!("`{}` is no capability", name.text))
                    .help("capabilities are called CAP_..., see capabilities(7)"),
            );
        }
    }
}

fn upper(clause: &str) -> Result<String, ()> {
    clause
        .to_uppercase()
        .parse::<Clause>()
        .map(|c| c.to_string())
}

/// What a name holds, as far as it is known before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Fd,
    Int,
    Bytes,
    Bits(Bits),
    Task,
    /// A member of a list, or anything.
    Any,
}

/// A name that a result is bound to, and where.
struct Bound {
    name: Name,
    task: TaskId,
    holds: Holds,
    /// What its call gives as a whole, which decides whether outcomes show it unasked.
    gives: Gives,
}

/// The names that a program may use at one point.
type Scope = BTreeMap<String, VarId>;

/// The lowering of one variant.
struct Lowering<'a> {
    name: String,
    budget: &'a Budget,
    tasks: Vec<Task>,
    /// Where each task is named.
    places: Vec<&'a Name>,
    by_name: BTreeMap<&'a str, TaskId>,
    bound: Vec<Bound>,
    /// Every name that stands in an expectation anywhere, and where it does first.
    expected: BTreeMap<&'a str, Span>,
    problems: Problems,
}

impl<'a> Lowering<'a> {
    fn new(scenario: &'a Scenario, label: &str, budget: &'a Budget) -> Self {
        Lowering {
            name: format!("{}{label}", scenario.name.text),
            budget,
            tasks: Vec::new(),
            places: Vec::new(),
            by_name: BTreeMap::new(),
            bound: Vec::new(),
            expected: BTreeMap::new(),
            problems: Problems::default(),
        }
    }

    fn run(mut self, scenario: &'a Scenario) -> (Program, Problems) {
        self.collect_tasks(scenario);
        self.collect_expected(&scenario.setup);
        scenario
            .processes
            .iter()
            .for_each(|p| self.collect_expected(&p.body));
        if self.problems.is_empty() {
            let mut setup = Scope::new();
            self.program_of(TaskId::SETUP, &scenario.setup, &mut setup);
            for process in &scenario.processes {
                let task = self.by_name[&*process.name.text];
                self.program_of(task, &process.body, &mut setup.clone());
            }
        }
        let (conditions, order) = match self.problems.is_empty() {
            true => (self.conditions(&scenario.conditions), self.order(scenario)),
            false => (Vec::new(), None),
        };
        let vars = self.vars();
        let (observed, observed_signals) = condition::observed(&conditions, &self.bound);
        let mut observed_siginfo = Vec::new();
        for condition in &conditions {
            condition.cond.visit(&mut |cond| match cond {
                crate::Cond::Siginfo(task) if !observed_siginfo.contains(task) => {
                    observed_siginfo.push(*task);
                }
                _ => {}
            });
        }
        let program = Program {
            name: self.name,
            description: scenario.description.clone(),
            clauses: scenario.clauses.iter().map(|c| c.text.clone()).collect(),
            needs: scenario.needs.clone(),
            tasks: self.tasks,
            vars,
            order,
            conditions,
            observed,
            observed_signals,
            observed_siginfo,
        };
        (program, self.problems)
    }

    /// Numbers the tasks: setup, the processes, then children and threads as they appear.
    fn collect_tasks(&mut self, scenario: &'a Scenario) {
        self.tasks.push(Task {
            name: "setup".into(),
            kind: TaskKind::Setup,
            body: Vec::new(),
        });
        self.places.push(&scenario.name);
        for process in &scenario.processes {
            self.new_task(&process.name, TaskKind::Process);
        }
        for process in &scenario.processes {
            if let Some(&task) = self.by_name.get(&*process.name.text) {
                self.collect_children(task, process);
            }
        }
        if self.tasks.len() > MOST_TASKS {
            let message = format!("more than {MOST_TASKS} tasks, the setup process among them");
            self.problems
                .push(Problem::new(self.places[MOST_TASKS].span, message));
        }
    }

    fn collect_children(&mut self, parent: TaskId, process: &'a Process) {
        for line in &process.body {
            let (child, kind) = match line {
                Line::Fork(child) => (child, TaskKind::Child(parent)),
                Line::Thread(thread) => (thread, TaskKind::Thread(parent)),
                Line::Call(_) => continue,
            };
            if let Some(task) = self.new_task(&child.name, kind) {
                self.collect_children(task, child);
            }
        }
    }

    fn collect_expected(&mut self, lines: &'a [Line]) {
        for line in lines {
            match line {
                Line::Fork(task) | Line::Thread(task) => self.collect_expected(&task.body),
                Line::Call(call) => {
                    let mut names = Vec::from_iter(&call.expect);
                    while let Some(expr) = names.pop() {
                        match &expr.kind {
                            ExprKind::Name(name) => {
                                self.expected.entry(name).or_insert(expr.span);
                            }
                            ExprKind::List(items) => names.extend(items),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    fn new_task(&mut self, name: &'a Name, kind: TaskKind) -> Option<TaskId> {
        let text = &*name.text;
        let taken = if text == "setup" {
            Some("the setup process has this name")
        } else if text == "_" {
            Some("this stands for anything")
        } else if fold::constant(text).is_some() || crate::Errno::from_name(text).is_some() {
            Some("this is a constant")
        } else {
            None
        };
        if let Some(label) = taken {
            let message = format!("a task cannot be called `{text}`");
            self.problems
                .push(Problem::new(name.span, message).label(label));
            return None;
        }
        if let Some(&other) = self.by_name.get(text) {
            self.problems.push(
                Problem::new(name.span, format!("a second task `{text}`"))
                    .also(self.places[other.index()].span, "the first"),
            );
            return None;
        }
        let id = TaskId(u16::try_from(self.tasks.len()).ok()?);
        self.tasks.push(Task {
            name: text.into(),
            kind,
            body: Vec::new(),
        });
        self.places.push(name);
        self.by_name.insert(text, id);
        Some(id)
    }

    /// The task of that name, for a place where a task must stand.
    fn task(&self, name: &Name) -> Result<TaskId, Problem> {
        if name.text == "setup" {
            return Err(
                Problem::new(name.span, "the setup process cannot stand here")
                    .help("name a process, or a task that it starts"),
            );
        }
        self.by_name.get(&*name.text).copied().ok_or_else(|| {
            Problem::new(name.span, format!("no task is called `{}`", name.text))
                .suggest(&name.text, self.by_name.keys().copied())
        })
    }

    fn order(&mut self, scenario: &Scenario) -> Option<Vec<TaskId>> {
        let mut left: Vec<usize> = self.tasks.iter().map(|t| t.body.len()).collect();
        let mut order = Vec::new();
        for name in scenario.order.as_ref()? {
            let task = match self.task(name) {
                Ok(task) => task,
                Err(problem) => {
                    self.problems.push(problem);
                    return None;
                }
            };
            let Some(fewer) = left[task.index()].checked_sub(1) else {
                let has = self.tasks[task.index()].body.len();
                self.problems.push(
                    Problem::new(
                        name.span,
                        format!(
                            "the order names `{}` more often than it has calls",
                            name.text
                        ),
                    )
                    .label(format!("it has {has}, its exit among them")),
                );
                return None;
            };
            left[task.index()] = fewer;
            order.push(task);
        }
        Some(order)
    }

    fn vars(&self) -> Vec<Var> {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for bound in &self.bound {
            *times.entry(&bound.name.text).or_default() += 1;
        }
        let var = |bound: &Bound| Var {
            name: bound.name.text.clone(),
            task: bound.task,
            label: match times[&*bound.name.text] {
                1 => bound.name.text.clone(),
                _ => self.label(bound),
            },
        };
        self.bound.iter().map(var).collect()
    }

    /// `reader.a`.
    fn label(&self, bound: &Bound) -> String {
        format!(
            "{}.{}",
            self.tasks[bound.task.index()].name,
            bound.name.text
        )
    }

    fn push(&mut self, task: TaskId, stmt: Stmt) {
        self.tasks[task.index()].body.push(stmt);
    }
}
