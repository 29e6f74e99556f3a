//! Bytes, held as runs so that 64 KiB of one letter costs as much as one letter.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// `len` times the byte `byte`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    /// The repeated byte.
    pub byte: u8,
    /// How often it stands there; never 0.
    pub len: u32,
}

/// A string of bytes in canonical run-length form: neighbouring runs differ, so that equality and
/// hashing of the runs are equality and hashing of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Data(Arc<[Run]>);

impl Default for Data {
    fn default() -> Self {
        Data(Arc::from([]))
    }
}

/// Collects runs into canonical form.
#[derive(Default)]
pub struct DataBuilder(Vec<Run>);

impl DataBuilder {
    /// Appends `len` times `byte`.
    pub fn push(&mut self, byte: u8, len: u32) {
        if len == 0 {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.byte == byte && last.len.checked_add(len).is_some() => {
                last.len += len;
            }
            _ => self.0.push(Run { byte, len }),
        }
    }

    /// Appends all of `data`.
    pub fn append(&mut self, data: &Data) {
        for run in data.0.iter() {
            self.push(run.byte, run.len);
        }
    }

    /// What was collected.
    pub fn finish(self) -> Data {
        Data(self.0.into())
    }
}

impl Data {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// `len` times `byte`.
    pub fn repeat(byte: u8, len: usize) -> Self {
        let mut b = DataBuilder::default();
        b.push(byte, u32::try_from(len).expect("data is far below 4 GiB"));
        b.finish()
    }

    /// The bytes of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut b = DataBuilder::default();
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            let n = bytes[at..].iter().take_while(|&&x| x == byte).count();
            b.push(byte, u32::try_from(n).expect("data is far below 4 GiB"));
            at += n;
        }
        b.finish()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(|r| r.len as usize).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs.
    pub fn runs(&self) -> &[Run] {
        &self.0
    }

    /// The bytes from `start` up to but not including `end`, both clipped to the length.
    pub fn slice(&self, start: usize, end: usize) -> Data {
        if start == 0 && end >= self.len() {
            return self.clone();
        }
        let mut b = DataBuilder::default();
        let mut at = 0;
        for run in self.0.iter() {
            let (from, to) = (at.max(start), (at + run.len as usize).min(end));
            if from < to {
                b.push(run.byte, (to - from) as u32);
            }
            at += run.len as usize;
            if at >= end {
                break;
            }
        }
        b.finish()
    }

    /// This followed by `other`.
    pub fn concat(&self, other: &Data) -> Data {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        let mut b = DataBuilder::default();
        b.append(self);
        b.append(other);
        b.finish()
    }

    /// This, `n` times over.
    pub fn times(&self, n: usize) -> Data {
        let mut b = DataBuilder::default();
        for _ in 0..n {
            b.append(self);
            if self.0.len() == 1 {
                return Data::repeat(self.0[0].byte, self.len() * n);
            }
        }
        b.finish()
    }

    /// The bytes themselves.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut v = Vec::with_capacity(self.len());
        for run in self.0.iter() {
            v.resize(v.len() + run.len as usize, run.byte);
        }
        v
    }
}

impl From<&str> for Data {
    fn from(s: &str) -> Self {
        Data::from_bytes(s.as_bytes())
    }
}

/// Runs of at least this many equal bytes are written `"a"*n`.
const LONG: u32 = 8;

impl fmt::Display for Data {
    /// As the language writes it: `"hello"`, `"a"*4096 + "b"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("\"\"");
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        for run in self.0.iter() {
            let shown = crate::print::escape(run.byte);
            if run.len >= LONG {
                if !text.is_empty() {
                    parts.push(format!("\"{text}\""));
                    text.clear();
                }
                parts.push(format!("\"{shown}\"*{}", run.len));
            } else {
                for _ in 0..run.len {
                    text.push_str(&shown);
                }
            }
        }
        if !text.is_empty() {
            parts.push(format!("\"{text}\""));
        }
        f.write_str(&parts.join(" + "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_equal_runs() {
        let a = Data::from("aab").concat(&Data::from("bc"));
        assert_eq!(a, Data::from("aabbc"));
        assert_eq!(a.slice(1, 4), Data::from("abb"));
        assert_eq!(a.to_vec(), b"aabbc");
        assert_eq!(Data::from("ab").times(3), Data::from("ababab"));
    }

    #[test]
    fn long_runs_are_written_short() {
        let d = Data::repeat(b'a', 4096).concat(&Data::from("bc"));
        assert_eq!(d.to_string(), "\"a\"*4096 + \"bc\"");
        assert_eq!(Data::empty().to_string(), "\"\"");
    }
}
