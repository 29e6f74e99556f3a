//! Readiness: `poll`.
//!
//! A mechanism states its readiness once, in [`readiness`]; whoever asks reads it from there. A
//! sleeping poller stands in the queues of everything it watches and looks again when woken.

use crate::clause::*;
use crate::kernel::{Cx, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart};
use crate::signal;
use scenario::{Bits, TaskId, Value, constants::*};

/// A poll in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PollOp {
    /// Descriptor and events of each entry.
    entries: Vec<(i64, u64)>,
    /// The descriptions watched, which the call keeps open.
    watched: Vec<ObjId>,
}

/// The events that a description has now for this task, wanted or not.
pub fn readiness(k: &Kernel, task: TaskId, file: ObjId, cx: &mut Cx) -> u64 {
    let f = k.files.get(file);
    match f.kind {
        FileKind::Pipe(pipe) => {
            let p = k.pipes.get(pipe);
            let mut events = 0;
            if f.readable() {
                if !p.ring.is_empty() {
                    events |= POLLIN | POLLRDNORM;
                }
                if p.writers > 0 {
                    cx.cite(READY_001);
                    if p.writer_opens > 2 {
                        cx.cite(FIFO_057);
                    }
                } else if f.seen_writers == p.writer_opens {
                    // No writer has opened since this description did.
                    cx.cite(READY_009);
                    cx.cite(FIFO_055);
                    if p.writer_opens > 1 {
                        cx.cite(FIFO_056);
                        cx.cite(FIFO_058);
                    }
                } else {
                    events |= POLLHUP;
                    cx.cite(READY_002);
                    if f.seen_writers > 0 {
                        cx.cite(FIFO_055);
                        cx.cite(FIFO_056);
                    } else if k.inodes.get(pipe).is_named() {
                        cx.cite(FIFO_058);
                    }
                }
            }
            if f.writable() {
                if !p.ring.is_full() {
                    events |= POLLOUT | POLLWRNORM;
                } else if p.ring.slots().front().is_some_and(|s| s.offset > 0) {
                    cx.cite(READY_006);
                }
                if p.readers == 0 {
                    events |= POLLERR;
                } else if p.reader_opens > 2 {
                    cx.cite(FIFO_057);
                }
                cx.cite(if p.readers > 0 { READY_003 } else { READY_004 });
                cx.cite(READY_005);
                if f.flags & O_DIRECT != 0 {
                    cx.cite(READY_012);
                }
                if f.readable() {
                    cx.cite(READY_008);
                }
            }
            cx.cite(READY_007);
            cx.cite(READY_010);
            events
        }
        FileKind::Queue(queue) => {
            let q = k.queues.get(queue);
            cx.cite(MQ_093);
            let mut events = 0;
            if !q.is_empty() {
                events |= POLLIN | POLLRDNORM;
            }
            if !q.is_full() {
                events |= POLLOUT | POLLWRNORM;
            }
            events
        }
        FileKind::Signals(set) => {
            cx.cite(SIG_098);
            match signal::fd_readable(k, task, set) {
                true => POLLIN,
                false => 0,
            }
        }
        FileKind::Regular(_) | FileKind::Null => {
            cx.cite(READY_019);
            POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM
        }
        FileKind::Directory(_) => POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
        FileKind::Path(_) => POLLNVAL,
    }
}

/// The events of one entry of the set.
fn look_at(k: &Kernel, task: TaskId, fd: i64, events: u64, cx: &mut Cx) -> u64 {
    if fd < 0 {
        cx.cite(READY_015);
        return 0;
    }
    let Ok(file) = k.file_of(task, fd) else {
        cx.cite(READY_015);
        return POLLNVAL;
    };
    if matches!(k.files.get(file).kind, FileKind::Path(_)) {
        cx.cite(READY_015);
    }
    let now = readiness(k, task, file, cx);
    let told = now & (events | POLLERR | POLLHUP | POLLNVAL);
    if told != now || told & !events != 0 {
        cx.cite(READY_014);
    }
    told
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
    if let milliseconds @ 1.. = call.int(1)
        && k.task(task).deadline.is_none()
        && !k.timed_out(task)
    {
        // One that starts over keeps its deadline.
        k.set_timeout(task, milliseconds as u64 * 1_000_000);
    }
    PollOp { entries, watched }.look(k, task, sleeps, cx)
}

impl PollOp {
    /// The descriptions it watches.
    pub(crate) fn watched(&self) -> &[ObjId] {
        &self.watched
    }

    fn look(self, k: &mut Kernel, task: TaskId, sleeps: bool, cx: &mut Cx) -> Progress {
        let revents: Vec<u64> = self
            .entries
            .iter()
            .map(|&(fd, events)| look_at(k, task, fd, events, cx))
            .collect();
        let ready = revents.iter().any(|r| *r != 0);
        // A signal that waits comes before the end of the time, but not before an event.
        if !ready && k.signal_pending(task) {
            self.leave(k, task, cx);
            return Progress::Restart(Restart::NoHandler);
        }
        if ready || !sleeps {
            cx.cite(if sleeps { READY_013 } else { READY_016 });
            self.leave(k, task, cx);
            let values = revents
                .into_iter()
                .map(|r| Value::Bits(Bits::Poll, r))
                .collect();
            return Progress::Done(Value::List(values));
        }
        cx.cite(READY_016);
        cx.cite(READY_020);
        self.watch(k, task);
        Progress::Sleep(Op::Poll(self))
    }

    /// Stands in the queues of all that it watches.
    fn watch(&self, k: &mut Kernel, task: TaskId) {
        let asked = self.entries.iter().fold(0, |all, (_, events)| all | events);
        let heeds = |bits: u64| How::Watching {
            heeds: asked & bits != 0,
        };
        for file in &self.watched {
            let f = k.files.get(*file);
            let (reads, writes) = (f.readable(), f.writable());
            if let FileKind::Signals(_) = f.kind {
                let readers = &mut k.process_mut(task).signal_readers;
                readers.join(task, How::Watching { heeds: true });
            } else if let FileKind::Queue(queue) = f.kind {
                let pollers = &mut k.queues.get_mut(queue).pollers;
                pollers.join(task, How::Watching { heeds: true });
            } else if let Some(pipe) = f.pipe() {
                let p = k.pipes.get_mut(pipe);
                if reads {
                    p.read_queue.join(task, heeds(POLLIN | POLLRDNORM));
                }
                if writes {
                    p.write_queue.join(task, heeds(POLLOUT | POLLWRNORM));
                }
            }
        }
    }

    fn leave(&self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        for file in &self.watched {
            if let FileKind::Signals(_) = k.files.get(*file).kind {
                k.process_mut(task).signal_readers.leave(task);
            } else if let FileKind::Queue(queue) = k.files.get(*file).kind {
                k.queues.get_mut(queue).pollers.leave(task);
            } else if let Some(pipe) = k.files.get(*file).pipe() {
                let p = k.pipes.get_mut(pipe);
                p.read_queue.leave(task);
                p.write_queue.leave(task);
            }
            k.unhold(*file, cx);
        }
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        // The descriptors are looked up anew; what was closed meanwhile is kept open by the call.
        if self
            .watched
            .iter()
            .any(|f| k.files.get(*f).descriptors == 0)
        {
            cx.cite(READY_024);
            cx.cite(READY_025);
        }
        let sleeps = !k.timed_out(task);
        let progress = self.look(k, task, sleeps, cx);
        if matches!(progress, Progress::Sleep(_)) {
            // Another task was quicker.
            cx.cite(READY_011);
        }
        progress
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        self.leave(k, task, cx);
    }
}
