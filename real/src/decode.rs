//! From what a call left in its register and buffers to the value that the language knows.

use crate::arena::Arena;
use scenario::{Bits, Class, Data, DataBuilder, Errno, Handled, Signal, TaskId, Value, constants};

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
    /// A nice value, which the call shows as a number from 1 to 40.
    Nice,
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
    /// Three `fd_set`s.
    FdSets(usize),
    /// So many `struct epoll_event`.
    EpollEvents(usize),
    /// A number of 64 bits that lies there.
    LongAt(usize),
    /// A set of signals.
    Signals(usize),
    /// `struct sigaction` as the kernel has it: `[handler, flags, mask]`.
    Action(usize),
    /// `siginfo_t`.
    Siginfo(usize),
    /// Records of a signalfd.
    Records(usize),
    /// `struct itimerval`: whether it runs, and its interval.
    Timer(usize),
    /// A message: its bytes, and where its priority lies.
    QueueMessage(Piece, usize),
    /// `struct mq_attr`.
    QueueAttributes(usize),
    /// A task's id.
    Task,
    /// A task's id that lies there.
    TaskAt(usize),
    /// `struct termios`, as the kernel has it.
    Terminal(usize),
    /// `struct winsize`.
    WindowSize(usize),
    /// A child, and its status word that lies there: how it changed.
    Status(usize),
    /// The same, with the word as it is.
    StatusWord(usize),
    /// `siginfo_t` that `waitid` filled.
    ChildInfo(usize),
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
            Decode::Nice => Value::Int(crate::nice::SHOWN - result),
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
            Decode::FdSets(at) => {
                let len = 3 * crate::select::WORDS;
                crate::select::sets_value(std::slice::from_raw_parts(*at as *const u64, len))
            }
            Decode::EpollEvents(at) => {
                let events = *at as *const crate::epoll::Event;
                crate::epoll::events_value(std::slice::from_raw_parts(events, result as usize))
            }
            Decode::LongAt(at) => Value::Int(*(*at as *const i64)),
            Decode::Signals(at) => {
                let set = *(*at as *const u64);
                let pending = (1..=64u8).filter(|n| set & (1 << (n - 1)) != 0);
                Value::List(pending.map(|n| Value::Signal(Signal(n))).collect())
            }
            Decode::Action(at) => {
                let action = &*(*at as *const crate::raw::KernelSigaction);
                crate::signal::action_value(action)
            }
            Decode::Siginfo(at) => {
                let info = *at as *const libc::siginfo_t;
                let signal = (*info).si_signo;
                handled(
                    Signal(signal as u8),
                    (*info).si_code,
                    world.task(crate::worker::sender_of(signal, info)),
                    crate::worker::value_of(signal, info) as i32,
                )
                .to_value()
            }
            Decode::Records(at) => {
                let count = result as usize / size_of::<libc::signalfd_siginfo>();
                let records = *at as *const libc::signalfd_siginfo;
                let records = std::slice::from_raw_parts(records, count);
                Value::List(records.iter().map(|r| record(r, world)).collect())
            }
            Decode::Timer(at) => {
                let timer = &*(*at as *const libc::itimerval);
                let armed = timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0;
                let interval = timer.it_interval.tv_sec * 1000 + timer.it_interval.tv_usec / 1000;
                Value::List(vec![Value::Int(i64::from(armed)), Value::Int(interval)])
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
            Decode::TaskAt(at) => world.task(*(*at as *const i32)),
            Decode::Terminal(at) => crate::terminal::settings(*(*at as *const [u32; 4])),
            Decode::WindowSize(at) => {
                let size = *(*at as *const [u16; 2]);
                Value::List(size.map(|n| Value::Int(i64::from(n))).to_vec())
            }
            Decode::Status(_) | Decode::StatusWord(_) if result == 0 => Value::List(Vec::new()),
            Decode::Status(at) => {
                let mut list = vec![world.task(result as i32)];
                list.extend(change(*(*at as *const i32)));
                Value::List(list)
            }
            Decode::StatusWord(at) => {
                let word = i64::from(*(*at as *const i32));
                Value::List(vec![world.task(result as i32), Value::Int(word)])
            }
            Decode::ChildInfo(at) => {
                let info = &*(*at as *const [i32; 32]);
                // Number, error and code; then, aligned, the process, its user and the status.
                let [signal, _, code, _, child, uid, status, ..] = *info;
                if signal == 0 && child == 0 {
                    return Value::List(
                        [code, child, uid, status]
                            .map(|n| Value::Int(n.into()))
                            .to_vec(),
                    );
                }
                Value::List(vec![
                    world.task(child),
                    Value::Bits(Bits::SiCode, code as u64),
                    Value::Int(status.into()),
                    Value::Int(uid.into()),
                ])
            }
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

/// What a status word says: how the child changed, and its exit status or the signal.
fn change(word: i32) -> [Value; 2] {
    use scenario::constants::*;
    let (code, status) = match (word, word & 0x7f) {
        (0xffff, _) => (CLD_CONTINUED, libc::SIGCONT),
        (_, 0x7f) => (CLD_STOPPED, word >> 8),
        (_, 0) => (CLD_EXITED, word >> 8),
        (_, signal) if word & 0x80 != 0 => (CLD_DUMPED, signal),
        (_, signal) => (CLD_KILLED, signal),
    };
    [Value::Bits(Bits::SiCode, code), Value::Int(status.into())]
}

/// The child that a wait took the end of, and its exit code: the kernel keeps it no longer.
pub(crate) fn taken(decode: &Decode, result: i64) -> Option<(i32, i32)> {
    // SAFETY: the addresses are those of buffers that the compiler laid out for this call; the
    // worker has finished with them.
    unsafe {
        match decode {
            Decode::Status(at) | Decode::StatusWord(at) if result > 0 => {
                let word = *(*at as *const i32);
                (word & 0x7f != 0x7f && word != 0xffff).then_some((result as i32, word))
            }
            Decode::ChildInfo(at) if result == 0 => {
                let [_, _, code, _, child, _, status, ..] = *(*at as *const [i32; 32]);
                match code {
                    libc::CLD_EXITED => Some((child, status << 8)),
                    libc::CLD_KILLED | libc::CLD_DUMPED => Some((child, status)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
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

/// A record of a signalfd.
fn record(r: &libc::signalfd_siginfo, world: &impl World) -> Value {
    let signal = Signal(r.ssi_signo as u8);
    let from_task = r.ssi_code == libc::SI_USER || r.ssi_code < 0 || signal == Signal::SIGCHLD;
    let value = match signal {
        Signal::SIGCHLD if r.ssi_code > 0 => r.ssi_status,
        _ => r.ssi_int,
    };
    let sender = world.task(if from_task { r.ssi_pid as i32 } else { 0 });
    handled(signal, r.ssi_code, sender, value).to_value()
}

/// A signal with its information, of which `value` lies where a status or a sender's value does.
pub(crate) fn handled(signal: Signal, code: i32, sender: Value, value: i32) -> Handled {
    let of_child = signal == Signal::SIGCHLD && (1..=6).contains(&code);
    let queued = code < 0 && code != libc::SI_TKILL && code != libc::SI_MESGQ;
    Handled {
        value: (of_child || queued).then_some(i64::from(value)),
        ..Handled::new(
            signal,
            Value::Bits(Bits::SiCode, si_code(signal, code as u32)),
            sender,
        )
    }
}

/// A signal's code as [`Bits::SiCode`] numbers it. The codes of `O_ASYNC` are small numbers that
/// mean something else with the signals that have codes of their own.
fn si_code(signal: Signal, code: u32) -> u64 {
    const OWN: [Signal; 7] = [
        Signal::SIGCHLD,
        Signal::SIGILL,
        Signal::SIGFPE,
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGTRAP,
        Signal::SIGSYS,
    ];
    match code {
        1 if signal == Signal::SIGSEGV => constants::SEGV_MAPERR,
        1..=6 if !OWN.contains(&signal) => constants::POLL_IN - 1 + u64::from(code),
        code => u64::from(code),
    }
}
