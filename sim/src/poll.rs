//! Readiness: `poll`.
//!
//! A mechanism states its readiness once, in [`readiness`]; whoever asks reads it from there. A
//! sleeping poller stands in the queues of everything it watches and looks again when woken.

use crate::clause::*;
use crate::kernel::{Cx, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart};
use scenario::{Bits, TaskId, Value, constants::*};

/// A poll in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PollOp {
    /// Descriptor and events of each entry.
    entries: Vec<(i64, u64)>,
    /// The descriptions watched, which the call keeps open.
    watched: Vec<ObjId>,
}

/// The events that a description has now, wanted or not.
pub fn readiness(k: &Kernel, file: ObjId, cx: &mut Cx) -> u64 {
    let f = k.files.get(file);
    match f.kind {
        FileKind::Pipe(pipe) => {
            let p = k.pipes.get(pipe);
            let mut events = 0;
            if f.readable() {
                cx.cite(if p.writers > 0 { READY_001 } else { READY_002 });
                if !p.ring.is_empty() {
                    events |= POLLIN | POLLRDNORM;
                }
                if p.writers == 0 {
                    if f.seen_writers == p.writer_opens {
                        cx.cite(READY_009);
                        cx.cite(FIFO_055);
                        cx.cite(FIFO_056);
                        cx.cite(FIFO_058);
                    } else {
                        cx.cite(FIFO_055);
                        events |= POLLHUP;
                    }
                } else {
                    cx.cite(FIFO_057);
                }
            }
            if f.writable() {
                cx.cite(READY_005);
                cx.cite(if p.readers > 0 { READY_003 } else { READY_004 });
                if !p.ring.is_full() {
                    events |= POLLOUT | POLLWRNORM;
                }
                if p.readers == 0 {
                    events |= POLLERR;
                }
                if f.readable() {
                    cx.cite(READY_008);
                }
            }
            cx.cite(READY_007);
            cx.cite(READY_010);
            events
        }
        FileKind::Regular(_) | FileKind::Null => {
            cx.cite(READY_019);
            POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM
        }
        FileKind::Directory(_) => POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
        FileKind::Path(_) => POLLNVAL,
    }
}

/// `poll`.
pub(crate) fn begin(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    let entries: Vec<(i64, u64)> = call
        .list(0)
        .iter()
        .map(|pair| match pair {
            Value::List(pair) => {
                let number = |at: usize| pair.get(at).and_then(Value::number).unwrap_or(0);
                (number(0), number(1) as u64)
            }
            _ => (-1, 0),
        })
        .collect();
    if entries.len() > k.process_of(task).fd_limit {
        cx.cite(READY_017);
        return Progress::Done(scenario::Errno::EINVAL.into());
    }
    let watched: Vec<ObjId> = entries
        .iter()
        .filter_map(|(fd, _)| k.file_of(task, *fd).ok())
        .filter(|f| !matches!(k.files.get(*f).kind, FileKind::Path(_)))
        .collect();
    for file in &watched {
        k.hold(*file);
        if let Some(pipe) = k.files.get(*file).pipe() {
            k.pipes.get_mut(pipe).polled = true;
        }
    }
    let sleeps = call.int(1) != 0;
    PollOp { entries, watched }.look(k, task, sleeps, cx)
}

impl PollOp {
    /// The descriptions it watches.
    pub(crate) fn watched(&self) -> &[ObjId] {
        &self.watched
    }

    fn look(self, k: &mut Kernel, task: TaskId, sleeps: bool, cx: &mut Cx) -> Progress {
        let mut revents = Vec::new();
        for (fd, events) in &self.entries {
            let now = if *fd < 0 {
                cx.cite(READY_015);
                0
            } else {
                match k.file_of(task, *fd) {
                    Ok(file) => readiness(k, file, cx) & (events | POLLERR | POLLHUP | POLLNVAL),
                    Err(_) => {
                        cx.cite(READY_015);
                        POLLNVAL
                    }
                }
            };
            cx.cite(READY_014);
            revents.push(now);
        }
        if !sleeps || revents.iter().any(|r| *r != 0) {
            cx.cite(READY_013);
            if !sleeps {
                cx.cite(READY_016);
            }
            self.leave(k, task, cx);
            let values = revents
                .into_iter()
                .map(|r| Value::Bits(Bits::Poll, r))
                .collect();
            return Progress::Done(Value::List(values));
        }
        if k.signal_pending(task) {
            cx.cite(READY_022);
            self.leave(k, task, cx);
            return Progress::Restart(Restart::NoHandler);
        }
        cx.cite(READY_020);
        for file in &self.watched {
            let f = k.files.get(*file);
            let (reads, writes) = (f.readable(), f.writable());
            if let Some(pipe) = f.pipe() {
                let p = k.pipes.get_mut(pipe);
                if reads {
                    p.read_queue.join(task, How::Watching);
                }
                if writes {
                    p.write_queue.join(task, How::Watching);
                }
            }
        }
        Progress::Sleep(Op::Poll(self))
    }

    fn leave(&self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        for file in &self.watched {
            if let Some(pipe) = k.files.get(*file).pipe() {
                let p = k.pipes.get_mut(pipe);
                p.read_queue.leave(task);
                p.write_queue.leave(task);
            }
            k.unhold(*file, cx);
        }
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        self.look(k, task, true, cx)
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        self.leave(k, task, cx);
    }
}
