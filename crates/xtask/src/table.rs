//! Aligned columns.
//!
//! Owns how rows are printed for a person. Never orders or drops a row.

/// Which edge a column is aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Left,
    Right,
}

/// Rows under their heads, two spaces apart, without trailing blanks.
///
/// Every row has as many cells as there are columns.
pub(crate) fn render(columns: &[(&str, Edge)], rows: &[Vec<String>]) -> String {
    let heads = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heads).chain(rows).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(columns)
            .zip(&widths)
            .map(|((cell, (_, edge)), &width)| match edge {
                Edge::Left => format!("{cell:<width$}"),
                Edge::Right => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["a".to_owned(), "10".to_owned()], vec!["long".into(), "9".into()]];
        let text = render(&[("name", Edge::Left), ("n", Edge::Right)], &rows);
        assert_eq!(text, "name   n\na     10\nlong   9\n");
    }
}
