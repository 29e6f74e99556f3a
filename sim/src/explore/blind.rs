//! Data independence: the kernel moves bytes and never looks at them.
//!
//! What a pipe holds multiplies states, though nothing that happens depends on it but its length
//! (Wolper's data independence). So the kernel's graph is walked blind. Each run of bytes in the
//! program's text becomes a *token*, and in every state the bytes that the pipes hold are renamed by
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
//! other ways for them (regular files, `splice`, names of bytes as arguments), or more bytes than there
//! are tokens, is walked as it is; so is one whose bytes are all alike anyway.

use crate::kernel::Kernel;
use crate::signal::reachable;
use scenario::{
    Arg, BadMemory, Data, DataBuilder, Gives, Kind, Pattern, Program, Run, Stmt, Sys, Value,
    constants::{O_CREAT, O_TMPFILE},
};

/// Tokens from here on stand for places in pipes, those below for runs of the text.
const PLACES: u8 = 128;

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
        if looked_at {
            // A task on its way out of a call, which a signal may stop, holds bytes too.
            if !reachable(program).is_empty() {
                return Blindness::None;
            }
            let runs = runs(program);
            let bytes: u64 = runs.iter().map(|run| u64::from(run.len)).sum();
            let alike = runs.iter().all(|run| run.byte == runs[0].byte);
            if alike || bytes >= u64::from(PLACES) {
                return Blindness::None;
            }
        }
        let mut text = Vec::new();
        let mut token = |run: &Run| {
            if looked_at {
                text.push(run.byte);
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
            let first = former.len();
            let mut named = true;
            for run in pipe.ring.slots().iter().flat_map(|s| s.data.runs()) {
                named &= run.byte == place(former.len()) && run.len == 1;
                former.extend(std::iter::repeat_n(run.byte, run.len as usize));
            }
            if named {
                continue;
            }
            moved = true;
            let mut at = first;
            pipe.make_mut().ring.relabel(|run, data| {
                for _ in 0..run.len {
                    data.push(place(at), 1);
                    at += 1;
                }
            });
        }
        (moved || former.len() != places).then_some(former)
    }

    /// How many tokens the pipes hold.
    pub fn places(&self, kernel: &Kernel) -> usize {
        match self {
            Blindness::Tokens(_) => kernel.pipes.iter().map(|(_, p)| p.ring.buffered()).sum(),
            Blindness::None | Blindness::Full => 0,
        }
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
                Value::Data(each_run(data, |run| self.byte(run.byte, meaning)))
            }
            _ => value.clone(),
        }
    }
}

/// The runs of all bytes in a program's text.
fn runs(program: &Program) -> Vec<Run> {
    let mut runs = Vec::new();
    for stmt in program.tasks.iter().flat_map(|t| &t.body) {
        for arg in &stmt.args {
            // Nothing is changed in the copy.
            blind(&mut arg.clone(), &mut |run| {
                runs.push(*run);
                run.byte
            });
        }
    }
    runs
}

fn place(at: usize) -> u8 {
    // There are no more, by the test above.
    PLACES + (at as u8 & (PLACES - 1))
}

/// The data with each run's byte replaced.
fn each_run(data: &Data, mut byte: impl FnMut(&Run) -> u8) -> Data {
    let mut new = DataBuilder::default();
    for run in data.runs() {
        new.push(byte(run), run.len);
    }
    new.finish()
}

fn blind(arg: &mut Arg, token: &mut impl FnMut(&Run) -> u8) {
    match arg {
        Arg::Value(value) => blind_value(value, token),
        Arg::List(items) => items.iter_mut().for_each(|arg| blind(arg, token)),
        Arg::Var(_) => {}
    }
}

fn blind_value(value: &mut Value, token: &mut impl FnMut(&Run) -> u8) {
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
    plain && !makes_file && params(stmt).all(|(kind, arg)| !takes_bytes(kind) || !has_name(arg))
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
