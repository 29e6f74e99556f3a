//! `lockstep simulate`: one seeded run of the model.

use super::args::{Choice, Plain, SimulateArgs};
use super::explore::{self, RunLine};
use super::out::{DIM, Out, label, paint};
use super::{Done, Status, run, select, trace};
use lockstep::{Error, sim};

/// Runs it.
pub fn main(args: &SimulateArgs, out: &mut Out) -> Done {
    let cases = select::cases(&Choice::from(&args.choice))?;
    let config = args.model.config();
    run::preflight(&cases, config)?;
    let mut status = Status::Agree;
    for (n, case) in cases.iter().enumerate() {
        let simulated = sim::simulate(&case.program, config, args.seed).map_err(Error::from)?;
        if !simulated.outcome.failed.is_empty() {
            status = Status::Differ;
        }
        if args.format == Plain::Json {
            out.json(&RunLine::new(case, &simulated.run, Some(args.seed)))?;
            continue;
        }
        if n > 0 {
            out.line("")?;
        }
        explore::title(
            out,
            case,
            &format!("  {}", paint(DIM, format!("seed {}", args.seed))),
        )?;
        for line in trace::model(&case.program, &simulated.run, args.steps, out.width()) {
            out.line(line)?;
        }
        let outcome = case.program.show_outcome(&simulated.outcome);
        out.line(format!("  {}", label("outcome", &outcome)))?;
        out.line("")?;
        let schedule = simulated.schedule.show(&case.program);
        for line in explore::how_to_replay(case, &schedule, &args.model.given()) {
            out.line(line)?;
        }
    }
    Ok(status)
}
