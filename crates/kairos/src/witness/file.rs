//! A checkpoint in a file.
//!
//! Owns replacing it whole or not at all. Never makes a directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Refused;

/// Puts `note` at `path`, synced.
pub(crate) fn write(path: &Path, note: &str) -> Result<(), Refused> {
    replace(path, note.as_bytes(), 0o644)
        .map_err(|source| Refused::File { path: path.to_owned(), source })
}

/// Replaces `path` by `bytes`, whole or not at all, synced.
///
/// # Errors
/// The system's; what was there stays then.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}.new", std::process::id()));
    let new: PathBuf = dir.join(new);
    let mut options = OpenOptions::new();
    // What a crash left under our process's number is not followed and not kept.
    fs::remove_file(&new).or_else(absent)?;
    let mut file = options.write(true).create_new(true).mode(mode).open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| fs::rename(&new, path));
    if let Err(error) = placed {
        fs::remove_file(&new).ok();
        return Err(error);
    }
    File::open(dir)?.sync_all()
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
