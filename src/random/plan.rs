//! A random scenario before it is text: parts that mechanisms make, and what they are written with.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;

/// A mechanism, as random scenarios have it.
#[derive(Debug)]
pub struct Mechanism {
    /// Its name.
    pub name: &'static str,
    /// In so many of a hundred cases it takes part.
    pub(super) percent: u32,
    /// What the setup makes of it.
    pub(super) setup: fn() -> BoxedStrategy<Vec<Part>>,
    /// Its steps, and how often each comes beside those of others.
    pub(super) steps: fn() -> Vec<(u32, BoxedStrategy<Part>)>,
}

/// A part of a scenario: one call, or the few that belong together.
///
/// What a part works on it picks by number from what there is when it is written out, so that every
/// plan is valid however it shrinks.
pub(super) trait Written: Debug {
    /// Writes its lines.
    fn write(&self, w: &mut Writer);
}

pub(super) type Part = Arc<dyn Written>;

/// A strategy's values as parts.
pub(super) fn parts<T: Written + 'static>(
    values: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Part> {
    values.prop_map(|value| Arc::new(value) as Part).boxed()
}

/// A random scenario before it is written out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is made of.
    mechanisms: Vec<&'static Mechanism>,
    setup: Vec<Vec<Part>>,
    processes: Vec<Vec<Step>>,
    /// Orderings are sampled with this seed.
    pub(super) seed: u64,
}

/// A step of a process.
#[derive(Clone, Debug)]
enum Step {
    Call(Part),
    /// The start of a child with a few calls.
    Fork(Vec<Part>),
}

/// The plans over these mechanisms, of up to three processes with up to six steps each, of which some
/// fork a child.
pub(super) fn plans(mechanisms: &[&'static Mechanism]) -> impl Strategy<Value = Plan> + use<> {
    let setup: Vec<_> = mechanisms.iter().map(|m| (m.setup)()).collect();
    let calls = Union::new_weighted(mechanisms.iter().flat_map(|m| (m.steps)()).collect());
    let step = prop_oneof![
        12 => calls.clone().prop_map(Step::Call),
        1 => vec(calls, 0..4).prop_map(Step::Fork),
    ];
    let processes = vec(vec(step, 1..7), 1..4);
    let mechanisms = mechanisms.to_vec();
    (setup, processes, any::<u64>()).prop_map(move |(setup, processes, seed)| Plan {
        mechanisms: mechanisms.clone(),
        setup,
        processes,
        seed,
    })
}

impl Plan {
    /// The scenario's text.
    pub fn text(&self, name: &str) -> String {
        let mut w = Writer {
            mechanisms: self.mechanisms.clone(),
            text: format!("test {name}\n\n"),
            names: 0,
            children: 0,
            depth: 1,
            letter: 's',
            handles: Vec::new(),
            processes: self.processes.len(),
        };
        if self.setup.iter().any(|parts| !parts.is_empty()) {
            w.text.push_str("setup\n");
        }
        for part in self.setup.iter().flatten() {
            part.write(&mut w);
        }
        for (at, steps) in self.processes.iter().enumerate() {
            let made = w.handles.clone();
            w.letter = letter('a', at);
            let _ = writeln!(w.text, "\nprocess {}", w.letter);
            for step in steps {
                match step {
                    Step::Call(part) => part.write(&mut w),
                    Step::Fork(child) => w.fork(child),
                }
            }
            w.handles = made;
        }
        w.text
    }
}

fn letter(first: char, at: usize) -> char {
    char::from(first as u8 + (at % 10) as u8)
}

/// A name that holds a descriptor or an id.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    /// The name, or a number that is no descriptor and no id.
    pub name: String,
    /// What it leads to: the name of its mechanism.
    pub kind: &'static str,
    /// Whether it is a descriptor.
    pub descriptor: bool,
    /// What it was opened for.
    pub reads: bool,
    /// The same.
    pub writes: bool,
}

impl Handle {
    /// A descriptor opened with `O_RDONLY` (0), `O_WRONLY` (1) or `O_RDWR` (2).
    pub fn opened(name: &str, kind: &'static str, mode: u8) -> Handle {
        Handle {
            name: name.to_string(),
            kind,
            descriptor: true,
            reads: access_mode(mode) != "O_WRONLY",
            writes: access_mode(mode) != "O_RDONLY",
        }
    }

    /// An id that is no descriptor.
    pub fn id(name: &str, kind: &'static str) -> Handle {
        Handle {
            name: name.to_string(),
            kind,
            descriptor: false,
            reads: true,
            writes: true,
        }
    }
}

/// A number from which a descriptor or an id is picked.
pub(super) type Pick = u8;

/// The numbers to pick by.
pub(super) fn pick() -> std::ops::Range<Pick> {
    0..10
}

/// Above this, a pick is of any handle and not of one that fits.
const FITTING: Pick = 7;

/// Writes a plan out.
pub(super) struct Writer {
    mechanisms: Vec<&'static Mechanism>,
    text: String,
    names: usize,
    children: usize,
    depth: usize,
    letter: char,
    /// What the process that is written has at hand.
    handles: Vec<Handle>,
    /// How many processes there are.
    processes: usize,
}

impl Writer {
    /// A line of the process that is written.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.text, "{}{}", "  ".repeat(self.depth), text.as_ref());
    }

    /// Whether the scenario has that mechanism too.
    pub fn mixes(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|m| m.name == mechanism)
    }

    /// A name that is not taken yet.
    pub fn name(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    /// From here on, the process has this.
    pub fn has(&mut self, handle: Handle) {
        self.handles.push(handle);
    }

    /// Bytes, so many, all the letter of the process that is written.
    pub fn bytes(&self, count: u32) -> String {
        format!("\"{}\"*{count}", self.letter)
    }

    /// Bytes, so many, which tell one message from the next.
    pub fn message(&mut self, count: u32) -> String {
        self.names += 1;
        let number = char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[self.names % 36]);
        match count {
            0 => "\"\"".to_string(),
            1 => format!("\"{number}\""),
            _ => format!("\"{number}\" + {}", self.bytes(count - 1)),
        }
    }

    /// A descriptor, mostly one that fits, now and then any.
    pub fn descriptor(&self, n: Pick, fits: impl Fn(&Handle) -> bool) -> Handle {
        let all: Vec<&Handle> = self.handles.iter().filter(|h| h.descriptor).collect();
        let fitting: Vec<&Handle> = all.iter().copied().filter(|h| fits(h)).collect();
        let among = if n > FITTING || fitting.is_empty() {
            all
        } else {
            fitting
        };
        match among.len() {
            0 => Handle::opened("99", "none", 2),
            len => among[usize::from(n) % len].clone(),
        }
    }

    /// An id of that mechanism; 99 if there is none.
    pub fn id(&self, n: Pick, kind: &str) -> String {
        let ids = self.handles.iter().filter(|h| !h.descriptor);
        let ids: Vec<&Handle> = ids.filter(|h| h.kind == kind).collect();
        match ids.len() {
            0 => "99".to_string(),
            len => ids[usize::from(n) % len].name.clone(),
        }
    }

    /// A descriptor of that mechanism; 99 if there is none. For calls that say nothing of others.
    pub fn descriptor_of(&self, n: Pick, kind: &str) -> String {
        let own: Vec<&Handle> = self.handles.iter().filter(|h| h.kind == kind).collect();
        match own.len() {
            0 => "99".to_string(),
            len => own[usize::from(n) % len].name.clone(),
        }
    }

    /// One of the processes.
    pub fn task(&self, n: Pick) -> String {
        letter('a', usize::from(n) % self.processes.max(1)).to_string()
    }

    /// A child that makes one call.
    pub fn child(&mut self, call: &str) {
        self.children += 1;
        self.line(format!("fork c{}", self.children));
        self.depth += 1;
        self.line(call);
        self.depth -= 1;
    }

    /// Any descriptor.
    pub fn fd(&self, n: Pick) -> String {
        self.descriptor(n, |_| true).name
    }

    /// Mostly a descriptor that reads; none that reads only by a call of its own.
    pub fn reader(&self, n: Pick) -> String {
        self.plain(n, |h| h.reads)
    }

    fn plain(&self, n: Pick, fits: impl Fn(&Handle) -> bool) -> String {
        let all = || {
            self.handles
                .iter()
                .filter(|h| h.descriptor && (h.reads || h.writes))
        };
        let fitting: Vec<&Handle> = all().filter(|h| n > FITTING || fits(h)).collect();
        let among = if fitting.is_empty() {
            all().collect()
        } else {
            fitting
        };
        match among.len() {
            0 => "99".to_string(),
            len => among[usize::from(n) % len].name.clone(),
        }
    }

    /// Mostly a descriptor that writes; none that writes only by a call of its own.
    pub fn writer(&self, n: Pick) -> String {
        self.plain(n, |h| h.writes)
    }

    fn fork(&mut self, child: &[Part]) {
        self.children += 1;
        self.line(format!("fork c{}", self.children));
        let (made, parent) = (self.handles.clone(), self.letter);
        self.letter = letter('p', self.children - 1);
        self.depth += 1;
        if child.is_empty() {
            self.line("exit(0)");
        }
        for part in child {
            part.write(self);
        }
        self.depth -= 1;
        self.letter = parent;
        self.handles = made;
    }
}

/// Flags joined, `0` if there are none.
pub(super) fn flags(words: &[(bool, &str)]) -> String {
    let set: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
    match set.is_empty() {
        true => "0".to_string(),
        false => set.join("|"),
    }
}

fn access_mode(mode: u8) -> &'static str {
    ["O_RDONLY", "O_WRONLY", "O_RDWR"][usize::from(mode) % 3]
}

/// The access mode of that number, with `O_NONBLOCK` if asked for.
pub(super) fn access(mode: u8, nonblocking: bool) -> String {
    flags(&[(true, access_mode(mode)), (nonblocking, "O_NONBLOCK")])
}
