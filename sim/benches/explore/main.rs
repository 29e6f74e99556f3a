//! Time to the full set of outcomes.
mod family;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    for case in family::cases() {
        if let Some(f) = args.get(1) && !f.starts_with("--") && !case.name.contains(f.as_str()) { continue; }
        let o = sim::ExploreOptions { max_states: 5_000_000, ..Default::default() };
        let t = Instant::now();
        let e = sim::explore(&case.program, &o).unwrap();
        let te = t.elapsed();
        println!("{:32} explore {:?} states {} trans {} outcomes {} {:?}", case.name, te, e.states, e.transitions, e.outcomes.len(), e.incomplete_because);
        if case.plain && args.iter().any(|a| a == "--naive") {
            let t = Instant::now();
            let e = sim::explore_naive(&case.program, &o).unwrap();
            println!("{:32} naive   {:?} states {} trans {} outcomes {} {:?}", case.name, t.elapsed(), e.states, e.transitions, e.outcomes.len(), e.incomplete_because);
        }
    }
}
