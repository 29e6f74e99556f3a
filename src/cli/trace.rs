//! Traces: of the model with its clauses, and of the kernel beside the model.

use super::out::{self, BAD, DIM, GOOD, PLAIN, STRONG, cut, pad, paint, width};
use lockstep::real::Run;
use lockstep::scenario::{Clause, End, Event, Program, Step, Sys, TaskId, What};
use lockstep::sim::{Allowed, Divergence, Replayed};
use std::collections::BTreeMap;

/// What a task did, or what came to it, on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// The task.
    pub task: TaskId,
    /// `read(r, 64) = "hello"`; `read(r, 64) …` if it sleeps; `… read(r, 64) = "hello"` if it had
    /// slept.
    pub text: String,
}

/// What happened at once, in words: a call and what it gave are one.
pub fn phrases(program: &Program, events: &[Event]) -> Vec<Phrase> {
    let has = |task: TaskId, wanted: &dyn Fn(&What) -> bool| {
        events.iter().any(|e| e.task == task && wanted(&e.what))
    };
    let mut phrases = Vec::new();
    for event in events {
        let task = event.task;
        let exits = |index: usize| program.stmt(task, index).sys == Sys::Exit;
        let call = |index: usize| program.stmt(task, index).text.as_str();
        let text = match &event.what {
            What::Issue(index) => {
                let index = *index;
                let returns = has(task, &|w| matches!(w, What::Return(i, _) if *i == index));
                let blocks = has(task, &|w| *w == What::Block(index));
                let ends = has(task, &|w| matches!(w, What::End(_)));
                if returns || blocks || (ends && exits(index)) {
                    continue;
                }
                if ends {
                    call(index).to_string()
                } else {
                    format!("{} …", call(index))
                }
            }
            What::Block(index) => format!("{} …", call(*index)),
            What::Return(index, value) => {
                // Of the setup only results are told.
                let issued = task == TaskId::SETUP || has(task, &|w| *w == What::Issue(*index));
                let before = if issued { "" } else { "… " };
                format!("{before}{} = {}", call(*index), program.show_value(value))
            }
            What::End(End::Exited(status)) => format!("exit({status})"),
            What::End(_) | What::Handle(_) => program.show_what(event),
        };
        phrases.push(Phrase { task, text });
    }
    phrases
}

/// Clauses, one after the other.
pub fn clauses<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> String {
    let mut told: Vec<String> = Vec::new();
    for clause in clauses {
        let clause = clause.to_string();
        if !told.contains(&clause) {
            told.push(clause);
        }
    }
    told.join(" ")
}

/// One line of a trace of the model.
struct Line {
    number: String,
    task: String,
    text: String,
    clauses: String,
}

/// A run of the model as lines: step, task, what happened, and at the right the clauses that allow
/// it, broken where a terminal has room for no more. With `every`, also steps in which nothing is
/// seen to happen.
pub fn model(program: &Program, run: &Replayed, every: bool, room: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |number: String, taken: Vec<Phrase>, ids: String| {
        for (n, phrase) in taken.into_iter().enumerate() {
            lines.push(Line {
                number: if n == 0 {
                    number.clone()
                } else {
                    String::new()
                },
                task: program.task(phrase.task).name.clone(),
                text: phrase.text,
                clauses: if n == 0 { ids.clone() } else { String::new() },
            });
        }
    };
    add(
        String::new(),
        phrases(program, &run.setup.events),
        clauses(&run.setup.clauses),
    );
    for (at, (action, taken)) in run.steps.iter().enumerate() {
        let mut told = phrases(program, &taken.events);
        if told.is_empty() {
            if !every {
                continue;
            }
            let text = match action.step {
                Step::Resume => "is woken, and sleeps on",
                Step::Expire => "the time it would wait is over",
                Step::Signal => "a signal comes, and is ignored",
                Step::Issue => "nothing",
            };
            told.push(Phrase {
                task: action.task,
                text: text.into(),
            });
        }
        add((at + 1).to_string(), told, clauses(&taken.clauses));
    }
    let widest = |f: &dyn Fn(&Line) -> &str| lines.iter().map(|l| width(f(l))).max().unwrap_or(0);
    let (number, task) = (widest(&|l| &l.number), widest(&|l| &l.task));
    let text = widest(&|l| &l.text).min(MOST_TEXT);
    let before = number + task + text + 8;
    let left = room.map_or(usize::MAX, |room| {
        room.saturating_sub(before).max(LEAST_CLAUSES)
    });
    let mut told = Vec::new();
    for l in &lines {
        let mut ids = out::wrap(&l.clauses, left).into_iter();
        let line = format!(
            "  {}  {}  {}  {}",
            paint(DIM, format!("{:>number$}", l.number)),
            pad(&l.task, task),
            pad(&l.text, text),
            paint(DIM, ids.next().unwrap_or_default())
        );
        told.push(line.trim_end().to_string());
        told.extend(ids.map(|more| format!("{}{}", " ".repeat(before), paint(DIM, more))));
    }
    told
}

/// Texts are filled up to no more than this.
const MOST_TEXT: usize = 72;

/// A line has room for at least so much of its clauses.
const LEAST_CLAUSES: usize = 17;

/// Half of a side-by-side trace is cut at this.
const MOST_HALF: usize = 60;

/// And is not narrower than its heading.
const LEAST_HALF: usize = 6;

/// The step that a divergence is about.
fn divergence_at<'a>(
    run: &Run,
    at: usize,
    divergences: &'a [Divergence],
) -> Option<&'a Divergence> {
    let step = &run.steps[at];
    divergences.iter().find(|d| {
        d.issued == step.issued
            && (d.issued == TaskId::SETUP
                || step.events.contains(&Event {
                    task: d.issued,
                    what: What::Issue(d.index),
                }))
    })
}

/// Of what the model allows, that which is most like what was seen.
pub fn nearest(divergence: &Divergence) -> Option<&Allowed> {
    let likeness = |a: &Allowed| {
        divergence
            .got
            .iter()
            .filter(|(task, whats)| a.events.get(task) == Some(whats))
            .count()
    };
    divergence.allowed.iter().rev().max_by_key(|a| likeness(a))
}

fn in_order(events: &BTreeMap<TaskId, Vec<What>>, first: TaskId) -> Vec<Event> {
    let of = |task: TaskId| {
        let whats = events.get(&task).into_iter().flatten();
        whats.map(move |what| Event {
            task,
            what: what.clone(),
        })
    };
    let others = events.keys().copied().filter(|t| *t != first);
    of(first).chain(others.flat_map(of)).collect()
}

/// The kernel's run beside the model's, step by step; where they differ the model's side is what
/// it allows that is nearest, marked `≠`. Each half is cut to what a terminal has room for.
pub fn beside(
    program: &Program,
    run: &Run,
    divergences: &[Divergence],
    room: Option<usize>,
) -> Vec<String> {
    let mut rows: Vec<(bool, String, String, String)> = Vec::new();
    let tell = |events: &[Event]| -> Vec<String> {
        let widest = program
            .tasks
            .iter()
            .map(|t| width(&t.name))
            .max()
            .unwrap_or(0);
        let one = |p: &Phrase| format!("{}  {}", pad(&program.task(p.task).name, widest), p.text);
        phrases(program, events).iter().map(one).collect()
    };
    for (at, step) in run.steps.iter().enumerate() {
        let kernel = tell(&step.events);
        let divergence = divergence_at(run, at, divergences);
        let model = match divergence {
            None => kernel.clone(),
            Some(d) => match nearest(d) {
                Some(allowed) => tell(&in_order(&allowed.events, d.issued)),
                None => vec!["the task has no call to issue".into()],
            },
        };
        let differs = divergence.is_some();
        for n in 0..kernel.len().max(model.len()) {
            let side = |side: &[String]| side.get(n).cloned().unwrap_or_default();
            let number = if n == 0 && at > 0 {
                at.to_string()
            } else {
                String::new()
            };
            rows.push((
                differs && kernel.get(n) != model.get(n),
                number,
                side(&kernel),
                side(&model),
            ));
        }
        // What differs in nothing but its order differs as a whole.
        if differs
            && rows
                .iter()
                .rev()
                .take(kernel.len().max(model.len()))
                .all(|r| !r.0)
        {
            let from = rows.len() - kernel.len().max(model.len());
            rows[from..].iter_mut().for_each(|r| r.0 = true);
        }
    }
    for (task, end) in &run.left {
        let text = format!(
            "{}: {}",
            program.task(*task).name,
            program.show_end(*task, *end)
        );
        rows.push((false, String::new(), text, String::new()));
    }
    let most = room.map_or(MOST_HALF, |room| {
        (room.saturating_sub(10) / 2).clamp(LEAST_HALF, MOST_HALF)
    });
    let widest = rows.iter().map(|r| width(&r.2)).max().unwrap_or(0);
    let half = widest.clamp(LEAST_HALF, most);
    let number = rows.iter().map(|r| width(&r.1)).max().unwrap_or(0);
    let mut lines = vec![format!(
        "  {}  {}   {}",
        " ".repeat(number),
        paint(STRONG, pad("kernel", half)),
        paint(STRONG, "model")
    )];
    for (differs, at, kernel, model) in rows {
        let (mark, left, right) = match differs {
            true => (paint(BAD, "≠"), BAD, GOOD),
            false => (" ".into(), PLAIN, DIM),
        };
        let line = format!(
            "  {}  {} {mark} {}",
            paint(DIM, format!("{at:>number$}")),
            paint(left, pad(&cut(&kernel, half), half)),
            paint(right, cut(&model, most)),
        );
        lines.push(line.trim_end().to_string());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::chart;
    use lockstep::Scenario;
    use lockstep::scenario::Schedule;
    use lockstep::sim::{self, kernel::Config};

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let text = "test pipe/t\nsetup\n  pipe() = [r, w]\nprocess reader\n  read(r, 64) = a\n\
                    process writer\n  write(w, \"hello\")\n";
        let scenario = Scenario::parse("t.ipc", text).expect("a scenario");
        let program = &scenario.cases()[0].program;
        let config = Config::default();
        let schedule = Schedule::parse("reader writer", program).expect("a schedule");
        let run = sim::replay(program, config, &schedule).expect("it can be replayed");
        let all = model(program, &run, false, None);
        for room in [60, 72, 100] {
            let lines = model(program, &run, false, Some(room));
            let chart = chart::chart(program, config, &run, Some(room));
            for line in lines.iter().chain(&chart) {
                let plain = anstream::adapter::strip_str(line).to_string();
                assert!(width(&plain) <= room, "{room}: {plain}");
            }
            // Nothing is lost for that.
            let words = |lines: &[String]| {
                let plain = anstream::adapter::strip_str(&lines.join("\n")).to_string();
                plain
                    .split_whitespace()
                    .map(str::to_string)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&lines), words(&all));
        }
    }
}
