//! The upkeep of the blobs in the background.
//!
//! Owns a thread that erases what a person wants gone, once the record of it is durable, and that
//! collects what nothing names: after records were deleted, when room is short, and once a day. Never
//! on the engine's thread, and nothing fails with it: what went wrong is a notice. An erasure is tried
//! again until the engine ends, and then by the next start, for the state keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kairos_core::digest::Digest;
use kairos_core::erasure::{ERASURES_MAX, ErasureEnd};
use kairos_core::event::Event;
use kairos_core::fold::Seq;
use kairos_core::state::State;
use kairos_disk::{Blobs, Fs, RealFs};
use kairos_journal::retention::begin;
use kairos_journal::{MentionsError, ReadError};

use crate::collect::{CollectError, Collected, Moment, collect};
use crate::feed::Source;
use crate::inbox::{Inbox, Urgent};
use crate::turn::Shown;

/// How far the thread stands back, of 19.
const NICE: i32 = 10;
/// Between two collections that nobody asked for.
const COLLECTED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Before an erasure that the disk refused is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// What became of blobs, for the log.
#[derive(Clone, Debug)]
pub enum BlobNotice {
    /// Some that nothing names were removed.
    Collected(Collected),
    /// None were: what is named cannot be told, or the disk failed.
    NotCollected { error: String },
    /// A text that a person wanted gone is off the disk.
    Erased(Digest),
    /// It is not yet; it is tried again.
    NotErased { blob: Digest, error: String },
}

/// What the thread shares with the engine.
pub(crate) struct Upkeep {
    blobs: Arc<Blobs<RealFs>>,
    journal: <RealFs as Fs>::Dir,
    source: Source,
    inbox: Arc<Inbox>,
    asked: Mutex<Asked>,
    told: Condvar,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Asked {
    /// At most as many as the state keeps.
    erase: BTreeSet<Digest>,
    collect: bool,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upkeep").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Upkeep {
    pub(crate) fn new(
        blobs: &Arc<Blobs<RealFs>>,
        journal: <RealFs as Fs>::Dir,
        source: &Source,
        inbox: &Arc<Inbox>,
    ) -> Arc<Self> {
        let (blobs, source, inbox) = (Arc::clone(blobs), source.clone(), Arc::clone(inbox));
        let (asked, told, stop) = Default::default();
        Arc::new(Self { blobs, journal, source, inbox, asked, told, stop })
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the texts lie.
    pub(crate) fn blobs(&self) -> &Arc<Blobs<RealFs>> {
        &self.blobs
    }

    /// Begins the thread. Without it, erasures wait for the next start that has one.
    pub(crate) fn begin(self: &Arc<Self>) {
        let upkeep = Arc::clone(self);
        let thread = thread::Builder::new().name("blobs".into()).spawn(move || upkeep.serve());
        match thread {
            Ok(thread) => self.asked().thread = Some(thread),
            Err(error) => {
                let error = format!("its thread cannot be made: {error}");
                self.tell(BlobNotice::NotCollected { error });
            }
        }
    }

    fn tell(&self, notice: BlobNotice) {
        self.inbox.urgent(Urgent::Blobs(notice));
    }

    /// Erases what these records, which led to `state`, want gone.
    pub(crate) fn recorded(&self, state: &State, records: &[Shown]) {
        let erased = |event: &Event| match event {
            Event::BlobErased { blob, .. } => Some(*blob),
            _ => None,
        };
        let events = records.iter().flat_map(|record| &record.events);
        self.erase(state, events.filter_map(erased));
    }

    /// Erases texts whose erasure is on disk, but for those that work begun since needs: it has stored
    /// them again. Never waits for it.
    pub(crate) fn erase(&self, state: &State, blobs: impl Iterator<Item = Digest>) {
        for blob in blobs {
            if state.need_of(blob).is_some() {
                self.inbox.urgent(Urgent::Erased { blob, end: ErasureEnd::Needed });
            } else {
                self.asked().erase.insert(blob);
                self.told.notify_all();
            }
        }
    }

    /// Has blobs collected: for who has deleted records. Never waits for it.
    pub(crate) fn collect(&self) {
        self.asked().collect = true;
        self.told.notify_all();
    }

    /// Ends the thread, without waiting for it.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever is about to wait holds the lock, and looks after it has it.
        drop(self.asked());
        self.told.notify_all();
    }

    /// Ends the thread and waits for it: as long as one removal and a sync take.
    pub(crate) fn close(&self) {
        self.stop();
        let thread = self.asked().thread.take();
        if let Some(thread) = thread {
            // What panicked there has said so, and ends nothing here.
            thread.join().ok();
        }
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn serve(&self) {
        // Of this thread alone, as Linux has it (setpriority(2)).
        rustix::process::setpriority_process(None, NICE).ok();
        if self.pruned() {
            // The last engine may have ended between deleting records and collecting.
            self.collect();
        }
        let (mut failed, mut said) = (BTreeSet::new(), Said::default());
        let mut next = Instant::now() + COLLECTED_EVERY;
        while let Some((erase, collect)) = self.wait(!failed.is_empty(), next) {
            if erase.is_empty() && !failed.is_empty() {
                // Only the engine can say whether open work needs one of them by now.
                self.inbox.urgent(Urgent::EraseAgain(std::mem::take(&mut failed)));
            }
            let erase = erase.into_iter().take_while(|_| !self.stops());
            failed.extend(erase.filter(|blob| !self.erased(*blob, &mut said)));
            if collect && !self.stops() {
                next = Instant::now() + COLLECTED_EVERY;
                self.collected();
            }
        }
    }

    /// Whether records were ever deleted. Until then only what a crash orphaned can be collected.
    fn pruned(&self) -> bool {
        begin(&RealFs, &self.journal).is_ok_and(|first| first > Seq(1))
    }

    /// What there is to do, once there is something, a retry or the `next` collection is due; `None` at
    /// the end.
    fn wait(&self, retry: bool, next: Instant) -> Option<(BTreeSet<Digest>, bool)> {
        let nothing = |asked: &mut Asked| asked.erase.is_empty() && !asked.collect && !self.stops();
        let most = next.saturating_duration_since(Instant::now());
        let most = if retry { RETRY.min(most) } else { most };
        let waited = self.told.wait_timeout_while(self.asked(), most, nothing);
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let collect = std::mem::take(&mut asked.collect) || Instant::now() >= next;
        let erase = std::mem::take(&mut asked.erase);
        (!self.stops()).then_some((erase, collect))
    }

    /// Whether it is gone.
    fn erased(&self, blob: Digest, said: &mut Said) -> bool {
        match self.blobs.erase(blob.as_bytes()) {
            Ok(_) => {
                said.0.remove(&blob);
                self.inbox.urgent(Urgent::Erased { blob, end: ErasureEnd::Gone });
                true
            }
            Err(error) => {
                let error = error.to_string();
                if said.is_news(blob, &error) {
                    self.tell(BlobNotice::NotErased { blob, error });
                }
                false
            }
        }
    }

    fn collected(&self) {
        let disk = Arc::new(RealFs);
        let head = || self.source.head();
        let journal = (&disk, &self.journal);
        let collected =
            collect::<State, _, _>(&self.blobs, journal, &head, Moment::now(), &self.stop);
        match collected {
            Ok(Collected { removed: 0, .. }) => {}
            Ok(collected) => self.tell(BlobNotice::Collected(collected)),
            Err(_) if self.stops() => {}
            // Records were deleted meanwhile; what is left is looked at anew.
            Err(CollectError::Mentions(MentionsError::Read(ReadError::Pruned { .. }))) => {
                self.collect();
            }
            Err(error) => self.tell(BlobNotice::NotCollected { error: full(&error) }),
        }
    }
}

/// Why texts could not be erased, as it was told last. No more than the state keeps, and what went by
/// another way.
#[derive(Debug, Default)]
struct Said(BTreeMap<Digest, String>);

impl Said {
    /// Whether it was not told yet. Tried again every minute, it would be every minute.
    fn is_news(&mut self, blob: Digest, error: &str) -> bool {
        // Of what ended otherwise nothing is kept for ever.
        if self.0.len() > ERASURES_MAX {
            self.0.clear();
        }
        self.0.insert(blob, error.to_owned()).is_none_or(|before| before != error)
    }
}

/// An error with its causes.
fn full(error: &CollectError) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_of_an_erasure_is_told_once_until_it_changes() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let mut said = Said::default();
        let mut news = |blob, error| said.is_news(blob, error);
        let told =
            [news(one, "a"), news(one, "a"), news(other, "a"), news(one, "b"), news(one, "a")];
        assert_eq!(told, [true, false, true, true, true]);
    }
}
