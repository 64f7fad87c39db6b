//! `cargo xtask civil`: slots compared with an oracle around changes of the clock.
//!
//! Owns how long is searched. Compares nothing itself: a test of the core does, prints its seed and
//! its counts, and fails on one mismatch.

use std::path::Path;

use anyhow::Result;

use crate::Verdict;
use crate::call::Call;

/// Seconds of search that every change has to pass; building comes on top.
const SECONDS: &str = "90";

pub(crate) fn civil(root: &Path, nightly: bool) -> Result<Verdict> {
    Ok(if call(nightly).show(root)? { Verdict::Good } else { Verdict::Bad })
}

/// A random part of all changes of the clock, or at night all of them, by every name.
fn call(nightly: bool) -> Call {
    // Every test asks for the whole workspace, so that nothing is built again for another selection.
    let args = ["test", "--workspace", "--locked", "--test", "civil", "--", "--nocapture"];
    let call = Call::cargo(&args);
    if nightly {
        call.var("KAIROS_CIVIL_ALL", "1")
    } else {
        call.var("KAIROS_CIVIL_SECONDS", SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_night_nothing_is_left_out() {
        let test = "cargo test --workspace --locked --test civil -- --nocapture";
        assert_eq!(call(false).to_string(), format!("KAIROS_CIVIL_SECONDS=90 {test}"));
        assert_eq!(call(true).to_string(), format!("KAIROS_CIVIL_ALL=1 {test}"));
    }
}
