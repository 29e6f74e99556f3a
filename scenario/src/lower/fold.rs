//! Constants: their names, arithmetic on them, and what an error message calls them.

use crate::ast::{ExprKind, Op};
use crate::{BadMemory, Bits, Data, Errno, Fault, Signal, Value};
use std::cell::Cell;

/// Most bytes in one value.
pub(crate) const MOST_BYTES: usize = 16 << 20;
/// Most runs ([`crate::Run`]) that repeating strings may make in one file: a bound on memory.
const MOST_RUNS: usize = 8 << 20;

/// Functions that make values of their own: buffers that fault.
pub(crate) const BUFFERS: &[&str] = &["fault", "outside", "null"];

/// Functions over outcomes, which only conditions know.
pub(crate) const FUNCTIONS: &[&str] = &["len", "handled", "siginfo", "exited", "killed", "blocked"];

/// The named constant: a flag, a signal. (An errno is no value by itself.)
pub(crate) fn constant(name: &str) -> Option<Value> {
    if let Some((kind, n)) = Bits::lookup(name) {
        return Some(Value::Bits(kind, n));
    }
    Signal::from_name(name).map(Value::Signal)
}

/// The names of all constants, errnos among them.
pub(crate) fn constants() -> impl Iterator<Item = String> {
    let bits = Bits::ALL
        .iter()
        .flat_map(|b| b.names().iter().map(|(n, _)| n.to_string()));
    let signals = Signal::NAMED.iter().map(|(n, _)| n.to_string());
    let realtime = ["SIGRTMIN", "SIGRTMAX"].map(String::from);
    let errnos = Errno::ALL.iter().map(|e| e.to_string());
    bits.chain(signals).chain(realtime).chain(errnos)
}

/// Whether a name is written in capitals, as constants are and results are not.
pub(crate) fn in_capitals(name: &str) -> bool {
    name.chars().any(|c| c.is_ascii_uppercase()) && !name.chars().any(|c| c.is_ascii_lowercase())
}

/// What a message calls a value.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Int(n) => format!("the number {n}"),
        Value::Data(_) => "a string".into(),
        Value::Bits(Bits::Mode, _) => format!("the mode {value}"),
        Value::Bits(..) => format!("the constant {value}"),
        Value::Signal(s) => format!("the signal {s}"),
        Value::Task(_) => "a task".into(),
        Value::List(_) => "a list".into(),
        Value::Error(_) => format!("the error {value}"),
        Value::Symbol(..) => "a symbolic number".into(),
        Value::Memory(_) => "a buffer that faults".into(),
        Value::Path(_) => "a path".into(),
        Value::Sysctl(_) => "a limit".into(),
    }
}

/// The value of a literal.
pub(crate) fn literal(kind: &ExprKind) -> Option<Value> {
    match kind {
        ExprKind::Int(n) | ExprKind::Octal(n) | ExprKind::Hex(n) => Some(Value::Int(*n)),
        ExprKind::Data(data) => Some(Value::Data(data.clone())),
        _ => None,
    }
}

/// How much memory folding may still take.
pub(crate) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Cell::new(MOST_RUNS))
    }
}

impl Budget {
    fn repeat(&self, data: &Data, times: i64) -> Result<Value, String> {
        let times = usize::try_from(times)
            .map_err(|_| format!("a string cannot be repeated {times} times"))?;
        match data.len().checked_mul(times) {
            Some(len) if len <= MOST_BYTES => {}
            _ => return Err(too_long()),
        }
        let runs = match data.runs().len() {
            0 | 1 => 1,
            n => n.saturating_mul(times),
        };
        let left = self
            .0
            .get()
            .checked_sub(runs)
            .ok_or("strings too long in sum")?;
        self.0.set(left);
        Ok(Value::Data(if data.is_empty() {
            Data::empty()
        } else {
            data.times(times)
        }))
    }

    /// `a op b` for an operator of arithmetic, or why there is no such value.
    pub(crate) fn combine(&self, op: Op, a: &Value, b: &Value) -> Result<Value, String> {
        use Value::{Bits, Data, Int, Signal};
        let overflow = || format!("{a} {op} {b} does not fit in 64 bits");
        match (op, a, b) {
            (Op::Add, Int(a), Int(b)) => a.checked_add(*b).map(Int).ok_or_else(overflow),
            (Op::Sub, Int(a), Int(b)) => a.checked_sub(*b).map(Int).ok_or_else(overflow),
            (Op::Mul, Int(a), Int(b)) => a.checked_mul(*b).map(Int).ok_or_else(overflow),
            (Op::BitOr, Int(a), Int(b)) => Ok(Int(a | b)),
            (Op::Add, Data(a), Data(b)) if a.len() + b.len() <= MOST_BYTES => Ok(Data(a.concat(b))),
            (Op::Add, Data(_), Data(_)) => Err(too_long()),
            (Op::Mul, Data(data), Int(n)) | (Op::Mul, Int(n), Data(data)) => self.repeat(data, *n),
            (Op::Add | Op::Sub, Signal(s), Int(n)) => {
                let n = if op == Op::Add {
                    Some(*n)
                } else {
                    n.checked_neg()
                };
                n.and_then(|n| i64::from(s.0).checked_add(n))
                    .and_then(|n| u8::try_from(n).ok())
                    .map(crate::Signal)
                    .filter(|sum| s.is_realtime() && sum.is_realtime() && sum.0 <= 64)
                    .map(Signal)
                    .ok_or_else(|| format!("{a} {op} {b} is no real-time signal"))
            }
            (Op::BitOr, Bits(kind, a), Bits(other, b)) if kind == other => Ok(Bits(*kind, a | b)),
            (Op::BitOr, Bits(kind, a), Int(b)) | (Op::BitOr, Int(b), Bits(kind, a)) if *b >= 0 => {
                Ok(Bits(*kind, a | b.unsigned_abs()))
            }
            (Op::BitOr, Bits(..), Bits(..)) => {
                Err(format!("{a} and {b} are flags of different families"))
            }
            _ => Err(format!(
                "`{op}` does not join {} and {}",
                describe(a),
                describe(b)
            )),
        }
    }
}

fn too_long() -> String {
    format!("a string of more than {} MiB", MOST_BYTES >> 20)
}

/// `fault(valid, count)`, `outside(count)`, `null(count)`, or what is wrong with it.
pub(crate) fn buffer(name: &str, args: &[Value]) -> Result<Value, String> {
    let memory = |fault, valid, count: i64| {
        Value::Memory(BadMemory {
            fault,
            valid,
            count,
        })
    };
    match (name, args) {
        ("fault", [Value::Data(valid), Value::Int(count)]) => {
            Ok(memory(Fault::Unmapped, valid.clone(), *count))
        }
        ("fault", [Value::Int(valid), Value::Int(count)]) => match usize::try_from(*valid) {
            Ok(n) if n <= MOST_BYTES => Ok(memory(Fault::Unmapped, Data::repeat(0, n), *count)),
            _ => Err(format!(
                "{valid} bytes of good memory, of at most {MOST_BYTES}"
            )),
        },
        ("outside", [Value::Int(count)]) => Ok(memory(Fault::Outside, Data::empty(), *count)),
        ("null", [Value::Int(count)]) => Ok(memory(Fault::Null, Data::empty(), *count)),
        ("fault", _) => Err(
            "`fault` takes the bytes (or how many zero bytes) before the \
                             fault, and the count given to the call: fault(\"abc\", 100)"
                .into(),
        ),
        _ => Err(format!(
            "`{name}` takes the count given to the call: {name}(100)"
        )),
    }
}
