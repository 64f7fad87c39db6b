//! The turn by itself, at times the test names.

use std::path::Path;
use std::sync::Arc;

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Failure, Outcome, Seen};
use kairos_core::event::Event;
use kairos_core::id::{IdSource, Seed};
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::path::RelPath;
use kairos_core::schedule::definition::{Concurrency, Definition, OPEN_MAX, Timing};
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::schedule::{Dst, InFold, MissedPolicy, Zone};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_engine::{Calendar, Exits, Inputs, Ledger, Shown, start, turn};
use kairos_journal::{Opening, Permit, Segments};

use crate::world;

pub(crate) const START_MS: i64 = 1_790_000_000_000;
const MINUTE_MS: u64 = 60_000;

pub(crate) fn ledger(dir: &Path) -> Ledger<RealFs> {
    ledger_of(dir, Segments::default())
}

pub(crate) fn ledger_of(dir: &Path, segments: Segments) -> Ledger<RealFs> {
    ledger_by(dir, segments, 1)
}

/// As a program whose events are of this version.
pub(crate) fn ledger_by(dir: &Path, segments: Segments, schema: u32) -> Ledger<RealFs> {
    let root = RealFs.root(dir).expect("the root");
    let opening = Opening {
        origin: IdSource::new(Time::from_ms(START_MS), Seed([7; 16])).node(),
        epoch: 1,
        schema,
        segments,
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
pub(crate) fn minutely() -> Definition {
    let mut spec = world::spec(BlobRef::of(b"goal"));
    spec.files = (0..64).map(|n| format!("{n:03}{}", "x".repeat(4_000))).collect();
    let (cron, zone, dst) = ("* * * * *".into(), "UTC".into(), Dst::default());
    let timing = Timing::Cron { cron, zone, dst };
    Definition {
        missed: MissedPolicy::CatchUpBounded { max: 50, stale_after_ms: u64::MAX },
        concurrency: Concurrency::Allow,
        ..Definition::new("minutely".parse().expect("a name"), timing, spec)
    }
}

/// Every zone is UTC.
pub(crate) fn zones(_: &str) -> Option<Zone> {
    Some(jiff::tz::TimeZone::UTC.into())
}

/// What an engine of one mandate goes through, without its thread.
pub(crate) struct Turns {
    pub(crate) ledger: Option<Ledger<RealFs>>,
    pub(crate) calendar: Calendar,
    seed: u64,
    pub(crate) events: Vec<Event>,
    permits: Vec<Permit<State>>,
}

impl Turns {
    /// With the journal in `dir`, and no schedule.
    pub(crate) fn start(dir: &Path) -> Self {
        let (ledger, calendar) = (Some(ledger(dir)), Calendar::default());
        Self { ledger, calendar, seed: 0, events: Vec::new(), permits: Vec::new() }
    }

    pub(crate) fn state(&self) -> &State {
        self.ledger.as_ref().expect("the last turn gave it back").state()
    }

    fn take(&mut self, own: Vec<Input>) {
        self.take_at(own, Time::from_ms(START_MS));
    }

    pub(crate) fn take_at(&mut self, own: Vec<Input>, at: Time) {
        let mut inputs = Inputs::default();
        inputs.own = own;
        self.take_all(inputs, at);
    }

    /// A person asks; answers whether that was accepted.
    pub(crate) fn accepts(&mut self, verb: Verb, at: Time) -> bool {
        let mut inputs = Inputs::default();
        let command = IdSource::new(at, Seed([9; 16])).command();
        let by = "user:ann(1000)".parse().expect("a principal");
        let mut answer = inputs.ask(by, verb, command);
        self.take_all(inputs, at);
        matches!(answer.try_recv(), Ok(Ok(_)))
    }

    fn take_all(&mut self, inputs: Inputs, at: Time) {
        let ledger = self.ledger.take().expect("the last turn gave it back");
        let (events, permits) = (&mut self.events, &mut self.permits);
        let mut publish = |records: &[Shown], _: &State| {
            events.extend(records.iter().flat_map(|record| record.events.clone()));
        };
        let mut dispatch = |permit| permits.push(permit);
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let seed = &mut self.seed;
        let mut now = || {
            *seed += 1;
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&seed.to_be_bytes());
            Now { seed: Seed(bytes), ..now(at, 0) }
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
    let configured =
        Input::Configured { rules, set: Vec::new(), gone: Vec::new(), renamed: Vec::new() };
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
    let start = Time::from_ms(START_MS);
    let schedules = vec![minutely()];
    let (calendar, first) =
        start::configured(ledger.state(), world::rules(), schedules, zones, start).expect("few");
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
    let ledger = take(ledger, first, start);
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

/// The configuration at one time, and whatever is due then; answers the slots that fired.
fn fires(turns: &mut Turns, schedules: Vec<Definition>, at: Time) -> Vec<Time> {
    let state = turns.ledger.as_ref().expect("the last turn gave it back").state();
    let (calendar, own) =
        start::configured(state, world::rules(), schedules, zones, at).expect("they fit");
    turns.calendar = calendar;
    turns.events.clear();
    turns.take_at(own, at);
    let fired = turns.events.iter().filter_map(|event| match event {
        Event::Slot { at, state: SlotState::Fired, .. } => Some(*at),
        _ => None,
    });
    fired.collect()
}

#[test]
fn no_slot_fires_again_under_a_schedule_that_came_back_or_changed_after_the_clock_was_set_back() {
    let minute = |n: u64| Time::from_ms(START_MS / 60_000 * 60_000).plus_ms(n * 60_000);
    let other = || {
        let missed = MissedPolicy::CatchUpBounded { max: 7, stale_after_ms: 3_600_000 };
        let dst = Dst { fold: InFold::Both, ..Dst::default() };
        let (cron, zone) = ("* * * * *".into(), "UTC".into());
        vec![Definition { timing: Timing::Cron { cron, zone, dst }, missed, ..minutely() }]
    };
    for comes_back in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let (ledger, calendar) = (Some(ledger(dir.path())), Calendar::default());
        let mut turns =
            Turns { ledger, calendar, seed: 0, events: Vec::new(), permits: Vec::new() };
        assert_eq!(fires(&mut turns, vec![minutely()], minute(0)), []);
        let first: Vec<_> = (1..=9).map(minute).collect();
        assert_eq!(fires(&mut turns, vec![minutely()], minute(9)), first);
        if comes_back {
            assert_eq!(fires(&mut turns, Vec::new(), minute(9)), []);
        }
        assert_eq!(fires(&mut turns, other(), minute(2)), []);
        assert_eq!(fires(&mut turns, other(), minute(8)), []);
        assert_eq!(fires(&mut turns, other(), minute(11)), [minute(10), minute(11)]);
    }
}

/// As many mandates of one schedule wait as may when it is told to replace them: to stop all of
/// them takes more than a frame has room for, and so does every other try.
#[test]
fn more_mandates_than_one_frame_can_stop_are_replaced() {
    const WAIT: u64 = OPEN_MAX as u64;
    let with = |concurrency, bytes| {
        let mut spec = world::spec(BlobRef::of(b"goal"));
        spec.files = vec!["x".repeat(bytes)];
        let missed = MissedPolicy::CatchUpBounded { max: 1_000, stale_after_ms: u64::MAX };
        vec![Definition { concurrency, spec, missed, ..minutely() }]
    };
    let minute = |n: u64| Time::from_ms(START_MS / 60_000 * 60_000).plus_ms(n * 60_000);
    let started = || {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Some(ledger(dir.path()));
        let calendar = Calendar::default();
        let mut turns =
            Turns { ledger, calendar, seed: 0, events: Vec::new(), permits: Vec::new() };
        for n in (0..=WAIT).step_by(1_000) {
            fires(&mut turns, with(Concurrency::Allow, 1), minute(n));
        }
        (dir, turns)
    };
    let open = |turns: &Turns| {
        let state = turns.ledger.as_ref().expect("the last turn gave it back").state();
        state.mandates().filter(|mandate| mandate.ending.is_none()).count()
    };
    // Nearly as much as a configuration can hold.
    let replace = || with(Concurrency::Replace, 850_000);

    let (_dir, mut turns) = started();
    assert_eq!(open(&turns), usize::try_from(WAIT).expect("few"));
    assert_eq!(fires(&mut turns, replace(), minute(WAIT + 1)), [minute(WAIT + 1)]);
    assert_eq!(open(&turns), 1);

    let (_dir, mut turns) = started();
    assert_eq!(fires(&mut turns, replace(), minute(WAIT)), []);
    let fire = Verb::Fire { schedule: "minutely".parse().expect("a name"), slot: None, key: None };
    assert!(turns.accepts(fire, minute(WAIT)));
    assert_eq!(open(&turns), 1);
}
