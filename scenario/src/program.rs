//! A scenario made ready to run: names are numbers, variants are chosen, every call is typed.

use crate::ast::{Need, Op, Quantifier, Span};
use crate::{Errno, Sys, Value};
use serde::{Deserialize, Serialize};

/// A task of a program: 0 is the setup process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId(pub u16);

impl TaskId {
    /// The setup process.
    pub const SETUP: TaskId = TaskId(0);

    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A name that a result is bound to; each is bound once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VarId(pub u16);

impl VarId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One variant of a scenario, ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// `pipe/no-boundaries`, with its variant if it has one: `pipe/atomic[n=4096]`.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// The clauses that it is about: `PIPE-030`.
    pub clauses: Vec<String>,
    /// What it needs of the machine.
    pub needs: Vec<Need>,
    /// The tasks; the first is the setup process.
    pub tasks: Vec<Task>,
    /// The names that results are bound to.
    pub vars: Vec<Var>,
    /// The one ordering in which calls are issued, if the scenario fixes it.
    pub order: Option<Vec<TaskId>>,
    /// The conditions over outcomes.
    pub conditions: Vec<Condition>,
    /// The names that outcomes show, in the order of their columns.
    pub observed: Vec<VarId>,
    /// The tasks whose handled signals outcomes show.
    pub observed_signals: Vec<TaskId>,
    /// Those of them of which they show the siginfo too.
    pub observed_siginfo: Vec<TaskId>,
}

impl Program {
    /// The mechanism: the first part of the name.
    pub fn mechanism(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// A task.
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.index()]
    }

    /// The task of that name.
    pub fn task_named(&self, name: &str) -> Option<TaskId> {
        let at = self.tasks.iter().position(|t| t.name == name)?;
        Some(TaskId(at as u16))
    }

    /// The processes forked from the setup process, in the order in which they are forked.
    pub fn processes(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.task_ids()
            .filter(|&t| self.task(t).kind == TaskKind::Process)
    }

    /// All tasks, the setup process first.
    pub fn task_ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u16).map(TaskId)
    }

    /// Whether a call of it may give up after a time, or a timer end.
    pub fn is_timed(&self) -> bool {
        self.tasks
            .iter()
            .flat_map(|t| &t.body)
            .any(|s| s.timeout().is_some() || s.timer().is_some_and(|t| t.0 > 0))
    }

    /// Whether it asks for or sets nice values.
    pub fn has_nice_values(&self) -> bool {
        let mut stmts = self.tasks.iter().flat_map(|t| &t.body);
        stmts.any(|s| s.sys.is_on_nice_values())
    }

    /// Whether its tasks are to hold that capability.
    pub fn needs_capability(&self, capability: &str) -> bool {
        self.needs.iter().any(
            |need| matches!(need, Need::Capability { name, held: true } if name.text == capability),
        )
    }

    /// A statement.
    pub fn stmt(&self, task: TaskId, index: usize) -> &Stmt {
        &self.task(task).body[index]
    }
}

/// A task of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its name (`setup` for the first).
    pub name: String,
    /// What it is.
    pub kind: TaskKind,
    /// Its program. That of a process ends with `exit`, written or not; that of the setup process
    /// does not (its descriptors are closed after it has forked the processes, and it stays).
    pub body: Vec<Stmt>,
}

/// What a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaskKind {
    /// The setup process.
    Setup,
    /// A process that the setup process forks.
    Process,
    /// A child of that task's process, started by its `fork`.
    Child(TaskId),
    /// A thread of that task's process, started by its `thread`.
    Thread(TaskId),
}

/// A call of a program, with what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stmt {
    /// The call.
    pub sys: Sys,
    /// Its arguments, one for each parameter of the row ([`crate::Kind::Word`]s left out, optional ones
    /// filled in).
    pub args: Vec<Arg>,
    /// It must not have returned when the system is quiet.
    pub blocks: bool,
    /// What it must return, and the names bound to it.
    pub expect: Pattern,
    /// The call as it is written: `write(w, "hello")`.
    pub text: String,
    /// Not written: the `exit(0)` at the end of a program.
    pub implicit: bool,
    /// Where the line stands in the file.
    #[serde(skip)]
    pub span: Span,
}

impl Stmt {
    /// The time in nanoseconds after which the call gives up by itself, if it has one and that is
    /// known before the run.
    pub fn timeout(&self) -> Option<u64> {
        let number = |at: usize| match self.args.get(at) {
            Some(Arg::Value(v)) => v.number(),
            _ => None,
        };
        let (time, unit) = match self.sys {
            Sys::Poll | Sys::Ppoll => (number(1)?, 1_000_000),
            Sys::PpollRaw => (number(1)?, 1_000_000_000),
            Sys::Select | Sys::Pselect => (number(3)?, 1_000_000),
            Sys::SelectRaw | Sys::PselectRaw => (number(2)?, 1_000_000_000),
            Sys::EpollWait | Sys::EpollPwait => (number(2)?, 1_000_000),
            Sys::MqTimedSend => (number(3)?, 1_000_000),
            Sys::MqTimedReceive => (number(2)?, 1_000_000),
            Sys::Sigtimedwait => (number(1)?, 1_000_000),
            Sys::SigtimedwaitAt => (number(1)?, 1_000_000_000),
            _ => return None,
        };
        u64::try_from(time)
            .ok()
            .filter(|t| *t > 0)
            .map(|t| t.saturating_mul(unit))
    }

    /// Whether a result of the call says that it has given up after its time.
    pub fn gave_up(&self, result: &Value) -> bool {
        fn is_nothing(value: &Value) -> bool {
            match value {
                Value::List(all) => all.iter().all(is_nothing),
                other => other.number() == Some(0),
            }
        }
        self.timeout().is_some()
            && match self.sys {
                Sys::MqTimedSend | Sys::MqTimedReceive => *result == Errno::ETIMEDOUT.into(),
                Sys::Sigtimedwait | Sys::SigtimedwaitAt => *result == Errno::EAGAIN.into(),
                _ => is_nothing(result),
            }
    }
}

impl Stmt {
    /// If the call sets the timer of its process: after how many nanoseconds that ends, and after how
    /// many more again and again; 0 for never.
    pub fn timer(&self) -> Option<(u64, u64)> {
        let number = |at: usize| match self.args.get(at) {
            Some(Arg::Value(v)) => v.number().and_then(|n| u64::try_from(n).ok()),
            _ => None,
        };
        let of = |n: Option<u64>, unit: u64| n.map(|n| n.saturating_mul(unit));
        match self.sys {
            Sys::Alarm => Some((of(number(0), 1_000_000_000)?, 0)),
            Sys::Setitimer => Some((of(number(0), 1_000_000)?, of(number(1), 1_000_000)?)),
            Sys::SetitimerRaw if number(0) == Some(0) => {
                let microseconds = number(2).filter(|n| *n < 1_000_000)?;
                Some((of(number(1), 1_000_000_000)? + microseconds * 1000, 0))
            }
            _ => None,
        }
    }
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arg {
    /// A value known before the run.
    Value(Value),
    /// What was bound to a name. A name that holds an error is -1.
    Var(VarId),
    /// Several.
    List(Vec<Arg>),
}

impl Arg {
    /// Its value, given what names hold. A name that is not bound (its call never returned) cannot
    /// be asked for, since programs are straight lines; a failed call counts as -1, as in C.
    pub fn eval(&self, lookup: &mut impl FnMut(VarId) -> Value) -> Value {
        match self {
            Arg::Value(v) => v.clone(),
            Arg::Var(v) => match lookup(*v) {
                Value::Error(_) => Value::Int(-1),
                v => v,
            },
            Arg::List(args) => Value::List(args.iter().map(|a| a.eval(lookup)).collect()),
        }
    }

    /// Calls `f` with every name in it.
    pub fn vars(&self, f: &mut impl FnMut(VarId)) {
        match self {
            Arg::Value(_) => {}
            Arg::Var(v) => f(*v),
            Arg::List(args) => args.iter().for_each(|a| a.vars(f)),
        }
    }
}

/// What a result must be like.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pattern {
    /// Anything.
    Any,
    /// Anything, bound to this name.
    Bind(VarId),
    /// A value that agrees ([`Value::agrees`]).
    Value(Value),
    /// A value that agrees with what this name holds.
    Same(VarId),
    /// A list of so many values, each like this.
    List(Vec<Pattern>),
}

impl Pattern {
    /// Holds `value` against the pattern: calls `bind` for each name, and tells whether it agrees.
    /// Where a list is expected and something else came, its names are bound to what came, so
    /// that later calls through them fail as they would in C.
    pub fn check(
        &self,
        value: &Value,
        lookup: &mut impl FnMut(VarId) -> Value,
        bind: &mut impl FnMut(VarId, Value),
    ) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Bind(v) => {
                bind(*v, value.clone());
                true
            }
            Pattern::Value(v) => value.agrees(v),
            Pattern::Same(v) => value.agrees(&lookup(*v)),
            Pattern::List(ps) => match value {
                Value::List(vs) if vs.len() == ps.len() => ps
                    .iter()
                    .zip(vs)
                    .fold(true, |ok, (p, v)| p.check(v, lookup, bind) && ok),
                other => {
                    for p in ps {
                        p.check(other, lookup, bind);
                    }
                    false
                }
            },
        }
    }

    /// Calls `f` with every name that the pattern binds.
    pub fn binds(&self, f: &mut impl FnMut(VarId)) {
        match self {
            Pattern::Bind(v) => f(*v),
            Pattern::List(ps) => ps.iter().for_each(|p| p.binds(f)),
            Pattern::Any | Pattern::Value(_) | Pattern::Same(_) => {}
        }
    }
}

/// A name that a result is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Var {
    /// The name.
    pub name: String,
    /// The task that binds it.
    pub task: TaskId,
    /// As outcomes show it: `a`, or `reader.a` where several tasks bind an `a`.
    pub label: String,
}

/// A condition over outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How often it must hold.
    pub quantifier: Quantifier,
    /// The model it holds under (`posix`, `linux`); all if none.
    pub under: Option<String>,
    /// What must hold.
    pub cond: Cond,
    /// As it is written: `a == "hello" and b == "world"`.
    pub text: String,
    /// Where it stands in the file.
    pub span: Span,
}

/// An expression over an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// A value.
    Value(Value),
    /// What a name holds; comparisons with one that was never bound are false.
    Var(VarId),
    /// `len(x)`.
    Len(Box<Cond>),
    /// `handled(task)`: the list of signals whose handlers ran, in order.
    Handled(TaskId),
    /// `siginfo(task)`: the same, as lists `[signal, code, sender]`.
    Siginfo(TaskId),
    /// `exited(task, 3)`: it ended by `exit` with that status.
    Exited(TaskId, Box<Cond>),
    /// `killed(task, SIGPIPE)`: it was ended by that signal.
    Killed(TaskId, Box<Cond>),
    /// `blocked(task)`: it sleeps in a call for ever.
    Blocked(TaskId),
    /// `[a, b]`.
    List(Vec<Cond>),
    /// `a op b`.
    Binary(Op, Box<Cond>, Box<Cond>),
    /// `not a`.
    Not(Box<Cond>),
}
