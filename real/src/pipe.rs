//! Pipes: making them, and moving bytes between them and files without a buffer.

use crate::compile::{Call, Plan, Unsupported};
use crate::decode::Decode;
use crate::op::Word;

/// `pipe()`.
pub(crate) fn pipe(c: &mut Call) -> Result<Plan, Unsupported> {
    let pair = c.build.zeroed(8)?;
    Ok(Plan::new(libc::SYS_pipe, [Word::Const(pair as u64)]).gives(Decode::FdPair(pair)))
}

/// `pipe2(flags)`.
pub(crate) fn pipe2(c: &mut Call) -> Result<Plan, Unsupported> {
    let pair = c.build.zeroed(8)?;
    let args = [Word::Const(pair as u64), c.word(0)?];
    Ok(Plan::new(libc::SYS_pipe2, args).gives(Decode::FdPair(pair)))
}

/// `pipe2(flags)` with an array that may be bad memory.
pub(crate) fn pipe_to(c: &mut Call) -> Result<Plan, Unsupported> {
    if !c.is_bad_memory(1) {
        return pipe2(c);
    }
    let (array, _) = c.bytes(1)?;
    Ok(Plan::new(libc::SYS_pipe2, [array, c.word(0)?]))
}

/// `splice(from, NULL, to, NULL, len, flags)`.
pub(crate) fn splice(c: &mut Call) -> Result<Plan, Unsupported> {
    let none = Word::Const(0);
    let args = [c.word(0)?, none, c.word(1)?, none, c.word(2)?, c.word(3)?];
    Ok(Plan::new(libc::SYS_splice, args))
}

/// `tee(from, to, len, flags)`.
pub(crate) fn tee(c: &mut Call) -> Result<Plan, Unsupported> {
    Ok(Plan::new(
        libc::SYS_tee,
        [c.word(0)?, c.word(1)?, c.word(2)?, c.word(3)?],
    ))
}

/// `vmsplice` to a write end. Chunks begin at page borders: each takes the fewest pages.
pub(crate) fn vmsplice_out(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut stores = Vec::new();
    let chunks = c.chunks(1, &mut stores)?;
    let args = [c.word(0)?, chunks.at, chunks.count, c.word(2)?];
    Ok(Plan {
        stores,
        ..Plan::new(libc::SYS_vmsplice, args)
    })
}

/// `vmsplice` from a read end.
pub(crate) fn vmsplice_in(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut stores = Vec::new();
    let rooms = c.rooms(1, &mut stores)?;
    let args = [c.word(0)?, rooms.at, rooms.count, c.word(2)?];
    let plan = Plan {
        stores,
        ..Plan::new(libc::SYS_vmsplice, args)
    };
    Ok(plan.gives(Decode::Bytes(rooms.pieces)))
}

/// `sendfile(to, from, NULL, count)`.
pub(crate) fn sendfile(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, c.word(1)?, Word::Const(0), c.word(2)?];
    Ok(Plan::new(libc::SYS_sendfile, args))
}

/// `sendfile(to, from, &offset, count)`.
pub(crate) fn sendfile_at(c: &mut Call) -> Result<Plan, Unsupported> {
    let offset = c.known_number(2)?;
    let offset = c.build.put(&[offset])?;
    let args = [
        c.word(0)?,
        c.word(1)?,
        Word::Const(offset as u64),
        c.word(3)?,
    ];
    Ok(Plan::new(libc::SYS_sendfile, args))
}

/// `copy_file_range(from, NULL, to, NULL, len, 0)`.
pub(crate) fn copy_file_range(c: &mut Call) -> Result<Plan, Unsupported> {
    let none = Word::Const(0);
    let args = [c.word(0)?, none, c.word(1)?, none, c.word(2)?];
    Ok(Plan::new(libc::SYS_copy_file_range, args))
}
