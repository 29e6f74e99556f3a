//! `lockstep random`: random scenarios, on the model and on this kernel.

use super::args::RandomArgs;
use super::out::Out;
use super::progress::Progress;
use super::{Done, Status, run};
use lockstep::Scenario;
use lockstep::random::{ALL, Campaign, Mechanism, Tried, mechanism};
use std::collections::BTreeMap;

/// Runs it.
pub fn main(args: &RandomArgs, out: &mut Out) -> Done {
    let campaign = Campaign {
        seed: args.seed,
        mechanisms: match args.only.is_empty() {
            true => ALL.to_vec(),
            // In the order of the list: what is meant is a set.
            false => ALL
                .iter()
                .copied()
                .filter(|m| args.only.iter().any(|o| o.name == m.name))
                .collect(),
        },
    };
    if args.text {
        out.text(campaign.text(args.case.unwrap_or(0)))?;
        return Ok(Status::Agree);
    }
    let mut machine = run::machine(&lockstep::real::Options::default())?;
    let cases = match args.case {
        Some(case) => case..=case,
        None => 0..=u64::from(args.number.get()) - 1,
    };
    let total = cases.end() - cases.start() + 1;
    let progress = Progress::new(usize::try_from(total).unwrap_or(usize::MAX));
    let (mut differ, mut skipped) = (0, BTreeMap::<String, u64>::new());
    let only = match args.only.is_empty() {
        true => String::new(),
        false => {
            let names: Vec<&str> = campaign.mechanisms.iter().map(|m| m.name).collect();
            format!(" --only {}", names.join(","))
        }
    };
    for case in cases {
        let found = campaign.try_case(case, &mut machine)?;
        progress.done("", || match found {
            Tried::Agrees => Ok(()),
            Tried::Skipped(why) => {
                *skipped.entry(why).or_insert(0) += 1;
                Ok(())
            }
            Tried::Differs(found) => {
                differ += 1;
                let file = format!("random-{}-{case}.ipc", args.seed);
                let scenario = Scenario::parse(file, found.text.clone())?;
                out.line(&found.text)?;
                out.line(found.report.explain(&scenario.cases()[0]))?;
                let again = format!("lockstep random --seed {} --case {case}{only}", args.seed);
                out.line(format!("  replay    {again}\n"))?;
                Ok::<(), super::Stop>(())
            }
        })?;
    }
    drop(progress);
    for (why, count) in &skipped {
        out.line(format!("{count} skipped: {why}"))?;
    }
    let left_out: u64 = skipped.values().sum();
    out.line(format!(
        "{} random scenarios agree, {differ} differ, {left_out} skipped (seed {}{only})",
        total - differ - left_out,
        args.seed
    ))?;
    Ok(if differ > 0 {
        Status::Differ
    } else {
        Status::Agree
    })
}

/// The mechanism that a word on the command line names.
pub fn named(word: &str) -> Result<&'static Mechanism, String> {
    mechanism(word).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|m| m.name).collect();
        format!("random scenarios have {}", names.join(", "))
    })
}
