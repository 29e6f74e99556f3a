//! What a worker performs: system calls made ready in shared memory, down to their registers.
//!
//! A program is compiled once, before any worker runs: arguments that are known become numbers
//! and buffers, those that earlier calls return become cells that the worker reads when the time
//! comes. So a worker needs no memory of its own, and lockstep and race run the very same code.

/// A register or a word in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// This number.
    Const(u64),
    /// What a name holds.
    Cell(u32),
    /// The upper half of what a name holds.
    Upper(u32),
    /// An address in the image of the worker, or its upper half.
    Code(Code, bool),
    /// The id of a task.
    Tid(u16),
    /// The id of a task's process.
    Tgid(u16),
}

/// What lies where the image of the worker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The handler that records.
    Record,
    /// Where handlers return to.
    Restorer,
}

impl From<i64> for Word {
    fn from(n: i64) -> Word {
        Word::Const(n as u64)
    }
}

/// A 32-bit word to be stored before the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store {
    pub at: usize,
    pub word: Word,
}

/// Where a name's number comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The call's result.
    Result,
    /// The call's result, which shows a nice value.
    Nice,
    /// A 32-bit word in memory.
    I32(usize),
    /// A 64-bit word in memory, at any address.
    I64(usize),
}

/// A name to be set after the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub var: u32,
    pub from: Source,
}

/// How an operation is performed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    /// One system call.
    Call,
    /// `mmap`, undone at once; success gives 0.
    Map,
    /// A call whose success gives this.
    Means(i64),
    /// `fstat`, then sets the file's times to the epoch.
    Times,
    /// A call with a deadline, which is so many milliseconds after the time of day when the call is
    /// made, and is written there.
    Within { at: usize, milliseconds: i64 },
    /// Opens `/proc/self/fd/N` (or that of another task): the path is written at `path`, with N
    /// from the fifth word and the process id from the sixth.
    OpenFd { path: usize, own: bool },
    /// A call on a group: the first word, negated. What would mean all processes is refused.
    Group,
    /// `select`: the numbers that lie at `lists` (three counts, then the numbers of each set) are put
    /// into the sets first. Unless it is `raw`, the count of descriptors is that up to the greatest.
    Select {
        lists: usize,
        sets: usize,
        raw: bool,
    },
    /// Executes this program anew; on success it is the new image that goes on.
    Exec,
    /// Opens a master, unlocks it, opens its slave, and stores both where the fourth argument says.
    Openpt,
    /// Opens the file of a limit, reads the number that is there by way of `text` into `number`, and
    /// closes it.
    ReadSysctl { text: usize, number: usize },
    /// Opens the file of a limit, writes the fourth word there by way of `text`, and closes it.
    WriteSysctl { text: usize },
    /// Starts the task of this slot: a process, or a thread of this one.
    Spawn { slot: usize, thread: bool },
    /// Reads memory that is not mapped.
    Fault,
    /// Ends the process, or the thread.
    Exit { thread: bool },
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub how: Do,
    pub nr: i64,
    pub args: [Word; 6],
    pub stores: (usize, usize),
    pub outs: (usize, usize),
}
