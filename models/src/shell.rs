//! The shell: every task of a scenario is a thread that really blocks, around the pure kernel.
//!
//! One lock holds the whole kernel, and every task has one condition variable. A thread takes the
//! lock and makes its task's next step; when its task sleeps it waits; whoever makes a step wakes
//! those whose tasks can go on after it. Two tasks, a read and a write on a pipe:
//!
//! ```text
//! reader   lock  read: sleeps  wait ........................ lock  read goes on: "a"  unlock
//! writer                            lock  write "a"  notify  unlock
//! ```
//!
//! Which thread gets the lock first is up to the engine, and it is all that is: *the order in which
//! threads take the lock is the schedule*. It is logged, and every distinct one is replayed on
//! the pure kernel, which must give the same events and the same outcome.
//!
//! *Blocked for ever* is an outcome here and no deadlock of the engine: the shell counts the
//! threads that can run; when there is none left, it lets all go home, one after the other, so that
//! their order is not one more thing to explore.
//!
//! A signal reaches a task that runs its own code at a time of nobody's choosing: between its calls,
//! while others run. So each task that a signal may reach has a second thread, its *interrupt*,
//! which comes to life when a signal is pending, and delivers it:
//!
//! ```text
//! killer         lock  kill  unlock
//! victim                             lock  write "a": done, and dies on the way back
//! its interrupt                 start ............ (or it gets the lock first: no write)
//! ```
//!
//! What the shell cannot show: anything below a step of the pure kernel. That a wake-up is not lost
//! between a check and a sleep is the business of [`protocol`](crate::protocol).

use crate::engine::{self, LoomOptions, ShuttleOptions};
use crate::report::{Execution, Failure, ModelError, ModelRun, Record};
use crate::runtime::Runtime;
use crate::runtime::loom::{Loom, MOST_THREADS};
use crate::runtime::shuttle::Shuttle;
use crate::runtime::std::Std;
use scenario::{Action, Event, Program, Schedule, Step, TaskId, TaskKind};
use sim::System;
use sim::kernel::{Config, State};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most steps of one run, far above what a program of straight lines can make.
const MOST_STEPS: usize = 10_000;

/// What all executions of a program share.
struct Plan {
    program: Program,
    /// The system before its first action.
    start: System,
    /// The tasks that have an interrupt.
    interrupted: Vec<TaskId>,
    /// The tasks with calls that give up after a time, and those whose process has a timer.
    timed: Vec<TaskId>,
    /// The most threads the engine has, the one that starts the others among them.
    most_threads: usize,
    record: Arc<Record>,
}

/// A thread of the model: its place among the condition variables.
type Seat = usize;

/// Who sits there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The thread that a task is.
    Task(TaskId),
    /// The thread that delivers signals to a task.
    Interrupt(TaskId),
    /// The thread that ends the time of a task's calls.
    Clock(TaskId),
}

/// What the lock holds.
struct Core {
    system: System,
    schedule: Vec<Action>,
    events: Vec<Event>,
    /// Threads that run, or that were woken and will.
    running: usize,
    /// Whether each thread sleeps, not yet woken.
    asleep: Vec<bool>,
    /// Whether each thread was started.
    started: Vec<bool>,
    /// No step will come any more.
    over: bool,
}

/// One execution.
struct Shell<R: Runtime> {
    plan: Arc<Plan>,
    core: R::Mutex<Core>,
    /// One for each thread.
    wake: Vec<R::Condvar>,
    /// Threads to be joined. Engines do not see this lock.
    threads: Mutex<Vec<R::Thread>>,
    /// How many threads there are, the one that starts the others among them.
    count: AtomicUsize,
}

impl Plan {
    fn new(program: &Program, config: Config, most_threads: usize) -> Result<Plan, ModelError> {
        let (start, _) = System::start(program, config)?;
        Ok(Plan {
            most_threads,
            interrupted: sim::signal::reachable(program),
            timed: program
                .task_ids()
                .filter(|&t| {
                    let own = program.task(t).body.iter().any(|s| s.timeout().is_some());
                    own || has_timer(program, t)
                })
                .collect(),
            program: program.clone(),
            start,
            record: Arc::default(),
        })
    }

    fn role(&self, seat: Seat) -> Role {
        let tasks = self.program.tasks.len();
        let interrupts = tasks + self.interrupted.len();
        if seat < tasks {
            Role::Task(TaskId(seat as u16))
        } else if seat < interrupts {
            Role::Interrupt(self.interrupted[seat - tasks])
        } else {
            Role::Clock(self.timed[seat - interrupts])
        }
    }

    fn seats(&self) -> usize {
        self.program.tasks.len() + self.interrupted.len() + self.timed.len()
    }

    /// Lets an engine run the program, and holds what it found against the pure kernel.
    fn run(
        self,
        engine: &'static str,
        search: impl FnOnce(Arc<Plan>) -> Result<Option<String>, ModelError>,
    ) -> Result<ModelRun, ModelError> {
        let plan = Arc::new(self);
        let searched = search(plan.clone());
        let run = plan.record.finish(engine, searched)?;
        plan.record.verify(&plan.program, &plan.start)?;
        Ok(run)
    }

    /// The threads that now have something to do for the first time. They count as running.
    fn ready(&self, core: &mut Core) -> Vec<Seat> {
        let is_ready = |&seat: &Seat| {
            !core.started[seat] && self.step(&core.system, self.role(seat)).is_some()
        };
        let ready: Vec<Seat> = (1..self.seats()).filter(is_ready).collect();
        for &seat in &ready {
            core.started[seat] = true;
            core.running += 1;
        }
        ready
    }

    /// What the thread may do next.
    fn step(&self, system: &System, role: Role) -> Option<Step> {
        let kernel = system.kernel();
        match role {
            Role::Task(t) if kernel.can_resume(t) => Some(Step::Resume),
            Role::Task(t) => system.can_issue(&self.program, t).then_some(Step::Issue),
            Role::Interrupt(t) => kernel.can_take_signals(t).then_some(Step::Signal),
            Role::Clock(task) => {
                let action = Action {
                    task,
                    step: Step::Expire,
                    choices: Vec::new(),
                };
                system
                    .is_enabled(&self.program, &action)
                    .then_some(Step::Expire)
            }
        }
    }
}

/// Whether a task, or a thread that it or one of its threads starts, sets the timer of the process of
/// which it is the first task.
fn has_timer(program: &Program, task: TaskId) -> bool {
    let is_thread = matches!(program.task(task).kind, TaskKind::Thread(_));
    let leader = |mut t: TaskId| {
        while let TaskKind::Thread(of) = program.task(t).kind {
            t = of;
        }
        t
    };
    !is_thread
        && program.task_ids().any(|t| {
            let sets = program.task(t).body.iter().any(|s| s.timer().is_some());
            sets && leader(t) == task
        })
}

impl<R: Runtime> Shell<R> {
    /// Runs the program once. With `host`, this thread is one of the program's too.
    fn execute(plan: &Arc<Plan>, host: bool) {
        let seats = plan.seats();
        let mut core = Core {
            system: plan.start.clone(),
            schedule: Vec::new(),
            events: Vec::new(),
            running: 0,
            asleep: vec![false; seats],
            started: vec![false; seats],
            over: false,
        };
        let mut first = plan.ready(&mut core);
        let shell = Arc::new(Shell::<R> {
            plan: plan.clone(),
            core: R::mutex(core),
            wake: (0..seats).map(|_| R::condvar()).collect(),
            threads: Mutex::default(),
            count: AtomicUsize::new(1),
        });
        let own = if host { first.pop() } else { None };
        for seat in first {
            if !shell.start(seat) {
                shell.depart(&mut R::lock(&shell.core));
            }
        }
        if let Some(seat) = own {
            shell.run(seat);
        }
        loop {
            let next = shell.threads().pop();
            match next {
                Some(thread) => R::join(thread),
                None => break,
            }
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<R::Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread that is counted as running already; tells whether there was one to be had.
    fn start(self: &Arc<Self>, seat: Seat) -> bool {
        let most = self.plan.most_threads;
        if self.count.fetch_add(1, Ordering::Relaxed) >= most {
            let why =
                format!("it needs more than {most} threads, those that deliver signals among them");
            self.plan.record.fail(Failure::Skip(why));
            return false;
        }
        let own = self.clone();
        match R::spawn(move || own.run(seat)) {
            Ok(thread) => self.threads().push(thread),
            Err(e) => {
                let why = format!("cannot start a thread: {e}");
                self.plan.record.fail(Failure::Broken(why));
                return false;
            }
        }
        true
    }

    /// The life of a thread.
    fn run(self: &Arc<Self>, seat: Seat) {
        let role = self.plan.role(seat);
        let (Role::Task(task) | Role::Interrupt(task) | Role::Clock(task)) = role;
        let mut core = R::lock(&self.core);
        let gone = |core: &Core| {
            let kernel = core.system.kernel();
            matches!(kernel.task(task).state, State::Ended(_)) && !kernel.can_resume(task)
        };
        while !core.over && !gone(&core) {
            let Some(step) = self.plan.step(&core.system, role) else {
                core = self.sleep(core, seat);
                continue;
            };
            self.take(
                &mut core,
                Action {
                    task,
                    step,
                    choices: Vec::new(),
                },
            );
            // A thread that can go on lets others come first.
            if self.plan.step(&core.system, role).is_some() {
                drop(core);
                core = R::lock(&self.core);
            }
        }
        self.depart(&mut core);
    }

    /// Takes a step of the kernel, and wakes those that can go on after it.
    fn take(self: &Arc<Self>, core: &mut Core, mut action: Action) {
        let program = &self.plan.program;
        if core.schedule.len() >= MOST_STEPS {
            let why = format!("a run of more than {MOST_STEPS} steps");
            self.plan.record.fail(Failure::Broken(why));
            core.over = true;
            return;
        }
        let mut taken = core.system.take(program, &action);
        if !taken.choices.made.is_empty() {
            // The kernel may do this or that here. Go back, and let the engine choose.
            let mut all = self.at(&core.schedule).take_each(program, &action);
            let chosen = R::choose(all.len()).unwrap_or_else(|| {
                let why = "the kernel has a choice of its own, which this engine cannot make";
                self.plan.record.fail(Failure::Skip(why.into()));
                0
            });
            (action, core.system, taken) = all.swap_remove(chosen);
        }
        core.schedule.push(action);
        core.events.extend(taken.events);
        for seat in self.plan.ready(core) {
            if !self.start(seat) {
                core.running -= 1;
            }
        }
        for seat in 0..core.asleep.len() {
            if core.asleep[seat] && self.plan.step(&core.system, self.plan.role(seat)).is_some() {
                self.rouse(core, seat);
            }
        }
    }

    /// The system after these actions.
    fn at(&self, schedule: &[Action]) -> System {
        let mut system = self.plan.start.clone();
        for action in schedule {
            system.take(&self.plan.program, action);
        }
        system
    }

    /// Sleeps until somebody rouses the thread.
    fn sleep<'a>(&'a self, mut core: R::Guard<'a, Core>, seat: Seat) -> R::Guard<'a, Core> {
        core.running -= 1;
        if core.running == 0 {
            self.end(&mut core);
            core.running = 1;
            return core;
        }
        core.asleep[seat] = true;
        while core.asleep[seat] {
            core = R::wait(&self.wake[seat], core);
        }
        core
    }

    /// Wakes a thread that sleeps. From now on it counts as running.
    fn rouse(&self, core: &mut Core, seat: Seat) {
        core.asleep[seat] = false;
        core.running += 1;
        R::notify_one(&self.wake[seat]);
    }

    /// A thread goes home. Once all is over, each sends the next one after it.
    fn depart(&self, core: &mut Core) {
        core.running -= 1;
        if core.running == 0 && !core.over {
            self.end(core);
        }
        if core.over
            && let Some(seat) = core.asleep.iter().position(|&a| a)
        {
            self.rouse(core, seat);
        }
    }

    /// No thread can run any more.
    fn end(&self, core: &mut Core) {
        core.over = true;
        let program = &self.plan.program;
        if !core.system.is_over(program) {
            let schedule = Schedule(std::mem::take(&mut core.schedule)).show(program);
            let why = format!("after `{schedule}` all threads sleep, but a task can go on");
            return self.plan.record.fail(Failure::Broken(why));
        }
        let execution = Execution {
            schedule: Some(Schedule(std::mem::take(&mut core.schedule))),
            events: std::mem::take(&mut core.events),
            outcome: core.system.outcome(program),
        };
        self.plan.record.add(execution, R::recorded);
    }
}

/// Runs a program under loom: every schedule, unless a limit of `options` is hit.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs more threads than loom has or a choice it cannot
/// make; [`ModelError::Setup`] when it cannot be run on the model at all; the others are bugs.
pub fn loom(
    program: &Program,
    config: Config,
    options: &LoomOptions,
) -> Result<ModelRun, ModelError> {
    // One of them starts the others; there is none for the setup process.
    let tasks = program.tasks.len() - 1;
    if tasks > MOST_THREADS {
        let why = format!("it needs {tasks} threads; loom has {MOST_THREADS}");
        return Err(ModelError::Skip(why));
    }
    let plan = Plan::new(program, config, MOST_THREADS)?;
    plan.run("loom", |plan| {
        let record = plan.record.clone();
        engine::loom_run(options, &record, move || {
            Shell::<Loom>::execute(&plan, true)
        })
    })
}

/// Runs a program under shuttle: as many schedules as `options` says.
///
/// # Errors
/// [`ModelError::Setup`] when the program cannot be run on the model at all;
/// [`ModelError::Schedule`] when the schedule to be replayed is not one of it; the others are bugs.
pub fn shuttle(
    program: &Program,
    config: Config,
    options: &ShuttleOptions,
) -> Result<ModelRun, ModelError> {
    Plan::new(program, config, usize::MAX)?.run("shuttle", |plan| {
        let record = plan.record.clone();
        engine::shuttle_run(options, &record, move || {
            Shell::<Shuttle>::execute(&plan, false);
        })
    })
}

/// Runs a program so many times on plain threads.
///
/// # Errors
/// [`ModelError::Setup`] when the program cannot be run on the model at all;
/// [`ModelError::Failed`] when there are no threads to be had.
pub fn std_threads(
    program: &Program,
    config: Config,
    rounds: usize,
) -> Result<ModelRun, ModelError> {
    Plan::new(program, config, usize::MAX)?.run("std", |plan| {
        let record = plan.record.clone();
        engine::std_run(rounds, &record, move || Shell::<Std>::execute(&plan, false))
    })
}
