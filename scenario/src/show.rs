//! Events and outcomes as people read them: with names in place of numbers.

use crate::{End, Event, Handled, Outcome, Program, TaskId, Value, What};

impl Program {
    /// A value as the language writes it, tasks by their names.
    pub fn show_value(&self, value: &Value) -> String {
        match value {
            Value::Task(task) => self.task_name(*task).to_string(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|v| self.show_value(v)).collect();
                format!("[{}]", items.join(", "))
            }
            value => value.to_string(),
        }
    }

    /// An event on one line: `reader: read(r, 64) = "hello"`.
    pub fn show_event(&self, event: &Event) -> String {
        format!("{}: {}", self.task_name(event.task), self.show_what(event))
    }

    /// What an event tells, without its task: `read(r, 64) = "hello"`.
    pub fn show_what(&self, event: &Event) -> String {
        let call = |index: usize| self.call_text(event.task, index);
        match &event.what {
            What::Issue(index) => call(*index).to_string(),
            What::Block(index) => format!("{} blocks", call(*index)),
            What::Return(index, value) => format!("{} = {}", call(*index), self.show_value(value)),
            What::Handle(handled) => format!("handles {}", self.show_handled(handled)),
            What::End(end) => self.show_end(event.task, *end),
        }
    }

    /// A handled signal: `SIGUSR1 (SI_USER from sender)`.
    pub fn show_handled(&self, handled: &Handled) -> String {
        let Handled {
            signal,
            code,
            sender,
            value,
        } = handled;
        let code = match value {
            Some(value) => format!("{code} {value}"),
            None => code.to_string(),
        };
        match (code, sender) {
            (code, Value::Int(0)) => format!("{signal} ({code})"),
            (code, sender) => format!("{signal} ({code} from {})", self.show_value(sender)),
        }
    }

    /// How a task ended: `exited 0`, `blocked in read(r, 64)`.
    pub fn show_end(&self, task: TaskId, end: End) -> String {
        match end {
            End::Blocked(index) => format!("blocked in {}", self.call_text(task, index)),
            End::Stopped(index) => format!("stopped at {}", self.call_text(task, index)),
            End::Unfinished(index) => format!("unfinished at {}", self.call_text(task, index)),
            end => end.to_string(),
        }
    }

    /// The headings of the columns of [`Program::outcome_row`].
    pub fn outcome_columns(&self) -> Vec<String> {
        let names = self
            .observed
            .iter()
            .map(|v| self.vars[v.index()].label.clone());
        let signals = self.observed_signals.iter().map(|&t| {
            let function = if self.sees_siginfo(t) {
                "siginfo"
            } else {
                "handled"
            };
            format!("{function}({})", self.task_name(t))
        });
        names
            .chain(signals)
            .chain(["ends".to_string(), "failed".to_string()])
            .collect()
    }

    /// An outcome as a row of a table: what each observed name holds (`-` if it was never bound),
    /// the signals handled, the tasks that did not simply exit with 0, and the calls whose
    /// expectation failed. The last two are empty where there is nothing to tell.
    pub fn outcome_row(&self, outcome: &Outcome) -> Vec<String> {
        let values = outcome.values.iter().map(|v| match v {
            Some(v) => self.show_value(v),
            None => "-".into(),
        });
        let signals = self
            .observed_signals
            .iter()
            .zip(&outcome.handled)
            .map(|(&task, handled)| {
                let full = self.sees_siginfo(task);
                let show = |h: &Handled| match full {
                    true => self.show_value(&h.to_value()),
                    false => h.signal.to_string(),
                };
                format!(
                    "[{}]",
                    handled.iter().map(show).collect::<Vec<_>>().join(", ")
                )
            });
        let ends: Vec<String> = self
            .task_ids()
            .skip(1)
            .zip(&outcome.ends)
            .filter(|(_, end)| **end != End::Exited(0))
            .map(|(task, end)| format!("{} {}", self.task_name(task), self.show_end(task, *end)))
            .collect();
        let failed: Vec<String> = outcome
            .failed
            .iter()
            .map(|&(task, index)| {
                format!("{}: {}", self.task_name(task), self.call_text(task, index))
            })
            .collect();
        values
            .chain(signals)
            .chain([ends.join(", "), failed.join(", ")])
            .collect()
    }

    /// An outcome on one line: `a = "hello", b = "world"; reader blocked in read(r, 64)`.
    pub fn show_outcome(&self, outcome: &Outcome) -> String {
        let row = self.outcome_row(outcome);
        let columns = self.outcome_columns();
        let named = row.len().saturating_sub(2);
        let values: Vec<String> = columns[..named.min(columns.len())]
            .iter()
            .zip(&row)
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        let mut parts = vec![values.join(", ")];
        parts.push(row[named].clone());
        if !outcome.failed.is_empty() {
            parts.push(format!("failed: {}", row[named + 1]));
        }
        parts.retain(|p| !p.is_empty());
        match parts.is_empty() {
            true => "all exited 0".into(),
            false => parts.join("; "),
        }
    }

    /// Whether a condition looks at the codes and senders of a task's signals.
    pub fn sees_siginfo(&self, task: TaskId) -> bool {
        self.observed_siginfo.contains(&task)
    }

    fn task_name(&self, task: TaskId) -> &str {
        self.tasks.get(task.index()).map_or("?", |t| &t.name)
    }

    fn call_text(&self, task: TaskId, index: usize) -> &str {
        let stmt = self.tasks.get(task.index()).and_then(|t| t.body.get(index));
        stmt.map_or("?", |s| &s.text)
    }
}
