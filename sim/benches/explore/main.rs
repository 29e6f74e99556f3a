//! Time to the full set of outcomes, in one run on one thread each: [`explore`](sim::explore()), plain
//! exploration, stateright with the same step function, and SPIN with the same model in Promela.
//!
//! `cargo bench -p lockstep-sim --bench explore [NAME]` prints a table: for each engine the least of a
//! few times, and how many times as long as explore it took. What SPIN needs to generate and compile
//! its verifier, which it needs anew for every scenario, stands apart. The engines must agree on the
//! number of outcomes, and the three that do not reduce on the number of states, or the run fails.

mod family;
mod peer;
mod spin;

use family::{Case, cases};
use sim::{ExploreOptions, explore, explore_naive};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The least time of some runs, and what the last gave.
fn timed<T>(runs: usize, mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut best = Duration::MAX;
    let mut last = None;
    for _ in 0..runs {
        let begin = Instant::now();
        last = Some(run());
        best = best.min(begin.elapsed());
    }
    (best, last.expect("there is at least one run"))
}

/// A line of the table: times, and complaints if the engines do not agree.
fn line(case: &Case, spin: bool) -> (String, Vec<String>) {
    let options = ExploreOptions {
        max_states: 20_000_000,
        ..ExploreOptions::default()
    };
    let program = &case.program;
    let mut wrong = Vec::new();
    let (time, found) = timed(5, || explore(program, &options).expect("the setup returns"));
    if let Some(why) = &found.incomplete_because {
        wrong.push(format!("explore: {why}"));
    }
    let mut text = format!(
        "{:<33}{:>9}{:>9}{:>11}",
        case.name,
        found.outcomes.len(),
        found.states,
        show(time),
    );
    let beside = |other: Duration| format!("{:>10}{:>7}", show(other), ratio(other, time));
    let absent = format!("{:>10}{:>7}", "–", "");
    let mut plain_states = None;
    if case.peers {
        let (plain, all) = timed(1, || explore_naive(program, &options).expect("as before"));
        let (peer, (outcomes, states)) = timed(2, || peer::run(program));
        if !all.outcomes.keys().eq(found.outcomes.keys()) || outcomes != all.outcomes.len() {
            wrong.push("the outcomes of explore, plain exploration and stateright differ".into());
        }
        if states != all.states {
            wrong.push(format!("stateright: {states} states, not {}", all.states));
        }
        plain_states = Some(all.states);
        text += &format!("{:>10}{}{}", all.states, beside(plain), beside(peer));
    } else {
        text += &format!("{:>10}{absent}{absent}", "");
    }
    let model = case.shape.filter(|_| case.peers && spin);
    match model.map(|shape| spin::run(shape, 2)) {
        None => text += &absent,
        Some(Err(e)) => wrong.push(format!("SPIN: {e}")),
        Some(Ok(spin)) => {
            if spin.outcomes != found.outcomes.len() || Some(spin.states) != plain_states {
                wrong.push(format!(
                    "SPIN: {} outcomes, {} states",
                    spin.outcomes, spin.states
                ));
            }
            text += &format!("{}{:>10}", beside(spin.run), show(spin.prepare));
        }
    }
    (text, wrong)
}

fn show(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn ratio(other: Duration, own: Duration) -> String {
    let ratio = other.as_secs_f64() / own.as_secs_f64();
    match ratio {
        r if r < 10.0 => format!("×{r:.1}"),
        r => format!("×{r:.0}"),
    }
}

fn main() -> ExitCode {
    // Cargo passes flags of its own.
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let missing = spin::missing();
    if let Some(why) = &missing {
        println!("SPIN: skipped: {why}");
    }
    println!(
        "{:<33}{:>9}{:>9}{:>11}{:>10}{:>17}{:>17}{:>17}{:>10}",
        "scenario",
        "outcomes",
        "states",
        "explore",
        "states",
        "plain",
        "stateright",
        "SPIN's pan",
        "compile",
    );
    let mut failed = false;
    for case in cases() {
        if wanted
            .as_ref()
            .is_some_and(|w| !case.name.contains(w.as_str()))
        {
            continue;
        }
        let (text, wrong) = line(&case, missing.is_none());
        println!("{text}");
        for complaint in wrong {
            failed = true;
            println!("    {complaint}");
        }
    }
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
