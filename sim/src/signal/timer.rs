//! The interval timer of a process: `alarm` and `setitimer(ITIMER_REAL)` are one and the same.

use crate::clause::*;
use crate::kernel::{Cx, Invocation, Kernel, State};
use scenario::{Bits, Errno, Handled, Signal, Sys, TaskId, Value, constants::*};

/// A running timer. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    /// What is left of its time.
    pub left: u64,
    /// After each expiry it runs for so long again; 0 if it does not.
    pub interval: u64,
}

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;

/// `alarm`, `setitimer`, `getitimer`.
pub(crate) fn call(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    let old = k.process_of(task).timer;
    match call.sys {
        Sys::Alarm => {
            cx.cite(SIG_211);
            // An unsigned int.
            set(k, task, u64::from(call.int(0) as u32) * SECOND, 0);
            // What is left is never known to a fraction here: it lies a little below what was set.
            let left = old.map_or(0, |t| ((t.left + SECOND / 2) / SECOND).max(1));
            Ok(Value::Int(left as i64))
        }
        Sys::Setitimer => {
            cx.cite(SIG_212);
            let time = |at: usize| {
                u64::try_from(call.int(at))
                    .map(|n| n.saturating_mul(MILLISECOND))
                    .map_err(|_| Errno::EINVAL)
            };
            let (first, interval) = (time(0)?, time(1)?);
            set(k, task, first, interval);
            Ok(Value::ZERO)
        }
        Sys::SetitimerRaw => {
            cx.cite(SIG_212);
            let (seconds, microseconds) = (call.int(1), call.int(2));
            if seconds < 0
                || !(0..1_000_000).contains(&microseconds)
                || !(0..=2).contains(&call.int(0))
            {
                return Err(Errno::EINVAL);
            }
            if call.int(0) == 0 {
                set(
                    k,
                    task,
                    (seconds as u64).saturating_mul(SECOND) + microseconds as u64 * 1000,
                    0,
                );
            }
            Ok(Value::ZERO)
        }
        _ => {
            cx.cite(SIG_211);
            Ok(Value::List(vec![
                Value::Int(i64::from(old.is_some())),
                Value::Int(old.map_or(0, |t| t.interval / MILLISECOND) as i64),
            ]))
        }
    }
}

/// Sets the timer anew; without a time it does not run, whatever the interval.
fn set(k: &mut Kernel, task: TaskId, first: u64, interval: u64) {
    k.process_mut(task).timer = (first > 0).then_some(Timer {
        left: first,
        interval,
    });
}

impl Kernel {
    /// The timer of a process is over.
    pub(crate) fn ring(&mut self, leader: TaskId, cx: &mut Cx) {
        let timer = &mut self.process_mut(leader).timer;
        *timer = timer.filter(|t| t.interval > 0).map(|t| Timer {
            left: t.interval,
            ..t
        });
        if timer.is_some() {
            cx.cite(SIG_212);
        }
        cx.cite(SIG_052);
        let threads = self.threads_of(leader);
        let is_stopped = |t: &TaskId| matches!(self.task(*t).state, State::Stopped { .. });
        if threads.iter().any(is_stopped) {
            cx.cite(SIG_213);
        }
        let info = Handled::new(
            Signal::SIGALRM,
            Value::Bits(Bits::SiCode, SI_KERNEL),
            Value::ZERO,
        );
        if self.send_to_process(leader, info, cx) == super::send::Sent::Merged {
            cx.cite(SIG_197);
        }
    }
}
