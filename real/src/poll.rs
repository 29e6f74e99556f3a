//! Readiness.

use crate::compile::{Call, Plan, Unsupported, items, word};
use crate::decode::Decode;
use crate::op::{Store, Word};
use crate::signal::{SET, set};
use scenario::Sys;

/// The entries of a poll: an array of `struct pollfd`.
struct Entries {
    at: usize,
    count: usize,
    stores: Vec<Store>,
}

fn entries(c: &mut Call) -> Result<Entries, Unsupported> {
    let entries = c.items(0)?;
    let at = c.build.zeroed(entries.len() * size_of::<libc::pollfd>())?;
    let mut stores = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let parts = items(entry)?;
        let [fd, events] = parts.as_slice() else {
            return Err(Unsupported("an entry of poll is [fd, events]".into()));
        };
        let at = at + n * size_of::<libc::pollfd>();
        stores.push(Store {
            at,
            word: word(fd)?,
        });
        // `events` and `revents` share a word; the call clears the latter first.
        let events = match word(events)? {
            Word::Const(bits) => Word::Const(bits & 0xffff),
            other => other,
        };
        stores.push(Store {
            at: at + 4,
            word: events,
        });
    }
    Ok(Entries {
        at,
        count: entries.len(),
        stores,
    })
}

/// `poll(fds, count, timeout)`.
pub(crate) fn poll(c: &mut Call) -> Result<Plan, Unsupported> {
    let Entries { at, count, stores } = entries(c)?;
    let args = [Word::Const(at as u64), Word::from(count as i64), c.word(1)?];
    let plan = Plan::new(libc::SYS_poll, args).gives(Decode::Revents(at, count));
    Ok(Plan { stores, ..plan })
}

/// A `struct timespec` of so many milliseconds; none if they are negative.
pub(crate) fn timespec(c: &mut Call, milliseconds: i64) -> Result<Word, Unsupported> {
    let at = match milliseconds {
        0.. => c
            .build
            .put(&[milliseconds / 1000, milliseconds % 1000 * 1_000_000])?,
        _ => 0,
    };
    Ok(Word::Const(at as u64))
}

/// `ppoll(fds, count, timeout, mask)`.
pub(crate) fn ppoll(c: &mut Call) -> Result<Plan, Unsupported> {
    let Entries { at, count, stores } = entries(c)?;
    let (timeout, mask) = match c.sys {
        Sys::Ppoll => {
            let milliseconds = c.known_number(1)?;
            (timespec(c, milliseconds)?, set(c, 2)?)
        }
        _ => {
            let time = [c.known_number(1)?, c.known_number(2)?];
            (Word::Const(c.build.put(&time)? as u64), Word::Const(0))
        }
    };
    let (fds, count_word) = (Word::Const(at as u64), Word::from(count as i64));
    let args = [fds, count_word, timeout, mask, SET];
    let plan = Plan::new(libc::SYS_ppoll, args).gives(Decode::Revents(at, count));
    Ok(Plan { stores, ..plan })
}
