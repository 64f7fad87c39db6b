//! What stands in the files outside.
//!
//! Owns one look at everything that an attempt must leave alone, and the comparison of two. Follows no
//! link. Of the workspace it looks at what is protected, and at what would be dangerous to others: set-id
//! bits, devices and capabilities.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::world::{self, WATCHED, WORKSPACE};

/// Bytes of one file that are compared; its times and size are compared besides.
const BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: char,
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    size: u64,
    changed: (i64, i64),
    bytes: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn take() -> Result<Self> {
        let mut found = BTreeMap::new();
        for dir in WATCHED {
            look(Path::new(dir), &mut found)?;
        }
        Ok(Self(found))
    }

    /// What differs, as a person would say it.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<String> {
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path));
        let gone = gone.map(|path| format!("{} is gone", path.display()));
        let new = self.0.iter().filter_map(|(path, entry)| match before.0.get(path) {
            None => Some(format!("{} is new ({})", path.display(), entry.kind)),
            Some(old) => difference(old, entry).map(|what| format!("{}: {what}", path.display())),
        });
        gone.chain(new).collect()
    }
}

fn difference(old: &Entry, new: &Entry) -> Option<&'static str> {
    let of = [
        (old.kind != new.kind, "another kind"),
        (old.bytes != new.bytes || old.size != new.size, "other bytes"),
        (old.mode != new.mode, "another mode"),
        (old.owner != new.owner, "another owner"),
        (old.links != new.links, "other links"),
        (old.inode != new.inode, "another file"),
        (old.changed != new.changed, "changed"),
    ];
    of.into_iter().find_map(|(differs, what)| differs.then_some(what))
}

fn look(path: &Path, found: &mut BTreeMap<PathBuf, Entry>) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
    let kind = meta.file_type();
    let shape = match kind {
        _ if kind.is_dir() => 'd',
        _ if kind.is_symlink() => 'l',
        _ if kind.is_fifo() => 'p',
        _ if kind.is_socket() => 's',
        _ if kind.is_char_device() || kind.is_block_device() => 'c',
        _ => 'f',
    };
    // A directory's own size, links and times change with what is in it, which is looked at itself.
    let own = shape != 'd';
    let bytes = match shape {
        'l' => fs::read_link(path).unwrap_or_default().into_os_string().into_encoded_bytes(),
        'f' if meta.size() <= BYTES_MAX => fs::read(path).unwrap_or_default(),
        _ => Vec::new(),
    };
    let entry = Entry {
        kind: shape,
        inode: meta.ino(),
        mode: meta.mode(),
        owner: (meta.uid(), meta.gid()),
        links: if own { meta.nlink() } else { 0 },
        size: if own { meta.size() } else { 0 },
        changed: if own { (meta.ctime(), meta.ctime_nsec()) } else { (0, 0) },
        bytes,
    };
    if counts(path, &entry) {
        found.insert(path.to_owned(), entry);
    }
    if shape == 'd' {
        for below in fs::read_dir(path).into_iter().flatten() {
            look(&below?.path(), found)?;
        }
    }
    Ok(())
}

fn counts(path: &Path, entry: &Entry) -> bool {
    if path == Path::new(WORKSPACE) {
        return false;
    }
    let dangerous = entry.kind == 'c' || (entry.kind == 'f' && entry.mode & 0o6000 != 0) || {
        let mut value = [0_u8; 64];
        entry.kind == 'f'
            && path.starts_with(WORKSPACE)
            && rustix::fs::lgetxattr(path, "security.capability", &mut value).is_ok()
    };
    dangerous || world::is_protected(path) || path == Path::new(WORKSPACE).join(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: u32, bytes: &[u8]) -> Entry {
        let bytes = bytes.to_vec();
        Entry {
            kind: 'f',
            inode: 1,
            mode,
            owner: (0, 0),
            links: 1,
            size: 1,
            changed: (0, 0),
            bytes,
        }
    }

    #[test]
    fn what_is_new_gone_or_different_is_named() {
        let snapshot = |entries: &[(&str, Entry)]| {
            Snapshot(entries.iter().map(|(path, entry)| ((*path).into(), entry.clone())).collect())
        };
        let before = snapshot(&[("/a", entry(0o644, b"1")), ("/b", entry(0o644, b"1"))]);
        let after = snapshot(&[("/a", entry(0o755, b"1")), ("/c", entry(0o644, b"1"))]);
        let expected = ["/b is gone", "/a: another mode", "/c is new (f)"];
        assert_eq!(after.changes_since(&before), expected);
    }
}
