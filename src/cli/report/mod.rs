//! The forms in which the results of `lockstep run` come out.

mod json;
mod junit;
mod ktap;
mod text;

use super::args::Format;
use super::difference::Difference;
use super::out::Out;
use lockstep::real::Facts;
use lockstep::sim::Cover;
use lockstep::{Case, Report, Verdict};
use std::collections::BTreeMap;
use std::io;

/// What a whole run is about.
pub struct About<'a> {
    /// The cases, in the order in which their results come.
    pub cases: &'a [Case],
    /// How often each is run.
    pub passes: u32,
    /// What the sandbox found; none if the kernel is left out.
    pub facts: Option<&'a Facts>,
    /// The model's name.
    pub model: &'static str,
    /// The seed.
    pub seed: u64,
}

/// The result of one case.
pub struct Checked<'a> {
    /// The case.
    pub case: &'a Case,
    /// What the check found.
    pub report: &'a Report,
    /// The differences.
    pub differences: Vec<Difference>,
    /// The seed of this check.
    pub seed: u64,
    /// Which pass, counted from 1.
    pub pass: u32,
}

/// How many agree, differ, were skipped and why.
#[derive(Default)]
pub struct Totals {
    /// Those that agree.
    pub agree: usize,
    /// Those that differ.
    pub differ: usize,
    /// Those that were skipped, by reason.
    pub skipped: BTreeMap<String, usize>,
}

impl Totals {
    /// Counts a result.
    pub fn add(&mut self, report: &Report) {
        match report.verdict {
            Verdict::Agree => self.agree += 1,
            Verdict::Differ => self.differ += 1,
            Verdict::Skip => {
                let reason = report
                    .reason
                    .clone()
                    .unwrap_or_else(|| "no reason told".into());
                *self.skipped.entry(reason).or_default() += 1;
            }
        }
    }

    /// `312 agree, 1 differs, 4 skipped (3: needs root; 1: this kernel has no posix_mq)`.
    pub fn line(&self) -> String {
        let differ = if self.differ == 1 {
            "differs"
        } else {
            "differ"
        };
        let agree = if self.agree == 1 { "agrees" } else { "agree" };
        let skipped: usize = self.skipped.values().sum();
        let mut line = format!(
            "{} {agree}, {} {differ}, {skipped} skipped",
            self.agree, self.differ
        );
        if skipped > 0 {
            let mut reasons: Vec<_> = self.skipped.iter().collect();
            reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
            let told: Vec<String> = reasons
                .iter()
                .map(|(why, n)| format!("{n}: {why}"))
                .collect();
            line += &format!(" ({})", told.join("; "));
        }
        line
    }
}

/// A form of results.
pub trait Reporter {
    /// Before the first result.
    fn begin(&mut self, out: &mut Out, about: &About) -> io::Result<()>;
    /// A result.
    fn case(&mut self, out: &mut Out, checked: &Checked) -> io::Result<()>;
    /// After the last.
    fn end(&mut self, out: &mut Out, totals: &Totals) -> io::Result<()>;
}

/// The reporter of a form.
pub fn reporter(format: Format) -> Box<dyn Reporter> {
    match format {
        Format::Text => Box::new(text::Text::default()),
        Format::Json => Box::new(json::Json),
        Format::Ktap => Box::new(ktap::Ktap::default()),
        Format::Junit => Box::new(junit::Junit::default()),
    }
}

/// A difference as lines for people.
pub fn text_lines(difference: &Difference) -> Vec<String> {
    text::told(difference)
}

/// A verdict in a word.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Agree => "agree",
        Verdict::Differ => "differ",
        Verdict::Skip => "skip",
    }
}

/// How many orderings were run, and how they were chosen: `12`, `cover 48/3360`, `sample 200`.
pub fn orderings(report: &Report) -> String {
    let n = report.orderings;
    match report.cover {
        None => String::new(),
        Some(Cover::Fixed) => format!("fixed {n}"),
        Some(Cover::Every) => n.to_string(),
        Some(Cover::Transitions { of: u64::MAX, .. }) => format!("cover {n}"),
        Some(Cover::Transitions { of, .. }) => format!("cover {n}/{of}"),
        Some(Cover::Sample { .. }) => format!("sample {n}"),
    }
}

/// What a run is about on one line: `linux 6.18.44, model linux, seed 0, quiet by realtime`.
pub fn headline(about: &About) -> String {
    match about.facts {
        None => format!("the model alone, model {}", about.model),
        Some(facts) => {
            let mut line = format!(
                "Linux {}, model {}, seed {}, quiet by {}",
                facts.release,
                about.model,
                about.seed,
                quiet(facts)
            );
            let lacking: Vec<&str> = facts
                .namespaces
                .iter()
                .filter(|n| n.refused.is_some())
                .map(|n| n.name.as_str())
                .collect();
            if !lacking.is_empty() {
                line += &format!(", without {} namespaces", lacking.join(", "));
            }
            line
        }
    }
}

fn quiet(facts: &Facts) -> &'static str {
    match facts.quiet {
        lockstep::real::Quiet::Auto => "auto",
        lockstep::real::Quiet::Realtime => "realtime",
        lockstep::real::Quiet::Pinned => "pinned",
        lockstep::real::Quiet::DoubleCollect => "double-collect",
    }
}
