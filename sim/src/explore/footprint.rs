//! Which tasks need to be interleaved: persistent sets by what each can still touch.
//!
//! From a state it is enough to expand the actions of some tasks only, if nothing that the *others*
//! can do, now or later, depends on those actions or enables more of the kind (Godefroid's
//! persistent sets; every final state is still reached). Two questions decide:
//!
//! - the *focus* of a task: what its next action touches, or what it waits for;
//! - the *future* of a task: whatever the rest of its program can touch.
//!
//! Tasks of one process, and those it has yet to start, are one *unit*. A set of units is grown from
//! each unit that can act: whoever's future meets the set's focus joins it. The smallest such set is
//! expanded. Two pairs of processes on two pipes, each pair with its own descriptors:
//!
//! ```text
//! w1 ─ pipe 1 ─ r1      from w1: r1's future has pipe 1: {w1, r1}; w2 and r2 never touch it
//! w2 ─ pipe 2 ─ r2      so all of w1 and r1 is run before w2 and r2: n + n states, not n × n
//! ```
//!
//! What can be touched is an *object*, or a unit (its pending signals, its life). An object is an
//! inode with its pipe and the descriptions open on it, or all names together, if the program has
//! a call left that takes a path. Everything else is reached through a descriptor, by its number,
//! and numbers are in the program's text or were bound by earlier calls. Closing a descriptor, which
//! exit does to all, is less than touching the object: it matters only if it can be the last one,
//! and it cannot while the other side of the comparison holds one too.

use super::uses::{self, Uses, writes};
use crate::System;
use crate::kernel::{Kernel, ObjId, Op, Process, State};
use crate::signal::Disposition;
use scenario::{Action, Arg, Program, Signal, Step, Sys, TaskId, TaskKind, Value};

/// A set of objects, units, tasks or descriptions, by number.
pub(super) type Set = u64;

/// The names of the whole tree, as one object.
const NAMES: Set = 1 << 63;
/// The null device's description, which every process inherits.
const NULL: Set = 1 << 62;
/// The System V message queues, as one object.
const MESSAGES_V: Set = 1 << 61;
/// All that are no inode.
const NOT_INODES: Set = NAMES | NULL | MESSAGES_V;
/// So many inodes, descriptions and tasks can be told apart; with more there is no reduction.
const MOST: usize = 61;

/// What is touched.
#[derive(Clone, Copy, Debug, Default)]
struct Touch {
    objects: Set,
    units: Set,
}

impl std::ops::BitOrAssign for Touch {
    fn bitor_assign(&mut self, other: Touch) {
        self.objects |= other.objects;
        self.units |= other.units;
    }
}

/// What a unit is up to in a state.
#[derive(Clone, Debug, Default)]
struct Unit {
    /// Tasks of it that can act.
    acting: u32,
    /// What its next actions touch, and what its sleepers wait for.
    focus: Touch,
    /// What it can touch ever.
    future: Touch,
    /// The descriptions that it holds a descriptor of.
    held: Set,
    /// Descriptions that a next action gives descriptors up of, and how many it gives up.
    drops: Vec<(usize, usize)>,
}

/// Finds persistent sets.
pub(super) struct Footprints<'a> {
    program: &'a Program,
    /// Every task is tied to every other: there is nothing to reduce.
    tied: bool,
    /// By task and place: what the call there uses, and what it and all after it use.
    calls: Vec<Vec<(Uses, Uses)>>,
}

impl<'a> Footprints<'a> {
    /// For a program that has been set up.
    pub(super) fn new(program: &'a Program, start: &System) -> Footprints<'a> {
        Footprints {
            program,
            tied: program.tasks.len() > MOST || uses::are_tied(program, start),
            calls: uses::by_place(program, start),
        }
    }

    /// The tasks that are to be expanded, as a set; all if no smaller set is known.
    pub(super) fn persistent(&self, system: &System, actions: &[Action]) -> Set {
        let k = system.kernel();
        if self.tied
            || k.inodes.len() > MOST
            || k.files.len() > MOST
            || actions.windows(2).all(|w| w[0].task == w[1].task)
        {
            return Set::MAX;
        }
        View::new(self, system).persistent(actions)
    }
}

/// A state, with its tasks and objects numbered.
struct View<'a> {
    prints: &'a Footprints<'a>,
    system: &'a System,
    k: &'a Kernel,
    /// By task: its unit, by the number of its leader.
    unit_of: [Option<usize>; MOST],
    /// By object: the units that wait for it.
    waiting: [Set; MOST],
    /// By object: the units that descriptions of it belong to (`F_SETOWN`).
    owners: [Set; MOST],
    /// Pipes without readers: to write to them may kill.
    broken: Set,
    /// Objects that have a name.
    named: Set,
    /// Queues at which a process is registered.
    registered: Set,
    /// By description: its object.
    object_of: [Set; MOST],
}

impl<'a> View<'a> {
    fn new(prints: &'a Footprints<'a>, system: &'a System) -> View<'a> {
        let k = system.kernel();
        let mut view = View {
            prints,
            system,
            k,
            unit_of: [None; MOST],
            waiting: [0; MOST],
            owners: [0; MOST],
            broken: 0,
            named: 0,
            registered: 0,
            object_of: [NULL; MOST],
        };
        for t in 1..prints.program.tasks.len() {
            view.unit_of[t] = view.find_unit(t);
        }
        for (at, (id, inode)) in k.inodes.iter().enumerate() {
            if inode.is_named() && inode.links > 0 {
                view.named |= 1 << at;
            }
            if let Some(pipe) = k.pipes.find(id) {
                let readers = pipe.read_queue.tasks().into_iter();
                for task in readers.chain(pipe.write_queue.tasks()) {
                    view.waiting[at] |= view.unit(task);
                }
                if pipe.readers == 0 {
                    view.broken |= 1 << at;
                }
            }
            if let Some(queue) = k.queues.find(id) {
                let waiters = queue.receivers.iter().chain(&queue.senders).copied();
                let pollers = queue.pollers.tasks();
                for task in waiters.chain(pollers) {
                    view.waiting[at] |= view.unit(task);
                }
                // Who is registered is told of messages, and with any descriptor gives up more than
                // that.
                if let Some(told) = queue.registration {
                    view.owners[at] |= view.unit(told.process);
                    view.registered |= 1 << at;
                }
            }
        }
        for (place, (_, file)) in k.files.iter().enumerate() {
            if let Some(at) = file.inode().and_then(|i| k.inodes.position(i)) {
                view.object_of[place] = 1 << at;
                view.owners[at] |= file.owner.map_or(0, |owner| view.unit(owner));
            }
        }
        view
    }

    /// The unit that a task belongs to; none if it has ended, or can never start.
    fn find_unit(&self, task: usize) -> Option<usize> {
        let id = TaskId(task as u16);
        match self.k.task(id).state {
            State::Ended(_) => None,
            State::NotStarted => match self.prints.program.task(id).kind {
                TaskKind::Child(starter) | TaskKind::Thread(starter) => {
                    self.find_unit(starter.index())
                }
                TaskKind::Setup | TaskKind::Process => None,
            },
            _ => Some(self.k.task(id).process.index()),
        }
    }

    /// As a set. The setup process is over when the others begin.
    fn unit(&self, task: TaskId) -> Set {
        self.unit_of[task.index()].map_or(0, |u| 1 << u)
    }

    fn process(&self, unit: usize) -> &Process {
        self.k.process(TaskId(unit as u16))
    }

    fn object(&self, inode: ObjId) -> Set {
        self.k.inodes.position(inode).map_or(0, |at| 1 << at)
    }

    /// The smallest persistent set.
    fn persistent(&self, actions: &[Action]) -> Set {
        let units = self.units(actions);
        let mut best = (u32::MAX, 0);
        for seed in (0..units.len()).filter(|&u| units[u].acting > 0) {
            let set = self.grow(&units, seed);
            let acting = members(set).map(|u| units[u].acting).sum();
            best = best.min((acting, set));
        }
        let tasks = 1..self.prints.program.tasks.len();
        tasks
            .filter(|&t| self.unit_of[t].is_some_and(|u| best.1 >> u & 1 == 1))
            .fold(0, |set, t| set | 1 << t)
    }

    /// The least set around a unit that no other's future meets.
    fn grow(&self, units: &[Unit], seed: usize) -> Set {
        let mut set = 1 << seed;
        loop {
            let mut focus = Touch::default();
            let mut held = 0;
            for u in members(set) {
                focus |= units[u].focus;
                held |= units[u].held;
            }
            // A description is given up for good if nobody else in the set holds it.
            for &(file, n) in members(set).flat_map(|u| &units[u].drops) {
                if self.descriptors(set, file) <= n {
                    focus |= self.reached(self.object_of[file]);
                }
            }
            let meets = |u: usize| {
                let unit = &units[u];
                unit.future.objects & focus.objects != 0
                    || unit.future.units & focus.units != 0
                    || members(unit.held & !held).any(|f| self.object_of[f] & focus.objects != 0)
            };
            let joins = (0..units.len())
                .filter(|&u| set >> u & 1 == 0 && units[u].future.units != 0 && meets(u))
                .fold(0, |joins, u| joins | 1 << u);
            if joins == 0 {
                return set;
            }
            set |= joins;
        }
    }

    /// Descriptors that the units of a set have of a description.
    fn descriptors(&self, set: Set, file: usize) -> usize {
        let all = members(set).flat_map(|u| self.process(u).fds.iter().flatten());
        all.filter(|d| self.k.files.position(d.file) == Some(file))
            .count()
    }

    fn units(&self, actions: &[Action]) -> Vec<Unit> {
        let tasks = self.prints.program.tasks.len();
        let mut units = vec![Unit::default(); tasks];
        for t in 1..tasks {
            let Some(u) = self.unit_of[t] else { continue };
            let unit = &mut units[u];
            let task = TaskId(t as u16);
            if t == u {
                for d in self.process(u).fds.iter().flatten() {
                    let Some(file) = self.k.files.position(d.file) else {
                        continue;
                    };
                    unit.held |= 1 << file;
                    // Whoever is told of a pipe is told by its last close: then it matters whose
                    // that is.
                    let object = self.object_of[file];
                    if object != NULL && self.owners[object.trailing_zeros() as usize] != 0 {
                        unit.future |= self.reached(object);
                    }
                }
                unit.future.units |= 1 << u | self.told_of_death(u);
                unit.focus.units |= 1 << u;
            }
            if let Some((_, rest)) = self.prints.calls[t].get(self.next_place(task)) {
                unit.future |= self.touch(u, rest);
            }
            // What a sleeper waits for is what its call uses, by now or before.
            let mut waits = self.reached(self.waits_for(task));
            if let (State::Sleeping { .. }, Some((own, _))) = (
                &self.k.task(task).state,
                self.prints.calls[t].get(self.system.at(task)),
            ) {
                waits |= self.touch(u, own);
            }
            unit.future |= waits;
            unit.focus |= waits;
            let mut mine = actions.iter().filter(|a| a.task == task).peekable();
            if mine.peek().is_some() {
                unit.acting += 1;
                self.next(u, task, mine, unit);
            }
        }
        units
    }

    /// Adds what a task's next actions touch.
    fn next<'b>(
        &self,
        u: usize,
        task: TaskId,
        mut actions: impl Iterator<Item = &'b Action>,
        unit: &mut Unit,
    ) {
        let process = self.process(u);
        let place = self.system.at(task);
        let mut touch = Touch::default();
        // What is done but for its return touches nothing any more.
        let returns = matches!(self.k.task(task).state, State::Returning(_));
        let calls = &self.prints.calls[task.index()];
        if let (false, Some((own, _))) = (returns, calls.get(place)) {
            touch |= self.touch(u, own);
        }
        let threads = self.k.threads_of(TaskId(u as u16));
        // Signals, its own SIGPIPE and SIGIO among them, may end it, or stop it, which gives up the
        // calls of its threads.
        let mut ends = !process.pending.is_empty()
            || process.exiting.is_some()
            || process.continued
            || threads.iter().any(|t| {
                let thread = self.k.task(*t);
                !thread.pending.is_empty() || thread.stopping || thread.told
            })
            || members(touch.objects & !NOT_INODES).any(|at| self.owners[at] >> u & 1 == 1);
        let stmt = self.prints.program.task(task).body.get(place);
        ends |= !returns
            && stmt.is_some_and(|s| writes(s.sys))
            && (unit.focus.objects | touch.objects) & self.broken != 0;
        if let (true, Some(stmt)) = (actions.any(|a| a.step == Step::Issue), stmt) {
            let drops = |at: usize| Some((self.description(process, stmt.args.get(at)?)?, 1));
            match stmt.sys {
                Sys::Exit | Sys::CloseRange => ends = true,
                Sys::Close => unit.drops.extend(drops(0)),
                Sys::Dup2 | Sys::Dup3 => unit.drops.extend(drops(1)),
                Sys::Kill | Sys::Killpg | Sys::Tgkill => ends |= touch.units >> u & 1 == 1,
                _ => {}
            }
            let closed = unit.drops.iter().map(|(file, _)| self.object_of[*file]);
            touch |= self.reached(closed.fold(0, |all, o| all | o) & self.registered);
        }
        if ends {
            touch.units |= self.told_of_death(u);
            for thread in threads {
                touch |= self.reached(self.waits_for(thread));
            }
            let open: Vec<ObjId> = process.fds.iter().flatten().map(|d| d.file).collect();
            for file in &open {
                let n = open.iter().filter(|f| *f == file).count();
                let at = self.k.files.position(*file);
                unit.drops.extend(at.map(|at| (at, n)));
                let object = at.map_or(0, |at| self.object_of[at]);
                touch |= self.reached(object & self.registered);
            }
        }
        unit.focus |= touch;
    }

    /// The description that a descriptor argument names.
    fn description(&self, process: &Process, arg: &Arg) -> Option<usize> {
        let fd = match arg {
            Arg::Value(v) => v.number(),
            Arg::Var(v) => self.system.observer().holds(*v)?.number(),
            Arg::List(_) => None,
        };
        let descriptor = process.fds.get(usize::try_from(fd?).ok()?)?.as_ref()?;
        self.k.files.position(descriptor.file)
    }

    /// The place of the first call that a task has yet to make, or has not done.
    fn next_place(&self, task: TaskId) -> usize {
        let returns = matches!(self.k.task(task).state, State::Returning(_));
        self.system.at(task) + usize::from(returns)
    }

    /// What calls touch that a unit makes.
    fn touch(&self, u: usize, uses: &Uses) -> Touch {
        let process = self.process(u);
        let mut objects = 0;
        let object = |fd: i64| {
            let d = usize::try_from(fd)
                .ok()
                .and_then(|fd| *process.fds.get(fd)?);
            let place = d.and_then(|d| self.k.files.position(d.file));
            place.map_or(0, |at| self.object_of[at])
        };
        for fd in &uses.fds {
            objects |= object(*fd);
        }
        for var in &uses.fd_vars {
            // One that is not bound yet will be one of those that it is made from, or a new one.
            if let Some(fd) = self.system.observer().holds(*var).and_then(Value::number) {
                objects |= object(fd);
            }
        }
        if uses.any_fd {
            objects |= (0..process.fds.len() as i64).fold(0, |all, fd| all | object(fd));
        }
        if uses.names {
            objects |= NAMES | self.named;
        }
        if uses.messages {
            objects |= MESSAGES_V;
        }
        if uses.anything {
            objects = Set::MAX >> (64 - self.k.inodes.len()) | NOT_INODES;
        }
        let mut touch = self.reached(objects);
        for task in members(uses.tasks).take_while(|&t| t < self.prints.program.tasks.len()) {
            touch.units |= self.unit(TaskId(task as u16));
        }
        touch
    }

    /// Objects, with those who wait for them or are told of them.
    fn reached(&self, objects: Set) -> Touch {
        let places = members(objects & !NOT_INODES);
        let mut units = places.fold(0, |all, at| all | self.waiting[at] | self.owners[at]);
        if objects & MESSAGES_V != 0 {
            let tasks = (1..self.prints.program.tasks.len()).map(|t| TaskId(t as u16));
            let sleepers = tasks.filter(|&t| sleeps_on_messages(self.k, t));
            units |= sleepers.fold(0, |all, t| all | self.unit(t));
        }
        Touch { objects, units }
    }

    /// The objects that a task waits for.
    fn waits_for(&self, task: TaskId) -> Set {
        match &self.k.task(task).state {
            _ if sleeps_on_messages(self.k, task) => MESSAGES_V,
            State::Sleeping { op, .. } => {
                let inodes = op.inodes(self.k);
                inodes.iter().fold(0, |all, i| all | self.object(*i))
            }
            _ => 0,
        }
    }

    /// The unit of the parent, if SIGCHLD is something to it, or may become so.
    fn told_of_death(&self, u: usize) -> Set {
        let Some(parent) = self.process(u).parent.filter(|p| *p != TaskId::SETUP) else {
            return 0;
        };
        let process = self.k.process(parent);
        if process.ended.is_some() {
            return 0;
        }
        let unit = parent.index();
        let mut tasks = (1..self.prints.program.tasks.len())
            .filter(|&t| self.unit_of[t] == Some(unit))
            .map(|t| self.prints.calls[t].get(self.system.at(TaskId(t as u16))));
        let heeds = process.dispositions.get(Signal::SIGCHLD) != Disposition::default()
            || self.k.task(parent).mask.contains(Signal::SIGCHLD)
            || tasks.any(|call| call.is_some_and(|(_, rest)| rest.sigchld));
        if heeds { 1 << unit } else { 0 }
    }
}

/// Whether the task sleeps in a send or a receive on a System V queue.
fn sleeps_on_messages(k: &Kernel, task: TaskId) -> bool {
    matches!(
        k.task(task).state,
        State::Sleeping {
            op: Op::MsgSend(_) | Op::MsgReceive(_) | Op::MsgStat(_),
            ..
        }
    )
}

/// The members of a set.
fn members(mut set: Set) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let least = set.trailing_zeros();
        (set != 0).then(|| {
            set &= set - 1;
            least as usize
        })
    })
}
