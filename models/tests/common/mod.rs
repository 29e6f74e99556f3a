//! Scenarios small enough for loom, each about one thing that threads can get wrong.

// Each test binary uses some of it.
#![allow(dead_code)]

mod programs;
mod queues;

use models::protocol::{Fault, ProtocolRun};
use scenario::{Outcome, Program};
use sim::kernel::Config;
use sim::{ExploreOptions, System};
use std::collections::{BTreeSet, HashMap};

pub use programs::*;
pub use queues::*;

/// The programs of a text.
pub fn programs(text: &str) -> Vec<Program> {
    scenario::load("models.ipc", text).unwrap_or_else(|e| panic!("{e:?}"))
}

/// The only program of a text.
pub fn program(text: &str) -> Program {
    let mut all = programs(text);
    assert_eq!(all.len(), 1, "one variant");
    all.remove(0)
}

/// The outcomes that explore finds: all of them.
pub fn explored(program: &Program) -> BTreeSet<Outcome> {
    explored_under(program, Config::default())
}

/// The same, of a kernel with this configuration.
pub fn explored_under(program: &Program, config: Config) -> BTreeSet<Outcome> {
    let options = ExploreOptions {
        config,
        ..ExploreOptions::default()
    };
    let found = sim::explore(program, &options).expect("it can be run");
    assert!(
        found.complete,
        "{}: {:?}",
        program.name, found.incomplete_because
    );
    found.outcomes.into_keys().collect()
}

/// How many schedules there are: ways from the start to an end, one action at a time.
pub fn schedules(program: &Program) -> usize {
    // What is mutable in it is a cache of its own hash.
    #[allow(clippy::mutable_key_type)]
    fn below(program: &Program, system: &System, known: &mut HashMap<System, usize>) -> usize {
        if let Some(&n) = known.get(system) {
            return n;
        }
        let actions = system.enabled(program);
        let mut sum = usize::from(actions.is_empty());
        for action in &actions {
            for (_, next, _) in system.take_each(program, action) {
                sum += below(program, &next, known);
            }
        }
        known.insert(system.clone(), sum);
        sum
    }
    let (start, _) = System::start(program, Default::default()).expect("it can be run");
    below(program, &start, &mut HashMap::new())
}

/// Every scenario here.
pub const ALL: &[&str] = &[
    BOUNDARIES,
    TWO_WRITERS,
    TWO_READERS,
    LAST_CLOSE,
    BROKEN,
    FULL,
    STUCK,
    NONBLOCKING,
    FORK,
    THREAD,
    RENDEZVOUS,
    OPEN_MEETS_CLOSE,
    KILL_RUNNING,
    KILL_SLEEPING,
    HANDLER,
    TWO_SIGNALS,
    STOPPED,
];

/// What the protocols run.
pub const PROTOCOL: &[&str] = &[
    BOUNDARIES,
    TWO_WRITERS,
    TWO_READERS,
    LAST_CLOSE,
    BROKEN,
    FULL,
    STUCK,
    NONBLOCKING,
    RENDEZVOUS,
    OPEN_MEETS_CLOSE,
    ONE_BYTE,
    PASSED_ON,
    ROOM_PASSED_ON,
    ROOM_BEFORE_EMPTY,
    TWO_OPENERS,
    KILL_RUNNING,
    KILL_SLEEPING,
    HANDLER,
    RESTARTS,
    ONE_IS_DISTURBED,
    OPENER_DISTURBED,
    MQ_ONE,
    MQ_RECEIVERS,
    MQ_FULL,
    MQ_PRIORITIES,
    MQ_DISTURBED,
    MQ_KILLED,
    MQ_SENDER_KILLED,
    MSG_TYPES,
    MSG_ROOM,
    MSG_SENDER_REMOVED,
    MSG_RECEIVER_REMOVED,
    MSG_TOO_LONG,
    MSG_DISTURBED,
    MSG_KILLED,
    MSG_LIMIT_RAISED,
];

/// Each rule of the protocols with a program that tells when it is broken.
pub const FAULTS: &[(Fault, &str)] = &[
    (Fault::WakeBeforeStore, ONE_BYTE),
    (Fault::IfForWhile, TWO_READERS),
    (Fault::CheckThenSleep, ONE_BYTE),
    (Fault::ReaderKeepsWakeUp, PASSED_ON),
    (Fault::WriterKeepsWakeUp, ROOM_PASSED_ON),
    (Fault::WakeOneAtLastClose, LAST_CLOSE),
    (Fault::RoomOnlyWhenEmpty, ROOM_BEFORE_EMPTY),
    (Fault::PartnerMustStay, OPEN_MEETS_CLOSE),
    (Fault::UnlockThenJoin, RENDEZVOUS),
    (Fault::WakeBeforePending, HANDLER),
    (Fault::SleepsWithSignal, HANDLER),
    (Fault::SignalEatsWakeUp, ONE_IS_DISTURBED),
    (Fault::SleepAfterUnlock, MQ_ONE),
    (Fault::LeavesWithoutALook, MQ_DISTURBED),
    (Fault::ReadyBeforeGiven, MQ_DISTURBED),
    (Fault::ReadyWithoutRelease, MQ_DISTURBED),
    (Fault::FrameAfterReady, MQ_DISTURBED),
    (Fault::LeavesWithoutALook, MSG_DISTURBED),
    (Fault::SleepAfterUnlock, MSG_SENDER_REMOVED),
    (Fault::SenderLeftOutside, MQ_FULL),
    (Fault::RemovalForgetsSenders, MSG_SENDER_REMOVED),
    (Fault::RemovalUnseen, MSG_SENDER_REMOVED),
    (Fault::RoomForOneSender, MSG_ROOM),
    (Fault::OfferEndsAtTooLong, MSG_TOO_LONG),
];

/// The outcomes that must not be: those that explore does not have, and those in which somebody
/// sleeps for what is there.
pub fn wrong(program: &Program, run: &ProtocolRun) -> BTreeSet<Outcome> {
    let all = explored(program);
    let extra = run.run.outcomes.difference(&all).cloned();
    extra.chain(run.broken.keys().cloned()).collect()
}
