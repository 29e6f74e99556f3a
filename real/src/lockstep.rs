//! The conductor: issues one call, waits until the system is quiet, reads what happened.

use crate::options::Quiet;
use crate::run::StepReport;
use crate::stage::{Play, Stage, Theatre};
use crate::wire::{Failure, Mail, Note};
use scenario::{End, Event, Program, TaskId, What};
use std::time::Instant;

/// Runs a program in an ordering; notes each step in the journal.
pub(crate) fn run(
    theatre: &mut Theatre,
    program: &Program,
    ordering: &[TaskId],
    slow: bool,
    mail: &Mail,
) -> Result<(), Failure> {
    let one_cpu = theatre.method != Quiet::DoubleCollect;
    let stage = Stage::build(
        theatre,
        program,
        Play {
            race: false,
            one_cpu,
        },
    )?;
    let deadline = Instant::now() + stage.theatre.run_deadline;
    let mut conductor = Conductor {
        stage,
        slow,
        mail,
        deadline,
        overrun: false,
    };
    let played = conductor.play(ordering);
    // Whatever came of it, nothing may be left.
    let Conductor { stage, .. } = conductor;
    let struck = stage.strike();
    played.and(struck)
}

struct Conductor<'a> {
    stage: Stage<'a>,
    slow: bool,
    mail: &'a Mail,
    deadline: Instant,
    overrun: bool,
}

impl Conductor<'_> {
    fn play(&mut self, ordering: &[TaskId]) -> Result<(), Failure> {
        self.stage.start()?;
        self.step(TaskId::SETUP, Vec::new())?;
        if !self.overrun {
            self.check_setup()?;
        }
        for (place, &task) in ordering.iter().enumerate() {
            if self.overrun {
                break;
            }
            let task = task.index();
            loop {
                if task < self.stage.actors.len() && self.is_ready(task) {
                    self.issue(task)?;
                    break;
                }
                // Time passes only when nobody can go on.
                let ready = (0..self.stage.actors.len()).any(|t| self.is_ready(t));
                if self.overrun || ready || !self.outwait_timeouts()? {
                    self.mail.note(&Note::Skipped(place))?;
                    break;
                }
            }
        }
        while !self.overrun {
            let ready = (0..self.stage.actors.len()).find(|&t| self.is_ready(t));
            match ready {
                Some(task) => self.issue(task)?,
                None if self.outwait_timeouts()? => {}
                None => break,
            }
        }
        self.note_left()
    }

    /// All calls of the setup process must have returned, and its processes been started.
    fn check_setup(&mut self) -> Result<(), Failure> {
        if let Some(end) = self.stage.actors[0].ended {
            return Err(Failure::SetupEnded(end));
        }
        if self.stage.is_busy(0) {
            return Err(Failure::SetupBlocks(self.stage.at(0)));
        }
        Ok(())
    }

    /// Whether a task is idle, and has calls left.
    fn is_ready(&self, task: usize) -> bool {
        let actor = &self.stage.actors[task];
        actor.started
            && actor.ended.is_none()
            && !actor.stopped
            && actor.issued < actor.calls
            && !self.stage.is_busy(task)
    }

    fn issue(&mut self, task: usize) -> Result<(), Failure> {
        let index = self.stage.actors[task].issued;
        let id = TaskId(task as u16);
        self.stage.issue(task);
        self.step(
            id,
            vec![Event {
                task: id,
                what: What::Issue(index),
            }],
        )
    }

    /// Waits for quiet, and notes what happened.
    fn step(&mut self, issued: TaskId, mut events: Vec<Event>) -> Result<(), Failure> {
        let deadline = self
            .deadline
            .min(Instant::now() + self.stage.theatre.step_deadline);
        let mut quiet = self.stage.settle(deadline)?;
        // Bytes written to a terminal go on by themselves, and so does what they are answered with.
        for _ in 0..2 {
            if quiet && self.stage.flush_terminals()? {
                quiet = self.stage.settle(deadline)?;
            }
        }
        // What was overlooked shows to a look that trusts neither a CPU nor a single file.
        while quiet && self.slow && !self.stage.all_sleep_twice()? {
            quiet = self.stage.settle(deadline)?;
        }
        events.extend(self.stage.collect()?);
        self.stage.note_stops()?;
        if quiet {
            let call = events.first().and_then(|e| match e.what {
                What::Issue(index) => Some(index),
                _ => None,
            });
            let task = issued.index();
            if let Some(index) = call
                && self.stage.actors[task].ended.is_none()
                && !self.stage.actors[task].stopped
                && self.stage.is_busy(task)
            {
                events.push(Event {
                    task: issued,
                    what: What::Block(index),
                });
            }
        } else {
            self.overrun = true;
        }
        self.mail.note(&Note::Step(StepReport { issued, events }))
    }

    /// If a sleeping call will give up by itself, or a timer runs, waits for it. Tells whether anything happened.
    fn outwait_timeouts(&mut self) -> Result<bool, Failure> {
        self.stage.note_timers();
        let waiting = self.stage.waiting_for_time();
        let alarm = self.stage.next_alarm();
        let nearest = waiting.iter().min_by_key(|w| w.1).map(|w| w.0);
        let Some(task) = nearest.or(alarm.map(|a| a.0)) else {
            // Whose time ended after the caller looked for who can go on can go on now.
            let back = (0..self.stage.actors.len()).find(|&t| self.is_ready(t));
            if let Some(task) = back {
                self.step(TaskId(task as u16), Vec::new())?;
            }
            return Ok(back.is_some());
        };
        let posted = self.stage.posted();
        let woke = |stage: &Stage| {
            stage.posted() != posted
                || waiting
                    .iter()
                    .any(|w| !stage.is_busy(w.0) || stage.is_dead(w.0))
        };
        let rings = |at: Instant| alarm.is_some_and(|a| at >= a.1);
        {
            // Whose time is over posts what comes of it; that a timer has shown nothing, or has
            // ended a process, is known when its own time is over.
            let listening = self.stage.theatre.arena.globals().listen();
            let latest = alarm.map_or(self.deadline, |a| a.1.min(self.deadline));
            loop {
                let heard = listening.heard();
                let now = Instant::now();
                if woke(&self.stage) || rings(now) {
                    break;
                }
                if now >= self.deadline {
                    self.overrun = true;
                    return Ok(true);
                }
                listening.wait(heard, latest.saturating_duration_since(now));
            }
        }
        let task = waiting
            .iter()
            .find(|w| !self.stage.is_busy(w.0))
            .map_or(task, |w| w.0);
        self.step(TaskId(task as u16), Vec::new())?;
        if let Some((leader, _)) = alarm
            && (nearest.is_none() || rings(Instant::now()))
        {
            let showed = self.stage.posted() != posted;
            self.stage.alarm_is_over(leader, showed);
        }
        Ok(true)
    }

    /// Notes how the tasks stand that have not ended.
    fn note_left(&mut self) -> Result<(), Failure> {
        if self.overrun {
            self.mail.note(&Note::Overrun)?;
        }
        for task in 1..self.stage.actors.len() {
            let actor = &self.stage.actors[task];
            let end = match (actor.started, actor.ended) {
                (_, Some(_)) => continue,
                (false, None) => End::NotStarted,
                (true, None) if self.overrun => End::Unfinished(self.stage.at(task)),
                (true, None) if actor.stopped => End::Stopped(self.stage.at(task)),
                (true, None) => End::Blocked(self.stage.at(task)),
            };
            self.mail.note(&Note::Left(TaskId(task as u16), end))?;
        }
        Ok(())
    }
}
