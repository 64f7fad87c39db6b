//! The rules of the house that a compiler does not know.
//!
//! Owns the list of checks and how findings are shown. One check is one file and one pure function
//! from the tree to findings; none of them writes, builds or repairs anything.
//!
//! | check | holds |
//! |---|---|
//! | `edges` | which crate may depend on which |
//! | `licences` | permissive licences all the way down |
//! | `dependencies` | a reason for every direct dependency |
//! | `headers` | what a module owns, and why a file is long |
//! | `sizes` | functions fit a screen, structs have few fields |
//! | `words` | retired words are not names |
//! | `hooks` | nothing in production exists for tests |
//! | `marks` | nothing silenced, nothing left open |
//! | `ledger` | where a ledger may be opened |
//! | `text` | no trailing blanks, no paths of somebody's machine |

mod dependencies;
mod edges;
mod headers;
mod hooks;
mod ledger;
mod licences;
mod marks;
mod sizes;
mod source;
mod spdx;
mod text;
mod tree;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::Verdict;
use tree::Tree;

const CHECKS: [fn(&Tree) -> Vec<Finding>; 10] = [
    edges::check,
    licences::check,
    dependencies::check,
    headers::check,
    sizes::check,
    words::check,
    hooks::check,
    marks::check,
    ledger::check,
    text::check,
];

/// One place where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Below the workspace root.
    file: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    reason: String,
}

impl Finding {
    fn new(file: &str, line: usize, rule: &'static str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, rule, reason: reason.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.reason)
    }
}

/// Runs every check and prints what it found, file by file.
pub(crate) fn tidy(root: &Path) -> Result<Verdict> {
    let (tree, mut findings) = Tree::read(root)?;
    findings.extend(CHECKS.iter().flat_map(|check| check(&tree)));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files, nothing to say", tree.texts.len());
            Ok(Verdict::Good)
        }
        1 => {
            println!("tidy: 1 finding");
            Ok(Verdict::Bad)
        }
        n => {
            println!("tidy: {n} findings");
            Ok(Verdict::Bad)
        }
    }
}
