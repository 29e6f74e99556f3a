//! `msgsnd` and `msgrcv` as steps of the kernel.
//!
//! A message that finds a sleeping receiver is handed to it and never enters the queue; a sender
//! that finds no room sleeps, and tries again when it was woken:
//!
//! ```text
//! receiver   msgrcv: nothing, sleeps ────────────── woken, with the message in its hands
//! sender             msgsnd "a": handed over
//!
//! sender     msgsnd "b": no room, sleeps ─ woken ─ fits? then it goes in, else it sleeps again
//! receiver             msgrcv "a": room ─┘
//! ```
//!
//! A call finds its queue first and locks it afterwards. A removal that comes in between makes it fail
//! as if it had slept (MSG-081); so where another task may remove queues these are two steps.

use super::queue::{Message, Queue, Receiver, Selection, Sender};
use super::{READ, WRITE, lookup};
use crate::clause::*;
use crate::kernel::{Clauses, Cx, Flavor, Invocation, Kernel, Op, Progress, Restart, State};
use crate::pipe::{Buffer, Room};
use scenario::{Errno, Fault, Sysctl, TaskId, Value, constants::*};

/// A send that waits for room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SendOp {
    slot: u16,
    message: Message,
    /// It fails instead of waiting.
    nowait: bool,
    /// It has found the queue, and has yet to lock it.
    found: bool,
    /// The queue was removed: it fails with this.
    removed: Option<Errno>,
}

/// A receive that waits for a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiveOp {
    slot: u16,
    selection: Selection,
    flags: u64,
    target: Target,
    /// It has found the queue, and has yet to lock it.
    found: bool,
    /// What it was given while it slept: a message, or an error.
    got: Option<Result<Message, Errno>>,
}

/// Where a receiver wants the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Target {
    /// Bytes that the text may take.
    size: u64,
    /// Bytes that a copy can have: room for them was set aside when the call was entered.
    copied: u64,
    /// Bytes that are there for it; none if there is not even memory for the type.
    mapped: Option<u64>,
}

/// Whether a buffer is bad from its first byte, where the type stands.
fn is_bad(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Memory(m)) if m.fault != Fault::Unmapped)
}

/// `msgsnd`.
pub(crate) fn begin_send(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Progress {
    send(k, task, call, cx).unwrap_or_else(|e| Progress::Done(e.into()))
}

fn send(k: &mut Kernel, task: TaskId, call: &Invocation, cx: &mut Cx) -> Result<Progress, Errno> {
    let (id, kind) = (call.int(0) as i32, call.int(1));
    let buffer = Buffer::of(call.args.get(2));
    let nowait = call.bits(3) & IPC_NOWAIT != 0;
    if is_bad(call.args.get(2)) {
        cx.cite(MSG_026);
        return Err(Errno::EFAULT);
    }
    if id < 0 {
        cx.cite(MSG_009);
        return Err(Errno::EINVAL);
    }
    if !k.limits.is_stock(Sysctl::MsgMax) {
        cx.cite(MSG_033);
    }
    if kind < 1 || buffer.count > k.limits.most(Sysctl::MsgMax) {
        cx.cite(MSG_025);
        return Err(Errno::EINVAL);
    }
    if (buffer.valid.len() as u64) < buffer.count {
        cx.cite(MSG_026);
        return Err(Errno::EFAULT);
    }
    let slot = lookup(k, id, cx)?;
    let text = buffer.valid;
    if text.is_empty() {
        cx.cite(MSG_025);
    }
    let op = SendOp {
        slot,
        message: Message { kind, text },
        nowait,
        found: k.task(task).meets_removal,
        removed: None,
    };
    match op.found {
        true => Ok(Progress::Sleep(Op::MsgSend(op))),
        false => op.run(k, task, cx),
    }
}

impl SendOp {
    /// Whether it does not sleep, but lets others in before it locks the queue.
    pub(crate) fn goes_on(&self) -> bool {
        self.found
    }

    fn run(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Result<Progress, Errno> {
        let who = k.task(task).credentials;
        let queue = k.message_queues.get(self.slot);
        if !queue.permits(who, WRITE, &mut cx.clauses) {
            cx.cite(MSG_014);
            return Err(Errno::EACCES);
        }
        let len = self.message.len();
        if !queue.fits(len) {
            cx.cite(MSG_027);
            if len > queue.limit {
                cx.cite(MSG_031);
            }
            if queue.bytes > queue.limit || queue.limit == 0 {
                cx.cite(MSG_021);
            }
            if len == 0 && queue.bytes <= queue.limit {
                cx.cite(MSG_028);
            }
            let accepts = |r: &Receiver| r.selection.accepts(self.message.kind);
            if queue.receivers.iter().any(accepts) {
                cx.cite(MSG_032);
            }
            cx.cite(MSG_030);
            if self.nowait {
                return Err(Errno::EAGAIN);
            }
            let queue = k.message_queues.make_mut().get_mut(self.slot);
            queue.senders.push(Sender { task, len });
            cx.cite(MSG_074);
            return Ok(Progress::Sleep(Op::MsgSend(self)));
        }
        if len == 0 && queue.bytes == queue.limit {
            cx.cite(MSG_028);
        }
        if queue.senders.iter().any(|s| s.task != task) {
            cx.cite(MSG_066);
            if queue.senders.iter().any(|s| s.len > len) {
                cx.cite(MSG_065);
            }
        }
        let process = k.task(task).process;
        k.message_queues.make_mut().get_mut(self.slot).last_sender = Some(process);
        if let Some(message) = hand_over(k, self.slot, self.message, cx) {
            cx.cite(MSG_029);
            k.message_queues.make_mut().get_mut(self.slot).push(message);
        }
        Ok(Progress::Done(Value::ZERO))
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        if let Some(e) = self.removed {
            cx.cite(if self.found { MSG_081 } else { MSG_022 });
            return Progress::Done(e.into());
        }
        if self.found {
            self.found = false;
            let progress = self.run(k, task, cx);
            return progress.unwrap_or_else(|e| Progress::Done(e.into()));
        }
        self.leave(k, task);
        if k.signal_pending(task) {
            cx.cite(MSG_069);
            return Progress::Restart(Restart::NoHandler);
        }
        let (slot, len) = (self.slot, self.message.len());
        let progress = self.run(k, task, cx);
        match &progress {
            Err(Errno::EACCES) => {
                cx.cite(MSG_068);
                cx.cite(MSG_069);
            }
            Ok(Progress::Sleep(_)) => cx.cite(MSG_063),
            _ => {
                let others = &k.message_queues.get(slot).senders;
                if others.iter().any(|s| s.len <= len) {
                    cx.cite(MSG_064);
                }
            }
        }
        progress.unwrap_or_else(|e| Progress::Done(e.into()))
    }

    fn leave(&self, k: &mut Kernel, task: TaskId) {
        let queue = k.message_queues.make_mut().get_mut(self.slot);
        queue.senders.retain(|s| s.task != task);
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        if self.removed.is_none() && !self.found {
            cx.cite(MSG_069);
            self.leave(k, task);
        }
    }
}

/// Several that wait have different nice values, which are not looked at.
fn cite_unequal(k: &Kernel, mut waiting: impl Iterator<Item = TaskId>, cx: &mut Cx) {
    let nice = |task: TaskId| k.task(task).nice;
    if let Some(first) = waiting.next()
        && waiting.any(|other| nice(other) != nice(first))
    {
        cx.cite(MSG_051);
    }
}

/// Offers a message to the receivers that sleep; gives it back if none takes it.
fn hand_over(k: &mut Kernel, slot: u16, message: Message, cx: &mut Cx) -> Option<Message> {
    let waiting = k.message_queues.get(slot).receivers.clone();
    let accepts = |r: &Receiver| r.selection.accepts(message.kind);
    if waiting.iter().any(|r| !accepts(r)) {
        cx.cite(MSG_052);
    }
    let mut matching: Vec<Receiver> = waiting.into_iter().filter(accepts).collect();
    cite_unequal(k, matching.iter().map(|r| r.task), cx);
    if matching.len() > 1 && k.config.flavor == Flavor::Posix {
        // POSIX leaves open which of them it is.
        let first = cx.choices.choose(matching.len());
        matching.swap(0, first);
    }
    for receiver in matching {
        let queue = k.message_queues.make_mut().get_mut(slot);
        queue.receivers.retain(|r| r.task != receiver.task);
        if receiver.most.is_some_and(|most| message.len() > most) {
            cx.cite(MSG_054);
            give(k, receiver.task, Err(Errno::E2BIG));
            continue;
        }
        cx.cite(MSG_050);
        if matches!(receiver.selection, Selection::AtMost(_)) {
            cx.cite(MSG_053);
        }
        // The thread here, the process where a message is taken from the queue.
        cx.cite(MSG_056);
        queue.last_receiver = Some(receiver.task);
        give(k, receiver.task, Ok(message));
        return None;
    }
    Some(message)
}

/// Puts into a sleeping receiver's hands what it gets, and wakes it.
pub(super) fn give(k: &mut Kernel, task: TaskId, what: Result<Message, Errno>) {
    if let State::Sleeping {
        op: Op::MsgReceive(op),
        ..
    } = &mut k.task_mut(task).state
    {
        op.got = Some(what);
    }
    k.wake_task(task);
}

/// Tells a sleeping sender that its queue is gone, and wakes it.
pub(super) fn dismiss(k: &mut Kernel, task: TaskId) {
    if let State::Sleeping {
        op: Op::MsgSend(op),
        ..
    } = &mut k.task_mut(task).state
    {
        op.removed = Some(Errno::EIDRM);
    }
    k.wake_task(task);
}

/// Tells those who have found the queue, and have yet to lock it, that it is gone. They look at its
/// permissions first.
pub(super) fn warn(k: &mut Kernel, slot: u16, queue: &Queue) {
    for task in (0..k.tasks.len()).map(|t| TaskId(t as u16)) {
        let who = k.task(task).credentials;
        let error = |want| match queue.permits(who, want, &mut Clauses::default()) {
            true => Errno::EIDRM,
            false => Errno::EACCES,
        };
        let State::Sleeping { op, .. } = &mut k.task_mut(task).state else {
            continue;
        };
        match op {
            Op::MsgSend(op) if op.found && op.slot == slot => {
                op.removed.get_or_insert(error(WRITE));
            }
            Op::MsgReceive(op) if op.found && op.slot == slot => {
                op.got.get_or_insert(Err(error(READ)));
            }
            Op::MsgStat(op) if op.slot == slot => {
                op.removed.get_or_insert(error(READ));
            }
            _ => {}
        }
    }
}

/// There is room: wakes each sleeping sender whose message would fit, by itself, into it. Those
/// that do not fit are moved behind the rest.
pub(super) fn wake_senders(k: &mut Kernel, slot: u16, cx: &mut Cx) {
    let queue = k.message_queues.get(slot);
    if queue.senders.is_empty() {
        return;
    }
    cx.cite(MSG_062);
    let (fit, wait): (Vec<Sender>, Vec<Sender>) =
        queue.senders.iter().partition(|s| queue.fits(s.len));
    if !fit.is_empty() && !wait.is_empty() {
        cx.cite(MSG_065);
    }
    cite_unequal(k, fit.iter().map(|s| s.task), cx);
    let order = fit.iter().chain(&wait).copied().collect();
    k.message_queues.make_mut().get_mut(slot).senders = order;
    for sender in fit {
        k.wake_task(sender.task);
    }
}

/// `msgrcv`.
pub(crate) fn begin_receive(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Progress {
    receive(k, task, call, cx).unwrap_or_else(|e| Progress::Done(e.into()))
}

fn receive(
    k: &mut Kernel,
    task: TaskId,
    call: &Invocation,
    cx: &mut Cx,
) -> Result<Progress, Errno> {
    let (id, flags) = (call.int(0) as i32, call.bits(3));
    let room = Room::of(call.args.get(1));
    let longest = k.limits.most(Sysctl::MsgMax);
    let target = Target {
        size: room.count,
        copied: room.count.min(longest),
        mapped: (!is_bad(call.args.get(1))).then_some(room.mapped),
    };
    if id < 0 {
        cx.cite(MSG_009);
        return Err(Errno::EINVAL);
    }
    if room.count > i64::MAX as u64 {
        cx.cite(MSG_042);
        return Err(Errno::EINVAL);
    }
    if room.count > longest {
        cx.cite(MSG_042);
    }
    if flags & MSG_COPY != 0 {
        if flags & IPC_NOWAIT == 0 || flags & MSG_EXCEPT != 0 {
            cx.cite(MSG_046);
            return Err(Errno::EINVAL);
        }
        // It reads as much as a message may have, from where the type is to stand.
        let read = target.copied;
        if read > 0 && target.mapped.is_none_or(|n| n.saturating_add(8) < read) {
            cx.cite(MSG_048);
            return Err(Errno::EFAULT);
        }
    }
    let op = ReceiveOp {
        slot: lookup(k, id, cx)?,
        selection: Selection::new(call.int(2), flags, &mut cx.clauses),
        flags,
        target,
        found: k.task(task).meets_removal,
        got: None,
    };
    match op.found {
        true => Ok(Progress::Sleep(Op::MsgReceive(op))),
        false => op.run(k, task, cx),
    }
}

impl ReceiveOp {
    /// Whether it does not sleep, but lets others in before it locks the queue.
    pub(crate) fn goes_on(&self) -> bool {
        self.found
    }

    fn run(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Result<Progress, Errno> {
        let who = k.task(task).credentials;
        let queue = k.message_queues.get(self.slot);
        if !queue.permits(who, READ, &mut cx.clauses) {
            cx.cite(MSG_014);
            return Err(Errno::EACCES);
        }
        let copies = self.flags & MSG_COPY != 0;
        let cuts = self.flags & MSG_NOERROR != 0;
        let Some(at) = self.selection.find(&queue.messages) else {
            cx.cite(if copies { MSG_045 } else { MSG_038 });
            if self.flags & IPC_NOWAIT != 0 {
                return Err(Errno::ENOMSG);
            }
            let receiver = Receiver {
                task,
                selection: self.selection,
                most: (!cuts).then_some(self.target.size),
            };
            let queue = k.message_queues.make_mut().get_mut(self.slot);
            queue.receivers.push(receiver);
            cx.cite(MSG_074);
            return Ok(Progress::Sleep(Op::MsgReceive(self)));
        };
        let message = &queue.messages[at];
        if message.len() > self.target.size {
            if copies {
                cx.cite(MSG_047);
                return Err(if cuts { Errno::EINVAL } else { Errno::E2BIG });
            }
            if !cuts {
                cx.cite(MSG_039);
                return Err(Errno::E2BIG);
            }
        }
        if copies {
            if message.len() > self.target.copied {
                cx.cite(MSG_084);
                return Err(Errno::EINVAL);
            }
            cx.cite(MSG_044);
            let message = message.clone();
            return Ok(Progress::Done(self.store(message, cx)));
        }
        cx.cite(MSG_041);
        if let Some(sender) = queue.last_sender
            && k.process(sender).ended.is_some()
        {
            cx.cite(MSG_011);
        }
        let process = k.task(task).process;
        let queue = k.message_queues.make_mut().get_mut(self.slot);
        let message = queue.take(at);
        queue.last_receiver = Some(process);
        if process != task {
            cx.cite(MSG_056);
        }
        wake_senders(k, self.slot, cx);
        Ok(Progress::Done(self.store(message, cx)))
    }

    /// Stores a message that is no longer in the queue.
    fn store(&self, message: Message, cx: &mut Cx) -> Value {
        let len = message.len().min(self.target.size);
        if self.target.mapped.is_none_or(|mapped| mapped < len) {
            cx.cite(MSG_043);
            cx.cite(MSG_076);
            return Errno::EFAULT.into();
        }
        if len == message.len() {
            cx.cite(MSG_073);
        } else {
            cx.cite(MSG_040);
            if self.got.is_some() {
                cx.cite(MSG_055);
            }
        }
        let text = message.text.slice(0, len as usize);
        Value::List(vec![Value::Int(message.kind), Value::Data(text)])
    }

    /// It was woken, or a signal disturbs it.
    pub(crate) fn advance(mut self, k: &mut Kernel, task: TaskId, cx: &mut Cx) -> Progress {
        match self.got.clone() {
            Some(Ok(message)) => {
                if k.kill_pending(task) {
                    cx.cite(MSG_060);
                } else if k.signal_pending(task) {
                    cx.cite(MSG_072);
                }
                return Progress::Done(self.store(message, cx));
            }
            Some(Err(e)) => {
                cx.cite(match e {
                    _ if self.found => MSG_081,
                    Errno::EIDRM => MSG_022,
                    _ => MSG_054,
                });
                return Progress::Done(e.into());
            }
            None => {}
        }
        if self.found {
            self.found = false;
            let progress = self.run(k, task, cx);
            return progress.unwrap_or_else(|e| Progress::Done(e.into()));
        }
        self.leave(k, task);
        if k.signal_pending(task) {
            // What is sent from now on is not for it.
            cx.cite(match k.kill_pending(task) {
                true => MSG_061,
                false => MSG_072,
            });
            return Progress::Restart(Restart::NoHandler);
        }
        // Woken with nothing in its hands: permissions have changed.
        cx.cite(MSG_057);
        self.got = None;
        let progress = self.run(k, task, cx);
        if matches!(progress, Ok(Progress::Sleep(_))) {
            cx.cite(MSG_058);
        }
        progress.unwrap_or_else(|e| Progress::Done(e.into()))
    }

    fn leave(&self, k: &mut Kernel, task: TaskId) {
        let queue = k.message_queues.make_mut().get_mut(self.slot);
        queue.receivers.retain(|r| r.task != task);
    }

    /// Its task has ended.
    pub(crate) fn abandon(self, k: &mut Kernel, task: TaskId, cx: &mut Cx) {
        match self.got {
            Some(Ok(_)) => cx.cite(MSG_060),
            Some(Err(_)) => {}
            None if self.found => {}
            None => {
                cx.cite(MSG_061);
                self.leave(k, task);
            }
        }
    }
}
