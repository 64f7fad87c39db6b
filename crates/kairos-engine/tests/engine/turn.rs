//! The turn by itself, at times the test names.

use std::path::Path;
use std::sync::Arc;

use kairos_core::digest::BlobRef;
use kairos_core::event::Event;
use kairos_core::id::{IdSource, Seed};
use kairos_core::input::{Input, Now, Pace};
use kairos_core::schedule::definition::{Concurrency, Definition};
use kairos_core::schedule::slot::SlotState;
use kairos_core::schedule::{Cron, Dst, MissedPolicy, Rule};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_engine::{Calendar, Exits, Inputs, Ledger, turn};
use kairos_journal::{Opening, Segments};

use crate::world;

const START_MS: i64 = 1_790_000_000_000;
const MINUTE_MS: u64 = 60_000;

fn ledger(dir: &Path) -> Ledger<RealFs> {
    let root = RealFs.root(dir).expect("the root");
    let opening = Opening {
        origin: IdSource::new(Time::from_ms(START_MS), Seed([7; 16])).node(),
        epoch: 1,
        schema: 1,
        segments: Segments::default(),
    };
    #[expect(clippy::disallowed_methods, reason = "the turn is driven without its engine")]
    let opened = Ledger::open(Arc::new(RealFs), root, State::empty(), Arc::new(drop), opening);
    opened.expect("a new journal").0
}

fn now(time: Time, seed: u8) -> Now {
    Now {
        time,
        seed: Seed([seed; 16]),
        day: jiff::civil::date(2026, 9, 21),
        day_ends: time.plus_ms(7 * 24 * 60 * MINUTE_MS),
        pace: Pace::Running,
    }
}

/// A minutely schedule whose mandates are as large as a configuration may make them.
fn minutely() -> (Definition, Rule) {
    let mut spec = world::spec(BlobRef::of(b"goal"));
    spec.files = (0..64).map(|n| format!("{n:03}{}", "x".repeat(4_000))).collect();
    let definition = Definition {
        name: "minutely".parse().expect("a name"),
        cron: "* * * * *".into(),
        zone: "UTC".into(),
        dst: Dst::default(),
        enabled: true,
        missed: MissedPolicy::CatchUpBounded { max: 50, stale_after_ms: u64::MAX },
        concurrency: Concurrency::Allow,
        spec,
    };
    let cron = Cron::parse(&definition.cron).expect("cron");
    let rule = Rule { cron, zone: jiff::tz::TimeZone::UTC, dst: definition.dst };
    (definition, rule)
}

#[test]
fn a_catch_up_too_large_for_one_frame_fires_every_slot_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = ledger(dir.path());
    let mut calendar = Calendar::default();
    let start = Time::from_ms(START_MS);
    let (set, gone) = calendar.load(ledger.state(), vec![minutely()], start);
    let rules = Box::new(world::rules());
    let mut fired = Vec::new();
    let mut publish = |records: &[kairos_engine::Shown], _: &State| {
        fired.extend(records.iter().flat_map(|record| &record.events).filter_map(
            |event| match event {
                Event::Slot { at, state: SlotState::Fired, .. } => Some(*at),
                _ => None,
            },
        ));
    };
    let mut take = |ledger, own, at: Time| {
        let mut seed = 0;
        let mut now = || {
            seed += 1;
            now(at, seed)
        };
        let mut inputs = Inputs::default();
        inputs.own = own;
        let exits = Exits { publish: &mut publish, dispatch: &mut drop };
        turn(ledger, inputs, &mut now, &calendar, exits).expect("the disk holds").ledger
    };
    let ledger = take(ledger, vec![Input::Configured { rules, set, gone }], start);
    let ledger = take(ledger, Vec::new(), start.plus_ms(60 * MINUTE_MS));
    let minutes = START_MS / 60_000;
    let newest: Vec<_> = (11..=60).map(|n| Time::from_ms((minutes + n) * 60_000)).collect();
    assert_eq!(fired, newest);
    drop(ledger);
}
