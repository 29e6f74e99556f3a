//! `lockstep coverage`: which clauses the scenarios show this kernel to keep.

use super::args::{CoverageArgs, Plain};
use super::out::{DIM, Out, STRONG, paint};
use super::progress::Progress;
use super::table::{Align, Cell, Table};
use super::{Done, Status, Stop, pool, run};
use lockstep::scenario::{Clause, Prefix};
use lockstep::sim::clauses::{Entry, catalogue, is_modelled};
use lockstep::{Case, CheckOptions, Error, Machine, Report, Verdict, about, by_race};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

#[derive(Serialize)]
struct Line {
    mechanism: &'static str,
    prefix: String,
    total: usize,
    modelled: usize,
    fired: usize,
    agreed: usize,
    /// Those of them that only races showed.
    by_race: Vec<String>,
    not_agreed: Vec<Missing>,
}

#[derive(Clone, Serialize)]
struct Missing {
    clause: String,
    reason: String,
}

/// Runs it.
pub fn main(args: &CoverageArgs, out: &mut Out) -> Done {
    let (cases, mut options) =
        run::subject(&args.choice, &args.model, args.no_kernel, 0, args.seed)?;
    let mut machines = run::machines(&args.kernel, args.no_kernel, cases.len())?;
    let progress = Progress::new(cases.len());
    let mut found = Found::default();
    let work = |machine: &mut &mut Option<Machine>, case: &Case| {
        run::check(case, machine.as_mut(), &options)
    };
    pool::each(
        machines.iter_mut().collect(),
        &cases,
        work,
        |at, report: Result<Report, Error>| {
            progress.done(cases[at].name(), || ());
            found.add(at, &cases[at], &report?, args.no_kernel);
            Ok::<(), Stop>(())
        },
    )?;
    drop(progress);
    options.race_rounds = args.rounds;
    // One after the other, on a machine that is otherwise quiet.
    if let Some(Some(machine)) = machines.first_mut()
        && args.rounds > 0
    {
        found.race(&cases, machine, &options)?;
    }
    let lines: Vec<Line> = Prefix::ALL
        .iter()
        .filter_map(|prefix| line(*prefix, &found))
        .collect();
    match args.format {
        Plain::Json => {
            for line in &lines {
                out.json(line)?;
            }
        }
        Plain::Text => text(out, &lines)?,
    }
    Ok(if found.differ {
        Status::Differ
    } else {
        Status::Agree
    })
}

/// What the scenarios that are about a clause came to.
#[derive(Default)]
struct Found {
    fired: BTreeSet<Clause>,
    /// Those that the kernel was seen to keep, step by step.
    agreed: BTreeSet<Clause>,
    /// Those besides that it was seen to keep by the outcome of a race.
    by_race: BTreeSet<Clause>,
    /// The cases that agree, with the clauses they are about that fired and that they did not show.
    open: Vec<(usize, BTreeSet<Clause>)>,
    /// For each clause that some scenario is about, why the last such scenario does not count.
    short: BTreeMap<Clause, String>,
    differ: bool,
}

impl Found {
    fn add(&mut self, at: usize, case: &Case, report: &Report, no_kernel: bool) {
        self.differ |= report.verdict == Verdict::Differ;
        let (fired, agreed) = (report.fired(case), report.agreed(case));
        if report.verdict == Verdict::Agree && report.orderings > 0 {
            self.open.push((at, &fired - &agreed));
        }
        for clause in about(case) {
            let reason = if agreed.contains(&clause) {
                continue;
            } else if !fired.contains(&clause) && report.explored.is_some() {
                "fired in none of its scenarios".to_string()
            } else {
                match report.verdict {
                    Verdict::Skip => {
                        let why = report.reason.as_deref().unwrap_or("skipped");
                        format!("the kernel was not run: {why}")
                    }
                    Verdict::Differ => format!("{} differs", report.name),
                    Verdict::Agree if no_kernel => "the kernel was not run".into(),
                    Verdict::Agree => "no run on the kernel rests on it".into(),
                }
            };
            // A clause that fired somewhere lacks more than one that fired nowhere.
            let known = self.short.entry(clause).or_insert_with(|| reason.clone());
            if fired.contains(&clause) {
                *known = reason;
            }
        }
        self.fired.extend(fired);
        self.agreed.extend(agreed);
    }

    /// Races the cases that can show clauses which nothing has shown so far.
    fn race(
        &mut self,
        cases: &[Case],
        machine: &mut Machine,
        options: &CheckOptions,
    ) -> Result<(), Stop> {
        for (at, open) in std::mem::take(&mut self.open) {
            let wanted = &(&open - &self.agreed) - &self.by_race;
            if wanted.is_empty() {
                continue;
            }
            let case = &cases[at];
            let reason = match by_race(case, machine, options, &wanted) {
                Ok(raced) => {
                    self.differ |= !raced.outside.is_empty();
                    self.by_race.extend(&raced.clauses);
                    raced.reason
                }
                Err(Error::Run(error)) => {
                    self.differ = true;
                    Some(format!("the race of {} failed: {error}", case.name()))
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(reason) = reason {
                for clause in wanted {
                    self.short.insert(clause, reason.clone());
                }
            }
        }
        Ok(())
    }

    fn is_agreed(&self, clause: Clause) -> bool {
        self.agreed.contains(&clause) || self.by_race.contains(&clause)
    }

    fn reason(&self, entry: &Entry) -> String {
        if let Some(why) = entry.field("unmodelled") {
            return why.to_string();
        }
        match (is_modelled(entry.id), self.short.get(&entry.id)) {
            (false, _) => "no rule".into(),
            (true, None) => "no scenario".into(),
            (true, Some(reason)) => reason.clone(),
        }
    }
}

fn line(prefix: Prefix, found: &Found) -> Option<Line> {
    let entries: Vec<&Entry> = catalogue()
        .values()
        .filter(|e| e.id.prefix == prefix)
        .collect();
    if entries.is_empty() {
        return None;
    }
    let count = |f: &dyn Fn(&Entry) -> bool| entries.iter().filter(|e| f(e)).count();
    let missing = |entry: &&Entry| Missing {
        clause: entry.id.to_string(),
        reason: found.reason(entry),
    };
    Some(Line {
        mechanism: mechanism(prefix),
        prefix: prefix.to_string(),
        total: entries.len(),
        modelled: count(&|e| is_modelled(e.id)),
        fired: count(&|e| found.fired.contains(&e.id)),
        agreed: count(&|e| found.is_agreed(e.id)),
        by_race: entries
            .iter()
            .filter(|e| found.by_race.contains(&e.id))
            .map(|e| e.id.to_string())
            .collect(),
        not_agreed: entries
            .iter()
            .filter(|e| !found.is_agreed(e.id))
            .map(missing)
            .collect(),
    })
}

/// The mechanism that a prefix's clauses are about, as folders and files call it.
fn mechanism(prefix: Prefix) -> &'static str {
    match prefix {
        Prefix::Pipe => "pipe",
        Prefix::Fifo => "fifo",
        Prefix::Ready => "ready",
        Prefix::Fd => "fd",
        Prefix::Sig => "signal",
        Prefix::Nice => "nice",
        Prefix::Unix => "unix",
        Prefix::Tcp => "tcp",
        Prefix::Udp => "udp",
        Prefix::Mq => "posix_mq",
        Prefix::Msg => "sysv_msg",
        Prefix::Sem => "posix_sem",
        Prefix::Sysvsem => "sysv_sem",
        Prefix::Shm => "shm",
        Prefix::Sysvshm => "sysv_shm",
        Prefix::Mem => "memory_order",
    }
}

fn text(out: &mut Out, lines: &[Line]) -> io::Result<()> {
    let names = ["total", "modelled", "fired", "agreed", "by race"];
    let columns = [("mechanism", Align::Left), ("prefix", Align::Left)]
        .into_iter()
        .chain(names.map(|n| (n, Align::Right)));
    let mut table = Table::new(columns);
    let row = |mechanism: &str, prefix: &str, numbers: [usize; 5]| {
        let words = [Cell::from(mechanism), Cell::from(prefix)];
        words
            .into_iter()
            .chain(numbers.map(|n| Cell::from(n.to_string())))
            .collect::<Vec<_>>()
    };
    let mut sum = [0; 5];
    for line in lines {
        let by_race = line.by_race.len();
        let numbers = [line.total, line.modelled, line.fired, line.agreed, by_race];
        sum = std::array::from_fn(|i| sum[i] + numbers[i]);
        table.row(row(line.mechanism, &line.prefix, numbers));
    }
    table.row(row("", "all", sum));
    for line in table.lines(0) {
        out.line(line)?;
    }
    let by_race: Vec<&str> = lines
        .iter()
        .flat_map(|l| &l.by_race)
        .map(String::as_str)
        .collect();
    if !by_race.is_empty() {
        out.line("")?;
        let head = format!("agreed by race alone: {}", by_race.len());
        out.line(paint(STRONG, head))?;
        out.line(format!("  {}", ranges(&by_race)))?;
    }
    for line in lines.iter().filter(|l| !l.not_agreed.is_empty()) {
        out.line("")?;
        let head = format!("{} not agreed: {}", line.prefix, line.not_agreed.len());
        out.line(paint(STRONG, head))?;
        let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
        for missing in &line.not_agreed {
            match by_reason
                .iter_mut()
                .find(|(reason, _)| *reason == missing.reason)
            {
                Some((_, clauses)) => clauses.push(&missing.clause),
                None => by_reason.push((&missing.reason, vec![&missing.clause])),
            }
        }
        for (reason, clauses) in by_reason {
            out.line(format!("  {}  {}", ranges(&clauses), paint(DIM, reason)))?;
        }
    }
    Ok(())
}

/// `PIPE-001 to PIPE-004, PIPE-009`.
fn ranges(clauses: &[&str]) -> String {
    let parts = |c: &str| {
        let (prefix, number) = c.rsplit_once('-')?;
        Some((prefix.to_string(), number.parse::<u32>().ok()?))
    };
    let runs = clauses.chunk_by(|a, b| match (parts(a), parts(b)) {
        (Some((p, a)), Some((q, b))) => p == q && a + 1 == b,
        _ => false,
    });
    let told: Vec<String> = runs
        .map(|run| match run {
            [first, .., last] if run.len() > 2 => format!("{first} to {last}"),
            run => run.join(", "),
        })
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_as_ranges() {
        let clauses = [
            "A-001", "A-002", "A-003", "A-005", "A-006", "A-009", "B-010",
        ];
        assert_eq!(
            ranges(&clauses),
            "A-001 to A-003, A-005, A-006, A-009, B-010"
        );
    }
}
