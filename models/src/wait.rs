//! Tasks that sleep, and the queues in which they wait, as Linux has them.
//!
//! A task that waits for a condition joins a queue *before* it looks at the condition for the last
//! time, and says before it sleeps that it is about to. Whoever makes the condition true does that
//! first and wakes the queue afterwards. So one of the two always sees the other:
//!
//! ```text
//! sleeper   join queue, "about to sleep" ── condition? no ── sleep ─────────────── awake ── condition? yes
//! waker                                         make it true ── wake the queue
//!
//! sleeper   join queue, "about to sleep" ── condition? yes ── leave queue
//! waker          make it true ─────────────────────────────── wake the queue: nobody sleeps
//! ```
//!
//! A waker wakes all who stand at the head (they want to be woken *together*) and one of those at
//! the tail, in order of arrival (they want to be woken *alone*). Who is woken is taken out of the
//! queue by the waker. One who is awake already does not count: the wake-up goes on to the next.

use crate::protocol::{Fault, Left, Stuck, World};
use crate::runtime::Runtime;
use crate::signal::Signals;
use scenario::TaskId;
use sim::kernel::{How, Restart};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the scheduler knows of a task.
pub(crate) struct Task<R: Runtime> {
    state: R::Mutex<State>,
    wake: R::Condvar,
    pub signals: R::Mutex<Signals>,
}

#[derive(Default)]
struct State {
    /// It is about to sleep, or sleeps: a wake-up means it.
    interruptible: bool,
    /// It sleeps.
    asleep: bool,
}

impl<R: Runtime> Task<R> {
    pub fn new() -> Task<R> {
        Task {
            state: R::mutex(State::default()),
            wake: R::condvar(),
            signals: R::mutex(Signals::default()),
        }
    }
}

/// How many tasks run, so that it is known when none does any more. Engines do not see its lock.
#[derive(Default)]
pub(crate) struct Quiet(Mutex<Count>);

#[derive(Default)]
struct Count {
    running: usize,
    asleep: Vec<TaskId>,
    over: bool,
}

impl Quiet {
    pub fn new(running: usize) -> Quiet {
        Quiet(Mutex::new(Count {
            running,
            ..Count::default()
        }))
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks that sleep.
    pub fn asleep(&self) -> Vec<TaskId> {
        self.count().asleep.clone()
    }

    /// Whether nobody will run any more.
    pub fn is_over(&self) -> bool {
        self.count().over
    }

    /// A task stops running, asleep or for good. Tells whether it was the last.
    fn stop(&self, asleep: Option<TaskId>) -> bool {
        let mut count = self.count();
        count.running -= 1;
        count.asleep.extend(asleep);
        let last = count.running == 0 && !count.over;
        count.over |= last;
        last
    }

    fn go_on(&self, task: TaskId) {
        let mut count = self.count();
        count.running += 1;
        count.asleep.retain(|t| *t != task);
    }
}

/// A wait queue: those who want to be woken together at the head, those who want it alone behind.
pub(crate) struct WaitQueue<R: Runtime>(R::Mutex<VecDeque<(TaskId, How)>>);

impl<R: Runtime> WaitQueue<R> {
    pub fn new() -> WaitQueue<R> {
        WaitQueue(R::mutex(VecDeque::new()))
    }

    /// `prepare_to_wait_event`: the task joins the queue, and is about to sleep. If a signal is there it
    /// leaves the queue instead, before the caller's last look at what it waits for: a wake-up from
    /// then on is for the others, one from before has made that look succeed. Tells whether it joined.
    fn prepare_unless_signal(&self, world: &World<R>, task: TaskId, how: How) -> bool {
        let mut queue = R::lock(&self.0);
        let disturbed = world.signal_pending(task);
        if disturbed && world.fault != Some(Fault::SignalEatsWakeUp) {
            queue.retain(|w| w.0 != task);
            return false;
        }
        Self::join(&mut queue, world, task, how);
        !disturbed
    }

    /// `prepare_to_wait`: the task joins the queue, and is about to sleep.
    pub fn prepare(&self, world: &World<R>, task: TaskId, how: How) {
        Self::join(&mut R::lock(&self.0), world, task, how);
    }

    fn join(queue: &mut VecDeque<(TaskId, How)>, world: &World<R>, task: TaskId, how: How) {
        if !queue.iter().any(|w| w.0 == task) {
            match how {
                How::Alone => queue.push_back((task, how)),
                _ => queue.push_front((task, how)),
            }
        }
        world.about_to_sleep(task);
    }

    /// `finish_wait`: the task runs, and is out of the queue.
    pub fn finish(&self, world: &World<R>, task: TaskId) {
        let was_woken = {
            let mut state = R::lock(&world.task(task).state);
            !std::mem::replace(&mut state.interruptible, false)
        };
        // Who was woken has been taken out.
        if !was_woken {
            R::lock(&self.0).retain(|w| w.0 != task);
        }
    }

    /// `wait_event_interruptible_exclusive`: sleeps until the condition holds.
    pub fn wait_event(
        &self,
        world: &World<R>,
        task: TaskId,
        condition: impl Fn() -> bool,
    ) -> Result<(), Left> {
        if world.fault == Some(Fault::CheckThenSleep) {
            while !condition() {
                self.prepare(world, task, How::Alone);
                world.schedule(task)?;
                self.finish(world, task);
            }
            return Ok(());
        }
        loop {
            let joined = self.prepare_unless_signal(world, task, How::Alone);
            if condition() {
                break;
            }
            if !joined {
                self.finish(world, task);
                return Err(Left::Disturbed(Restart::UnlessHandler));
            }
            world.schedule(task)?;
            if world.fault == Some(Fault::IfForWhile) {
                break;
            }
        }
        self.finish(world, task);
        Ok(())
    }

    /// Wakes those who want it together and one of those who want it alone.
    pub fn wake_one(&self, world: &World<R>) {
        self.wake(world, true);
    }

    /// Wakes everyone.
    pub fn wake_all(&self, world: &World<R>) {
        self.wake(world, world.fault == Some(Fault::WakeOneAtLastClose));
    }

    fn wake(&self, world: &World<R>, one: bool) {
        let mut queue = R::lock(&self.0);
        let mut at = 0;
        while let Some(&(task, how)) = queue.get(at) {
            if !world.try_to_wake(task) {
                at += 1;
                continue;
            }
            queue.remove(at);
            if one && how == How::Alone {
                break;
            }
        }
    }
}

impl<R: Runtime> World<R> {
    /// `set_current_state(TASK_INTERRUPTIBLE)`: from now on a wake-up means the task.
    pub fn about_to_sleep(&self, task: TaskId) {
        R::lock(&self.task(task).state).interruptible = true;
    }

    /// Wakes a task that sleeps or is about to; tells whether it was one.
    pub fn try_to_wake(&self, task: TaskId) -> bool {
        let task_of = self.task(task);
        let mut state = R::lock(&task_of.state);
        if !std::mem::replace(&mut state.interruptible, false) {
            return false;
        }
        if std::mem::replace(&mut state.asleep, false) {
            self.quiet.go_on(task);
            R::notify_one(&task_of.wake);
        }
        true
    }

    /// Sleeps, if nobody has woken the task since it was about to, and no signal is there.
    pub fn schedule(&self, task: TaskId) -> Result<(), Stuck> {
        let own = self.task(task);
        let mut state = R::lock(&own.state);
        if !state.interruptible {
            return Ok(());
        }
        if self.fault != Some(Fault::SleepsWithSignal) && self.signal_pending(task) {
            state.interruptible = false;
            return Ok(());
        }
        state.asleep = true;
        if self.quiet.stop(Some(task)) {
            // Nobody is left to wake it.
            drop(state);
            self.report();
            self.quiet.go_on(task);
            return Err(Stuck);
        }
        while state.asleep {
            state = R::wait(&own.wake, state);
        }
        drop(state);
        match self.quiet.is_over() {
            true => Err(Stuck),
            false => Ok(()),
        }
    }

    /// A task's thread ends. When all is over, each lets the next one go.
    pub fn depart(&self) {
        if self.quiet.stop(None) {
            self.report();
        }
        if !self.quiet.is_over() {
            return;
        }
        if let Some(&next) = self.quiet.asleep().first() {
            let own = self.task(next);
            let mut state = R::lock(&own.state);
            state.asleep = false;
            self.quiet.go_on(next);
            R::notify_one(&own.wake);
        }
    }
}
