//! Readiness: `select`, `epoll` in all its ways, eventfds.

use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, flags, parts, pick};
use proptest::prelude::*;

/// The mechanisms' names, as handles have them.
const EPOLL: &str = "epoll";
const EVENTFD: &str = "eventfd";

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: "ready",
    percent: 40,
    setup: || {
        let event = (0..3u8, any::<bool>(), any::<bool>())
            .prop_map(|(n, s, b)| std::sync::Arc::new(Step::Eventfd(n, s, b)) as Part);
        let epoll = Just(()).prop_map(|()| std::sync::Arc::new(Step::Create) as Part);
        proptest::collection::vec(prop_oneof![event, epoll], 0..3).boxed()
    },
    steps,
};

#[derive(Clone, Debug)]
enum Step {
    Eventfd(u8, bool, bool),
    Take(Pick),
    Add(Pick, u8),
    Create,
    Control(Pick, u8, Pick, [bool; 5]),
    Wait(Pick, u8, bool),
    Select(Pick, Pick, bool),
}

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    let on = any::<bool>;
    vec![
        (
            1,
            parts((0..3u8, on(), on()).prop_map(|(n, s, b)| Eventfd(n, s, b))),
        ),
        (3, parts(pick().prop_map(Take))),
        (4, parts((pick(), 0..4u8).prop_map(|(f, n)| Add(f, n)))),
        (1, parts(Just(Create))),
        (
            8,
            parts(
                (pick(), 0..6u8, pick(), any::<[bool; 5]>())
                    .prop_map(|(e, o, f, w)| Control(e, o, f, w)),
            ),
        ),
        (
            8,
            parts((pick(), 1..4u8, on()).prop_map(|(e, n, w)| Wait(e, n, w))),
        ),
        (
            3,
            parts((pick(), pick(), on()).prop_map(|(a, b, w)| Select(a, b, w))),
        ),
    ]
}

/// A descriptor that plain reads and writes are not for: what they do is told by calls of its own.
fn special(name: &str, kind: &'static str) -> Handle {
    Handle {
        reads: false,
        writes: false,
        ..Handle::opened(name, kind, 2)
    }
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        match *self {
            Step::Eventfd(count, semaphore, nonblocking) => {
                let name = w.name("v");
                let words = flags(&[(semaphore, "EFD_SEMAPHORE"), (nonblocking, "EFD_NONBLOCK")]);
                w.line(format!("eventfd({count}, {words}) = {name}"));
                w.has(special(&name, EVENTFD));
            }
            Step::Take(fd) => {
                let fd = w.descriptor_of(fd, EVENTFD);
                w.line(format!("eventfd_read({fd})"));
            }
            Step::Add(fd, value) => {
                let fd = w.descriptor_of(fd, EVENTFD);
                // Now and then more than fits.
                let value = if value == 3 { -2 } else { i64::from(value) };
                w.line(format!("eventfd_write({fd}, {value})"));
            }
            Step::Create => {
                let name = w.name("e");
                w.line(format!("epoll_create1(0) = {name}"));
                w.has(special(&name, EPOLL));
            }
            Step::Control(epoll, op, fd, [input, output, edge, once, alone]) => {
                let (epoll, target) = (w.descriptor_of(epoll, EPOLL), w.fd(fd));
                let op = match op {
                    0..4 => "EPOLL_CTL_ADD",
                    4 => "EPOLL_CTL_MOD",
                    _ => "EPOLL_CTL_DEL",
                };
                let words = flags(&[
                    (input, "EPOLLIN"),
                    (output, "EPOLLOUT"),
                    (edge, "EPOLLET"),
                    (once, "EPOLLONESHOT"),
                    (alone && !once, "EPOLLEXCLUSIVE"),
                ]);
                w.line(format!("epoll_ctl({epoll}, {op}, {target}, {words}, {fd})"));
            }
            Step::Wait(epoll, most, waits) => {
                let epoll = w.descriptor_of(epoll, EPOLL);
                let timeout = if waits { -1 } else { 0 };
                w.line(format!("epoll_wait({epoll}, {most}, {timeout})"));
            }
            Step::Select(a, b, waits) => w.line(format!(
                "select([{}], [{}], [], {})",
                w.fd(a),
                w.fd(b),
                if waits { -1 } else { 0 }
            )),
        }
    }
}
