//! A queue as a plain structure: what it holds, in which order, who waits, who is to be told.

use crate::kernel::WaitQueue;
use scenario::{Data, TaskId};

/// The most messages of a queue made without attributes, and the most that may be asked for
/// (`msg_default`, `msg_max`), in a fresh namespace.
pub const MESSAGES: i32 = 10;
/// The same of the bytes of a message (`msgsize_default`, `msgsize_max`).
pub const SIZE: i32 = 8192;
/// So many queues may exist (`queues_max`), likewise.
pub const QUEUES: i32 = 256;
/// Priorities are below this.
pub const PRIORITIES: u64 = 32768;
/// What a user's queues may be charged in sum (soft `RLIMIT_MSGQUEUE`).
pub const CHARGE_LIMIT: u64 = 819_200;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Its priority; the greatest comes first.
    pub priority: u32,
    /// Its bytes.
    pub data: Data,
}

/// Who is told when a message enters the empty queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration {
    /// The process.
    pub process: TaskId,
    /// How many programs it had executed by then: a later one is not told.
    pub programs: u16,
    /// The method: `SIGEV_SIGNAL` 0, `SIGEV_NONE` 1.
    pub method: u8,
    /// The signal (0: none).
    pub signal: u8,
}

/// A message queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    /// The most messages it holds.
    pub most: usize,
    /// The most bytes of a message.
    pub size: usize,
    /// What it holds, in the order of delivery.
    messages: Vec<Message>,
    /// Those that wait for a message, in the order in which they are served.
    pub receivers: Vec<TaskId>,
    /// Those that wait for a place.
    pub senders: Vec<TaskId>,
    /// Sleeping pollers.
    pub pollers: WaitQueue,
    /// Who is to be told.
    pub registration: Option<Registration>,
    /// The real user id that is charged for it.
    pub user: u32,
    /// What `ftruncate` made of the size that `fstat` shows.
    pub shown_size: i64,
}

impl Queue {
    /// An empty queue.
    pub fn new(most: usize, size: usize, user: u32) -> Queue {
        Queue {
            most,
            size,
            messages: Vec::new(),
            receivers: Vec::new(),
            senders: Vec::new(),
            pollers: WaitQueue::default(),
            registration: None,
            user,
            // The length of the longest status line.
            shown_size: 80,
        }
    }

    /// What it holds, in the order of delivery.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether no message fits in.
    pub fn is_full(&self) -> bool {
        self.messages.len() >= self.most
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(|m| m.data.len()).sum()
    }

    /// Puts a message behind all of equal or higher priority.
    pub fn insert(&mut self, message: Message) {
        let at = self
            .messages
            .partition_point(|m| m.priority >= message.priority);
        self.messages.insert(at, message);
    }

    /// Takes the oldest message of the highest priority.
    pub fn take(&mut self) -> Option<Message> {
        (!self.messages.is_empty()).then(|| self.messages.remove(0))
    }

    /// What a queue of so many messages of that size is charged, in bytes.
    pub fn charge(most: u64, size: u64) -> u64 {
        // A list element a message, a tree node a priority.
        most.saturating_mul(48)
            .saturating_add(most.min(PRIORITIES) * 48)
            .saturating_add(most.saturating_mul(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(sent: &[(u32, &str)]) -> Queue {
        let mut q = Queue::new(10, 8, 0);
        for (priority, text) in sent {
            q.insert(Message {
                priority: *priority,
                data: Data::from(*text),
            });
        }
        q
    }

    fn drain(mut q: Queue) -> Vec<String> {
        std::iter::from_fn(|| q.take())
            .map(|m| String::from_utf8_lossy(&m.data.to_vec()).into_owned())
            .collect()
    }

    #[test]
    fn the_highest_priority_comes_first_and_within_it_the_oldest() {
        let q = queue(&[(1, "a"), (5, "b"), (1, "c"), (5, "d"), (0, "e"), (9, "f")]);
        assert_eq!(drain(q), ["f", "b", "d", "a", "c", "e"]);
    }

    #[test]
    fn every_order_of_sending_keeps_the_order_within_a_priority() {
        // All sequences of five messages of three priorities.
        for n in 0..3u32.pow(5) {
            let sent: Vec<(u32, String)> = (0..5u32)
                .map(|i| (n / 3u32.pow(i) % 3, i.to_string()))
                .collect();
            let mut sorted = sent.clone();
            sorted.sort_by_key(|(p, _)| std::cmp::Reverse(*p));
            let sent: Vec<(u32, &str)> = sent.iter().map(|(p, s)| (*p, s.as_str())).collect();
            let want: Vec<String> = sorted.into_iter().map(|(_, s)| s).collect();
            assert_eq!(drain(queue(&sent)), want, "{sent:?}");
        }
    }

    #[test]
    fn a_queue_is_full_at_its_limit_and_empty_messages_count() {
        let mut q = Queue::new(2, 8, 0);
        assert!(q.is_empty() && !q.is_full());
        for _ in 0..2 {
            q.insert(Message {
                priority: 0,
                data: Data::empty(),
            });
        }
        assert!(q.is_full() && q.bytes() == 0);
        q.take();
        assert!(!q.is_full() && !q.is_empty());
    }

    #[test]
    fn the_charge_counts_places_and_not_messages() {
        assert_eq!(Queue::charge(10, 8192), 10 * 96 + 81920);
        assert_eq!(Queue::charge(65536, 1), 65536 * 49 + 32768 * 48);
        assert_eq!(Queue::charge(u64::MAX, u64::MAX), u64::MAX);
    }
}
