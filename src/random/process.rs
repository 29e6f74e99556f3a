//! Processes: waits for children, groups, sessions.

use super::plan::{Mechanism, Part, Pick, Writer, Written, flags, parts, pick};
use proptest::prelude::*;

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: "process",
    percent: 30,
    setup: || Just(Vec::new()).boxed(),
    steps,
};

#[derive(Clone, Debug)]
enum Step {
    /// A child that ends at once, or as it is told to.
    Child(bool),
    Wait([bool; 3]),
    Waitid([bool; 4]),
    Group(bool),
    Session,
    Ask,
    Kill(Pick),
    /// The nice value of a process, or of the group.
    Nice(Pick, u8, bool),
}

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    vec![
        (3, parts(any::<bool>().prop_map(Child))),
        (6, parts(any::<[bool; 3]>().prop_map(Wait))),
        (4, parts(any::<[bool; 4]>().prop_map(Waitid))),
        (2, parts(any::<bool>().prop_map(Group))),
        (1, parts(Just(Session))),
        (1, parts(Just(Ask))),
        (2, parts(pick().prop_map(Kill))),
        (
            3,
            parts((pick(), 0..4u8, any::<bool>()).prop_map(|(t, n, sets)| Nice(t, n, sets))),
        ),
    ]
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        match *self {
            Step::Child(pauses) => w.child(if pauses { "pause()" } else { "exit(3)" }),
            Step::Wait([now, stopped, continued]) => {
                let words = flags(&[
                    (now, "WNOHANG"),
                    (stopped, "WUNTRACED"),
                    (continued, "WCONTINUED"),
                ]);
                w.line(format!("waitpid(-1, {words})"));
            }
            Step::Waitid([now, stopped, continued, keeps]) => {
                let words = flags(&[
                    (true, "WEXITED"),
                    (now, "WNOHANG"),
                    (stopped, "WSTOPPED"),
                    (continued, "WCONTINUED"),
                    (keeps, "WNOWAIT"),
                ]);
                w.line(format!("waitid(P_ALL, {words})"));
            }
            Step::Group(own) => w.line(if own { "setpgid(0, 0)" } else { "getpgrp()" }),
            Step::Session => w.line("setsid()"),
            Step::Ask => w.line("getsid(0)"),
            Step::Nice(task, nice, sets) => {
                // Now and then the group.
                let whom = match task {
                    0 => "PRIO_PGRP, 0".to_string(),
                    n => format!("PRIO_PROCESS, {}", w.task(n)),
                };
                w.line(match sets {
                    true => format!("setpriority({whom}, {nice})"),
                    false => format!("getpriority({whom})"),
                });
            }
            Step::Kill(signal) => {
                let signal =
                    ["SIGUSR1", "SIGURG", "SIGSTOP", "SIGCONT", "0"][usize::from(signal) % 5];
                w.line(format!("killpg(0, {signal})"));
            }
        }
    }
}
