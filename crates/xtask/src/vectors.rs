//! `cargo xtask vectors`: how far recorded cases are met.
//!
//! Owns which crates are asked (those with a `vectors` test) and how they are started: with
//! `KAIROS_VECTORS` naming the folder. What they print is read and judged in `report`. Never compares
//! a case itself.

mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::Verdict;
use crate::call::Call;
use crate::metadata::Metadata;
use report::Report;

const TARGET: &str = "vectors";
const FOLDER: &str = "KAIROS_VECTORS";
/// The cases in the tree, below the root.
const IN_TREE: &str = "vectors";

/// A built test program.
#[derive(Debug, PartialEq, Eq)]
struct Built {
    package: String,
    /// Where cargo would start it.
    dir: PathBuf,
    program: PathBuf,
}

pub(crate) fn vectors(root: &Path, dir: Option<&Path>) -> Result<Verdict> {
    let dir = folder(dir.unwrap_or(&root.join(IN_TREE)))?;
    let built = build(root)?;
    if built.is_empty() {
        println!("no crate has a `{TARGET}` test");
    }
    let mut report = Report::default();
    for test in &built {
        let call = Call::new(test.program.to_string_lossy(), &["--nocapture", "--test-threads=1"])
            .var(FOLDER, &dir.to_string_lossy());
        let answer = call.read(&test.dir)?;
        report.take(&test.package, &answer.stdout);
        report.take(&test.package, &answer.stderr);
        if !answer.good {
            eprint!("{}{}", answer.stdout, answer.stderr);
            report.failed(&test.package);
        }
    }
    report.not_read(&case_files(&dir)?);
    print!("{report}");
    Ok(report.verdict())
}

fn folder(dir: &Path) -> Result<PathBuf> {
    let dir = dir.canonicalize().with_context(|| format!("`{}` is no folder", dir.display()))?;
    if !dir.is_dir() {
        bail!("`{}` is no folder", dir.display());
    }
    Ok(dir)
}

/// The names of the case files in `dir`, in order.
fn case_files(dir: &Path) -> Result<Vec<String>> {
    let unreadable = || format!("`{}` cannot be listed", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(unreadable)? {
        let name = entry.with_context(unreadable)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the `vectors` tests of all crates that have one, with the features the other tests use.
fn build(root: &Path) -> Result<Vec<Built>> {
    let metadata = Metadata::read(root)?;
    if !metadata.members().any(|member| member.has_target("test", TARGET)) {
        return Ok(Vec::new());
    }
    let call = Call::cargo(&[
        "test",
        "--workspace",
        "--locked",
        "--test",
        TARGET,
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let answer = call.read_stdout(root)?;
    if !answer.good {
        bail!("`{call}` failed");
    }
    let mut built: Vec<Built> =
        answer.stdout.lines().filter_map(|line| built(&metadata, line)).collect();
    built.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(built)
}

/// The test program that a line of cargo's messages announces.
fn built(metadata: &Metadata, line: &str) -> Option<Built> {
    #[derive(Deserialize)]
    struct Message {
        package_id: String,
        executable: PathBuf,
        target: crate::metadata::Target,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    if message.target.name != TARGET || message.target.kind != ["test"] {
        return None;
    }
    let package = metadata.packages.iter().find(|package| package.id == message.package_id)?;
    let dir = Path::new(&package.manifest_path).parent()?.to_owned();
    Some(Built { package: package.name.clone(), dir, program: message.executable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vectors_test_is_taken_from_the_messages_of_cargo() {
        let metadata = serde_json::from_str(
            r#"{"packages": [{"name": "a", "id": "path#a", "manifest_path": "/r/a/Cargo.toml"}]}"#,
        )
        .unwrap();
        let line = |name: &str, kind: &str, executable: &str| {
            format!(
                r#"{{"reason": "compiler-artifact", "package_id": "path#a", "executable": {executable},
                    "target": {{"name": "{name}", "kind": ["{kind}"]}}}}"#
            )
        };
        let program = r#""/t/vectors-1""#;
        let expected =
            Built { package: "a".into(), dir: "/r/a".into(), program: "/t/vectors-1".into() };
        assert_eq!(built(&metadata, &line("vectors", "test", program)), Some(expected));
        assert_eq!(built(&metadata, &line("vectors", "bin", program)), None);
        assert_eq!(built(&metadata, &line("a", "bin", program)), None);
        assert_eq!(built(&metadata, &line("vectors", "test", "null")), None);
        assert_eq!(built(&metadata, r#"{"reason": "build-finished", "success": true}"#), None);
    }
}
