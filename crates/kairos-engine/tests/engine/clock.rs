//! Turns while the wall clock is held.

use kairos_core::clock::{Clock, Reading};
use kairos_core::event::Event;
use kairos_core::id::CommandId;
use kairos_core::input::{Input, Now, Pace, Verb};
use kairos_core::refusal::Refusal;
use kairos_core::schedule::slot::SlotState;
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_disk::RealFs;
use kairos_engine::{Calendar, Exits, Inputs, Ledger, Shown, SubmitError, start, turn};

use crate::turn::{START_MS, ledger, minutely, now};
use crate::world;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A daemon of turns with both clocks in the test's hands.
struct Daemon {
    ledger: Option<Ledger<RealFs>>,
    calendar: Calendar,
    clock: Clock,
    at: Reading,
    seed: u8,
}

impl Daemon {
    /// Opens the journal in `dir`, or begins one.
    fn start(dir: &std::path::Path, at: Reading) -> (Self, Vec<Event>) {
        let ledger = ledger(dir);
        let state = ledger.state();
        let clock = Clock::new(at, state);
        let begins = clock.begins(state);
        let zones = |_: &str| Some(jiff::tz::TimeZone::UTC.into());
        let schedules = vec![minutely()];
        let configured = start::configured(state, world::rules(), schedules, zones, begins);
        let (calendar, own) = configured.expect("it fits");
        let mut daemon = Self { ledger: Some(ledger), calendar, clock, at, seed: 0 };
        let events = daemon.take(own, None).0;
        (daemon, events)
    }

    /// Time passes, and the wall clock goes on by another span than it.
    fn pass(&mut self, boot_ms: i64, wall_ms: i64) -> Vec<Event> {
        self.at.boot_ms = self.at.boot_ms.checked_add_signed(boot_ms).expect("forward");
        self.at.wall = Time::from_ms(self.at.wall.as_ms() + wall_ms);
        self.take(Vec::new(), None).0
    }

    fn confirm(&mut self) -> (Vec<Event>, Result<(), SubmitError>) {
        let (events, answer) = self.take(Vec::new(), Some(Verb::ConfirmClock));
        (events, answer.expect("it was asked"))
    }

    fn take(
        &mut self,
        own: Vec<Input>,
        verb: Option<Verb>,
    ) -> (Vec<Event>, Option<Result<(), SubmitError>>) {
        let ledger = self.ledger.take().expect("the last turn gave it back");
        let mut inputs = Inputs::default();
        inputs.own = self.clock.look(self.at, ledger.state()).into_iter().chain(own).collect();
        let by = "user:ann(1000)".parse().expect("a principal");
        let answer = verb.map(|verb| inputs.ask(by, verb, CommandId::from_u128(1)));
        let (seed, wall, mut events) = (&mut self.seed, self.at.wall, Vec::new());
        let mut now = || {
            *seed = seed.wrapping_add(1);
            Now { pace: Pace::Running, ..now(wall, *seed) }
        };
        let mut publish = |records: &[Shown], _: &State| {
            events.extend(records.iter().flat_map(|record| record.events.clone()));
        };
        let mut dispatch = drop;
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let turned = turn(ledger, inputs, &mut now, &self.calendar, exits).expect("it is written");
        self.ledger = Some(turned.ledger);
        events.iter().for_each(|event| self.clock.recorded(event));
        let told = |mut answer: tokio::sync::oneshot::Receiver<Result<_, _>>| {
            answer.try_recv().expect("answered").map(drop)
        };
        (events, answer.map(told))
    }
}

fn begun() -> Reading {
    Reading { wall: Time::from_ms(START_MS - START_MS % MINUTE_MS), boot_ms: 5_000 }
}

/// When slots fired, in minutes after the begin.
fn fired(events: &[Event]) -> Vec<i64> {
    let minute = |at: Time| (at.as_ms() - begun().wall.as_ms()) / MINUTE_MS;
    let slot = |event: &Event| match event {
        Event::Slot { at, state: SlotState::Fired, .. } => Some(minute(*at)),
        _ => None,
    };
    events.iter().filter_map(slot).collect()
}

#[test]
fn a_step_holds_slots_for_a_minute_and_the_policy_decides_then() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut daemon, _) = Daemon::start(dir.path(), begun());
    assert_eq!(fired(&daemon.pass(MINUTE_MS, MINUTE_MS)), [1]);
    let stepped = daemon.pass(1_000, HOUR_MS);
    assert_eq!(stepped, [Event::ClockStepped { by_ms: HOUR_MS - 1_000 }]);
    assert_eq!(daemon.pass(59_000, 59_000), [], "an hour of slots is due, and waits");
    let settled = daemon.pass(1_000, 1_000);
    assert_eq!(settled.first(), Some(&Event::ClockSettled { by: None }));
    // The newest fifty of what is due.
    assert_eq!(fired(&settled), (13..=62).collect::<Vec<_>>());
}

#[test]
fn a_step_that_is_taken_back_fires_nothing_early() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut daemon, _) = Daemon::start(dir.path(), begun());
    daemon.pass(0, 1_000 * HOUR_MS);
    assert_eq!(daemon.pass(0, -1_000 * HOUR_MS), [Event::ClockStepped { by_ms: -1_000 * HOUR_MS }]);
    assert_eq!(daemon.pass(59_999, 59_999), []);
    let settled = daemon.pass(1, 1);
    assert_eq!(
        (settled.first(), fired(&settled)),
        (Some(&Event::ClockSettled { by: None }), vec![1])
    );
}

#[test]
fn a_person_ends_the_hold_at_once_and_cannot_end_what_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut daemon, _) = Daemon::start(dir.path(), begun());
    let refused = Err(SubmitError::Refused(Refusal::ClockBelieved));
    assert_eq!(daemon.confirm(), (Vec::new(), refused));
    daemon.pass(0, 3 * MINUTE_MS);
    let (events, answer) = daemon.confirm();
    let by = Some("user:ann(1000)".parse().expect("a principal"));
    assert_eq!((events, answer), (vec![Event::ClockSettled { by }], Ok(())));
    assert_eq!(fired(&daemon.pass(0, 0)), [1, 2, 3]);
}

#[test]
fn a_hold_goes_on_over_a_restart_and_a_clock_behind_the_journal_begins_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut daemon, _) = Daemon::start(dir.path(), begun());
    daemon.pass(0, 3 * MINUTE_MS);
    let at = Reading { boot_ms: 100, ..daemon.at };
    drop(daemon);
    let (mut daemon, events) = Daemon::start(dir.path(), at);
    assert_eq!(events, [], "it is held already");
    assert_eq!(daemon.pass(59_000, 59_000), []);
    assert_eq!(fired(&daemon.pass(1_000, 1_000)), [1, 2, 3, 4]);
    let back = Reading { wall: Time::from_ms(daemon.at.wall.as_ms() - HOUR_MS), boot_ms: 100 };
    drop(daemon);
    let (mut daemon, events) = Daemon::start(dir.path(), back);
    assert_eq!(events, [Event::ClockStepped { by_ms: -HOUR_MS }]);
    assert_eq!(daemon.pass(60_000, 60_000), [Event::ClockSettled { by: None }]);
}

#[test]
fn small_steps_lose_no_slot_and_fire_none_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut daemon, _) = Daemon::start(dir.path(), begun());
    let mut slots = Vec::new();
    for by_ms in [30, 120, -120, 90, -100, -45, 60, 110, -120, 120].map(|seconds| seconds * 1_000) {
        slots.extend(fired(&daemon.pass(7_000, 7_000 + by_ms)));
        slots.extend(fired(&daemon.pass(40_000, 40_000)));
    }
    let last = *slots.last().expect("some");
    assert_eq!(slots, (1..=last).collect::<Vec<_>>());
    assert_eq!(last, 10, "all that the clock has shown");
}
