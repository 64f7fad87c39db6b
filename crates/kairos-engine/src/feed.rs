//! Records on their way to whoever follows.
//!
//! Owns a ring of the newest records in memory and the signal that there are more. A follower that
//! falls behind the ring, or starts in the past, reads the journal's files up to it: no gap, and no
//! follower can slow the engine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kairos_core::event::Event;
use kairos_core::fold::Seq;
use kairos_disk::{Fs, RealFs};
use kairos_journal::{ReadError, Reader, Record, Tail};
use tokio::sync::watch;

/// Records kept in memory.
const RING_MAX: usize = 4_096;

/// Where the engine publishes.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: Arc<Ring>,
    head: watch::Sender<Seq>,
}

/// What followers read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    ring: Arc<Ring>,
    head: watch::Receiver<Seq>,
    journal: Arc<<RealFs as Fs>::Dir>,
}

#[derive(Debug, Default)]
struct Ring {
    records: Mutex<VecDeque<Arc<Record<Event>>>>,
}

impl Ring {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Record<Event>>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    pub(crate) fn new(head: Seq, journal: <RealFs as Fs>::Dir) -> (Self, Source) {
        let ring = Arc::new(Ring::default());
        let (sender, receiver) = watch::channel(head);
        let source = Source { ring: Arc::clone(&ring), head: receiver, journal: Arc::new(journal) };
        (Self { ring, head: sender }, source)
    }

    /// Shows records that are durable.
    pub(crate) fn publish(&self, records: &[Arc<Record<Event>>]) {
        let Some(last) = records.last().map(|record| record.at.seq) else { return };
        let mut ring = self.ring.lock();
        ring.extend(records.iter().cloned());
        let beyond = ring.len().saturating_sub(RING_MAX);
        ring.drain(..beyond);
        drop(ring);
        self.head.send_replace(last);
    }
}

impl Source {
    pub(crate) fn head(&self) -> Seq {
        *self.head.borrow()
    }

    pub(crate) fn follow(&self, from: Seq) -> Follower {
        Follower { source: self.clone(), next: from.max(Seq(1)), past: None }
    }
}

/// Reads records in order, from a position on, for as long as the engine lives. What retention has
/// deleted is passed over: the record that comes next then stands behind [`Follower::position`].
pub struct Follower {
    source: Source,
    next: Seq,
    /// Reads what the ring no longer has.
    past: Option<Reader<RealFs>>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Follower {
    /// The next record; `None` once the engine has stopped and everything was read.
    pub async fn next(&mut self) -> Option<Arc<Record<Event>>> {
        loop {
            if let Some(record) = self.try_next() {
                return Some(record);
            }
            self.source.head.changed().await.ok()?;
        }
    }

    /// The position of the record that comes next.
    #[must_use]
    pub const fn position(&self) -> Seq {
        self.next
    }

    /// Whether there is a durable record that was not read yet.
    #[must_use]
    pub fn lags(&self) -> bool {
        self.next <= *self.source.head.borrow()
    }

    /// The next record, if it is durable already.
    pub fn try_next(&mut self) -> Option<Arc<Record<Event>>> {
        if self.next > *self.source.head.borrow_and_update() {
            return None;
        }
        let record = self.in_ring().or_else(|| self.in_past())?;
        self.next = record.at.seq.next();
        Some(record)
    }

    fn in_ring(&mut self) -> Option<Arc<Record<Event>>> {
        let ring = self.source.ring.lock();
        let first = ring.front()?.at.seq;
        let place = self.next.0.checked_sub(first.0)?;
        let record = ring.get(usize::try_from(place).ok()?).cloned();
        drop(ring);
        self.past = None;
        record
    }

    fn in_past(&mut self) -> Option<Arc<Record<Event>>> {
        let mut read = self.read_past();
        if let Err(ReadError::Pruned { first }) = read {
            // Deleted meanwhile: the position of what comes next says what is missing.
            (self.next, self.past) = (first.max(self.next), None);
            read = self.read_past();
        }
        // A frame that a writer has committed reads back; a disk that fails here fails the writer
        // too, and a follower can only wait for the next signal.
        read.ok().flatten().map(Arc::new)
    }

    fn read_past(&mut self) -> Result<Option<Record<Event>>, ReadError> {
        if self.past.is_none() {
            let opened = RealFs.open_dir(&self.source.journal, std::path::Path::new("."));
            let dir = opened.map_err(|source| ReadError::Io {
                doing: "open the journal's directory",
                source,
            })?;
            self.past = Some(Reader::new(Arc::new(RealFs), dir, self.next, Tail::Live));
        }
        match &mut self.past {
            Some(reader) => reader.next_record(),
            None => Ok(None),
        }
    }
}
