//! The protocols: mechanisms as a kernel really has them, and programs that use them.
//!
//! The [shell](crate::shell) has one lock around the whole kernel; a real kernel has one an object, and
//! queues, and a time between the two in which anything may happen. Here are those: [`wait`](crate::wait),
//! [`pipe`](crate::pipe), [`fifo`](crate::fifo). The same scenarios run on them, each process a thread that makes
//! its calls. What comes of it must be what the pure kernel says, and nobody may sleep for ever for
//! something that is there.
//!
//! Most rules of a protocol are there because it breaks without them. [`Fault`] lists these: a run with
//! one of them broken is caught. Two rules are not among them, because no outcome of these programs can
//! tell: that those who sleep are woken in the order of their arrival, and that who is woken is taken
//! out of the queue by the waker.
//!
//! What this cannot show: signals (a program that sends any is skipped), threads that share
//! descriptors, and what `poll` adds to the wake-ups. The unlocked look at the ring that Linux takes
//! before it sleeps is a short look under the lock here: weaker orders of memory are not modelled.

use crate::engine::{self, LoomOptions, ShuttleOptions};
use crate::fifo::Access;
use crate::pipe::{Inner, Pipe, Wanted, Written};
use crate::report::{Execution, ModelError, ModelRun, Record};
use crate::runtime::Runtime;
use crate::runtime::loom::{Loom, MOST_THREADS};
use crate::runtime::shuttle::Shuttle;
use crate::runtime::std::Std;
use crate::wait::{Quiet, Task};
use scenario::constants::*;
use scenario::{
    End, Errno, Event, Observer, Outcome, Program, Signal, Stmt, Sys, TaskId, TaskKind, Value, What,
};
use sim::System;
use sim::fifo::Content;
use sim::kernel::{Config, FileKind, ObjId};
use sim::pipe::{DEFAULT_SLOTS, Ring};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A rule of a protocol, broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A writer wakes a reader first and stores its bytes afterwards.
    WakeBeforeStore,
    /// Who is woken does not look again whether what it waits for is there.
    IfForWhile,
    /// Who waits looks first and joins the queue afterwards, without another look.
    CheckThenSleep,
    /// A reader that was woken and leaves bytes does not wake the next.
    ReaderKeepsWakeUp,
    /// A writer that was woken and leaves a free slot does not wake the next.
    WriterKeepsWakeUp,
    /// The last to close a side, or the first to open one, wakes one and not all.
    WakeOneAtLastClose,
    /// A reader wakes writers only when it has emptied the pipe.
    RoomOnlyWhenEmpty,
    /// An opener waits until its partner is there, not until it has come.
    PartnerMustStay,
    /// An opener unlocks the pipe first and joins the queue afterwards.
    UnlockThenJoin,
}

impl Fault {
    /// All of them.
    pub const ALL: &'static [Fault] = &[
        Fault::WakeBeforeStore,
        Fault::IfForWhile,
        Fault::CheckThenSleep,
        Fault::ReaderKeepsWakeUp,
        Fault::WriterKeepsWakeUp,
        Fault::WakeOneAtLastClose,
        Fault::RoomOnlyWhenEmpty,
        Fault::PartnerMustStay,
        Fault::UnlockThenJoin,
    ];
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolRun {
    /// The outcomes, and how they were found.
    pub run: ModelRun,
    /// The outcomes in which a task sleeps for ever for something that is there, and which: a wake-up
    /// was lost.
    pub lost: BTreeMap<Outcome, BTreeSet<String>>,
}

/// Nobody runs any more: the call that sleeps never returns.
pub(crate) struct Stuck;

/// What all executions share.
struct Plan {
    program: Program,
    start: System,
    fault: Option<Fault>,
    record: Arc<Record>,
    lost: Mutex<BTreeMap<Outcome, BTreeSet<String>>>,
}

/// An open file description.
struct Description<R: Runtime> {
    pipe: Option<Arc<Pipe<R>>>,
    access: Access,
    /// Descriptors that name it.
    references: R::Mutex<u32>,
}

/// What is known of a run, for its outcome. Engines do not see its lock.
struct History {
    observer: Observer,
    events: Vec<Event>,
    /// Where each task is in its program.
    at: Vec<usize>,
}

/// What a task sleeps for: the pipe's name, and what is to come of it.
type Waiting<R> = Option<(Arc<Pipe<R>>, Wanted)>;

/// One execution.
pub(crate) struct World<R: Runtime> {
    plan: Arc<Plan>,
    pub fault: Option<Fault>,
    tasks: Vec<Task<R>>,
    pub quiet: Quiet,
    pipes: BTreeMap<ObjId, Arc<Pipe<R>>>,
    history: Mutex<History>,
    waiting: Mutex<Vec<Waiting<R>>>,
}

fn relock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Runtime> World<R> {
    /// The pipes and FIFOs of the pure kernel after the setup.
    fn new(plan: &Arc<Plan>) -> World<R> {
        let kernel = plan.start.kernel();
        let inodes = kernel.inodes.iter();
        let pipes =
            inodes.filter(|(_, i)| matches!(i.content, Content::AnonymousPipe | Content::Fifo));
        let pipes = pipes.map(|(id, _)| {
            let inner = match kernel.pipes.find(id) {
                Some(p) => Inner {
                    ring: p.ring.clone(),
                    readers: p.readers,
                    writers: p.writers,
                    reader_opens: p.reader_opens,
                    writer_opens: p.writer_opens,
                },
                None => Inner {
                    ring: Ring::new(DEFAULT_SLOTS),
                    readers: 0,
                    writers: 0,
                    reader_opens: 0,
                    writer_opens: 0,
                },
            };
            (id, Arc::new(Pipe::new(inner)))
        });
        let tasks = plan.program.tasks.len();
        World {
            pipes: pipes.collect(),
            plan: plan.clone(),
            fault: plan.fault,
            tasks: (0..tasks).map(|_| Task::new()).collect(),
            quiet: Quiet::new(tasks - 1),
            history: Mutex::new(History {
                observer: plan.start.observer().clone(),
                events: Vec::new(),
                at: vec![0; tasks],
            }),
            waiting: Mutex::new((0..tasks).map(|_| None).collect()),
        }
    }

    pub fn task(&self, task: TaskId) -> &Task<R> {
        &self.tasks[task.index()]
    }

    /// Notes what a task is about to sleep for.
    pub fn waits(&self, task: TaskId, pipe: &Pipe<R>, wanted: Wanted) {
        let pipe = self.pipes.values().find(|p| std::ptr::eq(&***p, pipe));
        relock(&self.waiting)[task.index()] = pipe.cloned().map(|p| (p, wanted));
    }

    /// Nobody runs any more: notes what the run comes to, and who sleeps for what is there.
    pub fn report(&self) {
        let asleep = self.quiet.asleep();
        let mut lost = BTreeSet::new();
        let mut history = relock(&self.history);
        for &task in &asleep {
            let at = history.at[task.index()];
            history.observer.end(task, End::Blocked(at));
            if let Some((pipe, wanted)) = &relock(&self.waiting)[task.index()]
                && R::lock(&pipe.inner).has(*wanted)
            {
                lost.insert(self.plan.program.task(task).name.clone());
            }
        }
        let outcome = history.observer.outcome(&self.plan.program);
        if !lost.is_empty() {
            relock(&self.plan.lost).insert(outcome.clone(), lost);
        }
        let execution = Execution {
            schedule: None,
            events: std::mem::take(&mut history.events),
            outcome,
        };
        self.plan.record.add(execution, R::recorded);
    }

    fn happens(&self, task: TaskId, what: What) {
        let mut history = relock(&self.history);
        let event = Event { task, what };
        history.observer.observe(&self.plan.program, &event);
        history.events.push(event);
    }
}

/// A process as it runs.
struct Process<R: Runtime> {
    world: Arc<World<R>>,
    task: TaskId,
    fds: Vec<Option<Arc<Description<R>>>>,
}

impl<R: Runtime> Process<R> {
    /// Makes the program's calls, until it ends or sleeps for ever.
    fn run(mut self) {
        let plan = self.world.plan.clone();
        let body = &plan.program.task(self.task).body;
        let end = body.iter().enumerate().find_map(|(at, stmt)| {
            relock(&self.world.history).at[self.task.index()] = at;
            match self.call(stmt) {
                Ok(Next::Returns(value)) => {
                    self.world.happens(self.task, What::Return(at, value));
                    None
                }
                Ok(Next::Ends(end)) => Some(Ok(end)),
                Err(stuck) => Some(Err(stuck)),
            }
        });
        if let Some(Ok(end)) = end {
            self.world.happens(self.task, What::End(end));
            for fd in 0..self.fds.len() {
                self.close(fd);
            }
        }
        self.world.depart();
    }

    fn call(&mut self, stmt: &Stmt) -> Result<Next, Stuck> {
        let args = relock(&self.world.history).observer.args(stmt);
        let number = |at: usize| args.get(at).and_then(Value::number).unwrap_or(0);
        let value = match stmt.sys {
            Sys::Exit => return Ok(Next::Ends(End::Exited(number(0) as u8))),
            Sys::Close => match self.close(number(0) as usize) {
                true => Value::ZERO,
                false => Errno::EBADF.into(),
            },
            Sys::Open => self.open(&args[0], number(1) as u64)?,
            Sys::Read => match self.file(number(0), |a| a.reads) {
                None => Errno::EBADF.into(),
                Some(_) if number(1) == 0 => Value::Data(scenario::Data::empty()),
                Some((pipe, access)) => {
                    let (world, count) = (&self.world, number(1) as usize);
                    let result = pipe.read(world, self.task, count, access.nonblocking)?;
                    result.map_or_else(Value::Error, Value::Data)
                }
            },
            Sys::Write => match (self.file(number(0), |a| a.writes), &args[1]) {
                (Some((pipe, access)), Value::Data(data)) if !data.is_empty() => {
                    match pipe.write(&self.world, self.task, data, access.nonblocking)? {
                        Written::Done(n) => Value::Int(n as i64),
                        Written::Again => Errno::EAGAIN.into(),
                        Written::Broken => return Ok(Next::Ends(End::Killed(Signal::SIGPIPE))),
                    }
                }
                (Some(_), _) => Value::ZERO,
                (None, _) => Errno::EBADF.into(),
            },
            _ => Errno::ENOSYS.into(),
        };
        Ok(Next::Returns(value))
    }

    fn file(&self, fd: i64, may: impl Fn(Access) -> bool) -> Option<(Arc<Pipe<R>>, Access)> {
        let description = self.fds.get(usize::try_from(fd).ok()?)?.as_ref()?;
        let access = description.access;
        may(access).then_some((description.pipe.clone()?, access))
    }

    /// `close`; tells whether it was open. The last one to go releases the pipe.
    fn close(&mut self, fd: usize) -> bool {
        let Some(description) = self.fds.get_mut(fd).and_then(Option::take) else {
            return false;
        };
        let Some(pipe) = &description.pipe else {
            return true;
        };
        let left = {
            let mut references = R::lock(&description.references);
            *references -= 1;
            *references
        };
        if left == 0 {
            let Access { reads, writes, .. } = description.access;
            pipe.release(&self.world, reads, writes);
        }
        true
    }

    /// `open` of a FIFO in the run's own directory.
    fn open(&mut self, path: &Value, flags: u64) -> Result<Value, Stuck> {
        let Some(pipe) = fifo(self.world.plan.start.kernel(), path) else {
            return Ok(Errno::ENOENT.into());
        };
        let pipe = self.world.pipes[&pipe].clone();
        let access = Access {
            reads: flags & O_ACCMODE != O_WRONLY,
            writes: flags & O_ACCMODE != O_RDONLY,
            nonblocking: flags & O_NONBLOCK != 0,
        };
        if let Err(e) = pipe.open(&self.world, self.task, access)? {
            return Ok(e.into());
        }
        let fd = self.fds.iter().position(Option::is_none);
        let fd = fd.unwrap_or_else(|| {
            self.fds.push(None);
            self.fds.len() - 1
        });
        self.fds[fd] = Some(Arc::new(Description {
            pipe: Some(pipe),
            access,
            references: R::mutex(1),
        }));
        Ok(Value::Int(fd as i64))
    }
}

/// How a program goes on after a call.
enum Next {
    Returns(Value),
    Ends(End),
}

/// The FIFO of that name.
fn fifo(kernel: &sim::kernel::Kernel, path: &Value) -> Option<ObjId> {
    let Value::Path(path) = path else {
        return None;
    };
    let (_, root) = kernel
        .inodes
        .iter()
        .find(|(_, i)| matches!(&i.content, Content::Directory { parent: None, .. }))?;
    let Content::Directory { entries, .. } = &root.content else {
        return None;
    };
    let id = *entries.get(&**path)?;
    matches!(kernel.inodes.get(id).content, Content::Fifo).then_some(id)
}

impl Plan {
    fn new(program: &Program, fault: Option<Fault>) -> Result<Plan, ModelError> {
        let (start, _) = System::start(program, Config::default())?;
        let skip = |why: String| Err(ModelError::Skip(why));
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
                let known = matches!(stmt.sys, Sys::Read | Sys::Write | Sys::Close | Sys::Exit);
                let opens = stmt.sys == Sys::Open
                    && matches!(&stmt.args[0], scenario::Arg::Value(path) if fifo(start.kernel(), path).is_some());
                if !known && !opens {
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
        let kernel = start.kernel();
        for (_, file) in kernel.files.iter() {
            if !matches!(file.kind, FileKind::Pipe(_) | FileKind::Null)
                || file.flags & (O_DIRECT | O_ASYNC) != 0
            {
                return skip("the protocols have only pipes that are streams".into());
            }
        }
        let setup = &program.tasks[0].body;
        if let Some(stmt) = setup
            .iter()
            .find(|s| matches!(s.sys, Sys::Sigaction | Sys::Sigprocmask))
        {
            return skip(format!("the protocols have no `{}`", stmt.text));
        }
        Ok(Plan {
            program: program.clone(),
            start,
            fault,
            record: Arc::default(),
            lost: Mutex::default(),
        })
    }

    /// Runs the program once. With `host`, this thread is one of the processes.
    fn execute<R: Runtime>(self: &Arc<Self>, host: bool) {
        let world = Arc::new(World::<R>::new(self));
        let kernel = self.start.kernel();
        let descriptions: BTreeMap<ObjId, Arc<Description<R>>> = kernel
            .files
            .iter()
            .map(|(id, file)| {
                let description = Description {
                    pipe: file.pipe().map(|p| world.pipes[&p].clone()),
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
            let world = world.clone();
            match R::spawn(move || process.run()) {
                Ok(thread) => threads.push(thread),
                Err(e) => {
                    let why = format!("cannot start a thread: {e}");
                    self.record.fail(crate::report::Failure::Broken(why));
                    world.depart();
                }
            }
        }
        if let Some(process) = own {
            process.run();
        }
        threads.into_iter().for_each(R::join);
    }

    fn finish(
        &self,
        engine: &'static str,
        searched: Result<Option<String>, ModelError>,
    ) -> Result<ProtocolRun, ModelError> {
        Ok(ProtocolRun {
            run: self.record.finish(engine, searched)?,
            lost: relock(&self.lost).clone(),
        })
    }
}

/// Runs a program over the protocols under loom, with a rule broken if there is one to break.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs what the protocols do not have, or more threads than loom has;
/// [`ModelError::Setup`] when it cannot be run on the model at all; the others are bugs.
pub fn loom(
    program: &Program,
    fault: Option<Fault>,
    options: &LoomOptions,
) -> Result<ProtocolRun, ModelError> {
    let plan = Arc::new(Plan::new(program, fault)?);
    let threads = program.tasks.len() - 1;
    if threads > MOST_THREADS {
        let why = format!("it needs {threads} threads; loom has {MOST_THREADS}");
        return Err(ModelError::Skip(why));
    }
    let body = plan.clone();
    let searched = engine::loom_run(options, &plan.record, move || body.execute::<Loom>(true));
    plan.finish("loom", searched)
}

/// Runs a program over the protocols under shuttle, with a rule broken if there is one to break.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs what the protocols do not have;
/// [`ModelError::Setup`] when it cannot be run on the model at all;
/// [`ModelError::Schedule`] when the schedule to be replayed is not one of it; the others are bugs.
pub fn shuttle(
    program: &Program,
    fault: Option<Fault>,
    options: &ShuttleOptions,
) -> Result<ProtocolRun, ModelError> {
    let plan = Arc::new(Plan::new(program, fault)?);
    let body = plan.clone();
    let searched = engine::shuttle_run(options, &plan.record, move || {
        body.execute::<Shuttle>(false);
    });
    plan.finish("shuttle", searched)
}

/// Runs a program over the protocols so many times on plain threads, with a rule broken if there is
/// one to break.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs what the protocols do not have;
/// [`ModelError::Setup`] when it cannot be run on the model at all;
/// [`ModelError::Failed`] when there are no threads to be had.
pub fn std_threads(
    program: &Program,
    fault: Option<Fault>,
    rounds: usize,
) -> Result<ProtocolRun, ModelError> {
    let plan = Arc::new(Plan::new(program, fault)?);
    let body = plan.clone();
    let searched = engine::std_run(rounds, &plan.record, move || body.execute::<Std>(false));
    plan.finish("std", searched)
}
