//! The queue itself, and the table of all queues of an IPC namespace: no tasks run here, nobody is
//! woken.

use crate::clause::*;
use crate::fingerprint::Shared;
use crate::kernel::{Clauses, Credentials};
use scenario::{Data, TaskId, constants::*};
use std::collections::BTreeMap;

/// Most bytes of one message's text (`msgmax`), in a fresh namespace.
pub const MSGMAX: i32 = 8192;
/// `msg_qbytes` of a new queue, and the most that `IPC_SET` gives it (`msgmnb`), likewise.
pub const MSGMNB: i32 = 16384;
/// Most queues of a namespace (`msgmni`), likewise.
pub const MSGMNI: i32 = 32000;
/// Slots that ids are told apart by; above them is the sequence number.
pub const SLOTS: i32 = 32768;
/// Slots that are gone through before the first is used again.
const LEAST_CYCLE: usize = 64;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Its type, at least 1.
    pub kind: i64,
    /// Its text.
    pub text: Data,
}

impl Message {
    /// Bytes of its text.
    pub fn len(&self) -> u64 {
        self.text.len() as u64
    }

    /// Whether it has no text, as is legal.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Which message a receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// The oldest.
    Any,
    /// The oldest of this type.
    Exactly(i64),
    /// The oldest of another type.
    Except(i64),
    /// The oldest of the lowest type, if that is at most this.
    AtMost(i64),
    /// The one at this place, counted from 0 (`MSG_COPY`).
    Place(i64),
}

impl Selection {
    /// What the type and the flags of `msgrcv` ask for.
    pub fn new(kind: i64, flags: u64, clauses: &mut Clauses) -> Selection {
        let except = flags & MSG_EXCEPT != 0;
        if flags & MSG_COPY != 0 {
            return Selection::Place(kind);
        }
        if except {
            clauses.cite(MSG_037);
        }
        match kind {
            0 => {
                clauses.cite(MSG_034);
                Selection::Any
            }
            i64::MIN..0 => {
                clauses.cite(MSG_036);
                Selection::AtMost(kind.checked_neg().unwrap_or(i64::MAX))
            }
            _ if except => Selection::Except(kind),
            _ => {
                clauses.cite(MSG_035);
                Selection::Exactly(kind)
            }
        }
    }

    /// Whether one who waits takes a message of that type when it arrives.
    pub fn accepts(self, kind: i64) -> bool {
        match self {
            Selection::Any => true,
            Selection::Exactly(t) => kind == t,
            Selection::Except(t) => kind != t,
            Selection::AtMost(t) => kind <= t,
            // A copy is never waited for.
            Selection::Place(_) => false,
        }
    }

    /// The place of the message it selects.
    pub fn find(self, messages: &[Message]) -> Option<usize> {
        match self {
            Selection::Place(n) => usize::try_from(n).ok().filter(|&n| n < messages.len()),
            Selection::AtMost(_) => (0..messages.len())
                .filter(|&at| self.accepts(messages[at].kind))
                .min_by_key(|&at| messages[at].kind),
            _ => messages.iter().position(|m| self.accepts(m.kind)),
        }
    }
}

/// A receiver that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receiver {
    /// The task.
    pub task: TaskId,
    /// What it waits for.
    pub selection: Selection,
    /// The longest text it takes; none if it takes any (`MSG_NOERROR`).
    pub most: Option<u64>,
}

/// A sender that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The task.
    pub task: TaskId,
    /// Bytes of its message.
    pub len: u64,
}

/// A message queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    /// The upper part of its id.
    pub sequence: i64,
    /// The key it was made with; 0 is `IPC_PRIVATE`, by which it is not found.
    pub key: i32,
    /// Owner: user and group.
    pub owner: (u32, u32),
    /// Creator: user and group.
    pub creator: (u32, u32),
    /// The nine permission bits.
    pub mode: u32,
    /// What it holds, the oldest first.
    pub messages: Vec<Message>,
    /// Bytes of all texts (`msg_cbytes`).
    pub bytes: u64,
    /// Most bytes of all texts, and most messages (`msg_qbytes`).
    pub limit: u64,
    /// Sleeping receivers, in the order in which messages are offered to them.
    pub receivers: Vec<Receiver>,
    /// Sleeping senders, in list order.
    pub senders: Vec<Sender>,
    /// The process that sent last.
    pub last_sender: Option<TaskId>,
    /// The process, or the thread, that received last.
    pub last_receiver: Option<TaskId>,
}

impl Queue {
    /// A new queue, for so many bytes.
    pub fn new(key: i32, mode: u32, who: Credentials, limit: u64) -> Queue {
        Queue {
            sequence: 0,
            key,
            owner: (who.euid, who.gid),
            creator: (who.euid, who.gid),
            mode: mode & 0o777,
            messages: Vec::new(),
            bytes: 0,
            limit,
            receivers: Vec::new(),
            senders: Vec::new(),
            last_sender: None,
            last_receiver: None,
        }
    }

    /// Whether a message of so many bytes fits.
    pub fn fits(&self, len: u64) -> bool {
        self.bytes + len <= self.limit && (self.messages.len() as u64) < self.limit
    }

    /// Appends a message.
    pub fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.messages.push(message);
    }

    /// Takes the message at that place.
    pub fn take(&mut self, at: usize) -> Message {
        let message = self.messages.remove(at);
        self.bytes -= message.len();
        message
    }

    /// Whether the class that the caller belongs to has every permission of `want` (4 read, 2
    /// write, 1 the bit of no use). One class alone decides.
    pub fn permits(&self, who: Credentials, want: u32, clauses: &mut Clauses) -> bool {
        let shift = if [self.owner.0, self.creator.0].contains(&who.euid) {
            if who.euid != self.owner.0 {
                clauses.cite(MSG_016);
            }
            6
        } else if [self.owner.1, self.creator.1].contains(&who.gid) {
            3
        } else {
            0
        };
        let missing = want & !(self.mode >> shift) & 7;
        if missing != 0 {
            clauses.cite(MSG_013);
        }
        missing == 0 || who.privileged()
    }

    /// Whether the caller may change or remove it.
    pub fn controls(&self, who: Credentials, clauses: &mut Clauses) -> bool {
        if who.euid == self.creator.0 && who.euid != self.owner.0 {
            clauses.cite(MSG_016);
        }
        [self.owner.0, self.creator.0].contains(&who.euid) || who.privileged()
    }
}

/// The queues of an IPC namespace, by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queues {
    slots: BTreeMap<u16, Shared<Queue>>,
    /// One above the slot handed out last.
    next: usize,
    sequence: i64,
}

impl Queues {
    /// Adds a queue; gives its id, or none if there are `most` or more.
    pub fn add(&mut self, mut queue: Queue, most: usize) -> Option<i32> {
        if self.slots.len() >= most {
            return None;
        }
        let end = LEAST_CYCLE.max(self.slots.len() * 3 / 2);
        let end = end.min(SLOTS as usize);
        let free = |slot: &usize| !self.slots.contains_key(&(*slot as u16));
        let slot = (self.next..end)
            .find(free)
            .or_else(|| (0..end).find(free))?;
        if slot < self.next {
            self.sequence = (self.sequence + 1) % i64::from(i32::MAX / SLOTS);
        }
        self.next = slot + 1;
        queue.sequence = self.sequence;
        self.slots.insert(slot as u16, Shared::new(queue));
        Some((self.sequence * i64::from(SLOTS) + slot as i64) as i32)
    }

    /// The slot of an id, if it names a queue that exists.
    pub fn find(&self, id: i32) -> Option<u16> {
        let slot = slot_of(id)?;
        let queue = self.slots.get(&slot)?;
        (queue.sequence == i64::from(id / SLOTS)).then_some(slot)
    }

    /// The id of the queue in a slot.
    pub fn id(&self, slot: u16) -> i32 {
        let sequence = self.slots.get(&slot).map_or(0, |q| q.sequence);
        (sequence * i64::from(SLOTS) + i64::from(slot)) as i32
    }

    /// The slot of the queue with that key.
    pub fn by_key(&self, key: i32) -> Option<u16> {
        let mut all = self.slots.iter();
        all.find(|(_, q)| q.key == key).map(|(slot, _)| *slot)
    }

    /// The slot that an index, or an id of any sequence, means.
    pub fn in_use(&self, index: i32) -> Option<u16> {
        slot_of(index).filter(|slot| self.slots.contains_key(slot))
    }

    /// A queue, which exists because [`Queues::find`] found it.
    pub fn get(&self, slot: u16) -> &Queue {
        &self.slots[&slot]
    }

    /// The same, to change.
    pub fn get_mut(&mut self, slot: u16) -> &mut Queue {
        let queue = self.slots.get_mut(&slot);
        queue.expect("a queue that was found exists").make_mut()
    }

    /// Removes a queue.
    pub fn remove(&mut self, slot: u16) -> Queue {
        let queue = self.get(slot).clone();
        self.slots.remove(&slot);
        queue
    }

    /// All of them, by id.
    pub fn by_id(&self) -> impl Iterator<Item = (i32, Queue)> {
        let all = self.slots.iter();
        all.map(|(slot, queue)| (self.id(*slot), (**queue).clone()))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.slots.values().map(|q| &**q)
    }

    /// The highest slot in use, 0 if there is none.
    pub fn highest(&self) -> u16 {
        self.slots.keys().next_back().copied().unwrap_or(0)
    }
}

fn slot_of(id: i32) -> Option<u16> {
    (id >= 0).then_some((id % SLOTS) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Credentials = Credentials {
        uid: 0,
        euid: 0,
        gid: 0,
    };

    fn empty() -> Queue {
        Queue::new(0, 0, ROOT, 16384)
    }

    fn queue(kinds: &[i64]) -> Queue {
        let mut q = Queue::new(0, 0o600, ROOT, 16384);
        for (at, &kind) in kinds.iter().enumerate() {
            let text = Data::from(format!("{at}").as_str());
            q.push(Message { kind, text });
        }
        q
    }

    fn select(kinds: &[i64], kind: i64, flags: u64) -> Option<usize> {
        let selection = Selection::new(kind, flags, &mut Clauses::default());
        selection.find(&queue(kinds).messages)
    }

    #[test]
    fn selection_by_type() {
        let kinds = [5, 3, 7, 3];
        assert_eq!(select(&kinds, 0, 0), Some(0));
        assert_eq!(select(&kinds, 3, 0), Some(1));
        assert_eq!(select(&kinds, 4, 0), None);
        assert_eq!(select(&kinds, -5, 0), Some(1));
        assert_eq!(select(&kinds, -2, 0), None);
        assert_eq!(select(&kinds, i64::MIN, 0), Some(1));
        assert_eq!(select(&kinds, 5, MSG_EXCEPT), Some(1));
        assert_eq!(select(&kinds, -5, MSG_EXCEPT), Some(1));
        assert_eq!(select(&kinds, 2, MSG_COPY), Some(2));
        assert_eq!(select(&kinds, 4, MSG_COPY), None);
        assert_eq!(select(&kinds, -1, MSG_COPY), None);
    }

    #[test]
    fn room_is_bytes_and_messages() {
        let mut q = queue(&[1]);
        q.limit = 3;
        assert!(q.fits(2) && !q.fits(3));
        q.push(Message {
            kind: 1,
            text: Data::from("ab"),
        });
        assert!(q.fits(0) && !q.fits(1));
        q.push(Message {
            kind: 1,
            text: Data::empty(),
        });
        assert!(!q.fits(0), "three messages are the most");
        q.take(0);
        assert_eq!(q.bytes, 2);
    }

    #[test]
    fn ids_go_round() {
        let mut all = Queues::default();
        let mut made = || all.add(empty(), 32000).expect("there is room");
        assert_eq!([made(), made(), made()], [0, 1, 2]);
        all.remove(1);
        assert_eq!(all.add(empty(), 32000), Some(3));
        for _ in 4..64 {
            all.add(empty(), 32000);
        }
        // 63 are in use: the cycle ends at 94.
        assert_eq!(all.add(empty(), 32000), Some(64));
        let mut few = Queues::default();
        for n in 0..64 {
            assert_eq!(few.add(empty(), 32000), Some(n));
            few.remove(n as u16);
        }
        assert_eq!(few.add(empty(), 32000), Some(32768));
        assert_eq!(few.find(0), None, "an id of an earlier queue in the slot");
        assert_eq!(few.find(32768), Some(0));
        assert_eq!(few.in_use(0), Some(0), "an index knows no sequence");
    }

    #[test]
    fn there_are_so_many_and_those_that_are_there_stay() {
        let mut all = Queues::default();
        assert_eq!(all.add(empty(), 0), None);
        assert_eq!(
            [all.add(empty(), 2), all.add(empty(), 2)],
            [Some(0), Some(1)]
        );
        assert_eq!([all.add(empty(), 2), all.add(empty(), 1)], [None, None]);
        all.remove(0);
        assert_eq!(all.add(empty(), 1), None);
        assert_eq!(all.add(empty(), 2), Some(2));
    }

    #[test]
    fn one_class_decides() {
        let mut q = queue(&[]);
        q.mode = 0o066;
        (q.owner, q.creator) = ((7, 8), (7, 8));
        let may = |euid, gid| {
            let who = Credentials {
                uid: euid,
                euid,
                gid,
            };
            q.permits(who, 4, &mut Clauses::default())
        };
        assert!(!may(7, 8), "the owner, though others may");
        assert!(may(9, 8) && may(9, 9) && may(0, 0));
    }
}
