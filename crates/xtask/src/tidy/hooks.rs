//! Nothing in production exists for tests.
//!
//! Owns the three shapes such a hook takes: a name that ends in `_for_test`, `cfg(test)` on anything
//! but a module, and a feature named after tests. What a test needs, production takes as a parameter.

use super::Finding;
use super::source::Source;
use super::tree::{Tree, line_where};

const RULE: &str = "hooks";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(in_source).chain(features(tree)).collect()
}

fn in_source(source: &Source) -> Vec<Finding> {
    let found =
        |at: usize, reason: &str| Finding::new(&source.path, source.tokens[at].line, RULE, reason);
    let named = (0..source.tokens.len())
        .filter(|&at| is_hook_name(&source.tokens[at].text))
        .map(|at| found(at, "a name for tests only: pass in what the test needs"));
    let attributes = source
        .attributes()
        .into_iter()
        .filter(|range| depends_on_test(source, range.start, range.end))
        .filter(|range| !on_module(source, range.end) || has(source, range.start, range.end, "not"))
        .map(|range| found(range.start, "`cfg(test)` belongs on a `mod` and nowhere else"));
    let inline = source
        .find_all(&["cfg", "!", "("])
        .into_iter()
        .filter(|&at| has(source, at, source.end_of_group(at + 2), "test"))
        .map(|at| found(at, "`cfg!(test)`: pass in what the test needs"));
    named.chain(attributes).chain(inline).collect()
}

fn is_hook_name(name: &str) -> bool {
    ["_for_test", "_for_tests", "_for_testing"].iter().any(|end| name.ends_with(end))
}

fn depends_on_test(source: &Source, start: usize, end: usize) -> bool {
    let word =
        source.tokens[start..end].iter().find(|t| !["#", "!", "["].contains(&t.text.as_str()));
    word.is_some_and(|word| word.text == "cfg" || word.text == "cfg_attr")
        && has(source, start, end, "test")
}

fn has(source: &Source, start: usize, end: usize, word: &str) -> bool {
    source.tokens[start..end].iter().any(|token| token.text == word)
}

/// Whether the item at `at`, past further attributes and its visibility, is a module.
fn on_module(source: &Source, mut at: usize) -> bool {
    loop {
        match source.tokens.get(at).map(|token| token.text.as_str()) {
            Some("#") => at = source.end_of_group(at + 1),
            Some("pub") => at += 1,
            Some("(") => at = source.end_of_group(at),
            word => return word == Some("mod"),
        }
    }
}

fn features(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.metadata.members() {
        let manifest = package.manifest(&tree.metadata);
        for feature in package.features.keys().filter(|feature| is_test_feature(feature)) {
            let line =
                line_where(tree.text(manifest), |line| line.trim_start().starts_with(feature));
            let reason = format!("feature `{feature}`: features are unified, so it would ship");
            findings.push(Finding::new(manifest, line, RULE, reason));
        }
    }
    findings
}

fn is_test_feature(name: &str) -> bool {
    name.split(['-', '_']).any(|word| ["test", "tests", "testing"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{file, tree};
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&file("crates/a/src/x.rs", text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn cfg_test_is_for_modules() {
        assert_eq!(lines("#[cfg(test)]\nmod tests {}\n"), [0; 0]);
        assert_eq!(lines("#[cfg(test)]\n#[path = \"t.rs\"]\npub(crate) mod tests;\n"), [0; 0]);
        assert_eq!(lines("#[cfg(test)]\nfn hook() {}\n"), [1]);
        assert_eq!(lines("#[cfg(not(test))]\nmod real {}\n"), [1]);
        assert_eq!(lines("struct A {\n    #[cfg(test)]\n    b: u8,\n}\n"), [2]);
        assert_eq!(lines("#[cfg_attr(test, derive(Debug))]\nstruct A;\n"), [1]);
        assert_eq!(lines("fn a() {\n    if cfg!(test) {}\n}\n"), [2]);
        assert_eq!(lines("#[cfg(unix)]\nfn a() {}\n"), [0; 0]);
    }

    #[test]
    fn names_for_tests_are_found_where_defined_and_where_called() {
        assert_eq!(lines("fn open_for_test() {}\nfn a() {\n    open_for_test();\n}\n"), [1, 3]);
        assert_eq!(lines("// open_for_test is a word\nfn wait_for_testimony() {}\n"), [0; 0]);
    }

    #[test]
    fn a_feature_for_tests_is_found() {
        let metadata = r#"{"workspace_root": "/r", "packages": [{"name": "a", "id": "a",
            "manifest_path": "/r/Cargo.toml", "features": {"test-util": [], "latest": []}}]}"#;
        let found = check(&tree(metadata, &[("Cargo.toml", "[features]\ntest-util = []\n")]));
        let reason = "feature `test-util`: features are unified, so it would ship";
        assert_eq!(found, [Finding::new("Cargo.toml", 2, RULE, reason)]);
    }
}
