//! Programs made by hand, and a sandbox to run them in.
#![allow(dead_code, missing_docs)]

use real::{Options, Run, Sandbox};
use scenario::{
    Arg, Bits, Data, End, Event, Pattern, Program, Signal, Stmt, Sys, Task, TaskId, TaskKind,
    Value, Var, VarId, What,
};

/// Builds a program task by task.
pub struct Make {
    program: Program,
    at: usize,
}

pub fn int(n: i64) -> Arg {
    Arg::Value(Value::Int(n))
}
pub fn text(s: &str) -> Arg {
    Arg::Value(Value::from(s))
}
pub fn bytes(byte: u8, len: usize) -> Arg {
    Arg::Value(Value::Data(Data::repeat(byte, len)))
}
pub fn path(s: &str) -> Arg {
    Arg::Value(Value::Path(s.into()))
}
pub fn bits(kind: Bits, n: u64) -> Arg {
    Arg::Value(Value::Bits(kind, n))
}
pub fn sig(s: Signal) -> Arg {
    Arg::Value(Value::Signal(s))
}
pub fn task(n: u16) -> Arg {
    Arg::Value(Value::Task(TaskId(n)))
}
pub fn var(n: u16) -> Arg {
    Arg::Var(VarId(n))
}
pub fn list(args: &[Arg]) -> Arg {
    Arg::List(args.to_vec())
}
pub fn bind(n: u16) -> Pattern {
    Pattern::Bind(VarId(n))
}
pub fn pair(a: u16, b: u16) -> Pattern {
    Pattern::List(vec![bind(a), bind(b)])
}

impl Make {
    pub fn new() -> Make {
        let program = Program {
            name: "test/by-hand".into(),
            description: String::new(),
            clauses: Vec::new(),
            needs: Vec::new(),
            tasks: vec![Task { name: "setup".into(), kind: TaskKind::Setup, body: Vec::new() }],
            vars: Vec::new(),
            order: None,
            conditions: Vec::new(),
            observed: Vec::new(),
            observed_signals: Vec::new(),
        };
        Make { program, at: 0 }
    }

    pub fn task(mut self, name: &str, kind: TaskKind) -> Make {
        self.at = self.program.tasks.len();
        self.program.tasks.push(Task { name: name.into(), kind, body: Vec::new() });
        self
    }

    pub fn process(self, name: &str) -> Make {
        self.task(name, TaskKind::Process)
    }

    pub fn call(self, sys: Sys, args: &[Arg]) -> Make {
        self.bound(sys, args, Pattern::Any)
    }

    pub fn bound(mut self, sys: Sys, args: &[Arg], expect: Pattern) -> Make {
        let task = TaskId(self.at as u16);
        let vars = &mut self.program.vars;
        expect.binds(&mut |v| {
            while vars.len() <= v.index() {
                let name = format!("v{}", vars.len());
                vars.push(Var { label: name.clone(), name, task });
            }
        });
        let written = sys.spec().params.iter();
        let count = written.filter(|p| !matches!(p.kind, scenario::Kind::Word(_))).count();
        let mut args = args.to_vec();
        args.resize(count, int(0));
        self.program.tasks[self.at].body.push(Stmt {
            sys,
            args,
            blocks: false,
            expect,
            text: String::new(),
            implicit: false,
            span: Default::default(),
        });
        self
    }

    /// Shows these names and the signals of these tasks in outcomes.
    pub fn observe(mut self, vars: &[u16], signals: &[u16]) -> Make {
        self.program.observed = vars.iter().map(|&v| VarId(v)).collect();
        self.program.observed_signals = signals.iter().map(|&t| TaskId(t)).collect();
        self
    }

    /// The program, with `exit(0)` at the end of each task that does not say so.
    pub fn done(mut self) -> Program {
        for at in 1..self.program.tasks.len() {
            if self.program.tasks[at].body.last().is_none_or(|s| s.sys != Sys::Exit) {
                self.at = at;
                self = self.call(Sys::Exit, &[int(0)]);
            }
        }
        self.program
    }
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(&Options::default()).expect("a sandbox")
}

pub fn ordering(tasks: &[u16]) -> Vec<TaskId> {
    tasks.iter().map(|&t| TaskId(t)).collect()
}

/// Runs a program and gives the events of each step, written short.
pub fn story(sandbox: &mut Sandbox, program: &Program, order: &[u16]) -> Vec<String> {
    match sandbox.lockstep(program, &ordering(order)) {
        Ok(run) => tell(program, &run),
        Err(e) => vec![format!("error: {e}")],
    }
}

pub fn tell(program: &Program, run: &Run) -> Vec<String> {
    let mut lines: Vec<String> = run
        .steps
        .iter()
        .map(|s| s.events.iter().map(|e| show(program, e)).collect::<Vec<_>>().join("; "))
        .collect();
    let left: Vec<String> = run
        .left
        .iter()
        .map(|&(task, end)| show(program, &Event { task, what: What::End(end) }))
        .collect();
    if !left.is_empty() {
        lines.push(left.join("; "));
    }
    lines
}

fn show(program: &Program, e: &Event) -> String {
    let name = &program.task(e.task).name;
    match &e.what {
        What::Issue(n) => format!("{name} {n}"),
        What::Block(_) => format!("{name} blocks"),
        What::Return(_, v) => format!("{name} = {v}"),
        What::Handle(h) => format!("{name} handles {} {} {}", h.signal, h.code, h.sender),
        What::End(End::Blocked(n)) => format!("{name} blocked {n}"),
        What::End(End::Stopped(n)) => format!("{name} stopped {n}"),
        What::End(end) => format!("{name} {end}"),
    }
}
