//! A diff on a terminal.
//!
//! Owns its colours, which only repeat what `+` and `-` say, and keeps a diff from steering the
//! terminal it is read on.

/// The lines of `diff` to show; control characters other than tabs stand escaped.
pub(crate) fn lines(diff: &str, coloured: bool) -> impl Iterator<Item = String> + '_ {
    diff.lines().map(move |line| {
        let colour = match line.as_bytes().first() {
            Some(b'+') => "\u{1b}[32m",
            Some(b'-') => "\u{1b}[31m",
            Some(b'@') => "\u{1b}[36m",
            _ => "",
        };
        let plain = escaped(line);
        if coloured && !colour.is_empty() { format!("{colour}{plain}\u{1b}[0m") } else { plain }
    })
}

fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_cannot_hide_its_lines() {
        let shown: Vec<_> = lines("@@ -1 +1 @@\n-a\u{1b}[1A\r\n+b\tc", false).collect();
        assert_eq!(shown, ["@@ -1 +1 @@", "-a\\u{1b}[1A", "+b\tc"]);
    }

    #[test]
    fn colour_stands_around_whole_lines() {
        assert_eq!(lines("+b", true).collect::<Vec<_>>(), ["\u{1b}[32m+b\u{1b}[0m"]);
    }
}
