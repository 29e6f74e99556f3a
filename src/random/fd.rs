//! What every descriptor has: reads and writes, copies, flags, questions, `poll`.

use super::plan::{Handle, Mechanism, Pick, Writer, Written, flags, parts, pick};
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: "fd",
    percent: 80,
    setup: || Just(Vec::new()).boxed(),
    steps,
};

#[derive(Clone, Debug)]
enum Step {
    Read(Pick, u32),
    Write(Pick, u32),
    Readv(Pick, u32, u32),
    Writev(Pick, u32, u32),
    Close(Pick),
    Dup(Pick),
    Dup2(Pick, Pick),
    Dupfd(Pick, u8, bool),
    Status(Pick, bool, bool),
    Cloexec(Pick, bool),
    Flags(Pick),
    Ask(Pick, u8),
    Poll(Pick, Pick, bool),
    CloseRange(u8, u8),
}

pub(super) const LENGTHS: &[u32] = &[
    0, 1, 2, 5, 100, 2049, 4095, 4096, 4097, 5000, 8191, 8192, 8193, 12288, 65536, 70000,
];

fn steps() -> Vec<(u32, BoxedStrategy<super::plan::Part>)> {
    use Step::*;
    let len = || select(LENGTHS);
    let on = any::<bool>;
    let fd = pick;
    vec![
        (12, parts((fd(), len()).prop_map(|(f, n)| Read(f, n)))),
        (12, parts((fd(), len()).prop_map(|(f, n)| Write(f, n)))),
        (
            2,
            parts((fd(), len(), len()).prop_map(|(f, a, b)| Readv(f, a, b))),
        ),
        (
            2,
            parts((fd(), len(), len()).prop_map(|(f, a, b)| Writev(f, a, b))),
        ),
        (6, parts(fd().prop_map(Close))),
        (2, parts(fd().prop_map(Dup))),
        (2, parts((fd(), fd()).prop_map(|(a, b)| Dup2(a, b)))),
        (
            1,
            parts((fd(), 0..20u8, on()).prop_map(|(a, n, c)| Dupfd(a, n, c))),
        ),
        (
            4,
            parts((fd(), on(), on()).prop_map(|(f, n, d)| Status(f, n, d))),
        ),
        (1, parts((fd(), on()).prop_map(|(f, c)| Cloexec(f, c)))),
        (1, parts(fd().prop_map(Flags))),
        (3, parts((fd(), 0..5u8).prop_map(|(f, w)| Ask(f, w)))),
        (
            3,
            parts((fd(), fd(), on()).prop_map(|(a, b, w)| Poll(a, b, w))),
        ),
        (
            1,
            parts((0..12u8, 0..12u8).prop_map(|(a, b)| CloseRange(a, b))),
        ),
    ]
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        match *self {
            Step::Read(f, n) => {
                let name = w.name("x");
                w.line(format!("read({}, {n}) = {name}", w.reader(f)));
            }
            Step::Write(f, n) => w.line(format!("write({}, {})", w.writer(f), w.bytes(n))),
            Step::Readv(f, a, b) => w.line(format!("readv({}, [{a}, {b}])", w.reader(f))),
            Step::Writev(f, a, b) => w.line(format!(
                "writev({}, [{}, {}])",
                w.writer(f),
                w.bytes(a),
                w.bytes(b)
            )),
            Step::Close(f) => w.line(format!("close({})", w.fd(f))),
            Step::Dup(f) => copy(w, f, |from| format!("dup({from})")),
            Step::Dup2(a, b) => w.line(format!("dup2({}, {})", w.fd(a), w.fd(b))),
            Step::Dupfd(a, n, cloexec) => copy(w, a, |from| {
                let word = if cloexec {
                    "F_DUPFD_CLOEXEC"
                } else {
                    "F_DUPFD"
                };
                format!("fcntl({from}, {word}, {n})")
            }),
            Step::Status(f, nonblocking, direct) => {
                let words = flags(&[(nonblocking, "O_NONBLOCK"), (direct, "O_DIRECT")]);
                w.line(format!("fcntl({}, F_SETFL, {words})", w.fd(f)));
            }
            Step::Cloexec(f, on) => {
                let word = if on { "FIOCLEX" } else { "FIONCLEX" };
                w.line(format!("ioctl({}, {word})", w.fd(f)));
            }
            Step::Flags(f) => w.line(format!("fcntl({}, F_GETFL)", w.fd(f))),
            Step::Ask(f, what) => {
                let f = w.fd(f);
                w.line(match what % 5 {
                    0 => format!("ioctl({f}, FIONREAD)"),
                    1 => format!("fcntl({f}, F_GETFD)"),
                    2 => format!("lseek({f}, 0, SEEK_CUR)"),
                    3 => format!("fstat({f})"),
                    _ => format!("pread({f}, 1, 0)"),
                });
            }
            Step::Poll(a, b, waits) => w.line(format!(
                "poll([[{}, POLLIN], [{}, POLLIN|POLLOUT]], {})",
                w.reader(a),
                w.writer(b),
                if waits { -1 } else { 0 }
            )),
            Step::CloseRange(a, b) => w.line(format!("close_range({}, {})", 3 + a, 3 + b)),
        }
    }
}

/// A call that makes another descriptor of the same description.
fn copy(w: &mut Writer, from: Pick, call: impl Fn(&str) -> String) {
    let from = w.descriptor(from, |_| true);
    let name = w.name("d");
    w.line(format!("{} = {name}", call(&from.name)));
    w.has(Handle { name, ..from });
}
