//! What caller and sandbox tell each other, and the memory through which they do.
//!
//! The caller writes a job into shared memory and rings; the sandbox appends to the journal as
//! the run goes on and rings at its end. So a caller whose sandbox hangs or dies still has the
//! trace so far.

use crate::compile::Unsupported;
use crate::facts::Facts;
use crate::options::RaceCpus;
use crate::run::StepReport;
use scenario::ast::{Name, Need};
use scenario::{End, Outcome, Program, Stmt, Task, TaskId, TaskKind, Var, VarId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::atomic::{AtomicU64, Ordering};

/// A program without what only people read.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireProgram {
    /// The capabilities that it needs.
    capabilities: Vec<String>,
    tasks: Vec<(TaskKind, Vec<Stmt>)>,
    vars: Vec<TaskId>,
    observed: Vec<VarId>,
    observed_signals: Vec<TaskId>,
    observed_siginfo: Vec<TaskId>,
}

impl WireProgram {
    pub fn new(program: &Program) -> WireProgram {
        let bare = |s: &Stmt| Stmt {
            text: String::new(),
            ..s.clone()
        };
        let held = |need: &Need| match need {
            Need::Capability { name, held: true } => Some(name.text.clone()),
            _ => None,
        };
        WireProgram {
            capabilities: program.needs.iter().filter_map(held).collect(),
            tasks: program
                .tasks
                .iter()
                .map(|t| (t.kind, t.body.iter().map(bare).collect()))
                .collect(),
            vars: program.vars.iter().map(|v| v.task).collect(),
            observed: program.observed.clone(),
            observed_signals: program.observed_signals.clone(),
            observed_siginfo: program.observed_siginfo.clone(),
        }
    }

    pub fn program(self) -> Program {
        let task = |(kind, body)| Task {
            name: String::new(),
            kind,
            body,
        };
        let var = |task| Var {
            name: String::new(),
            task,
            label: String::new(),
        };
        let need = |name| Need::Capability {
            name: Name::new(name),
            held: true,
        };
        Program {
            name: String::new(),
            description: String::new(),
            clauses: Vec::new(),
            needs: self.capabilities.into_iter().map(need).collect(),
            tasks: self.tasks.into_iter().map(task).collect(),
            vars: self.vars.into_iter().map(var).collect(),
            order: None,
            conditions: Vec::new(),
            observed: self.observed,
            observed_signals: self.observed_signals,
            observed_siginfo: self.observed_siginfo,
        }
    }
}

/// What the sandbox is to do.
#[derive(Serialize, Deserialize)]
pub(crate) enum Job {
    Lockstep {
        program: WireProgram,
        ordering: Vec<TaskId>,
        slow: bool,
    },
    Race {
        program: WireProgram,
        rounds: u32,
        cpus: RaceCpus,
        seed: u64,
    },
    PingPong {
        rounds: u32,
    },
}

/// What the sandbox tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    /// It stands.
    Ready(Box<Facts>),
    /// A namespace was not to be had.
    Lacking(crate::facts::Namespace),
    /// It could not be set up.
    Refused(String),
    /// A step was made.
    Step(StepReport),
    /// A place of the ordering was passed over.
    Skipped(usize),
    /// A task had not ended at the end.
    Left(TaskId, End),
    /// A deadline passed.
    Overrun,
    /// An outcome of a race, and how often it came.
    Outcome(Outcome, u32),
    /// Nanoseconds that the ping-pong took.
    PingPong(u64),
    /// The run failed.
    Failed(Failure),
}

/// Why a run failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    SetupBlocks(usize),
    SetupEnded(End),
    Unsupported(TaskId, usize, Unsupported),
    TooLarge(String),
    Harness(String),
}

impl Failure {
    /// A failed system call of the harness.
    pub fn call(what: &str, error: impl std::fmt::Display) -> Failure {
        Failure::Harness(format!("{what}: {error}"))
    }
}

const HEADER: usize = 4096;
const JOB: usize = 64 << 20;
const JOURNAL: usize = 64 << 20;

/// The shared memory.
pub(crate) struct Mail {
    at: usize,
}

#[repr(C)]
struct Head {
    job: AtomicU64,
    journal: AtomicU64,
}

impl Mail {
    /// Maps it.
    pub fn new() -> std::io::Result<Mail> {
        // SAFETY: a fresh mapping.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                HEADER + JOB + JOURNAL,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Mail { at: at as usize })
    }

    fn head(&self) -> &Head {
        // SAFETY: mapped as long as `self`; atomics only.
        unsafe { &*(self.at as *const Head) }
    }

    /// Writes the job and empties the journal. Only while the sandbox waits.
    pub fn send(&mut self, job: &Job) -> Result<(), String> {
        // SAFETY: the sandbox does not look before the bell rings.
        let area = unsafe { std::slice::from_raw_parts_mut((self.at + HEADER) as *mut u8, JOB) };
        let len = postcard::to_slice(job, area)
            .map_err(|e| format!("the job: {e}"))?
            .len();
        self.head().job.store(len as u64, Ordering::Release);
        self.head().journal.store(0, Ordering::Release);
        Ok(())
    }

    /// The job.
    pub fn job(&self) -> Result<Job, String> {
        let len = self.head().job.load(Ordering::Acquire) as usize;
        // SAFETY: the caller does not write before the bell rings.
        let bytes = unsafe { std::slice::from_raw_parts((self.at + HEADER) as *const u8, len) };
        postcard::from_bytes(bytes).map_err(|e| e.to_string())
    }

    /// Appends to the journal; fails when it is full.
    pub fn note(&self, note: &Note) -> Result<(), Failure> {
        let start = self.head().journal.load(Ordering::Acquire) as usize;
        let at = self.at + HEADER + JOB + start;
        let room = (JOURNAL - start).saturating_sub(4);
        // SAFETY: only the sandbox writes past the committed length.
        let area = unsafe { std::slice::from_raw_parts_mut((at + 4) as *mut u8, room) };
        let len = postcard::to_slice(note, area)
            .map_err(|e| Failure::Harness(format!("the journal is full ({e})")))?
            .len();
        // SAFETY: as above; the length may be unaligned.
        unsafe { (at as *mut u32).write_unaligned(len as u32) };
        self.head()
            .journal
            .store((start + 4 + len) as u64, Ordering::Release);
        Ok(())
    }

    /// The journal so far.
    pub fn notes(&self) -> Vec<Note> {
        let len = self.head().journal.load(Ordering::Acquire) as usize;
        // SAFETY: what is committed is not written any more before the next job.
        let all = unsafe { std::slice::from_raw_parts((self.at + HEADER + JOB) as *const u8, len) };
        let mut notes = Vec::new();
        let mut rest = all;
        while let Some((head, tail)) = rest.split_at_checked(4) {
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let Some((note, tail)) = tail.split_at_checked(len) else {
                break;
            };
            let Some(note) = decode(note) else { break };
            notes.push(note);
            rest = tail;
        }
        notes
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

impl Drop for Mail {
    fn drop(&mut self) {
        // SAFETY: nobody keeps references into it.
        unsafe { libc::munmap(self.at as *mut libc::c_void, HEADER + JOB + JOURNAL) };
    }
}
