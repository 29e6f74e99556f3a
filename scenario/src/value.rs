//! Values: what calls take and what they return.

use crate::{Data, Errno, Sysctl, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A signal, by its Linux x86-64 number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signal(pub u8);

/// `SIGRTMIN` as C libraries see it (two real-time signals belong to the library).
const SIGRTMIN: u8 = 34;
/// The greatest signal number.
const SIGRTMAX: u8 = 64;

macro_rules! signals {
    ($($name:ident = $n:literal),* $(,)?) => {
        impl Signal {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: Signal = Signal($n);)*
            /// The named standard signals.
            pub const NAMED: &'static [(&'static str, Signal)] = &[$((stringify!($name), Signal($n))),*];
        }
    };
}
signals! {
    SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7,
    SIGFPE = 8, SIGKILL = 9, SIGUSR1 = 10, SIGSEGV = 11, SIGUSR2 = 12, SIGPIPE = 13,
    SIGALRM = 14, SIGTERM = 15, SIGSTKFLT = 16, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19,
    SIGTSTP = 20, SIGTTIN = 21, SIGTTOU = 22, SIGURG = 23, SIGXCPU = 24, SIGXFSZ = 25,
    SIGVTALRM = 26, SIGPROF = 27, SIGWINCH = 28, SIGIO = 29, SIGPWR = 30, SIGSYS = 31,
}

impl Signal {
    /// The signal of that name: `SIGUSR1`, `SIGRTMIN`, `SIGRTMIN+3` (written `SIGRTMIN3` is not
    /// accepted), `SIGRTMAX`.
    pub fn from_name(name: &str) -> Option<Signal> {
        if let Some(&(_, s)) = Self::NAMED.iter().find(|(n, _)| *n == name) {
            return Some(s);
        }
        match name {
            "SIGRTMIN" => Some(Signal(SIGRTMIN)),
            "SIGRTMAX" => Some(Signal(SIGRTMAX)),
            _ => None,
        }
    }

    /// Whether it is a real-time signal, which queues.
    pub fn is_realtime(self) -> bool {
        self.0 >= SIGRTMIN
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(_, s)| s == self) {
            Some((name, _)) => f.write_str(name),
            None if self.0 == SIGRTMAX => f.write_str("SIGRTMAX"),
            None if self.0 == SIGRTMIN => f.write_str("SIGRTMIN"),
            None if self.is_realtime() => write!(f, "SIGRTMIN+{}", self.0 - SIGRTMIN),
            None => write!(f, "SIG{}", self.0),
        }
    }
}

macro_rules! bits {
    ($($(#[$doc:meta])* $kind:ident { $($name:ident = $v:expr),* $(,)? })*) => {
        /// A family of named constants: flags that are or-ed, or alternatives.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Bits { $($(#[$doc])* $kind,)* }

        impl Bits {
            /// Every family.
            pub const ALL: &'static [Bits] = &[$(Bits::$kind),*];

            /// The names of the family and their Linux x86-64 values.
            pub fn names(self) -> &'static [(&'static str, u64)] {
                match self { $(Bits::$kind => &[$((stringify!($name), $v)),*],)* }
            }
        }

        /// The constants by their names, as numbers.
        #[allow(missing_docs)]
        pub mod constants { #![allow(non_upper_case_globals)] $($(pub const $name: u64 = $v;)*)* }
    };
}

bits! {
    /// `open`, `pipe2`, `dup3`, `F_GETFL`: access mode and status flags.
    Open {
        O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_ACCMODE = 3,
        O_CREAT = 0o100, O_EXCL = 0o200, O_NOCTTY = 0o400, O_TRUNC = 0o1000, O_APPEND = 0o2000,
        O_NONBLOCK = 0o4000, O_DSYNC = 0o10000, O_ASYNC = 0o20000, O_DIRECT = 0o40000,
        O_LARGEFILE = 0o100000, O_DIRECTORY = 0o200000, O_NOFOLLOW = 0o400000,
        O_NOATIME = 0o1000000, O_CLOEXEC = 0o2000000, O_SYNC = 0o4010000, O_PATH = 0o10000000,
        O_TMPFILE = 0o20200000,
    }
    /// `F_GETFD`, `F_SETFD`.
    Descriptor { FD_CLOEXEC = 1, FD_CLOFORK = 2 }
    /// `poll` events.
    Poll {
        POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 0x10, POLLNVAL = 0x20,
        POLLRDNORM = 0x40, POLLRDBAND = 0x80, POLLWRNORM = 0x100, POLLWRBAND = 0x200,
        POLLRDHUP = 0x2000,
    }
    /// `splice`, `tee`, `vmsplice` flags.
    Splice { SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2, SPLICE_F_MORE = 4, SPLICE_F_GIFT = 8 }
    /// `preadv2`, `pwritev2` flags.
    Rwf {
        RWF_HIPRI = 1, RWF_DSYNC = 2, RWF_SYNC = 4, RWF_NOWAIT = 8, RWF_APPEND = 0x10,
        RWF_NOSIGNAL = 0x100,
    }
    /// `lseek` whence.
    Whence { SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2 }
    /// `close_range` flags.
    CloseRange { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 }
    /// `sigprocmask` how.
    MaskHow { SIG_BLOCK = 0, SIG_UNBLOCK = 1, SIG_SETMASK = 2 }
    /// `sigaction` handler: the default action, ignoring, or a handler that records.
    Handler { SIG_DFL = 0, SIG_IGN = 1, record = 2 }
    /// `sigaction` flags.
    Action {
        SA_NOCLDSTOP = 1, SA_NOCLDWAIT = 2, SA_SIGINFO = 4, SA_ONSTACK = 0x0800_0000,
        SA_RESTART = 0x1000_0000, SA_NODEFER = 0x4000_0000, SA_RESETHAND = 0x8000_0000,
    }
    /// `waitpid`, `waitid` options.
    Wait {
        WNOHANG = 1, WUNTRACED = 2, WSTOPPED = 2, WEXITED = 4, WCONTINUED = 8,
        WNOWAIT = 0x0100_0000, __WNOTHREAD = 0x2000_0000, __WALL = 0x4000_0000,
        __WCLONE = 0x8000_0000,
    }
    /// File types, as `fstat` reports them.
    FileType { S_IFIFO = 0o010000, S_IFCHR = 0o020000, S_IFDIR = 0o040000, S_IFREG = 0o100000, S_IFLNK = 0o120000, S_IFSOCK = 0o140000 }
    /// Permission bits; they have no names and are written in octal.
    Mode { }
    /// `mmap` protection.
    Prot { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 }
    /// `mmap` flags.
    Map { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20 }
    /// `setrlimit` resource.
    Resource { RLIMIT_FSIZE = 1, RLIMIT_NOFILE = 7, RLIMIT_SIGPENDING = 11, RLIMIT_MSGQUEUE = 12 }
    /// `flock` operation.
    Flock { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 }
    /// Record lock type.
    Lock { F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2 }
    /// `msgget` and its kin: the key of an object that nobody finds.
    IpcKey { IPC_PRIVATE = 0 }
    /// `msgget` and its kin: flags, to which permission bits are or-ed.
    Ipc { IPC_CREAT = 0o1000, IPC_EXCL = 0o2000 }
    /// `msgsnd`, `msgrcv` flags.
    Msg { IPC_NOWAIT = 0o4000, MSG_NOERROR = 0o10000, MSG_EXCEPT = 0o20000, MSG_COPY = 0o40000 }
    /// `epoll` events, and how they are told.
    Epoll {
        EPOLLIN = 1, EPOLLPRI = 2, EPOLLOUT = 4, EPOLLERR = 8, EPOLLHUP = 0x10, EPOLLRDNORM = 0x40,
        EPOLLRDBAND = 0x80, EPOLLWRNORM = 0x100, EPOLLWRBAND = 0x200, EPOLLRDHUP = 0x2000,
        EPOLLEXCLUSIVE = 0x1000_0000, EPOLLWAKEUP = 0x2000_0000, EPOLLONESHOT = 0x4000_0000,
        EPOLLET = 0x8000_0000,
    }
    /// `epoll_ctl` operations.
    EpollOp { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 }
    /// `epoll_create1` flags.
    EpollFlags { EPOLL_CLOEXEC = 0o2000000 }
    /// `eventfd` flags.
    Eventfd { EFD_SEMAPHORE = 1, EFD_NONBLOCK = 0o4000, EFD_CLOEXEC = 0o2000000 }
    /// `signalfd` flags.
    Signalfd { SFD_NONBLOCK = 0o4000, SFD_CLOEXEC = 0o2000000 }
    /// Settings of a terminal. Values are those of `c_lflag`, of `c_oflag` from bit 16, and of
    /// `c_iflag` from bit 24.
    Terminal {
        ISIG = 1, ICANON = 2, ECHO = 8, ECHOE = 0x10, ECHOK = 0x20, NOFLSH = 0x80, TOSTOP = 0x100,
        ECHOCTL = 0x200, ECHOKE = 0x800, IEXTEN = 0x8000, OPOST = 0x1_0000, ONLCR = 0x4_0000,
        ICRNL = 0x1_0000_0000,
    }
    /// `si_code`.
    SiCode { SI_USER = 0, CLD_EXITED = 1, CLD_KILLED = 2, CLD_DUMPED = 3, CLD_STOPPED = 5, CLD_CONTINUED = 6, SI_KERNEL = 0x80, SI_QUEUE = 0xffff_ffff, SI_TIMER = 0xffff_fffe, SI_MESGQ = 0xffff_fffd, SI_ASYNCIO = 0xffff_fffc, SI_TKILL = 0xffff_fffa, POLL_IN = 0x1_0001, POLL_OUT = 0x1_0002, SEGV_MAPERR = 0x2_0001 }
}

impl Bits {
    /// The constant of that name.
    pub fn lookup(name: &str) -> Option<(Bits, u64)> {
        Bits::ALL.iter().find_map(|&kind| {
            kind.names()
                .iter()
                .find(|(n, _)| *n == name)
                .map(|&(_, v)| (kind, v))
        })
    }

    /// Whether values are one alternative rather than flags that are or-ed.
    fn is_alternative(self) -> bool {
        matches!(
            self,
            Bits::Whence
                | Bits::MaskHow
                | Bits::Handler
                | Bits::FileType
                | Bits::Resource
                | Bits::Lock
                | Bits::SiCode
                | Bits::EpollOp
        )
    }

    fn write(self, value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self == Bits::Mode {
            return write!(f, "0o{value:o}");
        }
        if self.is_alternative() {
            return match self.names().iter().find(|&&(_, v)| v == value) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{value}"),
            };
        }
        let mut parts: Vec<String> = Vec::new();
        let mut left = value;
        if self == Bits::Open {
            let access = value & constants::O_ACCMODE;
            parts.push(self.names()[access as usize].0.into());
            left &= !constants::O_ACCMODE;
        }
        // Longest constants first, so that O_SYNC is not written as O_DSYNC and a rest.
        let mut names: Vec<_> = self.names().iter().filter(|(_, v)| *v != 0).collect();
        names.sort_by_key(|(_, v)| std::cmp::Reverse(v.count_ones()));
        let mut chosen = Vec::new();
        for &&(name, v) in &names {
            if !(self == Bits::Open && v <= 3) && left & v == v {
                chosen.push((v, name));
                left &= !v;
            }
        }
        chosen.sort_unstable();
        parts.extend(chosen.into_iter().map(|(_, n)| n.to_string()));
        if left != 0 {
            parts.push(format!("{left:#x}"));
        }
        if parts.is_empty() {
            return f.write_str("0");
        }
        f.write_str(&parts.join("|"))
    }
}

/// What a symbolic number counts. No rule fixes such numbers: two traces agree on them when one
/// can be renamed into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Inode numbers.
    Inode,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Inode => "inode",
        })
    }
}

/// How a buffer that is not all good memory is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// The first bytes are mapped, then comes a page that is not: `fault("abc", 100)`.
    Unmapped,
    /// The pointer lies outside the user address range: `outside(100)`.
    Outside,
    /// The null pointer: `null(0)`.
    Null,
}

/// A buffer that is not all good memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BadMemory {
    /// How it is bad.
    pub fault: Fault,
    /// What is there before the fault (for a call that stores, only its length matters).
    pub valid: Data,
    /// The count given to the call, in bytes.
    pub count: i64,
}

/// A value: an argument after its names were looked up, or a result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Value {
    /// A number: a count, a descriptor, 0 for success.
    Int(i64),
    /// Bytes: what a read returned, what a write is given.
    Data(Data),
    /// Named constants.
    Bits(Bits, u64),
    /// A signal.
    Signal(Signal),
    /// A task; stands for its process or thread id, which no rule fixes.
    Task(TaskId),
    /// Several values.
    List(Vec<Value>),
    /// A failed call: -1 and this errno.
    Error(Errno),
    /// A number that no rule fixes.
    Symbol(Class, u32),
    /// A buffer that faults.
    Memory(BadMemory),
    /// A path name.
    Path(String),
    /// A limit of the IPC namespace.
    Sysctl(Sysctl),
}

impl Value {
    /// Success with nothing to tell.
    pub const ZERO: Value = Value::Int(0);

    /// The number, where the value is one (a failed call is -1, bytes are their count).
    pub fn number(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Bits(_, n) => Some(*n as i64),
            Value::Data(d) => Some(d.len() as i64),
            Value::Error(_) => Some(-1),
            Value::Signal(s) => Some(i64::from(s.0)),
            Value::Symbol(_, n) => Some(i64::from(*n)),
            Value::Task(_)
            | Value::List(_)
            | Value::Memory(_)
            | Value::Path(_)
            | Value::Sysctl(_) => None,
        }
    }

    /// Whether an expectation or condition that says `other` is met by this: equal, or equal as
    /// numbers where one side is a plain number (bytes count as their length).
    pub fn agrees(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Error(a), Value::Error(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.agrees(b))
            }
            (a, b) if a == b => true,
            (Value::Int(n), x) | (x, Value::Int(n)) => {
                !matches!(x, Value::Error(_)) && x.number() == Some(*n)
            }
            _ => false,
        }
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<Errno> for Value {
    fn from(e: Errno) -> Self {
        Value::Error(e)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::Data(Data::from(s))
    }
}

impl fmt::Display for Value {
    /// As the language writes it; a task is written `task N`, since names belong to a program
    /// (see [`crate::Program::show_value`]).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(n) => write!(f, "{n}"),
            Value::Data(d) => write!(f, "{d}"),
            Value::Bits(kind, v) => kind.write(*v, f),
            Value::Signal(s) => write!(f, "{s}"),
            Value::Task(t) => write!(f, "task {}", t.0),
            Value::List(vs) => {
                f.write_str("[")?;
                for (i, v) in vs.iter().enumerate() {
                    write!(f, "{}{v}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Error(e) => write!(f, "-1 {e}"),
            Value::Symbol(class, n) => write!(f, "{class}#{n}"),
            Value::Memory(m) => match m.fault {
                Fault::Unmapped => write!(f, "fault({}, {})", m.valid, m.count),
                Fault::Outside => write!(f, "outside({})", m.count),
                Fault::Null => write!(f, "null({})", m.count),
            },
            Value::Path(p) => write!(f, "{p:?}"),
            Value::Sysctl(s) => write!(f, "\"{s}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::constants::*;
    use super::*;

    #[test]
    fn constants_are_written_by_name() {
        let flags = |v| Value::Bits(Bits::Open, v).to_string();
        assert_eq!(
            flags(O_RDWR | O_NONBLOCK | O_CLOEXEC),
            "O_RDWR|O_NONBLOCK|O_CLOEXEC"
        );
        assert_eq!(flags(O_RDONLY | O_SYNC), "O_RDONLY|O_SYNC");
        assert_eq!(Value::Bits(Bits::Poll, 0).to_string(), "0");
        assert_eq!(Value::Bits(Bits::Mode, 0o644).to_string(), "0o644");
    }

    #[test]
    fn bytes_agree_with_their_count() {
        assert!(Value::from("hello").agrees(&Value::Int(5)));
        assert!(!Value::from("hello").agrees(&Value::from("hellO")));
        assert!(!Value::Error(Errno::EAGAIN).agrees(&Value::Int(-1)));
    }
}
