//! What a step in lockstep costs, beside the bare minimum: two processes that hand each other the
//! CPU and back. And how many whole scenarios run in a second.
//!
//!     cargo run --release -p lockstep-real --example speed

use real::{Options, Quiet, RaceCpus, Sandbox};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for quiet in [Quiet::Realtime, Quiet::Pinned, Quiet::DoubleCollect] {
        let options = Options {
            quiet,
            run_deadline: Duration::from_secs(60),
            ..Options::default()
        };
        match Sandbox::new(&options) {
            Ok(mut sandbox) => figures(&mut sandbox)?,
            Err(error) => println!("{quiet:?}: {error}"),
        }
    }
    Ok(())
}

fn figures(sandbox: &mut Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{:?} ({})",
        sandbox.facts().quiet,
        sandbox.facts().quiet_reason
    );
    let rounds = 20_000;
    let bare = sandbox.pingpong(rounds)? / rounds;
    println!("  ping-pong      {bare:?}");
    for (name, text, order) in [
        ("does not block", straight(4000), ""),
        ("blocks, unblocks", ponging(2000), "a b"),
    ] {
        let program = scenario::load(name, &text)?.remove(0);
        let order: Vec<_> = order
            .split_whitespace()
            .filter_map(|n| program.task_named(n))
            .collect();
        let order = order.repeat(2000);
        let start = Instant::now();
        let run = sandbox.lockstep(&program, &order)?;
        let step = start.elapsed() / run.steps.len() as u32;
        let times = step.as_secs_f64() / bare.as_secs_f64();
        println!("  {name:16} {step:?} a step, {times:.2} ping-pongs");
    }
    let small = scenario::load("small", SMALL)?.remove(0);
    let order: Vec<_> = "reader reader writer writer other reader"
        .split(' ')
        .filter_map(|n| small.task_named(n))
        .collect();
    let count = 1000;
    let start = Instant::now();
    for _ in 0..count {
        sandbox.lockstep(&small, &order)?;
    }
    println!(
        "  scenarios      {:.0} a second",
        f64::from(count) / start.elapsed().as_secs_f64()
    );
    for cpus in [RaceCpus::One, RaceCpus::All] {
        let start = Instant::now();
        let outcomes = sandbox.race(&small, count, cpus, 1)?;
        let rate = f64::from(count) / start.elapsed().as_secs_f64();
        println!(
            "  race, {cpus:?}      {rate:.0} rounds a second, {} outcomes",
            outcomes.len()
        );
        for (outcome, n) in &outcomes {
            println!("    {n:6} {:?} {:?}", outcome.values, outcome.ends);
        }
    }
    Ok(())
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
