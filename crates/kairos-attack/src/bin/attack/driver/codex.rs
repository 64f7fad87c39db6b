//! codex, by its own command for trying a sandbox.
//!
//! Owns the profile: the one that lets an agent write its workspace.

use std::ffi::OsString;

use super::{Driver, missing, words};
use crate::case::Case;

pub(super) struct Codex;

impl Driver for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn missing(&self) -> Option<String> {
        missing("codex")
    }

    fn keeps(&self) -> &'static [&'static str] {
        &["/srv/agent/.codex", "/tmp/codex-"]
    }

    fn command(&self, _case: &Case, argv: &[OsString]) -> Vec<OsString> {
        let mut all = words(&["codex", "sandbox", "-c", "sandbox_mode=\"workspace-write\"", "--"]);
        all.extend(argv.iter().cloned());
        all
    }
}
