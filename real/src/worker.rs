//! The worker: the code that every task of a scenario runs.
//!
//! It sleeps at its mailbox, performs the operations that it is allowed to, posts what came of
//! them, and sleeps again. It owns no descriptor and no memory, calls no library and cannot
//! panic: it may run in the conductor's address space, and in a thread without thread-local state.

use crate::arena::{Entry, Globals, MAX_TASKS, Posted, SLOT, Slot, entry_of, stack_of};
use crate::op::{Code, Do, Op, Out, Source, Store, Word};
use crate::raw;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// The worker of the slot at this address.
pub(crate) extern "C" fn main(at: usize) -> ! {
    // SAFETY: the conductor made the slot ready before it let anyone start this task.
    let slot = unsafe { &*(at as *const Slot) };
    let globals = globals(at, slot);
    enlist(at, slot);
    if slot.gated {
        pass_gate(slot, globals);
    }
    work(at, slot, globals)
}

/// The worker of the slot at this address, in a fresh image: the call that made it is done.
pub(crate) extern "C" fn resume(at: usize) -> ! {
    // SAFETY: the image was told this address by the worker that it is of.
    let slot = unsafe { &*(at as *const Slot) };
    let globals = globals(at, slot);
    enlist(at, slot);
    let done = slot.done.load(Relaxed);
    post(at, globals, Posted::Returned, i64::from(done), 0, 0);
    slot.done.store(done.wrapping_add(1), Release);
    work(at, slot, globals)
}

/// Performs operations for ever.
fn work(at: usize, slot: &Slot, globals: &Globals) -> ! {
    let mut skew = slot.skew;
    loop {
        let done = slot.done.load(Relaxed);
        let go = slot.go.load(Acquire);
        if done >= go || done >= slot.count {
            // SAFETY: the word lies in the slot.
            unsafe { raw::futex_wait(slot.go.as_ptr(), globals.private, go, None) };
            continue;
        }
        if skew != 0 && done >= slot.prelude {
            dawdle(&mut skew, globals.one_cpu);
        }
        // SAFETY: `count` operations lie there.
        let op = unsafe { &*(slot.ops as *const Op).add(done as usize) };
        let result = perform(at, globals, op, done);
        if done >= slot.prelude || result < 0 {
            post(at, globals, Posted::Returned, i64::from(done), result, 0);
        }
        slot.done.store(done.wrapping_add(1), Release);
    }
}

fn slot_at(at: usize) -> &'static Slot {
    // SAFETY: workers and handlers know the address of their slot.
    unsafe { &*(at as *const Slot) }
}

/// What all share, found from a slot.
fn globals(_at: usize, slot: &Slot) -> &'static Globals {
    // SAFETY: the conductor stored the address; the mapping stays.
    unsafe { &*(slot.globals as *const Globals) }
}

/// Has the kernel note this task's death in its slot.
fn enlist(at: usize, slot: &Slot) {
    slot.robust
        .death
        .store(slot.tid.load(Relaxed) as u32, SeqCst);
    // SAFETY: takes no arguments.
    let tgid = unsafe { raw::syscall(libc::SYS_getpid, [0; 6]) };
    slot.tgid.store(tgid as i32, Release);
    let head = std::ptr::from_ref(&slot.robust) as u64;
    debug_assert!(head as usize - at < 4096);
    // SAFETY: the list lies in the slot, which outlives the task.
    unsafe { raw::syscall(libc::SYS_set_robust_list, [head, 24, 0, 0, 0, 0]) };
}

/// Waits until all tasks of a race are there and the conductor lets them go.
fn pass_gate(slot: &Slot, globals: &Globals) {
    globals.arrived.fetch_add(1, SeqCst);
    // SAFETY: the words lie in shared memory.
    unsafe {
        raw::futex_wake(globals.arrived.as_ptr(), globals.private, 1);
        while globals.gate.load(Acquire) == 0 {
            raw::futex_wait(globals.gate.as_ptr(), globals.private, 0, None);
        }
    }
    // Woken one after the other; meet again, briefly, so as to begin together.
    globals.started.fetch_add(1, SeqCst);
    let mut spins = 0u32;
    while !globals.one_cpu && spins < 4000 && globals.started.load(Acquire) < slot.gated_tasks {
        std::hint::spin_loop();
        spins = spins.wrapping_add(1);
    }
}

/// Lets a little time pass, now and then, as the generator says.
fn dawdle(skew: &mut u64, one_cpu: bool) {
    *skew ^= *skew << 13;
    *skew ^= *skew >> 7;
    *skew ^= *skew << 17;
    if *skew & 3 != 0 {
        return;
    }
    if one_cpu {
        // SAFETY: takes no arguments.
        unsafe { raw::syscall(libc::SYS_sched_yield, [0; 6]) };
    } else {
        for _ in 0..(*skew >> 8) & 511 {
            std::hint::spin_loop();
        }
    }
}

/// The number that a word stands for now.
fn value(at: usize, globals: &Globals, word: Word) -> u64 {
    match word {
        Word::Const(n) => n,
        // SAFETY: the compiler checked the index.
        Word::Cell(v) => unsafe { globals.cells.get_unchecked(v as usize) }.load(Acquire) as u64,
        Word::Upper(v) => value(at, globals, Word::Cell(v)) >> 32,
        Word::Code(code, upper) => {
            let at = match code {
                Code::Record => record as *const () as u64,
                Code::Restorer => raw::restorer(),
            };
            if upper { at >> 32 } else { at }
        }
        Word::Tid(t) => id(&slot_of(at, globals, t).tid),
        Word::Tgid(t) => id(&slot_of(at, globals, t).tgid),
    }
}

/// A task's id; one that no process has if the task was not started.
fn id(word: &std::sync::atomic::AtomicI32) -> u64 {
    match word.load(Acquire) {
        0 => i32::MAX as u64,
        id => id as u64,
    }
}

fn slot_of(_at: usize, globals: &Globals, task: u16) -> &'static Slot {
    let base = std::ptr::from_ref(globals) as usize - MAX_TASKS * SLOT;
    // SAFETY: the compiler checked the number; slots lie below the globals.
    unsafe { &*((base + task as usize * SLOT) as *const Slot) }
}

fn perform(at: usize, globals: &Globals, op: &Op, index: u32) -> i64 {
    let (stores, outs) = (op.stores, op.outs);
    for i in 0..stores.1 {
        // SAFETY: the compiler put so many stores there, into buffers of this slot.
        unsafe {
            let store = &*(stores.0 as *const Store).add(i);
            (store.at as *mut u32).write_unaligned(value(at, globals, store.word) as u32);
        }
    }
    let args = op.args.map(|w| value(at, globals, w));
    // SAFETY: the compiler gave each call buffers of the slot that are large enough, or addresses
    // that fault, which is for the kernel to find out.
    let call = |nr, args| unsafe { raw::syscall(nr, args) };
    let result = match op.how {
        Do::Call | Do::Exec => call(op.nr, args),
        Do::Means(value) => match call(op.nr, args) {
            r if r < 0 => r,
            _ => value,
        },
        Do::Map => match call(op.nr, args) {
            r if (-4095..0).contains(&r) => r,
            address => call(libc::SYS_munmap, [address as u64, args[1], 0, 0, 0, 0]),
        },
        Do::Times => match call(op.nr, args) {
            0 => {
                let epoch = [0u64; 4];
                let times = std::ptr::from_ref(&epoch) as u64;
                call(libc::SYS_utimensat, [args[0], 0, times, 0, 0, 0])
            }
            error => error,
        },
        Do::Within { at, milliseconds } => {
            call(
                libc::SYS_clock_gettime,
                [libc::CLOCK_REALTIME as u64, at as u64, 0, 0, 0, 0],
            );
            add_time(at, milliseconds);
            call(op.nr, args)
        }
        Do::OpenFd { path, own } => {
            write_fd_path(path, (!own).then_some(args[5]), args[4] as i32);
            call(op.nr, [args[0], path as u64, args[2], args[3], 0, 0])
        }
        Do::Group => match args[0] as i64 {
            0 => call(op.nr, args),
            group @ 2.. => {
                let group = group.wrapping_neg() as u64;
                call(op.nr, [group, args[1], args[2], 0, 0, 0])
            }
            _ => -i64::from(libc::EINVAL),
        },
        Do::Select { lists, sets, raw } => {
            // SAFETY: the compiler laid both out for this call.
            let most = unsafe { crate::select::fill(lists, sets) };
            let count = if raw { args[0] } else { most };
            call(op.nr, [count, args[1], args[2], args[3], args[4], args[5]])
        }
        Do::Fault => {
            // SAFETY: a signal comes of it, which ends the process or is handled by `record`.
            unsafe { raw::fault() };
            0
        }
        Do::Openpt => openpt(args),
        Do::ReadSysctl { text, number } => with_open(args, |file| {
            let len = call(
                libc::SYS_read,
                [file, text as u64, crate::sysctl::DIGITS as u64, 0, 0, 0],
            );
            // SAFETY: the compiler left room for the text, of which so much was read, and the number.
            unsafe { (number as *mut i64).write(parse(text, len)) };
            len
        }),
        Do::WriteSysctl { text } => with_open(args, |file| {
            let len = write_decimal(text, args[3] as i64);
            call(libc::SYS_write, [file, text as u64, len as u64, 0, 0, 0])
        }),
        Do::Spawn { slot, thread } => spawn(globals, slot, thread),
        Do::Exit { thread } => {
            post(
                at,
                globals,
                Posted::Leaving,
                i64::from(index),
                args[0] as i64,
                0,
            );
            globals.leaving.fetch_add(1, SeqCst);
            if slot_at(at).skew != 0 {
                // SAFETY: the word lies in shared memory.
                unsafe { raw::futex_wake(globals.leaving.as_ptr(), globals.private, 1) };
            }
            let nr = if thread {
                libc::SYS_exit
            } else {
                libc::SYS_exit_group
            };
            call(nr, args)
        }
    };
    for i in 0..outs.1 {
        // SAFETY: as for the stores; the compiler checked the cell's index.
        unsafe {
            let out = &*(outs.0 as *const Out).add(i);
            let number = match out.from {
                _ if (-4095..0).contains(&result) => -1,
                Source::Result => result,
                Source::Nice => crate::nice::SHOWN.wrapping_sub(result),
                Source::I64(from) => (from as *const i64).read_unaligned(),
                Source::I32(from) => i64::from((from as *const i32).read()),
            };
            globals
                .cells
                .get_unchecked(out.var as usize)
                .store(number, Release);
        }
    }
    result
}

/// Opens a file as the words say, for as long as `f` uses it. Gives 0, or what went wrong.
fn with_open(args: [u64; 6], f: impl FnOnce(u64) -> i64) -> i64 {
    // SAFETY: the compiler put a path there; descriptors are numbers.
    let call = |nr, args| unsafe { raw::syscall(nr, args) };
    let file = call(libc::SYS_openat, [args[0], args[1], args[2], 0, 0, 0]);
    if file < 0 {
        return file;
    }
    let result = f(file as u64);
    call(libc::SYS_close, [file as u64, 0, 0, 0, 0, 0]);
    result.min(0)
}

/// The number that so many bytes there are the decimal digits of, up to what is none.
fn parse(at: usize, len: i64) -> i64 {
    let (mut number, mut negative) = (0i64, false);
    for i in 0..len.max(0) as usize {
        // SAFETY: the caller has read so many bytes to there.
        match unsafe { (at.wrapping_add(i) as *const u8).read() } {
            b'-' => negative = true,
            digit @ b'0'..=b'9' => {
                let digit = i64::from(digit.wrapping_sub(b'0'));
                number = number.wrapping_mul(10).wrapping_add(digit);
            }
            _ => break,
        }
    }
    if negative {
        number.wrapping_neg()
    } else {
        number
    }
}

/// Writes a number in decimal; gives the length.
fn write_decimal(at: usize, n: i64) -> usize {
    let mut end = at;
    let mut put = |byte: u8| {
        // SAFETY: the compiler left 32 bytes there; the longest number has 20.
        unsafe { (end as *mut u8).write(byte) };
        end = end.wrapping_add(1);
    };
    if n < 0 {
        put(b'-');
    }
    put_number(&mut put, n.unsigned_abs());
    end.wrapping_sub(at)
}

/// Opens a pseudoterminal: the call's arguments, and the place for the two descriptors.
fn openpt(args: [u64; 6]) -> i64 {
    let unlocked = 0i32;
    let at = std::ptr::from_ref(std::hint::black_box(&unlocked)) as u64;
    // SAFETY: the compiler put a path and room for two descriptors there; descriptors are numbers.
    unsafe {
        let call = |nr, args| raw::syscall(nr, args);
        let master = call(libc::SYS_openat, [args[0], args[1], args[2], 0, 0, 0]);
        if master < 0 {
            return master;
        }
        let ioctl =
            |request, argument| call(libc::SYS_ioctl, [master as u64, request, argument, 0, 0, 0]);
        ioctl(libc::TIOCSPTLCK, at);
        let slave = ioctl(libc::TIOCGPTPEER, args[2]);
        if slave < 0 {
            call(libc::SYS_close, [master as u64, 0, 0, 0, 0, 0]);
            return slave;
        }
        (args[3] as *mut [i32; 2]).write([master as i32, slave as i32]);
    }
    0
}

/// Moves the `struct timespec` that lies there.
fn add_time(at: usize, milliseconds: i64) {
    // SAFETY: the compiler left 16 bytes there, and the kernel wrote the time to them.
    unsafe {
        let time = at as *mut [i64; 2];
        let [seconds, nanoseconds] = *time;
        let nanoseconds = (milliseconds % 1000)
            .wrapping_mul(1_000_000)
            .wrapping_add(nanoseconds);
        let carry = nanoseconds.div_euclid(1_000_000_000);
        *time = [
            seconds
                .wrapping_add(milliseconds / 1000)
                .wrapping_add(carry),
            nanoseconds.rem_euclid(1_000_000_000),
        ];
    }
}

/// Starts a task.
pub(crate) fn spawn(globals: &Globals, at: usize, thread: bool) -> i64 {
    // SAFETY: the conductor made the slot ready; no task runs on its stack yet.
    unsafe {
        let slot = &*(at as *const Slot);
        let flags = if thread {
            (libc::CLONE_VM
                | libc::CLONE_FS
                | libc::CLONE_FILES
                | libc::CLONE_SIGHAND
                | libc::CLONE_THREAD
                | libc::CLONE_SYSVSEM) as u64
        } else {
            globals.share | libc::SIGCHLD as u64
        };
        let tid = raw::clone(flags, stack_of(at), main, at, slot.tid.as_ptr());
        if tid > 0 {
            // The task does the same when it runs; whoever asks in between shall know it.
            let tgid = if thread {
                raw::syscall(libc::SYS_getpid, [0; 6])
            } else {
                tid
            };
            slot.tgid.store(tgid as i32, Release);
        }
        tid
    }
}

/// Writes `/proc/self/fd/7` or `/proc/41/fd/7`, ended by a zero.
fn write_fd_path(at: usize, process: Option<u64>, fd: i32) {
    let mut end = at;
    let mut put = |byte: u8| {
        // SAFETY: the compiler left 64 bytes there; the longest path has 36.
        unsafe { (end as *mut u8).write(byte) };
        end = end.wrapping_add(1);
    };
    put_str(&mut put, b"/proc/");
    match process {
        None => put_str(&mut put, b"self"),
        Some(process) => put_number(&mut put, u64::from(process as u32)),
    }
    put_str(&mut put, b"/fd/");
    if fd < 0 {
        put(b'-');
    }
    put_number(&mut put, u64::from(fd.unsigned_abs()));
    put(0);
}

fn put_str(put: &mut impl FnMut(u8), s: &[u8]) {
    for &byte in s {
        put(byte);
    }
}

fn put_number(put: &mut impl FnMut(u8), n: u64) {
    let mut unit = 10_000_000_000_000_000_000;
    while unit > 1 && n / unit == 0 {
        unit /= 10;
    }
    while unit > 0 {
        put(b'0' + (n / unit % 10) as u8);
        unit /= 10;
    }
}

/// Posts an entry. A handler may come in between; each has its own entry then.
fn post(at: usize, globals: &Globals, what: Posted, a: i64, b: i64, c: i64) {
    // SAFETY: the slot and its ring are mapped; entries are told apart by their numbers.
    unsafe {
        let slot = &*(at as *const Slot);
        let number = slot.posted.fetch_add(1, SeqCst);
        let entry: *mut Entry = entry_of(at, number);
        (*entry).what = what;
        (*entry).ticket = globals.ticket.fetch_add(1, SeqCst);
        (*entry).a = a;
        (*entry).b = b;
        (*entry).c = c;
        (*entry).ready.store(number.wrapping_add(1), Release);
    }
    globals.ring();
}

/// What comes with a signal besides its code and its sender: `si_status` or `si_int`, which lie at
/// the same place.
///
/// # Safety
/// The kernel has filled the structure.
pub(crate) unsafe fn value_of(signal: i32, info: *const libc::siginfo_t) -> i64 {
    // SAFETY: the caller says so.
    unsafe {
        let code = (*info).si_code;
        if signal == libc::SIGCHLD && code > 0 {
            i64::from((*info).si_status())
        } else if code < 0 {
            i64::from((*info).si_value().sival_ptr as i32)
        } else {
            0
        }
    }
}

/// The id of the process that sent a signal, or whose state it tells of; 0 for the kernel: SI_KERNEL
/// and the codes of O_ASYNC have no sender there.
///
/// # Safety
/// The kernel has filled the structure.
pub(crate) unsafe fn sender_of(signal: i32, info: *const libc::siginfo_t) -> i32 {
    // SAFETY: the caller says so.
    unsafe {
        let code = (*info).si_code;
        match code == libc::SI_USER || code < 0 || signal == libc::SIGCHLD {
            true => (*info).si_pid(),
            false => 0,
        }
    }
}

/// The handler `record`: posts the signal in the ring of the task that it runs in, which it finds
/// from its stack. It runs between any two instructions of the worker.
pub(crate) extern "C" fn record(
    signal: i32,
    info: *const libc::siginfo_t,
    context: *mut libc::ucontext_t,
) {
    let here = 0u8;
    let at = std::ptr::from_ref(std::hint::black_box(&here)) as usize & !(SLOT - 1);
    // SAFETY: stacks of workers lie in their slots, which are aligned; the kernel filled `info`.
    unsafe {
        let slot = &*(at as *const Slot);
        let code = (*info).si_code;
        let at_instruction = &mut (*context).uc_mcontext.gregs[libc::REG_RIP as usize];
        if let Some(next) = raw::after_fault(*at_instruction)
            && signal == libc::SIGSEGV
            && code > 0
        {
            *at_instruction = next;
        }
        let value = value_of(signal, info);
        let sender = sender_of(signal, info);
        post(
            at,
            globals(at, slot),
            Posted::Handled,
            i64::from(signal) | value << 32,
            i64::from(code),
            i64::from(sender),
        );
    }
}
