//! Terminals: pseudoterminal pairs, their line discipline, and the job control that hangs on them.
//!
//! Who writes to the master is the user at the keyboard; who opens the slave has a terminal:
//!
//! ```text
//! master ──write──▶ line discipline ──▶ input  ──read──▶ slave
//!    ▲                │ echo, signals to the foreground group
//!    └────read──── output ◀──────────────────write───────┘
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `mod.rs` | the pair, opening and closing, readiness |
//! | `line.rs` | what becomes of a byte: lines, erasing, echo, signals |
//! | `io.rs` | `read` and `write` on both ends |
//! | `control.rs` | controlling terminal, foreground group, access from the background, hangup |
//! | `calls.rs` | settings, window size, and the table from call to rule |
//!
//! On Linux a byte written to the master passes through a kernel worker before it reaches the line
//! discipline. Here both are one step: the model says what holds when the worker is through.

mod calls;
mod control;
mod io;
mod line;

pub(crate) use calls::{call, file_call};
pub use io::TerminalReadOp;
pub(crate) use io::{begin_read, begin_write};

use crate::clause::*;
use crate::kernel::{Cx, File, FileKind, Kernel, ObjId, WaitQueue};
use line::Cell;
use scenario::{Errno, TaskId, Value, constants::*};

/// A pseudoterminal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terminal {
    /// The master is open.
    master: bool,
    /// Descriptions open on the slave.
    slaves: u32,
    /// The last slave was closed, and none was opened since.
    abandoned: bool,
    /// Settings: constants of the family `Terminal`.
    settings: u64,
    /// Input that the slave has not read.
    input: Vec<Cell>,
    /// The next byte is taken as it is.
    literal: bool,
    /// Output that the master has not read.
    output: Vec<u8>,
    /// Rows and columns.
    size: [i64; 2],
    /// The session whose controlling terminal it is.
    session: Option<TaskId>,
    /// Its foreground group.
    foreground: Option<TaskId>,
    /// Those that wait for input.
    pub(crate) slave_queue: WaitQueue,
    /// Those that wait for output.
    pub(crate) master_queue: WaitQueue,
}

/// The settings of a fresh pseudoterminal.
const FRESH: u64 =
    ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN | OPOST | ONLCR | ICRNL;

impl Terminal {
    fn is_set(&self, setting: u64) -> bool {
        self.settings & setting != 0
    }
}

/// The terminal behind a description, and whether it is the master.
pub(crate) fn of(kind: FileKind) -> Option<(ObjId, bool)> {
    match kind {
        FileKind::Master(id) => Some((id, true)),
        FileKind::Slave(id) => Some((id, false)),
        _ => None,
    }
}

/// The events that a description has now.
pub(crate) fn readiness(k: &Kernel, id: ObjId, master: bool, cx: &mut Cx) -> u64 {
    let t = k.terminals.get(id);
    let mut events = POLLOUT | POLLWRNORM;
    if master {
        if !t.output.is_empty() {
            events |= POLLIN | POLLRDNORM;
        }
        if t.abandoned {
            cx.cite(SIG_196);
            events |= POLLHUP;
        }
    } else if !t.master {
        cx.cite(SIG_192);
        events |= POLLIN | POLLRDNORM | POLLERR | POLLHUP;
    } else if t.has_input() {
        events |= POLLIN | POLLRDNORM;
    }
    events
}

/// A description is closed for good.
pub(crate) fn release(k: &mut Kernel, id: ObjId, master: bool, cx: &mut Cx) {
    let t = k.terminals.get_mut(id);
    if master {
        t.master = false;
        control::hang_up(k, id, cx);
        k.wake_queue(|k| &mut k.terminals.get_mut(id).slave_queue, false, 0, cx);
    } else {
        t.slaves -= 1;
        if t.slaves == 0 && t.master {
            t.abandoned = true;
            k.wake_queue(|k| &mut k.terminals.get_mut(id).master_queue, false, 0, cx);
        }
    }
    let t = k.terminals.get(id);
    if !t.master && t.slaves == 0 {
        k.terminals.remove(id);
    }
}

/// `openpt`.
fn open_pair(k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Result<Value, Errno> {
    let id = k.new_id(task);
    let terminal = Terminal {
        master: true,
        slaves: 0,
        abandoned: false,
        settings: FRESH,
        input: Vec::new(),
        literal: false,
        output: Vec::new(),
        size: [0, 0],
        session: None,
        foreground: None,
        slave_queue: WaitQueue::default(),
        master_queue: WaitQueue::default(),
    };
    let first = k.process_of(task).free_fd(0).ok_or(Errno::EMFILE)?;
    k.process_of(task).free_fd(first + 1).ok_or(Errno::EMFILE)?;
    k.terminals.insert(id, terminal);
    let file = k.new_id(task);
    let flags = O_RDWR | O_LARGEFILE;
    k.files.insert(file, File::new(FileKind::Master(id), flags));
    let master = k.install(task, file, false, 0, cx)?;
    let slave = open_slave(k, task, id, O_RDWR | O_NOCTTY, cx)?;
    Ok(Value::List(vec![Value::Int(master as i64), slave]))
}

/// Opens the slave once more.
fn open_slave(
    k: &mut Kernel,
    task: TaskId,
    id: ObjId,
    flags: u64,
    cx: &mut Cx,
) -> Result<Value, Errno> {
    k.process_of(task).free_fd(0).ok_or(Errno::EMFILE)?;
    if !k.terminals.get(id).master {
        return Err(Errno::EIO);
    }
    let t = k.terminals.get_mut(id);
    t.slaves += 1;
    if t.abandoned {
        cx.cite(SIG_196);
        t.abandoned = false;
    }
    let kept = flags & !(O_NOCTTY | O_CLOEXEC | O_CREAT | O_EXCL | O_TRUNC) | O_LARGEFILE;
    let file = k.new_id(task);
    let description = File::new(FileKind::Slave(id), kept);
    if flags & O_NOCTTY == 0 {
        control::acquire_by_open(k, task, id, description.readable(), cx);
    }
    k.files.insert(file, description);
    let fd = k.install(task, file, flags & O_CLOEXEC != 0, 0, cx)?;
    Ok(Value::Int(fd as i64))
}
