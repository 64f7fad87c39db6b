//! Blobs: named by what they hold, durable when answered for, never believed.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "exchange/watched.rs"]
mod watched;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use kairos_disk::blob::{BLOB_BYTES_MAX, BlobError};
use kairos_disk::fs::Rename;
use kairos_disk::{Blobs, Digest, RealFs, digest};
use tempfile::TempDir;

use crate::watched::{Call, Moment, Watched};

fn blobs() -> (TempDir, Blobs<RealFs>) {
    let temp = tempfile::tempdir().unwrap();
    let dir = RealFs.root(temp.path()).unwrap();
    (temp, Blobs::new(RealFs, dir))
}

fn file(temp: &TempDir, digest: &Digest) -> PathBuf {
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    temp.path().join(name)
}

fn names(temp: &TempDir) -> usize {
    fs::read_dir(temp.path()).unwrap().count()
}

#[test]
fn what_was_put_is_got_by_its_digest() {
    let (temp, blobs) = blobs();
    let name = blobs.put(b"text").unwrap();
    assert_eq!(name, digest(b"text"));
    assert_eq!(blobs.put(b"text").unwrap(), name);
    assert_eq!(blobs.get(&name, 4).unwrap(), b"text");
    assert!(blobs.contains(&name).unwrap());
    assert_eq!(fs::read(file(&temp, &name)).unwrap(), b"text");
    assert_eq!(names(&temp), 1);
}

#[test]
fn missing_and_too_large_are_told_apart() {
    let (_temp, blobs) = blobs();
    let name = blobs.put(b"text").unwrap();
    assert!(matches!(blobs.get(&name, 3), Err(BlobError::TooLarge { bytes_max: 3 })));
    let other = digest(b"other");
    assert!(matches!(blobs.get(&other, 9), Err(BlobError::Missing { digest }) if digest == other));
    assert!(!blobs.contains(&other).unwrap());
    let huge = vec![0; usize::try_from(BLOB_BYTES_MAX).unwrap() + 1];
    assert!(matches!(blobs.put(&huge), Err(BlobError::TooLarge { .. })));
}

#[test]
fn one_flipped_bit_is_found_at_the_read_and_healed_by_the_next_put() {
    let (temp, blobs) = blobs();
    let name = blobs.put(b"text").unwrap();
    let disk = fs::OpenOptions::new().write(true).open(file(&temp, &name)).unwrap();
    disk.write_all_at(b"u", 0).unwrap();
    assert!(matches!(blobs.get(&name, 9), Err(BlobError::Corrupt { digest }) if digest == name));
    blobs.put(b"text").unwrap();
    assert_eq!(blobs.get(&name, 9).unwrap(), b"text");
}

#[test]
fn directory_in_place_of_a_blob_is_corrupt() {
    let (temp, blobs) = blobs();
    let name = digest(b"text");
    fs::create_dir(file(&temp, &name)).unwrap();
    assert!(matches!(blobs.get(&name, 9), Err(BlobError::Corrupt { .. })));
    assert!(matches!(blobs.put(b"text"), Err(BlobError::Disk { .. })));
    assert_eq!(names(&temp), 1);
}

#[test]
fn put_answers_only_after_bytes_and_name_are_synced() {
    let temp = tempfile::tempdir().unwrap();
    let (sender, calls) = std::sync::mpsc::channel();
    let watched = Watched(Box::new(move |moment| {
        if let Moment::After(call) = moment {
            sender.send(call).unwrap();
        }
        Ok(())
    }));
    let blobs = Blobs::new(watched, RealFs.root(temp.path()).unwrap());
    let fresh =
        [Call::Create, Call::Write, Call::Sync, Call::Rename(Rename::Replace), Call::SyncDir];
    let known = [Call::Sync, Call::SyncDir];
    for expected in [&fresh[..], &known[..]] {
        blobs.put(b"text").unwrap();
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn same_bytes_may_be_put_by_many_at_once() {
    let (temp, blobs) = blobs();
    let bytes = vec![7; 100_000];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(blobs.put(&bytes).unwrap(), digest(&bytes)));
        }
    });
    assert_eq!(blobs.get(&digest(&bytes), 100_000).unwrap(), bytes);
    assert_eq!(names(&temp), 1);
}

#[test]
fn sweep_removes_half_written_files_and_nothing_else() {
    let (temp, blobs) = blobs();
    let name = blobs.put(b"text").unwrap();
    fs::write(temp.path().join(".tmp-00-0"), b"te").unwrap();
    fs::write(temp.path().join("README"), b"mine").unwrap();
    assert_eq!(blobs.sweep().unwrap(), 1);
    assert_eq!(blobs.get(&name, 9).unwrap(), b"text");
    assert_eq!(names(&temp), 2);
}
