//! From a scenario's statements to operations in shared memory.

use crate::arena::{Arena, HEAP_AT, HEAP_END, HUGE, HUGES, MAX_VARS, ZONE_LEN, ZONES};
use crate::decode::{Decode, Piece};
use crate::op::{Do, Op, Out, Source, Store, Word};
use scenario::{Arg, BadMemory, Data, Fault, Pattern, Stmt, Sys, Value};

/// A statement that workers cannot perform, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// A call made ready.
pub(crate) struct Plan {
    pub how: Do,
    pub nr: i64,
    pub args: [Word; 6],
    pub stores: Vec<Store>,
    pub decode: Decode,
}

impl Plan {
    /// A system call whose result is a number. Arguments left out are 0.
    pub fn new<const N: usize>(nr: i64, given: [Word; N]) -> Plan {
        let mut args = [Word::Const(0); 6];
        args[..N].copy_from_slice(&given);
        Plan {
            how: Do::Call,
            nr,
            args,
            stores: Vec::new(),
            decode: Decode::Int,
        }
    }

    /// The same, with another meaning of the result.
    pub fn gives(mut self, decode: Decode) -> Plan {
        self.decode = decode;
        self
    }

    /// The same, performed otherwise.
    pub fn how(mut self, how: Do) -> Plan {
        self.how = how;
        self
    }
}

/// Lays out one task's slot.
pub(crate) struct Build {
    arena: Arena,
    task: usize,
    heap: usize,
    zones: usize,
    huges: usize,
    /// Pages that were made to fault and shall stay so.
    faults: Vec<usize>,
}

impl Build {
    /// Begins with an empty slot.
    pub fn new(arena: Arena, task: usize) -> Build {
        Build {
            arena,
            task,
            heap: HEAP_AT,
            zones: 0,
            huges: 0,
            faults: Vec::new(),
        }
    }

    /// The task that it is of.
    pub fn task(&self) -> u16 {
        self.task as u16
    }

    /// The address of a task's slot.
    pub fn slot_of(&self, task: usize) -> usize {
        self.arena.at(task)
    }

    /// The address of this task's slot.
    pub fn slot(&self) -> usize {
        self.arena.at(self.task)
    }

    /// Where the arena is mapped, and from what.
    pub fn arena_source(&self) -> (usize, String) {
        self.arena.source()
    }

    /// Pages that must fault before the task runs.
    pub fn faults(&self) -> &[usize] {
        &self.faults
    }

    /// Bytes of the heap in use.
    pub fn used(&self) -> usize {
        self.heap - HEAP_AT
    }

    /// Room in the slot; what lies there is left from earlier.
    pub fn alloc(&mut self, len: usize, align: usize) -> Result<usize, Unsupported> {
        let at = self.heap.next_multiple_of(align);
        let end = at.checked_add(len).filter(|&end| end <= HEAP_END);
        self.heap = end.ok_or_else(|| Unsupported("its buffers take more than 3 GiB".into()))?;
        Ok(self.arena.at(self.task) + at)
    }

    /// Stores values side by side.
    pub fn put<T: Copy>(&mut self, values: &[T]) -> Result<usize, Unsupported> {
        let at = self.alloc(size_of_val(values), align_of::<T>().max(8))?;
        // SAFETY: `alloc` gave that much room, which nobody uses yet.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), at as *mut T, values.len()) };
        Ok(at)
    }

    /// A zeroed buffer.
    pub fn zeroed(&mut self, len: usize) -> Result<usize, Unsupported> {
        let at = self.alloc(len, 16)?;
        // SAFETY: as in `put`.
        unsafe { std::ptr::write_bytes(at as *mut u8, 0, len) };
        Ok(at)
    }

    /// A string, ended by a zero.
    pub fn string(&mut self, text: &[u8]) -> Result<usize, Unsupported> {
        let mut bytes = text.to_vec();
        bytes.push(0);
        self.put(&bytes)
    }

    /// A buffer. Of one larger than [`HUGE`] only so much is its own.
    fn buffer(&mut self, len: u64, align: usize) -> Result<usize, Unsupported> {
        if len <= HUGE as u64 {
            return self.alloc(len as usize, align);
        }
        if self.huges == HUGES {
            return Err(Unsupported(format!(
                "more than {HUGES} buffers above 16 MiB"
            )));
        }
        self.huges += 1;
        Ok(self.arena.huge(self.task, self.huges - 1))
    }

    fn data(&mut self, data: &Data, align: usize) -> Result<usize, Unsupported> {
        let at = self.buffer(data.len() as u64, align)?;
        write(at, data, HUGE);
        Ok(at)
    }

    /// Memory that is bad as told.
    pub fn bad(&mut self, memory: &BadMemory) -> Result<usize, Unsupported> {
        match memory.fault {
            Fault::Null => Ok(0),
            Fault::Outside => Ok(OUTSIDE),
            Fault::Unmapped => {
                let len = memory.valid.len();
                if self.zones == ZONES || len > ZONE_LEN {
                    return Err(Unsupported(format!(
                        "more than {ZONES} buffers with a fault, or one after more than 1 MiB"
                    )));
                }
                let page = self.arena.fault_page(self.task, self.zones);
                self.zones += 1;
                self.faults.push(page);
                write(page - len, &memory.valid, ZONE_LEN);
                Ok(page - len)
            }
        }
    }

    /// Puts a call's operation into its final form.
    pub fn finish(&mut self, plan: &Plan, outs: &[Out]) -> Result<Op, Unsupported> {
        Ok(Op {
            how: plan.how,
            nr: plan.nr,
            args: plan.args,
            stores: (self.put(&plan.stores)?, plan.stores.len()),
            outs: (self.put(outs)?, outs.len()),
        })
    }
}

/// Where a buffer begins: small ones share pages, since each page that is touched costs.
const LINE: usize = 64;
/// Where a buffer begins whose pages are handed to the kernel.
const PAGE: usize = 4096;

/// An address outside the user's range.
pub(crate) const OUTSIDE: usize = 0xffff_8000_0000_0000;

/// Writes the first `most` bytes of `data` to `at`.
fn write(at: usize, data: &Data, most: usize) {
    let mut done = 0;
    for run in data.runs() {
        let len = (run.len as usize).min(most - done);
        // SAFETY: the caller allocated `most` bytes or the data's length there.
        unsafe { std::ptr::write_bytes((at + done) as *mut u8, run.byte, len) };
        done += len;
    }
}

/// A statement on its way to a plan.
pub(crate) struct Call<'a> {
    pub sys: Sys,
    args: &'a [Arg],
    pub build: &'a mut Build,
    /// Where the bytes lie that names hold.
    bytes_of: &'a [Option<usize>],
    /// Whether the statement is in a thread's program.
    pub thread: bool,
}

impl Call<'_> {
    fn arg(&self, i: usize) -> Result<&Arg, Unsupported> {
        self.args
            .get(i)
            .ok_or_else(|| Unsupported(format!("argument {} is missing", i + 1)))
    }

    /// An argument that goes into a register.
    pub fn word(&self, i: usize) -> Result<Word, Unsupported> {
        word(self.arg(i)?)
    }

    /// An argument whose value must be known before the run.
    pub fn known(&self, i: usize) -> Result<&Value, Unsupported> {
        match self.arg(i)? {
            Arg::Value(v) => Ok(v),
            _ => Err(Unsupported(
                "an argument that must be written out is a name".into(),
            )),
        }
    }

    /// The number of such an argument.
    pub fn known_number(&self, i: usize) -> Result<i64, Unsupported> {
        let value = self.known(i)?;
        value
            .number()
            .ok_or_else(|| Unsupported(format!("`{value}` is not a number")))
    }

    /// The parts of a list.
    pub fn items(&self, i: usize) -> Result<Vec<Arg>, Unsupported> {
        items(self.arg(i)?)
    }

    /// A path name.
    pub fn path(&mut self, i: usize) -> Result<Word, Unsupported> {
        let at = match self.known(i)?.clone() {
            Value::Path(p) => self.build.string(p.as_bytes())?,
            Value::Data(d) => self.build.string(&d.to_vec())?,
            Value::Memory(m) => self.build.bad(&m)?,
            other => return Err(Unsupported(format!("`{other}` is not a path"))),
        };
        Ok(Word::Const(at as u64))
    }

    /// Bytes to take: their address and their count.
    pub fn bytes(&mut self, i: usize) -> Result<(Word, Word), Unsupported> {
        let arg = self.arg(i)?.clone();
        self.bytes_in(&arg, LINE)
    }

    /// Whether an argument is a buffer that faults.
    pub fn is_bad_memory(&self, i: usize) -> bool {
        matches!(self.args.get(i), Some(Arg::Value(Value::Memory(_))))
    }

    fn bytes_in(&mut self, arg: &Arg, align: usize) -> Result<(Word, Word), Unsupported> {
        Ok(match arg {
            Arg::Value(Value::Data(d)) => (
                Word::Const(self.build.data(d, align)? as u64),
                Word::from(d.len() as i64),
            ),
            Arg::Value(Value::Memory(m)) => {
                (Word::Const(self.build.bad(m)? as u64), Word::from(m.count))
            }
            Arg::Var(v) => {
                let at = self.bytes_of.get(v.index()).copied().flatten();
                let at = at.ok_or_else(|| Unsupported("a name that no read bound".into()))?;
                (Word::Const(at as u64), word(arg)?)
            }
            other => return Err(Unsupported(format!("{other:?} is not bytes"))),
        })
    }

    /// Where a call stores bytes: address, count, and what to read afterwards.
    pub fn room(&mut self, i: usize) -> Result<(Word, Word, Piece), Unsupported> {
        let arg = self.arg(i)?.clone();
        self.room_in(&arg)
    }

    fn room_in(&mut self, arg: &Arg) -> Result<(Word, Word, Piece), Unsupported> {
        let (at, len, most) = match arg {
            Arg::Value(Value::Memory(m)) => (
                self.build.bad(m)?,
                Word::from(m.count),
                m.valid.len() as u64,
            ),
            // A name: its number is not known, so there is room for any.
            Arg::Var(_) => (self.build.buffer(u64::MAX, LINE)?, word(arg)?, u64::MAX),
            Arg::Value(v) => {
                let n = v
                    .number()
                    .ok_or_else(|| Unsupported(format!("`{v}` is not a count")))?;
                // A negative count is one that no memory has.
                (self.build.buffer(n as u64, LINE)?, Word::from(n), n as u64)
            }
            Arg::List(_) => return Err(Unsupported("a list is not a count".into())),
        };
        Ok((Word::Const(at as u64), len, Piece { at, len: most }))
    }

    /// A list of buffers to store to, as an array of `struct iovec`.
    pub fn rooms(&mut self, i: usize, plan: &mut Vec<Store>) -> Result<Vector, Unsupported> {
        let mut segments = Vec::new();
        let mut pieces = Vec::new();
        for arg in self.items(i)? {
            let (at, len, piece) = self.room_in(&arg)?;
            segments.push((at, len));
            pieces.push(piece);
        }
        self.vector(&segments, pieces, plan)
    }

    /// A list of bytes to take, as an array of `struct iovec`. Each begins at a page border.
    pub fn chunks(&mut self, i: usize, plan: &mut Vec<Store>) -> Result<Vector, Unsupported> {
        let segments = self
            .items(i)?
            .iter()
            .map(|a| self.bytes_in(a, PAGE))
            .collect::<Result<Vec<_>, _>>()?;
        self.vector(&segments, Vec::new(), plan)
    }

    fn vector(
        &mut self,
        segments: &[(Word, Word)],
        pieces: Vec<Piece>,
        stores: &mut Vec<Store>,
    ) -> Result<Vector, Unsupported> {
        let constant = |w: &Word| if let Word::Const(n) = *w { n } else { 0 };
        let raw: Vec<u64> = segments
            .iter()
            .flat_map(|(at, len)| [constant(at), constant(len)])
            .collect();
        let at = self.build.put(&raw)?;
        for (n, (_, len)) in segments.iter().enumerate() {
            if !matches!(len, Word::Const(_)) {
                stores.push(Store {
                    at: at + n * 16 + 8,
                    word: *len,
                });
            }
        }
        Ok(Vector {
            at: Word::Const(at as u64),
            count: Word::from(segments.len() as i64),
            pieces,
        })
    }
}

/// An array of `struct iovec`.
pub(crate) struct Vector {
    pub at: Word,
    pub count: Word,
    pub pieces: Vec<Piece>,
}

/// The register that an argument goes into.
pub(crate) fn word(arg: &Arg) -> Result<Word, Unsupported> {
    match arg {
        Arg::Var(v) if v.index() < MAX_VARS => Ok(Word::Cell(u32::from(v.0))),
        Arg::Var(_) => Err(Unsupported(format!("more than {MAX_VARS} names"))),
        Arg::Value(Value::Task(t)) => Ok(Word::Tid(t.0)),
        Arg::Value(v) => match v.number() {
            Some(n) => Ok(Word::from(n)),
            None => Err(Unsupported(format!("`{v}` does not fit a register"))),
        },
        Arg::List(_) => Err(Unsupported("a list does not fit a register".into())),
    }
}

/// The parts of a list.
pub(crate) fn items(arg: &Arg) -> Result<Vec<Arg>, Unsupported> {
    match arg {
        Arg::List(args) => Ok(args.clone()),
        Arg::Value(Value::List(vs)) => Ok(vs.iter().cloned().map(Arg::Value).collect()),
        other => Err(Unsupported(format!("{other:?} is not a list"))),
    }
}

/// Compiles a statement: what to perform, and what its result means. `bytes_of` learns where the
/// bytes lie that names hold; `used` tells which names later calls take.
pub(crate) fn statement(
    stmt: &Stmt,
    thread: bool,
    build: &mut Build,
    bytes_of: &mut [Option<usize>],
    used: &[bool],
) -> Result<(Op, Decode), Unsupported> {
    let mut call = Call {
        sys: stmt.sys,
        args: &stmt.args,
        build,
        bytes_of,
        thread,
    };
    if let Some((_, why)) = stmt.sys.strays(&stmt.args) {
        return Err(Unsupported(why.into()));
    }
    let plan = crate::call::plan(&mut call)?;
    let mut outs = Vec::new();
    collect(&stmt.expect, &plan.decode, used, bytes_of, &mut outs)?;
    Ok((build.finish(&plan, &outs)?, plan.decode))
}

/// Finds where the numbers come from that the pattern's names will hold.
fn collect(
    pattern: &Pattern,
    decode: &Decode,
    used: &[bool],
    bytes_of: &mut [Option<usize>],
    outs: &mut Vec<Out>,
) -> Result<(), Unsupported> {
    let is_used = |v: &scenario::VarId| used.get(v.index()).copied().unwrap_or(false);
    let unsupported = || Err(Unsupported("a name of that kind as an argument".into()));
    match (pattern, decode) {
        (Pattern::Bind(v), _) if !is_used(v) => Ok(()),
        (Pattern::Bind(v), decode) => {
            let from = match decode {
                Decode::Int | Decode::Bits(_) | Decode::Task => Source::Result,
                Decode::Nice => Source::Nice,
                Decode::Bytes(pieces) => {
                    bytes_of[v.index()] = pieces.first().map(|p| p.at);
                    Source::Result
                }
                Decode::IntAt(at) | Decode::TaskAt(at) => Source::I32(*at),
                Decode::LongAt(at) => Source::I64(*at),
                Decode::Owner(at) => Source::I32(*at + 4),
                Decode::StatBlock(at) => {
                    Source::I32(*at + std::mem::offset_of!(libc::stat, st_blksize))
                }
                _ => return unsupported(),
            };
            outs.push(Out {
                var: u32::from(v.0),
                from,
            });
            Ok(())
        }
        (Pattern::List(ps), Decode::FdPair(at)) => {
            for (n, p) in ps.iter().enumerate() {
                if let Pattern::Bind(v) = p
                    && is_used(v)
                {
                    outs.push(Out {
                        var: u32::from(v.0),
                        from: Source::I32(at + 4 * n),
                    });
                }
            }
            Ok(())
        }
        (Pattern::List(ps), Decode::Message(at, _)) if ps.len() == 2 => {
            // Of a message the type can be passed on.
            if let Pattern::Bind(v) = &ps[0]
                && is_used(v)
            {
                outs.push(Out {
                    var: u32::from(v.0),
                    from: Source::I64(*at),
                });
            }
            collect(&ps[1], decode, used, bytes_of, outs)
        }
        (Pattern::List(_), _) => {
            let mut any = false;
            pattern.binds(&mut |v| any |= is_used(&v));
            if any { unsupported() } else { Ok(()) }
        }
        _ => Ok(()),
    }
}
