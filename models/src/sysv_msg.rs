//! System V message queues as Linux has them: a table of ids that is read without a queue's lock, a
//! lock around each queue, and messages that are handed over.
//!
//! What is in a queue is the pure kernel's ([`sim::sysv_msg::Queue`]). A receiver that sleeps is handed
//! its message, or the news that the queue is gone, as with POSIX queues
//! ([`handoff`](crate::handoff)). A sender that sleeps is only woken: it takes the lock again and looks
//! for itself whether its message fits now, and whether the queue still is.
//!
//! ```text
//! sender     find  lock  no room  in the list  unlock  sleep ······················ lock  gone: EIDRM
//! remover                                 find  lock  all told  out of the table  unlock  wake
//! latecomer       find ·································································· lock  gone: EIDRM
//! ```

use crate::handoff::{Frame, WakeLater};
use crate::posix_mq::served;
use crate::protocol::{Fault, Left, World};
use crate::runtime::Runtime;
use scenario::{Errno, TaskId};
use sim::kernel::{Clauses, Credentials, Restart};
use sim::sysv_msg::{Message, Selection};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Permission to receive.
const READ: u32 = 4;
/// Permission to send.
const WRITE: u32 = 2;

/// The queues of a namespace.
pub(crate) struct Queues<R: Runtime> {
    /// By id. On Linux it is read under RCU.
    table: R::Mutex<BTreeMap<i32, Arc<Queue<R>>>>,
    /// Whoever changes or removes a queue holds it (`rwsem`).
    control: R::Mutex<()>,
}

/// A message queue.
pub(crate) struct Queue<R: Runtime>(R::Mutex<Inner<R>>);

/// What the lock holds.
struct Inner<R: Runtime> {
    queue: sim::sysv_msg::Queue,
    removed: bool,
    receivers: Vec<Receiver<R>>,
    /// With the bytes of their messages.
    senders: Vec<(TaskId, u64)>,
}

/// What a receiver wants, and how.
#[derive(Clone, Copy)]
pub(crate) struct Wants {
    pub selection: Selection,
    /// The longest text it takes; none if it takes any (`MSG_NOERROR`).
    pub most: Option<u64>,
    /// It does not wait.
    pub nowait: bool,
}

/// A receiver that sleeps.
struct Receiver<R: Runtime> {
    frame: Arc<Frame<R, Result<Message, Errno>>>,
    wants: Wants,
}

/// The end of a call.
type Returns<T> = Result<Result<T, Errno>, Left>;

impl<R: Runtime> Queues<R> {
    pub fn new(queues: impl Iterator<Item = (i32, sim::sysv_msg::Queue)>) -> Queues<R> {
        let queue = |queue| {
            Arc::new(Queue(R::mutex(Inner {
                queue,
                removed: false,
                receivers: Vec::new(),
                senders: Vec::new(),
            })))
        };
        Queues {
            table: R::mutex(queues.map(|(id, q)| (id, queue(q))).collect()),
            control: R::mutex(()),
        }
    }

    /// The queue with that id. It is not locked.
    pub fn find(&self, id: i32) -> Option<Arc<Queue<R>>> {
        R::lock(&self.table).get(&id).cloned()
    }

    /// `IPC_RMID`.
    pub fn remove(&self, world: &World<R>, who: Credentials, id: i32) -> Result<(), Errno> {
        self.control(world, who, id, |inner, later| {
            for receiver in std::mem::take(&mut inner.receivers) {
                receiver.frame.give(world, Err(Errno::EIDRM), later);
            }
            if world.fault != Some(Fault::RemovalForgetsSenders) {
                for (task, _) in std::mem::take(&mut inner.senders) {
                    later.add(task);
                }
            }
            R::lock(&self.table).remove(&id);
            inner.removed = true;
        })
    }

    /// `IPC_SET`.
    pub fn set(
        &self,
        world: &World<R>,
        who: Credentials,
        id: i32,
        change: impl FnOnce(&mut sim::sysv_msg::Queue),
    ) -> Result<(), Errno> {
        self.control(world, who, id, |inner, later| {
            change(&mut inner.queue);
            // Receivers look at the permissions again, with nothing in their frames.
            for receiver in &inner.receivers {
                later.add(receiver.frame.task());
            }
            inner.wake_senders(world, later);
        })
    }

    /// Does something to a queue that only its owner may, while nobody else changes or removes one.
    fn control(
        &self,
        world: &World<R>,
        who: Credentials,
        id: i32,
        act: impl FnOnce(&mut Inner<R>, &mut WakeLater),
    ) -> Result<(), Errno> {
        let control = R::lock(&self.control);
        let queue = self.find(id).ok_or(Errno::EINVAL)?;
        let mut later = WakeLater::default();
        let mut inner = R::lock(&queue.0);
        if !inner.queue.controls(who, &mut Clauses::default()) {
            return Err(Errno::EPERM);
        }
        act(&mut inner, &mut later);
        drop(inner);
        later.wake(world);
        drop(control);
        Ok(())
    }
}

impl<R: Runtime> Inner<R> {
    /// `ss_wakeup`: there is room for those whose messages fit, each by itself; the others go behind.
    fn wake_senders(&mut self, world: &World<R>, later: &mut WakeLater) {
        let senders = std::mem::take(&mut self.senders);
        let (fit, wait): (Vec<_>, Vec<_>) = senders
            .into_iter()
            .partition(|(_, len)| self.queue.fits(*len));
        let count = match world.fault {
            Some(Fault::RoomForOneSender) => 1,
            _ => fit.len(),
        };
        for (task, _) in fit.iter().take(count) {
            later.add(*task);
        }
        self.senders = fit.into_iter().chain(wait).collect();
    }

    /// `pipelined_send`: offers a message to those that sleep; gives it back if nobody takes it.
    fn offer(
        &mut self,
        world: &World<R>,
        message: Message,
        later: &mut WakeLater,
    ) -> Option<Message> {
        let mut at = 0;
        while let Some(Receiver { wants, .. }) = self.receivers.get(at) {
            if !wants.selection.accepts(message.kind) {
                at += 1;
                continue;
            }
            let too_long = wants.most.is_some_and(|most| message.len() > most);
            let receiver = self.receivers.remove(at);
            if !too_long {
                receiver.frame.give(world, Ok(message), later);
                return None;
            }
            receiver.frame.give(world, Err(Errno::E2BIG), later);
            if world.fault == Some(Fault::OfferEndsAtTooLong) {
                break;
            }
        }
        Some(message)
    }
}

impl<R: Runtime> Queue<R> {
    /// `do_msgsnd`, once the queue is found.
    pub fn send(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        who: Credentials,
        message: Message,
        nowait: bool,
    ) -> Returns<()> {
        let len = message.len();
        let mut inner = R::lock(&self.0);
        loop {
            if !inner.queue.permits(who, WRITE, &mut Clauses::default()) {
                return Ok(Err(Errno::EACCES));
            }
            if inner.removed {
                return Ok(Err(Errno::EIDRM));
            }
            if inner.queue.fits(len) {
                break;
            }
            if nowait {
                return Ok(Err(Errno::EAGAIN));
            }
            inner.senders.push((task, len));
            let queue = self.clone();
            world.waits(task, move || {
                let inner = R::lock(&queue.0);
                inner.removed || inner.queue.fits(len)
            });
            world.unlock_and_sleep(task, inner)?;
            inner = R::lock(&self.0);
            if inner.removed && world.fault != Some(Fault::RemovalUnseen) {
                return Ok(Err(Errno::EIDRM));
            }
            inner.senders.retain(|(sender, _)| *sender != task);
            if world.signal_pending(task) {
                return Err(Left::Disturbed(Restart::NoHandler));
            }
            if inner.removed {
                // The memory of the queue is somebody else's by now.
                world.breaks(task, "it goes on with a queue that is gone");
                return Ok(Ok(()));
            }
        }
        let mut later = WakeLater::default();
        if let Some(message) = inner.offer(world, message, &mut later) {
            inner.queue.push(message);
        }
        drop(inner);
        later.wake(world);
        Ok(Ok(()))
    }

    /// `do_msgrcv`, once the queue is found.
    pub fn receive(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        who: Credentials,
        wants: Wants,
    ) -> Returns<Message> {
        loop {
            let mut inner = R::lock(&self.0);
            if !inner.queue.permits(who, READ, &mut Clauses::default()) {
                return Ok(Err(Errno::EACCES));
            }
            if inner.removed {
                return Ok(Err(Errno::EIDRM));
            }
            if let Some(at) = wants.selection.find(&inner.queue.messages) {
                let message = &inner.queue.messages[at];
                if wants.most.is_some_and(|most| message.len() > most) {
                    return Ok(Err(Errno::E2BIG));
                }
                let mut later = WakeLater::default();
                let message = inner.queue.take(at);
                inner.wake_senders(world, &mut later);
                drop(inner);
                later.wake(world);
                return Ok(Ok(message));
            }
            if wants.nowait {
                return Ok(Err(Errno::ENOMSG));
            }
            let frame = Frame::new(task);
            inner.receivers.push(Receiver {
                frame: frame.clone(),
                wants,
            });
            let (queue, own) = (self.clone(), frame.clone());
            world.waits(task, move || {
                let inner = R::lock(&queue.0);
                let found = wants.selection.find(&inner.queue.messages);
                own.is_ready() || inner.removed || found.is_some()
            });
            world.unlock_and_sleep(task, inner)?;
            // It does without the lock if it can.
            if frame.is_ready() {
                return served(world, &frame).map(|r| r.and_then(|r| r));
            }
            let mut inner = R::lock(&self.0);
            if world.fault != Some(Fault::LeavesWithoutALook) && frame.is_ready() {
                drop(inner);
                return served(world, &frame).map(|r| r.and_then(|r| r));
            }
            inner.receivers.retain(|r| r.frame.task() != task);
            if world.signal_pending(task) {
                return Err(Left::Disturbed(Restart::NoHandler));
            }
        }
    }
}
