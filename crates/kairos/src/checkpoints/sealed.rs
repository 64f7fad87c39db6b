//! Hearing that a segment was sealed.
//!
//! Owns a thread that waits for the next segment to be put in place in the journal's directory
//! (`inotify(7)`): from then on the one before it is never written again. It asks nobody and holds
//! up nobody; it ends with the process.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::thread;

use kairos_core::fold::Seq;
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// Room for what happens between two looks.
const EVENTS_BYTES: usize = 4096;

/// Tells the last frame of each segment that is sealed from now on, until nobody listens.
///
/// # Errors
/// The system's: there are only so many watches.
pub(super) fn watch(journal: &Path, tell: impl Fn(Seq) -> bool + Send + 'static) -> io::Result<()> {
    let events = inotify::init(CreateFlags::CLOEXEC)?;
    inotify::add_watch(&events, journal, WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
    thread::Builder::new().name("checkpoint-seal".into()).spawn(move || {
        let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = Reader::new(events, &mut buffer);
        loop {
            let Ok(event) = reader.next() else { return };
            let sealed = event.file_name().and_then(before);
            if sealed.is_some_and(|seq| !tell(seq)) {
                return;
            }
        }
    })?;
    Ok(())
}

/// The frame before the segment of this name; nothing when it is no segment or the first.
fn before(name: &CStr) -> Option<Seq> {
    let first: u64 = name.to_str().ok()?.strip_suffix(".kj")?.parse().ok()?;
    first.checked_sub(1).filter(|last| *last > 0).map(Seq)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_segment_that_is_put_in_place_seals_the_one_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, sealed) = channel();
        watch(dir.path(), move |seq| sender.send(seq).is_ok()).unwrap();
        for name in ["00000000000000000001.kj", "stranger", "00000000000000000042.kj"] {
            std::fs::write(dir.path().join("next.tmp"), "").unwrap();
            std::fs::rename(dir.path().join("next.tmp"), dir.path().join(name)).unwrap();
        }
        assert_eq!(sealed.recv_timeout(Duration::from_secs(30)), Ok(Seq(41)));
    }
}
