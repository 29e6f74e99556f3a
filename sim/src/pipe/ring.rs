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
use scenario::{Data, DataBuilder};
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
