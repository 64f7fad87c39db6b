//! Making a workspace kairos can work in.
//!
//! Owns the layout of `.kairos/` and the commented files a new workspace starts with. Never
//! overwrites anything.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::env;

/// What `init` did and found.
#[derive(Debug)]
pub(crate) struct Made {
    /// Files written; those that were there are left as they are.
    pub(crate) written: Vec<&'static str>,
    pub(crate) is_git: bool,
    /// Names of API keys in the environment.
    pub(crate) keys: Vec<&'static str>,
}

/// The workspace cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make `{}`", path.display())]
pub(crate) struct InitError {
    path: PathBuf,
    pub(crate) source: io::Error,
}

const DIRECTORIES: [&str; 7] = ["", "config", "journal", "blobs", "run", "logs", "knowledge"];
const FILES: [(&str, &str); 4] = [
    ("config/daemon.yml", include_str!("init/daemon.yml")),
    ("config/schedules.yml", include_str!("init/schedules.yml")),
    ("config/secrets.yml", include_str!("init/secrets.yml")),
    (".gitignore", "/run/\n/journal/\n/blobs/\n/logs/\n/state/\n"),
];

/// Makes what is missing in `root`.
///
/// # Errors
/// Something cannot be written; what was made before stays.
pub(crate) fn init(root: &Path) -> Result<Made, InitError> {
    fs::create_dir_all(root).map_err(at(root))?;
    let kairos = root.join(".kairos");
    for name in DIRECTORIES {
        let dir = kairos.join(name);
        let made = DirBuilder::new().mode(0o700).create(&dir);
        exists_is_fine(made).map_err(at(&dir))?;
    }
    let mut written = Vec::new();
    for (name, text) in FILES {
        let file = kairos.join(name);
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        match new {
            Ok(mut out) => {
                out.write_all(text.as_bytes()).map_err(at(&file))?;
                written.push(name);
            }
            Err(error) => exists_is_fine(Err(error)).map_err(at(&file))?,
        }
    }
    let keys = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"];
    Ok(Made {
        written,
        is_git: root.join(".git").exists(),
        keys: keys.into_iter().filter(|key| env::variable(key).is_some()).collect(),
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    move |source| InitError { path: path.to_owned(), source }
}

fn exists_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
