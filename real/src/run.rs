//! What a run gives.

use crate::compile::Unsupported;
use scenario::{End, Event, Observer, Outcome, Program, TaskId, Trace, What};
use serde::{Deserialize, Serialize};

/// One step: a call was issued, and this happened until the system was quiet again. If the call
/// has neither returned nor blocked, its task was stopped, by itself or at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Whose call it was; [`TaskId::SETUP`] for the whole setup.
    pub issued: TaskId,
    /// What happened. Each task's events are in their order. Across tasks they stand in the order
    /// in which the tasks noted them, which is not always the order in which the kernel made them
    /// happen; tasks killed by a signal come after what they caused.
    pub events: Vec<Event>,
}

/// A run of a program in lockstep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The steps.
    pub steps: Vec<StepReport>,
    /// The places in the ordering that were passed over, since their task was not idle.
    pub skipped: Vec<usize>,
    /// How the tasks stand that had not ended when nothing more could happen.
    pub left: Vec<(TaskId, End)>,
    /// Whether the run was given up because a deadline passed.
    pub overrun: bool,
}

impl Run {
    /// The calls of the setup process, with what they gave.
    pub fn setup(&self) -> Option<&StepReport> {
        self.steps.first().filter(|s| s.issued == TaskId::SETUP)
    }

    /// The tasks whose calls were issued, in order: running the program in this ordering gives
    /// the same run.
    pub fn ordering(&self) -> Vec<TaskId> {
        let issues = |s: &StepReport| {
            s.events
                .iter()
                .any(|e| e.task == s.issued && matches!(e.what, What::Issue(_)))
        };
        self.steps
            .iter()
            .filter(|s| s.issued != TaskId::SETUP && issues(s))
            .map(|s| s.issued)
            .collect()
    }

    /// All events in order; at last those that say how unfinished tasks stand.
    pub fn trace(&self) -> Trace {
        let left = self.left.iter().map(|&(task, end)| Event {
            task,
            what: What::End(end),
        });
        Trace {
            events: self
                .steps
                .iter()
                .flat_map(|s| s.events.clone())
                .chain(left)
                .collect(),
        }
    }

    /// What the program's conditions can see of it.
    pub fn outcome(&self, program: &Program) -> Outcome {
        let mut observer = Observer::new(program);
        for step in &self.steps {
            for event in &step.events {
                observer.observe(program, event);
            }
            for event in &step.events {
                let What::Issue(index) = event.what else {
                    continue;
                };
                let stmt = program.stmt(event.task, index);
                // Where the machine was so slow that its time was over before anybody saw it asleep, a
                // call that has given up did wait.
                let blocked = |e: &Event| match &e.what {
                    What::Block(at) => *at == index,
                    What::Return(at, result) => *at == index && stmt.gave_up(result),
                    _ => false,
                };
                let own = |e: &&Event| e.task == event.task;
                if stmt.blocks && !step.events.iter().filter(own).any(blocked) {
                    observer.fail(event.task, index);
                }
            }
        }
        for &(task, end) in &self.left {
            observer.end(task, end);
        }
        observer.outcome(program)
    }
}

/// A run that gave no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// A deadline passed. What ran was killed; this is what had happened by then.
    #[error("the run took too long and was given up after {} steps", .0.steps.len())]
    Overrun(Box<Run>),
    /// A call of the setup process did not return.
    #[error("call {} of the setup process does not return", .0 + 1)]
    SetupBlocks(usize),
    /// The setup process ended before it had started the others.
    #[error("the setup process ended ({0})")]
    SetupEnded(End),
    /// A statement that workers cannot perform.
    #[error("task {}, call {}: {why}", task.0, index + 1)]
    Unsupported {
        /// The task.
        task: TaskId,
        /// The statement's place in its program.
        index: usize,
        /// Why not.
        why: Unsupported,
    },
    /// The program has more tasks, names or calls than there is room for.
    #[error("the program is too large: {0}")]
    TooLarge(String),
    /// The sandbox cannot run this program.
    #[error("{0}")]
    Skip(#[from] crate::Skip),
    /// The harness failed: something that it needs from the kernel was refused.
    #[error("the harness failed: {0}")]
    Harness(String),
    /// The sandbox process is gone and could not be replaced.
    #[error("the sandbox is lost: {0}")]
    Sandbox(#[from] crate::SandboxError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenario::{Errno, Value};

    /// Whether `blocks` is met by a call that was not seen asleep and gave this.
    fn meets(result: Value) -> bool {
        let text = "\
test run/blocks
\"A send that gives up.\"

setup
  mq_open_attr(\"/q\", O_CREAT|O_RDWR, 0o600, 1, 16) = q

process sender
  mq_timedsend(q, \"a\", 0, 30) blocks = r

always r == 0
";
        let program = &scenario::load("blocks.ipc", text).expect("it is a scenario")[0];
        let task = program.processes().next().expect("there is one");
        let events = [What::Issue(0), What::Return(0, result)];
        let step = StepReport {
            issued: task,
            events: events.map(|what| Event { task, what }).to_vec(),
        };
        let run = Run {
            steps: vec![step],
            ..Run::default()
        };
        run.outcome(program).failed.is_empty()
    }

    #[test]
    fn a_call_that_gave_up_has_blocked_though_nobody_saw_it() {
        assert!(meets(Errno::ETIMEDOUT.into()));
        assert!(!meets(Value::ZERO));
        assert!(!meets(Errno::EAGAIN.into()));
    }
}
