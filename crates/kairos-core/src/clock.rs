//! The wall clock, as far as it can be believed.
//!
//! Owns the rule by which a clock that was set is waited for: two readings say whether somebody set
//! it, and how long it has stood since. Never reads a clock; whoever drives the turn does, gives the
//! turn the input that follows, and shows what was recorded. While a clock is held no slot is looked at, nothing expires and no day begins.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::input::Input;
use crate::state::State;
use crate::time::Time;

/// A wall clock that was set further than this is held.
pub const STEP_MS: u64 = 2 * 60 * 1000;
/// How long it must then stand undisturbed before it is believed.
pub const SETTLE_MS: u64 = 60 * 1000;
/// A start that finds the wall clock further than this behind the newest record believes no age by it
/// yet: a machine that was off that long and one whose clock was lost look alike.
const AWAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How long it must then stand, for whoever sets clocks over the network to set it.
const STEADY_MS: u64 = 10 * 60 * 1000;
/// While it is held, a smaller change begins the wait anew too; less than this is how clocks run.
const STIR_MS: u64 = 1000;

/// A wall clock that was set and is not believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// How far it was set, forward or back, all steps together.
    pub by_ms: i64,
}

impl Held {
    /// After one more step.
    #[must_use]
    pub fn stepped(before: Option<Self>, by_ms: i64) -> Self {
        Self { by_ms: before.map_or(0, |held| held.by_ms).saturating_add(by_ms) }
    }
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub wall: Time,
    /// Milliseconds since the machine was started, sleep included; nobody can set it.
    pub boot_ms: u64,
}

impl Reading {
    /// The instant at which this machine was started, as the wall clock has it: it moves only when
    /// that is set.
    fn origin_ms(self) -> i64 {
        self.wall.as_ms().saturating_sub_unsigned(self.boot_ms)
    }

    /// From when on, by the clock that nobody sets, what this start finds to be old is old enough to be
    /// deleted: at once, or when the wall clock has stood for a while.
    #[must_use]
    pub fn ages_from_ms(self, newest: Option<Time>) -> u64 {
        let away = newest.is_some_and(|newest| self.wall.ms_since(newest) > AWAY_MS);
        if away { self.boot_ms.saturating_add(STEADY_MS) } else { self.boot_ms }
    }

    /// What the wall clock shows at `boot_ms`, if nobody sets it between.
    #[must_use]
    pub fn wall_at(self, boot_ms: u64) -> Time {
        let (now, then) = (self.boot_ms, boot_ms);
        let ahead = self.wall.plus_ms(then.saturating_sub(now));
        Time::from_ms(ahead.as_ms().saturating_sub_unsigned(now.saturating_sub(then)))
    }
}

/// What a reading shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing to record.
    Nothing,
    /// The wall clock was set, too far to go on with.
    Stepped { by_ms: i64 },
    /// It has stood long enough.
    Settled,
}

/// What is known of the wall clock from the readings so far.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    last: Reading,
    origin_ms: i64,
    /// While it is held, since when it has stood, by the clock that nobody sets.
    stood: Option<u64>,
    /// A step that is not recorded yet.
    step_ms: Option<i64>,
}

impl Clock {
    /// The first reading of a process whose journal is recovered. Held by an earlier one it has to
    /// stand anew, for nobody saw what it did meanwhile. That it was set while nobody looked shows
    /// only where it is behind the newest record.
    #[must_use]
    pub fn new(first: Reading, state: &State) -> Self {
        let step_ms = behind(state.newest(), first);
        let held = state.clock().is_some() || step_ms.is_some();
        Self { step_ms, ..Self::first(first, held) }
    }

    fn first(first: Reading, held: bool) -> Self {
        let stood = held.then_some(first.boot_ms);
        Self { last: first, origin_ms: first.origin_ms(), stood, step_ms: None }
    }

    /// Looks again, before a turn: the input for what the state does not know, to be taken before
    /// anything that goes by the clock.
    pub fn look(&mut self, reading: Reading, state: &State) -> Option<Input> {
        match self.see(reading) {
            Seen::Nothing => {}
            Seen::Stepped { by_ms } => {
                self.step_ms = Some(self.step_ms.unwrap_or(0).saturating_add(by_ms));
            }
            Seen::Settled => self.step_ms = None,
        }
        match self.step_ms {
            Some(by_ms) => Some(Input::ClockStepped { by_ms }),
            None => {
                (state.clock().is_some() && self.stood.is_none()).then_some(Input::ClockSettled)
            }
        }
    }

    /// What a turn recorded.
    pub const fn recorded(&mut self, event: &Event) {
        match event {
            Event::ClockStepped { .. } => self.step_ms = None,
            Event::ClockSettled { .. } => self.stood = None,
            _ => {}
        }
    }

    /// From when on schedules begin that come with a start. While it is held, the earlier of what the
    /// wall clock shows and what it would show had nobody set it: no slot is lost to a clock that is
    /// set back again.
    #[must_use]
    pub fn begins(&self, state: &State) -> Time {
        let wall = self.last.wall;
        let held = Held::stepped(state.clock(), self.step_ms.unwrap_or(0));
        wall.min(Time::from_ms(wall.as_ms().saturating_sub(held.by_ms)))
    }

    /// Sleep moves both clocks alike, so it never shows.
    fn see(&mut self, reading: Reading) -> Seen {
        self.last = reading;
        let origin_ms = reading.origin_ms();
        let by_ms = origin_ms.saturating_sub(self.origin_ms);
        self.origin_ms = origin_ms;
        if by_ms.unsigned_abs() > STEP_MS {
            self.stood = Some(reading.boot_ms);
            return Seen::Stepped { by_ms };
        }
        match &mut self.stood {
            Some(stood) if by_ms.unsigned_abs() >= STIR_MS => {
                *stood = reading.boot_ms;
                Seen::Nothing
            }
            Some(stood) if reading.boot_ms.saturating_sub(*stood) >= SETTLE_MS => {
                self.stood = None;
                Seen::Settled
            }
            Some(_) | None => Seen::Nothing,
        }
    }

    /// When it is believed, if nobody sets it again, by the clock that nobody sets; `None` where it is.
    #[must_use]
    pub fn settles_ms(&self) -> Option<u64> {
        self.stood.map(|stood| stood.saturating_add(SETTLE_MS))
    }

    /// The same by the wall clock.
    #[must_use]
    pub fn settles(&self) -> Option<Time> {
        Some(self.last.wall_at(self.settles_ms()?))
    }
}

/// How far the wall clock stands behind the newest record, if too far.
fn behind(newest: Option<Time>, first: Reading) -> Option<i64> {
    let back_ms = newest?.ms_since(first.wall);
    (back_ms > STEP_MS).then(|| 0_i64.saturating_sub_unsigned(back_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    /// What is seen while (boot time passes, the wall clock passes) go on by so many milliseconds.
    fn seen(held: bool, spans: &[(u64, i64)]) -> Vec<Seen> {
        let mut at = Reading { wall: Time::from_ms(1_800_000_000_000), boot_ms: 7_000 };
        let mut clock = Clock::first(at, held);
        let look = |(boot_ms, wall_ms): &(u64, i64)| {
            let wall = Time::from_ms(at.wall.as_ms() + wall_ms);
            at = Reading { wall, boot_ms: at.boot_ms + boot_ms };
            clock.see(at)
        };
        spans.iter().map(look).collect()
    }

    const STANDS: Seen = Seen::Nothing;

    /// What it is, how far both clocks go on each time, and what is seen then.
    type Case<'a> = (&'a str, &'a [(u64, i64)], &'a [Seen]);

    fn by(by_ms: i64) -> Seen {
        Seen::Stepped { by_ms }
    }

    #[test]
    fn only_what_time_does_not_explain_is_a_step() {
        let table: &[Case] = &[
            ("time passes", &[(10_000, 10_000)], &[STANDS]),
            ("eight hours asleep", &[(28_800_000, 28_800_000)], &[STANDS]),
            ("two minutes forward", &[(0, 2 * MINUTE)], &[STANDS]),
            ("two minutes back", &[(0, -2 * MINUTE)], &[STANDS]),
            ("more than that", &[(0, 2 * MINUTE + 1)], &[by(2 * MINUTE + 1)]),
            ("and back", &[(0, -2 * MINUTE - 1)], &[by(-2 * MINUTE - 1)]),
            ("asleep, and set", &[(28_800_000, 28_800_000 + HOUR)], &[by(HOUR)]),
            ("one minute, thrice", &[(0, MINUTE), (0, MINUTE), (0, MINUTE)], &[STANDS; 3]),
            ("a clock that runs fast", &[(60_000, 60_030); 9], &[STANDS; 9]),
        ];
        for (what, spans, expected) in table {
            assert_eq!(seen(false, spans), *expected, "{what}");
        }
    }

    #[test]
    fn after_long_away_an_age_counts_once_the_clock_has_stood() {
        let reading = Reading { wall: Time::from_ms(1_800_000_000_000), boot_ms: 7_000 };
        let before = |ms: i64| Some(Time::from_ms(reading.wall.as_ms() - ms));
        let cases =
            [(None, 0), (before(-HOUR), 0), (before(24 * HOUR), 0), (before(24 * HOUR + 1), 10)];
        for (newest, minutes) in cases {
            assert_eq!(reading.ages_from_ms(newest), 7_000 + minutes * 60_000, "{newest:?}");
        }
    }

    #[test]
    fn it_is_believed_after_a_minute_undisturbed() {
        let table: &[Case] = &[
            (
                "a minute",
                &[(0, HOUR), (59_999, 59_999), (1, 1)],
                &[by(HOUR), STANDS, Seen::Settled],
            ),
            (
                "set again",
                &[(0, HOUR), (50_000, 50_000 - HOUR), (50_000, 50_000), (10_000, 10_000)],
                &[by(HOUR), by(-HOUR), STANDS, Seen::Settled],
            ),
            (
                "stirred by a second",
                &[(0, HOUR), (50_000, 51_000), (50_000, 50_000), (10_000, 10_000)],
                &[by(HOUR), STANDS, STANDS, Seen::Settled],
            ),
            (
                "drawn to the right time slowly",
                &[(0, HOUR), (30_000, 30_015), (30_000, 30_015)],
                &[by(HOUR), STANDS, Seen::Settled],
            ),
            ("asleep meanwhile", &[(0, HOUR), (HOUR as u64, HOUR)], &[by(HOUR), Seen::Settled]),
        ];
        for (what, spans, expected) in table {
            assert_eq!(seen(false, spans), *expected, "{what}");
        }
    }

    #[test]
    fn a_hold_goes_on_over_a_start_and_begins_its_minute_anew() {
        assert_eq!(seen(true, &[(59_000, 59_000), (1_000, 1_000)]), [STANDS, Seen::Settled]);
    }

    #[test]
    fn a_clock_behind_the_newest_record_was_set_back() {
        let first = Reading { wall: Time::from_ms(10 * HOUR), boot_ms: 0 };
        let behind = |ms| behind(Some(Time::from_ms(10 * HOUR + ms)), first);
        assert_eq!(
            [-HOUR, 0, 2 * MINUTE, 2 * MINUTE + 1, HOUR].map(behind),
            [None, None, None, Some(-2 * MINUTE - 1), Some(-HOUR)]
        );
        assert_eq!(super::behind(None, first), None);
    }

    #[test]
    fn the_clock_that_nobody_sets_tells_what_the_other_will_show() {
        let now = Reading { wall: Time::from_ms(HOUR), boot_ms: 5_000 };
        assert_eq!(
            [4_000, 5_000, 7_500].map(|at| now.wall_at(at).as_ms() - HOUR),
            [-1_000, 0, 2_500]
        );
    }
}
