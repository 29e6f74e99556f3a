//! `read` and `write` on both ends of a pseudoterminal.

use super::{control, line};
use crate::clause::*;
use crate::kernel::{Cx, How, Kernel, ObjId, Op, Progress, Restart};
use crate::pipe::{Buffer, Room};
use scenario::{Data, Errno, Signal, TaskId, Value, constants::*};

/// A read that waits for bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TerminalReadOp {
    file: ObjId,
    terminal: ObjId,
    master: bool,
    room: usize,
}

/// `read`.
pub(crate) fn begin_read(
    k: &mut Kernel,
    task: TaskId,
    file: ObjId,
    (terminal, master): (ObjId, bool),
    room: Room,
    cx: &mut Cx,
) -> Progress {
    if room.outside || room.mapped < room.count {
        return Progress::Done(Errno::EFAULT.into());
    }
    let t = k.terminals.get(terminal);
    if !master && !t.master {
        cx.cite(SIG_192);
        return Progress::Done(Value::Data(Data::empty()));
    }
    if !master && let Some(progress) = control::may_access(k, task, terminal, Signal::SIGTTIN, cx) {
        return progress;
    }
    k.hold(file);
    TerminalReadOp {
        file,
        terminal,
        master,
        room: room.count as usize,
    }
    .advance(k, task, cx)
}

impl TerminalReadOp {
    /// It looks for bytes: at the begin, when it was woken, or when a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let nonblocking = k.files.get(self.file).nonblocking();
        let t = k.terminals.get_mut(self.terminal);
        let found = match self.master {
            _ if self.room == 0 => Some(Ok(Vec::new())),
            true if !t.output.is_empty() => {
                let n = self.room.min(t.output.len());
                Some(Ok(t.output.drain(..n).collect()))
            }
            true if t.abandoned => {
                cx.cite(SIG_196);
                Some(Err(Errno::EIO))
            }
            false if !t.master => {
                cx.cite(SIG_192);
                Some(Ok(Vec::new()))
            }
            false if t.has_input() => {
                if t.is_set(ICANON) {
                    cx.cite(SIG_183);
                }
                Some(Ok(t.take_input(self.room)))
            }
            _ if nonblocking => {
                if self.master {
                    cx.cite(SIG_196);
                }
                Some(Err(Errno::EAGAIN))
            }
            _ => None,
        };
        if !self.master && t.session.is_some() && found.is_some() {
            let theirs = k.process_of(task).terminal == Some(self.terminal);
            if !theirs {
                cx.cite(SIG_190);
            }
        }
        match found {
            Some(found) => {
                self.abandon(k, task, cx);
                let bytes = |bytes: Vec<u8>| Value::Data(Data::from_bytes(&bytes));
                found.map(bytes).into()
            }
            None if k.signal_pending(task) => {
                cx.cite(SIG_180);
                self.abandon(k, task, cx);
                Progress::Restart(Restart::UnlessHandler)
            }
            None => {
                let t = k.terminals.get_mut(self.terminal);
                let queue = match self.master {
                    true => &mut t.master_queue,
                    false => &mut t.slave_queue,
                };
                queue.join(task, How::Together);
                Progress::Sleep(Op::Terminal(self))
            }
        }
    }

    /// Its wait is over.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        let t = k.terminals.get_mut(self.terminal);
        t.master_queue.leave(task);
        t.slave_queue.leave(task);
        k.unhold(self.file, cx);
    }
}

/// `write`. The buffers of a pseudoterminal take some kilobytes; nothing here fills them.
pub(crate) fn begin_write(
    k: &mut Kernel,
    task: TaskId,
    (terminal, master): (ObjId, bool),
    source: &Buffer,
    cx: &mut Cx,
) -> Progress {
    if source.outside || (source.valid.len() as u64) < source.count {
        return Progress::Done(Errno::EFAULT.into());
    }
    let bytes: Vec<u8> = source.valid.to_vec();
    let count = Value::Int(bytes.len() as i64);
    if master {
        for byte in bytes {
            line::receive(k, terminal, byte, cx);
        }
        let t = k.terminals.get(terminal);
        let (readable, shows) = (t.has_input(), !t.output.is_empty());
        if readable {
            k.wake_queue(
                |k| &mut k.terminals.get_mut(terminal).slave_queue,
                false,
                0,
                cx,
            );
        }
        if shows {
            k.wake_queue(
                |k| &mut k.terminals.get_mut(terminal).master_queue,
                false,
                0,
                cx,
            );
        }
        return Progress::Done(count);
    }
    let t = k.terminals.get(terminal);
    if !t.master {
        cx.cite(SIG_192);
        return Progress::Done(Errno::EIO.into());
    }
    if !t.is_set(TOSTOP) {
        if control::is_background(k, task, terminal) {
            cx.cite(SIG_187);
        }
    } else if let Some(progress) = control::may_access(k, task, terminal, Signal::SIGTTOU, cx) {
        if progress == Progress::Done(Errno::EIO.into()) {
            cx.cite(SIG_188);
        }
        return progress;
    }
    let t = k.terminals.get_mut(terminal);
    for byte in bytes {
        t.put(byte);
    }
    k.wake_queue(
        |k| &mut k.terminals.get_mut(terminal).master_queue,
        false,
        0,
        cx,
    );
    Progress::Done(count)
}
