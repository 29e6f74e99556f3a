//! POSIX message queues: small ones, so that senders wait as well as receivers, with a few priorities,
//! times that have passed and times that will soon; who is registered is told by a signal where the
//! scenario has signals too.

use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, access, flags, parts, pick};
use super::signal::{SIGNALS, Signal, sent};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use scenario::Sysctl;

const NAME: &str = "posix_mq";

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: NAME,
    percent: 50,
    setup: || vec(parts(made()), 0..3).boxed(),
    steps,
};

/// The most messages of a queue, the most bytes of a message.
type Limits = (u8, u32);

fn limits() -> impl Strategy<Value = Limits> {
    (1..4u8, select(&[1u32, 8, 100][..]))
}

fn made() -> impl Strategy<Value = Step> {
    (0..2u8, limits()).prop_map(|(queue, limits)| Step::Open {
        queue,
        mode: 2,
        create: 1,
        nonblocking: false,
        limits: Some(limits),
    })
}

/// When a call gives up. All that wait for a time wait equally long: then which ends first does not
/// hang on the machine.
#[derive(Clone, Copy, Debug)]
enum Until {
    Never,
    Past,
    Soon,
}

const SOON: &str = "2";

impl Until {
    /// The milliseconds, if the call is one with a time.
    fn milliseconds(self) -> Option<&'static str> {
        match self {
            Until::Never => None,
            Until::Past => Some("-1000"),
            Until::Soon => Some(SOON),
        }
    }
}

/// How who registers is told.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// It gives its registration up.
    No,
    Silently,
    /// By a signal, which it has first got ready for. It may have a child that sends a message.
    By(Signal, Ready, bool),
}

/// How a process has got ready for a signal.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Not,
    /// A handler records it, and may let calls go on.
    Handles(bool),
    Blocks,
}

fn told() -> impl Strategy<Value = Told> {
    let ready = prop_oneof![
        1 => Just(Ready::Not),
        4 => any::<bool>().prop_map(Ready::Handles),
        3 => Just(Ready::Blocks),
    ];
    prop_oneof![
        2 => Just(Told::No),
        1 => Just(Told::Silently),
        5 => (sent(), ready, any::<bool>()).prop_map(|(s, r, c)| Told::By(s, r, c)),
    ]
}

/// Limits near what queues are made for.
fn limit() -> impl Strategy<Value = Step> {
    let few = |which| (0..5i32).prop_map(move |n| Step::Limit(which, n));
    let size = |which| select(&[127, 128, 200][..]).prop_map(move |n| Step::Limit(which, n));
    prop_oneof![
        (-1..4i32).prop_map(|n| Step::Limit(Sysctl::QueuesMax, n)),
        few(Sysctl::MqMsgMax),
        few(Sysctl::MqMsgDefault),
        size(Sysctl::MqMsgsizeMax),
        size(Sysctl::MqMsgsizeDefault),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Open {
        queue: u8,
        mode: u8,
        /// 0 not, 1 if it is missing, 2 only if it is missing.
        create: u8,
        nonblocking: bool,
        limits: Option<Limits>,
    },
    Send(Pick, u32, u16, Until),
    Receive(Pick, u32, Until),
    Getattr(Pick),
    Setattr(Pick, bool),
    Notify(Pick, Told),
    Limit(Sysctl, i32),
    Poll(Pick, Pick, bool),
    Close(Pick),
    Unlink(u8),
}

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    let on = any::<bool>;
    let length = || select(&[0u32, 1, 1, 1, 2, 8, 9, 100][..]);
    let room = || select(&[1u32, 8, 100, 100, 8192, 8192, 8192][..]);
    let priority = || select(&[0u16, 0, 1, 1, 2, 32767, 32768][..]);
    let until = || {
        prop_oneof![
            8 => Just(Until::Never),
            1 => Just(Until::Past),
            1 => Just(Until::Soon),
        ]
    };
    let open = (0..3u8, 0..3u8, 0..3u8, on(), prop::option::of(limits())).prop_map(
        |(queue, mode, create, nonblocking, limits)| Open {
            queue,
            mode,
            create,
            nonblocking,
            limits,
        },
    );
    let send = (pick(), length(), priority(), until());
    let receive = (pick(), room(), until());
    vec![
        (6, parts(open)),
        (15, parts(send.prop_map(|(q, n, p, t)| Send(q, n, p, t)))),
        (15, parts(receive.prop_map(|(q, n, t)| Receive(q, n, t)))),
        (3, parts(pick().prop_map(Getattr))),
        (2, parts((pick(), on()).prop_map(|(q, n)| Setattr(q, n)))),
        (8, parts((pick(), told()).prop_map(|(q, t)| Notify(q, t)))),
        (1, parts(limit())),
        (
            3,
            parts((pick(), pick(), on()).prop_map(|(a, b, w)| Poll(a, b, w))),
        ),
        (3, parts(pick().prop_map(Close))),
        (2, parts((0..3u8).prop_map(Unlink))),
    ]
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        let queue = |w: &Writer, q, fits: &dyn Fn(&Handle) -> bool| {
            w.descriptor(q, |h| h.kind == NAME && fits(h)).name
        };
        let any = |w: &Writer, q| queue(w, q, &|_| true);
        match *self {
            Step::Open {
                queue,
                mode,
                create,
                nonblocking,
                limits,
            } => {
                let name = w.name("q");
                let words = flags(&[
                    (true, &access(mode, nonblocking)),
                    (create > 0, "O_CREAT"),
                    (create > 1, "O_EXCL"),
                ]);
                w.line(match limits {
                    Some((most, size)) => format!(
                        "mq_open_attr(\"/q{queue}\", {words}, 0o600, {most}, {size}) = {name}"
                    ),
                    None => format!("mq_open(\"/q{queue}\", {words}, 0o600) = {name}"),
                });
                w.has(Handle::opened(&name, NAME, mode));
            }
            Step::Send(q, length, priority, until) => {
                let (to, data) = (queue(w, q, &|h| h.writes), w.message(length));
                w.line(match until.milliseconds() {
                    None => format!("mq_send({to}, {data}, {priority})"),
                    Some(ms) => format!("mq_timedsend({to}, {data}, {priority}, {ms})"),
                });
            }
            Step::Receive(q, room, until) => {
                let (from, name) = (queue(w, q, &|h| h.reads), w.name("x"));
                w.line(match until.milliseconds() {
                    None => format!("mq_receive({from}, {room}) = {name}"),
                    Some(ms) => format!("mq_timedreceive({from}, {room}, {ms}) = {name}"),
                });
            }
            Step::Getattr(q) => w.line(format!("mq_getattr({})", any(w, q))),
            Step::Setattr(q, nonblocking) => {
                let words = flags(&[(nonblocking, "O_NONBLOCK")]);
                w.line(format!("mq_setattr({}, {words})", any(w, q)));
            }
            Step::Notify(q, told) => {
                // The status line, which `read` gives, names who is registered by a process id, and no
                // rule fixes that.
                let event = match told {
                    _ if w.mixes("fd") => "NULL".to_string(),
                    Told::No => "NULL".to_string(),
                    Told::By(signal, ready, _) if w.mixes(SIGNALS) => {
                        get_ready(w, signal, ready);
                        format!("SIGEV_SIGNAL, {signal}")
                    }
                    Told::Silently | Told::By(..) => "SIGEV_NONE".to_string(),
                };
                let queue = any(w, q);
                w.line(format!("mq_notify({queue}, {event})"));
                if matches!(told, Told::By(_, _, true)) {
                    let data = w.message(1);
                    w.child(&format!("mq_send({queue}, {data}, 1)"));
                }
            }
            Step::Limit(which, n) => w.line(format!("sysctl_write(\"{which}\", {n})")),
            Step::Poll(a, b, waits) => w.line(format!(
                "poll([[{}, POLLIN], [{}, POLLOUT]], {})",
                queue(w, a, &|h| h.reads),
                queue(w, b, &|h| h.writes),
                if waits { -1 } else { 0 }
            )),
            Step::Close(q) => w.line(format!("close({})", any(w, q))),
            Step::Unlink(queue) => w.line(format!("mq_unlink(\"/q{queue}\")")),
        }
    }
}

/// What a process does about a signal before it asks for it.
fn get_ready(w: &mut Writer, signal: Signal, ready: Ready) {
    match ready {
        Ready::Not => {}
        Ready::Handles(restart) => {
            let words = flags(&[(restart, "SA_RESTART")]);
            w.line(format!("sigaction({signal}, record, {words})"));
        }
        Ready::Blocks => w.line(format!("sigprocmask(SIG_BLOCK, [{signal}])")),
    }
}
