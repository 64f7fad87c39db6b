//! The turn by itself, at times the test names.

use std::path::Path;
use std::sync::Arc;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Failure, Outcome, Seen};
use kairos_core::event::Event;
use kairos_core::id::{IdSource, Seed};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::path::RelPath;
use kairos_core::schedule::definition::{Concurrency, Definition};
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::schedule::{Cron, Dst, MissedPolicy, Rule};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_engine::{Calendar, Exits, Inputs, Ledger, Shown, start, turn};
use kairos_journal::{Opening, Permit, Segments};

use crate::world;

pub(crate) const START_MS: i64 = 1_790_000_000_000;
const MINUTE_MS: u64 = 60_000;

pub(crate) fn ledger(dir: &Path) -> Ledger<RealFs> {
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

pub(crate) fn now(time: Time, seed: u8) -> Now {
    Now {
        time,
        seed: Seed([seed; 16]),
        day: jiff::civil::date(2026, 9, 21),
        day_ends: time.plus_ms(7 * 24 * 60 * MINUTE_MS),
        pace: Pace::Running,
    }
}

/// A minutely schedule whose mandates are as large as a configuration may make them.
pub(crate) fn minutely() -> (Definition, Rule) {
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
    let cron = Cron::parse(&definition.cron, definition.name.as_str()).expect("cron");
    let rule = Rule { cron, zone: jiff::tz::TimeZone::UTC, dst: definition.dst };
    (definition, rule)
}

/// What an engine of one mandate goes through, without its thread.
struct Turns {
    ledger: Option<Ledger<RealFs>>,
    calendar: Calendar,
    seed: u8,
    events: Vec<Event>,
    permits: Vec<Permit<State>>,
}

impl Turns {
    fn take(&mut self, own: Vec<Input>) {
        let ledger = self.ledger.take().expect("the last turn gave it back");
        let mut inputs = Inputs::default();
        inputs.own = own;
        let (events, permits) = (&mut self.events, &mut self.permits);
        let mut publish = |records: &[Shown], _: &State| {
            events.extend(records.iter().flat_map(|record| record.events.clone()));
        };
        let mut dispatch = |permit| permits.push(permit);
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let seed = &mut self.seed;
        let mut now = || {
            *seed += 1;
            now(Time::from_ms(START_MS), *seed)
        };
        let turned = turn(ledger, inputs, &mut now, &self.calendar, exits);
        self.ledger = Some(turned.expect("the disk holds").ledger);
    }
}

#[test]
fn an_outcome_too_large_for_a_frame_costs_its_effect_and_not_the_daemon() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ledger, calendar) = (Some(ledger(dir.path())), Calendar::default());
    let mut turns = Turns { ledger, calendar, seed: 0, events: Vec::new(), permits: Vec::new() };
    let rules = Box::new(world::rules());
    let verb = Verb::Create { spec: Box::new(world::spec(BlobRef::of(b"goal"))), key: None };
    let by = "user:ann(1000)".parse().expect("a principal");
    let configured = Input::Configured { rules, set: Vec::new(), gone: Vec::new() };
    turns.take(vec![configured, Input::Command { by, verb }]);
    let observe = turns.permits.pop().expect("it observes");
    let effect = observe.effect().id();
    // Each byte of such a name takes five in a frame.
    let path = RelPath::from_bytes(&[0xff; 4_000]).expect("a path");
    let seen = Seen { path, content: BlobRef::of(b"text") };
    let outcome = Outcome::Observed { files: vec![seen; 64], left_out: 0 };
    turns.events.clear();
    turns.take(vec![Input::Settled { effect, outcome }]);
    let Some(Event::EffectSettled { outcome, .. }) = turns.events.first() else {
        panic!("{:?}", turns.events)
    };
    assert_eq!(*outcome, Outcome::Failed(Failure::Oversize));
    assert_eq!(turns.permits.len(), 1, "the mandate goes on");
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
    let mut publish = |records: &[Shown], _: &State| {
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

#[test]
fn slots_missed_under_a_rule_that_is_gone_have_their_fate() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ledger, calendar) = (Some(ledger(dir.path())), Calendar::default());
    let mut turns = Turns { ledger, calendar, seed: 0, events: Vec::new(), permits: Vec::new() };
    let configured = |turns: &Turns, schedules, at_ms| {
        let state = turns.ledger.as_ref().expect("the last turn gave it back").state();
        let zones = |_: &str| Some(jiff::tz::TimeZone::UTC);
        start::configured(state, world::rules(), schedules, zones, Time::from_ms(at_ms)).unwrap().1
    };
    let first = configured(&turns, vec![minutely()], START_MS - 600_000);
    turns.take(first);
    turns.events.clear();
    let last = configured(&turns, Vec::new(), START_MS);
    turns.take(last);
    let minute = |back: i64| Time::from_ms((START_MS / 60_000 - back) * 60_000);
    let expected = Event::Slots {
        schedule: "minutely".parse().expect("a name"),
        revision: 1,
        from: minute(9),
        to: minute(0),
        count: 10,
        state: SlotState::Skipped,
        reason: Some(SlotReason::RuleChanged),
    };
    assert_eq!(turns.events.first(), Some(&expected));
    assert!(matches!(turns.events.last(), Some(Event::SchedulesLoaded { .. })));
}
