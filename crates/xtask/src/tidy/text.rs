//! No trailing blanks, no paths of somebody's machine.
//!
//! Owns what holds for every text file, whatever its language. A directory that merely appears as a
//! name is no path of a machine; a name below somebody's own directory is.

use super::Finding;
use super::tree::{Text, Tree};

const BLANKS: &str = "blanks";
const PATHS: &str = "paths";

/// Roots below which only one machine has the rest.
const OWN: [&str; 3] = ["/home/", "/work/", "/tmp/target"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts.iter().flat_map(of).collect()
}

fn of(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.text.split('\n').enumerate() {
        let mut found = |rule, reason: String| {
            findings.push(Finding::new(&text.path, at + 1, rule, reason));
        };
        if line.ends_with([' ', '\t', '\r']) {
            found(BLANKS, "blanks at the end of the line".to_owned());
        }
        if let Some(root) = OWN.iter().find(|root| reaches_below(line, root)) {
            found(PATHS, format!("a path below `{root}` exists on one machine only"));
        }
    }
    findings
}

/// Whether the line holds an absolute path that goes on below `root`.
fn reaches_below(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + root.len()..].chars().next();
        let begins = before.is_none_or(|c| !(c.is_alphanumeric() || "-_./~*}{$".contains(c)));
        begins && after.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    fn found(text: &str) -> Vec<(usize, &'static str)> {
        let tree = tree(r#"{"packages": []}"#, &[("docs/a.md", text)]);
        check(&tree).iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn blanks_at_the_end_of_a_line_are_found() {
        assert_eq!(found("a\nb \n\nc\t\nd\r\n"), [(2, BLANKS), (4, BLANKS), (5, BLANKS)]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for root in OWN {
            assert_eq!(found(&format!("see {root}me")), [(1, PATHS)], "{root}");
            assert_eq!(found(&format!("see `{root}` as such")), [], "{root}");
            assert_eq!(found(&format!("https://example.org{root}me")), [], "{root}");
        }
    }
}
