//! A run as a chart: one column a process, time going down.
//!
//! ```text
//!      writer                     reader
//!   1  │                          close(w) = 0
//!   2  │                          read(r, 64) …
//!   3  write(w, "hello") = 5 ────▶┊
//!   4  │                          … read(r, 64) = "hello"
//! ```
//!
//! `│` is a process that may go on, `┊` one that sleeps in a call, an arrow a wake-up.

use super::out::{BAD, DIM, GOOD, PLAIN, STRONG, cut, width};
use super::trace;
use anstyle::Style;
use lockstep::scenario::{Event, Program, TaskId};
use lockstep::sim::kernel::{Config, State};
use lockstep::sim::{Replayed, System};
use unicode_width::UnicodeWidthChar;

/// Between two columns.
const GAP: usize = 3;
/// A column is no wider, if the terminal leaves no more room.
const MOST: usize = 44;
/// And no narrower.
const LEAST: usize = 12;
/// Left of the columns.
const MARGIN: usize = 6;

/// A line under construction: characters with their styles, by display column.
#[derive(Default)]
struct Row(Vec<Option<(char, Style)>>);

impl Row {
    fn put(&mut self, at: usize, text: &str, style: Style) {
        let mut at = at;
        for c in text.chars() {
            let wide = c.width().unwrap_or(0);
            if wide == 0 {
                continue;
            }
            if self.0.len() < at + wide {
                self.0.resize(at + wide, Some((' ', PLAIN)));
            }
            self.0[at] = Some((c, style));
            // The second half of a wide character takes no character of its own.
            self.0[at + 1..at + wide].fill(None);
            at += wide;
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut current = PLAIN;
        for &(c, style) in self.0.iter().flatten() {
            let style = if c == ' ' { current } else { style };
            if style != current {
                text += &format!("{current:#}{style}");
                current = style;
            }
            text.push(c);
        }
        text += &format!("{current:#}");
        text.trim_end().to_string()
    }
}

/// How a task stands, as its column shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    None,
    Runs,
    Sleeps,
}

fn life(system: &System, task: TaskId) -> Life {
    match system.kernel().task(task).state {
        State::NotStarted | State::Ended(_) => Life::None,
        State::Idle | State::Returning(_) => Life::Runs,
        State::Sleeping { .. } | State::Stopped { .. } => Life::Sleeps,
    }
}

fn woken(system: &System, task: TaskId) -> bool {
    system.kernel().can_resume(task)
}

/// One step: who acts, what is said in which column, who is woken.
struct Beat {
    number: usize,
    actor: TaskId,
    said: Vec<(TaskId, String)>,
    wakes: Vec<TaskId>,
    lives: Vec<Life>,
    clauses: String,
}

/// The chart of a run, cut to `room` columns if there is a limit.
pub fn chart(
    program: &Program,
    config: Config,
    run: &Replayed,
    room: Option<usize>,
) -> Vec<String> {
    let Ok((mut system, _)) = System::start(program, config) else {
        return Vec::new();
    };
    let tasks: Vec<TaskId> = program.task_ids().skip(1).collect();
    let lives = |system: &System| tasks.iter().map(|t| life(system, *t)).collect::<Vec<_>>();
    let start = lives(&system);
    let mut beats = Vec::new();
    for (at, (action, taken)) in run.steps.iter().enumerate() {
        let before: Vec<bool> = tasks.iter().map(|t| woken(&system, *t)).collect();
        system.take(program, action);
        let now = tasks.iter().zip(before);
        let wakes = now.filter(|(t, was)| !was && **t != action.task && woken(&system, **t));
        let mut said: Vec<(TaskId, String)> = trace::phrases(program, &taken.events)
            .into_iter()
            .map(|p| (p.task, p.text))
            .collect();
        if said.is_empty() {
            said.push((action.task, "… sleeps on".into()));
        }
        beats.push(Beat {
            number: at + 1,
            actor: action.task,
            said,
            wakes: wakes.map(|(t, _)| *t).collect(),
            lives: lives(&system),
            clauses: trace::clauses(&taken.clauses),
        });
    }
    draw(program, &tasks, &run.setup.events, start, &beats, room)
}

fn draw(
    program: &Program,
    tasks: &[TaskId],
    setup: &[Event],
    start: Vec<Life>,
    beats: &[Beat],
    room: Option<usize>,
) -> Vec<String> {
    let share = room.map_or(MOST, |room| {
        (room.saturating_sub(MARGIN) / tasks.len().max(1))
            .saturating_sub(GAP)
            .clamp(LEAST, MOST)
    });
    let widths: Vec<usize> = tasks
        .iter()
        .map(|task| {
            let said = beats
                .iter()
                .flat_map(|b| &b.said)
                .filter(|(t, _)| t == task);
            let widest = said.map(|(_, text)| width(text)).max().unwrap_or(0);
            widest.max(width(&program.task(*task).name)).min(share)
        })
        .collect();
    let starts: Vec<usize> = widths
        .iter()
        .scan(MARGIN, |at, w| {
            let this = *at;
            *at += w + GAP;
            Some(this)
        })
        .collect();
    let end = starts
        .last()
        .zip(widths.last())
        .map_or(MARGIN, |(s, w)| s + w + GAP);
    let column = |task: TaskId| tasks.iter().position(|t| *t == task);

    let mut lines = Vec::new();
    for phrase in trace::phrases(program, setup) {
        let mut row = Row::default();
        row.put(2, "setup", DIM);
        row.put(9, &phrase.text, PLAIN);
        lines.push(row.text());
    }
    if !setup.is_empty() {
        lines.push(String::new());
    }
    let mut heading = Row::default();
    for (task, at) in tasks.iter().zip(&starts) {
        heading.put(*at, &program.task(*task).name, STRONG);
    }
    lines.push(heading.text());
    let mut lives = start;
    for beat in beats {
        let mut height = 1;
        for task in tasks {
            height = height.max(beat.said.iter().filter(|(t, _)| t == task).count());
        }
        for n in 0..height {
            let mut row = Row::default();
            // While a step's lines are written, everybody stands as before; whoever begins to
            // sleep or ends does so below.
            for (at, life) in starts.iter().zip(&lives) {
                match life {
                    Life::None => {}
                    Life::Runs => row.put(*at, "│", DIM),
                    Life::Sleeps => row.put(*at, "┊", DIM),
                }
            }
            if n == 0 {
                row.put(0, &format!("{:>4}", beat.number), DIM);
                // The trace has them in full.
                let left = room.map_or(usize::MAX, |room| room.saturating_sub(end));
                if left >= LEAST {
                    row.put(end, &cut(&beat.clauses, left), DIM);
                }
            }
            for (task, text) in said_at(beat, tasks, n) {
                let Some(c) = column(task) else { continue };
                let style = if task == beat.actor { PLAIN } else { BAD };
                row.put(starts[c], &cut(text, widths[c]), style);
                if n == 0 && task == beat.actor {
                    let to = starts[c] + width(&cut(text, widths[c])) + 1;
                    let wakes = beat.wakes.iter().filter_map(|t| column(*t));
                    arrows(&mut row, starts[c], to, wakes.map(|w| starts[w]));
                }
            }
            lines.push(row.text());
        }
        lives.clone_from(&beat.lives);
    }
    // Who sleeps now sleeps for ever.
    if lives.contains(&Life::Sleeps) {
        let mut row = Row::default();
        for (at, life) in starts.iter().zip(&lives) {
            if *life == Life::Sleeps {
                row.put(*at, "┊ for ever", BAD);
            }
        }
        lines.push(row.text());
    }
    lines
}

/// What stands in the n-th line of a step, by task.
fn said_at<'a>(beat: &'a Beat, tasks: &[TaskId], n: usize) -> Vec<(TaskId, &'a str)> {
    let of = |task: &TaskId| {
        let mut said = beat.said.iter().filter(|(t, _)| t == task);
        said.nth(n).map(|(t, text)| (*t, text.as_str()))
    };
    tasks.iter().filter_map(of).collect()
}

/// Arrows from the actor, whose text begins at `from` and ends before `to`, to those it wakes.
fn arrows(row: &mut Row, from: usize, to: usize, wakes: impl Iterator<Item = usize>) {
    for at in wakes {
        if at > to {
            row.put(to, &"─".repeat(at - to - 1), GOOD);
            row.put(at - 1, "▶", GOOD);
        } else if at < from {
            row.put(at + 1, "◀", GOOD);
            row.put(at + 2, &"─".repeat((from - at).saturating_sub(3)), GOOD);
        }
    }
}
