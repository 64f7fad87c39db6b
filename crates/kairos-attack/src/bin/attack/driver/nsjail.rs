//! nsjail, with its own limits.
//!
//! Owns the profile: programs read-only, the workspace writable, its default limits, a clean environment.

use std::ffi::OsString;

use super::{Driver, find, missing, program_dirs, words};
use crate::arena::PROGRAMS;
use crate::case::{Case, Writes};
use crate::world::WORKSPACE;

pub(super) struct Nsjail;

impl Driver for Nsjail {
    fn name(&self) -> &'static str {
        "nsjail"
    }

    fn missing(&self) -> Option<String> {
        missing("nsjail")
    }

    fn keeps(&self) -> &'static [&'static str] {
        &["/tmp/nsjail.1000."]
    }

    fn command(&self, case: &Case, argv: &[OsString]) -> Vec<OsString> {
        let wish = &case.wish;
        let program = find("nsjail").map(OsString::from).unwrap_or_default();
        let mut all = vec![program];
        let seconds = wish.bounds.wall_ms.div_ceil(1000).to_string();
        all.extend(words(&["-Mo", "--really_quiet", "--time_limit", &seconds]));
        all.extend(words(&[
            "--rlimit_fsize",
            &wish.bounds.file_mib.to_string(),
            "--rlimit_nofile",
            &wish.bounds.files.to_string(),
        ]));
        all.extend(words(&["-R", "/usr"]));
        for (path, target) in program_dirs() {
            match target {
                Some(target) => all.extend(words(&["-s", &format!("{target}:{path}")])),
                None => all.extend(words(&["-R", &path])),
            }
        }
        all.extend(words(&["-R", "/etc/ld.so.cache", "-R", "/etc/alternatives", "-R", PROGRAMS]));
        all.extend(words(&[
            "-R",
            "/dev/null",
            "-R",
            "/dev/zero",
            "-R",
            "/dev/urandom",
            "-T",
            "/tmp",
        ]));
        let bind = if wish.writes == Writes::ReadOnly { "-R" } else { "-B" };
        all.extend(words(&[bind, WORKSPACE]));
        for below in wish.also {
            all.extend(words(&["-B", &format!("{WORKSPACE}/{below}")]));
        }
        all.extend(words(&["--cwd", WORKSPACE, "--"]));
        let mut argv = argv.to_vec();
        if let Some(path) = argv[0].to_str().filter(|name| !name.contains('/')).and_then(find) {
            argv[0] = path.into();
        }
        all.extend(argv);
        all
    }
}
