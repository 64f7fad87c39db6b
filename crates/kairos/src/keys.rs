//! The key that signs a journal's checkpoints.
//!
//! Owns `.kairos/keys/`: `checkpoint.key` (0600, the signing key) and `checkpoint.pub` (the verifier
//! key, for whoever checks). Makes them once, together with the node's name, and never replaces one.
//! Never signs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kairos_core::id::{IdSource, NodeId, Seed};
use kairos_disk::RealFs;
use kairos_journal::checkpoint;
use kairos_journal::note::{NoteError, Signer, Verifier};
use rustix::rand::{GetRandomFlags, getrandom};

/// The files, below the root.
pub(crate) const KEY: &str = ".kairos/keys/checkpoint.key";
pub(crate) const PUBLIC: &str = ".kairos/keys/checkpoint.pub";

/// The longest text of a key.
const KEY_BYTES_MAX: u64 = 1024;

/// There is no key to be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("`{}` is there, and its key `{}` is not", public.display(), key.display())]
    PublicAlone { public: PathBuf, key: PathBuf },
    #[error("`{}` can be read by others", path.display())]
    Exposed { path: PathBuf },
    #[error("`{}` cannot be used", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: NoteError,
    },
    #[error("`{}` cannot be {doing}", path.display())]
    Io {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the journal's node cannot be read")]
    Journal {
        #[source]
        source: kairos_journal::ReadError,
    },
}

impl KeyError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::PublicAlone { public, .. } => {
                format!("put the key back, or move `{}` away to have a new one", public.display())
            }
            Self::Exposed { path } => format!("`chmod 600 {}`", path.display()),
            Self::Unusable { path, .. } => {
                format!("move `{}` away to have a new key at the next start", path.display())
            }
            Self::Io { .. } | Self::Journal { .. } => "`ls -l .kairos/keys .kairos/journal`".into(),
        }
    }
}

/// The key of the workspace at `root`, if one was made.
///
/// # Errors
/// One is there and cannot be used.
pub(crate) fn find(root: &Path) -> Result<Option<Signer>, KeyError> {
    let path = root.join(KEY);
    let text = match read(&path, |mode| mode & 0o077 == 0) {
        Ok(text) => text,
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let signer = Signer::read(text.trim_end_matches('\n'));
    signer.map(Some).map_err(|source| KeyError::Unusable { path, source })
}

/// The verifier key of the workspace at `root`.
///
/// # Errors
/// There is none, or it cannot be used.
pub(crate) fn public(root: &Path) -> Result<Verifier, KeyError> {
    let path = root.join(PUBLIC);
    let text = read(&path, |_| true)?;
    Verifier::read(text.trim_end_matches('\n'))
        .map_err(|source| KeyError::Unusable { path, source })
}

/// The key of the workspace at `root`, made now if there is none; whether it was.
///
/// # Errors
/// It cannot be used or made.
pub(crate) fn find_or_make(root: &Path) -> Result<(Signer, bool), KeyError> {
    let (key, public) = (root.join(KEY), root.join(PUBLIC));
    if let Some(signer) = find(root)? {
        if !public.exists() {
            // As a crash left it, between the two.
            put_public(&public, &signer)?;
        }
        return Ok((signer, false));
    }
    if public.exists() {
        return Err(KeyError::PublicAlone { public, key });
    }
    let signer = fresh(node(root)?);
    let dir = root.join(".kairos/keys");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.map_err(io(&dir, "made"))?;
    File::open(root.join(".kairos"))
        .and_then(|above| above.sync_all())
        .map_err(io(&dir, "synced"))?;
    // The key first: the other follows from it.
    put(&key, 0o600, &format!("{}\n", signer.secret())).map_err(io(&key, "written"))?;
    put_public(&public, &signer)?;
    Ok((signer, true))
}

fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path, doing, source }
}

fn put_public(path: &Path, signer: &Signer) -> Result<(), KeyError> {
    put(path, 0o644, &format!("{}\n", signer.verifier())).map_err(io(path, "written"))
}

/// The node a key is for, as its name says.
pub(crate) fn node_of(signer: &Signer) -> Option<NodeId> {
    signer.verifier().name().strip_prefix("kairos/")?.parse().ok()
}

/// The node of the journal that is there; a new one for a journal still to begin.
fn node(root: &Path) -> Result<NodeId, KeyError> {
    let begun = match RealFs.root(&root.join(".kairos/journal")) {
        Ok(dir) => {
            checkpoint::origin(&RealFs, &dir).map_err(|source| KeyError::Journal { source })?
        }
        Err(_) => None,
    };
    Ok(begun.unwrap_or_else(|| IdSource::new(kairos_engine::time(), Seed(random())).node()))
}

fn fresh(node: NodeId) -> Signer {
    Signer::new(&checkpoint::name(node), random()).expect("a node's name is one of a key")
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // So few bytes are never interrupted once the kernel's pool is ready (getrandom(2)), and this
    // waits until it is.
    getrandom(&mut bytes[..], GetRandomFlags::empty()).expect("the kernel gives random bytes");
    bytes
}

fn read(path: &Path, is_fine: impl Fn(u32) -> bool) -> Result<String, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), doing: "read", source };
    let file = File::open(path).map_err(io)?;
    if !is_fine(file.metadata().map_err(io)?.mode()) {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(KEY_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// Puts a file in place, whole or not at all, and durably.
fn put(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let temp = path.with_added_extension("tmp");
    match fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temp, path)?;
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert!(find(root).unwrap().is_none());
        let (made, new) = find_or_make(root).unwrap();
        let (again, newer) = find_or_make(root).unwrap();
        assert_eq!((new, newer), (true, false));
        assert_eq!(made.verifier(), again.verifier());
        assert_eq!(&public(root).unwrap(), made.verifier());
        assert!(node_of(&made).is_some());
        let mode = |name| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(KEY), mode(".kairos/keys")), (0o600, 0o700));
    }

    #[test]
    fn whatever_a_crash_leaves_of_making_a_key_the_next_start_has_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        // Half of a key that never got its name.
        fs::create_dir_all(root.join(".kairos/keys")).unwrap();
        fs::write(root.join(".kairos/keys/checkpoint.key.tmp"), "PRIVATE+K").unwrap();
        let (made, new) = find_or_make(root).unwrap();
        assert!(new);
        // The key, and not what follows from it; of that, half.
        fs::rename(root.join(PUBLIC), root.join(".kairos/keys/checkpoint.pub.tmp")).unwrap();
        assert!(public(root).is_err());
        let (again, new) = find_or_make(root).unwrap();
        assert_eq!((again.verifier(), new), (made.verifier(), false));
        assert_eq!(&public(root).unwrap(), made.verifier());
        let names = fs::read_dir(root.join(".kairos/keys")).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["checkpoint.key", "checkpoint.pub"]);
    }

    #[test]
    fn a_key_that_others_read_or_that_is_gone_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        find_or_make(root).unwrap();
        let key = root.join(KEY);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(find_or_make(root), Err(KeyError::Exposed { .. })));
        fs::remove_file(&key).unwrap();
        assert!(matches!(find_or_make(root), Err(KeyError::PublicAlone { .. })));
        put(&key, 0o600, "PRIVATE+KEY+nonsense\n").unwrap();
        let error = find_or_make(root).unwrap_err();
        assert!(matches!(error, KeyError::Unusable { .. }), "{error}");
    }
}
