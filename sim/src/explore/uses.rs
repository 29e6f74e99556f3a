//! What calls name in the program's text: the part of footprints that no state changes.

use super::footprint::Set;
use crate::System;
use crate::pipe::{DEFAULT_SLOTS, PAGE, USER_SLOTS};
use crate::posix_mq::{CHARGE_LIMIT, MESSAGES, QUEUES, Queue, SIZE};
use scenario::constants::RLIMIT_SIGPENDING;
use scenario::{Arg, Gives, Kind, Program, Signal, Stmt, Sys, Value, VarId};

/// What calls name in the program's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    /// Descriptors used other than to close them.
    pub fds: Vec<i64>,
    /// Names that stand for such.
    pub fd_vars: Vec<VarId>,
    /// Any descriptor may be used.
    pub any_fd: bool,
    /// Tasks that are signalled, told of a pipe, looked into, or started.
    pub tasks: Set,
    /// A path is resolved.
    pub names: bool,
    /// System V message queues are used.
    pub messages: bool,
    /// A descriptor of another process is looked up: anything may be behind it.
    pub anything: bool,
    /// What is done with SIGCHLD may change.
    pub sigchld: bool,
}

impl Uses {
    fn of(stmt: &Stmt, start: &System, gives_fd: &[bool]) -> Uses {
        let mut uses = Uses::default();
        if matches!(stmt.sys, Sys::Close | Sys::CloseRange) {
            return uses;
        }
        let params = stmt.sys.spec().params.iter();
        let params = params.filter(|p| !matches!(p.kind, Kind::Word(_)));
        for (at, (param, arg)) in params.zip(&stmt.args).enumerate() {
            match param.kind {
                // The second descriptor of `dup2` is closed.
                Kind::Fd if at == 1 && matches!(stmt.sys, Sys::Dup2 | Sys::Dup3) => {}
                Kind::Fd => uses.fd(arg, start, gives_fd),
                Kind::PollFds => uses.poll_entries(arg, start, gives_fd),
                Kind::Path => uses.names = true,
                Kind::Bytes if stmt.sys == Sys::MqOpenRaw => uses.names = true,
                Kind::Task => match arg {
                    Arg::Value(Value::Task(t)) => uses.tasks |= 1 << t.0,
                    Arg::Value(_) => {}
                    _ => uses.tasks = Set::MAX,
                },
                _ => {}
            }
        }
        // Only opens look at the limits of POSIX queues.
        let limit = |system_v: bool| match stmt.args.first() {
            Some(Arg::Value(Value::Sysctl(which))) => which.is_system_v() == system_v,
            _ => false,
        };
        uses.messages = on_messages(stmt.sys) || limit(true);
        uses.names |= limit(false);
        uses.anything = stmt.sys == Sys::ReopenOf;
        uses.sigchld = match stmt.sys {
            Sys::Sigaction => {
                stmt.args.first() == Some(&Arg::Value(Value::Signal(Signal::SIGCHLD)))
            }
            Sys::Sigprocmask => true,
            _ => false,
        };
        uses
    }

    fn add(&mut self, other: &Uses) {
        self.fds.extend(&other.fds);
        self.fds.sort_unstable();
        self.fds.dedup();
        self.fd_vars.extend(&other.fd_vars);
        self.fd_vars.sort_unstable();
        self.fd_vars.dedup();
        self.any_fd |= other.any_fd;
        self.tasks |= other.tasks;
        self.names |= other.names;
        self.messages |= other.messages;
        self.anything |= other.anything;
        self.sigchld |= other.sigchld;
    }

    fn fd(&mut self, arg: &Arg, start: &System, gives_fd: &[bool]) {
        match arg {
            Arg::Value(v) => self.fds.extend(v.number()),
            Arg::Var(v) => match start.observer().holds(*v) {
                Some(v) => self.fds.extend(v.number()),
                None if gives_fd[v.index()] => self.fd_vars.push(*v),
                None => self.any_fd = true,
            },
            Arg::List(_) => self.any_fd = true,
        }
    }

    fn poll_entries(&mut self, arg: &Arg, start: &System, gives_fd: &[bool]) {
        match arg {
            Arg::List(pairs) => {
                for pair in pairs {
                    match pair {
                        Arg::List(pair) => {
                            for fd in pair.iter().take(1) {
                                self.fd(fd, start, gives_fd);
                            }
                        }
                        other => self.poll_entries(other, start, gives_fd),
                    }
                }
            }
            Arg::Value(Value::List(items)) => {
                for item in items {
                    match item {
                        Value::List(pair) => {
                            self.fds.extend(pair.first().and_then(Value::number));
                        }
                        // The pair itself.
                        other => self.fds.extend(other.number()),
                    }
                }
            }
            Arg::Value(_) => {}
            Arg::Var(_) => self.any_fd = true,
        }
    }
}

/// By task and place: what the call there uses, and what it and all after it use.
pub(super) fn by_place(program: &Program, start: &System) -> Vec<Vec<(Uses, Uses)>> {
    let mut gives_fd = vec![true; program.vars.len()];
    for stmt in program.tasks.iter().flat_map(|t| &t.body) {
        if !matches!(stmt.sys.spec().gives, Gives::Fd | Gives::FdPair) {
            stmt.expect.binds(&mut |v| gives_fd[v.index()] = false);
        }
    }
    let calls = |task: &scenario::Task| {
        let mut rest = Uses::default();
        let mut list = Vec::new();
        for stmt in task.body.iter().rev() {
            let own = Uses::of(stmt, start, &gives_fd);
            rest.add(&own);
            list.push((own, rest.clone()));
        }
        list.reverse();
        list
    };
    program.tasks.iter().map(calls).collect()
}

/// Whether every task of a program is tied to every other: by an order, by time, which passes for
/// all, by a limit on the sum of what all use that they may come to, or by a call that is not known
/// here.
pub(super) fn are_tied(program: &Program, start: &System) -> bool {
    let stmts = || program.tasks.iter().flat_map(|t| &t.body);
    let slots = |stmt: &Stmt| match stmt.sys {
        Sys::SetPipeSize => start.kernel().config.pipe_max_size as usize / PAGE,
        _ => 2 * DEFAULT_SLOTS,
    };
    program.order.is_some()
        || program.is_timed()
        || crate::signal::may_hang_up(program)
        || !stmts().all(is_known)
        || stmts().map(slots).sum::<usize>() > USER_SLOTS
        || may_exhaust_queues(program)
        || stmts().any(limits_signals)
}

/// Whether a user's message queues may come to a limit that is one for all of them.
fn may_exhaust_queues(program: &Program) -> bool {
    let stmts = || program.tasks.iter().flat_map(|t| &t.body);
    let number = |s: &Stmt, at: usize| match s.args.get(at) {
        Some(Arg::Value(v)) => v.number().and_then(|n| u64::try_from(n).ok()),
        _ => None,
    };
    let charge = |s: &Stmt| match s.sys {
        Sys::MqOpenAttr => Queue::charge(
            number(s, 3).unwrap_or(MESSAGES as u64),
            number(s, 4).unwrap_or(SIZE as u64),
        ),
        _ => Queue::charge(MESSAGES as u64, SIZE as u64),
    };
    let opens =
        || stmts().filter(|s| matches!(s.sys, Sys::MqOpen | Sys::MqOpenAttr | Sys::MqOpenRaw));
    let sets_limit = |s: &Stmt| {
        let which = s.args.first();
        s.sys == Sys::SysctlWrite
            && !matches!(which, Some(Arg::Value(Value::Sysctl(w))) if w.is_system_v())
    };
    opens().count() > QUEUES as usize
        || opens().count() > 0 && stmts().any(sets_limit)
        || opens().map(charge).fold(0, u64::saturating_add) > CHARGE_LIMIT
        || opens().count() > 0 && stmts().any(|s| s.sys == Sys::Setrlimit)
}

/// Whether a call limits the signals that may wait, which are counted over all processes of a user.
fn limits_signals(stmt: &Stmt) -> bool {
    stmt.sys == Sys::Setrlimit
        && match stmt.args.first() {
            Some(Arg::Value(v)) => v.number() == Some(RLIMIT_SIGPENDING as i64),
            _ => true,
        }
}

/// Whether a call may write to a pipe.
pub(super) fn writes(sys: Sys) -> bool {
    use Sys::*;
    matches!(
        sys,
        Write
            | Writev
            | WritevCount
            | Pwrite
            | Pwritev2
            | Splice
            | Tee
            | VmspliceOut
            | Sendfile
            | SendfileAt
    )
}

/// Whether a call is one on System V message queues.
fn on_messages(sys: Sys) -> bool {
    use Sys::*;
    matches!(
        sys,
        MsgGet
            | MsgSend
            | MsgReceive
            | MsgStat
            | MsgSet
            | MsgRemove
            | MsgStatSlot
            | MsgStatAny
            | MsgLimits
            | MsgTotals
            | MsgTimes
            | MsgControlNumber
    )
}

/// Whether what a call can touch is known here: what its descriptors, paths and tasks lead to, as
/// [`Uses::of`] takes them, and nothing else.
fn is_known(stmt: &Stmt) -> bool {
    use Sys::*;
    match stmt.sys {
        Pipe | Pipe2 | PipeBadArray | GetPipeSize | SetPipeSize | Splice | Tee | VmspliceOut
        | VmspliceIn | Sendfile | SendfileAt | CopyFileRange => true,
        Read | Write | Readv | Writev | ReadvCount | WritevCount | Preadv2 | Pwritev2 | Pread
        | Pwrite => true,
        Close | CloseRange | Dup | Dup2 | Dup3 | DupFd | DupFdCloexec | GetFd | SetFd | GetFl
        | SetFl | SetOwn | GetOwn | SetSig | FcntlUnknown | SetLk | Flock | Fionread
        | FionreadFault | Fionbio | Fioasync | Fioclex | Fionclex | Figetbsz | IoctlUnknown
        | Isatty | Lseek | Ftruncate | Fsync | Fdatasync | Fallocate | SyncFileRange | Fadvise
        | Mmap | Fstat | FstatBlock | FstatTimes | Fchmod | Fchown | Setrlimit => true,
        Mkfifo | Mkfifoat | Mknod | Open | Unlink | Rename | Link | Symlink | Mkdir | Chmod
        | Chown | Stat | Truncate | Reopen | ReopenOf | Execve | Umask => true,
        Setuid | Setgid | Seteuid | Setgroups => true,
        // Of a group all may be members.
        Kill | Tgkill if !matches!(stmt.args.first(), Some(Arg::Value(Value::Task(_)))) => false,
        // A nice value is its task's. Others look at it where that task waits, so what they use there
        // is in that task's way anyway. Of a group all may be members.
        GetPriority | SetPriority | GetPriorityNumber | SetPriorityNumber => true,
        Poll | Sigaction | Sigprocmask | Sigpending | Kill | Tgkill => true,
        Fork | Thread | Exit => true,
        MqOpen | MqOpenAttr | MqOpenRaw | MqUnlink | MqSend | MqTimedSend | MqTimedSendAt
        | MqTimedSendFault | MqReceive | MqReceiveTo | MqTimedReceive | MqTimedReceiveAt
        | MqTimedReceiveFault | MqGetattr | MqSetattr | MqSetattrTo | MqNotifyNone
        | MqNotifySignal | MqNotifyNull | MqNotifyNumber | MqNotifyFault => true,
        sys if on_messages(sys) => true,
        Sysctl | SysctlWrite => true,
        #[allow(unreachable_patterns)]
        _ => false,
    }
}
