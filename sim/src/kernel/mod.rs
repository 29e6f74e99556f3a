//! The pure kernel: a plain value that can be cloned, compared and hashed.
//!
//! It knows tasks, processes, descriptors, descriptions, inodes and pipes, and does one thing at a
//! time: a task issues a call ([`Kernel::invoke`]), a sleeping task that was woken goes on
//! ([`Kernel::resume`]), a signal reaches a task that runs its own code ([`Kernel::take_signals`]).
//! Each is one step of the size of what the real kernel does under one lock. A step tells what it
//! did as [`Effect`]s and which clauses say so as [`Clauses`].
//!
//! | file | what it owns |
//! |---|---|
//! | `mod.rs` | the state, and the life of a call: begun, asleep, woken, done |
//! | `call.rs` | calls in progress ([`Op`]) and the table from call to rule |
//! | `process.rs` | processes, threads, descriptor tables, credentials |
//! | `file.rs` | open file descriptions: what `dup` and `fork` share |
//! | `wait.rs` | wait queues |
//! | `time.rs` | calls that give up after a time |
//!
//! Objects are named by who made them and how many that task had made before ([`ObjId`]), so that
//! the order in which independent tasks make things leaves no mark on the state.

mod call;
mod file;
mod process;
mod time;
mod wait;

pub use call::{Invocation, Op, Progress, Restart};
pub use file::{File, FileKind};
pub use process::{Credentials, Descriptor, Process, Report};
pub use wait::{How, WaitQueue, Waiter, Who};

use crate::clause::{SIG_147, SIG_203, SIG_230};
use crate::epoll::Epoll;
use crate::eventfd::EventFd;
use crate::fifo::Inode;
use crate::fingerprint::Shared;
use crate::pipe::Pipe;
use crate::posix_mq::Queue;
use crate::signal::{Frame, SigSet};
use crate::sysctl::Limits;
use crate::sysv_msg::Queues;
use crate::terminal::Terminal;
use scenario::{Clause, End, Handled, TaskId, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which behaviours the model offers where POSIX leaves room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// What Linux does.
    #[default]
    Linux,
    /// All that POSIX allows, as far as the model has it: any sleeping reader or writer may be
    /// the one that is woken.
    Posix,
}

/// What a run assumes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Linux or the POSIX envelope.
    pub flavor: Flavor,
    /// The system's maximum pipe size in bytes (`/proc/sys/fs/pipe-max-size`).
    pub pipe_max_size: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            flavor: Flavor::Linux,
            pipe_max_size: 1 << 20,
        }
    }
}

/// The name of an object: who made it, and how many that task had made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjId {
    /// The task that made it.
    pub task: u16,
    /// How many objects that task had made before.
    pub n: u16,
}

/// Objects by their names, shared between states until one changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table<T>(Vec<(ObjId, Shared<T>)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table(Vec::new())
    }
}

impl<T: Clone> Table<T> {
    /// The object of that name, if it exists.
    pub fn find(&self, id: ObjId) -> Option<&T> {
        self.0
            .binary_search_by_key(&id, |e| e.0)
            .ok()
            .map(|at| &*self.0[at].1)
    }

    /// The object of that name, which exists because something refers to it.
    pub fn get(&self, id: ObjId) -> &T {
        self.find(id).expect("an object that is referred to exists")
    }

    /// The same, to change.
    pub fn get_mut(&mut self, id: ObjId) -> &mut T {
        let at = self.0.binary_search_by_key(&id, |e| e.0);
        self.0[at.expect("an object that is referred to exists")]
            .1
            .make_mut()
    }

    /// Adds an object under a new name.
    pub fn insert(&mut self, id: ObjId, value: T) {
        match self.0.binary_search_by_key(&id, |e| e.0) {
            Ok(at) => self.0[at].1 = Shared::new(value),
            Err(at) => self.0.insert(at, (id, Shared::new(value))),
        }
    }

    /// Removes an object.
    pub fn remove(&mut self, id: ObjId) {
        if let Ok(at) = self.0.binary_search_by_key(&id, |e| e.0) {
            self.0.remove(at);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Its place among all, by name.
    pub(crate) fn position(&self, id: ObjId) -> Option<usize> {
        self.0.binary_search_by_key(&id, |e| e.0).ok()
    }

    /// All of them, by name, to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Shared<T>> {
        self.0.iter_mut().map(|(_, v)| v)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (ObjId, &T)> {
        self.0.iter().map(|(id, v)| (*id, &**v))
    }
}

/// What a task of the kernel is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started yet.
    NotStarted,
    /// It runs its own code, and may issue a call.
    Idle,
    /// It sleeps in a call.
    Sleeping {
        /// The call as it was issued, for a restart.
        call: Arc<Invocation>,
        /// How far it got.
        op: Op,
        /// It was woken, and has not run since.
        woken: bool,
    },
    /// Its call is done and others may have seen that; it has yet to get back to its own code with
    /// this value, and a signal may come first.
    Returning(Value),
    /// It is stopped by a signal.
    Stopped {
        /// What it does when it is continued.
        then: Then,
        /// It was continued, and has not run since.
        woken: bool,
    },
    /// It has ended.
    Ended(End),
}

/// What a stopped task does when it is continued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// It was running its own code, and goes on with it.
    Idle,
    /// Its call was done: it returns this.
    Return(Value),
    /// Its call starts over, unless a handler that forbids it runs first.
    Restart(Arc<Invocation>, Restart),
}

/// A task: a thread of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// The leader of its process.
    pub process: TaskId,
    /// What it is doing.
    pub state: State,
    /// Its user and group ids.
    pub credentials: Credentials,
    /// Its nice value.
    pub nice: i8,
    /// The signals it blocks.
    pub mask: SigSet,
    /// The mask that comes back after a call that blocks others for its time.
    pub saved_mask: Option<SigSet>,
    /// Signals that it blocks but for the time of a call that waits for them.
    pub awaited: SigSet,
    /// Signals sent to it alone.
    pub pending: Vec<Handled>,
    /// It was told that a signal waits for it, and has not looked since.
    pub told: bool,
    /// Its process stops, and it has yet to.
    pub stopping: bool,
    /// The time, in nanoseconds from now, after which its call gives up.
    pub deadline: Option<u64>,
    /// That time is over, and the call has not looked since.
    pub expired: bool,
    /// Handlers that will run when it gets back to its own code, the last one first.
    pub frames: Vec<Frame>,
    /// A signal may reach it from outside, so that its return is a step of its own
    /// ([`reachable`](crate::signal::reachable)).
    pub reachable: bool,
    /// Another task may remove a System V queue between its finding and its locking it
    /// ([`meet_removals`](crate::sysv_msg::meet_removals)).
    pub meets_removal: bool,
    /// The processes that are its children, in the order in which they became so.
    pub children: Vec<TaskId>,
    made: u16,
}

/// The whole kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// What it assumes of the machine.
    pub config: Config,
    /// Some task may wait for children: then what a process closes as it ends is a step, and that it
    /// can be waited for another.
    pub waits: bool,
    /// Its privileged tasks hold `CAP_SYS_NICE`.
    pub sys_nice: bool,
    /// The tasks, by number.
    pub tasks: Vec<Shared<Task>>,
    /// The processes, by the number of their first task; `None` for a number that is a thread's
    /// or was not started.
    pub processes: Vec<Option<Shared<Process>>>,
    /// Open file descriptions.
    pub files: Table<File>,
    /// Inodes: of names and of anonymous pipes.
    pub inodes: Table<Inode>,
    /// Pipes, by the inode they belong to.
    pub pipes: Table<Pipe>,
    /// Counters of eventfds.
    pub events: Table<EventFd>,
    /// Epoll instances.
    pub epolls: Table<Epoll>,
    /// Message queues, by the inode they belong to.
    pub queues: Table<Queue>,
    /// The names of message queues, without their slashes.
    pub queue_names: Shared<BTreeMap<String, ObjId>>,
    /// Pseudoterminals.
    pub terminals: Table<Terminal>,
    /// System V message queues.
    pub message_queues: Shared<Queues>,
    /// The limits of the IPC namespace.
    pub limits: Shared<Limits>,
}

/// Something a step did that others can see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Effect {
    /// The task.
    pub task: TaskId,
    /// What.
    pub what: Seen,
}

/// What an effect is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Its call returned.
    Return(Value),
    /// A handler ran.
    Handle(Handled),
    /// It ended.
    End(End),
}

/// The clauses that a step rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clauses(pub Vec<Clause>);

impl Clauses {
    /// Notes that a rule of the step is this clause.
    pub fn cite(&mut self, clause: Clause) {
        if !self.0.contains(&clause) {
            self.0.push(clause);
        }
    }
}

/// The choices a step makes where the kernel may do this or that: given ones first, then the first
/// alternative. What was chosen, and among how many, is noted, so that an explorer can take
/// the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    given: Vec<u8>,
    /// Each choice made: which, and among how many.
    pub made: Vec<(u8, u8)>,
}

impl Choices {
    /// Starts with these choices.
    pub fn new(given: Vec<u8>) -> Choices {
        Choices {
            given,
            made: Vec::new(),
        }
    }

    /// Chooses one of `n` alternatives.
    pub fn choose(&mut self, n: usize) -> usize {
        if n <= 1 {
            return 0;
        }
        let n = n.min(255) as u8;
        let pick = self
            .given
            .get(self.made.len())
            .copied()
            .unwrap_or(0)
            .min(n - 1);
        self.made.push((pick, n));
        usize::from(pick)
    }

    /// The choices that come next in lexical order, if there are more.
    pub fn next(&self) -> Option<Vec<u8>> {
        let at = self.made.iter().rposition(|&(pick, n)| pick + 1 < n)?;
        let mut next: Vec<u8> = self.made[..at].iter().map(|&(pick, _)| pick).collect();
        next.push(self.made[at].0 + 1);
        Some(next)
    }
}

/// What a step works with besides the state: its choices, and the record of what it did.
#[derive(Debug, Default)]
pub struct Cx {
    /// The choices.
    pub choices: Choices,
    /// What others can see of it.
    pub effects: Vec<Effect>,
    /// The clauses it rests on.
    pub clauses: Clauses,
}

impl Cx {
    /// Notes that a rule of the step is this clause.
    pub fn cite(&mut self, clause: Clause) {
        self.clauses.cite(clause);
    }
}

impl Kernel {
    /// A kernel with so many tasks, of which the first, the setup process, is running.
    pub fn new(config: Config, tasks: usize) -> Kernel {
        let task = |state| {
            Shared::new(Task {
                process: TaskId::SETUP,
                state,
                credentials: Credentials::default(),
                nice: 0,
                mask: SigSet::default(),
                saved_mask: None,
                awaited: SigSet::default(),
                pending: Vec::new(),
                told: false,
                stopping: false,
                deadline: None,
                expired: false,
                frames: Vec::new(),
                reachable: false,
                meets_removal: false,
                children: Vec::new(),
                made: 0,
            })
        };
        let mut kernel = Kernel {
            config,
            waits: false,
            sys_nice: false,
            tasks: vec![task(State::NotStarted); tasks],
            processes: vec![None; tasks],
            files: Table::default(),
            inodes: Table::default(),
            pipes: Table::default(),
            events: Table::default(),
            epolls: Table::default(),
            queues: Table::default(),
            terminals: Table::default(),
            queue_names: Shared::new(BTreeMap::new()),
            message_queues: Shared::new(Queues::default()),
            limits: Shared::new(Limits::default()),
        };
        kernel.tasks[0] = task(State::Idle);
        let root = kernel.new_id(TaskId::SETUP);
        kernel.inodes.insert(root, Inode::root());
        kernel.processes[0] = Some(Shared::new(Process::first(root)));
        kernel.open_standard_descriptors();
        kernel
    }

    /// A task.
    pub fn task(&self, task: TaskId) -> &Task {
        &self.tasks[task.index()]
    }

    /// A task, to change.
    pub fn task_mut(&mut self, task: TaskId) -> &mut Task {
        self.tasks[task.index()].make_mut()
    }

    /// Brings the state into a form that states which behave alike share. A FIFO's counts of opens
    /// matter only to those who remember one (sleeping openers, readers that saw no writer), and to
    /// them only as long as theirs is the current one; beyond that, only the first two are told
    /// apart from later ones.
    pub(crate) fn normalize(&mut self) {
        const MOST: u32 = 3;
        if self.pipes.iter().all(|(_, p)| !p.was_opened()) {
            return;
        }
        for at in 0..self.tasks.len() {
            let State::Sleeping {
                op: Op::Open(op), ..
            } = &self.tasks[at].state
            else {
                continue;
            };
            let mut op = op.clone();
            let before = op.clone();
            op.remember(self.pipes.get(op.pipe()), MOST);
            if op != before
                && let State::Sleeping { op: kept, .. } = &mut self.tasks[at].make_mut().state
            {
                *kept = Op::Open(op);
            }
        }
        for (_, file) in &mut self.files.0 {
            if file.seen_writers == 0 {
                continue;
            }
            let current = file.pipe().map_or(0, |p| self.pipes.get(p).writer_opens);
            let kept = match current == file.seen_writers {
                true => current.min(MOST),
                false => u32::MAX,
            };
            if file.seen_writers != kept {
                file.make_mut().seen_writers = kept;
            }
        }
        for (_, pipe) in &mut self.pipes.0 {
            if pipe.reader_opens.max(pipe.writer_opens) > MOST {
                let pipe = pipe.make_mut();
                pipe.reader_opens = pipe.reader_opens.min(MOST);
                pipe.writer_opens = pipe.writer_opens.min(MOST);
            }
        }
    }

    /// A name for an object that `task` makes.
    pub fn new_id(&mut self, task: TaskId) -> ObjId {
        let t = self.task_mut(task);
        let id = ObjId {
            task: task.0,
            n: t.made,
        };
        t.made += 1;
        id
    }

    /// Whether the task may issue a call.
    pub fn is_idle(&self, task: TaskId) -> bool {
        matches!(self.task(task).state, State::Idle)
    }

    /// Whether the task has something to go on with: it was woken, or a signal disturbs its sleep.
    pub fn can_resume(&self, task: TaskId) -> bool {
        match &self.task(task).state {
            State::Sleeping { woken, .. } => *woken || self.signal_pending(task),
            State::Returning(_) => true,
            State::Stopped { woken, .. } => *woken || self.kill_pending(task),
            State::Ended(_) => self.task(task).process == task && self.process(task).leaving,
            _ => false,
        }
    }

    /// Whether a signal waits for the task, which runs its own code.
    pub fn can_take_signals(&self, task: TaskId) -> bool {
        self.is_idle(task) && self.signal_pending(task)
    }

    /// How the task stands, `index` being its place in its program.
    pub fn end_of(&self, task: TaskId, index: usize) -> End {
        match &self.task(task).state {
            State::NotStarted => End::NotStarted,
            State::Idle | State::Returning(_) => End::Unfinished(index),
            State::Sleeping { .. } => End::Blocked(index),
            State::Stopped { .. } => End::Stopped(index),
            State::Ended(end) => *end,
        }
    }

    /// The task issues a call.
    pub fn invoke(&mut self, task: TaskId, call: Invocation, cx: &mut Cx) {
        debug_assert!(self.is_idle(task));
        let call = Arc::new(call);
        let progress = call::begin(self, task, &call, cx);
        self.settle(task, call, progress, cx);
    }

    /// A task that [can](Kernel::can_resume) goes on.
    pub fn resume(&mut self, task: TaskId, cx: &mut Cx) {
        match std::mem::replace(&mut self.task_mut(task).state, State::Idle) {
            State::Sleeping { call, op, woken } => {
                // A signal may cut a write or a move short; all else is done or is not.
                let whole = woken || !matches!(op, Op::Write(_) | Op::Move(_));
                let progress = call::advance(self, task, &call, op, cx);
                if whole && self.signal_pending(task) && matches!(progress, Progress::Done(_)) {
                    cx.cite(SIG_203);
                }
                self.settle(task, call, progress, cx);
            }
            State::Returning(value) => {
                self.deliver(task, Then::Return(value), cx);
                if !self.is_idle(task) {
                    cx.cite(SIG_230);
                }
            }
            State::Stopped { then, .. } => match then {
                Then::Idle => self.take_signals(task, cx),
                Then::Return(value) => self.deliver(task, Then::Return(value), cx),
                Then::Restart(call, kind) => {
                    self.settle(task, call, Progress::Restart(kind), cx);
                }
            },
            State::Ended(end) => {
                self.task_mut(task).state = State::Ended(end);
                cx.cite(SIG_147);
                self.leave(task, cx);
            }
            other => self.task_mut(task).state = other,
        }
    }

    /// Signals reach a task that runs its own code.
    pub fn take_signals(&mut self, task: TaskId, cx: &mut Cx) {
        self.deliver(task, Then::Idle, cx);
    }

    /// A call got so far: it is done, sleeps, or was disturbed before it did anything.
    fn settle(&mut self, task: TaskId, call: Arc<Invocation>, progress: Progress, cx: &mut Cx) {
        match progress {
            Progress::Done(value) => self.finish(task, value, cx),
            Progress::Sleep(op) => {
                let woken = op.goes_on();
                self.task_mut(task).state = State::Sleeping { call, op, woken };
            }
            Progress::Restart(kind) => self.deliver(task, Then::Restart(call, kind), cx),
            Progress::Gone => {}
        }
    }

    /// A call is done: on the way back to the task's own code, its signals come first.
    fn finish(&mut self, task: TaskId, value: Value, cx: &mut Cx) {
        self.clear_timeout(task);
        self.restore_mask(task);
        if self.task(task).reachable {
            self.task_mut(task).state = State::Returning(value);
        } else {
            self.deliver(task, Then::Return(value), cx);
        }
    }

    /// Starts an interrupted call over.
    pub(crate) fn restart(&mut self, task: TaskId, call: Arc<Invocation>, cx: &mut Cx) {
        let progress = call::begin(self, task, &call, cx);
        crate::sysv_msg::cite_restarted(&call, &progress, cx);
        self.settle(task, call, progress, cx);
    }

    /// Wakes a task that sleeps; a task that was woken already is not woken twice.
    pub(crate) fn wake_task(&mut self, task: TaskId) -> bool {
        if self.signal_pending(task) {
            return false;
        }
        match &mut self.task_mut(task).state {
            State::Sleeping { woken, .. } if !*woken => {
                *woken = true;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_run_through_every_combination() {
        let mut seen = Vec::new();
        let mut given = Some(Vec::new());
        while let Some(g) = given {
            let mut c = Choices::new(g);
            let a = c.choose(2);
            let b = if a == 1 { c.choose(3) } else { 0 };
            seen.push((a, b));
            given = c.next();
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (1, 2)]);
    }
}
