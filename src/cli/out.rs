//! Where results go, and how they are coloured.

use anstyle::{AnsiColor, Effects, Style};
use lockstep::Error;
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::io::{self, IsTerminal, Write};
use unicode_width::UnicodeWidthStr;

/// What agrees.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What differs.
pub const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
/// What could not be looked at.
pub const ODD: Style = AnsiColor::Yellow.on_default();
/// What is there to be looked up, not read.
pub const DIM: Style = Style::new().effects(Effects::DIMMED);
/// What a reader looks for.
pub const STRONG: Style = Style::new().effects(Effects::BOLD);
/// Like the text around it.
pub const PLAIN: Style = Style::new();

/// A text in a style. Standard output takes it out again where it does not go to a terminal.
pub fn paint(style: Style, text: impl AsRef<str>) -> String {
    match text.as_ref() {
        "" => String::new(),
        text => format!("{style}{text}{style:#}"),
    }
}

/// Standard output.
pub struct Out {
    stream: anstream::Stdout,
}

impl Out {
    /// Standard output, coloured if it is a terminal and `NO_COLOR` is not set.
    pub fn new() -> Out {
        Out {
            stream: anstream::stdout(),
        }
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.stream, "{}", text.as_ref())
    }

    /// Writes a text as it is.
    pub fn text(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        write!(self.stream, "{}", text.as_ref())
    }

    /// Writes what `serde` makes of a value, as one line.
    pub fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        writeln!(self.stream, "{text}")
    }

    /// The columns that there are room for; none if it is no terminal.
    pub fn width(&self) -> Option<usize> {
        if !io::stdout().is_terminal() {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
    }
}

/// A line that says what something is: `outcome   a = 1`.
pub fn label(name: &str, text: &str) -> String {
    format!("{}  {text}", paint(DIM, pad(name, 8)))
}

/// Tells an error on standard error, with the place in the text if it has one.
pub fn complain(error: &Error) {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_links(false);
    let mut text = String::new();
    if handler.render_report(&mut text, error).is_err() {
        text = format!("{error}\n");
    }
    warn(text.trim_end());
}

/// Writes a line on standard error, if there is one.
pub fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// The columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A text filled up with spaces to a width.
pub fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// A text cut to a width, `…` where something is missing.
pub fn cut(text: &str, to: usize) -> String {
    if width(text) <= to {
        return text.to_string();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let mut longer = kept.clone();
        longer.push(c);
        if width(&longer) + 1 > to {
            break;
        }
        kept = longer;
    }
    kept + "…"
}

/// A text in lines of at most `room` columns.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// A word as a shell wants it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `1 state`, `2 states`.
pub fn count(n: usize, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        assert_eq!(quote("tests/pipe/a.ipc"), "tests/pipe/a.ipc");
        assert_eq!(quote("pipe/a[n=1]"), "'pipe/a[n=1]'");
        assert_eq!(quote("reader*2 writer"), "'reader*2 writer'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_cut_text_is_as_wide_as_there_is_room() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(width(&cut("漢字漢字", 4)), 3);
    }
}
