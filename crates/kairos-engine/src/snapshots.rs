//! Snapshots in the background.
//!
//! Owns a thread for each kind that is kept: told that a segment was sealed, it folds on from its
//! last snapshot and makes the next. Never on the engine's thread, never two at once, and nothing
//! fails with it: what went wrong is a notice, and the next sealed segment another try.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use kairos_core::event::Event;
use kairos_core::fold::{Seq, Snapshot};
use kairos_disk::{Fs, RealFs};
use kairos_journal::retention::older_snapshot;
use kairos_journal::{Opening, RefoldError, newest_snapshot, refold};

use crate::inbox::{Inbox, Urgent};
use crate::retention::Retention;

/// How far the threads stand back, of 19.
pub(crate) const NICE: i32 = 10;

/// What the threads share with the engine.
pub(crate) struct Snapshots {
    journal: Arc<<RealFs as Fs>::Dir>,
    opening: Opening,
    inbox: Arc<Inbox>,
    standing: Mutex<Standing>,
    moved: Condvar,
    stop: AtomicBool,
    /// Held while one is made.
    making: Mutex<()>,
    retention: Arc<Retention>,
}

/// Looks for the older of two snapshots of one kind.
type Older = fn(&RealFs, &<RealFs as Fs>::Dir) -> io::Result<Option<Seq>>;

#[derive(Debug, Default)]
struct Standing {
    sealed: Seq,
    older: BTreeMap<&'static str, Older>,
    threads: BTreeMap<&'static str, JoinHandle<()>>,
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshots").field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl Snapshots {
    pub(crate) fn new(
        journal: Arc<<RealFs as Fs>::Dir>,
        opening: Opening,
        inbox: Arc<Inbox>,
    ) -> Arc<Self> {
        Arc::new(Self {
            journal: Arc::clone(&journal),
            opening,
            inbox: Arc::clone(&inbox),
            standing: Mutex::default(),
            moved: Condvar::new(),
            stop: AtomicBool::new(false),
            making: Mutex::default(),
            retention: Retention::new(journal, inbox),
        })
    }

    pub(crate) fn retention(&self) -> &Arc<Retention> {
        &self.retention
    }

    /// Whether snapshots of all these kinds are kept by now.
    pub(crate) fn keeps(&self, kinds: &[&str]) -> bool {
        let standing = self.standing();
        kinds.iter().all(|kind| standing.older.contains_key(kind))
    }

    /// What the older snapshots of all these kinds stand for; `None` while one has no two.
    pub(crate) fn founded(&self, kinds: &[&str]) -> io::Result<Option<Seq>> {
        let older = self.standing().older.clone();
        let _none_is_made = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut founded = None;
        for kind in kinds {
            let Some(older) = older.get(kind) else { return Ok(None) };
            let Some(seq) = older(&RealFs, &self.journal)? else { return Ok(None) };
            founded = Some(founded.map_or(seq, |founded: Seq| founded.min(seq)));
        }
        Ok(founded)
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that every frame up to `sealed` stands in a sealed segment. Never waits for a snapshot.
    pub(crate) fn sealed(&self, sealed: Seq) {
        let mut standing = self.standing();
        if standing.sealed < sealed {
            standing.sealed = sealed;
            self.moved.notify_all();
        }
    }

    /// `empty`, or what the newest snapshot of it that holds says.
    pub(crate) fn restore<F: Snapshot>(&self, mut empty: F) -> (F, Seq) {
        // Without one, or while none can be read, everything is folded.
        let form = newest_snapshot::<F, _>(&RealFs, &self.journal).ok().flatten();
        let seq = form.map_or(Seq(0), |(seq, form)| {
            empty.restore(form);
            seq
        });
        (empty, seq)
    }

    /// Keeps snapshots of `F` from now on, the newest of which is of frame `newest`.
    pub(crate) fn keep<F>(self: &Arc<Self>, newest: Seq)
    where
        F: Snapshot<Event = Event> + Default,
    {
        let mut standing = self.standing();
        if self.stops() || standing.threads.contains_key(F::KIND) {
            return;
        }
        let snapshots = Arc::clone(self);
        let name = format!("snapshot-{}", F::KIND);
        let thread = thread::Builder::new().name(name).spawn(move || snapshots.make::<F>(newest));
        match thread {
            Ok(thread) => {
                standing.threads.insert(F::KIND, thread);
                standing.older.insert(F::KIND, older_snapshot::<F, RealFs>);
                self.retention.look();
            }
            Err(error) => self.failed(F::KIND, &RefoldError::Io { doing: "begin", source: error }),
        }
    }

    /// Ends the threads, without waiting for them.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever is about to wait holds the lock, and looks after it has it.
        drop(self.standing());
        self.moved.notify_all();
        self.retention.stop();
    }

    /// Ends the threads and waits until none is left: as long as a write and a sync take.
    pub(crate) fn close(&self) {
        self.stop();
        let threads = std::mem::take(&mut self.standing().threads);
        for thread in threads.into_values() {
            // What panicked there has said so, and ends nothing here.
            thread.join().ok();
        }
        self.retention.close();
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The frame to make a snapshot of, once it lies behind `newest`; several sealed meanwhile are
    /// one. `None` at the end.
    fn wait(&self, newest: Seq) -> Option<Seq> {
        let nothing = |standing: &mut Standing| standing.sealed <= newest && !self.stops();
        let waited = self.moved.wait_while(self.standing(), nothing);
        let sealed = waited.unwrap_or_else(PoisonError::into_inner).sealed;
        (!self.stops()).then_some(sealed)
    }

    fn make<F>(&self, mut newest: Seq)
    where
        F: Snapshot<Event = Event> + Default,
    {
        // Of this thread alone, as Linux has it (setpriority(2)): the engine's goes first where both
        // would run. Without it a snapshot is in nobody's way that has a processor.
        rustix::process::setpriority_process(None, NICE).ok();
        while let Some(sealed) = self.wait(newest) {
            newest = sealed;
            let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            let (disk, empty) = (Arc::new(RealFs), F::default());
            let made = refold(&disk, &self.journal, empty, &self.opening, &self.stop);
            match made {
                Ok(Some(_)) => self.retention.look(),
                Ok(None) => {}
                Err(error) => self.failed(F::KIND, &error),
            }
        }
    }

    fn failed(&self, kind: &'static str, error: &RefoldError) {
        let error = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        self.inbox.urgent(Urgent::SnapshotFailed { kind, error });
    }
}
