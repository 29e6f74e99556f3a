//! Waiting for children: `wait4`, `waitid` and what the C library makes of them.
//!
//! A child has at most one thing to report: that it ended, which stays until somebody waits for it, or
//! that it is stopped or was continued, of which the last counts. A parent that finds nothing to take
//! sleeps, and is woken by every report of a child that it waits for; then it looks again.
//!
//! ```text
//! parent   waitpid(a, 0): sleeps ─────────────────── woken ─ looks: a has ended ─ [a, CLD_EXITED, 0]
//! child b        exit ─ is not waited for: nobody is woken
//! child a                      exit ─ closes all ─ wakes its parent
//! ```

use crate::clause::*;
use crate::kernel::{Cx, How, Invocation, Kernel, Op, Progress, Report, Restart};
use crate::signal;
use scenario::{Bits, End, Errno, Fault, Signal, Sys, TaskId, Value, constants::*};

/// Whom a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    /// Any child.
    All,
    /// This process.
    Process(TaskId),
    /// The members of this group.
    Group(TaskId),
    /// A process or group that there is not.
    Nobody,
}

/// A wait in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WaitOp {
    who: Who,
    options: u64,
}

/// What a look at the children finds.
enum Found {
    /// This one has something to report.
    Child(TaskId),
    /// There are such children, and none has.
    Later,
    /// There is no such child.
    None,
}

/// The options that `wait4` knows.
const WAIT4: u64 = WNOHANG | WUNTRACED | WCONTINUED | KINDS;
/// The options that `waitid` knows.
const WAITID: u64 = WNOHANG | WNOWAIT | EVENTS | KINDS;
/// What `waitid` can wait for.
const EVENTS: u64 = WEXITED | WSTOPPED | WCONTINUED;
/// Which children count.
const KINDS: u64 = __WNOTHREAD | __WCLONE | __WALL;

/// Whether it is one of `waitid`'s forms.
fn is_waitid(sys: Sys) -> bool {
    matches!(
        sys,
        Sys::WaitidAll | Sys::WaitidPid | Sys::WaitidGroup | Sys::WaitidNumber
    )
}

/// A task begins to wait.
pub(crate) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match parse(k, task, call, cx) {
        Ok(op) => op.advance(k, task, call, cx),
        Err(e) => Progress::Done(e.into()),
    }
}

fn parse(k: &Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<WaitOp, Errno> {
    let own = Who::Group(k.process_of(task).group);
    // By number only what no process of the run has.
    let (who, options) = match call.sys {
        Sys::WaitidAll => (Who::All, call.bits(0)),
        Sys::WaitidNumber => (Who::Nobody, call.bits(2)),
        Sys::WaitpidGroup | Sys::WaitidGroup => (
            match (call.task(0), call.int(0)) {
                (Some(group), _) => Who::Group(group),
                (None, 0) => own,
                _ => Who::Nobody,
            },
            call.bits(1),
        ),
        _ => (
            match (call.task(0), call.int(0)) {
                (Some(child), _) => Who::Process(child),
                (None, 0) => own,
                (None, -1) => Who::All,
                _ => Who::Nobody,
            },
            call.bits(1),
        ),
    };
    if !is_waitid(call.sys) {
        if options & !WAIT4 != 0 {
            cx.cite(SIG_133);
            return Err(Errno::EINVAL);
        }
        if call.int(0) == i64::from(i32::MIN) {
            cx.cite(SIG_133);
            return Err(Errno::ESRCH);
        }
        cx.cite(SIG_132);
        let options = options | WEXITED;
        return Ok(WaitOp { who, options });
    }
    let id = match call.sys {
        Sys::WaitidNumber => call.int(1),
        Sys::WaitidAll => 1,
        _ => call.task(0).map_or(call.int(0), |_| 1),
    };
    let bad = match call.sys {
        Sys::WaitidAll => false,
        Sys::WaitidPid => id <= 0,
        Sys::WaitidGroup => id < 0,
        _ => match call.int(0) {
            P_ALL_TYPE => false,
            P_PID_TYPE => id <= 0,
            P_PGID_TYPE => id < 0,
            _ => true,
        },
    };
    if options & !WAITID != 0 || options & EVENTS == 0 || bad {
        cx.cite(SIG_139);
        return Err(Errno::EINVAL);
    }
    if matches!(call.sys, Sys::WaitidGroup) && call.task(0).is_none() {
        cx.cite(SIG_139);
    }
    Ok(WaitOp { who, options })
}

/// `P_ALL`, `P_PID`, `P_PGID` as numbers.
const P_ALL_TYPE: i64 = 0;
const P_PID_TYPE: i64 = 1;
const P_PGID_TYPE: i64 = 2;

impl WaitOp {
    /// Looks for a child, first among those of the caller's own thread.
    fn advance(self, k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
        let leader = k.task(task).process;
        match self.look(k, task, cx) {
            Found::Child(child) => {
                self.leave(k, task);
                Progress::Done(self.take(k, task, child, call, cx))
            }
            Found::None => {
                self.leave(k, task);
                let disposition = k.process(leader).dispositions.get(Signal::SIGCHLD);
                if disposition.handler == SIG_IGN {
                    cx.cite(SIG_126);
                } else if disposition.flags & SA_NOCLDWAIT != 0 {
                    cx.cite(SIG_128);
                }
                cx.cite(SIG_134);
                Progress::Done(Errno::ECHILD.into())
            }
            Found::Later if self.options & WNOHANG != 0 => {
                self.leave(k, task);
                Progress::Done(match is_waitid(call.sys) {
                    true => {
                        cx.cite(SIG_140);
                        Value::List(vec![Value::ZERO; 4])
                    }
                    false => {
                        cx.cite(SIG_134);
                        Value::List(Vec::new())
                    }
                })
            }
            Found::Later if k.signal_pending(task) => {
                self.leave(k, task);
                Progress::Restart(Restart::UnlessHandler)
            }
            Found::Later => {
                let queue = &mut k.process_mut(task).child_waiters;
                queue.join(task, How::Watching { asks: u64::MAX });
                Progress::Sleep(Op::Wait(self))
            }
        }
    }

    /// It was woken, or a signal disturbs it: it looks again before anything else.
    pub(crate) fn resume(
        self,
        k: &mut Kernel,
        task: TaskId,
        call: &Invocation,
        cx: &mut Cx,
    ) -> Progress {
        let by_group = matches!(self.who, Who::Group(_));
        let progress = self.advance(k, task, call, cx);
        if by_group && progress == Progress::Done(Errno::ECHILD.into()) {
            cx.cite(SIG_208);
        }
        progress
    }

    /// The wait is given up.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId) {
        self.leave(k, task);
    }

    fn leave(&self, k: &mut Kernel, task: TaskId) {
        if k.process_of(task).child_waiters.contains(task) {
            k.process_mut(task).child_waiters.leave(task);
        }
    }

    /// Whether it waits for this child, a child of the thread `of`.
    pub(crate) fn heeds(&self, k: &Kernel, task: TaskId, child: TaskId) -> bool {
        let matches = match self.who {
            Who::All => true,
            Who::Process(of) => of == child,
            Who::Group(group) => k.process(child).group == group,
            Who::Nobody => false,
        };
        // All children here are made with SIGCHLD.
        matches
            && (self.options & (__WCLONE | __WALL)) != __WCLONE
            && (self.options & __WNOTHREAD == 0 || k.process(child).forker == Some(task))
    }

    fn look(&self, k: &Kernel, task: TaskId, cx: &mut Cx) -> Found {
        let leader = k.task(task).process;
        let mut others = k.threads_of(leader);
        others.retain(|t| *t != task);
        if self.options & __WNOTHREAD != 0 {
            if others.iter().any(|t| !k.task(*t).children.is_empty()) {
                cx.cite(SIG_145);
            }
            others.clear();
        }
        let mut found = Found::None;
        let mut ready = Vec::new();
        for thread in std::iter::once(task).chain(others) {
            for &child in &k.task(thread).children {
                if !self.heeds(k, task, child) {
                    continue;
                }
                if self.reports(k, child) {
                    if thread != task {
                        cx.cite(SIG_145);
                    }
                    ready.push(child);
                } else if !k.is_zombie(child) {
                    found = Found::Later;
                }
            }
        }
        if ready.len() > 1 {
            cx.cite(SIG_138);
        }
        ready.first().map_or(found, |child| Found::Child(*child))
    }

    /// Whether a child has something to report that is asked for.
    fn reports(&self, k: &Kernel, child: TaskId) -> bool {
        if k.is_zombie(child) {
            return self.options & WEXITED != 0;
        }
        match k.process(child).report {
            Some(Report::Stopped(_)) => self.options & WSTOPPED != 0,
            Some(Report::Continued) => self.options & WCONTINUED != 0,
            None => false,
        }
    }

    /// Takes what a child has to report.
    fn take(
        &self,
        k: &mut Kernel,
        task: TaskId,
        child: TaskId,
        call: &Invocation,
        cx: &mut Cx,
    ) -> Value {
        let process = k.process(child);
        let keeps = self.options & WNOWAIT != 0;
        let (code, status, word) = match (process.ended, process.report) {
            (Some(End::Killed(signal)), _) if k.is_zombie(child) => {
                if signal::dumps(signal) {
                    cx.cite(SIG_005);
                }
                (CLD_KILLED, i64::from(signal.0), i64::from(signal.0))
            }
            (Some(end), _) if k.is_zombie(child) => {
                let status = match end {
                    End::Exited(status) => i64::from(status),
                    _ => 0,
                };
                (CLD_EXITED, status, status << 8)
            }
            (_, Some(Report::Stopped(signal))) => {
                let signal = i64::from(signal.0);
                (CLD_STOPPED, signal, signal << 8 | 0x7f)
            }
            _ => (CLD_CONTINUED, i64::from(Signal::SIGCONT.0), 0xffff),
        };
        let uid = i64::from(k.task(child).credentials.uid);
        self.cite_taken(k, task, child, cx);
        if !keeps {
            match k.is_zombie(child) {
                true => k.reap(child),
                false => k.process_mut(child).report = None,
            }
        }
        let child = Value::Task(child);
        let code = Value::Bits(Bits::SiCode, code);
        match call.sys {
            Sys::Wait4 => {
                cx.cite(SIG_135);
                Value::List(vec![child, Value::Int(word)])
            }
            Sys::Wait4Fault => match call.args.get(2) {
                Some(Value::Memory(m)) if m.fault == Fault::Null => child,
                _ => {
                    cx.cite(SIG_142);
                    Errno::EFAULT.into()
                }
            },
            sys if is_waitid(sys) => {
                Value::List(vec![child, code, Value::Int(status), Value::Int(uid)])
            }
            _ => Value::List(vec![child, code, Value::Int(status)]),
        }
    }

    fn cite_taken(&self, k: &Kernel, task: TaskId, child: TaskId, cx: &mut Cx) {
        let parent = k.process_of(task);
        if self.options & WNOWAIT != 0 {
            cx.cite(SIG_140);
        }
        let disposition = parent.dispositions.get(Signal::SIGCHLD);
        if !k.is_zombie(child) {
            cx.cite(SIG_136);
            if k.process(child).report == Some(Report::Continued) && self.options & WNOHANG != 0 {
                cx.cite(SIG_207);
            }
            if disposition.handler == SIG_IGN {
                cx.cite(SIG_130);
            }
            if disposition.flags & SA_NOCLDSTOP != 0 {
                cx.cite(SIG_125);
            }
            return;
        }
        cx.cite(match disposition.handler {
            SIG_IGN => SIG_129,
            _ if disposition.flags & SA_NOCLDWAIT != 0 => SIG_129,
            _ => SIG_131,
        });
        let from = Value::Task(child);
        let pending = parent.pending.iter().chain(&k.task(task).pending);
        let mut told = pending.filter(|h| h.signal == Signal::SIGCHLD);
        if told.clone().any(|h| h.sender == from) {
            cx.cite(SIG_124);
        } else if told.next().is_some() {
            cx.cite(SIG_123);
        }
    }
}
