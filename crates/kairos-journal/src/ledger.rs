//! The journal and the state, owned together.
//!
//! Owns the one way forward: record, then commit, then release. Never gives out `&mut` to the state
//! and never lets an effect, an answer or a record leave before the sync that makes it true. The
//! engine's turn drives it.

use std::fmt;
use std::sync::Arc;

use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::time::Time;
use kairos_disk::Fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lock::{Held, Lock};
use crate::open::{self, Inspected, OpenError, Opened, Opening};
use crate::permit::{Lost, Permit};
use crate::writer::{Poisoned, RecordError, Room, Writer};

/// Events with their position and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<E> {
    pub at: At,
    /// Empty in a frame that only moves the durable mark.
    pub events: Vec<E>,
    /// How long its frame is on disk.
    pub bytes: usize,
}

/// What a commit lets go.
pub struct Released<F: Fold, A> {
    /// Leave for each effect the turn asked for, in order.
    pub permits: Vec<Permit<F>>,
    /// Everything that was held, in order.
    pub answers: Vec<A>,
    /// What the turn recorded, in order.
    pub records: Vec<Record<F::Event>>,
    /// The newest frame on disk.
    pub durable: Seq,
}

/// The journal and the state.
///
/// **Invariant:** whatever left this ledger is on disk. [`commit`](Self::commit) is the only way
/// out, and one that fails consumes the ledger.
pub struct Ledger<F: Fold, A, D: Fs> {
    // Boxed: a ledger goes from hand to hand with every input.
    state: Box<F>,
    writer: Box<Writer<D>>,
    effects: Vec<(At, F::Effect)>,
    /// What one `apply` asked for; empty between events.
    asked: Vec<F::Effect>,
    records: Vec<Record<F::Event>>,
    answers: Vec<A>,
    lost: Lost<F>,
}

impl<F, A, D> Ledger<F, A, D>
where
    F: Snapshot,
    F::Event: DeserializeOwned,
    D: Fs + 'static,
{
    /// Opens the journal in `dir`, or begins one there, and applies every frame to `empty`; the
    /// effects they ask for are dropped. Where a snapshot of the state holds, it stands for the
    /// frames up to its own. The ledger holds the journal's lock until it is dropped.
    ///
    /// `lost` gets the effect of every permit that is dropped unsettled.
    ///
    /// # Errors
    /// `Locked` when another ledger is open; `Damaged` when the journal does not hold together, or is
    /// older than its snapshot, and no record in it was changed then; else what stood in the way.
    pub fn open(
        disk: Arc<D>,
        dir: D::Dir,
        empty: F,
        lost: Lost<F>,
        opening: Opening,
    ) -> Result<(Self, Opened), OpenError> {
        Self::admitted(disk, dir, (empty, lost), opening, |_| Ok(()))
    }

    /// The same where `admit` may still refuse what was found: then no byte of the journal was changed.
    ///
    /// # Errors
    /// As [`open`](Self::open), and what `admit` answers.
    pub fn open_if<E: From<OpenError>>(
        disk: Arc<D>,
        dir: D::Dir,
        (empty, lost): (F, Lost<F>),
        opening: Opening,
        admit: impl FnOnce(Inspected<'_, F>) -> Result<(), E>,
    ) -> Result<(Self, Opened), E> {
        Self::admitted(disk, dir, (empty, lost), opening, admit)
    }

    fn admitted<E: From<OpenError>>(
        disk: Arc<D>,
        dir: D::Dir,
        (empty, lost): (F, Lost<F>),
        opening: Opening,
        admit: impl FnOnce(Inspected<'_, F>) -> Result<(), E>,
    ) -> Result<(Self, Opened), E> {
        let doing = "lock the journal";
        let lock = Lock::take(&*disk, &dir).map_err(|source| OpenError::Io { doing, source })?;
        let lock = lock.ok_or(OpenError::Locked)?;
        let (state, journal, opened) = open::open(&*disk, &dir, empty, &opening, admit)?;
        let ledger = Self {
            state: Box::new(state),
            writer: Box::new(Writer::new(disk, dir, lock, opening.segments, journal)),
            effects: Vec::new(),
            asked: Vec::new(),
            records: Vec::new(),
            answers: Vec::new(),
            lost,
        };
        Ok((ledger, opened))
    }
}

impl<F, A, D> Ledger<F, A, D>
where
    F: Fold,
    F::Event: Serialize + DeserializeOwned,
    D: Fs + 'static,
{
    /// Records `events` as one frame at `now` and applies them; nothing comes out before the commit.
    /// No events make an empty frame, which only moves the durable mark.
    ///
    /// # Errors
    /// Nothing of `events` is recorded or applied then.
    pub fn record(&mut self, now: Time, events: Vec<F::Event>) -> Result<Seq, RecordError> {
        // What a replay will read: an instant no calendar can name clamps to its ends.
        let now = Time::from(now.timestamp());
        let (at, bytes) = self.writer.append(now, &events)?;
        for event in &events {
            self.state.apply(at, event, &mut self.asked);
            self.effects.extend(self.asked.drain(..).map(|effect| (at, effect)));
        }
        self.records.push(Record { at, events, bytes });
        Ok(at.seq)
    }

    /// Keeps `answer` until the commit: an acknowledgement or a refusal, for both speak of a state
    /// that is ahead of the disk.
    pub fn hold(&mut self, answer: A) {
        self.answers.push(answer);
    }

    /// Writes what was recorded, syncs once and lets go what was held. Does no I/O when nothing was
    /// recorded.
    ///
    /// # Errors
    /// The disk failed. The ledger is consumed: no permit, no answer, no signal leaves.
    pub fn commit(mut self) -> Result<(Self, Released<F, A>), Poisoned> {
        self.writer.write()?;
        let permit = |(at, effect)| Permit::new(at, effect, self.lost.clone());
        let released = Released {
            permits: self.effects.drain(..).map(permit).collect(),
            answers: std::mem::take(&mut self.answers),
            records: std::mem::take(&mut self.records),
            durable: self.writer.chain.durable,
        };
        Ok((self, released))
    }

    /// What can still be recorded. Cheap but at the end of a segment whose successor is not ready,
    /// where it waits for that: ask before every input.
    pub fn room(&mut self, now: Time) -> Room {
        self.writer.room(now)
    }
}

impl<F: Fold, A, D: Fs + 'static> Ledger<F, A, D> {
    #[must_use]
    pub fn state(&self) -> &F {
        &self.state
    }

    /// A share in the journal's lock, which nobody else gets before it is dropped too.
    #[must_use]
    pub fn held(&self) -> Held<D> {
        self.writer.held()
    }

    /// The newest frame recorded.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.writer.chain.head
    }

    /// The newest frame on disk.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.writer.chain.durable
    }

    /// The newest frame of which a snapshot can be made: the last one before the segment in use.
    #[must_use]
    pub fn sealed(&self) -> Seq {
        self.writer.sealed()
    }

    /// Whether frames with events stand on disk that no mark there covers: an empty frame would.
    #[must_use]
    pub fn mark_lags(&self) -> bool {
        self.writer.mark_lags()
    }
}

impl<F: Fold, A, D: Fs> fmt::Debug for Ledger<F, A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("head", &self.writer.chain.head).finish_non_exhaustive()
    }
}

impl<F: Fold, A> fmt::Debug for Released<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("permits", &self.permits)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}
