//! What of a workspace a command may not change, and what it may not see.
//!
//! Owns the walk that applies the gate's own table ([`Scopes`]) to the names that are there: the
//! daemon's own files, files with secrets and environment files are hidden wherever they are found;
//! what is l0 by its name, within two levels of the root, is read-only. The table is the gate's alone,
//! and so is the judgement of what a command changed: this is the wall before it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use kairos_core::gate::scope::{Classified, Reason, Scope, Scopes};
use kairos_core::path::RelPath;
use kairos_disk::fs::{FileKind, Stat};
use kairos_disk::{Fs, RealFs};
use kairos_sandbox::{PathRule, WriteMode};

use super::NotResolved;

/// Entries looked at. With more of them the command is refused: who fills a workspace must not bring
/// to light what lies behind.
const ENTRIES_MAX: usize = 200_000;

/// How deep directories may stand in each other.
const DEPTH_MAX: usize = 16;

/// How deep a name is protected for its own sake. Below, the gate alone judges: each one more fixes
/// every directory on the way, which then cannot be renamed.
const PROTECTED_DEPTH: usize = 2;

const PROTECTED_MAX: usize = 256;
const HIDDEN_MAX: usize = 512;

/// Directories that hold what tools made, and as many entries as nothing else does. By name alone: a
/// mark in a directory could be put there to have it passed over.
const HEAVY: [&str; 5] = [".git", "node_modules", ".venv", "__pycache__", "target"];

/// What of a repository a command that writes to it has no business with.
const REPOSITORY: [&str; 5] = ["hooks", "config", "config.worktree", "info", "modules"];

const SEARCHED: &str = "files and directories would have to be searched for what is to be hidden";
const HIDDEN: &str = "paths of the workspace would have to be hidden from a command";

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Guarded {
    pub(super) protect: Vec<PathRule>,
    pub(super) hide: Vec<PathRule>,
}

/// The daemon's directory, which is looked at first.
const OWN: &str = ".kairos";

impl Guarded {
    /// Looks at a workspace for commands that run as `payload`, where that is not who looks.
    pub(super) fn look(
        workspace: &Path,
        scopes: &Scopes,
        payload: Option<u32>,
    ) -> Result<Self, NotResolved> {
        Self::within(ENTRIES_MAX, workspace, scopes, payload)
    }

    fn within(
        max: usize,
        workspace: &Path,
        scopes: &Scopes,
        payload: Option<u32>,
    ) -> Result<Self, NotResolved> {
        let root = RealFs.root(workspace).map_err(NotResolved::Look)?;
        let (mut found, mut entries) = (Self::default(), 0);
        // Breadth first: what stands higher is protected before the bound on that is met.
        let mut open = VecDeque::from([(PathBuf::new(), 0)]);
        if workspace.join(OWN).is_symlink() || is_shut(&root, Path::new(OWN), payload) {
            // Behind a link none of its parts has its name; and what is shut is shown as nothing rather
            // than as a refusal, on which whatever walks a workspace would stumble.
            found.hide.push(PathRule::optional(workspace.join(OWN)));
        } else {
            found.takes(workspace, Path::new(OWN), 1, scopes);
            open.push_front((PathBuf::from(OWN), 1));
        }
        while let Some((dir, depth)) = open.pop_front() {
            // One more than may be looked at tells that there are more.
            let names = listed(&root, &dir, max - entries + 1, payload);
            entries += names.len();
            if entries > max {
                return Err(NotResolved::Crowded { max, what: SEARCHED });
            }
            for (name, stat) in names {
                let path = dir.join(&name);
                let is_dir = stat.kind == FileKind::Directory;
                if path == Path::new(OWN)
                    || found.takes(workspace, &path, depth + 1, scopes)
                    || !is_dir
                {
                    continue;
                }
                let heavy = HEAVY.iter().any(|heavy| name == *heavy);
                if depth + 1 < DEPTH_MAX && !heavy {
                    open.push_back((path, depth + 1));
                }
            }
            if found.hide.len() > HIDDEN_MAX {
                return Err(NotResolved::Crowded { max: HIDDEN_MAX, what: HIDDEN });
            }
        }
        Ok(found)
    }

    /// Notes what the table says of a path; true where nothing below it is left to look at.
    fn takes(&mut self, workspace: &Path, path: &Path, depth: usize, scopes: &Scopes) -> bool {
        // What cannot be said as a path of ours cannot be reached by one either.
        let Ok(rel) = RelPath::from_bytes(path.as_os_str().as_bytes()) else { return false };
        let rule = || PathRule::optional(workspace.join(path));
        match scopes.classify(&rel) {
            Classified::Refused { .. } | Classified::Scoped { reason: Reason::Environment, .. } => {
                self.hide.push(rule());
                true
            }
            // What an operator raised waits for a decision; it is no wall to a command.
            Classified::Scoped { reason: Reason::Raised { .. }, .. } => false,
            Classified::Scoped { scope: Scope::L0, .. }
                if depth <= PROTECTED_DEPTH && self.protect.len() < PROTECTED_MAX =>
            {
                let inside = self.protect.iter().any(|above| rule().path.starts_with(&above.path));
                if !inside {
                    self.protect.push(rule());
                }
                false
            }
            Classified::Scoped { .. } => false,
        }
    }

    /// The same for a command that writes in this mode: one that writes directly is a commit, and
    /// writes to the repository.
    pub(super) fn for_mode(&self, workspace: &Path, mode: WriteMode) -> Self {
        let mut guarded = self.clone();
        if mode == WriteMode::Direct {
            let git = workspace.join(".git");
            guarded.protect.retain(|rule| rule.path != git);
            guarded.protect.extend(REPOSITORY.map(|name| PathRule::optional(git.join(name))));
        }
        guarded
    }
}

/// Whether somebody else cannot enter a directory.
fn is_shut(root: &<RealFs as Fs>::Dir, dir: &Path, payload: Option<u32>) -> bool {
    /// Searching for the group, which bounds every access list too, and for others.
    const SEARCH: u32 = 0o011;
    let Some(payload) = payload else { return false };
    let own = RealFs.open_dir(root, dir).and_then(|dir| RealFs.stat_dir(&dir));
    own.is_ok_and(|own| own.uid != payload && own.mode & SEARCH == 0)
}

/// What is in a directory, as far as there is room; nothing where it cannot be listed, for then the
/// command cannot see into it either, or it is a link. What `payload` cannot enter needs no wall, and
/// nothing in it could be reached to put one up.
fn listed(
    root: &<RealFs as Fs>::Dir,
    dir: &Path,
    room: usize,
    payload: Option<u32>,
) -> Vec<(OsString, Stat)> {
    if is_shut(root, dir, payload) {
        return Vec::new();
    }
    let names = || -> io::Result<Vec<(OsString, Stat)>> {
        let dir = RealFs.open_dir(root, dir)?;
        let mut names = Vec::new();
        RealFs.each_name(&dir, &mut |name| {
            if names.len() < room {
                names.push(name.to_owned());
            }
        })?;
        // A policy is the same text for the same workspace.
        names.sort_unstable();
        let stat = |name: OsString| {
            let stat = RealFs.stat(&dir, &name).ok()?;
            Some((name, stat))
        };
        Ok(names.into_iter().filter_map(stat).collect())
    };
    names().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_whole_is_refused_and_what_tools_made_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/b/.env", "c/d", "node_modules/x/.env", "target/.env"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let look = |max| Guarded::within(max, dir.path(), &Scopes::default(), None);
        assert_eq!(look(7).unwrap().hide, [PathRule::optional(dir.path().join("a/b/.env"))]);
        assert!(matches!(look(6), Err(NotResolved::Crowded { max: 6, .. })));
    }
}
