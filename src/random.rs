//! Random scenarios: valid ones, over pipes, FIFOs and descriptors, to hold the model against a
//! kernel in places that nobody thought of.
//!
//! A scenario is a plan ([`Plan`]) written out as text. Plans come from a proptest strategy, so
//! that one on which model and kernel differ shrinks to a small one; all randomness is ChaCha's,
//! from one seed and the number of the case, so that any case can be made again alone.

use crate::{CheckOptions, Error, Machine, Report, Scenario, Verdict, check_orderings};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write as _;

/// A random scenario before it is written out. Descriptors and FIFOs are picked by number, modulo
/// what is there, so that every plan is valid however it shrinks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipes of the setup: flags and size in pages (0: left as it is).
    pipes: Vec<(PipeFlags, u8)>,
    /// How many FIFOs the setup makes.
    fifos: u8,
    /// The processes' steps.
    processes: Vec<Vec<Step>>,
    /// Orderings are sampled with this seed.
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct PipeFlags {
    nonblocking: bool,
    packets: bool,
}

/// A step: one call, or the start of a child with a few calls.
#[derive(Clone, Debug)]
enum Step {
    Read(u8, u32),
    Write(u8, u32),
    Readv(u8, u32, u32),
    Writev(u8, u32, u32),
    Close(u8),
    Dup(u8),
    Dup2(u8, u8),
    Dupfd(u8, u8, bool),
    Status(u8, bool, bool),
    Cloexec(u8, bool),
    Flags(u8),
    SetSize(u8, u32),
    Ask(u8, u8),
    Splice(u8, u8, u32, bool),
    Tee(u8, u8, u32, bool),
    Poll(u8, u8, bool),
    Open(u8, u8, bool),
    Reopen(u8, u8, bool),
    Unlink(u8),
    Mkfifo(u8),
    Rename(u8, u8),
    Stat(u8),
    IgnoreSigpipe,
    CatchSigpipe,
    CloseRange(u8, u8),
    Fork(Vec<Step>),
}

const LENGTHS: &[u32] = &[
    0, 1, 2, 5, 100, 2049, 4095, 4096, 4097, 5000, 8191, 8192, 8193, 12288, 65536, 70000,
];
const SIZES: &[u32] = &[0, 4096, 4097, 8192, 16384, 65536, 131072];

fn step() -> BoxedStrategy<Step> {
    let fd = || 0..10u8;
    let len = || select(LENGTHS);
    let on = any::<bool>;
    prop_oneof![
        12 => (fd(), len()).prop_map(|(f, n)| Step::Read(f, n)),
        12 => (fd(), len()).prop_map(|(f, n)| Step::Write(f, n)),
        2 => (fd(), len(), len()).prop_map(|(f, a, b)| Step::Readv(f, a, b)),
        2 => (fd(), len(), len()).prop_map(|(f, a, b)| Step::Writev(f, a, b)),
        6 => fd().prop_map(Step::Close),
        2 => fd().prop_map(Step::Dup),
        2 => (fd(), fd()).prop_map(|(a, b)| Step::Dup2(a, b)),
        1 => (fd(), 0..20u8, on()).prop_map(|(a, n, c)| Step::Dupfd(a, n, c)),
        4 => (fd(), on(), on()).prop_map(|(f, n, d)| Step::Status(f, n, d)),
        1 => (fd(), on()).prop_map(|(f, c)| Step::Cloexec(f, c)),
        1 => fd().prop_map(Step::Flags),
        3 => (fd(), select(SIZES)).prop_map(|(f, n)| Step::SetSize(f, n)),
        3 => (fd(), 0..6u8).prop_map(|(f, w)| Step::Ask(f, w)),
        2 => (fd(), fd(), len(), on()).prop_map(|(a, b, n, f)| Step::Splice(a, b, n, f)),
        2 => (fd(), fd(), len(), on()).prop_map(|(a, b, n, f)| Step::Tee(a, b, n, f)),
        3 => (fd(), fd(), on()).prop_map(|(a, b, w)| Step::Poll(a, b, w)),
        6 => (0..4u8, 0..3u8, on()).prop_map(|(f, m, n)| Step::Open(f, m, n)),
        1 => (fd(), 0..3u8, on()).prop_map(|(f, m, n)| Step::Reopen(f, m, n)),
        1 => (0..4u8).prop_map(Step::Unlink),
        1 => (0..4u8).prop_map(Step::Mkfifo),
        1 => (0..4u8, 0..4u8).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => (0..4u8).prop_map(Step::Stat),
        1 => Just(Step::IgnoreSigpipe),
        1 => Just(Step::CatchSigpipe),
        1 => (0..12u8, 0..12u8).prop_map(|(a, b)| Step::CloseRange(a, b)),
    ]
    .boxed()
}

/// The plans, of up to three processes with up to six steps each, of which one may fork a child.
pub fn plans() -> impl Strategy<Value = Plan> {
    let pipe = (
        any::<bool>(),
        prop::bool::weighted(0.15),
        select(&[0u8, 1, 2, 4][..]),
    )
        .prop_map(|(nonblocking, packets, pages)| {
            (
                PipeFlags {
                    nonblocking,
                    packets,
                },
                pages,
            )
        });
    let steps = prop_oneof![
        12 => step(),
        1 => vec(step(), 0..4).prop_map(Step::Fork),
    ];
    (
        vec(pipe, 0..3),
        0..3u8,
        vec(vec(steps, 1..7), 1..4),
        any::<u64>(),
    )
        .prop_map(|(pipes, fifos, processes, seed)| Plan {
            pipes,
            fifos,
            processes,
            seed,
        })
}

/// A name that holds a descriptor, and what it was opened for.
#[derive(Clone, Debug)]
struct Fd {
    name: String,
    reads: bool,
    writes: bool,
}

impl Fd {
    fn opened(name: &str, mode: u8) -> Fd {
        let mode = usize::from(mode) % 3;
        Fd {
            name: name.to_string(),
            reads: mode != 1,
            writes: mode != 0,
        }
    }
}

/// Writes a plan out.
struct Writer {
    text: String,
    names: usize,
    children: usize,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.text, "{}{text}", "  ".repeat(depth));
    }

    fn name(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    fn steps(&mut self, depth: usize, steps: &[Step], fds: &mut Vec<Fd>, letter: char) {
        let fifo = |n: &u8| format!("\"f{}\"", n % 4);
        for step in steps {
            // Mostly a descriptor that fits the call, now and then any.
            let pick = |n: &u8, fits: &dyn Fn(&Fd) -> bool| {
                let fitting: Vec<&Fd> = fds.iter().filter(|f| *n > 7 || fits(f)).collect();
                let among = if fitting.is_empty() {
                    fds.iter().collect()
                } else {
                    fitting
                };
                match among.len() {
                    0 => Fd {
                        name: "99".into(),
                        reads: false,
                        writes: false,
                    },
                    len => among[usize::from(*n) % len].clone(),
                }
            };
            let fd = |n: &u8| pick(n, &|_| true).name;
            let reader = |n: &u8| pick(n, &|f| f.reads).name;
            let writer = |n: &u8| pick(n, &|f| f.writes).name;
            let access = |mode: &u8, nonblocking: &bool| {
                let mode = ["O_RDONLY", "O_WRONLY", "O_RDWR"][usize::from(*mode) % 3];
                if *nonblocking {
                    format!("{mode}|O_NONBLOCK")
                } else {
                    mode.to_string()
                }
            };
            let data = |n: &u32| format!("\"{letter}\"*{n}");
            let mut opened = None;
            let text = match step {
                Step::Read(f, n) => {
                    let name = self.name("x");
                    format!("read({}, {n}) = {name}", reader(f))
                }
                Step::Write(f, n) => format!("write({}, {})", writer(f), data(n)),
                Step::Readv(f, a, b) => format!("readv({}, [{a}, {b}])", reader(f)),
                Step::Writev(f, a, b) => {
                    format!("writev({}, [{}, {}])", writer(f), data(a), data(b))
                }
                Step::Close(f) => format!("close({})", fd(f)),
                Step::Dup(f) => {
                    let name = self.name("d");
                    opened = Some(Fd {
                        name: name.clone(),
                        ..pick(f, &|_| true)
                    });
                    format!("dup({}) = {name}", fd(f))
                }
                Step::Dup2(a, b) => format!("dup2({}, {})", fd(a), fd(b)),
                Step::Dupfd(a, n, cloexec) => {
                    let name = self.name("d");
                    opened = Some(Fd {
                        name: name.clone(),
                        ..pick(a, &|_| true)
                    });
                    let word = if *cloexec {
                        "F_DUPFD_CLOEXEC"
                    } else {
                        "F_DUPFD"
                    };
                    format!("fcntl({}, {word}, {n}) = {name}", fd(a))
                }
                Step::Status(f, nonblocking, direct) => {
                    let flags = match (nonblocking, direct) {
                        (true, true) => "O_NONBLOCK|O_DIRECT",
                        (true, false) => "O_NONBLOCK",
                        (false, true) => "O_DIRECT",
                        (false, false) => "0",
                    };
                    format!("fcntl({}, F_SETFL, {flags})", fd(f))
                }
                Step::Cloexec(f, on) => {
                    format!(
                        "ioctl({}, {})",
                        fd(f),
                        if *on { "FIOCLEX" } else { "FIONCLEX" }
                    )
                }
                Step::Flags(f) => format!("fcntl({}, F_GETFL)", fd(f)),
                Step::SetSize(f, n) => format!("fcntl({}, F_SETPIPE_SZ, {n})", fd(f)),
                Step::Ask(f, what) => match what % 6 {
                    0 => format!("ioctl({}, FIONREAD)", fd(f)),
                    1 => format!("fcntl({}, F_GETPIPE_SZ)", fd(f)),
                    2 => format!("fcntl({}, F_GETFD)", fd(f)),
                    3 => format!("lseek({}, 0, SEEK_CUR)", fd(f)),
                    4 => format!("fstat({})", fd(f)),
                    _ => format!("pread({}, 1, 0)", fd(f)),
                },
                Step::Splice(a, b, n, nonblocking) | Step::Tee(a, b, n, nonblocking) => {
                    let call = if matches!(step, Step::Tee(..)) {
                        "tee"
                    } else {
                        "splice"
                    };
                    let flags = if *nonblocking {
                        ", SPLICE_F_NONBLOCK"
                    } else {
                        ""
                    };
                    format!("{call}({}, {}, {n}{flags})", reader(a), writer(b))
                }
                Step::Poll(a, b, waits) => format!(
                    "poll([[{}, POLLIN], [{}, POLLIN|POLLOUT]], {})",
                    reader(a),
                    writer(b),
                    if *waits { -1 } else { 0 }
                ),
                Step::Open(f, mode, nonblocking) => {
                    let name = self.name("o");
                    opened = Some(Fd::opened(&name, *mode));
                    format!("open({}, {}) = {name}", fifo(f), access(mode, nonblocking))
                }
                Step::Reopen(f, mode, nonblocking) => {
                    let name = self.name("o");
                    opened = Some(Fd::opened(&name, *mode));
                    format!("open_fd({}, {}) = {name}", fd(f), access(mode, nonblocking))
                }
                Step::Unlink(f) => format!("unlink({})", fifo(f)),
                Step::Mkfifo(f) => format!("mkfifo({}, 0o666)", fifo(f)),
                Step::Rename(a, b) => format!("rename({}, {})", fifo(a), fifo(b)),
                Step::Stat(f) => format!("stat({})", fifo(f)),
                Step::IgnoreSigpipe => "sigaction(SIGPIPE, SIG_IGN)".to_string(),
                Step::CatchSigpipe => "sigaction(SIGPIPE, record)".to_string(),
                Step::CloseRange(a, b) => format!("close_range({}, {})", 3 + a, 3 + b),
                Step::Fork(child) => {
                    self.children += 1;
                    let name = format!("c{}", self.children);
                    self.line(depth, &format!("fork {name}"));
                    let mut copied = fds.clone();
                    let letter = char::from(b'p' + (self.children as u8 - 1) % 10);
                    if child.is_empty() {
                        self.line(depth + 1, "exit(0)");
                    }
                    self.steps(depth + 1, child, &mut copied, letter);
                    continue;
                }
            };
            self.line(depth, &text);
            fds.extend(opened);
        }
    }
}

impl Plan {
    /// The scenario's text.
    pub fn text(&self, name: &str) -> String {
        let mut w = Writer {
            text: format!("test {name}\n\n"),
            names: 0,
            children: 0,
        };
        let mut fds = Vec::new();
        if !self.pipes.is_empty() || self.fifos > 0 {
            w.line(0, "setup");
        }
        for (at, (flags, pages)) in self.pipes.iter().enumerate() {
            let words = match (flags.nonblocking, flags.packets) {
                (true, true) => "O_NONBLOCK|O_DIRECT",
                (true, false) => "O_NONBLOCK",
                (false, true) => "O_DIRECT",
                (false, false) => "0",
            };
            w.line(1, &format!("pipe2({words}) = [r{at}, w{at}]"));
            if *pages > 0 {
                w.line(
                    1,
                    &format!("fcntl(r{at}, F_SETPIPE_SZ, {})", u32::from(*pages) * 4096),
                );
            }
            fds.push(Fd {
                name: format!("r{at}"),
                reads: true,
                writes: false,
            });
            fds.push(Fd {
                name: format!("w{at}"),
                reads: false,
                writes: true,
            });
        }
        for n in 0..self.fifos {
            w.line(1, &format!("mkfifo(\"f{n}\", 0o666)"));
        }
        for (at, steps) in self.processes.iter().enumerate() {
            let letter = char::from(b'a' + (at as u8) % 10);
            w.line(0, &format!("\nprocess {letter}"));
            w.steps(1, steps, &mut fds.clone(), letter);
        }
        w.text
    }
}

/// A random scenario on which model and kernel differ, shrunk.
#[derive(Debug)]
pub struct Found {
    /// The seed of the campaign.
    pub seed: u64,
    /// The number of the case.
    pub case: u64,
    /// The smallest scenario found on which they still differ.
    pub text: String,
    /// What was found on it.
    pub report: Box<Report>,
}

/// Makes the plan of one case of a campaign.
fn plan_tree(seed: u64, case: u64) -> impl ValueTree<Value = Plan> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&case.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    plans()
        .new_tree(&mut runner)
        .expect("the strategy rejects nothing")
}

/// The text of one case of a campaign.
pub fn text(seed: u64, case: u64) -> String {
    plan_tree(seed, case)
        .current()
        .text(&format!("random/{seed}-{case}"))
}

/// How a random scenario is checked: a few orderings, no race (which `run` is for).
fn options(seed: u64) -> CheckOptions {
    let orderings = sim::OrderingLimits {
        every: 3,
        cover: 0,
        sample: 3,
        states: 60,
    };
    CheckOptions {
        orderings,
        race_rounds: 0,
        max_states: 1,
        seed,
        ..CheckOptions::default()
    }
}

fn try_plan(plan: &Plan, name: &str, machine: &mut Machine) -> Result<Report, Error> {
    let scenario = Scenario::parse("random.ipc", plan.text(name))?;
    check_orderings(&scenario.cases()[0], machine, &options(plan.seed))
}

/// Runs one case of a campaign on model and kernel; gives the shrunk scenario if they differ.
///
/// # Errors
/// If the case could not be run, which is a fault of this crate.
pub fn try_case(seed: u64, case: u64, machine: &mut Machine) -> Result<Option<Found>, Error> {
    let name = format!("random/{seed}-{case}");
    let mut tree = plan_tree(seed, case);
    let report = try_plan(&tree.current(), &name, machine)?;
    if report.verdict != Verdict::Differ {
        return Ok(None);
    }
    let mut best = (tree.current(), report);
    // Shrinking runs both sides again for each candidate; some hundreds are enough.
    let mut budget = 500;
    let mut smaller = tree.simplify();
    while smaller && budget > 0 {
        budget -= 1;
        let plan = tree.current();
        let report = try_plan(&plan, &name, machine)?;
        smaller = if report.verdict == Verdict::Differ {
            best = (plan, report);
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    let (plan, report) = best;
    Ok(Some(Found {
        seed,
        case,
        text: plan.text(&name),
        report: Box::new(report),
    }))
}
