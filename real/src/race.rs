//! The race: the same program many times, all tasks at full speed.

use crate::arena::Globals;
use crate::host::pin;
use crate::options::{Quiet, RaceCpus};
use crate::quiet::Patience;
use crate::raw;
use crate::stage::{Play, Stage, Theatre, ordinary, real_time};
use crate::wire::{Failure, Mail, Note};
use rand::{RngCore, SeedableRng};
use scenario::{End, Observer, Outcome, Program, TaskId};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

/// Where the tasks run.
pub(crate) struct Lane<'a> {
    pub all: &'a [usize],
    pub one: usize,
    pub cpus: RaceCpus,
}

/// Runs the rounds and notes the outcomes.
pub(crate) fn run(
    theatre: &mut Theatre,
    program: &Program,
    rounds: u32,
    lane: Lane,
    seed: u64,
    mail: &Mail,
) -> Result<(), Failure> {
    if !crate::quiet::counts_runs() {
        let why = "a race needs schedstat, to know who is asleep at its end";
        return Err(Failure::Harness(why.into()));
    }
    let one = [lane.one];
    let cpus = if lane.cpus == RaceCpus::One {
        &one[..]
    } else {
        lane.all
    };
    let lockstep = (theatre.method, theatre.real_time);
    let pinned = pin(cpus);
    theatre.method = Quiet::DoubleCollect;
    let raced = race(theatre, program, rounds, lane.cpus, seed);
    (theatre.method, theatre.real_time) = lockstep;
    let mut back = Ok(());
    if lockstep.0 != Quiet::DoubleCollect {
        back = pin(&one);
    }
    if lockstep.1 {
        back = back.and_then(|()| real_time(0, 1));
    }
    pinned.map_err(|e| Failure::call("sched_setaffinity", e))?;
    back.map_err(|e| Failure::call("back to lockstep", e))?;
    for (outcome, count) in raced? {
        mail.note(&Note::Outcome(outcome, count))?;
    }
    Ok(())
}

fn race(
    theatre: &mut Theatre,
    program: &Program,
    rounds: u32,
    cpus: RaceCpus,
    seed: u64,
) -> Result<BTreeMap<Outcome, u32>, Failure> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut histogram = BTreeMap::new();
    let play = Play {
        race: true,
        one_cpu: cpus == RaceCpus::One,
    };
    let permitted = theatre.real_time;
    for number in 0..rounds {
        // Real-time tasks meet at once even on a busy machine, ordinary ones preempt each other:
        // half of the rounds each.
        theatre.real_time = permitted && number % 2 == 0;
        if permitted {
            if theatre.real_time {
                real_time(0, 1)
            } else {
                ordinary()
            }
            .map_err(|e| Failure::call("sched_setscheduler", e))?;
        }
        let mut stage = Stage::build(theatre, program, play)?;
        let skews: Vec<u64> = program.task_ids().map(|_| rng.next_u64() | 1).collect();
        stage.set_skews(&skews);
        let played = round(&mut stage);
        let struck = stage.strike();
        let outcome = played?;
        struck?;
        *histogram.entry(outcome).or_insert(0) += 1;
    }
    Ok(histogram)
}

/// One round, up to its outcome.
fn round(stage: &mut Stage) -> Result<Outcome, Failure> {
    let program = stage.program;
    let deadline = Instant::now() + stage.theatre.run_deadline;
    stage.start()?;
    let globals = stage.theatre.arena.globals();
    let racers = program.processes().count() as u32;
    // All at the gate, and the setup process has given its descriptors up: as long as it holds
    // them it is a reader and a writer that the scenario does not have.
    let setup = stage.theatre.arena.slot(0);
    let setup_is_done = || setup.done.load(Acquire) >= setup.count;
    let mut patience = Patience::until(deadline);
    loop {
        let arrived = globals.arrived.load(Acquire);
        if arrived >= racers && setup_is_done() {
            break;
        }
        if arrived >= racers && !stage.is_dead(0) {
            if !patience.again(globals) {
                return Err(Failure::Harness(
                    "the setup process does not come to its end".into(),
                ));
            }
            crate::quiet::give_way();
            continue;
        }
        if stage.is_dead(0) || (stage.tid(0) != 0 && stage.all_sleep_twice()?) {
            if globals.arrived.load(Acquire) >= racers && !stage.is_dead(0) {
                continue;
            }
            stage.collect()?;
            return Err(match stage.actors[0].ended {
                Some(end) => Failure::SetupEnded(end),
                None => Failure::SetupBlocks(stage.at(0)),
            });
        }
        if !patience.again(globals) {
            return Err(Failure::Harness(
                "the tasks of a race do not come to its start".into(),
            ));
        }
        wait_for_change(globals, &globals.arrived, arrived);
    }
    globals.gate.store(1, Release);
    // SAFETY: the word lies in the arena.
    unsafe { raw::futex_wake(globals.gate.as_ptr(), globals.private, i32::MAX as u32) };
    let mut observer = Observer::new(program);
    let mut patience = Patience::until(deadline);
    let mut overrun = false;
    loop {
        let left = globals.leaving.load(Acquire);
        // As long as tasks end one after the other, looking at them would only be in their way.
        let alive = (1..stage.actors.len()).any(|t| stage.tid(t) != 0 && !stage.is_dead(t));
        if alive && wait_for_change(globals, &globals.leaving, left) {
            continue;
        }
        match stage.all_sleep_and_wait_for_time()? {
            Some(false) => break,
            Some(true) => {
                wait_for_change(globals, &globals.leaving, left);
            }
            None => {}
        }
        if !patience.again(globals) {
            overrun = true;
            break;
        }
    }
    stage.find_early_deaths();
    for event in stage.collect()? {
        observer.observe(program, &event);
    }
    stage.note_stops()?;
    for task in 1..stage.actors.len() {
        let actor = &stage.actors[task];
        let at = stage.at(task);
        let end = match (actor.started, actor.ended) {
            (false, _) => End::NotStarted,
            (_, Some(end)) => end,
            (true, None) if overrun => End::Unfinished(at),
            (true, None) if actor.stopped => End::Stopped(at),
            (true, None) => End::Blocked(at),
        };
        observer.end(TaskId(task as u16), end);
    }
    Ok(observer.outcome(program))
}

/// Sleeps until the word is no longer `value`, or a moment has passed. Tells which.
fn wait_for_change(globals: &Globals, word: &AtomicU32, value: u32) -> bool {
    let moment = libc::timespec {
        tv_sec: 0,
        tv_nsec: 100_000,
    };
    // SAFETY: the word lies in the arena.
    unsafe { raw::futex_wait(word.as_ptr(), globals.private, value, Some(&moment)) };
    word.load(Acquire) != value
}
