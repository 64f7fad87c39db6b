//! Permissive licences all the way down.
//!
//! Owns the list of licences a dependency may have, however deep it stands in the tree. The same
//! list is in `deny.toml`. Trusts what a crate declares; it does not read licence files.

use super::Finding;
use super::spdx;
use super::tree::{Tree, line_where};

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

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let lock = tree.text("Cargo.lock");
    let mut findings = Vec::new();
    for package in &tree.metadata.packages {
        let Some(reason) = problem(package.license.as_deref()) else { continue };
        let entry = format!("name = \"{}\"", package.name);
        let line = line_where(lock, |line| line == entry);
        let reason = format!("`{} {}` {reason}", package.name, package.version);
        findings.push(Finding::new("Cargo.lock", line, RULE, reason));
    }
    findings
}

fn problem(licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some("declares no licence".to_owned()) };
    match spdx::satisfied(licence, &|one| PERMISSIVE.contains(&one)) {
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
        assert_eq!(problem(None), Some("declares no licence".to_owned()));
        assert!(problem(Some("see file")).is_some());
        assert_eq!(problem(Some("(MIT OR Apache-2.0) AND Unicode-3.0")), None);
    }
}
