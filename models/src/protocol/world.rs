//! One execution: its objects, its tasks, and what is known of it.

use super::plan::Plan;
use super::{Broken, Fault};
use crate::pipe::{Inner, Pipe};
use crate::posix_mq::Queue;
use crate::report::Execution;
use crate::runtime::Runtime;
use crate::sysv_msg::Queues;
use crate::wait::{Quiet, Task};
use scenario::{End, Event, Observer, Stmt, TaskId, Value, What};
use sim::fifo::Content;
use sim::kernel::{Kernel, ObjId, Restart};
use sim::pipe::{DEFAULT_SLOTS, Ring};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Nobody runs any more: the call that sleeps never returns.
pub(crate) struct Stuck;

/// Why a call comes to no result of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nobody runs any more.
    Stuck,
    /// A signal disturbed it before it did anything that shows.
    Disturbed(Restart),
}

impl From<Stuck> for Left {
    fn from(_: Stuck) -> Left {
        Left::Stuck
    }
}

/// What is known of a run, for its outcome. Engines do not see its lock.
struct History {
    observer: Observer,
    events: Vec<Event>,
    /// Where each task is in its program.
    at: Vec<usize>,
    /// What must not have happened.
    broken: BTreeSet<String>,
}

/// Whether what a task sleeps for is there.
type IsThere = Box<dyn Fn() -> bool + Send>;

/// One execution.
pub(crate) struct World<R: Runtime> {
    plan: Arc<Plan>,
    pub fault: Option<Fault>,
    tasks: Vec<Task<R>>,
    pub quiet: Quiet,
    pub(super) pipes: BTreeMap<ObjId, Arc<Pipe<R>>>,
    pub(super) queues: BTreeMap<ObjId, Arc<Queue<R>>>,
    pub(super) message_queues: Queues<R>,
    history: Mutex<History>,
    waiting: Mutex<Vec<Option<IsThere>>>,
}

fn relock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pipes and FIFOs of the pure kernel.
fn pipes<R: Runtime>(kernel: &Kernel) -> BTreeMap<ObjId, Arc<Pipe<R>>> {
    let inodes = kernel.inodes.iter();
    let pipes = inodes.filter(|(_, i)| matches!(i.content, Content::AnonymousPipe | Content::Fifo));
    pipes
        .map(|(id, _)| {
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
        })
        .collect()
}

impl<R: Runtime> World<R> {
    /// The objects of the pure kernel after the setup.
    pub fn new(plan: &Arc<Plan>) -> World<R> {
        let kernel = plan.start.kernel();
        let queues = kernel.queues.iter();
        let tasks = plan.program.tasks.len();
        World {
            pipes: pipes(kernel),
            queues: queues
                .map(|(id, q)| (id, Arc::new(Queue::new(q.clone()))))
                .collect(),
            message_queues: Queues::new(kernel.message_queues.by_id()),
            plan: plan.clone(),
            fault: plan.fault,
            tasks: (0..tasks).map(|_| Task::new()).collect(),
            quiet: Quiet::new(tasks - 1),
            history: Mutex::new(History {
                observer: plan.start.observer().clone(),
                events: Vec::new(),
                at: vec![0; tasks],
                broken: BTreeSet::new(),
            }),
            waiting: Mutex::new((0..tasks).map(|_| None).collect()),
        }
    }

    pub fn task(&self, task: TaskId) -> &Task<R> {
        &self.tasks[task.index()]
    }

    /// The pure kernel at the start.
    pub fn kernel(&self) -> &Kernel {
        self.plan.start.kernel()
    }

    /// Whether somebody may send the task a signal.
    pub fn is_reachable(&self, task: TaskId) -> bool {
        self.kernel().task(task).reachable
    }

    /// The arguments of a call, as far as they are known now.
    pub fn args(&self, stmt: &Stmt) -> Vec<Value> {
        relock(&self.history).observer.args(stmt)
    }

    /// Notes where a task is in its program.
    pub fn is_at(&self, task: TaskId, at: usize) {
        relock(&self.history).at[task.index()] = at;
    }

    /// Notes what a task is about to sleep for.
    pub fn waits(&self, task: TaskId, is_there: impl Fn() -> bool + Send + 'static) {
        relock(&self.waiting)[task.index()] = Some(Box::new(is_there));
    }

    /// Notes that something happened that must not.
    pub fn breaks(&self, task: TaskId, what: &str) {
        let name = &self.plan.program.task(task).name;
        let broken = format!("{name}: {what}");
        relock(&self.history).broken.insert(broken);
    }

    /// Nobody runs any more: notes what the run comes to, and who sleeps for what is there.
    pub fn report(&self) {
        for task in self.quiet.asleep() {
            {
                let mut history = relock(&self.history);
                let at = history.at[task.index()];
                history.observer.end(task, End::Blocked(at));
            }
            let is_there = relock(&self.waiting)[task.index()].take();
            if is_there.is_some_and(|is_there| is_there()) {
                self.breaks(task, "it sleeps for ever for what is there");
            }
            if self.signal_pending(task) {
                self.breaks(task, "it sleeps for ever, and a signal is there");
            }
        }
        let mut history = relock(&self.history);
        let outcome = history.observer.outcome(&self.plan.program);
        if !history.broken.is_empty() {
            let mut all = relock(&self.plan.broken);
            all.entry(outcome.clone()).or_insert_with(|| Broken {
                what: std::mem::take(&mut history.broken),
                shuttle: R::recorded(),
            });
        }
        let execution = Execution {
            schedule: None,
            events: std::mem::take(&mut history.events),
            outcome,
        };
        self.plan.record.add(execution, R::recorded);
    }

    /// Notes what a task did, or what happened to it.
    pub fn happens(&self, task: TaskId, what: What) {
        let mut history = relock(&self.history);
        let event = Event { task, what };
        history.observer.observe(&self.plan.program, &event);
        history.events.push(event);
    }
}
