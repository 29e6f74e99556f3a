//! Signals: dispositions, masks, sending.

use crate::compile::{Call, Plan, Unsupported, word};
use crate::decode::Decode;
use crate::op::{Code, Do, Store, Word};
use crate::raw::{KernelSigaction, SA_RESTORER};
use scenario::{Bits, Kind, Signal, Sys, Value, constants};

/// The size of a set of signals in the kernel.
pub(crate) const SET: Word = Word::Const(8);

/// Which argument of a call is a signal that it sends, or has sent later.
pub(crate) fn sent_by(sys: Sys) -> Option<usize> {
    let kinds = sys.spec().params.iter().map(|p| p.kind);
    let mut kinds = kinds.filter(|k| !matches!(k, Kind::Word(_)));
    match sys {
        Sys::Sigaction | Sys::SigactionGet | Sys::SigactionFault | Sys::SigactionSize => None,
        _ => kinds.position(|k| k == Kind::Signal),
    }
}

/// Which argument of such a call, or of one that sets whom the kernel will tell, is the task.
pub(crate) fn sent_to(sys: Sys) -> Option<usize> {
    let kinds = sys.spec().params.iter().map(|p| p.kind);
    let mut kinds = kinds.filter(|k| !matches!(k, Kind::Word(_)));
    match sent_by(sys).is_some() || sys == Sys::SetOwn {
        true => kinds.position(|k| k == Kind::Task),
        false => None,
    }
}

/// `sigaction(signal, handler, flags)`. Handlers always get the signal's information; no scenario
/// can tell.
pub(crate) fn sigaction(c: &mut Call) -> Result<Plan, Unsupported> {
    let flags = c.known_number(2)? as u64 | SA_RESTORER;
    let handler = c.known_number(1)? as u64;
    let records = handler == constants::record;
    let action = KernelSigaction {
        handler,
        flags: if records {
            flags | libc::SA_SIGINFO as u64
        } else {
            flags
        },
        restorer: 0,
        mask: set_bits(c, 3)?,
    };
    let action = c.build.put(&[action])?;
    let args = [c.word(0)?, Word::Const(action as u64), Word::Const(0), SET];
    let mut plan = Plan::new(libc::SYS_rt_sigaction, args);
    // Where the code lies the worker knows: it may have executed a program.
    let mut address = |field: usize, code: Code| {
        for (at, upper) in [(0, false), (4, true)] {
            plan.stores.push(Store {
                at: action + field + at,
                word: Word::Code(code, upper),
            });
        }
    };
    if records {
        let field = std::mem::offset_of!(KernelSigaction, handler);
        address(field, Code::Record);
    }
    let field = std::mem::offset_of!(KernelSigaction, restorer);
    address(field, Code::Restorer);
    Ok(plan)
}

/// `sigaction(signal, NULL, &old)`.
pub(crate) fn sigaction_get(c: &mut Call) -> Result<Plan, Unsupported> {
    let old = c.build.zeroed(size_of::<KernelSigaction>())?;
    let args = [c.word(0)?, Word::Const(0), Word::Const(old as u64), SET];
    Ok(Plan::new(libc::SYS_rt_sigaction, args).gives(Decode::Action(old)))
}

/// What a query tells. That handlers always get the information is the worker's own affair.
pub(crate) fn action_value(action: &KernelSigaction) -> Value {
    let handler = match action.handler {
        // There is one handler, wherever it lies.
        other if other > constants::SIG_IGN => constants::record,
        other => other,
    };
    let flags = action.flags & !SA_RESTORER & !(libc::SA_SIGINFO as u64);
    let signals = (1..=64u8).filter(|n| action.mask & (1 << (n - 1)) != 0);
    Value::List(vec![
        Value::Bits(Bits::Handler, handler),
        Value::Bits(Bits::Action, flags),
        Value::List(signals.map(|n| Value::Signal(Signal(n))).collect()),
    ])
}

/// `sigaction(signal, action, old)` with addresses.
pub(crate) fn sigaction_fault(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, c.bytes(1)?.0, c.bytes(2)?.0, SET];
    Ok(Plan::new(libc::SYS_rt_sigaction, args))
}

/// `sigaction(signal, NULL, NULL)` with a size.
pub(crate) fn sigaction_size(c: &mut Call) -> Result<Plan, Unsupported> {
    let null = Word::Const(0);
    let args = [c.word(0)?, null, null, c.word(1)?];
    Ok(Plan::new(libc::SYS_rt_sigaction, args))
}

/// A set of signals, as a number.
fn set_bits(c: &Call, at: usize) -> Result<u64, Unsupported> {
    let mut set = 0u64;
    for signal in c.items(at)? {
        match word(&signal)? {
            Word::Const(n @ 1..=64) => set |= 1 << (n - 1),
            _ => {
                return Err(Unsupported(
                    "a set of signals that is not written out".into(),
                ));
            }
        }
    }
    Ok(set)
}

/// A set of signals in memory.
pub(crate) fn set(c: &mut Call, at: usize) -> Result<Word, Unsupported> {
    let set = set_bits(c, at)?;
    Ok(Word::Const(c.build.put(&[set])? as u64))
}

/// `sigprocmask(how, signals)`.
pub(crate) fn sigprocmask(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, set(c, 1)?, Word::Const(0), SET];
    Ok(Plan::new(libc::SYS_rt_sigprocmask, args))
}

/// `sigprocmask(how, NULL, &old)`.
pub(crate) fn sigprocmask_get(c: &mut Call) -> Result<Plan, Unsupported> {
    let old = c.build.zeroed(8)?;
    let args = [c.word(0)?, Word::Const(0), Word::Const(old as u64), SET];
    Ok(Plan::new(libc::SYS_rt_sigprocmask, args).gives(Decode::Signals(old)))
}

/// `sigprocmask(how, signals, old)` with an address.
pub(crate) fn sigprocmask_fault(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, set(c, 1)?, c.bytes(2)?.0, SET];
    Ok(Plan::new(libc::SYS_rt_sigprocmask, args))
}

/// `segfault()`: no system call, but an access that the processor refuses.
pub(crate) fn segfault(_: &mut Call) -> Result<Plan, Unsupported> {
    Ok(Plan::new(0, []).how(Do::Fault))
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

/// The caller's own process and thread.
fn own(c: &Call) -> (Word, Word) {
    let task = c.build.task();
    (Word::Tgid(task), Word::Tid(task))
}

/// `raise(signal)`.
pub(crate) fn raise(c: &mut Call) -> Result<Plan, Unsupported> {
    let (process, thread) = own(c);
    Ok(Plan::new(libc::SYS_tgkill, [process, thread, c.word(0)?]))
}

/// `rt_sigqueueinfo(process, signal, &info)`, and that to a thread.
pub(crate) fn sigqueue(c: &mut Call) -> Result<Plan, Unsupported> {
    let (code, value) = match c.sys {
        Sys::SigqueueCode => (c.known_number(2)? as u32, 0),
        _ => (libc::SI_QUEUE as u32, c.known_number(2)? as u32),
    };
    // `siginfo_t`: signal, errno, code, a hole, process, user, value.
    let mut info = [0u32; 32];
    (info[2], info[6]) = (code, value);
    let at = c.build.put(&info)?;
    let stores = vec![
        Store {
            at,
            word: c.word(1)?,
        },
        Store {
            at: at + 16,
            word: own(c).0,
        },
    ];
    let (target, signal, info) = (c.word(0)?, c.word(1)?, Word::Const(at as u64));
    let plan = match (c.sys, target) {
        (Sys::SigqueueThread, Word::Tid(t)) => Plan::new(
            libc::SYS_rt_tgsigqueueinfo,
            [Word::Tgid(t), target, signal, info],
        ),
        _ => Plan::new(libc::SYS_rt_sigqueueinfo, [target, signal, info]),
    };
    Ok(Plan { stores, ..plan })
}

/// `sigsuspend(signals)`.
pub(crate) fn sigsuspend(c: &mut Call) -> Result<Plan, Unsupported> {
    Ok(Plan::new(libc::SYS_rt_sigsuspend, [set(c, 0)?, SET]))
}

/// `sigsuspend` with an address and a size.
pub(crate) fn sigsuspend_fault(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.bytes(0)?.0, c.word(1)?];
    Ok(Plan::new(libc::SYS_rt_sigsuspend, args))
}

/// `sigtimedwait(signals, &info, timeout)`.
pub(crate) fn sigwait(c: &mut Call) -> Result<Plan, Unsupported> {
    let info = c.build.zeroed(128)?;
    let timeout = match c.sys {
        Sys::Sigtimedwait => {
            let milliseconds = c.known_number(1)?;
            let nanoseconds = milliseconds % 1000 * 1_000_000;
            Some([milliseconds / 1000, nanoseconds])
        }
        Sys::SigtimedwaitAt => Some([c.known_number(1)?, c.known_number(2)?]),
        _ => None,
    };
    let timeout = match timeout {
        Some(time) => c.build.put(&time)?,
        None => 0,
    };
    let [info_at, timeout] = [info, timeout].map(|at| Word::Const(at as u64));
    let args = [set(c, 0)?, info_at, timeout, SET];
    Ok(Plan::new(libc::SYS_rt_sigtimedwait, args).gives(Decode::Siginfo(info)))
}

/// `sigtimedwait(signals, info, 0)` with an address.
pub(crate) fn sigwait_fault(c: &mut Call) -> Result<Plan, Unsupported> {
    let now = c.build.put(&[0i64; 2])?;
    let args = [set(c, 0)?, c.bytes(1)?.0, Word::Const(now as u64), SET];
    Ok(Plan::new(libc::SYS_rt_sigtimedwait, args))
}

/// `setitimer(timer, &{interval, time}, NULL)`.
pub(crate) fn setitimer(c: &mut Call) -> Result<Plan, Unsupported> {
    let of = |ms: i64| [ms / 1000, ms % 1000 * 1000];
    let (timer, interval, time) = match c.sys {
        Sys::SetitimerRaw => (c.word(0)?, [0, 0], [c.known_number(1)?, c.known_number(2)?]),
        _ => (
            Word::from(i64::from(libc::ITIMER_REAL)),
            of(c.known_number(1)?),
            of(c.known_number(0)?),
        ),
    };
    let value = c.build.put(&[interval, time])?;
    let args = [timer, Word::Const(value as u64), Word::Const(0)];
    Ok(Plan::new(libc::SYS_setitimer, args))
}

/// `getitimer(ITIMER_REAL, &value)`.
pub(crate) fn getitimer(c: &mut Call) -> Result<Plan, Unsupported> {
    let value = c.build.zeroed(size_of::<libc::itimerval>())?;
    let timer = Word::from(i64::from(libc::ITIMER_REAL));
    let args = [timer, Word::Const(value as u64)];
    Ok(Plan::new(libc::SYS_getitimer, args).gives(Decode::Timer(value)))
}

/// `signalfd4(fd, signals, flags)`.
pub(crate) fn signalfd(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, set(c, 1)?, SET, c.word(2)?];
    Ok(Plan::new(libc::SYS_signalfd4, args))
}

/// `read(signalfd, buffer, so many records)`.
pub(crate) fn read_signals(c: &mut Call) -> Result<Plan, Unsupported> {
    let count = c.known_number(1)?;
    let record = size_of::<libc::signalfd_siginfo>();
    let len = usize::try_from(count)
        .ok()
        .and_then(|n| n.checked_mul(record))
        .filter(|n| *n <= 1 << 20)
        .ok_or_else(|| Unsupported("more than 8192 records, or less than none".into()))?;
    let at = c.build.zeroed(len.max(8))?;
    let args = [c.word(0)?, Word::Const(at as u64), Word::Const(len as u64)];
    Ok(Plan::new(libc::SYS_read, args).gives(Decode::Records(at)))
}
