//! The text of a [`Scenario`]: `parse(print(s)) == s`.

use crate::Data;
use crate::ast::{
    CallLine, Condition, Expr, ExprKind, Line, Name, Need, Op, Process, Scenario, With,
};
use std::fmt;

impl Op {
    /// How tightly `not` binds.
    pub(crate) const NOT: u8 = 4;

    /// How tightly it binds; `*` most.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Op::Implies => 1,
            Op::Or => 2,
            Op::And => 3,
            Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::In => 5,
            Op::BitOr => 6,
            Op::Add | Op::Sub => 7,
            Op::Mul => 8,
        }
    }

    /// Whether it compares. Comparisons do not chain.
    pub(crate) fn is_comparison(self) -> bool {
        self.precedence() == Op::Eq.precedence()
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Or => "or",
            Op::And => "and",
            Op::Implies => "implies",
            Op::Eq => "==",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::In => "in",
            Op::BitOr => "|",
            Op::Add => "+",
            Op::Sub => "-",
            Op::Mul => "*",
        })
    }
}

/// An expression in a place that wants operators of at least this precedence.
struct At<'a>(&'a Expr, u8);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let At(expr, least) = *self;
        let own = match &expr.kind {
            ExprKind::Binary(op, ..) => op.precedence(),
            ExprKind::Not(_) => Op::NOT,
            _ => u8::MAX,
        };
        if own < least {
            return write!(f, "({})", At(expr, 0));
        }
        match &expr.kind {
            ExprKind::Int(n) => write!(f, "{n}"),
            ExprKind::Octal(n) => radix(f, *n, "0o", |n| format!("{n:o}")),
            ExprKind::Hex(n) => radix(f, *n, "0x", |n| format!("{n:x}")),
            ExprKind::Data(data) => literal(f, data),
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::Qualified(task, name) => write!(f, "{task}.{name}"),
            ExprKind::Error(name) => write!(f, "-1 {name}"),
            ExprKind::List(items) => {
                f.write_str("[")?;
                commas(f, items)?;
                f.write_str("]")
            }
            ExprKind::Apply(name, args) => {
                write!(f, "{name}(")?;
                commas(f, args)?;
                f.write_str(")")
            }
            // `not a == b` would be read as it is meant, but not by everyone.
            ExprKind::Not(inner) => write!(f, "not {}", At(inner, Op::BitOr.precedence())),
            ExprKind::Binary(op, left, right) => {
                let (l, r) = match op {
                    Op::Implies => (own + 1, own),
                    op if op.is_comparison() => (own + 1, own + 1),
                    _ => (own, own + 1),
                };
                let signal = matches!(op, Op::Add | Op::Sub)
                    && matches!(&left.kind, ExprKind::Name(n) if n == "SIGRTMIN" || n == "SIGRTMAX");
                let tight = signal || matches!(op, Op::Mul | Op::BitOr);
                let blank = if tight { "" } else { " " };
                write!(f, "{}{blank}{op}{blank}{}", At(left, l), At(right, r))
            }
        }
    }
}

/// Hexadecimal and octal numbers keep their sign in front.
fn radix(
    f: &mut fmt::Formatter<'_>,
    n: i64,
    prefix: &str,
    digits: impl Fn(u64) -> String,
) -> fmt::Result {
    let sign = if n < 0 { "-" } else { "" };
    write!(f, "{sign}{prefix}{}", digits(n.unsigned_abs()))
}

fn commas(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{}", At(item, Op::BitOr.precedence()))?;
    }
    Ok(())
}

/// Bytes as one string literal, whatever their length.
fn literal(f: &mut fmt::Formatter<'_>, data: &Data) -> fmt::Result {
    f.write_str("\"")?;
    for run in data.runs() {
        let shown = escape(run.byte);
        for _ in 0..run.len {
            f.write_str(&shown)?;
        }
    }
    f.write_str("\"")
}

/// A byte as it stands in a string.
pub(crate) fn escape(byte: u8) -> String {
    match byte {
        b'"' => "\\\"".into(),
        b'\\' => "\\\\".into(),
        b'\n' => "\\n".into(),
        b'\t' => "\\t".into(),
        b'\r' => "\\r".into(),
        b'\0' => "\\0".into(),
        b if (0x20..0x7f).contains(&b) => char::from(b).into(),
        b => format!("\\x{b:02x}"),
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        At(self, 0).fmt(f)
    }
}

/// A call without its expectation: `write(w, "hello")`.
pub(crate) struct CallText<'a>(pub(crate) &'a CallLine);

impl fmt::Display for CallText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.0.name.text)?;
        commas(f, &self.0.args)?;
        f.write_str(")")
    }
}

/// Writes the lines of a program, `depth` blocks deep.
fn body(f: &mut fmt::Formatter<'_>, lines: &[Line], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let task = |f: &mut fmt::Formatter<'_>, word, task: &Process| {
        writeln!(f, "{indent}{word} {}", task.name.text)?;
        body(f, &task.body, depth + 1)
    };
    for line in lines {
        match line {
            Line::Fork(process) => task(f, "fork", process)?,
            Line::Thread(process) => task(f, "thread", process)?,
            Line::Call(call) => {
                write!(f, "{indent}{}", CallText(call))?;
                if call.blocks {
                    f.write_str(" blocks")?;
                }
                if let Some(expect) = &call.expect {
                    write!(f, " = {}", At(expect, Op::BitOr.precedence()))?;
                }
                f.write_str("\n")?;
            }
        }
    }
    Ok(())
}

/// Columns of a line of prose or of clauses.
const WIDTH: usize = 96;

/// A description, as adjacent strings of at most [`WIDTH`] columns where its spaces allow it.
fn description(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut line = String::new();
    let flush = |f: &mut fmt::Formatter<'_>, line: &mut String| {
        let result = writeln!(f, "\"{line}\"");
        line.clear();
        result
    };
    let mut first = true;
    for word in text.split(' ') {
        let shown: String = word.chars().map(escape_char).collect();
        if !first {
            // The parser drops a first string that is empty, so that one is never broken off.
            if !line.is_empty() && line.chars().count() + 1 + shown.chars().count() > WIDTH - 2 {
                flush(f, &mut line)?;
            } else {
                line.push(' ');
            }
        }
        first = false;
        line.push_str(&shown);
    }
    flush(f, &mut line)
}

fn escape_char(c: char) -> String {
    if c.is_ascii() {
        escape(c as u8)
    } else if c.is_control() || (c.is_whitespace() && c != ' ') {
        c.encode_utf8(&mut [0; 4]).bytes().map(escape).collect()
    } else {
        c.into()
    }
}

fn clauses(f: &mut fmt::Formatter<'_>, names: &[Name]) -> fmt::Result {
    let mut width = 0;
    for name in names {
        if width > 0 && width + 1 + name.text.len() <= WIDTH {
            write!(f, " {}", name.text)?;
            width += 1 + name.text.len();
        } else {
            if width > 0 {
                f.write_str("\n")?;
            }
            write!(f, "clauses {}", name.text)?;
            width = "clauses ".len() + name.text.len();
        }
    }
    if width > 0 { f.write_str("\n") } else { Ok(()) }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Root(_) => f.write_str("root"),
            Need::Linux(major, minor, _) => write!(f, "linux>={major}.{minor}"),
            Need::Capability { name, held: true } => write!(f, "cap {}", name.text),
            Need::Capability { name, held: false } => write!(f, "nocap {}", name.text),
            Need::Facility(name) => f.write_str(&name.text),
        }
    }
}

impl fmt::Display for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "with {} in ", self.name.text)?;
        commas(f, &self.values)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.quantifier)?;
        if let Some(under) = &self.under {
            write!(f, "under {} ", under.text)?;
        }
        write!(f, "{}", self.expr)
    }
}

/// The calls of an `order`, equal neighbours as `name*n`.
fn order(f: &mut fmt::Formatter<'_>, names: &[Name]) -> fmt::Result {
    f.write_str("order")?;
    for same in names.chunk_by(|a, b| a.text == b.text) {
        match same.len() {
            1 => write!(f, " {}", same[0].text)?,
            n => write!(f, " {}*{n}", same[0].text)?,
        }
    }
    f.write_str("\n")
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "test {}", self.name.text)?;
        if !self.description.is_empty() {
            description(f, &self.description)?;
        }
        clauses(f, &self.clauses)?;
        if !self.needs.is_empty() {
            let needs: Vec<_> = self.needs.iter().map(Need::to_string).collect();
            writeln!(f, "needs {}", needs.join(", "))?;
        }
        for with in &self.with {
            writeln!(f, "{with}")?;
        }
        if !self.setup.is_empty() {
            f.write_str("\nsetup\n")?;
            body(f, &self.setup, 1)?;
        }
        for process in &self.processes {
            writeln!(f, "\nprocess {}", process.name.text)?;
            body(f, &process.body, 1)?;
        }
        if let Some(names) = &self.order {
            f.write_str("\n")?;
            order(f, names)?;
        }
        if !self.conditions.is_empty() {
            f.write_str("\n")?;
        }
        for condition in &self.conditions {
            writeln!(f, "{condition}")?;
        }
        Ok(())
    }
}
