//! Signals: dispositions, masks, sending.

use crate::compile::{Call, Plan, Unsupported, word};
use crate::decode::Decode;
use crate::op::Word;
use crate::raw::{KernelSigaction, SA_RESTORER, restorer};
use crate::worker;
use scenario::constants;

/// The size of a set of signals in the kernel.
const SET: Word = Word::Const(8);

/// `sigaction(signal, handler, flags)`. Handlers always get the signal's information; no scenario
/// can tell.
pub(crate) fn sigaction(c: &mut Call) -> Result<Plan, Unsupported> {
    let flags = c.known_number(2)? as u64 | SA_RESTORER;
    let (handler, flags) = match c.known_number(1)? as u64 {
        constants::record => (
            worker::record as *const () as u64,
            flags | libc::SA_SIGINFO as u64,
        ),
        other => (other, flags),
    };
    let action = KernelSigaction {
        handler,
        flags,
        restorer: restorer(),
        mask: 0,
    };
    let action = c.build.put(&[action])?;
    let args = [c.word(0)?, Word::Const(action as u64), Word::Const(0), SET];
    Ok(Plan::new(libc::SYS_rt_sigaction, args))
}

/// `sigprocmask(how, signals)`.
pub(crate) fn sigprocmask(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut set = 0u64;
    for signal in c.items(1)? {
        match word(&signal)? {
            Word::Const(n @ 1..=64) => set |= 1 << (n - 1),
            _ => {
                return Err(Unsupported(
                    "a set of signals that is not written out".into(),
                ));
            }
        }
    }
    let set = c.build.put(&[set])?;
    let args = [c.word(0)?, Word::Const(set as u64), Word::Const(0), SET];
    Ok(Plan::new(libc::SYS_rt_sigprocmask, args))
}

/// `sigpending()`: the signals that are pending and blocked.
pub(crate) fn sigpending(c: &mut Call) -> Result<Plan, Unsupported> {
    let set = c.build.zeroed(8)?;
    let plan = Plan::new(libc::SYS_rt_sigpending, [Word::Const(set as u64), SET]);
    Ok(plan.gives(Decode::Signals(set)))
}

/// `tgkill(process, thread, signal)`.
pub(crate) fn tgkill(c: &mut Call) -> Result<Plan, Unsupported> {
    let thread = c.word(0)?;
    let process = match thread {
        Word::Tid(t) => Word::Tgid(t),
        other => other,
    };
    Ok(Plan::new(libc::SYS_tgkill, [process, thread, c.word(1)?]))
}
