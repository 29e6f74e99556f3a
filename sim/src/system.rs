//! A program running on the pure kernel: the transition system that every engine explores.
//!
//! A [`System`] is a plain value. [`enabled`](System::enabled) lists the actions that may come next,
//! [`take`](System::take) takes one. An engine is a way to choose among them: all of them
//! (explore), a seeded one (simulate), those that explain what was seen (oracle).

use crate::fingerprint::fingerprint;
use crate::kernel::{Choices, Config, Cx, Invocation, Kernel, Seen, State};
use crate::signal::{Dispositions, SigSet, reachable};
use crate::sysv_msg::meet_removals;
use scenario::constants::{SA_NOCLDWAIT, SIG_IGN};
use scenario::{
    Action, Clause, End, Event, Observer, Outcome, Program, Signal, Step, Sys, TaskId, VarId, What,
};

/// A program and how far it got.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct System {
    kernel: Kernel,
    /// The place of each task in its program.
    at: Vec<u16>,
    /// The next word of the program's order, if it has one.
    word: u16,
    observer: Observer,
}

/// What an action did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The clauses that say so.
    pub clauses: Vec<Clause>,
    /// The choices the kernel made.
    pub choices: Choices,
}

/// A program that cannot be run on the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A call of `setup` sleeps, and there is nobody yet who could wake it.
    #[error("{program}: `{call}` in setup blocks, and nobody is there to wake it")]
    Blocks {
        /// The program's name.
        program: String,
        /// The call as it is written.
        call: String,
    },
    /// A call that the model has no rule for.
    #[error("{program}: the model has no rule for `{call}`: {why}")]
    Unmodelled {
        /// The program's name.
        program: String,
        /// The call as it is written.
        call: String,
        /// Why.
        why: String,
    },
}

impl System {
    /// Runs the setup calls, forks the processes, and closes the setup process's descriptors.
    /// Gives the system before the first action, and what the setup did.
    ///
    /// # Errors
    /// If a setup call sleeps, or the program has a call that the model has no rule for.
    pub fn start(program: &Program, config: Config) -> Result<(System, Taken), SetupError> {
        for stmt in program.tasks.iter().flat_map(|t| &t.body) {
            if let Some(why) = unmodelled(stmt) {
                let (program, call) = (program.name.clone(), stmt.text.clone());
                return Err(SetupError::Unmodelled { program, call, why });
            }
        }
        let threaded = |task: &TaskId| crate::process::among_threads(program, *task);
        if let Some(task) = program.task_ids().find(threaded) {
            return Err(SetupError::Unmodelled {
                program: program.name.clone(),
                call: "exec()".into(),
                why: format!(
                    "the process of {} has several threads, whose ids change hands",
                    program.task(task).name
                ),
            });
        }
        let mut system = System {
            kernel: Kernel::new(config, program.tasks.len()),
            at: vec![0; program.tasks.len()],
            word: 0,
            observer: Observer::new(program),
        };
        let stmts = program.tasks.iter().flat_map(|t| &t.body);
        system.kernel.waits = stmts.map(|s| s.sys).any(scenario::Sys::waits_for_children);
        system.kernel.sys_nice = program.needs_capability("CAP_SYS_NICE");
        let mut all = Taken::default();
        for stmt in &program.tasks[0].body {
            let action = Action {
                task: TaskId::SETUP,
                step: Step::Issue,
                choices: Vec::new(),
            };
            let taken = system.take(program, &action);
            if !system.kernel.is_idle(TaskId::SETUP) {
                let (program, call) = (program.name.clone(), stmt.text.clone());
                return Err(SetupError::Blocks { program, call });
            }
            all.events.extend(taken.events);
            all.clauses.extend(taken.clauses);
        }
        let mut cx = Cx::default();
        for process in program.processes() {
            system.kernel.fork(TaskId::SETUP, process, &mut cx);
        }
        // As a shell does with a pipeline: all in one group, which the first leads.
        if let Some(first) = program.processes().next() {
            for process in program.processes() {
                system.kernel.process_mut(process).group = first;
            }
        }
        system.kernel.close_all(TaskId::SETUP, &mut cx);
        system.retire_setup();
        for task in reachable(program) {
            system.kernel.task_mut(task).reachable = true;
        }
        for task in meet_removals(program) {
            system.kernel.task_mut(task).meets_removal = true;
        }
        all.clauses.extend(cx.clauses.0);
        Ok((system, all))
    }

    /// The kernel's state.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Brings the state into a form that states which behave alike share.
    pub(crate) fn normalize(&mut self) {
        self.kernel.normalize();
    }

    /// The kernel's state, to rename what it does not look at.
    pub(crate) fn kernel_mut(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// The setup process takes no part any more: it blocks all signals, and nothing that is sent to
    /// it leaves a mark.
    fn retire_setup(&mut self) {
        let process = self.kernel.process_mut(TaskId::SETUP);
        // What becomes of its children it has decided.
        let children = process.dispositions.get(Signal::SIGCHLD);
        process.dispositions = Dispositions::default();
        if children.handler == SIG_IGN || children.flags & SA_NOCLDWAIT != 0 {
            process.dispositions.set(Signal::SIGCHLD, children);
        }
        process.pending.clear();
        self.kernel.task_mut(TaskId::SETUP).mask = SigSet(u64::MAX);
    }

    /// A name is not looked at any more.
    pub(crate) fn forget(&mut self, var: VarId) {
        self.observer.forget(var);
    }

    /// The fingerprint of the state.
    pub(crate) fn fingerprint(&self) -> u128 {
        fingerprint(self)
    }

    /// The place of a task in its program: the call it issues next, or is in.
    pub fn at(&self, task: TaskId) -> usize {
        usize::from(self.at[task.index()])
    }

    /// Whether the task may issue its next call. If the program fixes an order, that is the task
    /// which the order names, once the system is quiet; a word is passed over if its task cannot
    /// issue a call then, and after the last word every task may.
    pub fn can_issue(&self, program: &Program, task: TaskId) -> bool {
        if !self.has_call(program, task) {
            return false;
        }
        let Some(order) = &program.order else {
            return true;
        };
        // As long as words are left, nothing is issued before the system is quiet: a task that is
        // about to return from its call is not passed over.
        usize::from(self.word) >= order.len()
            || self.is_quiet(program)
                && self.next_word(program).is_none_or(|(_, next)| next == task)
    }

    /// Whether the task runs its own code and has a call left.
    fn has_call(&self, program: &Program, task: TaskId) -> bool {
        task != TaskId::SETUP
            && self.kernel.is_idle(task)
            && self.at(task) < program.task(task).body.len()
    }

    /// The next word of the order whose task has a call.
    fn next_word(&self, program: &Program) -> Option<(usize, TaskId)> {
        let words = program.order.as_deref().unwrap_or_default();
        let left = words.iter().copied().enumerate();
        left.skip(usize::from(self.word))
            .find(|&(_, task)| self.has_call(program, task))
    }

    /// Whether the kernel has nothing under way.
    pub(crate) fn is_quiet(&self, program: &Program) -> bool {
        program
            .task_ids()
            .skip(1)
            .all(|t| self.under_way_of(t).is_none())
    }

    /// The actions that may come next, with no choices made: the issues, and what the kernel has
    /// under way.
    pub fn enabled(&self, program: &Program) -> Vec<Action> {
        let mut actions = Vec::new();
        for task in program.task_ids().skip(1) {
            if self.can_issue(program, task) {
                actions.push(Action {
                    task,
                    step: Step::Issue,
                    choices: Vec::new(),
                });
            }
            actions.extend(self.under_way_of(task));
        }
        // In a fixed order of calls time passes only when nobody can go on.
        if program.order.is_none() || actions.is_empty() {
            actions.extend(self.due(program));
        }
        actions
    }

    /// What comes when time passes: of all that waits for a time, what waits for the nearest.
    pub fn due(&self, program: &Program) -> Vec<Action> {
        program
            .task_ids()
            .skip(1)
            .filter(|&task| self.kernel.can_expire(task))
            .map(|task| Action {
                task,
                step: Step::Expire,
                choices: Vec::new(),
            })
            .collect()
    }

    /// The actions that the kernel has under way: those that need no task to issue a call.
    pub fn under_way(&self, program: &Program) -> Vec<Action> {
        program
            .task_ids()
            .skip(1)
            .filter_map(|t| self.under_way_of(t))
            .collect()
    }

    fn under_way_of(&self, task: TaskId) -> Option<Action> {
        let step = if self.kernel.can_resume(task) {
            Step::Resume
        } else if self.kernel.can_take_signals(task) {
            Step::Signal
        } else {
            return None;
        };
        Some(Action {
            task,
            step,
            choices: Vec::new(),
        })
    }

    /// Whether the action may come next.
    pub fn is_enabled(&self, program: &Program, action: &Action) -> bool {
        match action.step {
            Step::Issue => self.can_issue(program, action.task),
            Step::Expire => self
                .enabled(program)
                .iter()
                .any(|a| a.task == action.task && a.step == Step::Expire),
            _ => self
                .under_way_of(action.task)
                .is_some_and(|a| a.step == action.step),
        }
    }

    /// Takes an action that is enabled.
    pub fn take(&mut self, program: &Program, action: &Action) -> Taken {
        let mut cx = Cx {
            choices: Choices::new(action.choices.clone()),
            ..Cx::default()
        };
        let mut events = Vec::new();
        self.step(program, action, &mut cx, &mut events);
        Taken {
            events,
            clauses: cx.clauses.0,
            choices: cx.choices,
        }
    }

    /// The same with buffers of the caller's: empty ones, but for the choices given in `cx`.
    pub(crate) fn step(
        &mut self,
        program: &Program,
        action: &Action,
        cx: &mut Cx,
        events: &mut Vec<Event>,
    ) {
        let task = action.task;
        let issued = self.at(task);
        match action.step {
            Step::Issue => {
                if program.order.is_some() && task != TaskId::SETUP {
                    let words = program.order.as_ref().map_or(0, Vec::len);
                    let next = self.next_word(program);
                    self.word = next.map_or(words, |(at, _)| at + 1) as u16;
                }
                let stmt = program.stmt(task, issued);
                let call = Invocation {
                    sys: stmt.sys,
                    args: self.observer.args(stmt),
                };
                events.push(Event {
                    task,
                    what: What::Issue(issued),
                });
                self.kernel.invoke(task, call, cx);
            }
            Step::Resume => self.kernel.resume(task, cx),
            Step::Signal => self.kernel.take_signals(task, cx),
            Step::Expire => self.kernel.expire(task, cx),
        }
        for effect in cx.effects.drain(..) {
            let what = match effect.what {
                Seen::Return(value) => {
                    let at = &mut self.at[effect.task.index()];
                    *at += 1;
                    What::Return(usize::from(*at - 1), value)
                }
                Seen::Handle(handled) => What::Handle(handled),
                Seen::End(end) => What::End(end),
            };
            let event = Event {
                task: effect.task,
                what,
            };
            self.observer.observe(program, &event);
            events.push(event);
        }
        if action.step == Step::Issue
            && program.stmt(task, issued).blocks
            && !matches!(self.kernel.task(task).state, State::Sleeping { .. })
        {
            self.observer.fail(task, issued);
        }
    }

    /// Takes an action with every choice the kernel has in it: each result, with the action as it
    /// was then taken.
    pub fn take_each(&self, program: &Program, action: &Action) -> Vec<(Action, System, Taken)> {
        let mut all = Vec::new();
        let mut given = Some(Vec::new());
        while let Some(choices) = given {
            let mut next = self.clone();
            let mut action = Action {
                choices,
                ..action.clone()
            };
            let taken = next.take(program, &action);
            action.choices = taken.choices.made.iter().map(|c| c.0).collect();
            given = taken.choices.next();
            all.push((action, next, taken));
        }
        all
    }

    /// Whether nothing can come any more.
    pub fn is_over(&self, program: &Program) -> bool {
        program
            .task_ids()
            .skip(1)
            .all(|t| !self.has_call(program, t) && self.under_way_of(t).is_none())
            && self.due(program).is_empty()
    }

    /// How a task stands now.
    pub fn end_of(&self, task: TaskId) -> End {
        self.kernel.end_of(task, self.at(task))
    }

    /// Whether a task sleeps or is stopped, and nothing can wake it any more, once the system is
    /// over.
    pub fn is_stuck(&self, task: TaskId) -> bool {
        matches!(self.end_of(task), End::Blocked(_) | End::Stopped(_))
    }

    /// What the run comes to, if nothing more happens.
    pub fn outcome(&self, program: &Program) -> Outcome {
        let mut observer = self.observer.clone();
        for task in program.task_ids().skip(1) {
            observer.end(task, self.end_of(task));
        }
        observer.outcome(program)
    }

    /// The fold of what was observed so far.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }
}

/// Why the model has no rule for a call, if it has none.
fn unmodelled(stmt: &scenario::Stmt) -> Option<String> {
    let timeout = match stmt.sys {
        Sys::Poll | Sys::Ppoll | Sys::PpollRaw | Sys::Sigtimedwait => stmt.args.get(1),
        Sys::Select | Sys::Pselect => stmt.args.get(3),
        Sys::SelectRaw | Sys::PselectRaw | Sys::EpollWait | Sys::EpollPwait => stmt.args.get(2),
        Sys::Alarm | Sys::Setitimer => stmt.args.first(),
        Sys::MqTimedSend => stmt.args.get(3),
        Sys::MqTimedReceive => stmt.args.get(2),
        _ => None,
    };
    match timeout {
        Some(scenario::Arg::Var(_)) => Some("its timeout must be known before the run".into()),
        _ => None,
    }
}
