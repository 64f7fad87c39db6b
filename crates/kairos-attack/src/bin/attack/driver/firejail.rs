//! firejail, without a profile of its own for the program.
//!
//! Owns the options: its namespaces, its default filter, no network.

use std::ffi::OsString;

use super::{Driver, find, words};
use crate::arena::PROGRAMS;
use crate::case::Case;
use crate::world::WORKSPACE;

pub(super) struct Firejail;

/// A copy that belongs to the arena's root and may become it: the machine's own root is nobody in here.
const PROGRAM: &str = "firejail";

impl Driver for Firejail {
    fn name(&self) -> &'static str {
        "firejail"
    }

    fn missing(&self) -> Option<String> {
        find(PROGRAM).is_none().then(|| "`firejail` is not installed".to_owned())
    }

    fn command(&self, _case: &Case, argv: &[OsString]) -> Vec<OsString> {
        let mut all = words(&[&format!("{PROGRAMS}/{PROGRAM}")]);
        let whitelist = format!("--whitelist={WORKSPACE}");
        all.extend(words(&[
            "--quiet",
            "--noprofile",
            "--caps.drop=all",
            "--nonewprivs",
            "--noroot",
        ]));
        all.extend(words(&[
            "--seccomp",
            "--net=none",
            "--private-dev",
            "--private-tmp",
            &whitelist,
            "--",
        ]));
        all.extend(argv.iter().cloned());
        all
    }
}
