//! What is wrong with a scenario's text, and where.

use crate::ast::Span;
use miette::{LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::sync::Arc;

/// A scenario that cannot be read: one or several mistakes, with their places in the text.
///
/// Its `Display` is one line, `file:line:column: message`; as a [`miette::Diagnostic`] it also
/// carries the text, labels, advice, and further mistakes (`related`).
#[derive(Clone)]
pub struct Diagnostic(Box<Inner>);

#[derive(Clone)]
struct Inner {
    message: String,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    file: Arc<str>,
    source: Arc<NamedSource<String>>,
    line: usize,
    column: usize,
    related: Vec<Diagnostic>,
}

impl Diagnostic {
    /// Where it is: the file, and line and column counted from 1, the column in characters.
    pub fn place(&self) -> (&str, usize, usize) {
        (&self.0.file, self.0.line, self.0.column)
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Advice, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The other mistakes of the text, in the order in which they stand.
    pub fn others(&self) -> &[Diagnostic] {
        &self.0.related
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            file,
            line,
            column,
            message,
            ..
        } = &*self.0;
        write!(f, "{file}:{line}:{column}: {message}")
    }
}

impl fmt::Debug for Diagnostic {
    /// The line of `Display`, with advice and further mistakes below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        self.0.related.iter().try_for_each(|d| write!(f, "\n{d:?}"))
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0
            .help
            .as_ref()
            .map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.0.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.0.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.0.related.is_empty() {
            return None;
        }
        Some(Box::new(
            self.0.related.iter().map(|d| d as &dyn miette::Diagnostic),
        ))
    }
}

/// A mistake on its way to becoming a [`Diagnostic`]: it knows its place, not yet its text.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    span: Span,
    message: String,
    label: String,
    also: Vec<(Span, String)>,
    help: Option<String>,
}

impl Problem {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Problem {
        Problem {
            span,
            message: message.into(),
            label: "here".into(),
            also: Vec::new(),
            help: None,
        }
    }

    /// What stands under the marked text.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// A second place that matters.
    pub(crate) fn also(mut self, span: Span, label: impl Into<String>) -> Problem {
        self.also.push((span, label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// `did you mean` advice, if a known word is near.
    pub(crate) fn suggest<'a>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Problem {
        match nearest(word, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Adds to the message, such as the variant that it is about.
    pub(crate) fn note(mut self, note: &str) -> Problem {
        self.message.push_str(note);
        self
    }
}

/// More mistakes than this are not told: they are rarely independent.
pub(crate) const MOST_PROBLEMS: usize = 20;

/// Mistakes gathered while a text is read.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.0.len() < MOST_PROBLEMS {
            self.0.push(problem);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the value, or notes the problem.
    pub(crate) fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|p| self.push(p)).ok()
    }

    pub(crate) fn note_all(self, note: &str) -> Problems {
        Problems(self.0.into_iter().map(|p| p.note(note)).collect())
    }

    /// `value` if there were no mistakes; else the first in the text, with the others related.
    pub(crate) fn finish<T>(self, value: T, file: &str, text: &str) -> Result<T, Diagnostic> {
        let mut problems = self.0;
        problems.sort_by_key(|p| p.span.start);
        let file: Arc<str> = file.into();
        let source = Arc::new(NamedSource::new(&file, text.to_string()));
        let mut all = problems
            .into_iter()
            .map(|p| locate(p, &file, text, &source));
        let Some(mut first) = all.next() else {
            return Ok(value);
        };
        first.0.related = all.collect();
        Err(first)
    }
}

fn locate(
    problem: Problem,
    file: &Arc<str>,
    text: &str,
    source: &Arc<NamedSource<String>>,
) -> Diagnostic {
    let start = floor_char_boundary(text, problem.span.start);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let within = |span: Span| {
        let start = floor_char_boundary(text, span.start);
        let end = floor_char_boundary(text, span.start.saturating_add(span.len));
        (start, end.saturating_sub(start))
    };
    let mut labels = vec![LabeledSpan::new_primary_with_span(
        Some(problem.label),
        within(problem.span),
    )];
    let also = problem.also.into_iter();
    labels.extend(also.map(|(span, label)| LabeledSpan::new_with_span(Some(label), within(span))));
    Diagnostic(Box::new(Inner {
        message: problem.message,
        labels,
        help: problem.help,
        file: file.clone(),
        source: source.clone(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        related: Vec::new(),
    }))
}

/// The last place not after `at` where a character begins. (A caller may lower a scenario with
/// another text than it was parsed from; that must not panic.)
fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The known word that is nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > 40 {
        return None;
    }
    // Of two letters, one changed is another word.
    let most = if length < 3 { 0 } else { (length / 3).max(1) };
    known
        .into_iter()
        .filter(|k| k.len() <= 48)
        .map(|k| (distance(word, k), k))
        .filter(|&(d, _)| d <= most)
        .min_by_key(|&(d, _)| d)
        .map(|(_, k)| k)
}

/// Edits between two words: a letter put in, left out, changed, or swapped with its neighbour.
/// Upper and lower case count as equal.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_meant() {
        let known = ["read", "readv", "write", "O_NONBLOCK", "pipe", "pipe2"];
        assert_eq!(nearest("raed", known), Some("read"));
        assert_eq!(nearest("wriite", known), Some("write"));
        assert_eq!(nearest("O_NONBLOK", known), Some("O_NONBLOCK"));
        assert_eq!(nearest("o_nonblock", known), Some("O_NONBLOCK"));
        assert_eq!(nearest("socket", known), None);
    }
}
