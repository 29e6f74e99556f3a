//! The protocols: mechanisms as a kernel really has them, and programs that use them.
//!
//! The [shell](crate::shell) has one lock around the whole kernel; a real kernel has one an object, and
//! queues, and a time between the two in which anything may happen. Here are those: [`wait`](crate::wait)
//! and [`signal`](crate::signal), [`pipe`](crate::pipe) and [`fifo`](crate::fifo),
//! [`handoff`](crate::handoff) with [`posix_mq`](crate::posix_mq) and [`sysv_msg`](crate::sysv_msg). The same
//! scenarios run on them, each process a thread that makes its calls. What comes of it must be what the
//! pure kernel says, and nobody may sleep for ever for something that is there.
//!
//! Most rules of a protocol are there because it breaks without them. [`Fault`] lists these: a run with
//! one of them broken is caught. Three rules are not among them, because no outcome of these programs can
//! tell: that those who sleep are woken, or served, in the order of their arrival; that who is woken is
//! taken out of the queue by the waker; and that a message for a sleeping receiver does not pass through
//! the queue, where others could take it first.
//!
//! What this cannot show: threads that share descriptors, stops, blocked signals, calls that give up
//! after a time, and what `poll` and `mq_notify` add to the wake-ups. The unlocked look at the ring that
//! Linux takes before it sleeps is a short look under the lock here; the look that a sleeper takes at its
//! frame is without one, and orders of memory count there.

mod plan;
mod process;
mod world;

pub(crate) use world::{Left, Stuck, World};

use crate::engine::{self, LoomOptions, ShuttleOptions};
use crate::report::{ModelError, ModelRun};
use crate::runtime::loom::{Loom, MOST_THREADS};
use crate::runtime::shuttle::Shuttle;
use crate::runtime::std::Std;
use plan::Plan;
use scenario::{Outcome, Program};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A rule of a protocol, broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A writer wakes a reader first and stores its bytes afterwards.
    WakeBeforeStore,
    /// Who is woken does not look again whether what it waits for is there.
    IfForWhile,
    /// Who waits looks first and joins the queue afterwards, without another look.
    CheckThenSleep,
    /// A reader that was woken and leaves bytes does not wake the next.
    ReaderKeepsWakeUp,
    /// A writer that was woken and leaves a free slot does not wake the next.
    WriterKeepsWakeUp,
    /// The last to close a side, or the first to open one, wakes one and not all.
    WakeOneAtLastClose,
    /// A reader wakes writers only when it has emptied the pipe.
    RoomOnlyWhenEmpty,
    /// An opener waits until its partner is there, not until it has come.
    PartnerMustStay,
    /// An opener unlocks the pipe first and joins the queue afterwards.
    UnlockThenJoin,
    /// A sender of signals wakes first and makes the signal pending afterwards.
    WakeBeforePending,
    /// A task goes to sleep without a look whether a signal is there.
    SleepsWithSignal,
    /// Who leaves a queue of waiters for a signal looks for what it waits for first and leaves
    /// afterwards: a wake-up in between is lost with it.
    SignalEatsWakeUp,
    /// Who waits to be served unlocks the object first and says afterwards that it is about to sleep.
    SleepAfterUnlock,
    /// Who leaves for a signal does not look under the lock whether it has been served.
    LeavesWithoutALook,
    /// A frame is marked ready before that which is given is in it.
    ReadyBeforeGiven,
    /// A frame is marked ready without *release*. Only weak memory shows it.
    ReadyWithoutRelease,
    /// Who serves reads from the frame whom to wake after it has marked it.
    FrameAfterReady,
    /// A receiver that makes room in a full POSIX queue leaves the sleeping sender outside.
    SenderLeftOutside,
    /// The removal of a System V queue wakes receivers only.
    RemovalForgetsSenders,
    /// A sender that was woken does not look whether its System V queue still is.
    RemovalUnseen,
    /// Room in a System V queue wakes one sender, though the messages of two fit.
    RoomForOneSender,
    /// A message too long for a sleeping receiver is offered to no other.
    OfferEndsAtTooLong,
}

impl Fault {
    /// All of them.
    pub const ALL: &'static [Fault] = &[
        Fault::WakeBeforeStore,
        Fault::IfForWhile,
        Fault::CheckThenSleep,
        Fault::ReaderKeepsWakeUp,
        Fault::WriterKeepsWakeUp,
        Fault::WakeOneAtLastClose,
        Fault::RoomOnlyWhenEmpty,
        Fault::PartnerMustStay,
        Fault::UnlockThenJoin,
        Fault::WakeBeforePending,
        Fault::SleepsWithSignal,
        Fault::SignalEatsWakeUp,
        Fault::SleepAfterUnlock,
        Fault::LeavesWithoutALook,
        Fault::ReadyBeforeGiven,
        Fault::ReadyWithoutRelease,
        Fault::FrameAfterReady,
        Fault::SenderLeftOutside,
        Fault::RemovalForgetsSenders,
        Fault::RemovalUnseen,
        Fault::RoomForOneSender,
        Fault::OfferEndsAtTooLong,
    ];

    /// Whether only an engine with weak memory can show it: shuttle has none.
    pub fn is_weak(self) -> bool {
        self == Fault::ReadyWithoutRelease
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolRun {
    /// The outcomes, and how they were found.
    pub run: ModelRun,
    /// The outcomes of runs in which something happened that must not, and what: a task sleeps for ever
    /// for what is there, a frame is read that is gone.
    pub broken: BTreeMap<Outcome, Broken>,
}

/// The first run to an outcome in which something happened that must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What.
    pub what: BTreeSet<String>,
    /// The order in which shuttle let threads run, for [`Strategy::Replay`](crate::Strategy::Replay).
    pub shuttle: Option<String>,
}

/// Runs a program over the protocols under loom, with a rule broken if there is one to break.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs what the protocols do not have, or more threads than loom has;
/// [`ModelError::Setup`] when it cannot be run on the model at all; the others are bugs.
pub fn loom(
    program: &Program,
    fault: Option<Fault>,
    options: &LoomOptions,
) -> Result<ProtocolRun, ModelError> {
    let plan = Arc::new(Plan::new(program, fault)?);
    let threads = program.tasks.len() - 1;
    if threads > MOST_THREADS {
        let why = format!("it needs {threads} threads; loom has {MOST_THREADS}");
        return Err(ModelError::Skip(why));
    }
    let body = plan.clone();
    let searched = engine::loom_run(options, &plan.record, move || body.execute::<Loom>(true));
    plan.finish("loom", searched)
}

/// Runs a program over the protocols under shuttle, with a rule broken if there is one to break.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs what the protocols do not have;
/// [`ModelError::Setup`] when it cannot be run on the model at all;
/// [`ModelError::Schedule`] when the schedule to be replayed is not one of it; the others are bugs.
pub fn shuttle(
    program: &Program,
    fault: Option<Fault>,
    options: &ShuttleOptions,
) -> Result<ProtocolRun, ModelError> {
    let plan = Arc::new(Plan::new(program, fault)?);
    let body = plan.clone();
    let searched = engine::shuttle_run(options, &plan.record, move || {
        body.execute::<Shuttle>(false);
    });
    plan.finish("shuttle", searched)
}

/// Runs a program over the protocols so many times on plain threads, with a rule broken if there is
/// one to break.
///
/// # Errors
/// [`ModelError::Skip`] when the program needs what the protocols do not have;
/// [`ModelError::Setup`] when it cannot be run on the model at all;
/// [`ModelError::Failed`] when there are no threads to be had.
pub fn std_threads(
    program: &Program,
    fault: Option<Fault>,
    rounds: usize,
) -> Result<ProtocolRun, ModelError> {
    let plan = Arc::new(Plan::new(program, fault)?);
    let body = plan.clone();
    let searched = engine::std_run(rounds, &plan.record, move || body.execute::<Std>(false));
    plan.finish("std", searched)
}
