//! Which programs the protocols run, and how one becomes threads.

use super::process::{Description, Object, Process};
use super::{Broken, Fault, ProtocolRun, World};
use crate::fifo::Access;
use crate::report::{Failure, ModelError, Record};
use crate::runtime::Runtime;
use crate::signal;
use scenario::constants::*;
use scenario::{Arg, Data, Outcome, Program, Signal, Stmt, Sys, Sysctl, TaskId, TaskKind, Value};
use sim::System;
use sim::fifo::Content;
use sim::kernel::{Config, FileKind, Kernel, ObjId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What all executions share.
pub(crate) struct Plan {
    pub program: Program,
    pub start: System,
    pub fault: Option<Fault>,
    pub record: Arc<Record>,
    pub broken: Mutex<BTreeMap<Outcome, Broken>>,
}

/// The FIFO of that name.
pub(super) fn fifo(kernel: &Kernel, path: &str) -> Option<ObjId> {
    let (_, root) = kernel
        .inodes
        .iter()
        .find(|(_, i)| matches!(&i.content, Content::Directory { parent: None, .. }))?;
    let Content::Directory { entries, .. } = &root.content else {
        return None;
    };
    let id = *entries.get(path)?;
    matches!(kernel.inodes.get(id).content, Content::Fifo).then_some(id)
}

fn skip<T>(why: String) -> Result<T, ModelError> {
    Err(ModelError::Skip(why))
}

/// An argument that the file gives.
fn given(stmt: &Stmt, at: usize) -> Option<&Value> {
    match stmt.args.get(at) {
        Some(Arg::Value(value)) => Some(value),
        _ => None,
    }
}

/// Whether the protocols have a call, as it stands there.
fn is_known(stmt: &Stmt, kernel: &Kernel) -> bool {
    let number = |at: usize| given(stmt, at).and_then(Value::number);
    let flags = |at: usize| stmt.args.get(at).map_or(Some(0), |_| number(at));
    let bytes = |at: usize| match given(stmt, at) {
        Some(Value::Data(data)) => Some(data),
        _ => None,
    };
    match stmt.sys {
        Sys::Read | Sys::Write | Sys::Close | Sys::Exit => true,
        Sys::Open => {
            matches!(given(stmt, 0), Some(Value::Path(path)) if fifo(kernel, path).is_some())
        }
        Sys::Kill => match (given(stmt, 0), given(stmt, 1)) {
            (Some(&Value::Task(to)), Some(&Value::Signal(signal))) if to != TaskId::SETUP => {
                signal::is_known(&kernel.process_of(to).dispositions, signal)
            }
            _ => false,
        },
        Sys::MqSend => bytes(1).is_some() && number(2).is_some_and(|n| (0..32768).contains(&n)),
        Sys::MqReceive => number(1).is_some(),
        Sys::MsgSend => {
            let fits = |data: &Data| data.len() as u64 <= kernel.limits.most(Sysctl::MsgMax);
            let known = flags(3).is_some_and(|f| f as u64 & !IPC_NOWAIT == 0);
            known && bytes(2).is_some_and(fits) && number(1).is_some_and(|n| n > 0)
        }
        Sys::MsgReceive => {
            let known = |f: i64| f as u64 & !(IPC_NOWAIT | MSG_NOERROR | MSG_EXCEPT) == 0;
            flags(3).is_some_and(known) && number(1).is_some_and(|n| n >= 0) && number(2).is_some()
        }
        Sys::MsgSet => {
            let ids = [1, 2].iter().all(|&at| number(at).is_some_and(|n| n >= 0));
            let most = kernel.limits.most(Sysctl::MsgMnb);
            let known = |n: i64| u64::try_from(n).is_ok_and(|n| n <= most);
            ids && number(3).is_some() && number(4).is_some_and(known)
        }
        Sys::MsgRemove => true,
        _ => false,
    }
}

/// Whether the protocols have what the setup leaves behind.
fn is_known_start(kernel: &Kernel, program: &Program) -> Result<(), ModelError> {
    for (_, file) in kernel.files.iter() {
        if !matches!(
            file.kind,
            FileKind::Pipe(_) | FileKind::Null | FileKind::Queue(_)
        ) || file.flags & (O_DIRECT | O_ASYNC) != 0
        {
            return skip("the protocols have only pipes that are streams, and queues".into());
        }
    }
    if kernel.queues.iter().any(|(_, q)| q.registration.is_some()) {
        return skip("the protocols have no `mq_notify`".into());
    }
    for task in program.processes() {
        let process = kernel.process_of(task);
        if kernel.task(task).mask.0 != 0 {
            return skip("the protocols have no blocked signals".into());
        }
        if !signal::is_known(&process.dispositions, Signal::SIGPIPE)
            || process.dispositions.get(Signal::SIGPIPE).handler > SIG_IGN
        {
            return skip("the protocols have no handler of SIGPIPE".into());
        }
    }
    Ok(())
}

impl Plan {
    pub fn new(program: &Program, fault: Option<Fault>) -> Result<Plan, ModelError> {
        let (start, _) = System::start(program, Config::default())?;
        if program.order.is_some() {
            return skip("the protocols run every ordering, and this program fixes one".into());
        }
        for task in program.tasks.iter().skip(1) {
            if task.kind != TaskKind::Process {
                return skip(format!(
                    "the protocols have no threads and no fork: `{}`",
                    task.name
                ));
            }
            for stmt in &task.body {
                if !is_known(stmt, start.kernel()) {
                    return skip(format!("the protocols have no `{}`", stmt.text));
                }
                if stmt.blocks {
                    return skip(format!(
                        "the protocols do not know what `{}` did when all was quiet",
                        stmt.text
                    ));
                }
            }
        }
        is_known_start(start.kernel(), program)?;
        Ok(Plan {
            program: program.clone(),
            start,
            fault,
            record: Arc::default(),
            broken: Mutex::default(),
        })
    }

    /// Runs the program once. With `host`, this thread is one of the processes.
    pub fn execute<R: Runtime>(self: &Arc<Self>, host: bool) {
        let world = Arc::new(World::<R>::new(self));
        let kernel = self.start.kernel();
        let descriptions: BTreeMap<ObjId, Arc<Description<R>>> = kernel
            .files
            .iter()
            .map(|(id, file)| {
                let description = Description {
                    object: match file.kind {
                        FileKind::Pipe(pipe) => Object::Pipe(world.pipes[&pipe].clone()),
                        FileKind::Queue(queue) => Object::Queue(world.queues[&queue].clone()),
                        _ => Object::Null,
                    },
                    access: Access {
                        reads: file.readable(),
                        writes: file.writable(),
                        nonblocking: file.nonblocking(),
                    },
                    references: R::mutex(file.descriptors),
                };
                (id, Arc::new(description))
            })
            .collect();
        let mut processes: Vec<Process<R>> = self
            .program
            .processes()
            .map(|task| Process {
                world: world.clone(),
                task,
                fds: kernel
                    .process_of(task)
                    .fds
                    .iter()
                    .map(|d| d.map(|d| descriptions[&d.file].clone()))
                    .collect(),
            })
            .collect();
        let own = if host { processes.pop() } else { None };
        let mut threads = Vec::new();
        for process in processes {
            let (world, plan) = (world.clone(), self.clone());
            match R::spawn(move || process.run(&plan)) {
                Ok(thread) => threads.push(thread),
                Err(e) => {
                    let why = format!("cannot start a thread: {e}");
                    self.record.fail(Failure::Broken(why));
                    world.depart();
                }
            }
        }
        if let Some(process) = own {
            process.run(self);
        }
        threads.into_iter().for_each(R::join);
    }

    pub fn finish(
        &self,
        engine: &'static str,
        searched: Result<Option<String>, ModelError>,
    ) -> Result<ProtocolRun, ModelError> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ProtocolRun {
            run: self.record.finish(engine, searched)?,
            broken: broken.clone(),
        })
    }
}
