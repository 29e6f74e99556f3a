//! The programs of tasks: statements, what they bind, and what they expect.

use super::{Bound, Holds, Lowering, MOST_NAMES, Scope, fold};
use crate::ast::{CallLine, Expr, ExprKind, Line, Name, Op, Process, Span};
use crate::diagnostic::Problem;
use crate::print::CallText;
use crate::{Arg, Errno, Gives, Pattern, Stmt, Sys, TaskId, Value, VarId};

impl<'a> Lowering<'a> {
    /// Lowers the program of a task. `scope` holds what it may use, and grows by what it binds.
    pub(super) fn program_of(&mut self, task: TaskId, lines: &'a [Line], scope: &mut Scope) {
        let mut exit: Option<Span> = None;
        for line in lines {
            if let Some(exit) = exit {
                let span = line_span(line);
                self.problems.push(
                    Problem::new(span, "this call is never made")
                        .also(exit, "the task has ended here"),
                );
                break;
            }
            match line {
                Line::Call(call) => {
                    let stmt = self.call_line(task, call, scope);
                    if call.name.text == "exit" {
                        exit = Some(call.span);
                    }
                    if let Some(stmt) = stmt {
                        self.push(task, stmt);
                    }
                }
                Line::Fork(child) => self.start(task, Sys::Fork, child, scope),
                Line::Thread(thread) => self.start(task, Sys::Thread, thread, scope),
            }
        }
        if exit.is_none() && task != TaskId::SETUP {
            let stmt = Stmt {
                sys: Sys::Exit,
                args: vec![Arg::Value(Value::ZERO)],
                blocks: false,
                expect: Pattern::Any,
                text: "exit(0)".into(),
                implicit: true,
                span: self.places[task.index()].span,
            };
            self.push(task, stmt);
        }
    }

    /// `fork NAME` or `thread NAME` with the program below.
    fn start(&mut self, task: TaskId, sys: Sys, child: &'a Process, scope: &mut Scope) {
        let word = sys.spec().name;
        if task == TaskId::SETUP {
            self.problems.push(
                Problem::new(child.name.span, format!("`{word}` in the setup process"))
                    .help("the processes of the file are forked from the setup process"),
            );
            return;
        }
        let id = self.by_name[&*child.name.text];
        self.push(
            task,
            Stmt {
                sys,
                args: vec![Arg::Value(Value::Task(id))],
                blocks: false,
                expect: Pattern::Any,
                text: format!("{word} {}", child.name.text),
                implicit: false,
                span: child.name.span,
            },
        );
        self.program_of(id, &child.body, &mut scope.clone());
    }

    fn call_line(&mut self, task: TaskId, call: &CallLine, scope: &mut Scope) -> Option<Stmt> {
        let result = self.typed_call(task, call, scope);
        let typed = self.problems.take(result);
        let gives = typed.as_ref().map(|(sys, _)| sys.spec().gives);
        let expect = match &call.expect {
            None => Pattern::Any,
            // The names of a call that is wrong are bound all the same, so that one mistake is
            // not told many times over.
            Some(expect) => {
                let result = self.expectation(task, expect, gives, scope);
                self.problems.take(result)?
            }
        };
        let (sys, args) = typed?;
        if call.blocks && (task == TaskId::SETUP || sys == Sys::Exit) {
            let message = match sys {
                Sys::Exit => "`exit` does not block",
                _ => "a call of the setup process that blocks would block for ever",
            };
            self.problems.push(Problem::new(call.span, message));
        }
        Some(Stmt {
            sys,
            args,
            blocks: call.blocks,
            expect,
            text: CallText(call).to_string(),
            implicit: false,
            span: call.span,
        })
    }

    /// What stands after `=`, for a call that gives `gives` (unknown if the call is wrong).
    fn expectation(
        &mut self,
        task: TaskId,
        expect: &Expr,
        gives: Option<Gives>,
        scope: &mut Scope,
    ) -> Result<Pattern, Problem> {
        if let ExprKind::Error(name) = &expect.kind {
            return Ok(Pattern::Value(Value::Error(errno(name, expect.span)?)));
        }
        let mut fresh = Vec::new();
        let members = match gives {
            Some(Gives::FdPair) => Some(Holds::Fd),
            Some(Gives::List) => Some(Holds::Any),
            _ => None,
        };
        let pattern = match (&expect.kind, members) {
            (ExprKind::List(items), Some(holds)) => {
                if gives == Some(Gives::FdPair) && items.len() != 2 {
                    return Err(Problem::new(expect.span, "this call gives two descriptors")
                        .help("for example: = [r, w]"));
                }
                self.members(items, holds, scope, &mut fresh)?
            }
            (ExprKind::Name(name), Some(_)) if name == "_" => Pattern::Any,
            (ExprKind::Name(name), Some(_)) if gives == Some(Gives::List) && fresh_name(name) => {
                self.pattern(expect, Holds::Any, scope, &mut fresh)?
            }
            (ExprKind::List(items), None) if gives.is_none() => {
                self.members(items, Holds::Any, scope, &mut fresh)?
            }
            (_, Some(_)) => {
                return Err(Problem::new(expect.span, "this call gives a list")
                    .label("expected a list")
                    .help(match gives {
                        Some(Gives::FdPair) => "name both descriptors: = [r, w]",
                        _ => "for example: = [a, _]",
                    }));
            }
            (_, None) => {
                let holds = match gives {
                    None | Some(Gives::List | Gives::FdPair) => Holds::Any,
                    Some(Gives::Never) => {
                        return Err(Problem::new(expect.span, "this call does not return")
                            .help("it can only fail, as in: = -1 EACCES"));
                    }
                    Some(Gives::Nothing | Gives::Int) => Holds::Int,
                    Some(Gives::Fd) => Holds::Fd,
                    Some(Gives::Bytes) => Holds::Bytes,
                    Some(Gives::Bits(kind)) => Holds::Bits(kind),
                    Some(Gives::Task) => Holds::Task,
                };
                self.pattern(expect, holds, scope, &mut fresh)?
            }
        };
        if gives == Some(Gives::Nothing)
            && matches!(&pattern, Pattern::Value(v) if v.number() != Some(0))
        {
            return Err(Problem::new(expect.span, "this call gives 0")
                .label("expected 0, or an error such as -1 EBADF"));
        }
        for (name, holds) in fresh {
            self.bind(task, name, holds, gives.unwrap_or(Gives::List), scope)?;
        }
        Ok(pattern)
    }

    fn members(
        &self,
        items: &[Expr],
        holds: Holds,
        scope: &Scope,
        fresh: &mut Vec<(Name, Holds)>,
    ) -> Result<Pattern, Problem> {
        let patterns = items
            .iter()
            .map(|item| self.pattern(item, holds, scope, fresh));
        Ok(Pattern::List(patterns.collect::<Result<_, _>>()?))
    }

    /// A pattern for a value that holds `holds`. Names that it binds are added to `fresh`; their
    /// numbers follow from their order.
    fn pattern(
        &self,
        expr: &Expr,
        holds: Holds,
        scope: &Scope,
        fresh: &mut Vec<(Name, Holds)>,
    ) -> Result<Pattern, Problem> {
        match &expr.kind {
            ExprKind::Name(name) if name == "_" => Ok(Pattern::Any),
            ExprKind::Name(name) if scope.contains_key(name) => Ok(Pattern::Same(scope[name])),
            ExprKind::Name(name)
                if self.is_fresh(name)
                    && !(name == "setup" && matches!(holds, Holds::Task | Holds::Any)) =>
            {
                let name = Name {
                    text: name.clone(),
                    span: expr.span,
                };
                if let Some((first, _)) = fresh.iter().find(|(n, _)| n.text == name.text) {
                    let message = format!("`{}` is bound twice", name.text);
                    return Err(Problem::new(expr.span, message).also(first.span, "the first"));
                }
                let id = u16::try_from(self.bound.len() + fresh.len());
                let id = id
                    .ok()
                    .filter(|&n| usize::from(n) < MOST_NAMES)
                    .ok_or_else(|| {
                        Problem::new(expr.span, format!("more than {MOST_NAMES} names"))
                    })?;
                fresh.push((name, holds));
                Ok(Pattern::Bind(VarId(id)))
            }
            ExprKind::List(items) if holds == Holds::Any => {
                self.members(items, holds, scope, fresh)
            }
            _ => {
                let value = match self.operand(expr, scope)? {
                    Operand::Value(value) => value,
                    Operand::Var(var) => return Ok(Pattern::Same(var)),
                };
                let fits = match (&value, holds) {
                    (Value::Memory(_) | Value::Error(_), _) => false,
                    (_, Holds::Any) | (Value::Int(_), _) => true,
                    (Value::Bits(..) | Value::Signal(_), Holds::Int) => true,
                    (Value::Data(_), Holds::Bytes) | (Value::Task(_), Holds::Task) => true,
                    (Value::Bits(kind, _), Holds::Bits(wanted)) => *kind == wanted,
                    _ => false,
                };
                if fits {
                    return Ok(Pattern::Value(value));
                }
                if let (Value::Task(task), ExprKind::Name(name)) = (&value, &expr.kind) {
                    let message = format!("`{name}` is a task, so no result can be called so");
                    return Err(Problem::new(expr.span, message)
                        .also(self.places[task.index()].span, "the task"));
                }
                let wanted = match holds {
                    Holds::Fd => "a descriptor".into(),
                    Holds::Int => "a number".into(),
                    Holds::Bytes => "bytes".into(),
                    Holds::Bits(kind) => kind.describe(),
                    Holds::Task => "a task".into(),
                    Holds::Any => "a value".to_string(),
                };
                Err(Problem::new(expr.span, format!("this call gives {wanted}"))
                    .label(format!("this is {}", fold::describe(&value))))
            }
        }
    }

    /// Whether a name that is not in scope is one that an expectation binds.
    fn is_fresh(&self, name: &str) -> bool {
        fresh_name(name) && !self.by_name.contains_key(name)
    }

    fn bind(
        &mut self,
        task: TaskId,
        name: Name,
        holds: Holds,
        gives: Gives,
        scope: &mut Scope,
    ) -> Result<(), Problem> {
        if matches!(&*name.text, "setup" | "fork" | "thread") {
            let message = format!("a result cannot be called `{}`", name.text);
            return Err(Problem::new(name.span, message).label("this is a word of the language"));
        }
        let id = VarId(u16::try_from(self.bound.len()).expect("bounded by MOST_NAMES"));
        scope.insert(name.text.clone(), id);
        self.bound.push(Bound {
            name,
            task,
            holds,
            gives,
        });
        Ok(())
    }

    /// What an expression in a program is: a value known before the run, or one name.
    pub(super) fn operand(&self, expr: &Expr, scope: &Scope) -> Result<Operand, Problem> {
        let span = expr.span;
        if let Some(value) = fold::literal(&expr.kind) {
            return Ok(Operand::Value(value));
        }
        match &expr.kind {
            ExprKind::Name(name) => self.name(name, span, scope),
            ExprKind::Qualified(task, name) => self.qualified(task, name, span, scope),
            ExprKind::Error(name) => Ok(Operand::Value(Value::Error(errno(name, span)?))),
            ExprKind::List(items) => {
                let values = items.iter().map(|e| self.known(e, scope));
                Ok(Operand::Value(Value::List(
                    values.collect::<Result<_, _>>()?,
                )))
            }
            ExprKind::Apply(name, args) if fold::BUFFERS.contains(&&**name) => {
                let args: Result<Vec<_>, _> = args.iter().map(|e| self.known(e, scope)).collect();
                let value = fold::buffer(name, &args?);
                Ok(Operand::Value(
                    value.map_err(|message| Problem::new(span, message))?,
                ))
            }
            ExprKind::Apply(name, _) if fold::FUNCTIONS.contains(&&**name) => Err(Problem::new(
                span,
                format!("`{name}` can stand only in a condition"),
            )),
            ExprKind::Apply(name, _) => Err(unknown_function(name, span, fold::BUFFERS)),
            ExprKind::Binary(op @ (Op::Add | Op::Sub | Op::Mul | Op::BitOr), a, b) => {
                let (a, b) = (self.known(a, scope)?, self.known(b, scope)?);
                let value = self.budget.combine(*op, &a, &b);
                Ok(Operand::Value(
                    value.map_err(|message| Problem::new(span, message))?,
                ))
            }
            _ => Err(Problem::new(
                span,
                "a comparison can stand only in a condition",
            )),
        }
    }

    /// The value of an expression that must be known before the run.
    pub(super) fn known(&self, expr: &Expr, scope: &Scope) -> Result<Value, Problem> {
        match self.operand(expr, scope)? {
            Operand::Value(value) => Ok(value),
            Operand::Var(var) => {
                let bound = &self.bound[var.index()];
                let message = format!(
                    "`{}` is known only while the scenario runs",
                    bound.name.text
                );
                Err(Problem::new(expr.span, message)
                    .label("this must be a value known beforehand")
                    .also(bound.name.span, "bound here"))
            }
        }
    }

    fn name(&self, name: &str, span: Span, scope: &Scope) -> Result<Operand, Problem> {
        if let Some(value) = fold::constant(name) {
            return Ok(Operand::Value(value));
        }
        if let Some(&task) = self.by_name.get(name) {
            return Ok(Operand::Value(Value::Task(task)));
        }
        if name == "setup" {
            return Ok(Operand::Value(Value::Task(TaskId::SETUP)));
        }
        if let Some(&var) = scope.get(name) {
            return Ok(Operand::Var(var));
        }
        if Errno::from_name(name).is_some() {
            return Err(bare_errno(name, span));
        }
        if name == "_" {
            return Err(Problem::new(
                span,
                "`_` stands for any result; a value must stand here",
            ));
        }
        if fold::in_capitals(name) {
            return Err(unknown_constant(name, span));
        }
        let problem = Problem::new(span, format!("`{name}` is not bound here"));
        Err(match self.expected.get(name) {
            Some(elsewhere) => problem
                .also(*elsewhere, "what is bound here, this call cannot see")
                .help(SIGHT),
            None => problem.label("no call binds this name").suggest(
                name,
                scope
                    .keys()
                    .map(String::as_str)
                    .chain(self.by_name.keys().copied()),
            ),
        })
    }

    fn qualified(
        &self,
        task: &str,
        name: &str,
        span: Span,
        scope: &Scope,
    ) -> Result<Operand, Problem> {
        let id = match task {
            "setup" => TaskId::SETUP,
            _ => self.task(&Name {
                text: task.into(),
                span,
            })?,
        };
        match scope.get(name) {
            Some(&var) if self.bound[var.index()].task == id => Ok(Operand::Var(var)),
            _ => Err(
                Problem::new(span, format!("`{task}.{name}` is not bound here")).help(
                    "a task sees what it, its starters before they started it, and setup bound",
                ),
            ),
        }
    }
}

/// Which names a call sees.
const SIGHT: &str = "a call sees the names bound before it by its own task, by setup, and by the \
                     tasks that started its own, before they did";

/// What an expression in a program is.
pub(super) enum Operand {
    Value(Value),
    Var(VarId),
}

/// Whether a name could be that of a result.
fn fresh_name(name: &str) -> bool {
    fold::constant(name).is_none()
        && Errno::from_name(name).is_none()
        && !fold::in_capitals(name)
        && name != "_"
}

fn line_span(line: &Line) -> Span {
    match line {
        Line::Call(call) => call.span,
        Line::Fork(p) | Line::Thread(p) => p.name.span,
    }
}

/// The errno of that name.
pub(super) fn errno(name: &str, span: Span) -> Result<Errno, Problem> {
    Errno::from_name(name).ok_or_else(|| {
        let all: Vec<String> = Errno::ALL.iter().map(Errno::to_string).collect();
        Problem::new(span, format!("`{name}` is no errno"))
            .suggest(name, all.iter().map(String::as_str))
    })
}

pub(super) fn bare_errno(name: &str, span: Span) -> Problem {
    Problem::new(span, format!("`{name}` is an errno, not a value"))
        .help(format!("a failed call is written -1 {name}"))
}

pub(super) fn unknown_constant(name: &str, span: Span) -> Problem {
    let all: Vec<String> = fold::constants().collect();
    Problem::new(span, format!("no constant is called `{name}`"))
        .label("names in capitals are constants")
        .suggest(name, all.iter().map(String::as_str))
}

/// A function that is none of `known`.
pub(super) fn unknown_function(name: &str, span: Span, known: &[&str]) -> Problem {
    Problem::new(span, format!("no function is called `{name}`"))
        .help(format!("the functions are {}", known.join(", ")))
        .suggest(name, known.iter().copied())
}
