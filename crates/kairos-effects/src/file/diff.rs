//! What a person reads before deciding on a change.
//!
//! Owns the unified diff of two contents, bounded in time and size. Never what a decision binds to:
//! that is the change's hash.

use std::time::Duration;

use similar::TextDiff;

/// The longest diff that is stored.
const DIFF_BYTES_MAX: usize = 1 << 20;

/// Beyond this, lines are no longer matched as well as they could be.
const DIFF_TIME: Duration = Duration::from_millis(500);

const CUT: &str = "\n… the diff is longer than 1 MiB; the rest is not shown\n";

/// The diff from `old` to `new`; `None` is a file that does not exist.
pub(super) fn unified(path: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> String {
    let text = |bytes: Option<&[u8]>| {
        std::str::from_utf8(bytes.unwrap_or_default()).ok().map(str::to_owned)
    };
    let side = |side: &str, bytes: Option<&[u8]>| match bytes {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (side("a", old), side("b", new));
    let (Some(before), Some(after)) = (text(old), text(new)) else {
        return format!("Binary files {from} and {to} differ\n");
    };
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(&*before, &*after);
    let mut out = diff.unified_diff().context_radius(3).header(&from, &to).to_string();
    if out.is_empty() {
        // An empty file created or deleted has no lines to show.
        out = format!("--- {from}\n+++ {to}\n");
    }
    bounded(out)
}

/// The words for a move, in the form git uses.
pub(super) fn renamed(from: &str, to: &str) -> String {
    format!("rename from {from}\nrename to {to}\n")
}

fn bounded(mut out: String) -> String {
    if out.len() > DIFF_BYTES_MAX {
        out.truncate(out.floor_char_boundary(DIFF_BYTES_MAX - CUT.len()));
        out.push_str(CUT);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_shown_between_its_neighbours() {
        let diff = unified("a", Some(b"1\n2\n3\n"), Some(b"1\nB\n3\n"));
        assert_eq!(diff, "--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n 1\n-2\n+B\n 3\n");
    }

    #[test]
    fn a_deleted_empty_file_still_has_a_diff() {
        assert_eq!(unified("e", Some(b""), None), "--- a/e\n+++ /dev/null\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_shown() {
        let diff = unified("b", Some(b"\xff"), Some(b"x"));
        assert_eq!(diff, "Binary files a/b and b/b differ\n");
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        let long = "é\n".repeat(DIFF_BYTES_MAX);
        let diff = unified("l", None, Some(long.as_bytes()));
        assert!(diff.len() <= DIFF_BYTES_MAX && diff.ends_with(CUT));
    }
}
