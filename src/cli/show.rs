//! `lockstep show`: a run as a chart.

use super::args::{Choice, ShowArgs};
use super::out::{Out, label};
use super::{Done, Status, chart, explore, run, select};
use lockstep::scenario::Schedule;
use lockstep::{Case, Error, sim};

/// Runs it.
pub fn main(args: &ShowArgs, out: &mut Out) -> Done {
    let cases = select::cases(&Choice::from(&args.choice))?;
    let config = args.model.config();
    run::preflight(&cases, config)?;
    if args.schedule.is_some() {
        select::only(&cases)?;
    }
    for (n, case) in cases.iter().enumerate() {
        let run =
            sim::replay(&case.program, config, &schedule(args, case)?).map_err(Error::from)?;
        if n > 0 {
            out.line("")?;
        }
        explore::title(out, case, "")?;
        out.line("")?;
        for line in chart::chart(&case.program, config, &run, out.width()) {
            out.line(line)?;
        }
        out.line("")?;
        let outcome = case.program.show_outcome(&run.outcome);
        out.line(format!("  {}", label("outcome", &outcome)))?;
        let schedule = explore::schedule(&run).show(&case.program);
        for line in explore::how_to_replay(case, &schedule, &args.model.given()) {
            out.line(line)?;
        }
    }
    Ok(Status::Agree)
}

/// What is to be shown: the schedule given, that of the seed given, or a witness of the first
/// outcome.
fn schedule(args: &ShowArgs, case: &Case) -> Result<Schedule, Error> {
    let config = args.model.config();
    if let Some(text) = &args.schedule {
        return Ok(Schedule::parse(text, &case.program)?);
    }
    if let Some(seed) = args.seed {
        return Ok(sim::simulate(&case.program, config, seed)?.schedule);
    }
    let explored = sim::explore(&case.program, &args.model.explore())?;
    Ok(explored.outcomes.into_values().next().unwrap_or_default())
}
