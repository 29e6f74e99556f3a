//! `select`: sets of descriptors as bits.

use crate::compile::{Call, Plan, Unsupported, word};
use crate::decode::Decode;
use crate::op::{Do, Store, Word};
use crate::poll::timespec;
use crate::signal::set;
use scenario::{Sys, Value};

/// Words of 64 bits in an `fd_set`.
pub(crate) const WORDS: usize = 16;

/// `select(count, read, write, except, timeout)` and `pselect`.
pub(crate) fn select(c: &mut Call) -> Result<Plan, Unsupported> {
    let sets = c.build.zeroed(3 * WORDS * 8)?;
    let raw = matches!(c.sys, Sys::SelectRaw | Sys::PselectRaw);
    let fds = match raw {
        true => [vec![c.word(1)?], Vec::new(), Vec::new()],
        false => {
            let mut fds = [Vec::new(), Vec::new(), Vec::new()];
            for (at, fds) in fds.iter_mut().enumerate() {
                for item in c.items(at)? {
                    fds.push(word(&item)?);
                }
            }
            fds
        }
    };
    let all: Vec<Word> = fds.iter().flatten().copied().collect();
    let lists = c.build.zeroed((3 + all.len()) * 4)?;
    let counts = fds.iter().map(|set| Word::Const(set.len() as u64));
    let stores = counts.chain(all).enumerate();
    let stores = stores
        .map(|(n, word)| Store {
            at: lists + n * 4,
            word,
        })
        .collect();
    let count = if raw { c.word(0)? } else { Word::Const(0) };
    let timeout = match c.sys {
        Sys::Select => match c.known_number(3)? {
            ms @ 0.. => Word::Const(c.build.put(&[ms / 1000, ms % 1000 * 1000])? as u64),
            _ => Word::Const(0),
        },
        Sys::Pselect => {
            let milliseconds = c.known_number(3)?;
            timespec(c, milliseconds)?
        }
        _ => {
            let time = [c.known_number(2)?, c.known_number(3)?];
            Word::Const(c.build.put(&time)? as u64)
        }
    };
    let at = |n: usize| Word::Const((sets + n * WORDS * 8) as u64);
    let args = [count, at(0), at(1), at(2), timeout];
    let plan = match c.sys {
        Sys::Select | Sys::SelectRaw => Plan::new(libc::SYS_select, args),
        _ => {
            let mask = match c.sys {
                Sys::Pselect => {
                    let mask = set(c, 4)?;
                    let Word::Const(mask) = mask else {
                        return Err(Unsupported("a mask that is not written out".into()));
                    };
                    c.build.put(&[mask, 8])?
                }
                _ => 0,
            };
            let [count, r, w, e, timeout] = args;
            let mask = Word::Const(mask as u64);
            Plan::new(libc::SYS_pselect6, [count, r, w, e, timeout, mask])
        }
    };
    let plan = plan.how(Do::Select { lists, sets, raw });
    Ok(Plan {
        stores,
        ..plan.gives(Decode::FdSets(sets))
    })
}

/// Puts the numbers into the sets; gives the count of numbers up to the greatest.
///
/// # Safety
/// Lists and sets were laid out by [`select`], and nobody else uses them now.
pub(crate) unsafe fn fill(lists: usize, sets: usize) -> u64 {
    // SAFETY: the caller says so; numbers beyond the set are left out.
    unsafe {
        let lists = lists as *const i32;
        let bits = sets as *mut u64;
        for word in 0..3 * WORDS {
            bits.add(word).write(0);
        }
        let mut next = 3;
        let mut most = 0;
        for set in 0..3 {
            for _ in 0..*lists.add(set) {
                let fd = *lists.add(next);
                next += 1;
                if fd >= 0 && (fd as usize) < WORDS * 64 {
                    *bits.add(set * WORDS + fd as usize / 64) |= 1 << (fd % 64);
                    most = most.max(fd as u64 + 1);
                }
            }
        }
        most
    }
}

/// The three sets.
pub(crate) fn sets_value(sets: &[u64]) -> Value {
    let members = |set: &[u64]| {
        let fds = (0..WORDS * 64).filter(|fd| set[fd / 64] >> (fd % 64) & 1 == 1);
        Value::List(fds.map(|fd| Value::Int(fd as i64)).collect())
    };
    Value::List(sets.chunks(WORDS).map(members).collect())
}
