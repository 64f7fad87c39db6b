//! Which workspace a command is about.
//!
//! Owns finding it and the names of what lies below `.kairos/`. Never makes a directory.

use std::path::{Path, PathBuf};

use kairos_wire::client::Client;

use crate::output::{Exit, Failure, hint};

/// A workspace with its `.kairos/`.
#[derive(Clone, Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The named directory, else the nearest parent of the current one, that has `.kairos/`.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(dir) = named {
            let dir = std::path::absolute(dir).map_err(|error| nowhere(&error))?;
            if dir.join(".kairos").is_dir() {
                return Ok(Self(dir));
            }
            let message = format!("`{}` has no `.kairos` directory", dir.display());
            return Err(Failure::new(Exit::Usage, "no_root", message)
                .hint(format!("`kairos init {}` makes one", dir.display())));
        }
        let here = std::env::current_dir().map_err(|error| nowhere(&error))?;
        let found = here.ancestors().find(|dir| dir.join(".kairos").is_dir());
        found.map(|dir| Self(dir.to_owned())).ok_or_else(|| {
            let message = format!("no `.kairos` directory in `{}` or above it", here.display());
            Failure::new(Exit::Usage, "no_root", message).hint(hint::INIT)
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What must follow a command typed here so that it is about this workspace: nothing, or
    /// ` --root 'DIR'`.
    pub(crate) fn flag(&self) -> String {
        let here = Self::find(std::env::var_os("KAIROS_ROOT").as_deref().map(Path::new));
        let same = |root: &Self| root.path().canonicalize().ok() == self.0.canonicalize().ok();
        if here.is_ok_and(|root| same(&root)) {
            return String::new();
        }
        format!(" --root '{}'", self.0.display().to_string().replace('\'', "'\\''"))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path().join(".kairos/journal")
    }

    /// A client of this workspace's daemon.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.path().join(".kairos/run/kairos.sock"))
    }
}

fn nowhere(error: &std::io::Error) -> Failure {
    Failure::of(Exit::Usage, "no_root", error)
}
