//! What the system tells of files that change.
//!
//! Owns the one inotify, and which directories it is told of. A hint only brings a look forward: what
//! is not told, because there is no inotify, no room in it or no such directory yet, is found by the
//! next look all the same. Never looks itself.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use kairos_core::schedule::definition::ScheduleName;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// Directories that are listened to, of all watches together.
const DIRECTORIES_MAX: usize = 4_096;

/// Events taken at a time; what is left tells no more.
const EVENTS_MAX: usize = 1_024;

/// What may change what files hold, or which there are.
const CHANGES: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR);

/// What is listened to.
#[derive(Default)]
pub(crate) struct Hints {
    inotify: Option<OwnedFd>,
    directories: BTreeMap<i32, BTreeSet<ScheduleName>>,
}

impl Hints {
    /// Nothing is listened to yet. Where the system gives no inotify, nothing ever is.
    pub(crate) fn begin() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Self { inotify, directories: BTreeMap::new() }
    }

    /// Readable when there is something to tell.
    pub(crate) fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().filter(|_| !self.directories.is_empty()).map(AsFd::as_fd)
    }

    /// Listens to a directory for a schedule; to one that it listens to, again.
    pub(crate) fn listen(&mut self, directory: BorrowedFd<'_>, schedule: &ScheduleName) {
        let Some(inotify) = &self.inotify else { return };
        if self.directories.len() >= DIRECTORIES_MAX {
            return;
        }
        // The directory itself, whatever its name leads to by now.
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        if let Ok(watch) = inotify::add_watch(inotify, path, CHANGES) {
            self.directories.entry(watch).or_default().insert(schedule.clone());
        }
    }

    /// The schedules whose files may have changed.
    pub(crate) fn stirred(&mut self) -> BTreeSet<ScheduleName> {
        let mut stirred = BTreeSet::new();
        let Some(inotify) = &self.inotify else { return stirred };
        let mut buffer = [MaybeUninit::uninit(); 8_192];
        let mut reader = Reader::new(inotify, &mut buffer);
        for _ in 0..EVENTS_MAX {
            let Ok(event) = reader.next() else { break };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                stirred.extend(self.directories.values().flatten().cloned());
            } else if event.events().contains(ReadFlags::IGNORED) {
                self.directories.remove(&event.wd());
            } else {
                stirred.extend(self.directories.get(&event.wd()).into_iter().flatten().cloned());
            }
        }
        stirred
    }
}
