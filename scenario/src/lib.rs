//! The language of Lockstep: scenarios, the calls they make, and what comes of running them.
//!
//! Everything that can run a scenario speaks these words: a *task* issues a *call*; the call
//! *returns* a value or an errno, or *blocks*; a blocked call may later return; a *signal* may be
//! handled in between; a task *ends*. A [`Trace`] is a list of those [`Event`]s, an [`Outcome`]
//! what a scenario's conditions can see of it.
//!
//! | question | look at |
//! |---|---|
//! | How is a scenario written? | `README.md` of this crate, [`ast`], [`parse()`] |
//! | Which calls are there? | [`Sys`], one row each |
//! | What does an engine run? | [`Program`], made by [`lower()`] |
//! | What does an engine give? | [`Event`], [`Trace`], [`Outcome`] |
//! | How is a run repeated? | [`Schedule`] |

pub mod ast;
mod call;
mod cond;
mod data;
mod diagnostic;
mod errno;
mod event;
mod lower;
mod parse;
mod print;
mod program;
mod schedule;
mod show;
mod sysctl;
mod value;

pub use call::{Gives, Kind, Param, Spec, Sys};
pub use data::{Data, DataBuilder, Run};
pub use diagnostic::{Diagnostic, nearest};
pub use errno::Errno;
pub use event::{Clause, End, Event, Handled, Observer, Outcome, Prefix, Trace, What, rename};
pub use lower::{load, lower};
pub use parse::parse;
pub use program::{
    Arg, Cond, Condition, Pattern, Program, Stmt, Task, TaskId, TaskKind, Var, VarId,
};
pub use schedule::{Action, Schedule, ScheduleError, Step};
pub use sysctl::Sysctl;
pub use value::{BadMemory, Bits, Class, Fault, Signal, Value, constants};
