//! Readiness: `poll`.
//!
//! A mechanism states its readiness once, in [`readiness`]; whoever asks reads it from there. A
//! sleeping poller stands in the queues of everything it watches and looks again when woken.

use crate::clause::*;
use crate::eventfd;
use crate::kernel::{
    Cx, FileKind, How, Invocation, Kernel, ObjId, Op, Progress, Restart, WaitQueue,
};
use crate::signal::{self, SigSet};
use crate::terminal;
use scenario::{Bits, Errno, Sys, TaskId, Value, constants::*};

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
        FileKind::Event(event) => eventfd::readiness(k, event, cx),
        FileKind::Epoll(epoll) => {
            cx.cite(READY_041);
            match k.epolls.get(epoll).has_ready() {
                true => POLLIN | POLLRDNORM,
                false => 0,
            }
        }
        FileKind::Master(id) => terminal::readiness(k, id, true, cx),
        FileKind::Slave(id) => terminal::readiness(k, id, false, cx),
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

/// The same. An epoll instance that is looked at gives up what is no longer ready.
pub(crate) fn readiness_now(k: &mut Kernel, task: TaskId, file: ObjId, cx: &mut Cx) -> u64 {
    if let FileKind::Epoll(epoll) = k.files.get(file).kind {
        k.epoll_is_ready(task, epoll, cx);
    }
    readiness(k, task, file, cx)
}

/// A wait queue, by what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueId {
    /// Those that wait for bytes in a pipe.
    Readers(ObjId),
    /// Those that wait for room in a pipe.
    Writers(ObjId),
    /// Those that watch a message queue.
    Messages(ObjId),
    /// Those that wait for signals of a process.
    Signals(TaskId),
    /// Those that wait for a counter.
    Event(ObjId),
    /// Those that watch an epoll instance.
    Epoll(ObjId),
    /// Those that wait for output of a terminal.
    Master(ObjId),
    /// Those that wait for its input.
    Slave(ObjId),
}

impl Kernel {
    /// The queues in which one stands who watches a description, with the events told there. A
    /// mechanism that has readiness has its line here.
    pub(crate) fn queues_of(&self, task: TaskId, file: ObjId) -> Vec<(QueueId, u64)> {
        let f = self.files.get(file);
        let mut queues = Vec::new();
        match f.kind {
            FileKind::Pipe(pipe) => {
                if f.readable() {
                    queues.push((QueueId::Readers(pipe), POLLIN | POLLRDNORM));
                }
                if f.writable() {
                    queues.push((QueueId::Writers(pipe), POLLOUT | POLLWRNORM));
                }
            }
            FileKind::Queue(queue) => queues.push((QueueId::Messages(queue), u64::MAX)),
            FileKind::Signals(_) => {
                queues.push((QueueId::Signals(self.task(task).process), u64::MAX));
            }
            FileKind::Event(event) => queues.push((QueueId::Event(event), u64::MAX)),
            FileKind::Epoll(epoll) => queues.push((QueueId::Epoll(epoll), u64::MAX)),
            FileKind::Master(id) => queues.push((QueueId::Master(id), u64::MAX)),
            FileKind::Slave(id) => queues.push((QueueId::Slave(id), u64::MAX)),
            FileKind::Regular(_) | FileKind::Null | FileKind::Directory(_) | FileKind::Path(_) => {}
        }
        queues
    }

    /// The queues in which anybody may stand who watches a description: of a signalfd those of every
    /// process.
    pub(crate) fn all_queues_of(&self, file: ObjId) -> Vec<QueueId> {
        if let FileKind::Signals(_) = self.files.get(file).kind {
            let processes = (0..self.processes.len()).filter(|p| self.processes[*p].is_some());
            return processes
                .map(|p| QueueId::Signals(TaskId(p as u16)))
                .collect();
        }
        let queues = self.queues_of(TaskId::SETUP, file).into_iter();
        queues.map(|(queue, _)| queue).collect()
    }

    /// A queue.
    pub(crate) fn queue_mut(&mut self, queue: QueueId) -> &mut WaitQueue {
        match queue {
            QueueId::Readers(pipe) => &mut self.pipes.get_mut(pipe).read_queue,
            QueueId::Writers(pipe) => &mut self.pipes.get_mut(pipe).write_queue,
            QueueId::Messages(queue) => &mut self.queues.get_mut(queue).pollers,
            QueueId::Signals(process) => &mut self.process_mut(process).signal_readers,
            QueueId::Event(event) => &mut self.events.get_mut(event).queue,
            QueueId::Epoll(epoll) => &mut self.epolls.get_mut(epoll).pollers,
            QueueId::Master(id) => &mut self.terminals.get_mut(id).master_queue,
            QueueId::Slave(id) => &mut self.terminals.get_mut(id).slave_queue,
        }
    }

    /// A task that sleeps for events stands in the queues of all that it watches.
    pub(crate) fn watch(&mut self, task: TaskId, files: &[ObjId], asked: u64) {
        // Errors and hangups end the wait unasked.
        let asks = asked | POLLERR | POLLHUP;
        for file in files {
            for (queue, _) in self.queues_of(task, *file) {
                self.queue_mut(queue).join(task, How::Watching { asks });
            }
        }
    }

    /// It leaves them, and lets go of what it watched.
    pub(crate) fn unwatch(&mut self, task: TaskId, files: &[ObjId], cx: &mut Cx) {
        for file in files {
            for (queue, _) in self.queues_of(task, *file) {
                self.queue_mut(queue).leave(task);
            }
            self.unhold(*file, cx);
        }
    }

    /// Somebody has asked whether a description is ready: from then on a pipe tells of more.
    pub(crate) fn mark_polled(&mut self, file: ObjId) {
        if let Some(pipe) = self.files.get(file).pipe()
            && !self.pipes.get(pipe).polled
        {
            self.pipes.get_mut(pipe).polled = true;
        }
    }
}

/// Whether a description is of a name alone (`O_PATH`), which has no readiness.
pub(crate) fn is_nothing_but_a_name(k: &Kernel, file: ObjId) -> bool {
    matches!(k.files.get(file).kind, FileKind::Path(_))
}

/// The events of one entry of the set.
fn look_at(k: &mut Kernel, task: TaskId, fd: i64, events: u64, cx: &mut Cx) -> u64 {
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
    let now = readiness_now(k, task, file, cx);
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
        return Progress::Done(Errno::EINVAL.into());
    }
    let watched: Vec<ObjId> = entries
        .iter()
        .filter_map(|(fd, _)| k.file_of(task, *fd).ok())
        .filter(|f| !matches!(k.files.get(*f).kind, FileKind::Path(_)))
        .collect();
    for file in &watched {
        k.hold(*file);
        k.mark_polled(*file);
    }
    let limit = match timeout(call) {
        Ok(limit) => limit,
        Err(e) => {
            cx.cite(READY_018);
            for file in &watched {
                k.unhold(*file, cx);
            }
            return Progress::Done(e.into());
        }
    };
    if call.sys == Sys::Ppoll {
        cx.cite(READY_033);
        k.set_temporary_mask(task, SigSet::of_list(call.list(2)).mortal());
    }
    // Its time may have ended while it was stopped: then it looks once more and is over.
    let sleeps = limit != Some(0) && !k.timed_out(task);
    if let Some(nanoseconds @ 1..) = limit
        && k.task(task).deadline.is_none()
        && !k.timed_out(task)
    {
        // One that starts over keeps its deadline.
        k.set_timeout(task, nanoseconds);
    }
    PollOp { entries, watched }.look(k, task, sleeps, cx)
}

/// The time after which the call gives up, in nanoseconds.
fn timeout(call: &Invocation) -> Result<Option<u64>, Errno> {
    match call.sys {
        Sys::PpollRaw => {
            let (seconds, nanoseconds) = (call.int(1), call.int(2));
            let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
            match u64::try_from(nanoseconds) {
                Ok(n @ 0..1_000_000_000) => Ok(Some(seconds.saturating_mul(1_000_000_000) + n)),
                _ => Err(Errno::EINVAL),
            }
        }
        _ => Ok(u64::try_from(call.int(1))
            .ok()
            .map(|ms| ms.saturating_mul(1_000_000))),
    }
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
            if k.task(task).saved_mask.is_some() {
                cx.cite(READY_034);
            }
            self.leave(k, task, cx);
            return Progress::Restart(Restart::NoHandler);
        }
        if ready && k.task(task).saved_mask.is_some() && k.task(task).told {
            cx.cite(READY_035);
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
        k.watch(task, &self.watched, asked);
    }

    fn leave(&self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        k.unwatch(task, &self.watched, cx);
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
