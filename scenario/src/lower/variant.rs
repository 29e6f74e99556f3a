//! Variants: a scenario with the variables of its `with` lines replaced by values.

use super::fold;
use crate::Sys;
use crate::ast::{CallLine, Condition, Expr, ExprKind, Line, Name, Need, Process, Scenario, Span};
use crate::diagnostic::{Problem, Problems};
use std::collections::BTreeSet;

/// Most variants of one file.
const MOST_VARIANTS: usize = 256;
/// Largest value of a variable, in nodes of its expression: it is copied to each of its uses.
const MOST_NODES: usize = 64;

/// The values that one variant gives the variables.
pub(super) struct Variant<'a> {
    values: Vec<(&'a str, &'a Expr)>,
    used: BTreeSet<usize>,
    problems: Problems,
}

/// Every combination of values, the last variable changing fastest.
pub(super) fn combinations<'a>(
    scenario: &'a Scenario,
    problems: &mut Problems,
) -> Vec<Variant<'a>> {
    let mut variants: Vec<Vec<(&str, &Expr)>> = vec![Vec::new()];
    for (at, with) in scenario.with.iter().enumerate() {
        problems.take(check(scenario, at));
        if variants.len().saturating_mul(with.values.len()) > MOST_VARIANTS {
            problems.push(Problem::new(
                with.name.span,
                format!("more than {MOST_VARIANTS} variants of one scenario"),
            ));
            break;
        }
        variants = variants
            .iter()
            .flat_map(|v| {
                with.values.iter().map(move |value| {
                    let mut v = v.clone();
                    v.push((&*with.name.text, value));
                    v
                })
            })
            .collect();
    }
    variants
        .into_iter()
        .map(|values| Variant {
            values,
            used: BTreeSet::new(),
            problems: Problems::default(),
        })
        .collect()
}

/// Checks one `with` line.
fn check(scenario: &Scenario, at: usize) -> Result<(), Problem> {
    let with = &scenario.with[at];
    let Name { text, span } = &with.name;
    let taken = if fold::constant(text).is_some() || crate::Errno::from_name(text).is_some() {
        Some("a constant")
    } else if fold::BUFFERS.contains(&&**text) || fold::FUNCTIONS.contains(&&**text) {
        Some("a function")
    } else if Sys::by_name(text).next().is_some() {
        Some("a call")
    } else if matches!(&**text, "_" | "setup" | "fork" | "thread") {
        Some("a word of the language")
    } else {
        None
    };
    if let Some(what) = taken {
        let message = format!("a variable cannot be called `{text}`");
        return Err(Problem::new(*span, message).label(format!("this is {what}")));
    }
    if let Some(other) = scenario.with[..at].iter().find(|w| w.name.text == *text) {
        return Err(Problem::new(*span, format!("a second variable `{text}`"))
            .also(other.name.span, "the first"));
    }
    let names: Vec<&str> = scenario.with.iter().map(|w| &*w.name.text).collect();
    for (i, value) in with.values.iter().enumerate() {
        let mut nodes = 0;
        if let Some(used) = variable_in(value, &names, &mut nodes) {
            let message = format!("the values of `{text}` depend on the variable `{used}`");
            return Err(Problem::new(value.span, message)
                .help("the values of a variable are constants; do arithmetic where it is used"));
        }
        if nodes > MOST_NODES {
            return Err(Problem::new(
                value.span,
                "this value of a variable is too long",
            ));
        }
        if let Some(other) = with.values[..i].iter().find(|v| *v == value) {
            return Err(
                Problem::new(value.span, format!("`{text}` is {value} twice"))
                    .also(other.span, "the first"),
            );
        }
    }
    Ok(())
}

/// The first variable that an expression mentions; counts its nodes.
fn variable_in<'a>(expr: &'a Expr, names: &[&str], nodes: &mut usize) -> Option<&'a str> {
    *nodes += 1;
    let known = |name: &'a String| names.contains(&&**name).then_some(&**name);
    match &expr.kind {
        ExprKind::Name(name) | ExprKind::Error(name) => known(name),
        ExprKind::Qualified(a, b) => known(a).or_else(|| known(b)),
        ExprKind::List(items) => items.iter().find_map(|e| variable_in(e, names, nodes)),
        ExprKind::Apply(name, args) => {
            known(name).or_else(|| args.iter().find_map(|e| variable_in(e, names, nodes)))
        }
        ExprKind::Binary(_, a, b) => {
            variable_in(a, names, nodes).or_else(|| variable_in(b, names, nodes))
        }
        ExprKind::Not(a) => variable_in(a, names, nodes),
        ExprKind::Int(_) | ExprKind::Octal(_) | ExprKind::Hex(_) | ExprKind::Data(_) => None,
    }
}

impl Variant<'_> {
    /// `[n=4096,ends=pipe]`, or nothing where there are no variables.
    pub(super) fn label(&self) -> String {
        if self.values.is_empty() {
            return String::new();
        }
        let parts: Vec<_> = self
            .values
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        format!("[{}]", parts.join(","))
    }

    /// Which variables were used, by their place among the `with` lines.
    pub(super) fn used(&self) -> &BTreeSet<usize> {
        &self.used
    }

    /// The scenario with values in place of variables, and what was wrong on the way.
    pub(super) fn apply(&mut self, scenario: &Scenario) -> (Scenario, Problems) {
        let applied = Scenario {
            name: scenario.name.clone(),
            description: scenario.description.clone(),
            clauses: scenario.clauses.clone(),
            needs: scenario.needs.iter().map(|n| self.need(n)).collect(),
            with: Vec::new(),
            setup: self.body(&scenario.setup),
            processes: scenario.processes.iter().map(|p| self.process(p)).collect(),
            order: scenario
                .order
                .as_ref()
                .map(|names| names.iter().map(|n| self.name(n)).collect()),
            conditions: scenario
                .conditions
                .iter()
                .map(|c| Condition {
                    quantifier: c.quantifier,
                    under: c.under.as_ref().map(|u| self.name(u)),
                    expr: self.expr(&c.expr),
                    span: c.span,
                })
                .collect(),
        };
        (applied, std::mem::take(&mut self.problems))
    }

    fn lookup(&mut self, name: &str) -> Option<Expr> {
        let at = self.values.iter().position(|(n, _)| *n == name)?;
        self.used.insert(at);
        Some(self.values[at].1.clone())
    }

    /// A place where only a name can stand.
    fn word(&mut self, name: &str, span: Span) -> String {
        match self.lookup(name) {
            None => name.into(),
            Some(Expr {
                kind: ExprKind::Name(word),
                ..
            }) => word,
            Some(value) => {
                let message = format!("`{name}` is {value}, but a name must stand here");
                self.problems.push(Problem::new(span, message));
                name.into()
            }
        }
    }

    fn name(&mut self, name: &Name) -> Name {
        Name {
            text: self.word(&name.text, name.span),
            span: name.span,
        }
    }

    fn need(&mut self, need: &Need) -> Need {
        match need {
            Need::Capability { name, held } => Need::Capability {
                name: self.name(name),
                held: *held,
            },
            Need::Facility(name) => Need::Facility(self.name(name)),
            Need::Root(_) | Need::Linux(..) => need.clone(),
        }
    }

    fn process(&mut self, process: &Process) -> Process {
        Process {
            name: self.name(&process.name),
            body: self.body(&process.body),
        }
    }

    fn body(&mut self, lines: &[Line]) -> Vec<Line> {
        let line = |line: &Line| match line {
            Line::Fork(process) => Line::Fork(self.process(process)),
            Line::Thread(process) => Line::Thread(self.process(process)),
            Line::Call(call) => Line::Call(CallLine {
                name: self.name(&call.name),
                args: call.args.iter().map(|a| self.expr(a)).collect(),
                blocks: call.blocks,
                expect: call.expect.as_ref().map(|e| self.expr(e)),
                span: call.span,
            }),
        };
        lines.iter().map(line).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Expr {
        let span = expr.span;
        let kind = match &expr.kind {
            ExprKind::Name(name) => match self.lookup(name) {
                Some(value) => place(value, span).kind,
                None => ExprKind::Name(name.clone()),
            },
            ExprKind::Error(name) => ExprKind::Error(self.word(name, span)),
            ExprKind::Qualified(a, b) => {
                ExprKind::Qualified(self.word(a, span), self.word(b, span))
            }
            ExprKind::List(items) => ExprKind::List(items.iter().map(|e| self.expr(e)).collect()),
            ExprKind::Apply(name, args) => {
                let name = self.word(name, span);
                ExprKind::Apply(name, args.iter().map(|e| self.expr(e)).collect())
            }
            ExprKind::Binary(op, a, b) => {
                ExprKind::Binary(*op, Box::new(self.expr(a)), Box::new(self.expr(b)))
            }
            ExprKind::Not(a) => ExprKind::Not(Box::new(self.expr(a))),
            literal => literal.clone(),
        };
        Expr { kind, span }
    }
}

/// The expression, as if it stood at `span`: mistakes are told where the variable is used.
fn place(mut expr: Expr, span: Span) -> Expr {
    expr.span = span;
    match &mut expr.kind {
        ExprKind::List(items) | ExprKind::Apply(_, items) => {
            for item in items {
                *item = place(item.clone(), span);
            }
        }
        ExprKind::Binary(_, a, b) => {
            **a = place((**a).clone(), span);
            **b = place((**b).clone(), span);
        }
        ExprKind::Not(a) => **a = place((**a).clone(), span),
        _ => {}
    }
    expr
}
