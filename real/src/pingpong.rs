//! The yardstick: what two processes need to hand each other the CPU and back.

use crate::options::Quiet;
use crate::raw;
use crate::stage::{Theatre, real_time};
use crate::wire::Failure;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::time::{Duration, Instant};

/// Two processes take turns at a futex.
pub(crate) fn measure(theatre: &Theatre, rounds: u32) -> Result<Duration, Failure> {
    // A word that workers use too, in memory that survives the fork.
    let turn: &'static AtomicU32 = &theatre.arena.globals().gate;
    turn.store(0, SeqCst);
    // SAFETY: this process has one thread.
    let other = unsafe { libc::fork() };
    if other < 0 {
        return Err(Failure::call("fork", std::io::Error::last_os_error()));
    }
    if other == 0 {
        play(turn, 1, rounds);
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    if theatre.method == Quiet::Realtime {
        real_time(other, 2).map_err(|e| Failure::call("sched_setscheduler", e))?;
    }
    let start = Instant::now();
    play(turn, 0, rounds);
    let time = start.elapsed();
    // SAFETY: our child.
    unsafe { libc::waitpid(other, std::ptr::null_mut(), 0) };
    Ok(time)
}

/// Waits for its turn, gives it away, so many times.
fn play(turn: &AtomicU32, me: u32, rounds: u32) {
    for _ in 0..rounds {
        while turn.load(Acquire) != me {
            // SAFETY: the word is valid.
            unsafe { raw::futex_wait(turn.as_ptr(), 0, 1 - me, None) };
        }
        turn.store(1 - me, SeqCst);
        // SAFETY: the word is valid.
        unsafe { raw::futex_wake(turn.as_ptr(), 0, 1) };
    }
}
