//! A scenario as it is written: names are still names. [`crate::parse()`] makes it, `Display`
//! prints it, [`crate::lower()`] turns it into programs.

use crate::Data;
use std::fmt;

/// A place in the text: byte offset and length. Places never matter to equality.
#[derive(Clone, Copy, Default)]
pub struct Span {
    /// Byte offset of the first byte.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.start, self.len)
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}
impl Eq for Span {}

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Its place.
    pub span: Span,
}

impl Name {
    /// A word that stands nowhere (made, not parsed).
    pub fn new(text: impl Into<String>) -> Name {
        Name {
            text: text.into(),
            span: Span::default(),
        }
    }
}

/// A whole scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// `test pipe/no-boundaries`: the mechanism and the behaviour.
    pub name: Name,
    /// What it shows, in a sentence or a few.
    pub description: String,
    /// `clauses PIPE-030 PIPE-031`: the clauses it is about.
    pub clauses: Vec<Name>,
    /// `needs root, linux>=6.18`.
    pub needs: Vec<Need>,
    /// `with n in 4095, 4096`: one variant for each combination.
    pub with: Vec<With>,
    /// Calls of the setup process.
    pub setup: Vec<Line>,
    /// The processes, forked from the setup process in this order.
    pub processes: Vec<Process>,
    /// `order a b b`: the one ordering in which calls are issued.
    pub order: Option<Vec<Name>>,
    /// `always`, `never`, `sometimes`.
    pub conditions: Vec<Condition>,
}

/// What a scenario requires of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// `root`: user id 0 with the usual capabilities, and other user ids to change to.
    Root(Span),
    /// `linux>=6.18`.
    Linux(u32, u32, Span),
    /// `cap NAME` held, or `nocap NAME` not held, by the workers: `nocap CAP_SYS_RESOURCE`.
    Capability {
        /// The capability's name.
        name: Name,
        /// Whether it must be held, or must not.
        held: bool,
    },
    /// Any other facility, by name: `posix_mq`.
    Facility(Name),
}

/// A variable that makes variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct With {
    /// Its name.
    pub name: Name,
    /// Its values.
    pub values: Vec<Expr>,
}

/// A process and its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name.
    pub name: Name,
    /// Its program.
    pub body: Vec<Line>,
}

/// A line of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A system call.
    Call(CallLine),
    /// `fork NAME`, with the child's program below.
    Fork(Process),
    /// `thread NAME`, with the thread's program below.
    Thread(Process),
}

/// A system call with its expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLine {
    /// The call's name.
    pub name: Name,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// `blocks`: it must not have returned when the system is quiet.
    pub blocks: bool,
    /// What stands after `=`.
    pub expect: Option<Expr>,
    /// The whole line.
    pub span: Span,
}

/// An expression: an argument, an expectation, a part of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// A number, decimal.
    Int(i64),
    /// A number, written in octal: `0o644`.
    Octal(i64),
    /// A number, written in hexadecimal.
    Hex(i64),
    /// A string.
    Data(Data),
    /// A name: of a result, a task, a constant, a variant's variable; `_` is anything.
    Name(String),
    /// `task.name`: a name bound by that task.
    Qualified(String, String),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `-1 EAGAIN`.
    Error(String),
    /// `f(a, b)`: `fault`, `outside`, `null`, `len`, `handled`, `status`, `blocked` …
    Apply(String, Vec<Expr>),
    /// `a op b`.
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `not a`.
    Not(Box<Expr>),
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Op {
    Or,
    And,
    Implies,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// `a in [x, y]`.
    In,
    /// `|` of flags.
    BitOr,
    Add,
    Sub,
    Mul,
}

/// How often a condition must hold over all outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// In every outcome (herd's Required).
    Always,
    /// In no outcome (herd's Forbidden).
    Never,
    /// In at least one outcome (herd's Allowed).
    Sometimes,
}

impl fmt::Display for Quantifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quantifier::Always => "always",
            Quantifier::Never => "never",
            Quantifier::Sometimes => "sometimes",
        })
    }
}

/// A condition over outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How often it must hold.
    pub quantifier: Quantifier,
    /// `under posix`: only under that model.
    pub under: Option<Name>,
    /// What must hold.
    pub expr: Expr,
    /// The whole line.
    pub span: Span,
}
