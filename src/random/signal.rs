//! Signals: caught, ignored and blocked, sent by and to all, waited for and read from descriptors,
//! while the calls of other mechanisms sleep.

use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, flags, parts, pick};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const NAME: &str = "signal";

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: NAME,
    percent: 50,
    setup: || {
        let handled = (select(MORTAL), handlers(), any::<[bool; 3]>(), set())
            .prop_map(|(s, h, f, m)| parts_of(Step::Action(s, h, f, m)));
        let blocked = set().prop_map(|s| parts_of(Step::Mask(0, s)));
        vec(prop_oneof![3 => handled, 1 => blocked], 0..5).boxed()
    },
    steps,
};

fn parts_of(step: Step) -> Part {
    std::sync::Arc::new(step)
}

/// Signals of each kind: that end, that do nothing, that are the kernel's, that queue, that stop.
const ANY: &[&str] = &[
    "SIGUSR1",
    "SIGUSR1",
    "SIGUSR1",
    "SIGUSR2",
    "SIGUSR2",
    "SIGURG",
    "SIGCHLD",
    "SIGPIPE",
    "SIGRTMIN",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGTERM",
    "SIGSEGV",
    "SIGSTOP",
    "SIGTSTP",
    "SIGCONT",
    "SIGCONT",
    "SIGKILL",
];
/// Those of them that can be caught.
const MORTAL: &[&str] = &[
    "SIGUSR1",
    "SIGUSR1",
    "SIGUSR2",
    "SIGURG",
    "SIGCHLD",
    "SIGPIPE",
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGTERM",
    "SIGSEGV",
    "SIGTSTP",
    "SIGCONT",
];

pub(super) type Signal = &'static str;

/// The name of the mechanism.
pub(super) const SIGNALS: &str = NAME;

/// One in so many is one that ends or stops the process.
pub(super) fn sent() -> impl Strategy<Value = Signal> {
    select(ANY)
}

fn set() -> impl Strategy<Value = Vec<Signal>> {
    vec(select(MORTAL), 0..4)
}

fn handlers() -> impl Strategy<Value = &'static str> {
    select(&["record", "record", "record", "SIG_IGN", "SIG_DFL"][..])
}

#[derive(Clone, Debug)]
enum Step {
    Action(Signal, &'static str, [bool; 3], Vec<Signal>),
    Mask(u8, Vec<Signal>),
    Pending,
    Kill(Pick, Signal),
    Tgkill(Pick, Signal),
    Raise(Signal),
    Queue(Pick, Signal, i8),
    Suspend(Vec<Signal>),
    Pause,
    Wait(Vec<Signal>, bool),
    Fd(Vec<Signal>, bool),
    ReadFd(Pick, u8),
    Ask(Signal),
}

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    let on = any::<bool>;
    let flags = any::<[bool; 3]>;
    vec![
        (
            4,
            parts(
                (select(MORTAL), handlers(), flags(), set())
                    .prop_map(|(s, h, f, m)| Action(s, h, f, m)),
            ),
        ),
        (4, parts((0..3u8, set()).prop_map(|(h, s)| Mask(h, s)))),
        (2, parts(Just(Pending))),
        (12, parts((pick(), sent()).prop_map(|(t, s)| Kill(t, s)))),
        (4, parts((pick(), sent()).prop_map(|(t, s)| Tgkill(t, s)))),
        (3, parts(sent().prop_map(Raise))),
        (
            3,
            parts((pick(), sent(), any::<i8>()).prop_map(|(t, s, v)| Queue(t, s, v))),
        ),
        (2, parts(set().prop_map(Suspend))),
        (2, parts(Just(Pause))),
        (4, parts((set(), on()).prop_map(|(s, w)| Wait(s, w)))),
        (2, parts((set(), on()).prop_map(|(s, n)| Fd(s, n)))),
        (3, parts((pick(), 1..4u8).prop_map(|(f, n)| ReadFd(f, n)))),
        (1, parts(select(MORTAL).prop_map(Ask))),
    ]
}

fn list(signals: &[Signal]) -> String {
    format!("[{}]", signals.join(", "))
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        match self {
            Step::Action(signal, handler, [restart, nodefer, resethand], mask) => {
                let words = flags(&[
                    (*restart, "SA_RESTART"),
                    (*nodefer, "SA_NODEFER"),
                    (*resethand, "SA_RESETHAND"),
                ]);
                w.line(format!(
                    "sigaction({signal}, {handler}, {words}, {})",
                    list(mask)
                ));
            }
            Step::Mask(how, signals) => {
                let how = ["SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK"][usize::from(*how) % 3];
                w.line(format!("sigprocmask({how}, {})", list(signals)));
            }
            Step::Pending => w.line("sigpending()"),
            Step::Kill(task, signal) => w.line(format!("kill({}, {signal})", w.task(*task))),
            Step::Tgkill(task, signal) => w.line(format!("tgkill({}, {signal})", w.task(*task))),
            Step::Raise(signal) => w.line(format!("raise({signal})")),
            Step::Queue(task, signal, value) => {
                w.line(format!("sigqueue({}, {signal}, {value})", w.task(*task)));
            }
            Step::Suspend(signals) => w.line(format!("sigsuspend({})", list(signals))),
            Step::Pause => w.line("pause()"),
            Step::Wait(signals, true) => w.line(format!("sigwaitinfo({})", list(signals))),
            Step::Wait(signals, false) => w.line(format!("sigtimedwait({}, 0)", list(signals))),
            Step::Fd(signals, nonblocking) => {
                let name = w.name("g");
                let words = flags(&[(*nonblocking, "SFD_NONBLOCK")]);
                w.line(format!("signalfd(-1, {}, {words}) = {name}", list(signals)));
                let handle = Handle::opened(&name, NAME, 2);
                // Plain reads would show ids of processes.
                w.has(Handle {
                    reads: false,
                    writes: false,
                    ..handle
                });
            }
            Step::ReadFd(fd, count) => {
                let fd = w.descriptor_of(*fd, NAME);
                w.line(format!("read_signals({fd}, {count})"));
            }
            Step::Ask(signal) => w.line(format!("sigaction_get({signal})")),
        }
    }
}
