//! Calls held against the table: which row is meant, and whether each argument is what its
//! parameter takes.

use super::task::Operand;
use super::{Holds, Lowering, Scope, fold};
use crate::ast::{CallLine, Expr, ExprKind};
use crate::diagnostic::{Problem, nearest};
use crate::{Arg, Bits, Data, Kind, Param, Signal, Spec, Sys, Sysctl, TaskId, Value};

/// The row of the table, and the arguments of its parameters.
type Typed = (Sys, Vec<Arg>);

impl Lowering<'_> {
    pub(super) fn typed_call(
        &mut self,
        task: TaskId,
        call: &CallLine,
        scope: &Scope,
    ) -> Result<Typed, Problem> {
        let sys = row(call)?;
        let spec = sys.spec();
        if let Sys::Fork | Sys::Thread = sys {
            let word = spec.name;
            return Err(Problem::new(
                call.name.span,
                format!("`{word}` is written without brackets"),
            )
            .help(format!(
                "{word} NAME, with the program of NAME indented below"
            )));
        }
        if sys == Sys::Exit && task == TaskId::SETUP {
            return Err(Problem::new(call.name.span, "`exit` in the setup process")
                .help("the setup process stays until the scenario is over"));
        }
        if sys == Sys::Exit
            && let Some(expect) = &call.expect
        {
            return Err(Problem::new(expect.span, "`exit` does not return"));
        }
        let least = spec.params.iter().filter(|p| !p.optional).count();
        if call.args.len() < least || call.args.len() > spec.params.len() {
            let one = if spec.params.len() == 1 {
                "argument"
            } else {
                "arguments"
            };
            let takes = match (least, spec.params.len()) {
                (l, m) if l == m => format!("{m} {one}"),
                (l, m) => format!("{l} to {m} {one}"),
            };
            return Err(
                Problem::new(call.span, format!("`{}` takes {takes}", spec.name))
                    .label(format!("{} given", call.args.len()))
                    .help(spec.signature()),
            );
        }
        let mut args = Vec::new();
        for (at, param) in spec.params.iter().enumerate() {
            if matches!(param.kind, Kind::Word(_)) {
                continue;
            }
            match call.args.get(at) {
                None => args.push(Arg::Value(absent(param.kind))),
                Some(expr) => {
                    let result = self.arg(task, spec, param, expr, scope);
                    // A wrong argument is told of, and the next one is looked at as well.
                    args.extend(self.problems.take(result));
                }
            }
        }
        if let (Sys::Exit, [Arg::Value(Value::Int(status))]) = (sys, args.as_slice())
            && i32::try_from(*status).is_err()
        {
            return Err(Problem::new(call.args[0].span, "an exit code has 32 bits"));
        }
        if let Some((at, why)) = sys.strays(&args) {
            // Words come first, and are no arguments.
            let words = spec.params.iter().map(|p| p.kind);
            let words = words.filter(|k| matches!(k, Kind::Word(_))).count();
            return Err(Problem::new(call.args[words + at].span, why));
        }
        Ok((sys, args))
    }

    fn arg(
        &self,
        task: TaskId,
        spec: &Spec,
        param: &Param,
        expr: &Expr,
        scope: &Scope,
    ) -> Result<Arg, Problem> {
        self.of_kind(task, param.kind, expr, scope)
            .map_err(|wrong| match wrong {
                Wrong::Itself(problem) => problem,
                Wrong::Kind(expr, given) => {
                    let wants = format!("`{}` of `{}` takes {}", param.name, spec.name, param.kind);
                    Problem::new(expr.span, wants)
                        .label(given)
                        .help(spec.signature())
                }
            })
    }

    /// An argument for a parameter of that kind.
    fn of_kind<'e>(
        &self,
        task: TaskId,
        kind: Kind,
        expr: &'e Expr,
        scope: &Scope,
    ) -> Result<Arg, Wrong<'e>> {
        let member = match kind {
            Kind::Rooms => Some(Kind::Room),
            Kind::Chunks => Some(Kind::Bytes),
            Kind::Signals => Some(Kind::Signal),
            Kind::Fds | Kind::PollFds => Some(Kind::Fd),
            _ => None,
        };
        if let Some(member) = member {
            let ExprKind::List(items) = &expr.kind else {
                return Err(self.not_list(expr, scope));
            };
            let items = items.iter().map(|item| match (kind, &item.kind) {
                (Kind::PollFds, ExprKind::List(pair)) => match pair.as_slice() {
                    [fd, events] => Ok(list(vec![
                        self.of_kind(task, Kind::Fd, fd, scope)?,
                        self.of_kind(task, Kind::Bits(Bits::Poll), events, scope)?,
                    ])),
                    _ => Err(Wrong::Kind(item, format!("a list of {}", pair.len()))),
                },
                (Kind::PollFds, _) => Err(self.not_list(item, scope)),
                _ => self.of_kind(task, member, item, scope),
            });
            return Ok(list(items.collect::<Result<_, _>>()?));
        }
        if let ExprKind::List(_) = &expr.kind {
            return Err(Wrong::Kind(expr, "this is a list".into()));
        }
        let value = match self.operand(expr, scope)? {
            Operand::Value(value) => value,
            Operand::Var(var) => {
                let bound = &self.bound[var.index()];
                let fits = match (kind, bound.holds) {
                    (Kind::Fd | Kind::Int | Kind::Room, Holds::Fd | Holds::Int | Holds::Any) => {
                        true
                    }
                    (Kind::Int | Kind::Room, Holds::Bits(_)) => true,
                    (Kind::Bits(kind), Holds::Bits(held)) => kind == held,
                    (Kind::Bits(_), Holds::Any) => true,
                    (Kind::Bytes, Holds::Bytes) => true,
                    _ => false,
                };
                if fits {
                    return Ok(Arg::Var(var));
                }
                let holds = match bound.holds {
                    Holds::Fd => "a descriptor".to_string(),
                    Holds::Int => "a number".into(),
                    Holds::Bytes => "bytes".into(),
                    Holds::Bits(kind) => kind.describe(),
                    Holds::Task => "a task".into(),
                    Holds::Any => "something else".into(),
                };
                return Err(Wrong::Kind(
                    expr,
                    format!("`{}` holds {holds}", bound.name.text),
                ));
            }
        };
        let given = |what: &str| Err(Wrong::Kind(expr, what.into()));
        let value = match (kind, value) {
            (Kind::Fd, Value::Int(n)) if i32::try_from(n).is_err() => {
                return given("this does not fit in 32 bits");
            }
            (Kind::Fd | Kind::Int | Kind::Room, Value::Int(n)) => Value::Int(n),
            (Kind::Int, Value::Bits(_, n)) => Value::Int(n.cast_signed()),
            (Kind::Room | Kind::Bytes, memory @ Value::Memory(_)) => memory,
            (Kind::Bytes, Value::Data(data)) => Value::Data(data),
            (Kind::Path, Value::Data(data)) => match String::from_utf8(data.to_vec()) {
                Ok(path) if !path.contains('\0') => Value::Path(path),
                Ok(_) => return given("this has a zero byte in it"),
                Err(_) => return given("this is not UTF-8"),
            },
            (Kind::Sysctl, Value::Data(name)) => sysctl(expr, &name)?,
            (Kind::Bits(kind), Value::Int(n)) => Value::Bits(kind, n.cast_unsigned()),
            (Kind::Bits(kind), Value::Bits(given, n)) if kind == given => Value::Bits(kind, n),
            (Kind::Task, Value::Int(n)) => Value::Int(n),
            (Kind::Task, Value::Task(t)) if task == TaskId::SETUP && t != task => {
                return given("this task does not run yet when the setup process does");
            }
            (Kind::Task, Value::Task(t)) => Value::Task(t),
            (Kind::Signal, Value::Signal(s)) => Value::Signal(s),
            (Kind::Signal, Value::Int(n)) => match u8::try_from(n) {
                Ok(n) => Value::Signal(Signal(n)),
                Err(_) => return given("the number of a signal is 0 to 255"),
            },
            (_, value) => return given(&format!("this is {}", fold::describe(&value))),
        };
        Ok(Arg::Value(value))
    }

    fn not_list<'e>(&self, expr: &'e Expr, scope: &Scope) -> Wrong<'e> {
        match self.operand(expr, scope) {
            Ok(Operand::Value(v)) => Wrong::Kind(expr, format!("this is {}", fold::describe(&v))),
            Ok(Operand::Var(_)) => Wrong::Kind(expr, "this is one result".into()),
            Err(problem) => Wrong::Itself(problem),
        }
    }
}

/// The limit of that name.
fn sysctl<'e>(expr: &Expr, name: &Data) -> Result<Value, Wrong<'e>> {
    let name = String::from_utf8_lossy(&name.to_vec()).into_owned();
    Sysctl::from_name(&name).map(Value::Sysctl).ok_or_else(|| {
        let names: Vec<&str> = Sysctl::ALL.iter().map(|s| s.name()).collect();
        Wrong::Itself(
            Problem::new(expr.span, format!("no limit is named {name:?}"))
                .label("not a limit that an IPC namespace has of its own")
                .help(format!("one of {}", names.join(", "))),
        )
    })
}

/// Why an argument does not do.
enum Wrong<'e> {
    /// It is wrong in itself.
    Itself(Problem),
    /// It is not what the parameter takes, but this.
    Kind(&'e Expr, String),
}

impl From<Problem> for Wrong<'_> {
    fn from(problem: Problem) -> Self {
        Wrong::Itself(problem)
    }
}

/// One argument of several, folded if all are known.
fn list(items: Vec<Arg>) -> Arg {
    let known = |a: &Arg| match a {
        Arg::Value(v) => Some(v.clone()),
        Arg::Var(_) | Arg::List(_) => None,
    };
    match items.iter().map(known).collect() {
        Some(values) => Arg::Value(Value::List(values)),
        None => Arg::List(items),
    }
}

/// The row that a call means.
fn row(call: &CallLine) -> Result<Sys, Problem> {
    let name = &call.name;
    let rows: Vec<Sys> = Sys::by_name(&name.text).collect();
    let [first, ..] = rows.as_slice() else {
        return Err(
            Problem::new(name.span, format!("no call is named `{}`", name.text))
                .suggest(&name.text, Sys::ALL.iter().map(|s| s.spec().name)),
        );
    };
    let is_word = |p: &Param| matches!(p.kind, Kind::Word(_));
    let Some(at) = first.spec().params.iter().position(is_word) else {
        return Ok(*first);
    };
    let words: Vec<&str> = rows.iter().filter_map(|s| s.word()).collect();
    let what = first.spec().params[at].name;
    let Some(expr) = call.args.get(at) else {
        return Err(
            Problem::new(call.span, format!("`{}` takes a {what}", name.text))
                .label(format!("{} given", call.args.len()))
                .help(format!("one of {}", words.join(", "))),
        );
    };
    let word = match &expr.kind {
        ExprKind::Name(word) => word.as_str(),
        _ => "",
    };
    if let Some(row) = rows.iter().find(|s| s.word() == Some(word)) {
        return Ok(*row);
    }
    let help = match nearest(word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", words.join(", ")),
    };
    Err(Problem::new(
        expr.span,
        format!("`{}` knows no {what} `{expr}`", name.text),
    )
    .help(help))
}

/// The value of an optional argument that was left out.
fn absent(kind: Kind) -> Value {
    match kind {
        Kind::Rooms | Kind::Chunks | Kind::Signals | Kind::Fds | Kind::PollFds => {
            Value::List(Vec::new())
        }
        Kind::Bits(kind) => Value::Bits(kind, 0),
        _ => Value::ZERO,
    }
}
