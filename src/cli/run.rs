//! `lockstep run`: each scenario on the model and on this kernel, compared.

use super::args::{Choice, Format, KernelArgs, ModelArgs, RunArgs};
use super::difference::{self, How};
use super::out::{self, ODD, Out, STRONG, label, paint};
use super::progress::Progress;
use super::report::{About, Checked, Totals, reporter};
use super::{Done, Status, Stop, explore, pool, select, trace};
use lockstep::real::Options;
use lockstep::scenario::{Schedule, TaskId};
use lockstep::sim::kernel::Config;
use lockstep::sim::{SetupError, System};
use lockstep::{Case, CheckOptions, Error, Machine, Report};

/// Runs it.
pub fn main(args: &RunArgs, out: &mut Out) -> Done {
    let (cases, mut options) = subject(
        &args.choice,
        &args.model,
        args.no_kernel,
        args.rounds,
        args.seed,
    )?;
    let config = options.config;
    let mut schedule = None;
    if let Some(text) = &args.schedule {
        let case = select::only(&cases)?;
        let parsed = Schedule::parse(text, &case.program).map_err(Error::from)?;
        let run = lockstep::sim::replay(&case.program, config, &parsed).map_err(Error::from)?;
        options.ordering = Some(parsed.ordering());
        options.race_rounds = 0;
        schedule = Some((case, run));
    }
    let mut machines = machines(&args.kernel, args.no_kernel, cases.len())?;
    if let (Some((case, run)), Format::Text) = (&schedule, args.format) {
        explore::replayed(out, case, run)?;
        if let Some(Some(machine)) = machines.first_mut() {
            on_kernel(out, case, machine, &options)?;
        }
    }

    let facts = machines
        .first()
        .and_then(Option::as_ref)
        .map(|m| m.facts().clone());
    let about = About {
        cases: &cases,
        passes: args.repeat,
        facts: facts.as_ref(),
        model: args.model.model.name(),
        seed: args.seed,
    };
    let jobs: Vec<(u32, &Case)> = (1..=args.repeat)
        .flat_map(|pass| cases.iter().map(move |c| (pass, c)))
        .collect();
    let given = args.model.given();
    let mut reporter = reporter(args.format);
    let mut totals = Totals::default();
    let progress = Progress::new(jobs.len());
    reporter.begin(out, &about)?;
    let seed_of = |pass: u32| args.seed.wrapping_add(u64::from(pass - 1));
    let work = |machine: &mut Option<Machine>, (pass, case): &(u32, &Case)| {
        let options = CheckOptions {
            seed: seed_of(*pass),
            ..options.clone()
        };
        check(case, machine.as_mut(), &options)
    };
    pool::each(
        machines,
        &jobs,
        work,
        |at, report: Result<Report, Error>| {
            let (pass, case) = jobs[at];
            let report = report?;
            totals.add(&report);
            let seed = seed_of(pass);
            let how = How {
                config,
                options: &given,
                seed,
                // Traces are indented by two.
                room: out.width().map(|room| room.saturating_sub(2)),
            };
            let differences = difference::all(case, &report, &how);
            let checked = Checked {
                case,
                report: &report,
                differences,
                seed,
                pass,
            };
            progress.done(case.name(), || reporter.case(out, &checked))?;
            Ok::<(), Stop>(())
        },
    )?;
    drop(progress);
    reporter.end(out, &totals)?;
    Ok(if totals.differ > 0 {
        Status::Differ
    } else if totals.agree == 0 {
        Status::Unable
    } else {
        Status::Agree
    })
}

/// Checks a case. What the model has no rule for is skipped.
pub fn check(
    case: &Case,
    machine: Option<&mut Machine>,
    options: &CheckOptions,
) -> Result<Report, Error> {
    match lockstep::check(case, machine, options) {
        Err(Error::Setup(error @ SetupError::Unmodelled { .. })) => {
            Ok(Report::skipped(case, error.to_string()))
        }
        result => result,
    }
}

/// Tells, before anything runs, which cases cannot even start.
pub fn preflight(cases: &[Case], config: Config) -> Result<(), Stop> {
    let mut bad = Vec::new();
    for case in cases {
        if let Err(error @ SetupError::Blocks { .. }) = System::start(&case.program, config) {
            let SetupError::Blocks { call, .. } = &error else {
                continue;
            };
            let setup = &case.program.task(TaskId::SETUP).body;
            let line = setup.iter().position(|s| s.text == *call);
            let line = line
                .and_then(|at| case.line_of(TaskId::SETUP, at))
                .unwrap_or(1);
            bad.push(Error::Usage(format!(
                "{}:{line}: {error}",
                case.source.file
            )));
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(Stop::Bad(bad))
    }
}

/// The cases that the arguments choose, seen to be fit to run, and how they are to be checked.
pub fn subject(
    choice: &Choice,
    model: &ModelArgs,
    no_kernel: bool,
    rounds: u32,
    seed: u64,
) -> Result<(Vec<Case>, CheckOptions), Stop> {
    let cases = select::cases(choice)?;
    let config = if no_kernel {
        model.config()
    } else {
        model.config_here()
    };
    preflight(&cases, config)?;
    let options = CheckOptions {
        config,
        max_states: model.max_states,
        race_rounds: rounds,
        seed,
        ..CheckOptions::default()
    };
    Ok((cases, options))
}

/// A machine for each of the jobs at a time, but no more than there are cases; none in its place
/// where the kernel is not to be run.
pub fn machines(
    args: &KernelArgs,
    no_kernel: bool,
    cases: usize,
) -> Result<Vec<Option<Machine>>, Stop> {
    if no_kernel {
        return Ok(std::iter::repeat_with(|| None).take(args.jobs()).collect());
    }
    let options = args.options();
    let mut machines = vec![Some(machine(&options)?)];
    while machines.len() < args.jobs().min(cases) {
        // Where there is room for no more of them, those that there are do it.
        let Ok(machine) = Machine::new(options.clone()) else {
            break;
        };
        machines.push(Some(machine));
    }
    Ok(machines)
}

/// A machine. If it lacks namespaces that keep scenarios apart, the reader is told.
pub fn machine(options: &Options) -> Result<Machine, Stop> {
    let machine = Machine::new(options.clone())?;
    for namespace in &machine.facts().namespaces {
        if let Some(why) = &namespace.refused {
            out::warn(&format!(
                "{} no {} namespace ({why}): only what is harmless without it is run",
                paint(ODD, "warning:"),
                namespace.name,
            ));
        }
    }
    Ok(machine)
}

/// Runs one ordering on the kernel and shows it beside the model.
fn on_kernel(
    out: &mut Out,
    case: &Case,
    machine: &mut Machine,
    options: &CheckOptions,
) -> Result<(), Stop> {
    let ordering = options.ordering.as_deref().unwrap_or_default();
    if machine.can_run(&case.program).is_err() {
        return Ok(());
    }
    let compared = match lockstep::lockstep(case, machine, options.config, ordering) {
        Ok(compared) => compared,
        // The check that follows tells it.
        Err(Error::Run(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    out.line(format!(
        "{}  {}",
        paint(STRONG, "On this kernel, by"),
        lockstep::show_ordering(case, &compared.run.ordering())
    ))?;
    for line in trace::beside(
        &case.program,
        &compared.run,
        &compared.divergences,
        out.width(),
    ) {
        out.line(line)?;
    }
    let outcome = compared.run.outcome(&case.program);
    out.line(format!(
        "  {}",
        label("outcome", &case.program.show_outcome(&outcome))
    ))?;
    Ok(out.line("")?)
}
