//! What the checks look at.
//!
//! Owns which files count: those git tracks or would track, so that a check sees a file before its
//! first commit and never sees what a build leaves behind. Recorded fixtures are kept byte for byte
//! and are not looked at. Reads everything once; checks only look.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Finding;
use super::source::Source;
use crate::call::Call;
use crate::metadata::Metadata;

/// Directories, at any depth, whose content is recorded data.
const RECORDED: [&str; 2] = ["corpus", "fixtures"];
/// Cases recorded from the predecessor, and beside them what reads them.
const VECTORS: &str = "vectors/";

pub(super) struct Tree {
    pub(super) metadata: Metadata,
    /// Of the programs that search, which are a workspace of their own.
    pub(super) fuzz: Metadata,
    /// Every file that is text, Rust files among them.
    pub(super) texts: Vec<Text>,
    /// Every Rust file that could be parsed.
    pub(super) sources: Vec<Source>,
}

#[derive(Debug)]
pub(super) struct Text {
    /// Below the workspace root.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Reads the tree below `root`; a Rust file that does not parse is a finding.
    pub(super) fn read(root: &Path) -> Result<(Self, Vec<Finding>)> {
        let metadata = Metadata::read(root)?;
        // Their lock file follows every change of a dependency of ours.
        let fuzz = Metadata::of(root, "fuzz/Cargo.toml").context(
            "the lock file of `fuzz/` may be behind: cargo update --workspace --manifest-path \
             fuzz/Cargo.toml",
        )?;
        let (mut texts, mut sources, mut findings) = (Vec::new(), Vec::new(), Vec::new());
        for path in tracked(root)? {
            let Some(text) = read_text(&root.join(&path))? else { continue };
            if path.ends_with(".rs") {
                match Source::parse(&path, &text) {
                    Ok(source) => sources.push(source),
                    Err(finding) => findings.push(finding),
                }
            }
            texts.push(Text { path, text });
        }
        Ok((Self { metadata, fuzz, texts, sources }, findings))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|text| text.path == path).map(|text| text.text.as_str())
    }
}

/// The first line, from 1, that satisfies `wanted`; 1 where none does.
pub(super) fn line_where(text: Option<&str>, wanted: impl FnMut(&str) -> bool) -> usize {
    text.and_then(|text| text.lines().position(wanted)).map_or(1, |at| at + 1)
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    // A checkout owned by another user is normal on a build machine, and listing runs no hooks.
    let list = Call::new(
        "git",
        &["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    );
    let mut paths: Vec<String> =
        list.text(root)?.split_terminator('\0').filter(|p| !recorded(p)).map(Into::into).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn recorded(path: &str) -> bool {
    (path.starts_with(VECTORS) && !path.ends_with(".rs"))
        || path.split('/').rev().skip(1).any(|dir| RECORDED.contains(&dir))
}

/// The file's text; `None` where it is gone, no plain file, or no text.
fn read_text(path: &Path) -> Result<Option<String>> {
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    let bytes =
        std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tree of the given files, with `metadata` in the shape cargo prints it.
    pub(in crate::tidy) fn tree(metadata: &str, files: &[(&str, &str)]) -> Tree {
        let texts = files.iter().map(|&(path, text)| Text { path: path.into(), text: text.into() });
        let sources = files
            .iter()
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, text)| Source::parse(path, text).unwrap());
        Tree {
            metadata: serde_json::from_str(metadata).unwrap(),
            fuzz: serde_json::from_str(r#"{"packages": []}"#).unwrap(),
            sources: sources.collect(),
            texts: texts.collect(),
        }
    }

    /// A tree of one Rust file.
    pub(in crate::tidy) fn file(path: &str, text: &str) -> Tree {
        tree(r#"{"packages": []}"#, &[(path, text)])
    }

    #[test]
    fn recorded_files_are_not_looked_at() {
        assert!(recorded("crates/a/tests/fixtures/v1/x.kj"));
        assert!(recorded("vectors/cron.json"));
        assert!(recorded("fuzz/corpus/segment/torn"));
        assert!(!recorded("vectors/harness.rs"));
        assert!(!recorded("crates/a/tests/vectors/main.rs"));
        assert!(!recorded("crates/a/tests/fixtures.rs"));
    }
}
