//! The search for inputs nobody thought of.
//!
//! Owns how libFuzzer is started on each target. Installs nothing: it needs a nightly compiler, and
//! without one the corpus is mutated by a test all the same.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::Verdict;
use crate::call::Call;

/// The part that this belongs to.
pub(super) const PART: &str = "fuzz";

const SECONDS: u64 = 60;

/// Searches with every target of `fuzz/`, if cargo-fuzz is there.
pub(super) fn search(root: &Path, times: u64) -> Result<Verdict> {
    let fuzz = |args: &[&str]| Call::cargo(&[&["+nightly", "fuzz"], args].concat());
    if !fuzz(&["--version"]).works(root) {
        eprintln!("cargo-fuzz or a nightly compiler is missing: the corpus was mutated, no more");
        return Ok(Verdict::Good);
    }
    let limit = format!("-max_total_time={}", SECONDS * times);
    let mut verdict = Verdict::Good;
    for target in targets(root)? {
        let search = fuzz(&["run", &target, "--", &limit]);
        let answer = search.read(root)?;
        if !answer.good {
            verdict = Verdict::Bad;
            eprintln!("── {search} found something\n{}", answer.stderr);
        }
    }
    Ok(verdict)
}

/// By their corpus, which every target has.
fn targets(root: &Path) -> Result<Vec<String>> {
    let corpus = root.join("fuzz/corpus");
    let names = std::fs::read_dir(&corpus)
        .with_context(|| format!("`{}`", corpus.display()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}
