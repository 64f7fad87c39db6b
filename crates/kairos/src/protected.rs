//! What no act may touch or show: the daemon's own directories, its configuration and the files that
//! hold secrets.
//!
//! Owns both ways of knowing them: by path, for the gate, and by identity, for the file effects, to
//! whom a path through a link or another name of the root is as good as any. Never reads one.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kairos_core::path::RelPath;
use kairos_disk::fs::Identity;
use kairos_effects::file;

/// Files that are protected whatever leads to them; clones share the list.
#[derive(Clone, Default)]
pub(crate) struct ProtectedFiles(Arc<Mutex<Vec<PathBuf>>>);

impl ProtectedFiles {
    /// Replaces the list.
    pub(crate) fn set<'a>(&self, files: impl Iterator<Item = &'a Path>) {
        let files = files.map(Path::to_owned).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// Looks the files up anew at each effect: a secret that is rotated is another file then.
    pub(crate) fn with(&self, directories: Vec<Identity>) -> file::Protected {
        let files = self.clone();
        Box::new(move || {
            let files = files.0.lock().unwrap_or_else(PoisonError::into_inner);
            let identities = files.iter().filter_map(|file| identity(file));
            directories.iter().copied().chain(identities).collect()
        })
    }
}

/// The identity of the file that `path` leads to; `None` when there is none or nobody can say.
fn identity(path: &Path) -> Option<Identity> {
    let about = path.metadata().ok()?;
    Some(Identity { device: about.dev(), inode: about.ino() })
}

/// The workspace paths of `files`, as they are spelled and as they resolve. `root` is resolved.
///
/// A file outside the workspace has none, and is out of every act's reach.
pub(crate) fn paths_in<'a>(root: &Path, files: impl Iterator<Item = &'a Path>) -> Vec<RelPath> {
    let spellings = files.flat_map(|file| [Some(file.to_owned()), resolved(file)]).flatten();
    let inside = |path: PathBuf| {
        let below = path.strip_prefix(root).ok()?.as_os_str().as_bytes().to_owned();
        RelPath::from_bytes(&below).ok()
    };
    let mut paths: Vec<RelPath> = spellings.filter_map(inside).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// `path` over no link, as far as it exists.
fn resolved(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|above| {
        let missing = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(missing))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_has_the_paths_of_its_spelling_and_of_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("w");
        fs::create_dir_all(root.join("real")).unwrap();
        fs::write(root.join("real/key"), "k").unwrap();
        symlink("real", root.join("creds")).unwrap();
        symlink("w", dir.path().join("other")).unwrap();
        let outside = dir.path().join("key");
        for (file, expected) in [
            (root.join("real/key"), vec!["real/key"]),
            (root.join("creds/key"), vec!["creds/key", "real/key"]),
            (root.join("creds/later/key"), vec!["creds/later/key", "real/later/key"]),
            (root.join("x/../real/key"), vec!["real/key"]),
            (dir.path().join("other/creds/key"), vec!["real/key"]),
            (outside, vec![]),
        ] {
            let paths = paths_in(&root, [file.as_path()].into_iter());
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            assert_eq!(paths, expected, "{}", file.display());
        }
    }
}
