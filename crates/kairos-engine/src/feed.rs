//! Records on their way to whoever follows.
//!
//! Owns a ring of the newest records in memory, bounded by their number and by their size, and the
//! signal that there are more. A follower that
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
/// What they may hold there, about.
const RING_BYTES_MAX: usize = 8 << 20;

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
    newest: Mutex<Newest>,
}

impl Ring {
    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records without a gap between them, up to the head.
#[derive(Debug, Default)]
struct Newest {
    records: VecDeque<Arc<Record<Event>>>,
    /// What they hold in memory, about.
    bytes: usize,
}

impl Newest {
    /// Takes one more; the oldest go until the rest is within both bounds.
    fn push(&mut self, record: &Arc<Record<Event>>) {
        self.bytes += held(record);
        self.records.push_back(Arc::clone(record));
        while self.records.len() > RING_MAX || self.bytes > RING_BYTES_MAX {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= held(&oldest);
        }
    }
}

/// What a record holds in memory, about: its texts and lists are no longer there than in its frame.
const fn held(record: &Record<Event>) -> usize {
    record.bytes.saturating_add(record.events.len().saturating_mul(size_of::<Event>()))
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
        let mut newest = self.ring.lock();
        records.iter().for_each(|record| newest.push(record));
        drop(newest);
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
        let newest = self.source.ring.lock();
        let first = newest.records.front()?.at.seq;
        let place = self.next.0.checked_sub(first.0)?;
        let record = newest.records.get(usize::try_from(place).ok()?).cloned();
        drop(newest);
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

#[cfg(test)]
mod tests {
    use kairos_core::id::NodeId;
    use kairos_core::state::State;
    use kairos_core::time::Time;
    use kairos_journal::{Ledger, Opening, Segments};

    use super::*;

    /// About how long each frame is.
    const FRAME_BYTES: usize = 1_000_000;
    const FRAMES: u64 = 20;

    fn large() -> Event {
        Event::Recovered { after: 0, bytes: 0, saved_as: "x".repeat(FRAME_BYTES) }
    }

    /// All that is kept is within its bounds and has no gap.
    fn assert_bounded(source: &Source, frames_max: usize) {
        let newest = source.ring.lock();
        let held_now: usize = newest.records.iter().map(|record| held(record)).sum();
        assert_eq!(newest.bytes, held_now);
        assert!(newest.bytes <= RING_BYTES_MAX, "{} bytes", newest.bytes);
        assert!(newest.records.len() <= frames_max, "{} records", newest.records.len());
        let seqs: Vec<_> = newest.records.iter().map(|record| record.at.seq.0).collect();
        drop(newest);
        assert!(seqs.is_sorted_by(|one, next| one + 1 == *next), "{seqs:?}");
    }

    #[test]
    fn large_records_leave_memory_early_and_a_follower_reads_them_all_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || RealFs.root(dir.path()).expect("the directory");
        let segments = Segments::default();
        let opening = Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 1, segments };
        #[expect(clippy::disallowed_methods, reason = "frames are written without an engine")]
        let opened = Ledger::<_, (), _>::open(
            Arc::new(RealFs),
            open(),
            State::empty(),
            Arc::new(drop),
            opening,
        );
        let (mut book, _) = opened.expect("a new journal");
        let (feed, source) = Feed::new(Seq(0), open());
        let mut behind = source.follow(Seq(1));
        let mut beside = source.follow(Seq(1));
        for n in 1..=FRAMES {
            let recorded = book.record(Time::from_ms(0), vec![large()]).expect("there is room");
            let released;
            (book, released) = book.commit().expect("it is written");
            let shown: Vec<_> = released.records.into_iter().map(Arc::new).collect();
            assert!(shown[0].bytes > FRAME_BYTES);
            feed.publish(&shown);
            assert_bounded(&source, RING_BYTES_MAX / FRAME_BYTES);
            let next = beside.try_next().expect("it was published");
            assert_eq!((recorded, Arc::ptr_eq(&next, &shown[0])), (Seq(n), true));
        }
        let seen = std::iter::from_fn(|| behind.try_next());
        let seen: Vec<_> = seen.map(|record| (record.at.seq.0, record.events.clone())).collect();
        assert!(seen.iter().all(|(_, events)| *events == [large()]));
        let seqs: Vec<_> = seen.into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(seqs, Vec::from_iter(1..=FRAMES));
    }

    #[test]
    fn a_record_larger_than_all_that_may_be_kept_leaves_nothing_behind() {
        let mut newest = Newest::default();
        let record = |seq, bytes| {
            let at = kairos_core::fold::At { seq: Seq(seq), time: Time::from_ms(0) };
            Arc::new(Record { at, events: Vec::new(), bytes })
        };
        for (seq, bytes) in [(1, 100), (2, RING_BYTES_MAX + 1), (3, RING_BYTES_MAX)] {
            newest.push(&record(seq, bytes));
            let kept: Vec<_> = newest.records.iter().map(|record| record.at.seq.0).collect();
            let expected = if bytes > RING_BYTES_MAX { vec![] } else { vec![seq] };
            assert_eq!(kept, expected);
        }
        assert_eq!(newest.bytes, RING_BYTES_MAX);
    }
}
