//! bubblewrap, as agents use it.
//!
//! Owns the profile: all namespaces, programs read-only, the workspace writable, and nothing else of the
//! machine. No filter of system calls: those who use it bring their own or none.

use std::ffi::OsString;

use super::{Driver, missing, program_dirs, words};
use crate::arena::PROGRAMS;
use crate::case::{Case, Writes};
use crate::world::WORKSPACE;

pub(super) struct Bwrap;

impl Driver for Bwrap {
    fn name(&self) -> &'static str {
        "bwrap"
    }

    fn missing(&self) -> Option<String> {
        missing("bwrap")
    }

    fn command(&self, case: &Case, argv: &[OsString]) -> Vec<OsString> {
        let wish = &case.wish;
        let mut all = words(&["bwrap", "--unshare-all", "--die-with-parent", "--new-session"]);
        all.extend(words(&["--ro-bind", "/usr", "/usr"]));
        for (path, target) in program_dirs() {
            match target {
                Some(target) => all.extend(words(&["--symlink", &target, &path])),
                None => all.extend(words(&["--ro-bind", &path, &path])),
            }
        }
        for path in ["/etc/ld.so.cache", "/etc/alternatives"] {
            all.extend(words(&["--ro-bind-try", path, path]));
        }
        all.extend(words(&["--ro-bind", PROGRAMS, PROGRAMS]));
        all.extend(words(&["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]));
        let bind = if wish.writes == Writes::ReadOnly { "--ro-bind" } else { "--bind" };
        all.extend(words(&[bind, WORKSPACE, WORKSPACE]));
        for below in wish.also {
            let path = format!("{WORKSPACE}/{below}");
            all.extend(words(&["--bind", &path, &path]));
        }
        all.extend(words(&["--chdir", WORKSPACE, "--"]));
        all.extend(argv.iter().cloned());
        all
    }
}
