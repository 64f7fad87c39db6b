//! Who confines.
//!
//! Owns the seam between a case and a sandbox: a driver turns a command and a policy into the command to
//! be started. All are started alike, as the agent, in the workspace, with the same careless surroundings.

mod bwrap;
mod codex;
mod control;
pub(crate) mod kairos;
mod nsjail;

use std::ffi::OsString;
use std::path::Path;

use crate::case::Case;

pub(crate) trait Driver {
    fn name(&self) -> &'static str;

    /// Why it is not there.
    fn missing(&self) -> Option<String>;

    /// The program to be started and its arguments.
    fn command(&self, case: &Case, argv: &[OsString]) -> Vec<OsString>;

    /// Where it keeps what is its own, outside: no effect of the command.
    fn keeps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it ends what takes too long by itself.
    fn has_clock(&self) -> bool {
        false
    }
}

/// The control, which is none, and then all others in the order of the matrix.
pub(crate) fn all() -> Vec<Box<dyn Driver>> {
    vec![
        Box::new(control::Control),
        Box::new(kairos::Kairos),
        Box::new(bwrap::Bwrap),
        Box::new(nsjail::Nsjail),
        Box::new(codex::Codex),
    ]
}

/// Where a program of the machine is.
fn find(name: &str) -> Option<std::path::PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin", crate::arena::PROGRAMS]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.is_file())
}

fn missing(name: &str) -> Option<String> {
    find(name).is_none().then(|| format!("`{name}` is not installed"))
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Directories of programs at the root, and where each leads if it is a link.
fn program_dirs() -> Vec<(String, Option<String>)> {
    ["bin", "sbin", "lib", "lib32", "lib64"]
        .iter()
        .map(|name| format!("/{name}"))
        .filter(|path| Path::new(path).exists())
        .map(|path| {
            let target = std::fs::read_link(&path).ok();
            (path, target.map(|target| target.display().to_string()))
        })
        .collect()
}
