//! Schedules: which action came next, as a short string that every engine can replay.
//!
//! `writer reader reader+ writer` reads: `writer` issues its next call, `reader` issues its next,
//! `reader`, woken, goes on with it, `writer` issues again. `reader!` is the arrival of a signal at
//! `reader`, `reader~` the end of the time that `reader` would wait. Where the kernel chose among
//! several behaviours the choice follows: `reader/1`.

use crate::{Program, TaskId};
use serde::{Deserialize, Serialize};

/// The kind of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// The task issues its next call.
    Issue,
    /// The task, woken in a call, goes on with it.
    Resume,
    /// A pending signal reaches the task.
    Signal,
    /// The time that its call would wait, or that its process's timer was set to, is over.
    Expire,
}

/// An action with the choices that the kernel made in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Action {
    /// Whose.
    pub task: TaskId,
    /// What.
    pub step: Step,
    /// The choices made, in order; choices left out are 0.
    pub choices: Vec<u8>,
}

/// A schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Schedule(pub Vec<Action>);

/// A word of a schedule string that is not an action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schedule word {position}, `{word}`: {problem}")]
pub struct ScheduleError {
    /// Which word, counted from 1.
    pub position: usize,
    /// The word.
    pub word: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Schedule {
    /// As a string, with the tasks' names. Equal words in a row are written `writer*3`.
    pub fn show(&self, program: &Program) -> String {
        let words: Vec<String> = self
            .0
            .iter()
            .map(|a| {
                let mut word = program.task(a.task).name.clone();
                word.push_str(match a.step {
                    Step::Issue => "",
                    Step::Resume => "+",
                    Step::Signal => "!",
                    Step::Expire => "~",
                });
                for c in &a.choices {
                    word.push_str(&format!("/{c}"));
                }
                word
            })
            .collect();
        words
            .chunk_by(|a, b| a == b)
            .map(|same| match same.len() {
                1 => same[0].clone(),
                n => format!("{}*{n}", same[0]),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Reads such a string.
    ///
    /// # Errors
    /// The first word that is not an action of this program.
    pub fn parse(text: &str, program: &Program) -> Result<Schedule, ScheduleError> {
        let mut actions = Vec::new();
        for (at, word) in text.split_whitespace().enumerate() {
            let error = |problem: String| ScheduleError {
                position: at + 1,
                word: word.to_string(),
                problem,
            };
            let (one, times) = match word.rsplit_once('*') {
                Some((one, n)) => (
                    one,
                    n.parse::<usize>()
                        .ok()
                        .filter(|n| (1..=100_000).contains(n))
                        .ok_or_else(|| error("after `*` comes a count from 1 to 100000".into()))?,
                ),
                None => (word, 1),
            };
            let mut parts = one.split('/');
            let name = parts.next().unwrap_or_default();
            let (name, step) = if let Some(name) = name.strip_suffix('+') {
                (name, Step::Resume)
            } else if let Some(name) = name.strip_suffix('!') {
                (name, Step::Signal)
            } else if let Some(name) = name.strip_suffix('~') {
                (name, Step::Expire)
            } else {
                (name, Step::Issue)
            };
            let task = program
                .task_named(name)
                .filter(|&t| t != TaskId::SETUP)
                .ok_or_else(|| {
                    let known: Vec<_> =
                        program.tasks[1..].iter().map(|t| t.name.as_str()).collect();
                    error(format!(
                        "no task of that name; there are {}",
                        known.join(", ")
                    ))
                })?;
            let choices = parts
                .map(|c| {
                    c.parse()
                        .map_err(|_| error(format!("`{c}` is not a choice (0 to 255)")))
                })
                .collect::<Result<_, _>>()?;
            let action = Action {
                task,
                step,
                choices,
            };
            actions.extend(std::iter::repeat_n(action, times));
        }
        Ok(Schedule(actions))
    }

    /// The tasks that issue calls, in order: the ordering that the real kernel can be driven in.
    pub fn ordering(&self) -> Vec<TaskId> {
        self.0
            .iter()
            .filter(|a| a.step == Step::Issue)
            .map(|a| a.task)
            .collect()
    }
}
