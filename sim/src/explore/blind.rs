//! Data independence: the kernel moves bytes and never looks at them.
//!
//! What a pipe holds multiplies states, though nothing that happens depends on it but its length
//! (Wolper's data independence). So the kernel's graph is walked blind. Each run of bytes in the
//! program's text becomes a *token*, and in every state the runs that the pipes hold are renamed by
//! their places, `0, 1, 2 …`; what each stands for is part of what was seen, not of the state:
//!
//! ```text
//! state     pipe       a step                       pipe then    renamed    an edge tells
//! len 2     ⟨0⟩⟨1⟩     write(w, "c"), token c       ⟨0⟩⟨1⟩⟨c⟩    ⟨0⟩⟨1⟩⟨2⟩  ⟨2⟩ := c
//! len 3     ⟨0⟩⟨1⟩⟨2⟩  read(r, 1) = ⟨0⟩, bound x    ⟨1⟩⟨2⟩       ⟨0⟩⟨1⟩     x := ⟨0⟩, ⟨0⟩ := ⟨1⟩, ⟨1⟩ := ⟨2⟩
//! ```
//!
//! Where nobody is interested in bytes at all, they are all the same.
//!
//! It is done where bytes can only go from the text through pipes to readers. A program that has
//! other ways for them (regular files, `splice`, names of bytes as arguments), or more runs than there
//! are tokens, is walked as it is.

use crate::kernel::Kernel;
use crate::pipe::{PAGE, Pipe};
use scenario::{
    Arg, BadMemory, Data, DataBuilder, Gives, Kind, Pattern, Program, Run, Signal, Stmt, Sys,
    Value,
    constants::{O_CREAT, O_TMPFILE},
};

/// Tokens from here on stand for places in pipes, those below for runs of the text.
const PLACES: u8 = 128;
/// Runs of up to so many bytes are taken apart.
const SHORT: u32 = 8;

/// How bytes are treated.
pub(super) enum Blindness {
    /// They are what they are.
    None,
    /// They are tokens; these are the bytes that those of the text stand for.
    Tokens(Vec<u8>),
    /// They are all the same.
    Full,
}

/// The bytes that the tokens of a state's pipes stand for.
pub(super) type Meaning = Vec<u8>;

impl Blindness {
    /// Makes a program blind. `watch` is the same program with what outcomes and expectations look
    /// at, and nothing else.
    pub fn make(program: &mut Program, watch: &Program) -> Blindness {
        let stmts = || watch.tasks.iter().flat_map(|t| &t.body);
        if !stmts().all(is_plain) {
            return Blindness::None;
        }
        let looked_at = stmts().any(looks_at_bytes);
        if looked_at && !has_two_bytes(program) {
            return Blindness::None;
        }
        if looked_at && stmts().map(places).sum::<usize>() >= usize::from(PLACES) {
            return Blindness::None;
        }
        let mut text = Vec::new();
        let mut token = |byte| {
            if looked_at {
                text.push(byte);
            }
            text.len().saturating_sub(1) as u8
        };
        for stmt in program.tasks.iter_mut().flat_map(|t| &mut t.body) {
            stmt.args.iter_mut().for_each(|arg| blind(arg, &mut token));
        }
        match looked_at {
            true => Blindness::Tokens(text),
            false => Blindness::Full,
        }
    }

    /// Renames the tokens in a state's pipes by their places. Gives the former tokens, place by
    /// place, unless they were the first `places` and are so still.
    pub fn rename(&self, kernel: &mut Kernel, places: usize) -> Option<Vec<u8>> {
        let Blindness::Tokens(_) = self else {
            return None;
        };
        let mut former = Vec::new();
        let mut moved = false;
        for pipe in kernel.pipes.iter_mut() {
            let mut named = true;
            for run in pipe.ring.slots().iter().flat_map(|s| s.data.runs()) {
                let pieces = pieces(run);
                named &= run.byte == place(former.len()) && pieces == 1;
                former.extend(std::iter::repeat_n(run.byte, pieces));
            }
            moved |= !named;
            if !named {
                let first = former.len() - self.places_in(pipe);
                let mut at = first;
                pipe.make_mut().ring.relabel(|run, data| {
                    let pieces = pieces(run);
                    for _ in 0..pieces {
                        data.push(place(at), run.len / pieces as u32);
                        at += 1;
                    }
                });
            }
        }
        (moved || former.len() != places).then_some(former)
    }

    /// How many tokens the pipes hold.
    pub fn places(&self, kernel: &Kernel) -> usize {
        match self {
            Blindness::Tokens(_) => kernel.pipes.iter().map(|(_, p)| self.places_in(p)).sum(),
            Blindness::None | Blindness::Full => 0,
        }
    }

    fn places_in(&self, pipe: &Pipe) -> usize {
        let runs = pipe.ring.slots().iter().flat_map(|slot| slot.data.runs());
        runs.map(pieces).sum()
    }

    /// The byte that a token stands for.
    pub fn byte(&self, token: u8, meaning: &[u8]) -> u8 {
        match self {
            Blindness::Tokens(_) if token >= PLACES => meaning[usize::from(token - PLACES)],
            Blindness::Tokens(text) => text[usize::from(token)],
            Blindness::None | Blindness::Full => token,
        }
    }

    /// The value with the bytes that its tokens stand for.
    pub fn value(&self, value: &Value, meaning: &[u8]) -> Value {
        match (self, value) {
            (Blindness::Tokens(_), Value::Data(data)) => {
                Value::Data(each_run(data, |token| self.byte(token, meaning)))
            }
            _ => value.clone(),
        }
    }
}

/// Of how many tokens a run is made. Short runs are one token a byte, so that it makes no difference
/// by how many writes their bytes came.
fn pieces(run: &Run) -> usize {
    match run.len {
        len if len <= SHORT => len as usize,
        _ => 1,
    }
}

/// Whether a program writes different bytes at all.
fn has_two_bytes(program: &mut Program) -> bool {
    let mut first = None;
    let mut two = false;
    for stmt in program.tasks.iter_mut().flat_map(|t| &mut t.body) {
        for arg in &mut stmt.args {
            blind(arg, &mut |byte| {
                two |= *first.get_or_insert(byte) != byte;
                byte
            });
        }
    }
    two
}

fn place(at: usize) -> u8 {
    // There are no more, by the test above.
    PLACES + (at as u8 & (PLACES - 1))
}

/// The data with each run's byte replaced.
pub(crate) fn each_run(data: &Data, mut byte: impl FnMut(u8) -> u8) -> Data {
    let mut new = DataBuilder::default();
    for run in data.runs() {
        new.push(byte(run.byte), run.len);
    }
    new.finish()
}

fn blind(arg: &mut Arg, token: &mut impl FnMut(u8) -> u8) {
    match arg {
        Arg::Value(value) => blind_value(value, token),
        Arg::List(items) => items.iter_mut().for_each(|arg| blind(arg, token)),
        Arg::Var(_) => {}
    }
}

fn blind_value(value: &mut Value, token: &mut impl FnMut(u8) -> u8) {
    match value {
        Value::Data(data) | Value::Memory(BadMemory { valid: data, .. }) => {
            *data = each_run(data, token);
        }
        Value::List(items) => items.iter_mut().for_each(|v| blind_value(v, token)),
        _ => {}
    }
}

/// The parameters of a call, with their arguments.
fn params(stmt: &Stmt) -> impl Iterator<Item = (Kind, &Arg)> {
    let params = stmt.sys.spec().params.iter().map(|p| p.kind);
    params
        .filter(|k| !matches!(k, Kind::Word(_)))
        .zip(&stmt.args)
}

/// Whether bytes take no other way than from the text to a pipe and from a pipe to a reader.
fn is_plain(stmt: &Stmt) -> bool {
    use Sys::*;
    let plain = match stmt.sys {
        Read | Write | Readv | Writev | ReadvCount | Preadv2 | Pwritev2 | Pread | Pwrite => true,
        Pipe | Pipe2 | PipeBadArray | GetPipeSize | SetPipeSize | Close | CloseRange | Dup
        | Dup2 | Dup3 | DupFd | DupFdCloexec | GetFd | SetFd | GetFl | SetFl | SetOwn | GetOwn
        | SetSig | FcntlUnknown | Fionread | Fionbio | Fioasync | Fstat | Fchmod | Fchown
        | Lseek | Ftruncate | Setrlimit => true,
        Mkfifo | Mkfifoat | Mknod | Open | Unlink | Rename | Link | Symlink | Mkdir | Chmod
        | Chown | Stat | Reopen | ReopenOf | Umask => true,
        Setuid | Setgid | Seteuid | Setgroups | Poll => true,
        Sigaction | Sigprocmask | Sigpending | Kill | Tgkill | Fork | Thread | Exit => true,
        // Others take bytes elsewhere, or make some, or it is not known here that they do not.
        _ => false,
    };
    let makes_file = stmt.sys == Open
        && match stmt.args.get(1) {
            Some(Arg::Value(flags)) => flags
                .number()
                .is_none_or(|n| n as u64 & (O_CREAT | O_TMPFILE) != 0),
            _ => true,
        };
    plain
        && !makes_file
        && !may_stop(stmt)
        && params(stmt).all(|(kind, arg)| !takes_bytes(kind) || !has_name(arg))
}

/// Whether a call sends, or lets the kernel send, a signal that stops: a stopped task holds what its
/// call is to return.
fn may_stop(stmt: &Stmt) -> bool {
    let mut signals = params(stmt).filter(|(kind, _)| *kind == Kind::Signal);
    let stop = [
        Signal::SIGSTOP,
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
    ];
    let stops = |n: i64| stop.iter().any(|s| i64::from(s.0) == n);
    matches!(stmt.sys, Sys::Kill | Sys::Tgkill | Sys::SetSig)
        && signals.any(|(_, arg)| match arg {
            Arg::Value(v) => v.number().is_none_or(stops),
            _ => true,
        })
}

fn has_name(arg: &Arg) -> bool {
    let mut found = false;
    arg.vars(&mut |_| found = true);
    found
}

fn takes_bytes(kind: Kind) -> bool {
    matches!(kind, Kind::Bytes | Kind::Chunks)
}

/// Whether anybody looks at the bytes that a call gives.
fn looks_at_bytes(stmt: &Stmt) -> bool {
    stmt.sys.spec().gives == Gives::Bytes
        && match &stmt.expect {
            Pattern::Any => false,
            Pattern::Value(v) => matches!(v, Value::Data(_)),
            Pattern::Bind(_) | Pattern::Same(_) | Pattern::List(_) => true,
        }
}

/// At how many places of pipes the bytes of a call can be at most, each run of them cut where slots
/// end.
fn places(stmt: &Stmt) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Data(data) | Value::Memory(BadMemory { valid: data, .. }) => {
                let pieces = |run: &Run| match run.len {
                    len if len <= SHORT => len as usize,
                    len => SHORT as usize * (len as usize / PAGE + 2),
                };
                data.runs().iter().map(pieces).sum()
            }
            Value::List(items) => items.iter().map(of).sum(),
            _ => 0,
        }
    }
    fn all(arg: &Arg) -> usize {
        match arg {
            Arg::Value(value) => of(value),
            Arg::List(items) => items.iter().map(all).sum(),
            Arg::Var(_) => 0,
        }
    }
    let bytes = params(stmt).filter(|(kind, _)| takes_bytes(*kind));
    bytes.map(|(_, arg)| all(arg)).sum()
}
