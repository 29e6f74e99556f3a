//! System calls without a C library in between: no errno, no cancellation points, no argument
//! checks, no thread-local state. Workers may share their address space with the conductor (and
//! with it the C library's thread-local state), so they must not touch the library at all.

use std::arch::{asm, global_asm};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("scenarios speak of Linux on x86-64: its numbers and its calling convention");

/// Performs a system call. The result is what the kernel left in the register: -4095 to -1 is an
/// error number, negated.
///
/// # Safety
/// Whatever the kernel does to memory for these arguments must be right.
#[inline(always)]
pub(crate) unsafe fn syscall(nr: i64, a: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the calling convention of the kernel; the rest is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Starts a task that runs `main(argument)` on the stack that ends at `stack`, and stores its id
/// at `tid` before it runs. Gives the id, or an error number, negated.
///
/// # Safety
/// `stack` must be the 16-byte aligned end of memory that nothing else uses; `main` must never
/// return; `tid` must be valid. With `CLONE_VM` `main` must not touch the C library.
pub(crate) unsafe fn clone(
    flags: u64,
    stack: usize,
    main: extern "C" fn(usize) -> !,
    argument: usize,
    tid: *mut i32,
) -> i64 {
    let result;
    // SAFETY: the child has a stack of its own and leaves through `main`, which does not return;
    // r12 and r13 survive the system call in the child as in the parent.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone => result,
            in("rdi") flags | libc::CLONE_PARENT_SETTID as u64,
            in("rsi") stack,
            in("rdx") tid,
            in("r10") 0u64,
            in("r8") 0u64,
            in("r12") argument,
            in("r13") main,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// Goes on with `main(argument)` on the stack that ends at `stack`, and never comes back.
///
/// # Safety
/// `stack` must be the 16-byte aligned end of memory that nothing else uses.
pub(crate) unsafe fn run_on(stack: usize, main: extern "C" fn(usize) -> !, argument: usize) -> ! {
    // SAFETY: nothing of the old stack is used any more; `main` does not return.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "call {main}",
            "ud2",
            stack = in(reg) stack,
            main = in(reg) main,
            in("rdi") argument,
            options(noreturn),
        );
    }
}

// Where a signal handler returns to. The kernel asks for it on x86-64 (`SA_RESTORER`).
global_asm!(
    ".globl lockstep_real_restorer",
    ".hidden lockstep_real_restorer",
    ".type lockstep_real_restorer,@function",
    "lockstep_real_restorer:",
    "mov eax, 15",
    "syscall",
    "ud2",
);

unsafe extern "C" {
    fn lockstep_real_restorer();
}

// Reads the null page, which is never mapped. The access is an instruction of its own, so that a
// handler can have the task go on behind it.
global_asm!(
    ".globl lockstep_real_fault",
    ".hidden lockstep_real_fault",
    ".globl lockstep_real_fault_end",
    ".hidden lockstep_real_fault_end",
    ".type lockstep_real_fault,@function",
    "lockstep_real_fault:",
    "mov al, byte ptr [0]",
    "lockstep_real_fault_end:",
    "ret",
);

unsafe extern "C" {
    fn lockstep_real_fault();
    fn lockstep_real_fault_end();
}

/// Reads memory that is not mapped.
///
/// # Safety
/// The signal that comes of it must be one that the task can take.
pub(crate) unsafe fn fault() {
    // SAFETY: it touches nothing but the null page and a register that calls may change.
    unsafe { lockstep_real_fault() }
}

/// Where a task goes on that was at this address, if it is that of the access of [`fault`].
pub(crate) fn after_fault(at: i64) -> Option<i64> {
    (at == lockstep_real_fault as *const () as i64)
        .then_some(lockstep_real_fault_end as *const () as i64)
}

/// The address of the code that ends a signal handler.
pub(crate) fn restorer() -> u64 {
    lockstep_real_restorer as *const () as u64
}

/// `SA_RESTORER`, which the C library keeps to itself.
pub(crate) const SA_RESTORER: u64 = 0x0400_0000;

/// `struct sigaction` as the kernel has it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct KernelSigaction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

/// Sleeps while the word holds `value`, until it is woken, a signal is handled or the time is up.
/// `private` is `FUTEX_PRIVATE_FLAG` if all who use the word share their address space.
///
/// # Safety
/// `word` must be valid.
pub(crate) unsafe fn futex_wait(
    word: *const u32,
    private: u32,
    value: u32,
    timeout: Option<&libc::timespec>,
) {
    let timeout = timeout.map_or(0, |t| std::ptr::from_ref(t) as u64);
    // SAFETY: the word is valid by the caller's promise, the time by its type.
    unsafe {
        syscall(
            libc::SYS_futex,
            [
                word as u64,
                libc::FUTEX_WAIT as u64 | u64::from(private),
                u64::from(value),
                timeout,
                0,
                0,
            ],
        );
    }
}

/// Wakes up to `count` tasks that sleep at the word.
///
/// # Safety
/// `word` must be valid.
pub(crate) unsafe fn futex_wake(word: *const u32, private: u32, count: u32) {
    // SAFETY: by the caller's promise.
    unsafe {
        syscall(
            libc::SYS_futex,
            [
                word as u64,
                libc::FUTEX_WAKE as u64 | u64::from(private),
                u64::from(count),
                0,
                0,
                0,
            ],
        );
    }
}
