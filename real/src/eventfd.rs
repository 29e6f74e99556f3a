//! Counters: reads and writes of eight bytes.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::Word;

/// The size of a counter in bytes.
const COUNTER: Word = Word::Const(8);

/// `eventfd_read(fd)`.
pub(crate) fn read(c: &mut Call) -> Result<Plan, Unsupported> {
    let at = c.build.zeroed(8)?;
    let args = [c.word(0)?, Word::Const(at as u64), COUNTER];
    Ok(Plan::new(libc::SYS_read, args).gives(Decode::LongAt(at)))
}

/// `eventfd_write(fd, value)`.
pub(crate) fn write(c: &mut Call) -> Result<Plan, Unsupported> {
    let value = c.known_number(1)?;
    let at = c.build.put(&[value])?;
    let args = [c.word(0)?, Word::Const(at as u64), COUNTER];
    Ok(Plan::new(libc::SYS_write, args).how(crate::op::Do::Means(0)))
}
