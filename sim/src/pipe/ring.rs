//! The ring of slots: what a pipe holds, and the rules by which bytes enter and leave it.
//!
//! A ring knows no processes and no descriptors. It stores what fits and tells how much that was;
//! who sleeps and who is woken is the kernel's business.
//!
//! Two writes and two reads on a ring of two slots, drawn out (`|` is a slot, `.` a byte of it that
//! is unused, four bytes a slot instead of 4096):
//!
//! ```text
//! write "ab"      |ab..|           a fresh slot
//! write "cd"      |abcd|           merged: 2 + 2 <= 4            (PIPE-070)
//! write "efghi"   |abcd|efgh|      no merge; the 9th byte waits  (PIPE-071, PIPE-081)
//! read 3          |...d|efgh|      the slot stays in use         (PIPE-076)
//! read 5          empty            and starts afresh             (PIPE-075)
//! ```

use crate::clause::*;
use crate::kernel::Clauses;
use scenario::{Data, DataBuilder, Run};
use std::collections::VecDeque;

/// Bytes a slot holds; the page size.
pub const PAGE: usize = 4096;
/// Writes of up to so many bytes are atomic (PIPE-062).
pub const PIPE_BUF: usize = 4096;
/// Slots of a new pipe (PIPE-069).
pub const DEFAULT_SLOTS: usize = 16;

/// A slot in use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The bytes not yet read; never empty.
    pub data: Data,
    /// Bytes of the slot before them, already read.
    pub offset: u16,
    /// Whether later writes may add to it.
    pub mergeable: bool,
    /// Whether it is a packet: a read ends with it.
    pub packet: bool,
}

/// A ring of slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    slots: VecDeque<Slot>,
    limit: usize,
}

/// What a read took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The bytes.
    pub data: Data,
    /// A full ring lost a slot: a sleeping writer is to be woken.
    pub made_room: bool,
    /// The memory faulted before the read was complete.
    pub faulted: bool,
    /// It ended with a packet.
    pub packet: bool,
}

/// What a write stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes.
    pub bytes: usize,
    /// The memory faulted before the write was complete.
    pub faulted: bool,
}

/// A write's bytes: `valid` is what memory really holds of `count` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The bytes before memory faults (all of them, if it does not).
    pub valid: &'a Data,
    /// The bytes the call was asked to write.
    pub count: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Ring::new(DEFAULT_SLOTS)
    }
}

impl Ring {
    /// An empty ring of so many slots.
    pub fn new(limit: usize) -> Ring {
        Ring {
            slots: VecDeque::new(),
            limit,
        }
    }

    /// Whether nothing is buffered.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether every slot is in use, however few bytes they hold (PIPE-069).
    pub fn is_full(&self) -> bool {
        self.slots.len() >= self.limit
    }

    /// Unread bytes over all slots (PIPE-027).
    pub fn buffered(&self) -> usize {
        self.slots.iter().map(|s| s.data.len()).sum()
    }

    /// The slots in use, oldest first.
    pub fn slots(&self) -> &VecDeque<Slot> {
        &self.slots
    }

    /// How many slots there are, used or not.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Free slots.
    pub fn free(&self) -> usize {
        self.limit.saturating_sub(self.slots.len())
    }

    /// Takes up to `count` bytes, of which memory has room for `room` before it faults.
    pub fn read(&mut self, count: usize, room: usize, cx: &mut Clauses) -> Taken {
        let mut taken = DataBuilder::default();
        let (mut left, mut room) = (count, room);
        let mut made_room = false;
        let mut faulted = false;
        let mut visited = 0;
        let mut packet = false;
        while left > 0 {
            let full = self.is_full();
            let Some(slot) = self.slots.front_mut() else {
                break;
            };
            let chars = slot.data.len().min(left);
            if chars > room {
                // The slot on which memory faults stays whole.
                cx.cite(if visited == 0 { PIPE_039 } else { PIPE_040 });
                faulted = true;
                break;
            }
            visited += 1;
            taken.append(&slot.data.slice(0, chars));
            left -= chars;
            room -= chars;
            if slot.packet {
                // A read ends with the packet, and what did not fit is thrown away.
                cx.cite(FD_044);
                if visited > 1 {
                    cx.cite(FD_052);
                }
                self.slots.pop_front();
                made_room |= full;
                packet = true;
                break;
            }
            if chars == slot.data.len() {
                self.slots.pop_front();
                made_room |= full;
            } else {
                cx.cite(PIPE_076);
                slot.data = slot.data.slice(chars, usize::MAX);
                slot.offset += chars as u16;
            }
        }
        let data = taken.finish();
        if !data.is_empty() {
            cx.cite(PIPE_030);
            cx.cite(PIPE_031);
            cx.cite(PIPE_119);
        }
        Taken {
            data,
            made_room,
            faulted,
            packet,
        }
    }

    /// The first step of a write: its odd end goes into the newest slot if it fits there whole.
    /// Tried once, when the call begins.
    pub fn merge(&mut self, source: Source<'_>, cx: &mut Clauses) -> Stored {
        let nothing = Stored {
            bytes: 0,
            faulted: false,
        };
        let odd = source.count % PAGE;
        let full = self.is_full();
        let Some(newest) = self.slots.back_mut() else {
            cx.cite(PIPE_075);
            return nothing;
        };
        if odd == 0 {
            cx.cite(PIPE_072);
            return nothing;
        }
        if !newest.mergeable {
            cx.cite(if newest.packet { FD_051 } else { PIPE_073 });
            return nothing;
        }
        if newest.offset as usize + newest.data.len() + odd > PAGE {
            cx.cite(PIPE_072);
            cx.cite(PIPE_074);
            return nothing;
        }
        if source.valid.len() < odd {
            cx.cite(PIPE_059);
            return Stored {
                bytes: 0,
                faulted: true,
            };
        }
        cx.cite(PIPE_070);
        if newest.offset > 0 {
            cx.cite(PIPE_074);
        }
        if full {
            cx.cite(PIPE_079);
            if self.limit == 1 {
                cx.cite(PIPE_083);
            }
        }
        newest.data = newest.data.concat(&source.valid.slice(0, odd));
        Stored {
            bytes: odd,
            faulted: false,
        }
    }

    /// Stores what fits of the bytes from `from` on into fresh slots.
    pub fn append(
        &mut self,
        source: Source<'_>,
        from: usize,
        packet: bool,
        cx: &mut Clauses,
    ) -> Stored {
        let mut at = from;
        while at < source.count && !self.is_full() {
            let end = (at + PAGE).min(source.count);
            if source.valid.len() < end {
                return Stored {
                    bytes: at - from,
                    faulted: true,
                };
            }
            cx.cite(PIPE_071);
            if packet {
                cx.cite(FD_043);
            }
            self.slots.push_back(Slot {
                data: source.valid.slice(at, end),
                offset: 0,
                mergeable: !packet,
                packet,
            });
            at = end;
        }
        Stored {
            bytes: at - from,
            faulted: false,
        }
    }

    /// Replaces each run by what `run` makes of it, which must be as long.
    pub(crate) fn relabel(&mut self, mut run: impl FnMut(&Run, &mut DataBuilder)) {
        for slot in &mut self.slots {
            let mut data = DataBuilder::default();
            slot.data.runs().iter().for_each(|r| run(r, &mut data));
            slot.data = data.finish();
        }
    }

    /// Puts a ready-made slot at the end; the caller has seen that there is a free one.
    pub fn push(&mut self, slot: Slot) {
        debug_assert!(!self.is_full() && !slot.data.is_empty());
        self.slots.push_back(slot);
    }

    /// Takes up to `len` bytes of the oldest slot as a slot: whole if it is no longer than that,
    /// else its first bytes, unmergeable (FD-030).
    pub fn split(&mut self, len: usize, cx: &mut Clauses) -> Option<Slot> {
        let slot = self.slots.front_mut()?;
        cx.cite(FD_030);
        if slot.data.len() <= len {
            return self.slots.pop_front();
        }
        if slot.packet {
            cx.cite(FD_053);
        }
        let part = Slot {
            data: slot.data.slice(0, len),
            offset: slot.offset,
            mergeable: false,
            packet: slot.packet,
        };
        slot.data = slot.data.slice(len, usize::MAX);
        slot.offset += len as u16;
        Some(part)
    }

    /// Changes the number of slots; refused when more are in use.
    pub fn resize(&mut self, limit: usize, cx: &mut Clauses) -> bool {
        if limit < self.slots.len() {
            cx.cite(PIPE_086);
            return false;
        }
        cx.cite(PIPE_087);
        self.limit = limit;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A write that does not sleep, of good memory; how many bytes were stored.
    fn write(ring: &mut Ring, byte: u8, count: usize) -> usize {
        store(ring, &Data::repeat(byte, count), count, false).0
    }

    /// The same from memory that holds `valid` of `count` bytes, and whether it faulted.
    fn store(ring: &mut Ring, valid: &Data, count: usize, packet: bool) -> (usize, bool) {
        let cx = &mut Clauses::default();
        let source = Source { valid, count };
        let merged = ring.merge(source, cx);
        if merged.faulted {
            return (0, true);
        }
        let rest = ring.append(source, merged.bytes, packet, cx);
        (merged.bytes + rest.bytes, rest.faulted)
    }

    fn read(ring: &mut Ring, count: usize) -> Data {
        ring.read(count, count, &mut Clauses::default()).data
    }

    fn lengths(ring: &Ring) -> Vec<usize> {
        ring.slots().iter().map(|s| s.data.len()).collect()
    }

    #[test]
    fn an_odd_end_merges_and_whole_pages_do_not() {
        let mut ring = Ring::new(4);
        assert_eq!(write(&mut ring, b'a', 10), 10);
        assert_eq!(write(&mut ring, b'b', 4096 + 20), 4116);
        assert_eq!(lengths(&ring), [30, 4096]);
        assert_eq!(write(&mut ring, b'c', 4096), 4096);
        assert_eq!(write(&mut ring, b'd', 4000), 4000);
        assert_eq!(lengths(&ring), [30, 4096, 4096, 4000]);
        assert!(ring.is_full());
        assert_eq!(write(&mut ring, b'e', 97), 0, "it does not fit whole");
        assert_eq!(write(&mut ring, b'e', 96), 96, "full, and yet it merges");
        assert_eq!(write(&mut ring, b'f', 1), 0);
    }

    #[test]
    fn capacity_depends_on_the_size_of_writes() {
        let capacity = |count: usize| {
            let mut ring = Ring::default();
            let mut sum = 0;
            while write(&mut ring, b'x', count) == count {
                sum += count;
            }
            sum
        };
        for (count, bytes) in [
            (1, 65536),
            (100, 64000),
            (2049, 32784),
            (3000, 48000),
            (4096, 65536),
        ] {
            assert_eq!(capacity(count), bytes, "in writes of {count}");
        }
    }

    #[test]
    fn a_slot_is_free_when_its_last_byte_is_read() {
        let mut ring = Ring::new(2);
        write(&mut ring, b'x', 8192);
        let part = ring.read(4095, 4095, &mut Clauses::default());
        assert!(!part.made_room && ring.is_full());
        let last = ring.read(1, 1, &mut Clauses::default());
        assert!(last.made_room && ring.free() == 1);
        // The bytes read out of the newest slot do not come back.
        assert_eq!(read(&mut ring, 4000).len(), 4000);
        assert_eq!(write(&mut ring, b'y', 1), 1);
        assert_eq!(lengths(&ring), [96, 1]);
    }

    #[test]
    fn a_fault_keeps_the_slot_whole() {
        let mut ring = Ring::new(4);
        write(&mut ring, b'a', 4096);
        write(&mut ring, b'b', 10);
        let taken = ring.read(5000, 4100, &mut Clauses::default());
        assert!(taken.faulted && taken.data.len() == 4096);
        assert_eq!(lengths(&ring), [10]);
        let taken = ring.read(10, 9, &mut Clauses::default());
        assert!(taken.faulted && taken.data.is_empty());
        assert_eq!(lengths(&ring), [10]);

        assert_eq!(store(&mut ring, &Data::from("c"), 2, false), (0, true));
        assert_eq!(lengths(&ring), [10], "a merge is whole or not at all");
        let memory = Data::repeat(b'd', 5000);
        assert_eq!(store(&mut ring, &memory, 8192, false), (4096, true));
        assert_eq!(lengths(&ring), [10, 4096]);
    }

    #[test]
    fn a_read_ends_with_a_packet() {
        let mut ring = Ring::new(4);
        write(&mut ring, b'a', 4096);
        store(&mut ring, &Data::from("packet"), 6, true);
        store(&mut ring, &Data::from("next"), 4, true);
        assert_eq!(write(&mut ring, b's', 1), 1);
        assert_eq!(lengths(&ring), [4096, 6, 4, 1]);
        assert_eq!(
            read(&mut ring, 4100),
            Data::from("a").times(4096).concat(&"pack".into())
        );
        assert_eq!(read(&mut ring, 100), Data::from("next"));
        assert_eq!(read(&mut ring, 100), Data::from("s"));
    }

    #[test]
    fn a_split_slot_takes_no_more() {
        let cx = &mut Clauses::default();
        let (mut ring, mut other) = (Ring::new(2), Ring::new(2));
        write(&mut ring, b'a', 10);
        other.push(ring.split(4, cx).expect("ten bytes are there"));
        assert_eq!(write(&mut other, b'b', 1), 1);
        assert_eq!(lengths(&other), [4, 1]);
        assert_eq!(write(&mut ring, b'c', 1), 1);
        assert_eq!(lengths(&ring), [7], "its rest still does");
        assert!(Ring::new(1).split(1, cx).is_none());
    }

    #[test]
    fn shrinking_counts_slots() {
        let cx = &mut Clauses::default();
        let mut ring = Ring::new(4);
        for byte in [b'a', b'b', b'c'] {
            write(&mut ring, byte, 2049);
        }
        assert!(!ring.resize(2, cx));
        assert_eq!(ring.limit(), 4);
        assert!(ring.resize(3, cx) && ring.is_full());
        assert_eq!(lengths(&ring), [2049; 3]);
    }

    proptest! {
        /// Whatever is written and read: bytes come out in the order in which they went in, no
        /// slot is empty or too long, and a write of up to PIPE_BUF bytes is all or nothing.
        #[test]
        fn bytes_keep_their_order(
            limit in 1_usize..5,
            steps in prop::collection::vec((any::<bool>(), 0_usize..10_000), 1..40),
        ) {
            let mut ring = Ring::new(limit);
            let (mut put, mut got) = (Data::empty(), Data::empty());
            for (at, (writes, count)) in steps.into_iter().enumerate() {
                if writes {
                    let bytes = Data::repeat(at as u8, count);
                    let (stored, faulted) = store(&mut ring, &bytes, count, false);
                    prop_assert!(!faulted && stored <= count);
                    if count <= PIPE_BUF {
                        prop_assert!(stored == 0 || stored == count);
                    } else if stored < count {
                        prop_assert!(ring.is_full());
                    }
                    put = put.concat(&bytes.slice(0, stored));
                } else {
                    let before = ring.buffered();
                    let data = read(&mut ring, count);
                    prop_assert_eq!(data.len(), count.min(before));
                    got = got.concat(&data);
                }
                prop_assert!(ring.slots().len() <= limit);
                for slot in ring.slots() {
                    let end = usize::from(slot.offset) + slot.data.len();
                    prop_assert!(!slot.data.is_empty() && end <= PAGE);
                }
            }
            prop_assert_eq!(got.len() + ring.buffered(), put.len());
            prop_assert_eq!(&got, &put.slice(0, got.len()));
        }
    }
}
