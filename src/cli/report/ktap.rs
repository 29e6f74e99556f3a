//! The kernel's test protocol, version 1: a test for each scenario and variant, what differs as
//! diagnostic lines before its result.

use super::{About, Checked, Reporter, Totals, headline, text_lines};
use crate::cli::out::Out;
use lockstep::Verdict;
use std::io;

/// The form.
#[derive(Default)]
pub struct Ktap {
    number: usize,
    passes: u32,
}

impl Reporter for Ktap {
    fn begin(&mut self, out: &mut Out, about: &About) -> io::Result<()> {
        self.passes = about.passes;
        out.line("KTAP version 1")?;
        out.line(format!("1..{}", about.cases.len() * about.passes as usize))?;
        out.line(format!("# {}", headline(about)))
    }

    fn case(&mut self, out: &mut Out, checked: &Checked) -> io::Result<()> {
        self.number += 1;
        for difference in &checked.differences {
            for line in text_lines(difference) {
                let line = anstream::adapter::strip_str(&line).to_string();
                out.line(format!("# {line}").trim_end())?;
            }
        }
        let name = match self.passes {
            1 => plain(&checked.report.name),
            _ => format!("{} pass {}", plain(&checked.report.name), checked.pass),
        };
        let reason = plain(checked.report.reason.as_deref().unwrap_or_default());
        let n = self.number;
        out.line(match checked.report.verdict {
            Verdict::Agree => format!("ok {n} {name}"),
            Verdict::Differ => format!("not ok {n} {name}"),
            Verdict::Skip => format!("ok {n} {name} # SKIP {reason}"),
        })
    }

    fn end(&mut self, out: &mut Out, totals: &Totals) -> io::Result<()> {
        let skipped: usize = totals.skipped.values().sum();
        out.line(format!(
            "# Totals: pass:{} fail:{} skip:{skipped}",
            totals.agree, totals.differ
        ))
    }
}

/// A text in which nothing begins a directive or a line.
fn plain(text: &str) -> String {
    text.replace('#', "\\#").replace(['\n', '\r'], " ")
}
