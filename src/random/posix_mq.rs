//! POSIX message queues: small ones, so that senders wait as well as receivers, with a few priorities,
//! times that have passed and times that will soon.

use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, access, flags, parts, pick};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

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
    Notify(Pick, bool),
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
        (3, parts((pick(), on()).prop_map(|(q, n)| Notify(q, n)))),
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
            Step::Notify(q, on) => {
                // The status line, which `read` gives, names who is registered by a process id, and no
                // rule fixes that.
                let on = on && !w.mixes("fd");
                let method = if on { "SIGEV_NONE" } else { "NULL" };
                w.line(format!("mq_notify({}, {method})", any(w, q)));
            }
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
