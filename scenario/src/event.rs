//! What happened: events, traces, outcomes.

use crate::{Program, Signal, Stmt, TaskId, Value, VarId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The first part of a clause's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Prefix {
    Pipe,
    Fifo,
    Ready,
    Fd,
    Sig,
    Nice,
    Unix,
    Tcp,
    Udp,
    Mq,
    Msg,
    Sem,
    Sysvsem,
    Shm,
    Sysvshm,
    Mem,
}

/// The id of a clause of the catalogue: `PIPE-031`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Clause {
    /// The first part.
    pub prefix: Prefix,
    /// The number.
    pub number: u16,
}

/// Something a task did, or that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// The task.
    pub task: TaskId,
    /// What.
    pub what: What,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    /// The task issued the call at this index of its program.
    Issue(usize),
    /// That call went to sleep: it had not returned when the system was quiet.
    Block(usize),
    /// That call returned.
    Return(usize, Value),
    /// A handler ran.
    Handle(Handled),
    /// The task ended.
    End(End),
}

/// A handled signal with what its siginfo says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Handled {
    /// The signal.
    pub signal: Signal,
    /// `si_code`, as [`crate::Bits::SiCode`].
    pub code: Value,
    /// The sender: a task, or 0 for the kernel.
    pub sender: Value,
    /// What the sender of `SI_QUEUE` (or another code of its own) gave with it, or a child's status.
    pub value: Option<i64>,
}

impl Handled {
    /// A signal that comes with no value.
    pub fn new(signal: Signal, code: Value, sender: Value) -> Handled {
        Handled {
            signal,
            code,
            sender,
            value: None,
        }
    }

    /// The information as the language shows it: `[signal, code, sender]`, and the value if there
    /// is one.
    pub fn to_value(&self) -> Value {
        let mut list = vec![
            Value::Signal(self.signal),
            self.code.clone(),
            self.sender.clone(),
        ];
        list.extend(self.value.map(Value::Int));
        Value::List(list)
    }
}

/// How a task stands at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum End {
    /// It was never started.
    NotStarted,
    /// It ended by `exit` with this status.
    Exited(u8),
    /// A signal ended it.
    Killed(Signal),
    /// It sleeps for ever in the call at this index.
    Blocked(usize),
    /// It is stopped, before or in the call at this index.
    Stopped(usize),
    /// It was still running when the run was given up.
    Unfinished(usize),
}

/// One run: its events in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The events.
    pub events: Vec<Event>,
}

/// What a run comes to: what its scenario's conditions can see.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Outcome {
    /// What the observed names hold, in the order of [`Program::observed`]; `None` where the call
    /// that binds it never returned.
    pub values: Vec<Option<Value>>,
    /// How each task ended, in the order of the tasks, without the setup process.
    pub ends: Vec<End>,
    /// The signals handled by the tasks of [`Program::observed_signals`].
    pub handled: Vec<Vec<Handled>>,
    /// The calls, by task and index, whose expectation failed.
    pub failed: BTreeSet<(TaskId, usize)>,
}

/// Gathers the outcome of a run as its events come. It is a fold: it keeps what conditions can
/// see and what later calls need, nothing else, so that states that differ in nothing else are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observer {
    /// What each name holds.
    env: Vec<Option<Value>>,
    ends: Vec<End>,
    handled: Vec<Vec<Handled>>,
    failed: BTreeSet<(TaskId, usize)>,
}

impl Observer {
    /// Nothing has happened.
    pub fn new(program: &Program) -> Observer {
        Observer {
            env: vec![None; program.vars.len()],
            ends: vec![End::NotStarted; program.tasks.len() - 1],
            handled: vec![Vec::new(); program.observed_signals.len()],
            failed: BTreeSet::new(),
        }
    }

    /// What a name holds; 0 if its call has not returned (which a checked program never asks).
    pub fn lookup(&self, var: VarId) -> Value {
        self.env[var.index()].clone().unwrap_or(Value::ZERO)
    }

    /// What a name holds, if its call has returned.
    pub fn holds(&self, var: VarId) -> Option<&Value> {
        self.env[var.index()].as_ref()
    }

    /// Forgets what a name holds: nothing that is still to come looks at it.
    pub fn forget(&mut self, var: VarId) {
        self.env[var.index()] = None;
    }

    /// The arguments of a call, given what names hold now.
    pub fn args(&self, stmt: &Stmt) -> Vec<Value> {
        stmt.args
            .iter()
            .map(|a| a.eval(&mut |v| self.lookup(v)))
            .collect()
    }

    /// Takes an event in. Tells whether it met the program's expectation.
    pub fn observe(&mut self, program: &Program, event: &Event) -> bool {
        match &event.what {
            What::Return(index, value) => {
                let stmt = program.stmt(event.task, *index);
                let mut bound = Vec::new();
                let ok = stmt
                    .expect
                    .check(value, &mut |v| self.lookup(v), &mut |v, value| {
                        bound.push((v, value));
                    });
                for (v, value) in bound {
                    self.env[v.index()] = Some(value);
                }
                if !ok {
                    self.failed.insert((event.task, *index));
                }
                ok
            }
            What::Handle(h) => {
                if let Some(at) = program
                    .observed_signals
                    .iter()
                    .position(|t| *t == event.task)
                {
                    // What no condition looks at must not tell outcomes apart.
                    let seen = match program.sees_siginfo(event.task) {
                        true => h.clone(),
                        false => Handled::new(h.signal, Value::ZERO, Value::ZERO),
                    };
                    self.handled[at].push(seen);
                }
                true
            }
            What::End(end) => {
                self.end(event.task, *end);
                true
            }
            What::Issue(_) | What::Block(_) => true,
        }
    }

    /// Notes a call that was to block and did not (or the other way round).
    pub fn fail(&mut self, task: TaskId, index: usize) {
        self.failed.insert((task, index));
    }

    /// Sets how a task stands.
    pub fn end(&mut self, task: TaskId, end: End) {
        if task != TaskId::SETUP {
            self.ends[task.index() - 1] = end;
        }
    }

    /// The outcome, if nothing more happens. Numbers that no rule fixes are renamed by their
    /// first appearance.
    pub fn outcome(&self, program: &Program) -> Outcome {
        let mut seen = Vec::new();
        Outcome {
            values: program
                .observed
                .iter()
                .map(|v| self.env[v.index()].as_ref().map(|v| rename(v, &mut seen)))
                .collect(),
            ends: self.ends.clone(),
            handled: self.handled.clone(),
            failed: self.failed.clone(),
        }
    }
}

/// Renames symbolic numbers by their first appearance; `seen` holds those that have appeared.
pub fn rename(value: &Value, seen: &mut Vec<(crate::Class, u32)>) -> Value {
    match value {
        Value::Symbol(class, raw) => {
            let at = seen
                .iter()
                .position(|s| *s == (*class, *raw))
                .unwrap_or_else(|| {
                    seen.push((*class, *raw));
                    seen.len() - 1
                });
            let n = seen[..at].iter().filter(|(c, _)| c == class).count();
            Value::Symbol(*class, n as u32)
        }
        Value::List(vs) => Value::List(vs.iter().map(|v| rename(v, seen)).collect()),
        v => v.clone(),
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Prefix::Pipe => "PIPE",
            Prefix::Fifo => "FIFO",
            Prefix::Ready => "READY",
            Prefix::Fd => "FD",
            Prefix::Sig => "SIG",
            Prefix::Nice => "NICE",
            Prefix::Unix => "UNIX",
            Prefix::Tcp => "TCP",
            Prefix::Udp => "UDP",
            Prefix::Mq => "MQ",
            Prefix::Msg => "MSG",
            Prefix::Sem => "SEM",
            Prefix::Sysvsem => "SYSVSEM",
            Prefix::Shm => "SHM",
            Prefix::Sysvshm => "SYSVSHM",
            Prefix::Mem => "MEM",
        })
    }
}

impl Prefix {
    /// Every prefix, in the order of the catalogue.
    pub const ALL: &'static [Prefix] = &[
        Prefix::Pipe,
        Prefix::Fifo,
        Prefix::Ready,
        Prefix::Fd,
        Prefix::Sig,
        Prefix::Nice,
        Prefix::Unix,
        Prefix::Tcp,
        Prefix::Udp,
        Prefix::Mq,
        Prefix::Msg,
        Prefix::Sem,
        Prefix::Sysvsem,
        Prefix::Shm,
        Prefix::Sysvshm,
        Prefix::Mem,
    ];
}

impl std::str::FromStr for Clause {
    type Err = ();

    /// `PIPE-031`.
    fn from_str(s: &str) -> Result<Clause, ()> {
        let (prefix, number) = s.rsplit_once('-').ok_or(())?;
        let prefix = *Prefix::ALL
            .iter()
            .find(|p| p.to_string() == prefix)
            .ok_or(())?;
        Ok(Clause {
            prefix,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:03}", self.prefix, self.number)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::NotStarted => f.write_str("not started"),
            End::Exited(n) => write!(f, "exited {n}"),
            End::Killed(s) => write!(f, "killed by {s}"),
            End::Blocked(_) => f.write_str("blocked"),
            End::Stopped(_) => f.write_str("stopped"),
            End::Unfinished(_) => f.write_str("unfinished"),
        }
    }
}
