//! From what a call left in its register and buffers to the value that the language knows.

use crate::arena::Arena;
use scenario::{Bits, Class, Data, DataBuilder, Errno, Signal, TaskId, Value};

/// A part of a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub at: usize,
    pub len: u64,
}

/// What a result means.
#[derive(Clone, Debug)]
pub(crate) enum Decode {
    /// A number: a count, a descriptor, 0.
    Int,
    /// Constants of this family.
    Bits(Bits),
    /// So many bytes of these pieces.
    Bytes(Vec<Piece>),
    /// Two descriptors that lie there.
    FdPair(usize),
    /// An int that lies there.
    IntAt(usize),
    /// `struct f_owner_ex`.
    Owner(usize),
    /// `struct stat`: what `fstat` gives.
    Stat(usize),
    /// `struct stat`: its block size.
    StatBlock(usize),
    /// `struct stat`: its times.
    StatTimes(usize),
    /// The results in an array of `struct pollfd`.
    Revents(usize, usize),
    /// A set of signals.
    Signals(usize),
    /// A message: its bytes, and where its priority lies.
    QueueMessage(Piece, usize),
    /// `struct mq_attr`.
    QueueAttributes(usize),
    /// A task's id.
    Task,
    /// `struct msgbuf` with so much room for the text: `[type, data]`.
    Message(usize, u64),
    /// `struct msqid_ds`: what `IPC_STAT` tells.
    QueueStatus(usize),
    /// `struct msqid_ds`: which times are set.
    QueueTimes(usize),
    /// The result, and ints that lie there.
    Ints(Vec<usize>),
}

/// What the decoder must know besides the result.
pub(crate) trait World {
    /// The task of that id.
    fn task(&self, id: i32) -> Value;
    /// Whether the file's access and modification times moved since they were last asked for.
    fn times(&mut self, stat: &libc::stat) -> Value;
}

/// The value that a result stands for.
pub(crate) fn value(decode: &Decode, result: i64, world: &mut impl World) -> Value {
    if (-4095..0).contains(&result) {
        // A `pipe` that fails leaves its array alone, which held zeros (PIPE-014).
        return match decode {
            // SAFETY: the array was laid out for this call; the worker has finished with it.
            Decode::FdPair(at) if unsafe { *(*at as *const [i32; 2]) } != [0, 0] => {
                Value::List(vec![Value::Int(result)])
            }
            _ => Value::Error(Errno::from_number(-result as i32)),
        };
    }
    // SAFETY: the addresses are those of buffers that the compiler laid out for this call; the
    // worker has finished with them.
    unsafe {
        match decode {
            Decode::Int => Value::Int(result),
            Decode::Bits(kind) => Value::Bits(*kind, result as u64),
            Decode::Bytes(pieces) => Value::Data(read_pieces(pieces, result as u64)),
            Decode::FdPair(at) => {
                // The array is zero again for the next time.
                let [r, w] = std::mem::take(&mut *(*at as *mut [i32; 2]));
                Value::List(vec![Value::Int(i64::from(r)), Value::Int(i64::from(w))])
            }
            Decode::IntAt(at) => Value::Int(i64::from(*(*at as *const i32))),
            Decode::Owner(at) => {
                let [kind, id] = *(*at as *const [i32; 2]);
                match (kind, id) {
                    (_, 0) => Value::Int(0),
                    (F_OWNER_PGRP, id) => Value::Int(-i64::from(id)),
                    (_, id) => world.task(id),
                }
            }
            Decode::Stat(at) => stat(&*(*at as *const libc::stat)),
            Decode::StatBlock(at) => Value::Int((*(*at as *const libc::stat)).st_blksize),
            Decode::StatTimes(at) => world.times(&*(*at as *const libc::stat)),
            Decode::Revents(at, count) => {
                let fds = std::slice::from_raw_parts(*at as *const libc::pollfd, *count);
                let bits = |fd: &libc::pollfd| Value::Bits(Bits::Poll, fd.revents as u16 as u64);
                Value::List(fds.iter().map(bits).collect())
            }
            Decode::Signals(at) => {
                let set = *(*at as *const u64);
                let pending = (1..=64u8).filter(|n| set & (1 << (n - 1)) != 0);
                Value::List(pending.map(|n| Value::Signal(Signal(n))).collect())
            }
            Decode::QueueMessage(piece, priority) => {
                let data = read_pieces(&[*piece], result as u64);
                let priority = i64::from(*(*priority as *const u32));
                Value::List(vec![Value::Data(data), Value::Int(priority)])
            }
            Decode::QueueAttributes(at) => {
                let [flags, most, size, count] = *(*at as *const [i64; 4]);
                let mut list = vec![match flags {
                    0 => Value::Int(0),
                    flags => Value::Bits(Bits::Open, flags as u64),
                }];
                list.extend([most, size, count].map(Value::Int));
                Value::List(list)
            }
            Decode::Task => world.task(result as i32),
            Decode::Message(at, room) => {
                let text = Piece {
                    at: at + 8,
                    len: *room,
                };
                Value::List(vec![
                    Value::Int((*at as *const i64).read_unaligned()),
                    Value::Data(read_pieces(&[text], result as u64)),
                ])
            }
            Decode::QueueStatus(at) => {
                crate::sysv_msg::status_value(&*(*at as *const libc::msqid_ds), world)
            }
            Decode::QueueTimes(at) => {
                crate::sysv_msg::times_value(&*(*at as *const libc::msqid_ds))
            }
            Decode::Ints(places) => {
                let ints = places.iter().map(|at| i64::from(*(*at as *const i32)));
                let all = std::iter::once(result).chain(ints);
                Value::List(all.map(Value::Int).collect())
            }
        }
    }
}

const F_OWNER_PGRP: i32 = 2;

/// The first `count` bytes of the pieces.
unsafe fn read_pieces(pieces: &[Piece], count: u64) -> Data {
    let mut left = count;
    let mut data = DataBuilder::default();
    for piece in pieces {
        let len = left.min(piece.len) as usize;
        if len == 0 {
            continue;
        }
        // SAFETY: the kernel has stored that many bytes there.
        let bytes = unsafe { std::slice::from_raw_parts(piece.at as *const u8, len) };
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let same = rest.iter().take_while(|&&b| b == byte).count();
            data.push(byte, same as u32);
            rest = &rest[same..];
        }
        left -= len as u64;
    }
    data.finish()
}

/// `[type, mode, links, size, uid, gid, inode]`.
fn stat(s: &libc::stat) -> Value {
    // FNV-1a over device and inode: the same file gives the same number, two files differ.
    let mut hash = 0x811c_9dc5u32;
    for byte in s
        .st_dev
        .to_le_bytes()
        .into_iter()
        .chain(s.st_ino.to_le_bytes())
    {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    Value::List(vec![
        Value::Bits(Bits::FileType, u64::from(s.st_mode & libc::S_IFMT)),
        Value::Bits(Bits::Mode, u64::from(s.st_mode & 0o7777)),
        Value::Int(s.st_nlink as i64),
        // That of a directory is each file system's own affair.
        Value::Int(match s.st_mode & libc::S_IFMT {
            libc::S_IFDIR => 0,
            _ => s.st_size,
        }),
        Value::Int(i64::from(s.st_uid)),
        Value::Int(i64::from(s.st_gid)),
        Value::Symbol(Class::Inode, hash),
    ])
}

/// A number as the task it names, else as a number.
pub(crate) fn task_value(arena: Arena, tasks: usize, id: i32) -> Value {
    let of = |t: &usize| {
        arena
            .slot(*t)
            .tid
            .load(std::sync::atomic::Ordering::Acquire)
            == id
    };
    match (0..tasks).find(of) {
        Some(t) if id != 0 => Value::Task(TaskId(t as u16)),
        _ => Value::Int(i64::from(id)),
    }
}
