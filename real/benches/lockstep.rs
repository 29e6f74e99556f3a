//! What a step in lockstep costs, beside the bare minimum: two pinned processes that hand each other
//! the CPU and back through a futex. And how many whole scenarios and rounds of a race run in a
//! second.
//!
//! Machines are noisy: each figure is the median of several runs, the ping-pong is measured in
//! turn with what it is held against, and the ratio is what counts.
//!
//!     cargo bench -p lockstep-real

use real::{Options, Quiet, RaceCpus, Sandbox};
use scenario::{Program, TaskId};
use std::error::Error;
use std::time::{Duration, Instant};

/// Runs of which the median is taken.
const RUNS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    for quiet in [Quiet::Realtime, Quiet::Pinned, Quiet::DoubleCollect] {
        let options = Options {
            quiet,
            run_deadline: Duration::from_secs(60),
            ..Options::default()
        };
        match Sandbox::new(&options) {
            Ok(mut sandbox) => figures(&mut sandbox)?,
            Err(error) => println!("{quiet:?}: skipped: {error}"),
        }
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn figures(sandbox: &mut Sandbox) -> Result<(), Box<dyn Error>> {
    println!("\nquiet known by {:?}", sandbox.facts().quiet);
    let rounds = 10_000;
    for (name, text, order) in [
        ("calls that return", straight(4000), ""),
        ("calls that block and unblock", ponging(2000), "a b"),
        ("signals that end a wait", signalling(2000), "a b"),
        ("messages handed over", handing(2000), "a b"),
    ] {
        let program = scenario::load(name, &text)?.remove(0);
        let order = tasks(&program, order).repeat(2000);
        let (mut steps, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let bare = (sandbox.pingpong(rounds)? / rounds).as_secs_f64();
            let start = Instant::now();
            let run = sandbox.lockstep(&program, &order)?;
            let step = start.elapsed().as_secs_f64() / run.steps.len() as f64;
            steps.push(step);
            ratios.push(step / bare);
        }
        println!(
            "  {name:30} {:6.2} us a step, {:.2} ping-pongs",
            median(steps) * 1e6,
            median(ratios)
        );
    }
    let small = scenario::load("small", SMALL)?.remove(0);
    let order = tasks(&small, "reader reader writer writer other reader");
    let count = 300;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..count {
            sandbox.lockstep(&small, &order)?;
        }
        rates.push(f64::from(count) / start.elapsed().as_secs_f64());
    }
    println!(
        "  whole scenarios of 3 processes {:6.0} a second",
        median(rates)
    );
    for cpus in [RaceCpus::One, RaceCpus::All] {
        let (mut rates, mut outcomes) = (Vec::new(), 0);
        for seed in 0..RUNS as u64 {
            let start = Instant::now();
            outcomes = sandbox.race(&small, count, cpus, seed)?.len();
            rates.push(f64::from(count) / start.elapsed().as_secs_f64());
        }
        println!(
            "  race, {cpus:?} CPU {:18.0} rounds a second, {outcomes} outcomes",
            median(rates)
        );
    }
    Ok(())
}

fn tasks(program: &Program, words: &str) -> Vec<TaskId> {
    words
        .split_whitespace()
        .filter_map(|n| program.task_named(n))
        .collect()
}

fn straight(calls: usize) -> String {
    format!(
        "test speed/straight\n\"Calls that return at once.\"\nprocess p\n{}",
        "  umask(0)\n".repeat(calls)
    )
}

fn ponging(calls: usize) -> String {
    format!(
        "test speed/pong\n\"Each write ends the other's read.\"\nsetup\n  pipe() = [r, w]\nprocess a\n{}process b\n{}",
        "  read(r, 1)\n".repeat(calls),
        "  write(w, \"x\")\n".repeat(calls)
    )
}

fn signalling(calls: usize) -> String {
    format!(
        "test speed/signal\n\"Each signal ends a wait, after its handler.\"\nsetup\n  sigaction(SIGUSR1, record)\n  sigprocmask(SIG_BLOCK, [SIGUSR1])\nprocess a\n{}process b\n{}",
        "  sigsuspend([])\n".repeat(calls),
        "  kill(a, SIGUSR1)\n".repeat(calls)
    )
}

fn handing(calls: usize) -> String {
    format!(
        "test speed/queue\n\"Each message is handed to one who waits.\"\nsetup\n  mq_open_attr(\"/q\", O_CREAT|O_RDWR, 0o600, 1, 8) = q\nprocess a\n{}process b\n{}",
        "  mq_receive(q, 8)\n".repeat(calls),
        "  mq_send(q, \"x\", 0)\n".repeat(calls)
    )
}

const SMALL: &str = r#"
test speed/small
"Three processes, twelve steps."
setup
  pipe() = [r, w]
process writer
  close(r)
  write(w, "hello")
  write(w, "world")
process reader
  close(w)
  read(r, 64) = a
  read(r, 64) = b
process other
  close(r)
  close(w)
sometimes a == "hello"
sometimes b == "world"
"#;
