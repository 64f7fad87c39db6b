//! What a module owns, and why a file is long.
//!
//! Owns that every file below `src` opens with a module header, and that a file past 800 lines says
//! in its header `Long because` and the reason. Cannot tell a good header from a bad one.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const RULE: &str = "headers";
const LINES_MAX: usize = 800;
const REASON: &str = "Long because";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(of).collect()
}

fn of(source: &Source) -> Vec<Finding> {
    let header: Vec<&str> = source
        .lines
        .iter()
        .map(|line| line.trim())
        .skip_while(|line| line.is_empty() || line.starts_with("#!"))
        .take_while(|line| line.starts_with("//!"))
        .collect();
    let mut findings = Vec::new();
    let mut found = |line, reason: String| {
        findings.push(Finding::new(&source.path, line, RULE, reason));
    };
    if source.in_src() && header.is_empty() {
        let wanted = "what it owns, what it never does, where it sits in the flow";
        found(1, format!("no module header (`//!`): say {wanted}"));
    }
    let lines = source.lines.len();
    if lines > LINES_MAX && !header.iter().any(|line| line.contains(REASON)) {
        let reason =
            format!("{lines} lines: find the second noun, or say `{REASON} …` in the header");
        found(LINES_MAX + 1, reason);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::file;
    use super::*;

    #[test]
    fn a_source_file_without_header_is_found_and_a_test_file_is_not() {
        let lines =
            |path, text| check(&file(path, text)).iter().map(|f| f.line).collect::<Vec<_>>();
        assert_eq!(lines("crates/a/src/x.rs", "fn a() {}\n"), [1]);
        assert_eq!(lines("crates/a/src/x.rs", "// not one\nfn a() {}\n"), [1]);
        assert_eq!(lines("crates/a/src/x.rs", "//! One.\nfn a() {}\n"), [0; 0]);
        assert_eq!(lines("crates/a/tests/x.rs", "fn a() {}\n"), [0; 0]);
    }

    #[test]
    fn a_long_file_says_why() {
        let long = |header: &str| format!("{header}\n{}", "const A: u8 = 0;\n".repeat(LINES_MAX));
        let found = |header| check(&file("crates/a/src/x.rs", &long(header))).len();
        assert_eq!(found("//! A table."), 1);
        assert_eq!(found("//! A table. Long because every case is a line."), 0);
    }
}
