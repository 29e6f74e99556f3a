//! Tables: columns as wide as what stands in them.

use super::out::{PLAIN, STRONG, pad, paint, width};
use anstyle::Style;

/// A cell.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in a style.
    pub fn new(text: impl Into<String>, style: Style) -> Cell {
        Cell {
            text: text.into(),
            style,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(text, PLAIN)
    }
}

/// On which side the cells of a column are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = (S, Align)>) -> Table {
        let columns = columns
            .into_iter()
            .map(|(name, align)| (name.into(), align))
            .collect();
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, each `indent` to the right, the headings first. Columns in which nothing stands
    /// are left out.
    pub fn lines(&self, indent: usize) -> Vec<String> {
        let cell = |row: &'_ [Cell], at: usize| row.get(at).map_or(0, |c| width(&c.text));
        let used: Vec<(usize, usize)> = (0..self.columns.len())
            .map(|at| (at, self.rows.iter().map(|r| cell(r, at)).max().unwrap_or(0)))
            .filter(|&(_, widest)| widest > 0)
            .map(|(at, widest)| (at, widest.max(width(&self.columns[at].0))))
            .collect();
        let line = |cells: Vec<Cell>| {
            let mut line = " ".repeat(indent);
            let last = used.len().saturating_sub(1);
            for (n, ((at, widest), cell)) in used.iter().zip(cells).enumerate() {
                let gap = widest.saturating_sub(width(&cell.text));
                let text = paint(cell.style, &cell.text);
                match self.columns[*at].1 {
                    Align::Right => line += &(" ".repeat(gap) + &text),
                    Align::Left if n == last => line += &text,
                    Align::Left => line += &(text + &" ".repeat(gap)),
                }
                if n != last {
                    line += "  ";
                }
            }
            line.trim_end().to_string()
        };
        let heading = |&(at, _): &(usize, usize)| Cell::new(&self.columns[at].0, STRONG);
        let mut lines = Vec::new();
        if used.iter().any(|(at, _)| !self.columns[*at].0.is_empty()) {
            lines.push(line(used.iter().map(heading).collect()));
        }
        for row in &self.rows {
            let cells = used
                .iter()
                .map(|(at, _)| row.get(*at).cloned().unwrap_or_else(|| "".into()));
            lines.push(line(cells.collect()));
        }
        lines
    }
}

/// Pairs of a name and a text, the texts below each other.
pub fn pairs(indent: usize, pairs: &[(&str, String)]) -> Vec<String> {
    let widest = pairs.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    pairs
        .iter()
        .map(|(name, text)| format!("{}{}  {text}", " ".repeat(indent), pad(name, widest)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let mut table = Table::new([
            ("n", Align::Right),
            ("nothing", Align::Left),
            ("name", Align::Left),
        ]);
        table.row(["1".into(), "".into(), "字".into()]);
        table.row(["100".into(), "".into(), "x".into()]);
        let plain: Vec<String> = table
            .lines(1)
            .iter()
            .map(|l| anstream::adapter::strip_str(l).to_string())
            .collect();
        assert_eq!(plain, ["   n  name", "   1  字", " 100  x"]);
    }
}
