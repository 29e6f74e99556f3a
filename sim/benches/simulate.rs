//! How many steps of the pure kernel a seeded run takes in a second, with its trace, and how many a
//! replay.
//!
//!     cargo bench -p lockstep-sim --bench simulate

use scenario::load;
use sim::kernel::Config;
use sim::{replay, simulate};
use std::error::Error;
use std::fmt::Write as _;
use std::time::Instant;

/// Runs of which the median is taken.
const RUNS: u64 = 7;
/// Calls of each process.
const CALLS: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let program = load("bench.ipc", &text()?)?.remove(0);
    let (mut seeded, mut replayed) = (Vec::new(), Vec::new());
    for seed in 0..RUNS {
        let begin = Instant::now();
        let once = simulate(&program, Config::default(), seed)?;
        let steps = once.steps.len() as f64;
        seeded.push(steps / begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        let again = replay(&program, Config::default(), &once.schedule)?;
        replayed.push(steps / begin.elapsed().as_secs_f64());
        assert_eq!(again, once.run, "a replay is the same run");
    }
    println!("simulate  {:>10.0} steps a second", median(seeded));
    println!("replay    {:>10.0} steps a second", median(replayed));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Two writers and two readers on a pipe.
fn text() -> Result<String, std::fmt::Error> {
    let mut text = String::from("test bench/simulate\nsetup\n  pipe() = [r, w]\n");
    for (kind, call) in [("writer", "write(w, \"ab\")"), ("reader", "read(r, 2)")] {
        for process in 0..2 {
            writeln!(text, "process {kind}{process}")?;
            for _ in 0..CALLS {
                writeln!(text, "  {call}")?;
            }
        }
    }
    Ok(text)
}
