//! Knowing that the system is quiet: every worker idle or asleep in its call.
//!
//! The ground truth is `/proc/PID/syscall`: the kernel says `running` there unless the task was
//! inactive for the whole of the look (state S in `stat` is not that: a task sets it before it
//! looks at its condition once more). But one look at each worker in turn proves nothing about
//! all of them together: the first may have been woken while the last was looked at. The three
//! methods close that gap in three ways; see [`Quiet`].

use crate::options::Quiet;
use crate::stage::Stage;
use crate::wire::Failure;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// What a look at a worker shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It runs, or will.
    Running,
    /// It sleeps in a call, or is stopped, or dead.
    Asleep,
}

/// The files through which one worker is watched. They are opened when first needed.
#[derive(Default)]
pub(crate) struct Watch {
    syscall: Option<File>,
    schedstat: Option<File>,
}

impl Watch {
    /// Looks at the worker.
    pub fn look(&mut self, tid: i32) -> Result<Look, Failure> {
        let mut buffer = [0u8; 192];
        match read(&mut self.syscall, tid, "syscall", &mut buffer)? {
            Some(text) if text.starts_with(b"running") => Ok(Look::Running),
            _ => Ok(Look::Asleep),
        }
    }

    /// How often the worker has been given a CPU; none if it is gone.
    pub fn runs(&mut self, tid: i32) -> Result<Option<u64>, Failure> {
        let mut buffer = [0u8; 96];
        let Some(text) = read(&mut self.schedstat, tid, "schedstat", &mut buffer)? else {
            return Ok(None);
        };
        let number = std::str::from_utf8(text).ok().and_then(|t| t.split_whitespace().nth(2));
        match number.and_then(|n| n.parse().ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(Failure::Harness(format!("/proc/{tid}/schedstat has no third number"))),
        }
    }
}

/// Reads a file of the worker's; none if the worker is gone.
fn read<'a>(
    file: &mut Option<File>,
    tid: i32,
    name: &str,
    buffer: &'a mut [u8],
) -> Result<Option<&'a [u8]>, Failure> {
    let gone = |e: &std::io::Error| {
        matches!(e.raw_os_error(), Some(libc::ESRCH | libc::ENOENT))
    };
    let open = match file {
        Some(open) => open,
        None => match File::open(format!("/proc/{tid}/{name}")) {
            Ok(open) => file.insert(open),
            Err(e) if gone(&e) => return Ok(None),
            Err(e) => return Err(Failure::call(&format!("/proc/{tid}/{name}"), e)),
        },
    };
    match open.read_at(buffer, 0) {
        Ok(n) => Ok(Some(&buffer[..n])),
        Err(e) if gone(&e) => Ok(None),
        Err(e) => Err(Failure::call(&format!("/proc/{tid}/{name}"), e)),
    }
}

impl Stage<'_> {
    /// Waits until the system is quiet. Tells whether it is before the deadline.
    pub fn settle(&mut self, deadline: Instant) -> Result<bool, Failure> {
        let mut patience = Patience::until(deadline);
        loop {
            let quiet = match self.theatre.method {
                Quiet::Realtime | Quiet::Auto => self.all_busy_sleep()?,
                Quiet::Pinned => self.all_sleep_unswitched()?,
                Quiet::DoubleCollect => self.all_sleep_twice()?,
            };
            if quiet {
                return Ok(true);
            }
            if !patience.again() {
                return Ok(false);
            }
            give_way();
        }
    }

    /// Tasks that have been started and have not been seen to end.
    fn live(&self) -> impl Iterator<Item = (usize, i32)> {
        (0..self.actors.len())
            .filter(|&t| self.actors[t].ended.is_none())
            .map(|t| (t, self.tid(t)))
            .filter(|t| t.1 != 0)
    }

    /// Real-time: that the conductor runs at all means that no worker can. What is not idle is
    /// confirmed asleep.
    fn all_busy_sleep(&mut self) -> Result<bool, Failure> {
        for task in 0..self.actors.len() {
            let tid = self.tid(task);
            if tid != 0
                && self.actors[task].ended.is_none()
                && !self.is_dead(task)
                && self.is_busy(task)
                && self.actors[task].watch.look(tid)? == Look::Running
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One CPU: nobody else ran during the look if the conductor was not switched out.
    fn all_sleep_unswitched(&mut self) -> Result<bool, Failure> {
        let before = own_switches();
        for (task, tid) in self.live().collect::<Vec<_>>() {
            if self.actors[task].watch.look(tid)? == Look::Running {
                return Ok(false);
            }
        }
        Ok(own_switches() == before)
    }

    /// Any CPUs: all asleep twice, and nobody ran in between.
    pub fn all_sleep_twice(&mut self) -> Result<bool, Failure> {
        let Some(first) = self.all_sleep_counted()? else { return Ok(false) };
        Ok(self.all_sleep_counted()? == Some(first))
    }

    /// How often each has run; none if one is running.
    fn all_sleep_counted(&mut self) -> Result<Option<Counts>, Failure> {
        let mut counts = Vec::new();
        for (task, tid) in self.live().collect::<Vec<_>>() {
            counts.push((tid, self.actors[task].watch.runs(tid)?));
            if self.actors[task].watch.look(tid)? == Look::Running {
                return Ok(None);
            }
        }
        Ok(Some(counts))
    }

    /// Whether each worker is in a state that is not running, by the other file that tells.
    pub fn all_states_sleep(&self) -> bool {
        self.live().all(|(_, tid)| !matches!(crate::stage::state(tid), Some('R')))
    }
}

/// How often each worker, by its id, has been given a CPU.
type Counts = Vec<(i32, Option<u64>)>;

/// Times the conductor's own thread was switched out.
pub(crate) fn own_switches() -> i64 {
    // SAFETY: zeroes are a valid value; the call fills it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
    usage.ru_nvcsw + usage.ru_nivcsw
}

/// Lets others run.
pub(crate) fn give_way() {
    // SAFETY: takes nothing.
    unsafe { libc::sched_yield() };
}

/// Counts attempts, and gives the CPU away for a moment now and then: a real-time task that
/// spins is throttled for far longer.
pub(crate) struct Patience {
    attempts: u32,
    deadline: Instant,
}

impl Patience {
    pub fn until(deadline: Instant) -> Patience {
        Patience { attempts: 0, deadline }
    }

    /// Notes one more attempt. Tells whether there is time for another.
    pub fn again(&mut self) -> bool {
        self.attempts += 1;
        if self.attempts.is_multiple_of(64) {
            std::thread::sleep(Duration::from_micros(50));
        }
        !self.attempts.is_multiple_of(16) || Instant::now() < self.deadline
    }
}
