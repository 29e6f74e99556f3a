//! How a process ended, from what the kernel keeps of it.

use scenario::{End, Signal};

/// The state letter of a task; none if it is gone.
pub(crate) fn state(tid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{tid}/stat")).ok()?;
    parse_stat(&stat).map(|s| s.0)
}

/// State and exit code out of `/proc/PID/stat` (fields 3 and 52).
pub(crate) fn parse_stat(stat: &str) -> Option<(char, i32)> {
    // The name, in brackets, may hold anything.
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(48)?.parse().ok()?))
}

/// A wait status.
pub(crate) fn decode_status(code: i32) -> End {
    match code & 0x7f {
        0 => End::Exited((code >> 8) as u8),
        signal => End::Killed(Signal(signal as u8)),
    }
}

/// A descriptor for a process.
pub(crate) fn pidfd(tid: i32) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: takes numbers only; the result is a descriptor of our own.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, tid, 0);
        (fd >= 0).then(|| std::os::fd::OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The exit code of a process that was reaped, where the kernel tells it (Linux 6.15).
pub(crate) fn exit_info(pidfd: &std::os::fd::OwnedFd) -> Option<i32> {
    use std::os::fd::AsRawFd;
    const PIDFD_GET_INFO: u64 = 3 << 30 | 64 << 16 | 0xff << 8 | 11;
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    let mut info = [0u64; 8];
    info[0] = PIDFD_INFO_EXIT;
    // SAFETY: the kernel stores the 64 bytes that the request names.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, info.as_mut_ptr()) };
    // The exit code is the last of the 16 words.
    (result == 0 && info[0] & PIDFD_INFO_EXIT != 0).then_some((info[7] >> 32) as i32)
}
