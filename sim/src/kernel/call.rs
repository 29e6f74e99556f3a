//! Calls in progress, and the table from a call to its rule.

use super::{Cx, Kernel, ObjId};
use crate::clause::SIG_054;
use crate::epoll::EpollOp;
use crate::eventfd::EventOp;
use crate::fifo::OpenOp;
use crate::pipe::{MoveOp, ReadOp, WriteOp};
use crate::poll::PollOp;
use crate::posix_mq::{self, MessageOp};
use crate::select::SelectOp;
use crate::signal::{FdReadOp, WaitOp};
use crate::sysv_msg::{ReceiveOp, SendOp, StatOp};
use crate::terminal::TerminalReadOp;
use crate::{epoll, eventfd, fd, fifo, pipe, poll, process, select, signal, sysctl, sysv_msg};
use scenario::{Errno, Sys, TaskId, Value};

/// A call with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invocation {
    /// The call.
    pub sys: Sys,
    /// Its arguments, one for each parameter of its row.
    pub args: Vec<Value>,
}

impl Invocation {
    /// An argument that is a number (0 if it is not one).
    pub fn int(&self, at: usize) -> i64 {
        self.args.get(at).and_then(Value::number).unwrap_or(0)
    }

    /// An argument that is a set of flags.
    pub fn bits(&self, at: usize) -> u64 {
        self.int(at) as u64
    }

    /// An argument that is a path.
    pub fn path(&self, at: usize) -> &str {
        match self.args.get(at) {
            Some(Value::Path(p)) => p,
            _ => "",
        }
    }

    /// An argument that is a task.
    pub fn task(&self, at: usize) -> Option<TaskId> {
        match self.args.get(at) {
            Some(Value::Task(t)) => Some(*t),
            _ => None,
        }
    }

    /// An argument that is a list.
    pub fn list(&self, at: usize) -> &[Value] {
        match self.args.get(at) {
            Some(Value::List(vs)) => vs,
            _ => &[],
        }
    }
}

/// Every way to sleep in a call: what the task waits for, and how far it got.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A read of an empty pipe waits for data or for the last writer to go.
    Read(ReadOp),
    /// A write to a full pipe waits for a free slot or for the last reader to go.
    Write(WriteOp),
    /// An open of a FIFO waits for its partner.
    Open(OpenOp),
    /// `splice`, `tee` or `vmsplice` waits for input or for room.
    Move(MoveOp),
    /// `poll` waits for an event.
    Poll(PollOp),
    /// A send or a receive waits at a message queue.
    Message(MessageOp),
    /// `select` waits for an event.
    Select(SelectOp),
    /// `epoll_wait` waits for an event.
    Epoll(EpollOp),
    /// A read or a write of an eventfd waits for its counter to change.
    Event(EventOp),
    /// A call waits for a signal.
    Signal(WaitOp),
    /// A read of a signalfd waits for a record.
    SignalFd(FdReadOp),
    /// A call waits for a child.
    Wait(process::WaitOp),
    /// A read of a terminal or its master waits for bytes.
    Terminal(TerminalReadOp),
    /// `msgsnd` waits for room in the queue.
    MsgSend(SendOp),
    /// `msgrcv` waits for a message.
    MsgReceive(ReceiveOp),
    /// A look at a queue that was found, and is not locked yet.
    MsgStat(StatOp),
}

impl Op {
    /// The inodes of what it waits for.
    pub(crate) fn inodes(&self, k: &Kernel) -> Vec<ObjId> {
        match self {
            Op::Read(op) => vec![op.pipe()],
            Op::Write(op) => vec![op.pipe()],
            Op::Open(op) => vec![op.pipe()],
            Op::MsgSend(_)
            | Op::MsgReceive(_)
            | Op::MsgStat(_)
            | Op::Signal(_)
            | Op::SignalFd(_)
            | Op::Wait(_)
            | Op::Terminal(_) => Vec::new(),
            Op::Select(_) | Op::Epoll(_) | Op::Event(_) => Vec::new(),
            Op::Move(op) => op.inodes().collect(),
            Op::Message(op) => vec![op.queue()],
            Op::Poll(op) => {
                let files = op.watched().iter();
                files.filter_map(|f| k.files.get(*f).inode()).collect()
            }
        }
    }
}

impl Op {
    /// Whether the call does not sleep at all, but lets others in between two of its steps.
    pub(crate) fn goes_on(&self) -> bool {
        match self {
            Op::Move(op) => op.goes_on(),
            Op::MsgSend(op) => op.goes_on(),
            Op::MsgReceive(op) => op.goes_on(),
            Op::MsgStat(_) => true,
            _ => false,
        }
    }
}

/// How far a call got in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done(Value),
    /// It sleeps.
    Sleep(Op),
    /// A signal disturbed it before it did anything that shows.
    Restart(Restart),
    /// The task is gone: it exited.
    Gone,
}

/// When a disturbed call starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Unless a handler without `SA_RESTART` runs.
    UnlessHandler,
    /// Unless any handler runs.
    NoHandler,
    /// Never: it fails with EINTR.
    Never,
}

impl From<Result<Value, Errno>> for Progress {
    fn from(result: Result<Value, Errno>) -> Self {
        Progress::Done(result.unwrap_or_else(Value::Error))
    }
}

/// A task issues a call: one line for each.
pub(super) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    use Sys::*;
    match call.sys {
        Pipe | Pipe2 | PipeBadArray => pipe::create(k, task, call, cx).into(),
        GetPipeSize => pipe::get_size(k, task, call, cx).into(),
        SetPipeSize => pipe::set_size(k, task, call, cx).into(),
        Read | Readv | ReadvCount | Preadv2 | Pread => fd::begin_read(k, task, call, cx),
        Write | Writev | WritevCount | Pwritev2 | Pwrite => fd::begin_write(k, task, call, cx),
        Splice | Tee | VmspliceOut | VmspliceIn | Sendfile | SendfileAt | CopyFileRange => {
            pipe::begin_move(k, task, call, cx)
        }

        Close | CloseRange | Dup | Dup2 | Dup3 | DupFd | DupFdCloexec | GetFd | SetFd | GetFl
        | SetFl | SetOwn | GetOwn | SetSig | FcntlUnknown | Setrlimit => {
            fd::descriptor_call(k, task, call, cx).into()
        }
        SetLk | Flock | Fionread | FionreadFault | Fionbio | Fioasync | Fioclex | Fionclex
        | Figetbsz | IoctlUnknown | Isatty | Lseek | Ftruncate | Fsync | Fdatasync | Fallocate
        | SyncFileRange | Fadvise | Mmap | Fstat | FstatBlock | FstatTimes | Fchmod | Fchown => {
            fd::file_call(k, task, call, cx).into()
        }

        Open | Reopen | ReopenOf => fifo::begin_open(k, task, call, cx),
        Mkfifo | Mkfifoat | Mknod | Unlink | Rename | Link | Symlink | Mkdir | Chmod | Chown
        | Stat | Truncate | Execve | Umask => fifo::name_call(k, task, call, cx).into(),

        Setuid | Setgid | Seteuid | Setgroups => process::credentials(k, task, call, cx).into(),
        Setpgid | Getpgid | Getpgrp | Setsid | Getsid => {
            process::group_call(k, task, call, cx).into()
        }
        GetPriority | GetPriorityGroup | GetPriorityNumber | SetPriority | SetPriorityGroup
        | SetPriorityNumber => process::nice_call(k, task, call, cx).into(),
        Waitpid | WaitpidGroup | Wait4 | Wait4Fault | WaitidAll | WaitidPid | WaitidGroup
        | WaitidNumber => process::begin_wait(k, task, call, cx),
        Exec => process::exec(k, task, cx).into(),
        Subreaper => process::set_subreaper(k, task, call).into(),
        Fork | Thread => process::start(k, task, call, cx).into(),
        Exit => {
            if !(0..256).contains(&call.int(0)) {
                cx.cite(SIG_054);
            }
            k.exit(task, call.int(0) as u8, cx);
            Progress::Gone
        }

        MqSend | MqTimedSend | MqTimedSendAt | MqTimedSendFault => {
            posix_mq::begin_send(k, task, call, cx)
        }
        MqReceive | MqReceiveTo | MqTimedReceive | MqTimedReceiveAt | MqTimedReceiveFault => {
            posix_mq::begin_receive(k, task, call, cx)
        }
        MqOpen | MqOpenAttr | MqOpenRaw | MqUnlink | MqGetattr | MqSetattr | MqSetattrTo
        | MqNotifyNone | MqNotifySignal | MqNotifyNull | MqNotifyNumber | MqNotifyFault => {
            posix_mq::call(k, task, call, cx).into()
        }

        Poll | Ppoll | PpollRaw => poll::begin(k, task, call, cx),
        Select | Pselect | SelectRaw | PselectRaw => select::begin(k, task, call, cx),
        EpollCreate | EpollCreate1 => epoll::create(k, task, call, cx).into(),
        EpollCtl | EpollCtlFault => epoll::control(k, task, call, cx).into(),
        EpollWait | EpollPwait | EpollWaitFault => epoll::begin_wait(k, task, call, cx),
        Eventfd => eventfd::open(k, task, call, cx).into(),
        EventfdRead | EventfdWrite => eventfd::begin(k, task, call, cx),

        Sigaction | SigactionGet | SigactionFault | SigactionSize | Sigprocmask
        | SigprocmaskGet | SigprocmaskFault | Sigpending | Kill | Killpg | Tgkill | Raise
        | Segfault | Sigqueue | SigqueueThread | SigqueueCode => {
            signal::call(k, task, call, cx).into()
        }
        Sigsuspend | SigsuspendFault | Pause | Sigwaitinfo | Sigtimedwait | SigtimedwaitAt
        | SigwaitFault => signal::begin_wait(k, task, call, cx),
        Alarm | Setitimer | SetitimerRaw | Getitimer => {
            signal::timer_call(k, task, call, cx).into()
        }
        Signalfd => signal::open_fd(k, task, call, cx).into(),
        SignalfdRead => signal::begin_read(k, task, call, cx),

        Openpt | OpenSlave | OpenTty | Tcgetattr | Tcsetattr | Tcflush | Tcdrain | Tcflow
        | Tcsendbreak | Tcgetpgrp | Tcsetpgrp | Tcgetsid | Tiocsctty | Tiocnotty | Tiocsig
        | Tcgetwinsize | Tcsetwinsize => crate::terminal::call(k, task, call, cx),

        MsgGet => sysv_msg::get(k, task, call, cx).into(),
        MsgSend => sysv_msg::begin_send(k, task, call, cx),
        MsgReceive => sysv_msg::begin_receive(k, task, call, cx),
        MsgStat | MsgTimes | MsgStatSlot | MsgStatAny => sysv_msg::begin_stat(k, task, call, cx),
        MsgSet | MsgRemove | MsgLimits | MsgTotals | MsgControlNumber => {
            sysv_msg::control(k, task, call, cx).into()
        }

        Sysctl | SysctlWrite => sysctl::call(k, task, call, cx).into(),
    }
}

/// A sleeping call goes on: it was woken, or a signal disturbs it.
pub(super) fn advance(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    op: Op,
    cx: &mut Cx,
) -> Progress {
    match op {
        Op::Read(op) => op.advance(k, task, cx),
        Op::Write(op) => op.advance(k, task, cx),
        Op::Open(op) => op.advance(k, task, cx),
        Op::Move(op) => op.advance(k, task, cx),
        Op::Poll(op) => op.advance(k, task, cx),
        Op::Message(op) => op.advance(k, task, cx),
        Op::Signal(op) => op.advance(k, task, cx),
        Op::Select(op) => op.advance(k, task, cx),
        Op::Epoll(op) => op.advance(k, task, cx),
        Op::Event(op) => op.advance(k, task, cx),
        Op::SignalFd(op) => op.advance(k, task, cx),
        Op::Wait(op) => op.resume(k, task, call, cx),
        Op::Terminal(op) => op.advance(k, task, cx),
        Op::MsgSend(op) => op.advance(k, task, cx),
        Op::MsgReceive(op) => op.advance(k, task, cx),
        Op::MsgStat(op) => op.advance(k, task, cx),
    }
}

/// A sleeping call is given up, because its task has ended.
pub(crate) fn abandon(k: &mut Kernel, task: TaskId, op: Op, cx: &mut Cx) {
    match op {
        Op::Read(op) => op.abandon(k, task, cx),
        Op::Write(op) => op.abandon(k, task, cx),
        Op::Open(op) => op.abandon(k, task, cx),
        Op::Move(op) => op.abandon(k, task, cx),
        Op::Poll(op) => op.abandon(k, task, cx),
        Op::Message(op) => op.abandon(k, task, cx),
        Op::Signal(op) => op.abandon(k, task),
        Op::Select(op) => op.abandon(k, task, cx),
        Op::Epoll(op) => op.abandon(k, task, cx),
        Op::Event(op) => op.abandon(k, task, cx),
        Op::SignalFd(op) => op.abandon(k, task, cx),
        Op::Wait(op) => op.abandon(k, task),
        Op::Terminal(op) => op.abandon(k, task, cx),
        Op::MsgSend(op) => op.abandon(k, task, cx),
        Op::MsgReceive(op) => op.abandon(k, task, cx),
        Op::MsgStat(_) => {}
    }
}
