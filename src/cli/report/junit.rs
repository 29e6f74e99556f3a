//! JUnit's XML: a suite for each mechanism, a test case for each scenario and variant.

use super::{About, Checked, Reporter, Totals, headline, text_lines};
use crate::cli::out::Out;
use lockstep::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::io;

/// The form. The whole document is written at the end.
#[derive(Default)]
pub struct Junit {
    headline: String,
    passes: u32,
    suites: BTreeMap<String, TestSuite>,
}

impl Reporter for Junit {
    fn begin(&mut self, _: &mut Out, about: &About) -> io::Result<()> {
        self.headline = headline(about);
        self.passes = about.passes;
        Ok(())
    }

    fn case(&mut self, _: &mut Out, checked: &Checked) -> io::Result<()> {
        let report = checked.report;
        let mut status = match report.verdict {
            Verdict::Agree => TestCaseStatus::success(),
            Verdict::Differ => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Skip => TestCaseStatus::skipped(),
        };
        match checked.differences.first() {
            Some(first) => {
                let text: Vec<String> = checked
                    .differences
                    .iter()
                    .map(|d| anstream::adapter::strip_str(&text_lines(d).join("\n")).to_string())
                    .collect();
                status.set_message(format!("{}: {}", first.about, first.text));
                status.set_type("difference");
                status.set_description(text.join("\n\n"));
            }
            None => {
                if let (Some(reason), true) = (&report.reason, report.verdict != Verdict::Agree) {
                    status.set_message(reason.as_str());
                }
            }
        }
        let name = match self.passes {
            1 => report.name.clone(),
            _ => format!("{} pass {}", report.name, checked.pass),
        };
        let mechanism = checked.case.program.mechanism().to_string();
        let mut case = TestCase::new(name, status);
        case.set_classname(mechanism.as_str());
        let suite = self.suites.entry(mechanism.clone());
        suite
            .or_insert_with(|| TestSuite::new(mechanism))
            .add_test_case(case);
        Ok(())
    }

    fn end(&mut self, out: &mut Out, _: &Totals) -> io::Result<()> {
        let mut report = Report::new("lockstep");
        for (_, mut suite) in std::mem::take(&mut self.suites) {
            suite.add_property(("about", self.headline.as_str()));
            report.add_test_suite(suite);
        }
        let text = report.to_string().map_err(io::Error::other)?;
        out.text(text)
    }
}
