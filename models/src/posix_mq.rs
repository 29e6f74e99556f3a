//! POSIX message queues as Linux has them: a lock around the messages and the two lists of sleepers,
//! and messages that are handed over.
//!
//! What is in a queue is the pure kernel's ([`sim::posix_mq::Queue`]). A sender that finds a sleeping
//! receiver gives it the message, and a receiver that makes room in a full queue puts the message of a
//! sleeping sender in, each before it unlocks; so nobody comes between, and who was served has
//! succeeded, whatever signal comes before it runs ([`handoff`](crate::handoff)):
//!
//! ```text
//! sender 1   lock  full  frame in the list  unlock  sleep ································ ready? 0
//! receiver                          lock  takes "a"  "b" of sender 1 in  ready  unlock  wake
//! sender 2                                           lock  full: sleeps as well
//! ```

use crate::handoff::{Frame, WakeLater};
use crate::protocol::{Fault, Left, World};
use crate::runtime::Runtime;
use scenario::{Errno, TaskId};
use sim::kernel::Restart;
use sim::posix_mq::Message;
use std::sync::Arc;

/// A message queue.
pub(crate) struct Queue<R: Runtime>(R::Mutex<Inner<R>>);

/// What the lock holds.
struct Inner<R: Runtime> {
    queue: sim::posix_mq::Queue,
    receivers: Vec<Arc<Frame<R, Message>>>,
    senders: Vec<Sender<R>>,
}

/// A sender that sleeps. It is given nothing but the news that its message is in.
struct Sender<R: Runtime> {
    frame: Arc<Frame<R, ()>>,
    message: Message,
}

/// The end of a call.
type Returns<T> = Result<Result<T, Errno>, Left>;

impl<R: Runtime> Queue<R> {
    pub fn new(queue: sim::posix_mq::Queue) -> Queue<R> {
        Queue(R::mutex(Inner {
            queue,
            receivers: Vec::new(),
            senders: Vec::new(),
        }))
    }

    /// The most bytes of a message, which never changes.
    pub fn size(&self) -> usize {
        R::lock(&self.0).queue.size
    }

    /// `do_mq_timedsend`, without a time.
    pub fn send(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        message: Message,
        nonblocking: bool,
    ) -> Returns<()> {
        let mut later = WakeLater::default();
        let mut inner = R::lock(&self.0);
        if inner.queue.is_full() {
            if nonblocking {
                return Ok(Err(Errno::EAGAIN));
            }
            let frame = Frame::new(task);
            let sender = Sender {
                frame: frame.clone(),
                message,
            };
            inner.senders.push(sender);
            return self.sleep(world, inner, &frame, |queue| !queue.is_full());
        }
        if inner.receivers.is_empty() {
            inner.queue.insert(message);
        } else {
            inner.receivers.remove(0).give(world, message, &mut later);
        }
        drop(inner);
        later.wake(world);
        Ok(Ok(()))
    }

    /// `do_mq_timedreceive`, without a time.
    pub fn receive(
        self: &Arc<Self>,
        world: &World<R>,
        task: TaskId,
        nonblocking: bool,
    ) -> Returns<Message> {
        let mut later = WakeLater::default();
        let mut inner = R::lock(&self.0);
        let Some(message) = inner.queue.take() else {
            if nonblocking {
                return Ok(Err(Errno::EAGAIN));
            }
            let frame = Frame::new(task);
            inner.receivers.push(frame.clone());
            return self.sleep(world, inner, &frame, |queue| !queue.is_empty());
        };
        if !inner.senders.is_empty() && world.fault != Some(Fault::SenderLeftOutside) {
            let sender = inner.senders.remove(0);
            inner.queue.insert(sender.message);
            sender.frame.give(world, (), &mut later);
        }
        drop(inner);
        later.wake(world);
        Ok(Ok(message))
    }

    /// `wq_sleep`: sleeps until it is served. The lock is held when it begins. `there` tells of a queue
    /// whether it has what the task sleeps for.
    fn sleep<'a, T: Clone + Send + 'static>(
        self: &'a Arc<Self>,
        world: &World<R>,
        mut inner: R::Guard<'a, Inner<R>>,
        frame: &Arc<Frame<R, T>>,
        there: fn(&sim::posix_mq::Queue) -> bool,
    ) -> Returns<T> {
        let task = frame.task();
        loop {
            let (queue, own) = (self.clone(), frame.clone());
            world.waits(task, move || {
                let inner = R::lock(&queue.0);
                own.is_ready() || there(&inner.queue)
            });
            world.unlock_and_sleep(task, inner)?;
            if frame.is_ready() {
                return served(world, frame);
            }
            inner = R::lock(&self.0);
            if world.fault != Some(Fault::LeavesWithoutALook) && frame.is_ready() {
                drop(inner);
                return served(world, frame);
            }
            if world.signal_pending(task) {
                inner.receivers.retain(|f| f.task() != task);
                inner.senders.retain(|s| s.frame.task() != task);
                return Err(Left::Disturbed(Restart::UnlessHandler));
            }
        }
    }
}

/// What a sleeper was given.
pub(crate) fn served<R: Runtime, T: Clone>(world: &World<R>, frame: &Frame<R, T>) -> Returns<T> {
    Ok(frame.take(world).ok_or(Errno::EFAULT))
}
