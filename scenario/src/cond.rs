//! Whether a condition holds in an outcome.

use crate::ast::Op;
use crate::lower::fold::Budget;
use crate::{Cond, Condition, End, Handled, Outcome, Program, TaskId, Value};

impl Condition {
    /// Whether it holds in this outcome. A comparison with a name that was never bound is false.
    pub fn holds(&self, program: &Program, outcome: &Outcome) -> bool {
        Eval { program, outcome }.truth(&self.cond)
    }
}

impl Cond {
    /// Calls `f` with this and everything in it.
    pub fn visit(&self, f: &mut impl FnMut(&Cond)) {
        f(self);
        match self {
            Cond::Value(_)
            | Cond::Var(_)
            | Cond::Handled(_)
            | Cond::Siginfo(_)
            | Cond::Blocked(_) => {}
            Cond::Len(a) | Cond::Not(a) | Cond::Exited(_, a) | Cond::Killed(_, a) => a.visit(f),
            Cond::List(items) => items.iter().for_each(|c| c.visit(f)),
            Cond::Binary(_, a, b) => {
                a.visit(f);
                b.visit(f);
            }
        }
    }
}

struct Eval<'a> {
    program: &'a Program,
    outcome: &'a Outcome,
}

impl Eval<'_> {
    fn truth(&self, cond: &Cond) -> bool {
        match cond {
            Cond::Not(a) => !self.truth(a),
            Cond::Binary(Op::And, a, b) => self.truth(a) && self.truth(b),
            Cond::Binary(Op::Or, a, b) => self.truth(a) || self.truth(b),
            Cond::Binary(Op::Implies, a, b) => !self.truth(a) || self.truth(b),
            Cond::Binary(op, a, b) => match (self.value(a), self.value(b)) {
                (Some(a), Some(b)) => compare(*op, &a, &b),
                _ => false,
            },
            Cond::Blocked(task) => matches!(self.end(*task), Some(End::Blocked(_))),
            Cond::Exited(task, status) => match self.end(*task) {
                Some(End::Exited(n)) => self.agrees(status, &Value::Int(i64::from(n))),
                _ => false,
            },
            Cond::Killed(task, signal) => match self.end(*task) {
                Some(End::Killed(s)) => self.agrees(signal, &Value::Signal(s)),
                _ => false,
            },
            // Lowering lets no value stand where a truth must.
            _ => false,
        }
    }

    fn agrees(&self, cond: &Cond, value: &Value) -> bool {
        self.value(cond).is_some_and(|v| v.agrees(value))
    }

    fn end(&self, task: TaskId) -> Option<End> {
        self.outcome.ends.get(task.index().checked_sub(1)?).copied()
    }

    /// The value of an expression; none if it rests on a name that was never bound, or on
    /// arithmetic that makes no sense.
    fn value(&self, cond: &Cond) -> Option<Value> {
        match cond {
            Cond::Value(v) => Some(v.clone()),
            Cond::Var(var) => {
                let at = self.program.observed.iter().position(|v| v == var)?;
                self.outcome.values.get(at)?.clone()
            }
            Cond::Len(a) => match self.value(a)? {
                Value::Data(d) => i64::try_from(d.len()).ok().map(Value::Int),
                Value::List(vs) => i64::try_from(vs.len()).ok().map(Value::Int),
                _ => None,
            },
            Cond::Handled(task) => self.handled(*task, |h| Value::Signal(h.signal)),
            Cond::Siginfo(task) => self.handled(*task, Handled::to_value),
            Cond::List(items) => {
                let values: Option<Vec<Value>> = items.iter().map(|c| self.value(c)).collect();
                values.map(Value::List)
            }
            Cond::Binary(op, a, b) => Budget::default()
                .combine(*op, &self.value(a)?, &self.value(b)?)
                .ok(),
            _ => None,
        }
    }

    fn handled(&self, task: TaskId, show: impl Fn(&Handled) -> Value) -> Option<Value> {
        let at = self
            .program
            .observed_signals
            .iter()
            .position(|t| *t == task)?;
        Some(Value::List(
            self.outcome.handled.get(at)?.iter().map(show).collect(),
        ))
    }
}

fn compare(op: Op, a: &Value, b: &Value) -> bool {
    match op {
        Op::Eq => a.agrees(b),
        Op::Ne => !a.agrees(b),
        Op::In => matches!(b, Value::List(vs) if vs.iter().any(|v| a.agrees(v))),
        // As in C, a failed call is -1; bytes count as their length.
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => match op {
                Op::Lt => a < b,
                Op::Le => a <= b,
                Op::Gt => a > b,
                Op::Ge => a >= b,
                _ => false,
            },
            _ => false,
        },
    }
}
