//! From a program to slots ready to run.

use crate::arena::{MAX_TASKS, MAX_VARS, RING, entry_of};
use crate::capability;
use crate::compile::{self, Build};
use crate::op::{Do, Op, Word};
use crate::posix_mq;
use crate::quiet::Watch;
use crate::stage::{Actor, Play, Stage, Theatre};
use crate::wire::Failure;
use scenario::{Arg, Program, Signal, Sys, TaskId, TaskKind, Value};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

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
            (*globals).share = 0;
            (*globals).private = 0;
            if theatre.may_share && !stmts().any(|s| wants_own_memory(s.sys)) {
                (*globals).share = libc::CLONE_VM as u64;
                (*globals).private = libc::FUTEX_PRIVATE_FLAG as u32;
            }
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
            has_terminals: stmts().any(|s| s.sys == Sys::Openpt),
            may_signal: stmts().any(|s| may_signal(s.sys)),
            may_lose_status: stmts().any(|s| {
                s.sys.waits_for_children()
                    || s.sys == Sys::Sigaction
                        && s.args.first() == Some(&Arg::Value(Value::Signal(Signal::SIGCHLD)))
            }),
            outside: stmts()
                .filter(|s| !posix_mq::names_queue(s.sys))
                .any(|s| s.args.iter().any(names_outside)),
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
            // As a shell does with a pipeline: all in one group, which the first leads. It is not
            // the setup process's own, so that it is not orphaned.
            if let Some(first) = program.processes().next() {
                for process in program.processes() {
                    let mut join = op(libc::SYS_setpgid, [0; 3]);
                    join.args[0] = Word::Tid(process.0);
                    join.args[1] = Word::Tid(first.0);
                    ops.push(join);
                }
            }
            // From now on it is a parent and nothing else: what is sent to it waits for ever.
            let all = build.put(&[u64::MAX]).map_err(failed)?;
            let mut block = op(
                libc::SYS_rt_sigprocmask,
                [libc::SIG_SETMASK as u64, all as u64, 0],
            );
            block.args[3] = Word::Const(8);
            ops.push(block);
            ops.push(op(libc::SYS_close_range, [3, u64::from(u32::MAX), 0]));
        }
        let at = build.put(&ops).map_err(failed)?;
        let pages = build.faults().to_vec();
        let faults = build.put(&pages).map_err(failed)?;
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
            (*slot).faults = faults;
            (*slot).fault_count = pages.len();
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
            fate: None,
            pidfd: None,
            decodes,
            timeouts: task.body.iter().map(scenario::Stmt::timeout).collect(),
            timers: task.body.iter().map(scenario::Stmt::timer).collect(),
            timers_seen: 0,
            alarm: None,
            leader: leader_of(self.program, id).index(),
            used: build.used(),
        })
    }

    /// What the setup process does first, so that every run begins alike.
    fn prelude(&self, build: &mut Build, ops: &mut Vec<Op>) -> Result<(), compile::Unsupported> {
        let directory = build.string(self.directory.as_bytes())?;
        // A session of its own: no signal to a group leaves the run.
        ops.push(op(libc::SYS_setsid, [0, 0, 0]));
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
        // The soft limit that kernels start with, which the model assumes.
        let queues = build.put(&[limit(libc::RLIMIT_MSGQUEUE, 819_200, None)])?;
        ops.push(op(
            libc::SYS_setrlimit,
            [libc::RLIMIT_MSGQUEUE.into(), queues as u64, 0],
        ));
        // Too little for a core, and a program that is to take cores is not started either: so no
        // machine's cores show in how processes end.
        let core = build.put(&[limit(libc::RLIMIT_CORE, 1, None)])?;
        ops.push(op(
            libc::SYS_setrlimit,
            [libc::RLIMIT_CORE.into(), core as u64, 0],
        ));
        if self.theatre.real_time {
            // A worker that runs away is ended by the kernel (microseconds).
            let time = build.put(&[limit(libc::RLIMIT_RTTIME, 200_000, Some(200_000))])?;
            ops.push(op(
                libc::SYS_setrlimit,
                [libc::RLIMIT_RTTIME.into(), time as u64, 0],
            ));
        }
        if self.program.has_nice_values() {
            // The caller's may be another, and with it what its user may change it to.
            ops.push(op(libc::SYS_setpriority, [0, 0, 0]));
            let nice = build.put(&[limit(libc::RLIMIT_NICE, 0, Some(0))])?;
            ops.push(op(
                libc::SYS_setrlimit,
                [libc::RLIMIT_NICE.into(), nice as u64, 0],
            ));
        }
        for (nr, given) in capability::deprive(self.program, build)? {
            ops.push(op(nr, given));
        }
        Ok(())
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
        Sys::Setuid
            | Sys::Setgid
            | Sys::Seteuid
            | Sys::Setgroups
            | Sys::Execve
            | Sys::Exec
            | Sys::ReopenOf
    )
}

/// Whether a call may stop a task: it sends a signal that stops, or one that is not known.
fn may_stop(sys: Sys, args: &[Arg]) -> bool {
    let at = match sys {
        Sys::MqNotifyNumber => 2,
        Sys::Openpt => return true,
        sys => match crate::signal::sent_by(sys) {
            Some(at) => at,
            None => return false,
        },
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
    crate::signal::sent_by(sys).is_some()
        || matches!(
            sys,
            Sys::Sigaction
                | Sys::SetOwn
                | Sys::Openpt
                | Sys::Thread
                | Sys::MqNotifyNumber
                | Sys::Alarm
                | Sys::Setitimer
                | Sys::SetitimerRaw
        )
}

/// Whether a path leads out of the private directory.
fn names_outside(arg: &Arg) -> bool {
    matches!(arg, Arg::Value(Value::Path(p)) if p.starts_with('/') || p.contains(".."))
}

/// The first task of a task's process.
fn leader_of(program: &Program, mut task: TaskId) -> TaskId {
    while let TaskKind::Thread(of) = program.task(task).kind {
        task = of;
    }
    task
}
