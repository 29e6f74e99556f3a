//! Descriptors and descriptions: reading and writing, duplicating, closing, flags, metadata.

use crate::compile::{Call, OUTSIDE, Plan, Unsupported};
use crate::decode::{Decode, Piece};
use crate::op::{Do, Store, Word};
use scenario::Bits;

/// `fcntl` commands that the C library's header leaves out.
pub(crate) const F_SETSIG: i32 = 10;
const F_GETOWN_EX: i32 = 16;
/// `_IO(0, 2)`.
pub(crate) const FIGETBSZ: u64 = 2;

/// A call whose arguments all go into registers as they are.
pub(crate) fn registers(c: &mut Call, nr: i64) -> Result<Plan, Unsupported> {
    let mut args = [Word::Const(0); 6];
    for (i, _) in c.sys.spec().params.iter().enumerate() {
        args[i] = c.word(i)?;
    }
    Ok(Plan::new(nr, args))
}

/// `read(fd, buffer, count)`.
pub(crate) fn read(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, count, piece) = c.room(1)?;
    let plan = Plan::new(libc::SYS_read, [c.word(0)?, at, count]);
    Ok(plan.gives(Decode::Bytes(vec![piece])))
}

/// `write(fd, data, count)`.
pub(crate) fn write(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, count) = c.bytes(1)?;
    Ok(Plan::new(libc::SYS_write, [c.word(0)?, at, count]))
}

/// `pread(fd, buffer, count, offset)`.
pub(crate) fn pread(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, count, piece) = c.room(1)?;
    let plan = Plan::new(libc::SYS_pread64, [c.word(0)?, at, count, c.word(2)?]);
    Ok(plan.gives(Decode::Bytes(vec![piece])))
}

/// `pwrite(fd, data, count, offset)`.
pub(crate) fn pwrite(c: &mut Call) -> Result<Plan, Unsupported> {
    let (at, count) = c.bytes(1)?;
    Ok(Plan::new(
        libc::SYS_pwrite64,
        [c.word(0)?, at, count, c.word(2)?],
    ))
}

/// `readv(fd, buffers)`.
pub(crate) fn readv(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut stores = Vec::new();
    let rooms = c.rooms(1, &mut stores)?;
    let plan = Plan::new(libc::SYS_readv, [c.word(0)?, rooms.at, rooms.count]);
    Ok(Plan { stores, ..plan }.gives(Decode::Bytes(rooms.pieces)))
}

/// `writev(fd, buffers)`.
pub(crate) fn writev(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut stores = Vec::new();
    let chunks = c.chunks(1, &mut stores)?;
    let plan = Plan::new(libc::SYS_writev, [c.word(0)?, chunks.at, chunks.count]);
    Ok(Plan { stores, ..plan })
}

/// `preadv2(fd, buffers, offset, flags)`; the offset takes two registers, the second unused.
pub(crate) fn preadv2(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut stores = Vec::new();
    let rooms = c.rooms(1, &mut stores)?;
    let args = [
        c.word(0)?,
        rooms.at,
        rooms.count,
        c.word(2)?,
        Word::Const(0),
        c.word(3)?,
    ];
    let plan = Plan {
        stores,
        ..Plan::new(libc::SYS_preadv2, args)
    };
    Ok(plan.gives(Decode::Bytes(rooms.pieces)))
}

/// `pwritev2(fd, buffers, offset, flags)`.
pub(crate) fn pwritev2(c: &mut Call) -> Result<Plan, Unsupported> {
    let mut stores = Vec::new();
    let chunks = c.chunks(1, &mut stores)?;
    let args = [
        c.word(0)?,
        chunks.at,
        chunks.count,
        c.word(2)?,
        Word::Const(0),
        c.word(3)?,
    ];
    Ok(Plan {
        stores,
        ..Plan::new(libc::SYS_pwritev2, args)
    })
}

/// The kernel takes at most this many segments (`UIO_MAXIOV`); more are never looked at.
const SEGMENTS: i64 = 1024;

/// An array of one-byte segments in a buffer, and the buffer.
fn segments(c: &mut Call, count: i64) -> Result<(Word, Piece), Unsupported> {
    let there = count.clamp(0, SEGMENTS) as usize;
    let bytes = c.build.put(&vec![b'v'; there])?;
    let raw: Vec<[u64; 2]> = (0..there).map(|n| [(bytes + n) as u64, 1]).collect();
    let at = c.build.put(&raw)?;
    Ok((
        Word::Const(at as u64),
        Piece {
            at: bytes,
            len: there as u64,
        },
    ))
}

/// `readv` with so many one-byte segments.
pub(crate) fn readv_n(c: &mut Call) -> Result<Plan, Unsupported> {
    let count = c.known_number(1)?;
    let (at, piece) = segments(c, count)?;
    let plan = Plan::new(libc::SYS_readv, [c.word(0)?, at, Word::from(count)]);
    Ok(plan.gives(Decode::Bytes(vec![piece])))
}

/// `writev` with so many one-byte segments.
pub(crate) fn writev_n(c: &mut Call) -> Result<Plan, Unsupported> {
    let count = c.known_number(1)?;
    let (at, _) = segments(c, count)?;
    Ok(Plan::new(
        libc::SYS_writev,
        [c.word(0)?, at, Word::from(count)],
    ))
}

/// `fcntl(fd, command, argument)`, where the row has an argument.
pub(crate) fn fcntl(c: &mut Call, command: i32) -> Result<Plan, Unsupported> {
    let takes_one = c.sys.spec().params.len() > 2;
    let argument = if takes_one {
        c.word(1)?
    } else {
        Word::Const(0)
    };
    Ok(Plan::new(
        libc::SYS_fcntl,
        [c.word(0)?, Word::from(i64::from(command)), argument],
    ))
}

/// `fcntl` that gives flags.
pub(crate) fn fcntl_bits(c: &mut Call, command: i32, bits: Bits) -> Result<Plan, Unsupported> {
    Ok(fcntl(c, command)?.gives(Decode::Bits(bits)))
}

/// `F_GETOWN`, by the command that tells a process group from an error.
pub(crate) fn get_own(c: &mut Call) -> Result<Plan, Unsupported> {
    let owner = c.build.zeroed(8)?;
    let args = [
        c.word(0)?,
        Word::from(i64::from(F_GETOWN_EX)),
        Word::Const(owner as u64),
    ];
    Ok(Plan::new(libc::SYS_fcntl, args).gives(Decode::Owner(owner)))
}

/// `F_SETLK` on the whole file.
pub(crate) fn set_lock(c: &mut Call) -> Result<Plan, Unsupported> {
    let lock = libc::flock {
        l_type: c.known_number(1)? as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let lock = c.build.put(&[lock])?;
    let args = [
        c.word(0)?,
        Word::from(i64::from(libc::F_SETLK)),
        Word::Const(lock as u64),
    ];
    Ok(Plan::new(libc::SYS_fcntl, args))
}

/// `ioctl` without an argument.
pub(crate) fn ioctl(c: &mut Call, request: u64) -> Result<Plan, Unsupported> {
    Ok(Plan::new(
        libc::SYS_ioctl,
        [c.word(0)?, Word::Const(request)],
    ))
}

/// `ioctl` that stores an int.
pub(crate) fn ioctl_int(c: &mut Call, request: u64) -> Result<Plan, Unsupported> {
    let at = c.build.zeroed(8)?;
    let args = [c.word(0)?, Word::Const(request), Word::Const(at as u64)];
    Ok(Plan::new(libc::SYS_ioctl, args).gives(Decode::IntAt(at)))
}

/// `ioctl` that takes an int.
pub(crate) fn ioctl_on(c: &mut Call, request: u64) -> Result<Plan, Unsupported> {
    let at = c.build.zeroed(8)?;
    let args = [c.word(0)?, Word::Const(request), Word::Const(at as u64)];
    let stores = vec![Store {
        at,
        word: c.word(1)?,
    }];
    Ok(Plan {
        stores,
        ..Plan::new(libc::SYS_ioctl, args)
    })
}

/// `FIONREAD` with a bad pointer.
pub(crate) fn fionread_fault(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [
        c.word(0)?,
        Word::Const(libc::FIONREAD),
        Word::Const(OUTSIDE as u64),
    ];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// `ioctl` by number; whatever it stores finds room.
pub(crate) fn ioctl_n(c: &mut Call) -> Result<Plan, Unsupported> {
    let scratch = c.build.zeroed(4096)?;
    let args = [c.word(0)?, c.word(1)?, Word::Const(scratch as u64)];
    Ok(Plan::new(libc::SYS_ioctl, args))
}

/// `isatty`: `TCGETS`, whose success means 1.
pub(crate) fn isatty(c: &mut Call) -> Result<Plan, Unsupported> {
    let scratch = c.build.zeroed(64)?;
    let args = [
        c.word(0)?,
        Word::Const(libc::TCGETS),
        Word::Const(scratch as u64),
    ];
    Ok(Plan::new(libc::SYS_ioctl, args).how(Do::Means(1)))
}

/// `fallocate(fd, 0, offset, len)`.
pub(crate) fn fallocate(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [c.word(0)?, Word::Const(0), c.word(1)?, c.word(2)?];
    Ok(Plan::new(libc::SYS_fallocate, args))
}

/// `mmap` of one page, undone at once.
pub(crate) fn mmap(c: &mut Call) -> Result<Plan, Unsupported> {
    let args = [
        Word::Const(0),
        Word::Const(4096),
        c.word(1)?,
        c.word(2)?,
        c.word(0)?,
        Word::Const(0),
    ];
    Ok(Plan::new(libc::SYS_mmap, args).how(Do::Map))
}

fn stat_buffer(c: &mut Call) -> Result<(Plan, usize), Unsupported> {
    let at = c.build.zeroed(size_of::<libc::stat>())?;
    Ok((
        Plan::new(libc::SYS_fstat, [c.word(0)?, Word::Const(at as u64)]),
        at,
    ))
}

/// `fstat`.
pub(crate) fn fstat(c: &mut Call) -> Result<Plan, Unsupported> {
    let (plan, at) = stat_buffer(c)?;
    Ok(plan.gives(Decode::Stat(at)))
}

/// `fstat`: its block size.
pub(crate) fn fstat_blksize(c: &mut Call) -> Result<Plan, Unsupported> {
    let (plan, at) = stat_buffer(c)?;
    Ok(plan.gives(Decode::StatBlock(at)))
}

/// `fstat`: whether its times moved from the epoch, to which they are then set back.
pub(crate) fn fstat_times(c: &mut Call) -> Result<Plan, Unsupported> {
    let (plan, at) = stat_buffer(c)?;
    Ok(plan.how(Do::Times).gives(Decode::StatTimes(at)))
}
