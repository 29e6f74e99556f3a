//! Nice values, and the surroundings in which they count.
//!
//! They order tasks with ordinary priorities only. So a program that has them is played with such,
//! where others are played with real-time priorities if those are permitted.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::Word;
use crate::options::Quiet;
use crate::stage::{Theatre, ordinary, real_time};
use crate::wire::Failure;
use scenario::Program;

/// What the system call gives is so much less the nice value, so that it is no error.
pub(crate) const SHOWN: i64 = 20;

/// `getpriority(which, task)`.
pub(crate) fn get(c: &mut Call, which: u32) -> Result<Plan, Unsupported> {
    let args = [Word::from(i64::from(which)), c.word(0)?];
    Ok(Plan::new(libc::SYS_getpriority, args).gives(Decode::Nice))
}

/// `setpriority(which, task, nice)`.
pub(crate) fn set(c: &mut Call, which: u32) -> Result<Plan, Unsupported> {
    let args = [Word::from(i64::from(which)), c.word(0)?, c.word(1)?];
    Ok(Plan::new(libc::SYS_setpriority, args))
}

/// `getpriority` with a number that means nothing.
pub(crate) fn get_by_number(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, c.word(1)?];
    Ok(Plan::new(libc::SYS_getpriority, args).gives(Decode::Nice))
}

/// `setpriority` with a number that means nothing.
pub(crate) fn set_by_number(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, c.word(1)?, c.word(2)?];
    Ok(Plan::new(libc::SYS_setpriority, args))
}

/// Why workers cannot begin with nice value 0, if so. It is tried out.
pub(crate) fn refusal() -> Option<String> {
    // SAFETY: numbers; the call on oneself does not fail.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    if own == 0 {
        return None;
    }
    // SAFETY: numbers.
    let tried = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
    let error = std::io::Error::last_os_error();
    if tried != 0 {
        return Some(format!(
            "that here is {own}, and not to be set to 0: {error}"
        ));
    }
    // SAFETY: numbers. It may be refused where it was below 0; then it is no worse than usual.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, own) };
    None
}

/// Plays a program with priorities among which its nice values count.
pub(crate) fn play<T>(
    theatre: &mut Theatre,
    program: &Program,
    play: impl FnOnce(&mut Theatre) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if !theatre.real_time || !program.has_nice_values() {
        return play(theatre);
    }
    let call = |e| Failure::call("sched_setscheduler", e);
    ordinary().map_err(call)?;
    let usual = (theatre.method, theatre.real_time);
    (theatre.method, theatre.real_time) = (Quiet::Pinned, false);
    let played = play(theatre);
    (theatre.method, theatre.real_time) = usual;
    real_time(0, 1).map_err(call)?;
    played
}
