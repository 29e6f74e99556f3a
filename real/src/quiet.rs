//! Knowing that the system is quiet: every worker idle or asleep in its call.
//!
//! The ground truth is `/proc/PID/syscall`: the kernel says `running` there unless the task was
//! inactive for the whole of the look. State S in `stat` is not that: a task sets it before it
//! looks at its condition once more. (Where nobody but the conductor can be running, it is enough.)
//! Nor is being inactive enough: a task in state D waits for a lock or for memory inside the
//! kernel, and goes on by itself. And one look at each worker in turn proves nothing about all of
//! them together: the first may have been woken while the last was looked at. The three methods
//! close that gap in three ways; see [`Quiet`].

use crate::arena::Globals;
use crate::options::Quiet;
use crate::stage::Stage;
use crate::wire::Failure;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// The files through which one worker is watched. They are opened when first needed.
#[derive(Default)]
pub(crate) struct Watch {
    syscall: Option<File>,
    schedstat: Option<File>,
    stat: Option<File>,
    /// How often it had been given a CPU when it was last seen asleep, if that was looked at.
    seen_asleep: SeenAsleep,
}

/// What is known of a worker's last sleep.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum SeenAsleep {
    #[default]
    Never,
    /// It was, but its count was not looked at.
    Once,
    /// It was, with this count.
    At(u64),
}

impl Watch {
    /// Forgets that the worker was seen asleep, since it is about to run.
    pub fn forget(&mut self) {
        self.seen_asleep = SeenAsleep::Never;
    }

    /// Whether the worker runs, or is about to, as `syscall` tells.
    fn is_running(&mut self, tid: i32) -> Result<bool, Failure> {
        if self.syscall.is_none() {
            match File::open(format!("/proc/{tid}/syscall")) {
                Ok(open) => self.syscall = Some(open),
                // A task that is ending has no memory any more, and its files then belong to the
                // machine's root. It runs until it is dead.
                Err(e) if e.raw_os_error() == Some(libc::EACCES) => {
                    return Ok(!matches!(self.state(tid)?, None | Some(b'Z' | b'X')));
                }
                // Told below.
                Err(_) => {}
            }
        }
        let mut buffer = [0u8; 192];
        let text = read(&mut self.syscall, tid, "syscall", &mut buffer)?;
        Ok(text.is_some_and(|t| t.starts_with(b"running")))
    }

    /// Whether the worker's state is that of one who will go on without being told to: R, it is
    /// running, runnable or on its way to the CPU that is to run it; or D, it waits for a lock or
    /// for memory inside the kernel. The calls of scenarios sleep in state S.
    fn will_go_on(&mut self, tid: i32) -> Result<bool, Failure> {
        Ok(matches!(self.state(tid)?, Some(b'R' | b'D')))
    }

    /// The letter of the worker's state; none if it is gone.
    fn state(&mut self, tid: i32) -> Result<Option<u8>, Failure> {
        let mut buffer = [0u8; 96];
        let text = self.stat(tid, &mut buffer)?;
        // The name has no bracket: it is that of this program.
        Ok(text.and_then(|t| {
            let end = t.iter().rposition(|&b| b == b')')?;
            t.get(end + 2).copied()
        }))
    }

    /// The beginning of the worker's `stat`; none if it is gone.
    pub fn stat<'a>(
        &mut self,
        tid: i32,
        buffer: &'a mut [u8],
    ) -> Result<Option<&'a [u8]>, Failure> {
        read(&mut self.stat, tid, "stat", buffer)
    }

    /// How often the worker has been given a CPU; none if it is gone.
    fn runs(&mut self, tid: i32) -> Result<Option<u64>, Failure> {
        let mut buffer = [0u8; 96];
        let Some(text) = read(&mut self.schedstat, tid, "schedstat", &mut buffer)? else {
            return Ok(None);
        };
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|t| t.split_whitespace().nth(2));
        match number.and_then(|n| n.parse().ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(Failure::Harness(format!(
                "/proc/{tid}/schedstat has no third number"
            ))),
        }
    }

    /// Whether the worker sleeps, if nobody can be runnable now. One who was seen asleep and has
    /// not run since sleeps still, and the count is cheaper to read than the state.
    fn still_sleeps(&mut self, tid: i32) -> Result<bool, Failure> {
        let runs = match self.seen_asleep {
            SeenAsleep::Never => None,
            SeenAsleep::Once | SeenAsleep::At(_) => self.runs(tid)?,
        };
        if let (SeenAsleep::At(then), Some(now)) = (self.seen_asleep, runs)
            && then == now
        {
            return Ok(true);
        }
        let sleeps = !self.will_go_on(tid)?;
        self.seen_asleep = match (sleeps, runs) {
            (false, _) => SeenAsleep::Never,
            (true, None) => SeenAsleep::Once,
            (true, Some(now)) => SeenAsleep::At(now),
        };
        Ok(sleeps)
    }
}

/// Reads a file of the worker's; none if the worker is gone.
fn read<'a>(
    file: &mut Option<File>,
    tid: i32,
    name: &str,
    buffer: &'a mut [u8],
) -> Result<Option<&'a [u8]>, Failure> {
    let gone = |e: &std::io::Error| matches!(e.raw_os_error(), Some(libc::ESRCH | libc::ENOENT));
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
            if !patience.again(self.theatre.arena.globals()) {
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

    /// Real-time: that the conductor runs at all means that no worker can. Those in a call are
    /// confirmed asleep, those that die dead; the idle ones too where a signal may have woken them.
    fn all_busy_sleep(&mut self) -> Result<bool, Failure> {
        for (task, tid) in self.live().collect::<Vec<_>>() {
            if (self.may_signal || self.is_busy(task) || self.is_dead(task))
                && !self.actors[task].watch.still_sleeps(tid)?
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
            let watch = &mut self.actors[task].watch;
            if watch.is_running(tid)? || watch.will_go_on(tid)? {
                return Ok(false);
            }
        }
        Ok(own_switches() == before)
    }

    /// Any CPUs: all asleep twice, and nobody ran in between.
    ///
    /// One thing escapes both looks: a task whose wake-up is on its way to another CPU. It is
    /// neither runnable yet nor does it sleep any more (`TASK_WAKING`), and `syscall` shows the
    /// call that it slept in. Where the other CPU is slow to take the message, as a virtual one
    /// may be, that lasts. `stat` shows R then. It is asked last: who was on the way while the
    /// others were found asleep is still on the way, or has run.
    pub fn all_sleep_twice(&mut self) -> Result<bool, Failure> {
        let Some(first) = self.all_sleep_counted()? else {
            return Ok(false);
        };
        if self.all_sleep_counted()? != Some(first) {
            return Ok(false);
        }
        self.none_will_go_on()
    }

    /// Whether all sleep, and if so, whether one of them waits for a time. What each sleeps in is looked
    /// at between the two looks: afterwards, the time of one may have ended, and its next call have begun.
    pub fn all_sleep_and_wait_for_time(&mut self) -> Result<Option<bool>, Failure> {
        let Some(first) = self.all_sleep_counted()? else {
            return Ok(None);
        };
        self.note_timers();
        let rings = self.next_alarm().is_some_and(|a| Instant::now() < a.1);
        let waits = rings || !self.waiting_for_time().is_empty();
        if self.all_sleep_counted()? != Some(first) {
            return Ok(None);
        }
        Ok(self.none_will_go_on()?.then_some(waits))
    }

    /// How often each has run; none if one is running.
    fn all_sleep_counted(&mut self) -> Result<Option<Counts>, Failure> {
        let mut counts = Vec::new();
        for (task, tid) in self.live().collect::<Vec<_>>() {
            counts.push((tid, self.actors[task].watch.runs(tid)?));
            if self.actors[task].watch.is_running(tid)? {
                return Ok(None);
            }
        }
        Ok(Some(counts))
    }

    /// Whether no worker's state is that of running, by the other file that tells.
    pub fn none_will_go_on(&mut self) -> Result<bool, Failure> {
        for (task, tid) in self.live().collect::<Vec<_>>() {
            if self.actors[task].watch.will_go_on(tid)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How often each worker, by its id, has been given a CPU.
type Counts = Vec<(i32, Option<u64>)>;

/// Whether the kernel tells how often a task has been given a CPU.
pub(crate) fn counts_runs() -> bool {
    std::fs::read_to_string("/proc/self/schedstat")
        .is_ok_and(|text| text.split_whitespace().nth(2).is_some_and(|n| n != "0"))
}

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

/// The longest that the conductor gives its CPU away for while it looks: nothing tells it that a task
/// has fallen asleep or has died.
const MOMENT: Duration = Duration::from_micros(50);

/// Counts attempts, and gives the CPU away for a moment now and then, to whoever posts something:
/// a real-time task that spins is throttled for far longer.
pub(crate) struct Patience {
    attempts: u32,
    deadline: Instant,
}

impl Patience {
    pub fn until(deadline: Instant) -> Patience {
        Patience {
            attempts: 0,
            deadline,
        }
    }

    /// Notes one more attempt. Tells whether there is time for another.
    pub fn again(&mut self, globals: &Globals) -> bool {
        self.attempts += 1;
        if self.attempts.is_multiple_of(64) {
            let listening = globals.listen();
            listening.wait(listening.heard(), MOMENT);
        }
        !self.attempts.is_multiple_of(16) || Instant::now() < self.deadline
    }
}
