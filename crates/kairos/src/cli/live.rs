//! Whether a writer is at work on a journal.
//!
//! Owns that question for verbs that read files. Looks at the system's list of locks and never
//! takes the lock itself: a daemon that starts in that instant would find it held and give up.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kairos_journal::Tail;

/// What may stand behind the last whole frame of the journal in `dir`.
pub(crate) fn tail(dir: &Path) -> Tail {
    match locked(&dir.join("lock")) {
        Ok(true) => Tail::Live,
        // Where the system does not tell, a torn tail is shown as one.
        Ok(false) | Err(_) => Tail::Still,
    }
}

fn locked(file: &Path) -> io::Result<bool> {
    let inode = std::fs::metadata(file)?.ino();
    let locks = std::fs::read_to_string("/proc/locks")?;
    Ok(locks.lines().any(|line| holds(line, inode)))
}

/// Whether a line such as `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF` is about the inode.
/// The device is not compared: some file systems name another one in `stat`.
fn holds(line: &str, inode: u64) -> bool {
    let mut words = line.split_ascii_whitespace().skip(1);
    let held = words.next() == Some("FLOCK");
    let place = words.nth(3).and_then(|place| place.rsplit(':').next());
    held && place.and_then(|text| text.parse().ok()) == Some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_seen_and_a_waiting_one_is_not() {
        assert!(holds("1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF", 131));
        assert!(!holds("1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF", 31));
        assert!(!holds("1: POSIX  ADVISORY  WRITE 4711 08:01:131 0 EOF", 131));
        assert!(!holds("1: -> FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF", 131));
    }
}
