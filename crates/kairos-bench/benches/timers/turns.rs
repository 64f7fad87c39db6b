//! Turns with many schedules, at times that are given, and nobody else.
//!
//! Owns the schedules that are measured with. No mandate starts: what it costs to find what is due and
//! to make it durable is one thing, and what comes of it another.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use kairos_core::digest::BlobRef;
use kairos_core::id::{IdSource, Seed};
use kairos_core::input::{Input, Pace};
use kairos_core::schedule::Dst;
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_engine::{Calendar, Exits, Inputs, Ledger, Shown, circumstances, start, turn};
use kairos_journal::{Opening, Segments};

use kairos_bench::{Done, engine};

/// A Monday morning.
pub(crate) const START: Time = Time::from_ms(1_790_000_000_000);

/// A daemon of turns.
pub(crate) struct Turns {
    ledger: Option<Ledger<RealFs>>,
    calendar: Calendar,
    drawn: u64,
}

/// So many schedules that fire every minute, and so many that fire once a year.
pub(crate) fn schedules(minutely: usize, yearly: usize) -> Vec<Definition> {
    let all = (0..minutely).map(|n| (n, "* * * * *")).chain((0..yearly).map(|n| (n, "0 9 1 1 *")));
    let one = |(n, cron): (usize, &str)| {
        let every = if cron.starts_with('*') { "minutely" } else { "yearly" };
        let goal = BlobRef::of(b"Look through the notes and put them in order.");
        let (cron, zone, dst) = (cron.into(), "UTC".into(), Dst::default());
        let timing = Timing::Cron { cron, zone, dst };
        let name = format!("{every}-{n:06}").parse().expect("a name");
        Definition {
            concurrency: Concurrency::Allow,
            ..Definition::new(name, timing, engine::spec(goal, &["notes/**"]))
        }
    };
    all.map(one).collect()
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

impl Turns {
    /// Loads `schedules` into a journal in `dir`.
    ///
    /// # Errors
    /// The disk's, or that they do not fit.
    pub(crate) fn start(dir: &Path, schedules: Vec<Definition>) -> Done<Self> {
        let opening = Opening {
            origin: IdSource::new(START, Seed([7; 16])).node(),
            epoch: 1,
            schema: 1,
            segments: Segments::default(),
        };
        #[expect(clippy::disallowed_methods, reason = "the turn is driven without its engine")]
        let opened = Ledger::open(
            Arc::new(RealFs),
            RealFs.root(dir)?,
            State::empty(),
            Arc::new(drop),
            opening,
        );
        let ledger = opened?.0;
        let zones = |_: &str| Some(TimeZone::UTC.into());
        let (calendar, own) =
            start::configured(ledger.state(), engine::rules(0), schedules, zones, START)?;
        let mut turns = Self { ledger: Some(ledger), calendar, drawn: 0 };
        turns.take(own, START)?;
        Ok(turns)
    }

    /// Takes a turn at `at`; how many frames it wrote.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn take(&mut self, own: Vec<Input>, at: Time) -> Done<usize> {
        let mut inputs = Inputs::default();
        inputs.own = own;
        let mut publish = |_: &[Shown], _: &State| {};
        let mut dispatch = drop;
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let drawn = &mut self.drawn;
        let mut now = || {
            *drawn += 1;
            let mut seed = [0; 16];
            seed[..8].copy_from_slice(&drawn.to_be_bytes());
            circumstances(at, Seed(seed), &TimeZone::UTC, Pace::Running)
        };
        let ledger = self.ledger.take().ok_or("an earlier turn failed")?;
        let turned = turn(ledger, inputs, &mut now, &self.calendar, exits)?;
        self.ledger = Some(turned.ledger);
        Ok(turned.records.len())
    }
}

/// What the frames in a journal take, without the zeros ahead of the last one.
///
/// # Errors
/// The disk's.
pub(crate) fn journal_bytes(dir: &Path) -> Done<usize> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "kj") {
            let read = std::fs::read(path)?;
            bytes += read.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        }
    }
    Ok(bytes)
}
