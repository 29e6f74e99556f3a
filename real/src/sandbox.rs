//! The caller's side of a sandbox.
//!
//! ```text
//! caller ──fork──▶ guard ──fork──▶ first process of the sandbox: conductor ──clone──▶ workers
//!    │   life line    │  dies with the guard    │
//!    └── bell, shared memory ──────────────────┘
//! ```
//!
//! The guard is a process with one thread that waits for the caller's end of the life line to
//! close, which it does when the caller drops the sandbox or dies, however it dies. It then kills
//! the first process of the process id namespace, and the kernel kills all others with it.

use crate::facts::{Facts, Namespace, Skip};
use crate::guard;
use crate::host;
use crate::options::{Isolation, Options, RaceCpus};
use crate::run::{Run, RunError};
use crate::wire::{Failure, Job, Mail, Note, WireProgram};
use scenario::{End, Outcome, Program, TaskId};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A sandbox that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// A system call that the caller's side needs failed.
    #[error("{0}: {1}")]
    Call(&'static str, String),
    /// The namespaces that keep scenarios apart from the machine were not to be had.
    #[error("no {} namespace: {}", .0.name, .0.refused.as_deref().unwrap_or("unknown"))]
    Namespace(Namespace),
    /// Its surroundings could not be set up.
    #[error("{0}")]
    Refused(String),
    /// It died before it stood, or did not stand in time.
    #[error("its process ended before it stood")]
    Died,
}

/// Time for a sandbox to stand or to fall.
const SETTING_UP: Duration = Duration::from_secs(20);

/// Time for the sandbox to notice by itself that a deadline has passed.
const GRACE: Duration = Duration::from_secs(2);

/// A process that runs programs, apart from the machine. It is made once and runs many.
pub struct Sandbox {
    options: Options,
    house: House,
    facts: Facts,
}

/// A living sandbox process, as its caller holds it.
struct House {
    guard: OwnedFd,
    guard_pid: i32,
    bell: OwnedFd,
    life: Option<OwnedFd>,
    mail: Mail,
}

impl Sandbox {
    /// Makes a sandbox.
    ///
    /// # Errors
    /// Which namespace was not to be had and why, or what else failed.
    pub fn new(options: &Options) -> Result<Sandbox, SandboxError> {
        let (house, facts) = House::open(options)?;
        Ok(Sandbox {
            options: options.clone(),
            house,
            facts,
        })
    }

    /// What the sandbox found on this machine.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether it can run a program.
    ///
    /// # Errors
    /// The need that is not met, or what the program does that would be unsafe here.
    pub fn can_run(&self, program: &Program) -> Result<(), Skip> {
        self.facts.can_run(program)
    }

    /// Runs a program, one call at a time, issued in the given order. Where that order names a
    /// task that is not idle, it is passed over; when it is used up, the first idle task comes
    /// next, until no idle task has calls left.
    ///
    /// # Errors
    /// The program cannot be run here, its setup does not return, or a deadline passed.
    pub fn lockstep(&mut self, program: &Program, ordering: &[TaskId]) -> Result<Run, RunError> {
        self.lockstep_at(program, ordering, self.options.slow)
    }

    /// The same, slowly: after each step it is looked again, by other means.
    ///
    /// # Errors
    /// As for [`Sandbox::lockstep`].
    pub fn lockstep_slowly(
        &mut self,
        program: &Program,
        ordering: &[TaskId],
    ) -> Result<Run, RunError> {
        self.lockstep_at(program, ordering, true)
    }

    fn lockstep_at(
        &mut self,
        program: &Program,
        ordering: &[TaskId],
        slow: bool,
    ) -> Result<Run, RunError> {
        self.can_run(program)?;
        let job = Job::Lockstep {
            program: WireProgram::new(program),
            ordering: ordering.to_vec(),
            slow,
        };
        let in_time = self.perform(&job, self.options.run_deadline)?;
        let mut run = Run {
            overrun: !in_time,
            ..Run::default()
        };
        for note in self.house.mail.notes() {
            match note {
                Note::Step(step) => run.steps.push(step),
                Note::Skipped(place) => run.skipped.push(place),
                Note::Left(task, end) => run.left.push((task, end)),
                Note::Overrun => run.overrun = true,
                Note::Failed(failure) => return Err(failure.into()),
                _ => {}
            }
        }
        if !in_time {
            self.respawn()?;
            let ended = |t: &TaskId| {
                run.steps
                    .iter()
                    .flat_map(|s| &s.events)
                    .any(|e| e.task == *t && matches!(e.what, scenario::What::End(_)))
            };
            let calls = |t: TaskId| {
                let returned = |e: &&scenario::Event| {
                    e.task == t && matches!(e.what, scenario::What::Return(..))
                };
                run.steps
                    .iter()
                    .flat_map(|s| &s.events)
                    .filter(returned)
                    .count()
            };
            run.left = program
                .task_ids()
                .skip(1)
                .filter(|t| !ended(t))
                .map(|t| (t, End::Unfinished(calls(t))))
                .collect();
        }
        if run.overrun {
            Err(RunError::Overrun(Box::new(run)))
        } else {
            Ok(run)
        }
    }

    /// Runs a program many times, all tasks at full speed, and counts the outcomes.
    ///
    /// # Errors
    /// As for [`Sandbox::lockstep`].
    pub fn race(
        &mut self,
        program: &Program,
        rounds: u32,
        cpus: RaceCpus,
        seed: u64,
    ) -> Result<Vec<(Outcome, u32)>, RunError> {
        self.can_run(program)?;
        let job = Job::Race {
            program: WireProgram::new(program),
            rounds,
            cpus,
            seed,
        };
        // A round takes a fraction of a millisecond; the deadline of each is the sandbox's own.
        let limit = self.options.run_deadline + Duration::from_millis(5) * rounds;
        let in_time = self.perform(&job, limit)?;
        let mut histogram = Vec::new();
        for note in self.house.mail.notes() {
            match note {
                Note::Outcome(outcome, count) => histogram.push((outcome, count)),
                Note::Failed(failure) => return Err(failure.into()),
                _ => {}
            }
        }
        if !in_time {
            self.respawn()?;
            return Err(RunError::Overrun(Box::default()));
        }
        Ok(histogram)
    }

    /// The time that so many rounds of a bare ping-pong take between two processes, pinned and
    /// with the priorities of lockstep: each wakes the other at a futex and sleeps. One round is
    /// two process switches, which is what one call in lockstep costs at least.
    ///
    /// # Errors
    /// The sandbox failed.
    pub fn pingpong(&mut self, rounds: u32) -> Result<Duration, RunError> {
        let limit = self.options.run_deadline + Duration::from_micros(200) * rounds;
        let in_time = self.perform(&Job::PingPong { rounds }, limit)?;
        let notes = self.house.mail.notes();
        if !in_time {
            self.respawn()?;
        }
        for note in notes {
            match note {
                Note::PingPong(time) => return Ok(Duration::from_nanos(time)),
                Note::Failed(failure) => return Err(failure.into()),
                _ => {}
            }
        }
        Err(RunError::Harness("the ping-pong gave no time".into()))
    }

    /// Has the sandbox do a job. Tells whether it finished in time.
    fn perform(&mut self, job: &Job, limit: Duration) -> Result<bool, RunError> {
        self.house.mail.send(job).map_err(RunError::TooLarge)?;
        if host::ring(&self.house.bell).is_err() {
            self.respawn()?;
            self.house.mail.send(job).map_err(RunError::TooLarge)?;
            host::ring(&self.house.bell).map_err(|e| SandboxError::Call("send", e.to_string()))?;
        }
        match answer(&self.house.bell, Instant::now() + limit + GRACE) {
            Answer::Rang => Ok(true),
            Answer::Silent => Ok(false),
            Answer::HungUp => {
                self.respawn()?;
                Err(RunError::Harness("the sandbox's process ended".into()))
            }
        }
    }

    /// Puts a fresh process in the place of one that is lost.
    fn respawn(&mut self) -> Result<(), SandboxError> {
        let (house, facts) = House::open(&self.options)?;
        // The old one is torn down as it is dropped.
        self.house = house;
        self.facts = facts;
        Ok(())
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> RunError {
        match failure {
            Failure::SetupBlocks(index) => RunError::SetupBlocks(index),
            Failure::SetupEnded(end) => RunError::SetupEnded(end),
            Failure::Unsupported(task, index, why) => RunError::Unsupported { task, index, why },
            Failure::TooLarge(what) => RunError::TooLarge(what),
            Failure::Harness(what) => RunError::Harness(what),
        }
    }
}

enum Answer {
    Rang,
    Silent,
    HungUp,
}

/// Waits for the sandbox to ring.
fn answer(bell: &OwnedFd, deadline: Instant) -> Answer {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fd = libc::pollfd {
            fd: bell.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let wait = left.as_millis().min(i32::MAX as u128 - 1) as i32 + 1;
        // SAFETY: one valid entry.
        match unsafe { libc::poll(&mut fd, 1, wait) } {
            0 => return Answer::Silent,
            1 => {
                let mut byte = [0u8];
                // SAFETY: one byte is stored at a valid place.
                let n = unsafe { libc::read(bell.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
                return if n == 1 { Answer::Rang } else { Answer::HungUp };
            }
            _ if Instant::now() >= deadline => return Answer::Silent,
            _ => {}
        }
    }
}

/// Sandboxes made so far: each takes the next CPU, from one that differs by process.
static MADE: AtomicUsize = AtomicUsize::new(0);

impl House {
    /// Makes one, as isolated as it can be.
    fn open(options: &Options) -> Result<(House, Facts), SandboxError> {
        match House::new(options, "not asked for") {
            // The namespaces were to be had, but not what belongs in them: some containers forbid
            // a fresh `/proc`.
            Err(SandboxError::Refused(why)) if options.isolation == Isolation::Auto => {
                let without = Options {
                    isolation: Isolation::Without,
                    ..options.clone()
                };
                House::new(&without, &why)
            }
            other => other,
        }
    }

    /// Makes one. `reason` is why it goes without namespaces, if it does.
    fn new(options: &Options, reason: &str) -> Result<(House, Facts), SandboxError> {
        let call = |what| move |e: std::io::Error| SandboxError::Call(what, e.to_string());
        let mail = Mail::new().map_err(call("mmap"))?;
        let (bell, bell_inside) = pair().map_err(call("socketpair"))?;
        let (life, life_inside) = pair().map_err(call("socketpair"))?;
        let mut cpus = own_cpus();
        if !options.cpus.is_empty() {
            cpus.retain(|c| options.cpus.contains(c));
        }
        if cpus.is_empty() {
            return Err(SandboxError::Refused(
                "none of the CPUs asked for may be used".into(),
            ));
        }
        let turn = std::process::id() as usize + MADE.fetch_add(1, Ordering::Relaxed);
        let cpu = cpus[turn % cpus.len()];
        // SAFETY: the C library makes its allocator usable in the child. The child touches no
        // lock of this process: neither standard streams nor the environment.
        let pid = unsafe { libc::fork() };
        if pid < 0 {
            return Err(call("fork")(std::io::Error::last_os_error()));
        }
        if pid == 0 {
            let start = guard::Start {
                options,
                reason,
                cpus,
                cpu,
            };
            guard::main(&bell_inside, &life_inside, &mail, start);
        }
        // SAFETY: takes numbers; the result is ours.
        let guard = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if guard < 0 {
            let error = std::io::Error::last_os_error();
            drop((life, bell));
            // SAFETY: our child, which ends as its life line is closed.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            return Err(call("pidfd_open")(error));
        }
        // SAFETY: fresh.
        let guard = unsafe { OwnedFd::from_raw_fd(guard as i32) };
        drop((bell_inside, life_inside));
        let house = House {
            guard,
            guard_pid: pid,
            bell,
            life: Some(life),
            mail,
        };
        match answer(&house.bell, Instant::now() + SETTING_UP) {
            Answer::Rang => {}
            _ => return Err(SandboxError::Died),
        }
        let mut refused = SandboxError::Died;
        for note in house.mail.notes() {
            match note {
                Note::Ready(facts) => return Ok((house, *facts)),
                Note::Lacking(namespace) => refused = SandboxError::Namespace(namespace),
                Note::Refused(why) => refused = SandboxError::Refused(why),
                _ => {}
            }
        }
        Err(refused)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // The guard sees this, kills all, and ends.
        self.life = None;
        let mut fd = libc::pollfd {
            fd: self.guard.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid entry; then a child of ours, which is reaped once.
        unsafe {
            while libc::poll(&mut fd, 1, SETTING_UP.as_millis() as i32) < 0 {}
            if fd.revents == 0 {
                libc::kill(self.guard_pid, libc::SIGKILL);
            }
            libc::waitpid(self.guard_pid, std::ptr::null_mut(), 0);
        }
    }
}

/// Two connected sockets that programs executed by the caller do not inherit.
fn pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0i32; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: the array takes two descriptors, which are ours then.
    unsafe {
        if libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

/// The CPUs that this process may use.
fn own_cpus() -> Vec<usize> {
    // SAFETY: zeroes are an empty set, which the call fills.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &mut set);
        (0..libc::CPU_SETSIZE as usize)
            .filter(|&c| libc::CPU_ISSET(c, &set))
            .collect()
    }
}
