//! The line discipline: what becomes of a byte on its way from the master to the slave.

use super::{Terminal, control};
use crate::clause::*;
use crate::kernel::{Cx, Kernel, ObjId};
use scenario::{Signal, constants::*};

/// A byte of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    /// The byte; 0 stands for the end-of-file character if it ends a line.
    pub byte: u8,
    /// It ends a line.
    pub ends: bool,
}

impl Cell {
    fn is_end_of_file(self) -> bool {
        self.ends && self.byte == 0
    }
}

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const KILL: u8 = 0x15;
const LITERAL: u8 = 0x16;
const SUSPEND: u8 = 0x1a;
const QUIT: u8 = 0x1c;
const ERASE: u8 = 0x7f;

impl Terminal {
    /// Whether a read of the slave finds something.
    pub(super) fn has_input(&self) -> bool {
        match self.is_set(ICANON) {
            true => self.input.iter().any(|c| c.ends),
            false => !self.input.is_empty(),
        }
    }

    /// The bytes that a read could get, over all lines: `FIONREAD`.
    pub(super) fn available(&self) -> usize {
        if !self.is_set(ICANON) {
            return self.input.len();
        }
        let whole = self.input.iter().rposition(|c| c.ends).map_or(0, |n| n + 1);
        let ends = |c: &&Cell| c.is_end_of_file();
        whole - self.input[..whole].iter().filter(ends).count()
    }

    /// Takes what a read with this much room gets.
    pub(super) fn take_input(&mut self, room: usize) -> Vec<u8> {
        if !self.is_set(ICANON) {
            let n = room.min(self.input.len());
            return self.input.drain(..n).map(|c| c.byte).collect();
        }
        // An end of file right behind what fits is taken with it.
        let seen = &self.input[..self.input.len().min(room.saturating_add(1))];
        let taken = match seen.iter().position(|c| c.ends) {
            Some(at) if self.input[at].is_end_of_file() || at < room => at + 1,
            _ => room.min(seen.len()),
        };
        let cells = self.input.drain(..taken);
        cells
            .filter(|c| !c.is_end_of_file())
            .map(|c| c.byte)
            .collect()
    }

    /// Changes the settings.
    pub(super) fn set(&mut self, settings: u64) {
        let changed = self.settings ^ settings;
        self.settings = settings;
        if changed & ICANON != 0 {
            // What waits is one line, or no lines at all.
            for cell in &mut self.input {
                cell.ends = false;
            }
            if settings & ICANON != 0
                && let Some(last) = self.input.last_mut()
            {
                last.ends = true;
            }
        }
    }

    /// Writes a byte of output as the settings say.
    pub(super) fn put(&mut self, byte: u8) {
        if byte == b'\n' && self.is_set(OPOST) && self.is_set(ONLCR) {
            self.output.push(b'\r');
        }
        self.output.push(byte);
    }

    /// Shows a byte; a control character as `^X`.
    fn echo(&mut self, byte: u8) {
        if self.is_set(ECHOCTL) && byte.is_ascii_control() && byte != b'\t' {
            self.output.push(b'^');
            self.output.push(byte ^ 0x40);
        } else {
            self.put(byte);
        }
    }

    fn push(&mut self, byte: u8) {
        self.input.push(Cell { byte, ends: false });
    }

    /// Wipes the last byte of the line; tells whether there was one.
    fn erase(&mut self, shows: bool) -> bool {
        match self.input.last() {
            Some(cell) if !cell.ends => {}
            _ => return false,
        }
        let byte = self.input.pop().map_or(0, |c| c.byte);
        if shows && self.is_set(ECHO) {
            let width = match byte.is_ascii_control() {
                true if self.is_set(ECHOCTL) => 2,
                true => 0,
                false => 1,
            };
            for _ in 0..width {
                self.output.extend(b"\x08 \x08");
            }
        }
        true
    }

    fn edit(&mut self, byte: u8) {
        if byte == ERASE {
            let shows = self.is_set(ECHOE);
            if self.erase(shows) && !shows && self.is_set(ECHO) {
                self.echo(ERASE);
            }
            return;
        }
        if self.input.last().is_none_or(|c| c.ends) {
            return;
        }
        let wipes = self.is_set(ECHOK) && self.is_set(ECHOKE) && self.is_set(ECHOE);
        while self.erase(wipes) {}
        if !wipes && self.is_set(ECHO) {
            self.echo(KILL);
            if self.is_set(ECHOK) {
                self.put(b'\n');
            }
        }
    }
}

/// A byte arrives from the master.
pub(super) fn receive(k: &mut Kernel, id: ObjId, byte: u8, cx: &mut Cx) {
    let t = k.terminals.get_mut(id);
    let signal = match byte {
        INTERRUPT => Some(Signal::SIGINT),
        QUIT => Some(Signal::SIGQUIT),
        SUSPEND => Some(Signal::SIGTSTP),
        _ => None,
    };
    if std::mem::take(&mut t.literal) {
        cx.cite(SIG_210);
        t.push(byte);
        if t.is_set(ECHO) {
            t.echo(byte);
        }
        return;
    }
    if let Some(signal) = signal {
        if t.is_set(ISIG) {
            return key(k, id, byte, signal, cx);
        }
        cx.cite(SIG_174);
    }
    let byte = match byte {
        b'\r' if t.is_set(ICRNL) => b'\n',
        other => other,
    };
    if byte == LITERAL && t.is_set(IEXTEN) {
        t.literal = true;
        if t.is_set(ECHO) && t.is_set(ECHOCTL) {
            t.output.extend(b"^\x08");
        }
        return;
    }
    if t.is_set(ICANON) {
        match byte {
            ERASE | KILL => return t.edit(byte),
            b'\n' => {
                cx.cite(SIG_183);
                t.input.push(Cell { byte, ends: true });
                if t.is_set(ECHO) {
                    t.put(byte);
                }
                return;
            }
            END_OF_FILE => {
                cx.cite(SIG_183);
                t.input.push(Cell {
                    byte: 0,
                    ends: true,
                });
                return;
            }
            _ => {}
        }
    }
    t.push(byte);
    if t.is_set(ECHO) {
        t.echo(byte);
    }
}

/// A key that means a signal.
fn key(k: &mut Kernel, id: ObjId, byte: u8, signal: Signal, cx: &mut Cx) {
    cx.cite(SIG_173);
    cx.cite(SIG_174);
    let group = k.terminals.get(id).foreground;
    if let Some(group) = group {
        control::key_signal(k, group, signal, cx);
    }
    let t = k.terminals.get_mut(id);
    if !t.input.is_empty() {
        cx.cite(SIG_175);
    }
    if !t.is_set(NOFLSH) {
        t.input.clear();
    }
    if t.is_set(ECHO) {
        if t.is_set(ECHOCTL) {
            cx.cite(SIG_176);
        }
        t.echo(byte);
    }
}
