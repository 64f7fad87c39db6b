//! A small world to keep a ledger for.

#![expect(dead_code, reason = "each test crate uses its own part of this world")]

pub(crate) mod faulty;

use std::path::Path;
use std::sync::{Arc, Mutex};

use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::id::NodeId;
use kairos_core::time::Time;
use kairos_disk::{Fs, RealFs};
use kairos_journal::{Ahead, Ledger, Lost, OpenError, Opened, Opening, Record, Released, Segments};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    Noted { text: String },
    Asked { what: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) what: String,
}

/// Remembers everything it was told, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory(pub(crate) Vec<(At, Event)>);

impl Fold for Memory {
    type Event = Event;
    type Effect = Effect;

    fn apply(&mut self, at: At, event: &Event, out: &mut Vec<Effect>) {
        if let Event::Asked { what } = event {
            out.push(Effect { what: what.clone() });
        }
        self.0.push((at, event.clone()));
    }
}

impl Snapshot for Memory {
    const KIND: &'static str = "memory";
    const SCHEMA: u32 = 5;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

pub(crate) type Book<D = RealFs> = Ledger<Memory, &'static str, D>;
pub(crate) type Let = Released<Memory, &'static str>;

pub(crate) fn noted(text: impl Into<String>) -> Event {
    Event::Noted { text: text.into() }
}

pub(crate) fn asked(what: impl Into<String>) -> Event {
    Event::Asked { what: what.into() }
}

/// 2026-12-01T09:00:00Z and `ms` more.
pub(crate) fn time(ms: u64) -> Time {
    Time::from_ms(1_796_115_600_000).plus_ms(ms)
}

pub(crate) fn at(seq: u64, ms: u64) -> At {
    At { seq: Seq(seq), time: time(ms) }
}

pub(crate) fn opening(segments: Segments) -> Opening {
    Opening { origin: NodeId::from_u128(7), epoch: 1, schema: 3, segments }
}

/// Segments of 4 KiB to 16 KiB, made in one order with everything else.
pub(crate) fn small() -> Segments {
    Segments::new(4096, 16384, Ahead::OnDemand)
}

/// The effects that were lost.
#[derive(Clone, Default)]
pub(crate) struct Losses(Arc<Mutex<Vec<Effect>>>);

impl Losses {
    pub(crate) fn signal(&self) -> Lost<Memory> {
        let losses = self.0.clone();
        Arc::new(move |effect| losses.lock().expect("no test panics with it").push(effect))
    }

    pub(crate) fn seen(&self) -> Vec<Effect> {
        self.0.lock().expect("no test panics with it").clone()
    }
}

pub(crate) fn open(root: &Path, segments: Segments) -> Result<(Book, Opened), OpenError> {
    open_on(RealFs, RealFs.root(root).expect("the root is there"), segments)
}

pub(crate) fn open_on<D: Fs + 'static>(
    disk: D,
    dir: D::Dir,
    segments: Segments,
) -> Result<(Book<D>, Opened), OpenError> {
    let lost = Losses::default().signal();
    Ledger::open(Arc::new(disk), dir, Memory::default(), lost, opening(segments))
}

/// One turn: each inner list is a frame, recorded at its position's millisecond.
pub(crate) fn turn<D: Fs + 'static>(mut book: Book<D>, frames: Vec<Vec<Event>>) -> (Book<D>, Let) {
    for events in frames {
        let now = time(book.head().next().0);
        book.record(now, events).expect("there is room");
    }
    book.commit().expect("the disk works")
}

/// What the records of `turn`s say that began at frame `first`.
pub(crate) fn said(first: u64, frames: Vec<Vec<Event>>) -> Vec<(At, Vec<Event>)> {
    frames.into_iter().zip(first..).map(|(events, n)| (at(n, n), events)).collect()
}

/// What these records say, whatever their frames are like.
pub(crate) fn read(records: Vec<Record<Event>>) -> Vec<(At, Vec<Event>)> {
    records.into_iter().map(|record| (record.at, record.events)).collect()
}

/// A journal of several turns in `root`; the last is 3 frames long and not yet marked durable.
pub(crate) fn sample(root: &Path, segments: Segments) -> Memory {
    let (book, _) = open(root, segments).expect("a fresh journal opens");
    let (book, _) = turn(book, vec![vec![noted("one"), asked("a")], vec![]]);
    let (book, _) = turn(book, vec![vec![noted("x".repeat(700))]]);
    let (book, _) =
        turn(book, vec![vec![noted("y".repeat(300))], vec![asked("b")], vec![noted("last")]]);
    book.state().clone()
}
