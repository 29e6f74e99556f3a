//! Pipes: of several sizes, streams and packets, spliced, and the signal of a pipe without readers.

use super::fd::LENGTHS;
use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, flags, parts, pick};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: "pipe",
    percent: 60,
    setup: || vec(parts(made()), 0..3).boxed(),
    steps,
};

/// A pipe of the setup.
#[derive(Clone, Debug)]
struct Made {
    nonblocking: bool,
    packets: bool,
    /// Its size (0: left as it is).
    pages: u32,
}

fn made() -> impl Strategy<Value = Made> {
    let pages = select(&[0u32, 1, 2, 4][..]);
    (any::<bool>(), prop::bool::weighted(0.15), pages).prop_map(|(nonblocking, packets, pages)| {
        Made {
            nonblocking,
            packets,
            pages,
        }
    })
}

impl Written for Made {
    fn write(&self, w: &mut Writer) {
        let (read, write) = (w.name("r"), w.name("w"));
        let words = flags(&[(self.nonblocking, "O_NONBLOCK"), (self.packets, "O_DIRECT")]);
        w.line(format!("pipe2({words}) = [{read}, {write}]"));
        if self.pages > 0 {
            w.line(format!(
                "fcntl({read}, F_SETPIPE_SZ, {})",
                self.pages * 4096
            ));
        }
        w.has(Handle::opened(&read, "pipe", 0));
        w.has(Handle::opened(&write, "pipe", 1));
    }
}

#[derive(Clone, Debug)]
enum Step {
    SetSize(Pick, u32),
    Size(Pick),
    Splice(Pick, Pick, u32, bool),
    Tee(Pick, Pick, u32, bool),
    IgnoreSigpipe,
    CatchSigpipe,
}

const SIZES: &[u32] = &[0, 4096, 4097, 8192, 16384, 65536, 131072];

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    let moved = || (pick(), pick(), select(LENGTHS), any::<bool>());
    vec![
        (
            3,
            parts((pick(), select(SIZES)).prop_map(|(f, n)| SetSize(f, n))),
        ),
        (1, parts(pick().prop_map(Size))),
        (
            2,
            parts(moved().prop_map(|(a, b, n, f)| Splice(a, b, n, f))),
        ),
        (2, parts(moved().prop_map(|(a, b, n, f)| Tee(a, b, n, f)))),
        (1, parts(Just(IgnoreSigpipe))),
        (1, parts(Just(CatchSigpipe))),
    ]
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        let moves = |call: &str, w: &Writer, a, b, n: u32, nonblocking| {
            let flags = if nonblocking {
                ", SPLICE_F_NONBLOCK"
            } else {
                ""
            };
            format!("{call}({}, {}, {n}{flags})", w.reader(a), w.writer(b))
        };
        w.line(match *self {
            Step::SetSize(f, n) => format!("fcntl({}, F_SETPIPE_SZ, {n})", w.fd(f)),
            Step::Size(f) => format!("fcntl({}, F_GETPIPE_SZ)", w.fd(f)),
            Step::Splice(a, b, n, nonblocking) => moves("splice", w, a, b, n, nonblocking),
            Step::Tee(a, b, n, nonblocking) => moves("tee", w, a, b, n, nonblocking),
            Step::IgnoreSigpipe => "sigaction(SIGPIPE, SIG_IGN)".to_string(),
            Step::CatchSigpipe => "sigaction(SIGPIPE, record)".to_string(),
        });
    }
}
