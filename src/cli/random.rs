//! `lockstep random`: random scenarios, on the model and on this kernel.

use super::args::RandomArgs;
use super::out::Out;
use super::progress::Progress;
use super::{Done, Status, run};
use lockstep::{Scenario, random};

/// Runs it.
pub fn main(args: &RandomArgs, out: &mut Out) -> Done {
    if args.text {
        out.text(random::text(args.seed, args.case.unwrap_or(0)))?;
        return Ok(Status::Agree);
    }
    let mut machine = run::machine(&lockstep::real::Options::default())?;
    let cases = match args.case {
        Some(case) => case..=case,
        None => 0..=u64::from(args.number.get()) - 1,
    };
    let total = cases.end() - cases.start() + 1;
    let progress = Progress::new(usize::try_from(total).unwrap_or(usize::MAX));
    let mut differ = 0;
    for case in cases {
        let found = random::try_case(args.seed, case, &mut machine)?;
        progress.done("", || match found {
            None => Ok(()),
            Some(found) => {
                differ += 1;
                let file = format!("random-{}-{case}.ipc", args.seed);
                let scenario = Scenario::parse(file, found.text.clone())?;
                out.line(&found.text)?;
                out.line(found.report.explain(&scenario.cases()[0]))?;
                let again = format!("lockstep random --seed {} --case {case}", args.seed);
                out.line(format!("  replay    {again}\n"))?;
                Ok::<(), super::Stop>(())
            }
        })?;
    }
    drop(progress);
    out.line(format!(
        "{} random scenarios agree, {differ} differ (seed {})",
        total - differ,
        args.seed
    ))?;
    Ok(if differ > 0 {
        Status::Differ
    } else {
        Status::Agree
    })
}
