//! Where a command is to stand.
//!
//! Owns the workspace and the working directory of one command, and whether a spelling stays inside.
//! Never touches the disk. In the flow: made by the caller, read by every check of an argv.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::repository::RepositoryConfig;
use crate::kind::Kind;

/// A workspace, a directory in it, and what is known of the repository there.
#[derive(Clone, Debug)]
pub struct Place {
    workspace: PathBuf,
    cwd: PathBuf,
    home: Option<PathBuf>,
    repository: Option<RepositoryConfig>,
}

/// Why a command cannot stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("the workspace `{}` is no absolute path", .workspace.display())]
    Workspace { workspace: PathBuf },
    #[error("the working directory `{}` is no absolute path", .cwd.display())]
    Relative { cwd: PathBuf },
    #[error("the working directory `{}` is not in the workspace `{}`", .cwd.display(), .workspace.display())]
    Outside { cwd: PathBuf, workspace: PathBuf },
}

impl PlaceError {
    pub fn kind(&self) -> Kind {
        Kind::Refused
    }
}

impl Place {
    /// Takes a working directory that is inside the workspace by its spelling; both absolute.
    pub fn new(workspace: impl Into<PathBuf>, cwd: impl Into<PathBuf>) -> Result<Self, PlaceError> {
        let (workspace, cwd) = (workspace.into(), cwd.into());
        if !workspace.is_absolute() {
            return Err(PlaceError::Workspace { workspace });
        }
        if !cwd.is_absolute() {
            return Err(PlaceError::Relative { cwd });
        }
        let workspace = plain(&workspace);
        match plain(&cwd) {
            plain if plain.starts_with(&workspace) => {
                Ok(Self { workspace, cwd: plain, home: None, repository: None })
            }
            _ => Err(PlaceError::Outside { cwd, workspace }),
        }
    }

    /// Adds the home directory, an absolute path, that toolchains are read from.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Adds what the repository's configuration says.
    #[must_use]
    pub fn with_repository(mut self, repository: RepositoryConfig) -> Self {
        self.repository = Some(repository);
        self
    }

    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    pub fn repository(&self) -> Option<&RepositoryConfig> {
        self.repository.as_ref()
    }

    /// Whether a spelling, read from the working directory, stays in the workspace.
    pub(crate) fn holds(&self, spelled: &OsStr) -> bool {
        self.inside(spelled).is_some()
    }

    /// The path relative to the workspace that a spelling names, unless it leads out.
    pub(crate) fn inside(&self, spelled: &OsStr) -> Option<PathBuf> {
        let whole = plain(&self.cwd.join(Path::new(spelled)));
        whole.strip_prefix(&self.workspace).ok().map(Path::to_owned)
    }

    /// The directory above the workspace, as bytes for an environment variable.
    pub(crate) fn above(&self) -> &OsStr {
        self.workspace.parent().map_or(OsStr::from_bytes(b"/"), Path::as_os_str)
    }
}

/// The path with `.` and `..` taken away by spelling. `..` at the root stays at the root.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_inside_its_workspace() {
        let cwd = |workspace, cwd| Place::new(workspace, cwd).map(|place| place.cwd);
        assert_eq!(cwd("/w", "/w"), Ok("/w".into()));
        assert_eq!(cwd("/w/", "/w/./a/../b"), Ok("/w/b".into()));
        assert_eq!(cwd("/", "/tmp"), Ok("/tmp".into()));
        let outside = |cwd: &str| PlaceError::Outside { cwd: cwd.into(), workspace: "/w".into() };
        assert_eq!(cwd("/w", "/wx"), Err(outside("/wx")));
        assert_eq!(cwd("/w", "/w/../etc"), Err(outside("/w/../etc")));
        assert_eq!(cwd("/w", "a"), Err(PlaceError::Relative { cwd: "a".into() }));
        assert_eq!(cwd("w", "/w"), Err(PlaceError::Workspace { workspace: "w".into() }));
    }

    #[test]
    fn a_spelling_is_read_from_the_working_directory() {
        let place = Place::new("/w", "/w/a").unwrap();
        assert_eq!(place.inside(OsStr::new("../b")), Some("b".into()));
        assert_eq!(place.inside(OsStr::new("/w/c")), Some("c".into()));
        assert_eq!(place.inside(OsStr::new("../../w/c")), Some("c".into()));
        assert_eq!(place.inside(OsStr::new("../../c")), None);
    }
}
