//! Which crate may depend on which.
//!
//! Owns the list of allowed edges. A new edge is a change to this list, and a review asks what it is
//! for. Edges of tests may go further: to everything a crate already stands on.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{Tree, line_where};
use crate::metadata::{Dependency, Kind, Package};

const RULE: &str = "edges";

/// Crate, and the crates of ours it may name.
const EDGES: [(&str, &[&str]); 14] = [
    ("kairos-core", &[]),
    ("kairos-disk", &[]),
    ("kairos-wire", &[]),
    ("kairos-sandbox", &[]),
    ("kairos-journal", &["kairos-core", "kairos-disk"]),
    ("kairos-views", &["kairos-core"]),
    ("kairos-engine", &["kairos-core", "kairos-disk", "kairos-journal"]),
    ("kairos-effects", &["kairos-core", "kairos-disk", "kairos-journal", "kairos-sandbox"]),
    ("kairos-api", &["kairos-core", "kairos-engine", "kairos-views", "kairos-wire"]),
    (
        "kairos",
        &[
            "kairos-api",
            "kairos-core",
            "kairos-disk",
            "kairos-effects",
            "kairos-engine",
            "kairos-journal",
            "kairos-sandbox",
            "kairos-views",
            "kairos-wire",
        ],
    ),
    (
        "kairos-sim",
        &[
            "kairos-core",
            "kairos-disk",
            "kairos-effects",
            "kairos-engine",
            "kairos-journal",
            "kairos-views",
        ],
    ),
    (
        "kairos-bench",
        &["kairos-core", "kairos-disk", "kairos-effects", "kairos-engine", "kairos-journal"],
    ),
    ("kairos-attack", &["kairos-sandbox"]),
    ("xtask", &[]),
];

/// Crate, what it must stay free of outside its tests, and why.
const NEVER: [(&str, &[&str], &str); 5] = [
    (
        "kairos-core",
        &["serde_json", "tokio", "rustix", "rand", "getrandom", "hyper", "reqwest", "tempfile"],
        "the rules are pure: no I/O, no async, no randomness, no dynamic JSON",
    ),
    ("kairos-disk", &["serde", "serde_json", "tokio"], "it knows bytes, neither records nor async"),
    ("kairos-journal", &["tokio"], "a commit is one write and one sync on the caller's thread"),
    ("kairos-views", &["tokio", "rustix"], "a view is a fold and nothing else"),
    ("kairos-sandbox", &["tokio", "serde_json"], "the program that confines itself stays small"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let members: BTreeSet<&str> = tree.metadata.members().map(|p| p.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in tree.metadata.members() {
        let manifest = package.manifest(&tree.metadata);
        let Some(allowed) = allowed(&package.name) else {
            let reason = format!("`{}` is in no list of allowed edges", package.name);
            findings.push(Finding::new(manifest, 1, RULE, reason));
            continue;
        };
        for dependency in &package.dependencies {
            let problem = if members.contains(dependency.name.as_str()) {
                inner(package, dependency, allowed)
            } else {
                outer(package, dependency)
            };
            if let Some(reason) = problem {
                let key = |line: &str| names(line, &dependency.name);
                let line = line_where(tree.text(manifest), key);
                findings.push(Finding::new(manifest, line, RULE, reason));
            }
        }
    }
    findings
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    EDGES.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

fn inner(package: &Package, dependency: &Dependency, allowed: &[&'static str]) -> Option<String> {
    let (from, to) = (&package.name, &dependency.name);
    match dependency.kind {
        Some(Kind::Dev) if below(allowed).contains(to.as_str()) => None,
        Some(Kind::Dev) => {
            Some(format!("tests of `{from}` may use the crates below it, `{to}` is not"))
        }
        _ if allowed.contains(&to.as_str()) => None,
        _ => Some(format!("`{from}` may not depend on `{to}`")),
    }
}

fn outer(package: &Package, dependency: &Dependency) -> Option<String> {
    let (_, never, why) = NEVER.iter().find(|(from, _, _)| *from == package.name)?;
    let banned = dependency.kind != Some(Kind::Dev) && never.contains(&dependency.name.as_str());
    banned.then(|| format!("`{}` stays free of `{}`: {why}", package.name, dependency.name))
}

/// Everything that can be reached along allowed edges from `first` on.
fn below(first: &[&'static str]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open = first.to_vec();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(allowed(name).unwrap_or_default());
        }
    }
    found
}

/// Whether the line of a manifest declares the dependency.
fn names(line: &str, dependency: &str) -> bool {
    line.trim_start().strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    fn findings(from: &str, dependencies: &str, manifest: &str) -> Vec<Finding> {
        let packages = ["kairos-core", "kairos-disk", "kairos-journal", "kairos-engine", from]
            .iter()
            .enumerate()
            .filter(|(at, name)| *at == 4 || **name != from)
            .map(|(at, name)| {
                let dependencies = if at == 4 { dependencies } else { "[]" };
                format!(
                    r#"{{"name": "{name}", "id": "{name}", "dependencies": {dependencies},
                        "manifest_path": "/r/crates/{name}/Cargo.toml"}}"#
                )
            })
            .collect::<Vec<_>>()
            .join(",");
        let metadata = format!(r#"{{"packages": [{packages}], "workspace_root": "/r"}}"#);
        check(&tree(&metadata, &[(&format!("crates/{from}/Cargo.toml"), manifest)]))
    }

    #[test]
    fn an_edge_against_the_direction_is_found_on_its_line() {
        let found = findings(
            "kairos-journal",
            r#"[{"name": "kairos-engine", "kind": null}]"#,
            "[dependencies]\nkairos-engine.workspace = true\n",
        );
        let reason = "`kairos-journal` may not depend on `kairos-engine`";
        assert_eq!(found, [Finding::new("crates/kairos-journal/Cargo.toml", 2, RULE, reason)]);
    }

    #[test]
    fn tests_may_use_what_is_below_and_nothing_above() {
        let dev = |to: &str| format!(r#"[{{"name": "{to}", "kind": "dev"}}]"#);
        assert_eq!(findings("kairos-engine", &dev("kairos-core"), ""), []);
        assert_eq!(findings("kairos-core", &dev("kairos-engine"), "").len(), 1);
    }

    #[test]
    fn the_core_stays_free_of_dynamic_json_but_its_tests_may_read_it() {
        let json = |kind: &str| format!(r#"[{{"name": "serde_json", "kind": {kind}}}]"#);
        assert_eq!(findings("kairos-core", &json("null"), "").len(), 1);
        assert_eq!(findings("kairos-core", &json("\"dev\""), ""), []);
    }

    #[test]
    fn a_crate_that_nobody_listed_is_found() {
        let reason = "`kairos-new` is in no list of allowed edges";
        let expected = [Finding::new("crates/kairos-new/Cargo.toml", 1, RULE, reason)];
        assert_eq!(findings("kairos-new", "[]", ""), expected);
    }

    #[test]
    fn the_list_has_no_cycle() {
        for (name, edges) in EDGES {
            assert!(!below(edges).contains(name), "`{name}` can be reached from itself");
        }
    }
}
