//! Conditions: names of all tasks, functions over outcomes, and what outcomes must show for them.

use super::task::{bare_errno, errno, unknown_constant, unknown_function};
use super::{Bound, Lowering, MODELS, fold};
use crate::ast::{self, Expr, ExprKind, Name, Op, Span};
use crate::diagnostic::Problem;
use crate::{Cond, Condition, Errno, Gives, TaskId, Value, VarId};
use std::collections::BTreeSet;

/// What an expression of a condition is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// True or false.
    Truth,
    /// A value.
    Value,
}

impl Lowering<'_> {
    pub(super) fn conditions(&mut self, conditions: &[ast::Condition]) -> Vec<Condition> {
        let mut done = Vec::new();
        for condition in conditions {
            let result = self.condition(condition);
            done.extend(self.problems.take(result));
        }
        done
    }

    fn condition(&self, condition: &ast::Condition) -> Result<Condition, Problem> {
        if let Some(under) = &condition.under
            && !MODELS.contains(&&*under.text)
        {
            let message = format!("no model is called `{}`", under.text);
            return Err(Problem::new(under.span, message)
                .help(format!("the models are {}", MODELS.join(", ")))
                .suggest(&under.text, MODELS.iter().copied()));
        }
        Ok(Condition {
            quantifier: condition.quantifier,
            under: condition.under.as_ref().map(|u| u.text.clone()),
            cond: self.truth(&condition.expr)?,
            text: condition.expr.to_string(),
            span: condition.span,
        })
    }

    fn truth(&self, expr: &Expr) -> Result<Cond, Problem> {
        match self.cond(expr)? {
            (cond, Sort::Truth) => Ok(cond),
            (_, Sort::Value) => Err(Problem::new(expr.span, "this is a value, not a condition")
                .label("expected something true or false")
                .help("compare it: a == 5, len(a) > 0, a in [5, \"\"]")),
        }
    }

    fn value(&self, expr: &Expr) -> Result<Cond, Problem> {
        match self.cond(expr)? {
            (cond, Sort::Value) => Ok(cond),
            (_, Sort::Truth) => Err(
                Problem::new(expr.span, "this is true or false, not a value")
                    .help("join conditions with `and`, `or`, `not` and `implies`"),
            ),
        }
    }

    /// The value of an expression that must be the same in every outcome.
    fn fixed(&self, expr: &Expr) -> Result<Value, Problem> {
        match self.value(expr)? {
            Cond::Value(value) => Ok(value),
            _ => Err(Problem::new(
                expr.span,
                "this must be a value known before the run",
            )),
        }
    }

    fn cond(&self, expr: &Expr) -> Result<(Cond, Sort), Problem> {
        let span = expr.span;
        if let Some(value) = fold::literal(&expr.kind) {
            return Ok((Cond::Value(value), Sort::Value));
        }
        Ok(match &expr.kind {
            ExprKind::Name(name) => (self.observed_name(name, span)?, Sort::Value),
            ExprKind::Qualified(task, name) => {
                let id = match task.as_str() {
                    "setup" => TaskId::SETUP,
                    _ => self.task(&Name {
                        text: task.clone(),
                        span,
                    })?,
                };
                let at = self
                    .bound
                    .iter()
                    .position(|b| b.task == id && b.name.text == *name);
                let at = at.ok_or_else(|| {
                    let own = self.bound.iter().filter(|b| b.task == id);
                    Problem::new(span, format!("`{task}` binds no `{name}`"))
                        .suggest(name, own.map(|b| &*b.name.text))
                })?;
                (Cond::Var(var(at)), Sort::Value)
            }
            ExprKind::Error(name) => (Cond::Value(Value::Error(errno(name, span)?)), Sort::Value),
            ExprKind::List(items) => {
                let items: Vec<Cond> = items
                    .iter()
                    .map(|e| self.value(e))
                    .collect::<Result<_, _>>()?;
                (folded_list(items), Sort::Value)
            }
            ExprKind::Not(inner) => (Cond::Not(Box::new(self.truth(inner)?)), Sort::Truth),
            ExprKind::Apply(name, args) => self.function(name, args, span)?,
            ExprKind::Binary(op @ (Op::And | Op::Or | Op::Implies), a, b) => {
                (binary(*op, self.truth(a)?, self.truth(b)?), Sort::Truth)
            }
            ExprKind::Binary(op, a, b) if op.is_comparison() => {
                let (left, right) = (self.value(a)?, self.value(b)?);
                if let (Op::In, Cond::Value(value)) = (*op, &right)
                    && !matches!(value, Value::List(_))
                {
                    return Err(Problem::new(b.span, "`in` wants a list on its right")
                        .label(format!("this is {}", fold::describe(value))));
                }
                (binary(*op, left, right), Sort::Truth)
            }
            ExprKind::Binary(op, a, b) => match (self.value(a)?, self.value(b)?) {
                (Cond::Value(a), Cond::Value(b)) => {
                    let value = self.budget.combine(*op, &a, &b);
                    let value = value.map_err(|message| Problem::new(span, message))?;
                    (Cond::Value(value), Sort::Value)
                }
                (a, b) => (binary(*op, a, b), Sort::Value),
            },
            ExprKind::Int(_) | ExprKind::Octal(_) | ExprKind::Hex(_) | ExprKind::Data(_) => {
                unreachable!("literals were dealt with above")
            }
        })
    }

    /// A bare name in a condition.
    fn observed_name(&self, name: &str, span: Span) -> Result<Cond, Problem> {
        if let Some(value) = fold::constant(name) {
            return Ok(Cond::Value(value));
        }
        if let Some(&task) = self.by_name.get(name) {
            return Ok(Cond::Value(Value::Task(task)));
        }
        if name == "setup" {
            return Ok(Cond::Value(Value::Task(TaskId::SETUP)));
        }
        if Errno::from_name(name).is_some() {
            return Err(bare_errno(name, span));
        }
        let mut all = self
            .bound
            .iter()
            .enumerate()
            .filter(|(_, b)| b.name.text == name);
        match (all.next(), all.next()) {
            (Some((at, _)), None) => Ok(Cond::Var(var(at))),
            (Some((_, first)), Some((_, second))) => {
                let (one, other) = (self.label(first), self.label(second));
                Err(Problem::new(span, format!("several tasks bind `{name}`"))
                    .also(first.name.span, format!("`{one}`"))
                    .also(second.name.span, format!("`{other}`"))
                    .help(format!("say which: {one} or {other}")))
            }
            (None, _) if name == "_" => Err(Problem::new(
                span,
                "`_` stands for any result; a value must stand here",
            )),
            (None, _) if fold::in_capitals(name) => Err(unknown_constant(name, span)),
            (None, _) => {
                let known = self.bound.iter().map(|b| &*b.name.text);
                Err(Problem::new(span, format!("no call binds `{name}`"))
                    .suggest(name, known.chain(self.by_name.keys().copied())))
            }
        }
    }

    fn function(&self, name: &str, args: &[Expr], span: Span) -> Result<(Cond, Sort), Problem> {
        if fold::BUFFERS.contains(&name) {
            return Err(Problem::new(
                span,
                format!("`{name}` can stand only in a call"),
            ));
        }
        let takes = match name {
            "len" | "handled" | "siginfo" | "blocked" => 1,
            "exited" | "killed" => 2,
            _ => return Err(unknown_function(name, span, fold::FUNCTIONS)),
        };
        if args.len() != takes {
            let example = match name {
                "len" => "len(a)",
                "exited" => "exited(writer, 0)",
                "killed" => "killed(writer, SIGPIPE)",
                "blocked" => "blocked(reader)",
                "siginfo" => "siginfo(receiver)",
                _ => "handled(receiver)",
            };
            return Err(Problem::new(span, format!("`{name}` is written {example}")));
        }
        if name == "len" {
            return Ok((Cond::Len(Box::new(self.value(&args[0])?)), Sort::Value));
        }
        let ExprKind::Name(task) = &args[0].kind else {
            return Err(Problem::new(
                args[0].span,
                format!("`{name}` takes the name of a task"),
            ));
        };
        let task = self.task(&Name {
            text: task.clone(),
            span: args[0].span,
        })?;
        Ok(match name {
            "handled" => (Cond::Handled(task), Sort::Value),
            "siginfo" => (Cond::Siginfo(task), Sort::Value),
            "blocked" => (Cond::Blocked(task), Sort::Truth),
            "exited" => {
                let status = self.fixed(&args[1])?;
                if !matches!(status, Value::Int(0..=255)) {
                    return Err(Problem::new(args[1].span, "an exit status is 0 to 255"));
                }
                (
                    Cond::Exited(task, Box::new(Cond::Value(status))),
                    Sort::Truth,
                )
            }
            _ => {
                let signal = self.fixed(&args[1])?;
                if !matches!(signal, Value::Signal(_)) {
                    return Err(
                        Problem::new(args[1].span, "`killed` takes a task and a signal")
                            .label(format!("this is {}", fold::describe(&signal))),
                    );
                }
                (
                    Cond::Killed(task, Box::new(Cond::Value(signal))),
                    Sort::Truth,
                )
            }
        })
    }
}

fn var(at: usize) -> VarId {
    VarId(u16::try_from(at).expect("bounded by MOST_NAMES"))
}

fn binary(op: Op, a: Cond, b: Cond) -> Cond {
    Cond::Binary(op, Box::new(a), Box::new(b))
}

fn folded_list(items: Vec<Cond>) -> Cond {
    let known = |c: &Cond| match c {
        Cond::Value(v) => Some(v.clone()),
        _ => None,
    };
    match items.iter().map(known).collect() {
        Some(values) => Cond::Value(Value::List(values)),
        None => Cond::List(items),
    }
}

/// What outcomes must show: the names that conditions mention (all that hold no descriptor, if
/// they mention none), and the tasks whose handled signals they mention.
pub(super) fn observed(conditions: &[Condition], bound: &[Bound]) -> (Vec<VarId>, Vec<TaskId>) {
    let (mut vars, mut tasks) = (BTreeSet::new(), BTreeSet::new());
    for condition in conditions {
        condition.cond.visit(&mut |cond| match cond {
            Cond::Var(v) => {
                vars.insert(*v);
            }
            Cond::Handled(t) | Cond::Siginfo(t) => {
                tasks.insert(*t);
            }
            _ => {}
        });
    }
    if vars.is_empty() {
        let shown = |b: &Bound| {
            matches!(
                b.gives,
                Gives::Int | Gives::Bytes | Gives::Bits(_) | Gives::List
            )
        };
        vars.extend(
            bound
                .iter()
                .enumerate()
                .filter(|(_, b)| shown(b))
                .map(|(at, _)| var(at)),
        );
    }
    (vars.into_iter().collect(), tasks.into_iter().collect())
}
