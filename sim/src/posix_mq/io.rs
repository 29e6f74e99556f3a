//! Sending and receiving, as steps of the kernel.
//!
//! A queue hands messages over: who sends to a queue on which a receiver sleeps gives the message to
//! that receiver, and who receives from a full queue on which a sender sleeps puts the sender's
//! message into the free place, each in one step. So nobody overtakes a sleeper, and a sleeper that
//! has been served has succeeded, whatever signal comes before it runs:
//!
//! ```text
//! receiver   mq_receive: empty, sleeps ·········· runs: "a" (it was its own since the send)
//! sender            mq_send "a": handed over   killed, or not: the same
//! ```

use super::queue::{Message, PRIORITIES, Queue};
use crate::clause::*;
use crate::kernel::{
    Cx, FileKind, Flavor, Invocation, Kernel, ObjId, Op, Progress, Restart, State,
};
use crate::pipe::{Buffer, Room};
use scenario::{Errno, Fault, Handled, Signal, Sys, TaskId, Value, constants::*};

/// The time of day that lies between what is past and what never comes, for a call that is given
/// it as a number.
const NOW: i64 = 1_000_000_000;

/// A send or a receive in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageOp {
    file: ObjId,
    queue: ObjId,
    what: Waits,
}

/// What it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Waits {
    /// A receiver waits for a message.
    Receive {
        into: Into,
        /// It was handed over, and is the receiver's own.
        got: Option<Message>,
    },
    /// A sender waits for its message to be taken in.
    Send {
        /// The message; none once it was.
        message: Option<Message>,
    },
}

/// Where a receiver wants its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Into {
    room: Room,
    priority: Place,
}

/// Where a receiver wants the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Good,
    /// Nowhere.
    Null,
    Bad,
}

/// How long a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// For ever.
    None,
    /// Its time has passed already.
    Passed,
    /// So many nanoseconds.
    In(u64),
}

/// The time of a call, looked at before anything else.
fn limit(call: &Invocation, cx: &mut Cx) -> Result<Limit, Errno> {
    let relative = |at: usize| match u64::try_from(call.int(at)) {
        Ok(ms @ 1..) => Limit::In(ms.saturating_mul(1_000_000)),
        _ => Limit::Passed,
    };
    let at = match call.sys {
        Sys::MqTimedSend => return Ok(relative(3)),
        Sys::MqTimedReceive => return Ok(relative(2)),
        Sys::MqTimedSendAt | Sys::MqTimedSendFault => 3,
        Sys::MqTimedReceiveAt | Sys::MqTimedReceiveFault => 2,
        _ => return Ok(Limit::None),
    };
    if let Sys::MqTimedSendFault | Sys::MqTimedReceiveFault = call.sys {
        return match call.args.get(at) {
            Some(Value::Memory(m)) if m.fault == Fault::Null => {
                cx.cite(MQ_068);
                Ok(Limit::None)
            }
            _ => {
                cx.cite(if at == 3 { MQ_047 } else { MQ_107 });
                Err(Errno::EFAULT)
            }
        };
    }
    let (seconds, nanoseconds) = (call.int(at), call.int(at + 1));
    if seconds < 0 || !(0..1_000_000_000).contains(&nanoseconds) {
        cx.cite(MQ_070);
        return Err(Errno::EINVAL);
    }
    Ok(match seconds < NOW {
        true => Limit::Passed,
        false => Limit::None,
    })
}

/// The queue behind a descriptor.
pub(super) fn queue_of(
    k: &Kernel,
    task: TaskId,
    fd: i64,
    cx: &mut Cx,
) -> Result<(ObjId, ObjId), Errno> {
    let file = k.file_of(task, fd).inspect_err(|_| cx.cite(MQ_031))?;
    match k.files.get(file).kind {
        FileKind::Queue(queue) => Ok((file, queue)),
        _ => {
            cx.cite(MQ_031);
            Err(Errno::EBADF)
        }
    }
}

/// Whoever has the queue open may use it, whatever has become of its mode.
fn cite_permission(k: &Kernel, task: TaskId, queue: ObjId, want: u32, cx: &mut Cx) {
    if !k.inodes.get(queue).permits(k.task(task).credentials, want) {
        cx.cite(MQ_027);
    }
}

/// `mq_send` and its kin.
pub(crate) fn begin_send(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    match prepare_send(k, task, call, cx) {
        Err(e) => {
            cx.cite(MQ_047);
            Progress::Done(e.into())
        }
        Ok((file, queue, message, limit)) => k.send_message(task, file, queue, message, limit, cx),
    }
}

fn prepare_send(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<(ObjId, ObjId, Message, Limit), Errno> {
    let limit = limit(call, cx)?;
    // The system call takes an unsigned int.
    let priority = call.int(2) as u32;
    if u64::from(priority) >= PRIORITIES {
        cx.cite(MQ_045);
        return Err(Errno::EINVAL);
    }
    let (file, queue) = queue_of(k, task, call.int(0), cx)?;
    if !k.files.get(file).writable() {
        cx.cite(MQ_032);
        return Err(Errno::EBADF);
    }
    cite_permission(k, task, queue, 2, cx);
    let source = Buffer::of(call.args.get(1));
    if source.count > k.queues.get(queue).size as u64 {
        cx.cite(MQ_046);
        return Err(Errno::EMSGSIZE);
    }
    if source.count == 0 {
        cx.cite(MQ_046);
    }
    if (source.valid.len() as u64) < source.count {
        return Err(Errno::EFAULT);
    }
    let data = source.valid.slice(0, source.count as usize);
    cx.cite(MQ_108);
    Ok((file, queue, Message { priority, data }, limit))
}

/// `mq_receive` and its kin.
pub(crate) fn begin_receive(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Progress {
    match prepare_receive(k, task, call, cx) {
        Err(e) => {
            cx.cite(MQ_107);
            Progress::Done(e.into())
        }
        Ok((file, queue, into, limit)) => k.receive_message(task, file, queue, into, limit, cx),
    }
}

fn prepare_receive(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<(ObjId, ObjId, Into, Limit), Errno> {
    let limit = limit(call, cx)?;
    let (file, queue) = queue_of(k, task, call.int(0), cx)?;
    if !k.files.get(file).readable() {
        cx.cite(MQ_032);
        return Err(Errno::EBADF);
    }
    cite_permission(k, task, queue, 4, cx);
    let room = Room::of(call.args.get(1));
    if room.count < k.queues.get(queue).size as u64 {
        cx.cite(MQ_050);
        return Err(Errno::EMSGSIZE);
    }
    let priority = match (call.sys, call.args.get(2)) {
        (Sys::MqReceiveTo, Some(Value::Memory(m))) if m.fault == Fault::Null => Place::Null,
        (Sys::MqReceiveTo, _) => Place::Bad,
        _ => Place::Good,
    };
    Ok((file, queue, Into { room, priority }, limit))
}

impl Into {
    /// Stores a message that has been taken from the queue; if that fails it is lost.
    fn store(self, message: Message, cx: &mut Cx) -> Value {
        let len = message.data.len() as u64;
        let fits = len == 0 || !self.room.outside && self.room.mapped >= len;
        if self.priority == Place::Bad || !fits {
            cx.cite(MQ_051);
            return Errno::EFAULT.into();
        }
        if self.room.mapped < self.room.count || self.room.outside {
            cx.cite(MQ_051);
        }
        let priority = match self.priority {
            Place::Null => 0,
            _ => i64::from(message.priority),
        };
        Value::List(vec![Value::Data(message.data), Value::Int(priority)])
    }
}

impl Kernel {
    fn send_message(
        &mut self,
        task: TaskId,
        file: ObjId,
        queue: ObjId,
        message: Message,
        limit: Limit,
        cx: &mut Cx,
    ) -> Progress {
        let q = self.queues.get(queue);
        if q.is_full() {
            let what = Waits::Send {
                message: Some(message),
            };
            cx.cite(MQ_048);
            if !q.senders.is_empty() {
                cx.cite(MQ_062);
            }
            return self.wait_at_queue(task, MessageOp { file, queue, what }, limit, cx);
        }
        cx.cite(if limit == Limit::Passed {
            MQ_069
        } else {
            MQ_044
        });
        if self.inodes.get(queue).links == 0 {
            cx.cite(MQ_097);
        }
        if let Some(receiver) = self.next_waiter(queue, |q| &mut q.receivers, cx) {
            cx.cite(MQ_056);
            cx.cite(MQ_057);
            let q = self.queues.get(queue);
            if q.registration.is_some() {
                cx.cite(MQ_080);
            }
            if !q.pollers.waiters().is_empty() {
                cx.cite(MQ_095);
            }
            self.serve(receiver, |what| {
                if let Waits::Receive { got, .. } = what {
                    *got = Some(message);
                }
            });
        } else {
            let q = self.queues.get_mut(queue);
            if q.messages().iter().any(|m| m.priority < message.priority) {
                cx.cite(MQ_054);
            }
            q.insert(message);
            self.queued(task, queue, cx);
        }
        cx.cite(MQ_105);
        self.inodes.get_mut(queue).touch_both([true, true]);
        Progress::Done(Value::ZERO)
    }

    fn receive_message(
        &mut self,
        task: TaskId,
        file: ObjId,
        queue: ObjId,
        into: Into,
        limit: Limit,
        cx: &mut Cx,
    ) -> Progress {
        let Some(message) = self.queues.get_mut(queue).take() else {
            cx.cite(MQ_052);
            if !self.queues.get(queue).receivers.is_empty() {
                cx.cite(MQ_062);
            }
            let what = Waits::Receive { into, got: None };
            return self.wait_at_queue(task, MessageOp { file, queue, what }, limit, cx);
        };
        if limit == Limit::Passed {
            cx.cite(MQ_069);
        }
        let q = self.queues.get(queue);
        cx.cite(if q.is_empty() { MQ_049 } else { MQ_054 });
        if q.messages()
            .first()
            .is_some_and(|m| m.priority == message.priority)
        {
            cx.cite(MQ_055);
        }
        if self.inodes.get(queue).links == 0 {
            cx.cite(MQ_097);
        }
        if let Some(sender) = self.next_waiter(queue, |q| &mut q.senders, cx) {
            cx.cite(MQ_060);
            let mut entering = None;
            self.serve(sender, |what| {
                if let Waits::Send { message } = what {
                    entering = message.take();
                }
            });
            let q = self.queues.get_mut(queue);
            if q.is_empty() && q.registration.is_some() {
                cx.cite(MQ_083);
            }
            if !q.pollers.waiters().is_empty() {
                cx.cite(MQ_095);
            }
            if !q.senders.is_empty() {
                cx.cite(MQ_061);
            }
            if let Some(message) = entering {
                q.insert(message);
            }
        } else {
            self.wake_pollers(queue, cx);
        }
        cx.cite(MQ_105);
        self.inodes.get_mut(queue).touch_both([true, true]);
        Progress::Done(into.store(message, cx))
    }

    /// The one of those who wait that is served next leaves the list: the first, or, where POSIX
    /// leaves it open, any.
    fn next_waiter(
        &mut self,
        queue: ObjId,
        list: impl Fn(&mut Queue) -> &mut Vec<TaskId>,
        cx: &mut Cx,
    ) -> Option<TaskId> {
        let posix = self.config.flavor == Flavor::Posix;
        let waiting = list(self.queues.get_mut(queue));
        if waiting.len() > 1 {
            cx.cite(MQ_058);
        }
        let at = match waiting.len() {
            0 => return None,
            n if posix => cx.choices.choose(n),
            _ => 0,
        };
        Some(waiting.remove(at))
    }

    /// Changes what a sleeper waits for and wakes it, whatever else disturbs its sleep.
    fn serve(&mut self, task: TaskId, change: impl FnOnce(&mut Waits)) {
        if let State::Sleeping {
            op: Op::Message(op),
            woken,
            ..
        } = &mut self.task_mut(task).state
        {
            change(&mut op.what);
            *woken = true;
        }
    }

    /// A message has entered the queue: who is registered is told if it was empty, and whoever polls
    /// looks again.
    fn queued(&mut self, sender: TaskId, queue: ObjId, cx: &mut Cx) {
        let q = self.queues.get_mut(queue);
        if q.messages().len() == 1
            && let Some(told) = q.registration.take()
        {
            cx.cite(MQ_077);
            cx.cite(MQ_079);
            if !q.pollers.waiters().is_empty() {
                cx.cite(MQ_082);
            }
            if self.process(told.process).programs != told.programs {
                cx.cite(MQ_092);
            } else if told.method == super::SIGEV_NONE {
                cx.cite(MQ_086);
            } else if told.signal == 0 {
                cx.cite(MQ_088);
            } else {
                cx.cite(MQ_084);
                let (from, to) = (self.task(sender), self.task(told.process));
                if !from.credentials.privileged() && from.credentials.euid != to.credentials.euid {
                    cx.cite(MQ_085);
                }
                let info = Handled::new(
                    Signal(told.signal),
                    Value::Bits(scenario::Bits::SiCode, SI_MESGQ),
                    Value::Task(self.task(sender).process),
                );
                self.send_to_process(told.process, info, cx);
            }
        } else if q.registration.is_some() {
            cx.cite(MQ_078);
        }
        self.wake_pollers(queue, cx);
    }

    fn wake_pollers(&mut self, queue: ObjId, cx: &mut Cx) {
        if !self.queues.get(queue).pollers.waiters().is_empty() {
            cx.cite(MQ_094);
        }
        self.wake_queue(|k| &mut k.queues.get_mut(queue).pollers, false, 0, cx);
    }

    /// A call that cannot proceed fails, or joins those who wait.
    fn wait_at_queue(
        &mut self,
        task: TaskId,
        op: MessageOp,
        limit: Limit,
        cx: &mut Cx,
    ) -> Progress {
        if self.files.get(op.file).nonblocking() {
            if limit != Limit::None {
                cx.cite(MQ_071);
            }
            return Progress::Done(Errno::EAGAIN.into());
        }
        if limit == Limit::Passed || self.timed_out(task) {
            // A signal that waits comes first.
            if self.signal_pending(task) {
                return Progress::Restart(Restart::UnlessHandler);
            }
            cx.cite(MQ_068);
            return Progress::Done(Errno::ETIMEDOUT.into());
        }
        if let Limit::In(nanoseconds) = limit
            && self.task(task).deadline.is_none()
        {
            // One that starts over keeps its deadline.
            self.set_timeout(task, nanoseconds);
        }
        self.join_queue(task, &op, cx);
        self.hold(op.file);
        Progress::Sleep(Op::Message(op))
    }
}

impl Kernel {
    /// A task takes its place among those who wait: it is compared with what the nice values of those
    /// are by now, from the last to be served on, and stands behind the first that it does not
    /// surpass.
    fn join_queue(&mut self, task: TaskId, op: &MessageOp, cx: &mut Cx) {
        let q = self.queues.get(op.queue);
        let waiting = op.what.list_of(q);
        let own = self.task(task).nice;
        let yields_to = |other: &TaskId| self.task(*other).nice <= own;
        let at = waiting.iter().rposition(yields_to).map_or(0, |at| at + 1);
        if at < waiting.len() {
            cx.cite(MQ_058);
        }
        if waiting.iter().any(|other| self.task(*other).nice != own) {
            cx.cite(MQ_059);
        }
        let q = self.queues.get_mut(op.queue);
        match op.what {
            Waits::Receive { .. } => q.receivers.insert(at, task),
            Waits::Send { .. } => q.senders.insert(at, task),
        }
    }

    /// Whoever waits at a queue keeps its place there when its nice value changes.
    pub(crate) fn cite_place_kept(&self, task: TaskId, cx: &mut Cx) {
        if let State::Sleeping {
            op: Op::Message(_), ..
        } = self.task(task).state
        {
            cx.cite(MQ_059);
        }
    }
}

impl Waits {
    /// Those who wait for the same, in the order in which they are served.
    fn list_of<'q>(&self, queue: &'q Queue) -> &'q [TaskId] {
        match self {
            Waits::Receive { .. } => &queue.receivers,
            Waits::Send { .. } => &queue.senders,
        }
    }
}

impl MessageOp {
    /// The queue it waits at.
    pub(crate) fn queue(&self) -> ObjId {
        self.queue
    }

    fn leave(&self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        let q = k.queues.get_mut(self.queue);
        q.receivers.retain(|t| *t != task);
        q.senders.retain(|t| *t != task);
        if k.files.get(self.file).descriptors == 0 {
            cx.cite(MQ_037);
        }
        k.unhold(self.file, cx);
    }

    /// It was served, its time is over, or a signal disturbs it.
    pub(crate) fn advance(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        let served = match &mut self.what {
            Waits::Receive { into, got } => got.take().map(|m| into.store(m, cx)),
            Waits::Send { message: None } => Some(Value::ZERO),
            Waits::Send { .. } => None,
        };
        if let Some(value) = served {
            cx.cite(MQ_053);
            cx.cite(MQ_067);
            if k.signal_pending(task) || k.timed_out(task) {
                cx.cite(MQ_066);
            }
            if k.kill_pending(task) {
                cx.cite(match self.what {
                    Waits::Receive { .. } => MQ_065,
                    Waits::Send { .. } => MQ_111,
                });
            }
            self.leave(k, task, cx);
            return Progress::Done(value);
        }
        if k.signal_pending(task) {
            cx.cite(MQ_063);
            cx.cite(MQ_109);
            self.leave(k, task, cx);
            return Progress::Restart(Restart::UnlessHandler);
        }
        if k.timed_out(task) {
            cx.cite(MQ_063);
            cx.cite(MQ_068);
            self.leave(k, task, cx);
            return Progress::Done(Errno::ETIMEDOUT.into());
        }
        // Woken for nothing: it keeps its place.
        Progress::Sleep(Op::Message(self))
    }

    /// Its task has ended: what it was handed is lost, what was taken from it stays.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        cx.cite(match &self.what {
            Waits::Receive { got: Some(_), .. } => MQ_065,
            Waits::Send { message: None } => MQ_111,
            _ => MQ_063,
        });
        self.leave(k, task, cx);
    }
}
