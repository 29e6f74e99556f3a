//! FIFOs: made, opened in every way, renamed and removed under those who have them open.

use super::plan::{Handle, Mechanism, Part, Pick, Writer, Written, access, parts, pick};
use proptest::collection::vec;
use proptest::prelude::*;

pub(super) const MECHANISM: Mechanism = Mechanism {
    name: "fifo",
    percent: 50,
    setup: || vec(parts(name().prop_map(Step::Mkfifo)), 0..3).boxed(),
    steps,
};

#[derive(Clone, Debug)]
enum Step {
    Open(u8, u8, bool),
    Reopen(Pick, u8, bool),
    Unlink(u8),
    Mkfifo(u8),
    Rename(u8, u8),
    Stat(u8),
}

fn name() -> std::ops::Range<u8> {
    0..3
}

fn steps() -> Vec<(u32, BoxedStrategy<Part>)> {
    use Step::*;
    let how = || (0..3u8, any::<bool>());
    vec![
        (
            6,
            parts((name(), how()).prop_map(|(f, (m, n))| Open(f, m, n))),
        ),
        (
            1,
            parts((pick(), how()).prop_map(|(f, (m, n))| Reopen(f, m, n))),
        ),
        (1, parts(name().prop_map(Unlink))),
        (1, parts(name().prop_map(Mkfifo))),
        (1, parts((name(), name()).prop_map(|(a, b)| Rename(a, b)))),
        (1, parts(name().prop_map(Stat))),
    ]
}

impl Written for Step {
    fn write(&self, w: &mut Writer) {
        match *self {
            Step::Open(f, mode, nonblocking) => {
                let name = w.name("o");
                let access = access(mode, nonblocking);
                w.line(format!("open(\"f{f}\", {access}) = {name}"));
                w.has(Handle::opened(&name, "fifo", mode));
            }
            Step::Reopen(f, mode, nonblocking) => {
                let of = w.descriptor(f, |_| true);
                let name = w.name("o");
                let access = access(mode, nonblocking);
                w.line(format!("open_fd({}, {access}) = {name}", of.name));
                w.has(Handle::opened(&name, of.kind, mode));
            }
            Step::Unlink(f) => w.line(format!("unlink(\"f{f}\")")),
            Step::Mkfifo(f) => w.line(format!("mkfifo(\"f{f}\", 0o666)")),
            Step::Rename(a, b) => w.line(format!("rename(\"f{a}\", \"f{b}\")")),
            Step::Stat(f) => w.line(format!("stat(\"f{f}\")")),
        }
    }
}
