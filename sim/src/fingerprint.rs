//! 128-bit fingerprints of states, and parts of states that remember theirs.
//!
//! A state of the kernel is a few tables of small parts (tasks, processes, descriptions, inodes,
//! pipes), and a step changes two or three of them. Each part therefore sits in a [`Shared`]: states
//! share it until one changes it, and it remembers its fingerprint until then, so that the
//! fingerprint of a state is put together from those of its parts.
//!
//! Two states with equal fingerprints are taken for equal. With `n` states the chance that any two
//! collide is about `n² / 2^129`: below 1e-20 for a thousand million.

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Collects a fingerprint: two lanes of 64 bits, each folding every word in by a full 64 × 64 bit
/// multiplication with a constant of its own.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprinter {
    lanes: [u64; 2],
}

// Odd, with as many ones as zeros: the constants of wyhash.
const KEYS: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];
const START: [u64; 2] = [0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];

/// The two halves of a product, xored.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Default for Fingerprinter {
    fn default() -> Self {
        Fingerprinter { lanes: START }
    }
}

impl Fingerprinter {
    /// Takes a word in.
    #[inline]
    pub fn word(&mut self, word: u64) {
        let [a, b] = self.lanes;
        // The rotation keeps the order of words apart, and a lane from sticking at zero.
        self.lanes = [
            fold(a ^ word, KEYS[0]).wrapping_add(b),
            fold(b.rotate_left(29) ^ word, KEYS[1]).wrapping_add(a),
        ];
    }

    /// Takes a fingerprint in.
    #[inline]
    pub fn print(&mut self, print: u128) {
        self.word(print as u64);
        self.word((print >> 64) as u64);
    }

    /// The fingerprint of what was taken in.
    #[inline]
    pub fn finish128(&self) -> u128 {
        let [a, b] = self.lanes;
        let (a, b) = (fold(a ^ KEYS[1], START[0]), fold(b ^ KEYS[0], START[1]));
        u128::from(a ^ b.rotate_left(32)) << 64 | u128::from(b.wrapping_add(a))
    }
}

impl Hasher for Fingerprinter {
    fn finish(&self) -> u64 {
        self.finish128() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }

    fn write_u8(&mut self, n: u8) {
        self.word(u64::from(n));
    }

    fn write_u16(&mut self, n: u16) {
        self.word(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.word(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.word(n);
    }

    fn write_u128(&mut self, n: u128) {
        self.print(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.word(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.word(n as u64);
    }
}

/// The fingerprint of a value.
pub fn fingerprint<T: Hash + ?Sized>(value: &T) -> u128 {
    let mut hasher = Fingerprinter::default();
    value.hash(&mut hasher);
    hasher.finish128()
}

/// Hashes what is a fingerprint, or made of few words, already.
pub(crate) type BuildFingerprinter = BuildHasherDefault<Fingerprinter>;

/// The hasher of keys that are fingerprints themselves: takes their low half.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are fingerprints");
    }

    fn write_u128(&mut self, n: u128) {
        self.0 = n as u64;
    }
}

/// A part that states share until one changes it.
pub struct Shared<T>(Arc<Part<T>>);

struct Part<T> {
    value: T,
    print: OnceLock<u128>,
}

impl<T: Clone> Clone for Part<T> {
    fn clone(&self) -> Self {
        // Only what is about to change is cloned.
        Part::new(self.value.clone())
    }
}

impl<T> Part<T> {
    fn new(value: T) -> Part<T> {
        Part {
            value,
            print: OnceLock::new(),
        }
    }
}

impl<T> Shared<T> {
    /// Shares a value.
    pub fn new(value: T) -> Shared<T> {
        Shared(Arc::new(Part::new(value)))
    }

    /// The value, to change: a copy of it, if another state shares it.
    pub fn make_mut(&mut self) -> &mut T
    where
        T: Clone,
    {
        let part = Arc::make_mut(&mut self.0);
        part.print.take();
        &mut part.value
    }

    /// Its fingerprint.
    #[inline]
    pub fn fingerprint(&self) -> u128
    where
        T: Hash,
    {
        *self.0.print.get_or_init(|| fingerprint(&self.0.value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.fingerprint());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn order_and_length_tell_values_apart() {
        let mut seen = HashSet::new();
        for value in [
            vec![],
            vec![0u64],
            vec![0, 0],
            vec![0, 1],
            vec![1, 0],
            vec![1],
        ] {
            assert!(seen.insert(fingerprint(&value)), "{value:?}");
        }
        seen.clear();
        for a in 0..300u64 {
            for b in 0..300u64 {
                assert!(seen.insert(fingerprint(&(a, b))), "{a} {b}");
            }
        }
    }

    #[test]
    fn every_bit_of_the_input_changes_half_the_bits() {
        for bit in 0..64 {
            let (a, b) = (fingerprint(&7u64), fingerprint(&(7u64 ^ 1 << bit)));
            let differ = (a ^ b).count_ones();
            assert!((35..=93).contains(&differ), "bit {bit}: {differ}");
        }
    }

    #[test]
    fn a_change_forgets_the_fingerprint_and_leaves_the_other_state_alone() {
        let mut a = Shared::new(vec![1]);
        let b = a.clone();
        assert_eq!(a.fingerprint(), b.fingerprint());
        a.make_mut().push(2);
        assert_eq!(*b, [1]);
        assert_eq!(a.fingerprint(), fingerprint(&vec![1, 2]));
        assert_ne!(a, b);
    }
}
