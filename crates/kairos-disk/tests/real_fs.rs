//! What `RealFs` promises beyond calling the system.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use kairos_disk::fs::{Access, FileKind, Rename, Writers, read_full, write_full};
use kairos_disk::{Fs, RealFs, real};
use tempfile::TempDir;

fn root() -> (TempDir, real::Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RealFs.root(temp.path()).unwrap();
    (temp, dir)
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

#[test]
fn created_file_has_the_mode_that_was_asked_for() {
    let (temp, dir) = root();
    let file = RealFs.create(&dir, name("a"), 0o666).unwrap();
    write_full(&RealFs, &file, b"twelve bytes", 0).unwrap();
    RealFs.sync(&file).unwrap();
    assert_eq!(fs::metadata(temp.path().join("a")).unwrap().permissions().mode() & 0o7777, 0o666);
    assert_eq!(read_full(&RealFs, &file, 12).unwrap(), b"twelve bytes");
    assert_eq!(read_full(&RealFs, &file, 11).unwrap_err().kind(), ErrorKind::FileTooLarge);
    let taken = RealFs.create(&dir, name("a"), 0o600).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn made_directory_has_the_mode_that_was_asked_for_and_its_parents_group() {
    let (temp, dir) = root();
    let mode = |name| fs::metadata(temp.path().join(name)).unwrap().permissions().mode() & 0o7777;
    for (name, asked) in [("a", 0o777), ("b", 0o700), ("c", 0o755)] {
        RealFs.make_dir(&dir, OsStr::new(name), asked).unwrap();
        assert_eq!(mode(name), asked);
    }
    let error = RealFs.make_dir(&dir, name("a"), 0o700).unwrap_err();
    assert_eq!((error.kind(), mode("a")), (ErrorKind::AlreadyExists, 0o777));
    fs::set_permissions(temp.path().join("a"), fs::Permissions::from_mode(0o2777)).unwrap();
    let shared = RealFs.open_dir(&dir, Path::new("a")).unwrap();
    RealFs.make_dir(&shared, name("d"), 0o775).unwrap();
    assert_eq!(mode("a/d"), 0o2775);
}

#[test]
fn names_cannot_lead_out_of_their_directory() {
    let (temp, dir) = root();
    fs::create_dir(temp.path().join("inside")).unwrap();
    fs::write(temp.path().join("outside"), b"x").unwrap();
    let inside = RealFs.open_dir(&dir, Path::new("inside")).unwrap();
    for outside in ["../outside", "..", ".", "", "/etc/passwd"] {
        let outside = name(outside);
        for answer in [
            RealFs.open(&inside, outside, Access::Read).map(drop),
            RealFs.create(&inside, outside, 0o600).map(drop),
            RealFs.stat(&inside, outside).map(drop),
            RealFs.unlink(&inside, outside),
            RealFs.rename((&inside, outside), (&inside, name("b")), Rename::Replace),
            RealFs.make_dir(&inside, outside, 0o700),
        ] {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidInput, "{outside:?}");
        }
    }
    assert!(RealFs.open_dir(&inside, Path::new("..")).is_err());
    assert!(RealFs.open_dir(&inside, Path::new("/etc")).is_err());
}

#[test]
fn directories_are_not_reached_over_links() {
    let (temp, dir) = root();
    fs::create_dir(temp.path().join("real")).unwrap();
    symlink("real", temp.path().join("link")).unwrap();
    let error = RealFs.open_dir(&dir, Path::new("link")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    assert_eq!(RealFs.stat(&dir, name("link")).unwrap().kind, FileKind::Symlink);
}

#[test]
fn listing_leaves_out_the_dots_and_starts_anew_each_time() {
    let (temp, dir) = root();
    fs::write(temp.path().join("a"), b"").unwrap();
    for _ in 0..2 {
        assert_eq!(RealFs.list(&dir).unwrap(), ["a"]);
    }
}

#[test]
fn second_lock_is_refused_until_the_first_is_dropped() {
    let (_temp, dir) = root();
    let first = RealFs.create(&dir, name("lock"), 0o600).unwrap();
    let second = RealFs.open(&dir, name("lock"), Access::Read).unwrap();
    assert!(RealFs.lock(&first).unwrap());
    assert!(!RealFs.lock(&second).unwrap());
    drop(first);
    assert!(RealFs.lock(&second).unwrap());
}

#[test]
fn lease_tells_whether_the_file_is_open_for_writing() {
    let (temp, dir) = root();
    fs::write(temp.path().join("a"), b"x").unwrap();
    let file = RealFs.open(&dir, name("a"), Access::Read).unwrap();
    assert_eq!(RealFs.writers(&file).unwrap(), Writers::None);
    let writer = fs::OpenOptions::new().append(true).open(temp.path().join("a")).unwrap();
    assert_eq!(RealFs.writers(&file).unwrap(), Writers::Some);
    drop(writer);
    assert_eq!(RealFs.writers(&file).unwrap(), Writers::None);
}

/// A lease that is broken while it stands makes the kernel send a signal, which by default ends
/// the process.
#[test]
fn breaking_the_lease_does_not_kill_the_process() {
    let (temp, dir) = root();
    let path = temp.path().join("a");
    fs::write(&path, b"x").unwrap();
    let file = RealFs.open(&dir, name("a"), Access::Read).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(fs::OpenOptions::new().append(true).open(&path).unwrap());
            }
        });
        for _ in 0..20_000 {
            RealFs.writers(&file).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}
