//! A diff on a terminal.
//!
//! Owns its colours, which only repeat what `+` and `-` say, and keeps a diff from steering the
//! terminal it is read on.

use super::visible::visible;

/// The lines of `diff` to show. Whatever would not show as itself stands escaped, the CR of a CRLF
/// too: files that differ only there look different.
pub(crate) fn lines(diff: &str, coloured: bool) -> impl Iterator<Item = String> + '_ {
    diff.split_terminator('\n').map(move |line| {
        let colour = match line.as_bytes().first() {
            Some(b'+') => "\u{1b}[32m",
            Some(b'-') => "\u{1b}[31m",
            Some(b'@') => "\u{1b}[36m",
            _ => "",
        };
        let plain = visible(line, &['\t']);
        if coloured && !colour.is_empty() { format!("{colour}{plain}\u{1b}[0m") } else { plain }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_cannot_hide_its_lines() {
        let shown: Vec<_> = lines("@@ -1 +1 @@\n-a\u{1b}[1A\r\n+b\tc", false).collect();
        assert_eq!(shown, ["@@ -1 +1 @@", "-a\\u{1b}[1A\\r", "+b\tc"]);
    }

    #[test]
    fn text_that_differs_only_in_what_is_hidden_looks_different() {
        for hidden in ["\r", "\u{202e}", "\u{200b}", "\u{feff}", "\u{a0}", "\u{e0041}"] {
            let shown: Vec<_> = lines(&format!("-a\n+a{hidden}\n"), false).collect();
            let escaped = format!("+a{}", hidden.escape_default());
            assert_eq!(shown, ["-a", escaped.as_str()]);
        }
    }

    #[test]
    fn colour_stands_around_whole_lines() {
        assert_eq!(lines("+b", true).collect::<Vec<_>>(), ["\u{1b}[32m+b\u{1b}[0m"]);
    }
}
