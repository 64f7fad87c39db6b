//! A reason for every direct dependency.
//!
//! Owns the agreement between the manifests and the table in `docs/dependencies.md`: one line per
//! crate of somebody else's that a manifest names, with the licence it declares, and no line for a
//! crate that none names.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{Tree, line_where};

const RULE: &str = "dependencies";
const PAGE: &str = "docs/dependencies.md";
/// The one member of a workspace of its own.
const FUZZ: &str = "kairos-fuzz";

/// What the table says of a crate.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    name: &'a str,
    licence: &'a str,
    reasoned: bool,
    line: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.text(PAGE).unwrap_or_default();
    let direct = direct(tree);
    let rows = rows(page);
    let mut findings = Vec::new();
    for (name, manifest) in &direct {
        if !rows.iter().any(|row| row.name == *name) {
            let line = line_where(tree.text(manifest), |line| line.trim_start().starts_with(name));
            let reason = format!("`{name}` has no line in `{PAGE}`");
            findings.push(Finding::new(manifest, line, RULE, reason));
        }
    }
    for row in &rows {
        if let Some(reason) = problem(tree, row, direct.contains_key(row.name)) {
            findings.push(Finding::new(PAGE, row.line, RULE, reason));
        }
    }
    findings
}

/// Every crate from outside that a manifest names, and the manifest.
fn direct(tree: &Tree) -> BTreeMap<String, String> {
    let ours: Vec<&str> = tree.metadata.members().map(|member| member.name.as_str()).collect();
    let mut found = BTreeMap::new();
    for member in tree.metadata.members() {
        for dependency in &member.dependencies {
            found.insert(dependency.name.clone(), member.manifest(&tree.metadata).to_owned());
        }
    }
    let searching = tree.fuzz.members().find(|member| member.name == FUZZ);
    for dependency in searching.iter().flat_map(|member| &member.dependencies) {
        found.entry(dependency.name.clone()).or_insert_with(|| "fuzz/Cargo.toml".to_owned());
    }
    let root = tree.text("Cargo.toml").unwrap_or_default();
    for name in declared(root) {
        found.insert(name, "Cargo.toml".to_owned());
    }
    found.retain(|name, _| !ours.contains(&name.as_str()));
    found
}

/// The names under `[workspace.dependencies]`.
fn declared(manifest: &str) -> Vec<String> {
    let parsed: toml::Table = manifest.parse().unwrap_or_default();
    parsed
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

fn rows(page: &str) -> Vec<Row<'_>> {
    page.lines().enumerate().filter_map(|(at, line)| Row::parse(line, at + 1)).collect()
}

impl<'a> Row<'a> {
    fn parse(text: &'a str, line: usize) -> Option<Self> {
        let cells: Vec<&str> = text.strip_prefix('|')?.split('|').map(str::trim).collect();
        let [name, purpose, licence, why, ""] = cells[..] else { return None };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        let reasoned = !purpose.is_empty() && !why.is_empty();
        Some(Self { name, licence, reasoned, line })
    }
}

fn problem(tree: &Tree, row: &Row<'_>, named: bool) -> Option<String> {
    let Row { name, licence, reasoned, .. } = row;
    if !named {
        return Some(format!("no manifest names `{name}`"));
    }
    if !reasoned {
        return Some(format!("`{name}` needs what it is for and why it is the one"));
    }
    // A crate that is declared and used by nobody yet is not resolved and has no metadata.
    let mut packages = tree.fuzz.packages.iter().chain(&tree.metadata.packages);
    let package = packages.rfind(|package| package.name == *name)?;
    let declares = package.license.as_deref().unwrap_or("none").replace('/', " OR ");
    (declares != *licence).then(|| format!("`{name}` declares `{declares}`, not `{licence}`"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    const METADATA: &str = r#"{"workspace_root": "/r", "packages": [
        {"name": "ours", "id": "ours", "manifest_path": "/r/crates/ours/Cargo.toml",
         "dependencies": [{"name": "a"}, {"name": "b", "kind": "dev"}]},
        {"name": "a", "id": "a", "source": "registry", "license": "MIT/ISC", "manifest_path": ""},
        {"name": "b", "id": "b", "source": "registry", "license": "MIT", "manifest_path": ""}]}"#;
    const MANIFEST: &str = "[dependencies]\na = \"1\"\n[dev-dependencies]\nb = \"1\"\n";

    fn findings(page: &str) -> Vec<Finding> {
        check(&tree(METADATA, &[("crates/ours/Cargo.toml", MANIFEST), (PAGE, page)]))
    }

    #[test]
    fn a_complete_page_has_no_findings() {
        let page = "| crate | what for |\n|---|---|\n| `a` | x | MIT OR ISC | y |\n| `b` | x | MIT | y |\n";
        assert_eq!(findings(page), []);
    }

    #[test]
    fn a_missing_line_is_found_in_the_manifest() {
        let reason = "`b` has no line in `docs/dependencies.md`";
        let expected = [Finding::new("crates/ours/Cargo.toml", 4, RULE, reason)];
        assert_eq!(findings("| `a` | x | MIT OR ISC | y |\n"), expected);
    }

    #[test]
    fn a_line_too_many_a_wrong_licence_and_a_missing_reason_are_found_on_the_page() {
        let page = "| `a` | x | GPL | y |\n| `b` | x | MIT | |\n| `c` | x | MIT | y |\n";
        let expected = [
            Finding::new(PAGE, 1, RULE, "`a` declares `MIT OR ISC`, not `GPL`"),
            Finding::new(PAGE, 2, RULE, "`b` needs what it is for and why it is the one"),
            Finding::new(PAGE, 3, RULE, "no manifest names `c`"),
        ];
        assert_eq!(findings(page), expected);
    }

    #[test]
    fn what_the_workspace_declares_is_direct() {
        let manifest = "[workspace.dependencies]\nx = \"1\"\ny = { version = \"1\" }\n";
        assert_eq!(declared(manifest), ["x", "y"]);
    }
}
