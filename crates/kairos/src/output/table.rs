//! Tables for people.
//!
//! Owns the alignment of columns. Never cuts a cell: what a person copies must be whole.

use std::io::{self, Write};

use super::visible::visible;

/// Rows under a heading, written with aligned columns.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        let heading = heading.iter().map(|name| name.to_uppercase()).collect();
        Self { rows: vec![heading] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// Whether it has a heading only.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let pad = width - cell.chars().count() + 2;
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', pad));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Text from outside as part of one line: what could move a terminal's cursor or make one thing look
/// like another stands escaped.
pub(crate) fn one_line(text: &str) -> String {
    visible(text, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_what_hides_is_escaped() {
        let mut table = Table::new(&["id", "goal"]);
        table.row(["1".to_owned(), "fix\u{202e}\n".to_owned()]);
        table.row(["2345".to_owned(), "ä".to_owned()]);
        let mut text = Vec::new();
        table.write(&mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "ID    GOAL\n1     fix\\u{202e}\\n\n2345  ä\n"
        );
    }
}
