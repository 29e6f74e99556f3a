//! `select` and `pselect`: readiness as three sets of numbers.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, ObjId, Op, Progress, Restart};
use crate::poll;
use crate::signal::SigSet;
use scenario::{Errno, Sys, TaskId, Value, constants::*};

/// What counts as ready in each set.
const SETS: [u64; 3] = [
    POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
    POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
    POLLPRI,
];

/// A select in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SelectOp {
    /// The numbers of each set.
    sets: [Vec<i64>; 3],
    /// Numbers beyond the table, which nobody looks at: they stay in their sets.
    beyond: [Vec<i64>; 3],
    /// The descriptions watched, which the call keeps open.
    watched: Vec<ObjId>,
}

/// The time after which the call gives up, in nanoseconds.
fn timeout(call: &Invocation, cx: &mut Cx) -> Result<Option<u64>, Errno> {
    const SECOND: i64 = 1_000_000_000;
    let (seconds, rest) = (call.int(2), call.int(3));
    let time = match call.sys {
        Sys::SelectRaw => {
            cx.cite(READY_031);
            // Whole seconds are carried out of the microseconds first.
            let (seconds, rest) = (
                seconds.saturating_add(rest / 1_000_000),
                rest % 1_000_000 * 1000,
            );
            (seconds, rest)
        }
        Sys::PselectRaw => {
            cx.cite(READY_031);
            (seconds, rest)
        }
        _ => {
            return Ok(u64::try_from(call.int(3))
                .ok()
                .map(|ms| ms.saturating_mul(1_000_000)));
        }
    };
    match time {
        (seconds @ 0.., rest @ 0..SECOND) => Ok(Some(
            (seconds as u64).saturating_mul(SECOND as u64) + rest as u64,
        )),
        _ => Err(Errno::EINVAL),
    }
}

/// `select` and `pselect`.
pub(crate) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let limit = match timeout(call, cx) {
        Ok(limit) => limit,
        Err(e) => return Progress::Done(e.into()),
    };
    let numbers = |at: usize| {
        let mut fds: Vec<i64> = call.list(at).iter().filter_map(Value::number).collect();
        fds.sort_unstable();
        fds.dedup();
        fds
    };
    let mut sets = match call.sys {
        Sys::Select | Sys::Pselect => [numbers(0), numbers(1), numbers(2)],
        _ => {
            if call.int(0) < 0 {
                cx.cite(READY_030);
                return Progress::Done(Errno::EINVAL.into());
            }
            let one = Some(call.int(1)).filter(|fd| *fd < call.int(0));
            [one.into_iter().collect(), Vec::new(), Vec::new()]
        }
    };
    if call.sys == Sys::Pselect {
        cx.cite(READY_033);
        k.set_temporary_mask(task, SigSet::of_list(call.list(4)).mortal());
    }
    if matches!(call.sys, Sys::SelectRaw | Sys::PselectRaw)
        && call.int(0) > k.process_of(task).fd_limit as i64
    {
        cx.cite(READY_030);
    }
    // Numbers beyond the table are passed over; of the table's, all must be open.
    let table = TABLE.max(k.process_of(task).fds.len().next_power_of_two() as i64);
    let beyond = sets.each_mut().map(|set| {
        let (beyond, within) = set.iter().partition(|fd| **fd >= table);
        *set = within;
        beyond
    });
    for set in &mut sets {
        set.retain(|fd| *fd >= 0);
    }
    let mut watched = Vec::new();
    for fd in sets.iter().flatten() {
        match k.file_of(task, *fd) {
            Ok(file) if poll::is_nothing_but_a_name(k, file) => {}
            Ok(file) => {
                watched.push(file);
                continue;
            }
            Err(_) => {}
        }
        cx.cite(READY_029);
        return Progress::Done(Errno::EBADF.into());
    }
    for file in &watched {
        k.hold(*file);
        k.mark_polled(*file);
    }
    let sleeps = limit != Some(0);
    if let Some(nanoseconds @ 1..) = limit
        && k.task(task).deadline.is_none()
        && !k.timed_out(task)
    {
        k.set_timeout(task, nanoseconds);
    }
    SelectOp {
        sets,
        beyond,
        watched,
    }
    .look(k, task, sleeps, cx)
}

/// A descriptor table has at least this many places (`NR_OPEN_DEFAULT`).
const TABLE: i64 = 64;

impl SelectOp {
    fn look(self, k: &mut Kernel, task: TaskId, sleeps: bool, cx: &mut Cx) -> Progress {
        let mut left: Vec<Value> = Vec::new();
        let mut count = 0;
        let sets = self.sets.iter().zip(&self.beyond);
        for ((set, beyond), ready) in sets.zip(SETS) {
            let mut fds = Vec::new();
            for &fd in set {
                // A number that was closed meanwhile shows as ready for reading.
                let events = match k.file_of(task, fd) {
                    Ok(file) => poll::readiness_now(k, task, file, cx),
                    Err(_) => {
                        cx.cite(READY_025);
                        POLLIN
                    }
                };
                cx.cite(READY_026);
                if events & ready != 0 {
                    if events & (POLLHUP | POLLERR) != 0 {
                        cx.cite(READY_027);
                    }
                    fds.push(Value::Int(fd));
                }
            }
            count += fds.len();
            fds.extend(beyond.iter().copied().map(Value::Int));
            left.push(Value::List(fds));
        }
        if count == 0 && k.signal_pending(task) {
            if k.task(task).saved_mask.is_some() {
                cx.cite(READY_034);
            }
            k.unwatch(task, &self.watched, cx);
            return Progress::Restart(Restart::NoHandler);
        }
        if count > 0 && k.task(task).saved_mask.is_some() && k.task(task).told {
            cx.cite(READY_035);
        }
        if count > 0 || !sleeps {
            cx.cite(READY_028);
            k.unwatch(task, &self.watched, cx);
            return Progress::Done(Value::List(left));
        }
        let asked = self.sets.iter().zip(SETS).fold(0, |all, (set, ready)| {
            all | if set.is_empty() { 0 } else { ready }
        });
        k.watch(task, &self.watched, asked);
        Progress::Sleep(Op::Select(self))
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let sleeps = !k.timed_out(task);
        self.look(k, task, sleeps, cx)
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        k.unwatch(task, &self.watched, cx);
    }
}
