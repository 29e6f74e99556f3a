//! Capabilities: which there are, and which workers are deprived of so that a scenario means the same
//! on any machine.

use crate::compile::{Build, Unsupported};
use scenario::Program;

/// The capabilities by name, in the order of their numbers.
const NAMES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Those that workers do not hold, unless their program needs them: limits hold for all then, and
/// nobody goes before others by his own decision.
const WITHHELD: &[&str] = &["CAP_SYS_NICE", "CAP_SYS_RESOURCE"];

/// The capability of that name, in a bit set.
pub(crate) fn bit(name: &str) -> Option<u64> {
    let at = NAMES.iter().position(|c| *c == name)?;
    Some(1 << at)
}

/// Whether workers hold it only where their program needs it.
pub(crate) fn is_withheld(name: &str) -> bool {
    WITHHELD.contains(&name)
}

/// A system call that deprives its caller: number and arguments.
pub(crate) type Deprivation = (i64, [u64; 3]);

/// The calls that deprive a worker, and those that it starts, of what its program does not need.
pub(crate) fn deprive(
    program: &Program,
    build: &mut Build,
) -> Result<Vec<Deprivation>, Unsupported> {
    let withheld = WITHHELD.iter().filter(|c| !program.needs_capability(c));
    let withheld = withheld.filter_map(|c| bit(c)).fold(0, |all, c| all | c);
    let sets = own().ok_or_else(|| Unsupported("its capabilities are not told".into()))?;
    let mut calls = Vec::new();
    // What is executed as user 0 would hold it again. Who may not forbid that goes without.
    if sets[0] & bit("CAP_SETPCAP").unwrap_or(0) != 0 {
        for n in members(withheld).filter(|n| is_bounded(*n)) {
            calls.push((libc::SYS_prctl, [libc::PR_CAPBSET_DROP as u64, n, 0]));
        }
    }
    if sets.iter().any(|set| set & withheld != 0) {
        let header = build.put(&[VERSION, 0u32])?;
        let left = sets.map(|set| set & !withheld);
        let (lower, upper) = (
            left.map(|set| set as u32),
            left.map(|set| (set >> 32) as u32),
        );
        let data = build.put(&[lower, upper])?;
        calls.push((libc::SYS_capset, [header as u64, data as u64, 0]));
    }
    Ok(calls)
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// The capabilities of this process: effective, permitted, inheritable.
fn own() -> Option<[u64; 3]> {
    let header = [VERSION, 0u32];
    let mut data = [[0u32; 3]; 2];
    // SAFETY: both are as large as the call takes them to be.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) };
    let [lower, upper] = data;
    let set = |n: usize| u64::from(lower[n]) | u64::from(upper[n]) << 32;
    (result == 0).then(|| [set(0), set(1), set(2)])
}

/// Whether a program that is executed may come to hold the capability of that number.
fn is_bounded(number: u64) -> bool {
    // SAFETY: numbers.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) == 1 }
}

fn members(set: u64) -> impl Iterator<Item = u64> {
    (0..64).filter(move |n| set >> n & 1 == 1)
}
