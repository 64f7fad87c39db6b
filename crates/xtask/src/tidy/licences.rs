//! Permissive licences all the way down.
//!
//! Owns the list of licences a dependency may have, however deep it stands in the tree. The same
//! list is in `deny.toml`. What only searches and never ships may have one more. Trusts what a crate declares; it does not read licence files.

use super::Finding;
use super::spdx;
use super::tree::{Tree, line_where};
use crate::metadata::Metadata;

const RULE: &str = "licences";

const PERMISSIVE: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Permissive too, and of libFuzzer alone.
const OF_FUZZING: &str = "NCSA";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let permissive = |one: &str| PERMISSIVE.contains(&one);
    let searching = |one: &str| permissive(one) || one == OF_FUZZING;
    let mut findings = of(tree, "Cargo.lock", &tree.metadata, &permissive);
    findings.extend(of(tree, "fuzz/Cargo.lock", &tree.fuzz, &searching));
    findings
}

fn of(
    tree: &Tree,
    lock: &str,
    metadata: &Metadata,
    allowed: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let text = tree.text(lock);
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let Some(reason) = problem(package.license.as_deref(), allowed) else { continue };
        let entry = format!("name = \"{}\"", package.name);
        let line = line_where(text, |line| line == entry);
        let reason = format!("`{} {}` {reason}", package.name, package.version);
        findings.push(Finding::new(lock, line, RULE, reason));
    }
    findings
}

fn problem(licence: Option<&str>, allowed: &dyn Fn(&str) -> bool) -> Option<String> {
    let Some(licence) = licence else { return Some("declares no licence".to_owned()) };
    match spdx::satisfied(licence, &|one| allowed(one)) {
        Some(true) => None,
        Some(false) => Some(format!("is under `{licence}`, which is not on the permissive list")),
        None => Some(format!("is under `{licence}`, which is no licence expression")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    #[test]
    fn a_copyleft_licence_is_found_at_its_place_in_the_lock_file() {
        let metadata = r#"{"packages": [
            {"name": "a", "version": "1.0.0", "id": "a", "license": "MIT/Apache-2.0", "manifest_path": ""},
            {"name": "b", "version": "2.0.0", "id": "b", "license": "MPL-2.0", "manifest_path": ""}]}"#;
        let lock = "[[package]]\nname = \"a\"\n\n[[package]]\nname = \"b\"\n";
        let reason = "`b 2.0.0` is under `MPL-2.0`, which is not on the permissive list";
        let expected = [Finding::new("Cargo.lock", 5, RULE, reason)];
        assert_eq!(check(&tree(metadata, &[("Cargo.lock", lock)])), expected);
    }

    #[test]
    fn no_licence_and_no_expression_are_problems() {
        let problem = |licence| problem(licence, &|one| PERMISSIVE.contains(&one));
        assert_eq!(problem(None), Some("declares no licence".to_owned()));
        assert!(problem(Some("see file")).is_some());
        assert_eq!(problem(Some("(MIT OR Apache-2.0) AND Unicode-3.0")), None);
    }

    #[test]
    fn what_searches_may_have_one_licence_more() {
        let metadata = r#"{"packages": [
            {"name": "a", "version": "1.0.0", "id": "a", "license": "MIT AND NCSA", "manifest_path": ""}]}"#;
        let fuzz = serde_json::from_str(metadata).unwrap();
        let searching = Tree { fuzz, ..tree(r#"{"packages": []}"#, &[]) };
        assert_eq!(check(&searching), []);
        assert_eq!(check(&tree(metadata, &[])).len(), 1);
    }
}
