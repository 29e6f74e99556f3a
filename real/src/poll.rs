//! Readiness.

use crate::compile::{Call, Plan, Unsupported, items, word};
use crate::decode::Decode;
use crate::op::{Store, Word};

/// `poll(fds, count, timeout)`.
pub(crate) fn poll(c: &mut Call) -> Result<Plan, Unsupported> {
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
    let args = [
        Word::Const(at as u64),
        Word::from(entries.len() as i64),
        c.word(1)?,
    ];
    let plan = Plan::new(libc::SYS_poll, args).gives(Decode::Revents(at, entries.len()));
    Ok(Plan { stores, ..plan })
}
