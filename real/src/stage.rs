//! The stage: a program compiled into shared memory, its workers, and what they posted.
//! Lockstep and race both play on it.

use crate::arena::{Arena, MAX_TASKS, MAX_VARS, Posted, RING, entry_of};
use crate::compile::{self, Build, Decode, World, task_value};
use crate::op::{Do, Op, Word};
use crate::options::Quiet;
use crate::quiet::Watch;
use crate::raw;
use crate::wire::Failure;
use crate::worker;
use scenario::{Arg, End, Event, Handled, Program, Signal, Sys, TaskId, TaskKind, Value, What};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::time::{Duration, Instant};

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
    runs: u64,
    /// Pages that fault already.
    faults: BTreeSet<usize>,
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
    taken: u32,
    /// The ticket and the status with which it said that it leaves.
    leaving: Option<(u64, u8)>,
    /// Kept where its parent might not leave a zombie to read the status from.
    pidfd: Option<std::os::fd::OwnedFd>,
    /// What its results mean.
    decodes: Vec<Decode>,
    /// The call whose result is not there yet may time out after this many milliseconds.
    timeouts: Vec<Option<u64>>,
    /// Bytes of its slot's heap in use.
    used: usize,
}

/// A program on stage.
pub(crate) struct Stage<'a> {
    pub theatre: &'a mut Theatre,
    pub program: &'a Program,
    pub actors: Vec<Actor>,
    /// Whether a task may come to be stopped.
    pub may_stop: bool,
    /// Whether an idle task may be woken by a signal, or killed.
    pub may_signal: bool,
    /// Whether statuses may be lost with zombies that nobody keeps.
    may_lose_status: bool,
    directory: String,
    outside: bool,
    /// The files whose times have been asked for: device and inode.
    asked: BTreeSet<(u64, u64)>,
}

/// What is asked for besides the program.
#[derive(Clone, Copy)]
pub(crate) struct Play {
    /// Tasks wait for each other before they begin, and then run by themselves.
    pub race: bool,
    /// All on one CPU.
    pub one_cpu: bool,
}

impl<'a> Stage<'a> {
    /// Compiles a program into fresh slots.
    pub fn build(
        theatre: &'a mut Theatre,
        program: &'a Program,
        play: Play,
    ) -> Result<Stage<'a>, Failure> {
        if program.tasks.len() > MAX_TASKS || program.vars.len() > MAX_VARS {
            return Err(Failure::TooLarge(format!(
                "{} tasks and {} names; at most {MAX_TASKS} and {MAX_VARS}",
                program.tasks.len(),
                program.vars.len()
            )));
        }
        theatre.runs += 1;
        let directory = format!("{}/{}", theatre.home, theatre.runs);
        let stmts = || program.tasks.iter().flat_map(|t| &t.body);
        let mut used = vec![false; program.vars.len()];
        for arg in stmts().flat_map(|s| &s.args) {
            arg.vars(&mut |v| {
                if let Some(u) = used.get_mut(v.index()) {
                    *u = true;
                }
            });
        }
        let globals = theatre.arena.globals();
        // SAFETY: no worker is alive; the plain fields are ours.
        unsafe {
            let globals = std::ptr::from_ref(globals).cast_mut();
            (*globals).one_cpu = play.one_cpu;
            (*globals).share = if theatre.may_share && !stmts().any(|s| wants_own_memory(s.sys)) {
                libc::CLONE_VM as u64
            } else {
                0
            };
        }
        for word in [
            &globals.gate,
            &globals.arrived,
            &globals.started,
            &globals.leaving,
        ] {
            word.store(0, Relaxed);
        }
        globals.ticket.store(0, Relaxed);
        let mut stage = Stage {
            program,
            actors: Vec::with_capacity(program.tasks.len()),
            may_stop: stmts().any(|s| may_stop(s.sys, &s.args)),
            may_signal: stmts().any(|s| may_signal(s.sys)),
            may_lose_status: stmts().any(|s| {
                s.sys == Sys::Sigaction
                    && s.args.first() == Some(&Arg::Value(Value::Signal(Signal::SIGCHLD)))
            }),
            outside: stmts().any(|s| s.args.iter().any(names_outside)),
            directory,
            asked: BTreeSet::new(),
            theatre,
        };
        let mut bytes_of = vec![None; program.vars.len()];
        for id in program.task_ids() {
            let actor = stage.lay_out(id, play, &used, &mut bytes_of)?;
            stage.actors.push(actor);
        }
        Ok(stage)
    }

    /// Compiles one task into its slot.
    fn lay_out(
        &mut self,
        id: TaskId,
        play: Play,
        used: &[bool],
        bytes_of: &mut [Option<usize>],
    ) -> Result<Actor, Failure> {
        let (arena, program) = (self.theatre.arena, self.program);
        let task = program.task(id);
        let mut build = Build::new(arena, id.index());
        let failed = |e| Failure::Unsupported(id, 0, e);
        let mut ops: Vec<Op> = Vec::new();
        if id == TaskId::SETUP {
            self.prelude(&mut build, &mut ops).map_err(failed)?;
        }
        let prelude = ops.len();
        let mut decodes = Vec::with_capacity(task.body.len());
        let thread = matches!(task.kind, TaskKind::Thread(_));
        for (index, stmt) in task.body.iter().enumerate() {
            let (op, decode) = compile::statement(stmt, thread, &mut build, bytes_of, used)
                .map_err(|e| Failure::Unsupported(id, index, e))?;
            ops.push(op);
            decodes.push(decode);
        }
        if id == TaskId::SETUP {
            for process in program.processes() {
                let how = Do::Spawn {
                    slot: arena.at(process.index()),
                    thread: false,
                };
                ops.push(op(libc::SYS_clone, [0; 3]).with(how));
            }
            ops.push(op(libc::SYS_close_range, [3, u64::from(u32::MAX), 0]));
        }
        let at = build.put(&ops).map_err(failed)?;
        for &page in build.faults() {
            if self.theatre.faults.insert(page) {
                // SAFETY: a page of the slot that is kept for faulting.
                let result = unsafe { libc::mprotect(page as *mut _, 4096, libc::PROT_NONE) };
                if result != 0 {
                    return Err(Failure::call("mprotect", std::io::Error::last_os_error()));
                }
            }
        }
        // SAFETY: no worker is alive; the plain fields are ours.
        unsafe {
            let slot = arena.slot_ptr(id.index());
            (*slot).count = ops.len() as u32;
            (*slot).prelude = prelude as u32;
            (*slot).ops = at;
            (*slot).skew = 0;
            (*slot).gated = play.race && task.kind == TaskKind::Process;
            (*slot).gated_tasks = program.processes().count() as u32;
            (*slot).globals = std::ptr::from_ref(arena.globals()) as usize;
            let robust = &mut (*slot).robust;
            let head = std::ptr::from_ref(robust) as usize;
            robust.node = head;
            robust.first = std::ptr::from_ref(&robust.node) as usize;
            robust.offset = (std::mem::offset_of!(crate::arena::Robust, death)
                - std::mem::offset_of!(crate::arena::Robust, node))
                as i64;
            robust.pending = 0;
        }
        let slot = arena.slot(id.index());
        let free_running = play.race || id == TaskId::SETUP;
        slot.go
            .store(if free_running { u32::MAX } else { 0 }, Relaxed);
        for number in 0..slot.posted.load(Relaxed).min(RING) {
            // SAFETY: entries lie in the slot's ring; these were used in the last run.
            unsafe {
                (*entry_of(arena.at(id.index()), number))
                    .ready
                    .store(0, Relaxed)
            };
        }
        for word in [&slot.done, &slot.posted, &slot.robust.death] {
            word.store(0, Relaxed);
        }
        slot.tid.store(0, Relaxed);
        slot.tgid.store(0, Relaxed);
        let timeout = |s: &scenario::Stmt| match (s.sys, s.args.get(1)) {
            (Sys::Poll, Some(Arg::Value(v))) => v.number().filter(|n| *n > 0).map(|n| n as u64),
            _ => None,
        };
        Ok(Actor {
            id,
            calls: task.body.len(),
            issued: if free_running { task.body.len() } else { 0 },
            started: false,
            stopped: false,
            ended: None,
            watch: Watch::default(),
            taken: 0,
            leaving: None,
            pidfd: None,
            decodes,
            timeouts: task.body.iter().map(timeout).collect(),
            used: build.used(),
        })
    }

    /// What the setup process does first, so that every run begins alike.
    fn prelude(&self, build: &mut Build, ops: &mut Vec<Op>) -> Result<(), compile::Unsupported> {
        let directory = build.string(self.directory.as_bytes())?;
        ops.push(op(libc::SYS_setpgid, [0, 0, 0]));
        ops.push(op(libc::SYS_umask, [0o022, 0, 0]));
        ops.push(op(libc::SYS_chdir, [directory as u64, 0, 0]));
        ops.push(op(libc::SYS_close_range, [3, u64::from(u32::MAX), 0]));
        let limit = |resource, soft, hard: Option<u64>| {
            let mut now = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: `now` is valid.
            unsafe { libc::getrlimit(resource, &mut now) };
            let hard = hard.map_or(now.rlim_max, |h| h.min(now.rlim_max));
            libc::rlimit {
                rlim_cur: hard.min(soft),
                rlim_max: hard,
            }
        };
        let files = build.put(&[limit(libc::RLIMIT_NOFILE, 256, None)])?;
        ops.push(op(
            libc::SYS_setrlimit,
            [libc::RLIMIT_NOFILE.into(), files as u64, 0],
        ));
        if self.theatre.real_time {
            // A worker that runs away is ended by the kernel (microseconds).
            let time = build.put(&[limit(libc::RLIMIT_RTTIME, 200_000, Some(200_000))])?;
            ops.push(op(
                libc::SYS_setrlimit,
                [libc::RLIMIT_RTTIME.into(), time as u64, 0],
            ));
        }
        Ok(())
    }

    /// Makes the run's directory and starts the setup process.
    pub fn start(&mut self) -> Result<(), Failure> {
        std::fs::create_dir(&self.directory)
            .and_then(|()| {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&self.directory, PermissionsExt::from_mode(0o777))
            })
            .map_err(|e| Failure::call(&self.directory, e))?;
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

    /// Whether a task has been told to do something that it has not finished.
    pub fn is_busy(&self, task: usize) -> bool {
        let slot = self.theatre.arena.slot(task);
        slot.done.load(Acquire) < slot.go.load(Acquire).min(slot.count)
    }

    /// Lets a task perform its next call.
    pub fn issue(&mut self, task: usize) {
        let actor = &mut self.actors[task];
        actor.issued += 1;
        let slot = self.theatre.arena.slot(task);
        slot.go.store(slot.prelude + actor.issued as u32, SeqCst);
        // SAFETY: the word lies in the arena.
        unsafe { raw::futex_wake(slot.go.as_ptr(), 1) };
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
            .map(Duration::from_millis)
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
                Posted::Handled => What::Handle(Handled {
                    signal: Signal(entry.a as u8),
                    code: Value::Bits(scenario::Bits::SiCode, u64::from(entry.b as u32)),
                    sender: task_value(arena, self.actors.len(), entry.c as i32),
                }),
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
                    let value = compile::value(&decode, entry.b, &mut Eye { stage: self });
                    What::Return(index as usize, value)
                }
            };
            found.push((entry.ticket, Event { task: id, what }));
        }
        Ok(())
    }

    /// How a dead task ended.
    fn end_of(&mut self, task: usize) -> Result<End, Failure> {
        let slot = self.theatre.arena.slot(task);
        let left = self.actors[task].leaving.map(|l| End::Exited(l.1));
        let thread = slot.tid.load(Acquire) != slot.tgid.load(Acquire);
        if thread && let Some(end) = left {
            return Ok(end);
        }
        let leader = slot.tgid.load(Acquire);
        let deadline = Instant::now() + self.theatre.step_deadline;
        let mut patience = crate::quiet::Patience::until(deadline);
        loop {
            match std::fs::read_to_string(format!("/proc/{leader}/stat")) {
                Ok(stat) => {
                    let (state, code) = parse_stat(&stat)
                        .ok_or_else(|| Failure::Harness(format!("/proc/{leader}/stat: {stat}")))?;
                    if matches!(state, 'Z' | 'X') {
                        return Ok(decode_status(code));
                    }
                }
                Err(_) => {
                    let code = self.actors[task].pidfd.as_ref().and_then(exit_info);
                    return code.map(decode_status).or(left).ok_or_else(|| {
                        Failure::Harness(format!("the status of task {task} was lost"))
                    });
                }
            }
            if !patience.again() {
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
            let leader = tid != 0 && self.theatre.arena.slot(task).tgid.load(Acquire) == tid;
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

/// An operation with known arguments.
fn op(nr: i64, given: [u64; 3]) -> Op {
    let mut args = [Word::Const(0); 6];
    for (arg, n) in args.iter_mut().zip(given) {
        *arg = Word::Const(n);
    }
    Op {
        how: Do::Call,
        nr,
        args,
        stores: (0, 0),
        outs: (0, 0),
    }
}

impl Op {
    fn with(self, how: Do) -> Op {
        Op { how, ..self }
    }
}

/// Whether a call's effects reach into memory that a process has to itself.
fn wants_own_memory(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::Setuid | Sys::Setgid | Sys::Seteuid | Sys::Setgroups | Sys::Execve | Sys::ReopenOf
    )
}

/// Whether a call may stop a task: it sends a signal that stops, or one that is not known.
fn may_stop(sys: Sys, args: &[Arg]) -> bool {
    let at = match sys {
        Sys::Kill | Sys::Tgkill | Sys::SetSig => 1,
        _ => return false,
    };
    let stops = [
        Signal::SIGSTOP,
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
    ];
    match args.get(at) {
        Some(Arg::Value(v)) => stops.iter().any(|s| v.number() == Some(i64::from(s.0))),
        _ => true,
    }
}

/// Whether a call makes it possible that a task other than its own handles a signal or is killed.
fn may_signal(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::Kill | Sys::Tgkill | Sys::Sigaction | Sys::SetOwn | Sys::Thread
    )
}

/// Whether a path leads out of the private directory.
fn names_outside(arg: &Arg) -> bool {
    matches!(arg, Arg::Value(Value::Path(p)) if p.starts_with('/') || p.contains(".."))
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

/// The state letter of a task; none if it is gone.
pub(crate) fn state(tid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{tid}/stat")).ok()?;
    parse_stat(&stat).map(|s| s.0)
}

/// State and exit code out of `/proc/PID/stat` (fields 3 and 52).
fn parse_stat(stat: &str) -> Option<(char, i32)> {
    // The name, in brackets, may hold anything.
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(48)?.parse().ok()?))
}

/// A wait status.
fn decode_status(code: i32) -> End {
    match code & 0x7f {
        0 => End::Exited((code >> 8) as u8),
        signal => End::Killed(Signal(signal as u8)),
    }
}

/// A descriptor for a process.
fn pidfd(tid: i32) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: takes numbers only; the result is a descriptor of our own.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, tid, 0);
        (fd >= 0).then(|| std::os::fd::OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The exit code of a process that was reaped, where the kernel tells it (Linux 6.15).
fn exit_info(pidfd: &std::os::fd::OwnedFd) -> Option<i32> {
    use std::os::fd::AsRawFd;
    const PIDFD_GET_INFO: u64 = 3 << 30 | 64 << 16 | 0xff << 8 | 11;
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    let mut info = [0u64; 8];
    info[0] = PIDFD_INFO_EXIT;
    // SAFETY: the kernel stores the 64 bytes that the request names.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, info.as_mut_ptr()) };
    // The exit code is the last of the 16 words.
    (result == 0 && info[0] & PIDFD_INFO_EXIT != 0).then_some((info[7] >> 32) as i32)
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
