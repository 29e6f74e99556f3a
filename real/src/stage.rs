//! The stage: a program compiled into shared memory, its workers, and what they posted.
//! Lockstep and race both play on it.

use crate::arena::{Arena, Posted, RING, entry_of};
use crate::decode::{self, Decode, World, task_value};
use crate::options::Quiet;
use crate::quiet::Watch;
use crate::raw;
use crate::status::{decode_status, exit_info, parse_stat, pidfd, state};
use crate::wire::Failure;
use crate::worker;
use scenario::{End, Event, Program, Signal, TaskId, Value, What};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::time::{Duration, Instant};

/// A call that gives up by itself within this time is waited for when nothing else can happen; one
/// that takes longer counts as asleep for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// By so much a timer may be late before a run goes on without it. Nothing tells whether the timer of
/// another process runs; a run in which one was later still is found to differ, and made once more.
const LATENESS: Duration = Duration::from_millis(60);

/// What outlives a run: the memory, and what was found at the start.
pub(crate) struct Theatre {
    pub arena: Arena,
    pub method: Quiet,
    /// Whether conductor and workers have real-time priorities.
    pub real_time: bool,
    /// The directory in which each run has its own.
    pub home: String,
    /// Whether tasks may share the conductor's memory where nothing depends on it.
    pub may_share: bool,
    pub closed: bool,
    pub step_deadline: Duration,
    pub run_deadline: Duration,
    pub runs: u64,
    /// Whether limits of the IPC namespace may be other than in a fresh one.
    pub limits_changed: bool,
    /// Pages that fault already.
    pub faults: BTreeSet<usize>,
}

impl Theatre {
    pub fn new(arena: Arena, method: Quiet, home: String) -> Theatre {
        Theatre {
            arena,
            method,
            real_time: method == Quiet::Realtime,
            home,
            may_share: true,
            closed: true,
            step_deadline: Duration::from_secs(2),
            run_deadline: Duration::from_secs(10),
            runs: 0,
            limits_changed: false,
            faults: BTreeSet::new(),
        }
    }
}

/// A task as the conductor sees it.
pub(crate) struct Actor {
    pub id: TaskId,
    /// Calls of its program.
    pub calls: usize,
    /// Calls issued.
    pub issued: usize,
    pub started: bool,
    pub stopped: bool,
    pub ended: Option<End>,
    pub watch: Watch,
    /// Entries of its ring taken.
    pub taken: u32,
    /// The ticket and the status with which it said that it leaves.
    pub leaving: Option<(u64, u8)>,
    /// The exit code that somebody's wait gave.
    pub fate: Option<i32>,
    /// Kept where its parent might not leave a zombie to read the status from.
    pub pidfd: Option<std::os::fd::OwnedFd>,
    /// What its results mean.
    pub decodes: Vec<Decode>,
    /// The call whose result is not there yet may time out after this many milliseconds.
    pub timeouts: Vec<Option<u64>>,
    /// The timers that its calls set: when they end, and how often again, in nanoseconds.
    pub timers: Vec<Option<(u64, u64)>>,
    /// So many of its calls have been looked at for timers.
    pub timers_seen: usize,
    /// The timer of its process, if it is the first task of one: when it is over at the latest, and
    /// its interval.
    pub alarm: Option<(Instant, Duration)>,
    /// The first task of its process.
    pub leader: usize,
    /// Bytes of its slot's heap in use.
    pub used: usize,
}

/// A program on stage.
pub(crate) struct Stage<'a> {
    pub theatre: &'a mut Theatre,
    pub program: &'a Program,
    pub actors: Vec<Actor>,
    /// Whether a task may come to be stopped.
    pub may_stop: bool,
    /// Whether a call makes a terminal.
    pub has_terminals: bool,
    /// Whether an idle task may be woken by a signal, or killed.
    pub may_signal: bool,
    /// Whether statuses may be lost with zombies that nobody keeps.
    pub may_lose_status: bool,
    pub directory: String,
    pub outside: bool,
    /// The files whose times have been asked for: device and inode.
    pub asked: BTreeSet<(u64, u64)>,
}

/// What is asked for besides the program.
#[derive(Clone, Copy)]
pub(crate) struct Play {
    /// Tasks wait for each other before they begin, and then run by themselves.
    pub race: bool,
    /// All on one CPU.
    pub one_cpu: bool,
}

impl Stage<'_> {
    /// Makes the run's directory and starts the setup process.
    pub fn start(&mut self) -> Result<(), Failure> {
        std::fs::create_dir(&self.directory)
            .and_then(|()| {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&self.directory, PermissionsExt::from_mode(0o777))
            })
            .map_err(|e| Failure::call(&self.directory, e))?;
        let makes = |is_one: fn(scenario::Sys) -> bool| {
            let mut stmts = self.program.tasks.iter().flat_map(|t| &t.body);
            stmts.any(|s| is_one(s.sys))
        };
        let uses_limits = makes(crate::sysctl::is_one);
        if makes(crate::sysv_msg::is_one) || uses_limits || self.theatre.limits_changed {
            crate::sysv_msg::fresh_namespace().map_err(|e| Failure::call("unshare", e))?;
            self.theatre.limits_changed = uses_limits;
        }
        let tid = worker::spawn(
            self.theatre.arena.globals(),
            self.theatre.arena.at(0),
            false,
        );
        if tid < 0 {
            return Err(Failure::call(
                "clone",
                std::io::Error::from_raw_os_error(-tid as i32),
            ));
        }
        if self.theatre.real_time {
            // It inherited the conductor's priority, and now preempts it; its children inherit.
            real_time(tid as i32, 2).map_err(|e| Failure::call("sched_setscheduler", e))?;
        }
        Ok(())
    }

    /// A task's id; 0 if it has not been started.
    pub fn tid(&self, task: usize) -> i32 {
        self.theatre.arena.slot(task).tid.load(Acquire)
    }

    /// Whether a task's worker has died.
    pub fn is_dead(&self, task: usize) -> bool {
        let death = self.theatre.arena.slot(task).robust.death.load(Acquire);
        death & libc::FUTEX_OWNER_DIED != 0
    }

    /// Finds those that died before they had arranged for their death to be known: a task that is
    /// killed at once after it was started.
    pub fn find_early_deaths(&self) {
        for task in 1..self.actors.len() {
            let tid = self.tid(task);
            if tid == 0 || self.is_dead(task) {
                continue;
            }
            let stat = std::fs::read_to_string(format!("/proc/{tid}/stat")).ok();
            let state = stat.and_then(|s| parse_stat(&s)).map(|s| s.0);
            if state.is_none_or(|s| matches!(s, 'Z' | 'X')) {
                let death = &self.theatre.arena.slot(task).robust.death;
                death.fetch_or(libc::FUTEX_OWNER_DIED, SeqCst);
            }
        }
    }

    /// Whether a task has been told to do something that it has not finished.
    pub fn is_busy(&self, task: usize) -> bool {
        let slot = self.theatre.arena.slot(task);
        slot.done.load(Acquire) < slot.go.load(Acquire).min(slot.count)
    }

    /// Lets a task perform its next call.
    pub fn issue(&mut self, task: usize) {
        let actor = &mut self.actors[task];
        actor.issued += 1;
        actor.watch.forget();
        let slot = self.theatre.arena.slot(task);
        slot.go.store(slot.prelude + actor.issued as u32, SeqCst);
        // SAFETY: the word lies in the arena.
        unsafe { raw::futex_wake(slot.go.as_ptr(), self.theatre.arena.globals().private, 1) };
    }

    /// The time after which the call that a task sleeps in gives up by itself.
    pub fn timeout(&self, task: usize) -> Option<Duration> {
        let actor = &self.actors[task];
        let slot = self.theatre.arena.slot(task);
        let at = slot.done.load(Acquire).checked_sub(slot.prelude)? as usize;
        actor
            .timeouts
            .get(at)
            .copied()
            .flatten()
            .map(Duration::from_nanos)
    }

    /// The tasks that sleep in a call which will give up by itself soon enough to wait for it, with
    /// the time it was given.
    pub fn waiting_for_time(&self) -> Vec<(usize, Duration)> {
        (0..self.actors.len())
            .filter(|&t| {
                let alive = self.tid(t) != 0 && !self.is_dead(t) && !self.actors[t].stopped;
                alive && self.is_busy(t)
            })
            .filter_map(|t| Some((t, self.timeout(t)?)))
            .filter(|(_, timeout)| *timeout <= PATIENCE)
            .collect()
    }

    /// Takes note of the timers that were set since the last time. They were set before now, so
    /// they are over at the latest so long after now.
    pub fn note_timers(&mut self) {
        for task in 0..self.actors.len() {
            let done = self.at(task).min(self.actors[task].timers.len());
            for at in self.actors[task].timers_seen..done {
                if let Some((first, interval)) = self.actors[task].timers[at] {
                    let leader = self.actors[task].leader;
                    let first = Duration::from_nanos(first);
                    self.actors[leader].alarm =
                        (!first.is_zero() && first <= PATIENCE).then(|| {
                            let over = Instant::now() + first + LATENESS;
                            (over, Duration::from_nanos(interval))
                        });
                }
            }
            self.actors[task].timers_seen = done.max(self.actors[task].timers_seen);
        }
    }

    /// The process whose timer is over first, and when that is at the latest.
    pub fn next_alarm(&self) -> Option<(usize, Instant)> {
        (0..self.actors.len())
            .filter(|&t| !self.actors[t].stopped && self.actors[t].ended.is_none())
            .filter_map(|t| Some((t, self.actors[t].alarm?.0)))
            .min_by_key(|a| a.1)
    }

    /// The timer of that process is over, or begins anew if that showed.
    pub fn alarm_is_over(&mut self, task: usize, showed: bool) {
        if let Some((_, interval)) = self.actors[task].alarm {
            let again = showed && !interval.is_zero();
            self.actors[task].alarm =
                again.then(|| (Instant::now() + interval + LATENESS, interval));
        }
    }

    /// How much was posted, by all: a change tells that something happened.
    pub fn posted(&self) -> u32 {
        (0..self.actors.len()).fold(0, |all: u32, t| {
            let slot = self.theatre.arena.slot(t);
            all.wrapping_add(slot.posted.load(Acquire))
                .wrapping_add(u32::from(self.is_dead(t)))
        })
    }

    /// The call that a task is in, or would make next.
    pub fn at(&self, task: usize) -> usize {
        let slot = self.theatre.arena.slot(task);
        slot.done.load(Acquire).saturating_sub(slot.prelude) as usize
    }

    /// Takes what was posted since the last time, and finds who has been started and who has
    /// ended. Only when the system is quiet.
    pub fn collect(&mut self) -> Result<Vec<Event>, Failure> {
        let mut found: Vec<(u64, Event)> = Vec::new();
        for task in 0..self.actors.len() {
            self.take(task, &mut found)?;
        }
        // Not before all results are there: a death may explain another.
        for task in 0..self.actors.len() {
            let actor = &mut self.actors[task];
            if !actor.started && self.theatre.arena.slot(task).tid.load(Acquire) != 0 {
                actor.started = true;
                if self.may_lose_status {
                    actor.pidfd = pidfd(self.theatre.arena.slot(task).tid.load(Acquire));
                }
            }
            if self.actors[task].started && self.actors[task].ended.is_none() && self.is_dead(task)
            {
                let end = self.end_of(task)?;
                self.actors[task].ended = Some(end);
                let ticket = self.actors[task].leaving.map_or(u64::MAX, |l| l.0);
                found.push((
                    ticket,
                    Event {
                        task: TaskId(task as u16),
                        what: What::End(end),
                    },
                ));
            }
        }
        found.sort_by_key(|f| f.0);
        Ok(found.into_iter().map(|f| f.1).collect())
    }

    /// Takes the entries of a task's ring.
    fn take(&mut self, task: usize, found: &mut Vec<(u64, Event)>) -> Result<(), Failure> {
        let arena = self.theatre.arena;
        let slot = arena.slot(task);
        let posted = slot.posted.load(Acquire);
        if posted.wrapping_sub(self.actors[task].taken) > RING {
            return Err(Failure::Harness(format!(
                "task {task} had more than {RING} results and signals at once"
            )));
        }
        while self.actors[task].taken != posted {
            let number = self.actors[task].taken;
            // SAFETY: the entry lies in the ring; `ready` tells whether it is complete.
            let entry = unsafe { &*entry_of(arena.at(task), number) };
            if entry.ready.load(Acquire) != number.wrapping_add(1) {
                break;
            }
            self.actors[task].taken = number.wrapping_add(1);
            let id = TaskId(task as u16);
            let what = match entry.what {
                Posted::Leaving => {
                    self.actors[task].leaving = Some((entry.ticket, entry.b as u8));
                    continue;
                }
                Posted::Handled => What::Handle(decode::handled(
                    Signal(entry.a as u8),
                    entry.b as i32,
                    task_value(arena, self.actors.len(), entry.c as i32),
                    (entry.a >> 32) as i32,
                )),
                Posted::Returned => {
                    let index = entry.a - i64::from(slot.prelude);
                    if index < 0 || index as usize >= self.actors[task].calls {
                        if entry.b < 0 {
                            let e = std::io::Error::from_raw_os_error(-entry.b as i32);
                            return Err(Failure::call("a worker's preparations", e));
                        }
                        continue;
                    }
                    let decode = self.actors[task].decodes[index as usize].clone();
                    if let Some((child, code)) = decode::taken(&decode, entry.b) {
                        for at in 0..self.actors.len() {
                            if self.tid(at) == child {
                                self.actors[at].fate = Some(code);
                            }
                        }
                    }
                    let value = decode::value(&decode, entry.b, &mut Eye { stage: self });
                    What::Return(index as usize, value)
                }
            };
            found.push((entry.ticket, Event { task: id, what }));
        }
        Ok(())
    }

    /// How a dead task ended.
    fn end_of(&mut self, task: usize) -> Result<End, Failure> {
        let left = self.actors[task].leaving.map(|l| End::Exited(l.1));
        // By the program, and not by what the task says itself: it may have been killed before it did.
        let first = self.actors[task].leader;
        let thread = first != task;
        if thread && let Some(end) = left {
            return Ok(end);
        }
        let leader = self.tid(first);
        let deadline = Instant::now() + self.theatre.step_deadline;
        let mut patience = crate::quiet::Patience::until(deadline);
        loop {
            let mut buffer = [0u8; 1024];
            let text = if thread {
                std::fs::read_to_string(format!("/proc/{leader}/stat")).ok()
            } else {
                let text = self.actors[task].watch.stat(leader, &mut buffer)?;
                text.map(|t| String::from_utf8_lossy(t).into_owned())
            };
            match text {
                Some(stat) => {
                    let (state, code) = parse_stat(&stat)
                        .ok_or_else(|| Failure::Harness(format!("/proc/{leader}/stat: {stat}")))?;
                    if matches!(state, 'Z' | 'X') {
                        return Ok(decode_status(code));
                    }
                }
                None => {
                    // It was reaped: by a wait that told how it ended, or unseen.
                    let main = &self.actors[first];
                    let told = || main.pidfd.as_ref().and_then(exit_info);
                    let code = main.fate.or_else(told);
                    return code.map(decode_status).or(left).ok_or_else(|| {
                        Failure::Harness(format!("the status of task {task} was lost"))
                    });
                }
            }
            if !patience.again(self.theatre.arena.globals()) {
                return Err(Failure::Harness(format!("task {task} dies and dies")));
            }
            crate::quiet::give_way();
        }
    }

    /// Finds which tasks are stopped now.
    pub fn note_stops(&mut self) -> Result<(), Failure> {
        if !self.may_stop {
            return Ok(());
        }
        for task in 0..self.actors.len() {
            let live = self.actors[task].started && self.actors[task].ended.is_none();
            self.actors[task].stopped = live && matches!(state(self.tid(task)), Some('T' | 't'));
        }
        Ok(())
    }

    /// Kills and reaps all that is left, and removes what it left behind.
    pub fn strike(mut self) -> Result<(), Failure> {
        for task in 0..self.actors.len() {
            let tid = self.tid(task);
            let leader = tid != 0 && self.actors[task].leader == task;
            if leader && self.actors[task].ended.is_none() && !self.is_dead(task) {
                // SAFETY: a positive id of a child or grandchild that has not been reaped.
                unsafe { libc::kill(tid, libc::SIGKILL) };
            }
        }
        self.actors
            .iter_mut()
            .for_each(|a| a.watch = Watch::default());
        // The orphans of the setup process become ours as it dies.
        // SAFETY: no pointer is used.
        while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::__WALL) } > 0 {}
        for actor in &self.actors {
            // What large buffers held is given back; small ones are used again.
            if actor.used > 8 << 20 {
                let at = self.theatre.arena.heap(actor.id.index());
                let len = actor.used.next_multiple_of(4096);
                // SAFETY: nobody uses the heap any more.
                unsafe { libc::madvise(at as *mut _, len, libc::MADV_REMOVE) };
            }
        }
        match std::fs::remove_dir(&self.directory) {
            Err(e) if e.raw_os_error() == Some(libc::ENOTEMPTY) => {
                std::fs::remove_dir_all(&self.directory)
            }
            other => other,
        }
        .map_err(|e| Failure::call(&self.directory, e))?;
        crate::posix_mq::sweep(self.program);
        if self.outside && self.theatre.closed {
            crate::host::sweep().map_err(|e| Failure::call("/", e))?;
        }
        Ok(())
    }
}

/// What the decoder asks.
struct Eye<'s, 'a> {
    stage: &'s mut Stage<'a>,
}

impl World for Eye<'_, '_> {
    fn task(&self, id: i32) -> Value {
        task_value(self.stage.theatre.arena, self.stage.actors.len(), id)
    }

    fn times(&mut self, s: &libc::stat) -> Value {
        let first = self.stage.asked.insert((s.st_dev, s.st_ino));
        let moved = |time: (i64, i64)| Value::Int(i64::from(!first && time != (0, 0)));
        let (a, m) = ((s.st_atime, s.st_atime_nsec), (s.st_mtime, s.st_mtime_nsec));
        Value::List(vec![moved(a), moved(m)])
    }
}

/// Gives a task a real-time priority.
pub(crate) fn real_time(tid: i32, priority: i32) -> std::io::Result<()> {
    let param = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: `param` is valid.
    match unsafe { libc::sched_setscheduler(tid, libc::SCHED_FIFO, &param) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Gives this process an ordinary priority.
pub(crate) fn ordinary() -> std::io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` is valid.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &param) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

impl Stage<'_> {
    /// Sets how each task varies its pace. Before the start.
    pub fn set_skews(&mut self, skews: &[u64]) {
        for (task, &skew) in skews.iter().enumerate() {
            // SAFETY: no worker is alive.
            unsafe { (*self.theatre.arena.slot_ptr(task)).skew = skew };
        }
    }
}
