//! What becomes of slots that came due while nobody could fire them.
//!
//! Owns the missed policies. Every slot between the cursor and now gets exactly one fate, oldest
//! first; the fates of many are one range, so a decade asleep costs no more than a minute. Never
//! decides whether a slot that may fire does: pause, overlap and budget come after.

use super::civil::Slot;
use super::timetable::Timetable;
use crate::time::Time;

/// The most slots one catch-up fires; a larger `max` acts as this.
pub const MAX_FIRES: u32 = 1000;

/// What to do with slots found due together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// The newest fires, however late; older ones are skipped.
    Skip,
    /// The newest fires unless it is later than the deadline; what is later never fires.
    Drop { starting_deadline_ms: u64 },
    /// The newest fires, however late, and stands for the older ones too.
    CatchUpOnce,
    /// The newest `max` fire, but none that is older than `stale_after_ms`.
    CatchUpBounded { max: u32, stale_after_ms: u64 },
}

/// Why slots of a range did not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfired {
    /// A newer slot fired for them.
    Coalesced,
    /// The policy wants fewer.
    Skipped,
    /// Too late by the policy's deadline or staleness.
    DroppedStale,
    /// The journal has lost sight of what happened to them.
    Restored,
    /// Its rule was edited or taken away.
    RuleChanged,
    /// Its schedule was paused.
    Paused,
}

/// How a condition kept a slot from firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// It does not hold.
    False,
    /// Nobody can tell whether it holds.
    Unknown,
}

/// What became of one slot, or of a range of neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fires(Slot),
    /// Would fire, but for its schedule's condition.
    Unmet(Slot, Unmet),
    /// `count` slots, the first due at `from`, the last at `to`.
    Passed {
        from: Time,
        to: Time,
        count: u64,
        why: Unfired,
    },
}

/// The fates of all slots up to the new cursor, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounted {
    /// At most [`MAX_FIRES`] slots and two ranges.
    pub fates: Vec<Fate>,
    /// Where the next accounting starts, exclusive.
    pub cursor: Time,
}

impl Accounted {
    /// Whether a slot of them fires.
    #[must_use]
    pub fn fires(&self) -> bool {
        self.fates.iter().any(|fate| matches!(fate, Fate::Fires(_)))
    }

    /// The same where the schedule's condition keeps them from firing.
    #[must_use]
    pub fn unmet(mut self, why: Unmet) -> Self {
        for fate in &mut self.fates {
            if let Fate::Fires(slot) = *fate {
                *fate = Fate::Unmet(slot, why);
            }
        }
        self
    }

    /// The fates up to the first slot that fires. What follows stays due: a fire brings its whole
    /// mandate into the frame, and a frame has an end.
    #[must_use]
    pub fn through_first_fire(mut self) -> Self {
        let fires = self.fates.iter().enumerate().find_map(|(at, fate)| match fate {
            Fate::Fires(slot) => Some((at, slot.at)),
            Fate::Unmet(..) | Fate::Passed { .. } => None,
        });
        if let Some((at, fired)) = fires.filter(|(at, _)| at + 1 < self.fates.len()) {
            self.fates.truncate(at + 1);
            self.cursor = fired;
        }
        self
    }
}

/// Gives every slot after `after` that is let go by `now` its fate. A `now` at or before the cursor has
/// none, and the cursor stays: a clock set back fires nothing again.
#[must_use]
pub fn account(table: &Timetable, policy: MissedPolicy, after: Time, now: Time) -> Accounted {
    let until = table.released(now);
    if until <= after {
        return Accounted { fates: Vec::new(), cursor: after };
    }
    let (most, limit_ms) = match policy {
        MissedPolicy::Skip | MissedPolicy::CatchUpOnce => (1, None),
        MissedPolicy::Drop { starting_deadline_ms } => (1, Some(starting_deadline_ms)),
        MissedPolicy::CatchUpBounded { max, stale_after_ms } => {
            (max.min(MAX_FIRES), Some(stale_after_ms))
        }
    };
    // A slot exactly as late as the limit is in time; late is what was let go long ago.
    let stale =
        limit_ms.map_or(after, |ms| table.released(before(earlier(now, ms))).clamp(after, until));
    let most = usize::try_from(most).expect("a pointer has at least 32 bits");
    let fires = table.newest(stale, until, most);
    let rest = fires.first().map_or(until, |first| before(first.at));
    let why = match policy {
        MissedPolicy::CatchUpOnce => Unfired::Coalesced,
        MissedPolicy::Skip | MissedPolicy::Drop { .. } | MissedPolicy::CatchUpBounded { .. } => {
            Unfired::Skipped
        }
    };
    let passed =
        [passed(table, after, stale, Unfired::DroppedStale), passed(table, stale, rest, why)];
    let fates = passed.into_iter().flatten().chain(fires.into_iter().map(Fate::Fires)).collect();
    Accounted { fates, cursor: until }
}

/// Lets every slot in (`after`, `until`] pass, also one that jitter still holds back.
#[must_use]
pub fn pass(table: &Timetable, after: Time, until: Time, why: Unfired) -> Accounted {
    let fates = passed(table, after, until, why).into_iter().collect();
    Accounted { fates, cursor: until.max(after) }
}

/// The slots in (`after`, `until`] as one range, if there are any.
fn passed(table: &Timetable, after: Time, until: Time, why: Unfired) -> Option<Fate> {
    let count = table.count(after, until);
    let from = (count > 0).then(|| table.next_after(after))??.at;
    let to = table.newest(after, until, 1).last()?.at;
    Some(Fate::Passed { from, to, count, why })
}

fn earlier(time: Time, span_ms: u64) -> Time {
    Time::from_ms(time.as_ms().saturating_sub_unsigned(span_ms))
}

/// The instant just before, at the resolution of time.
fn before(time: Time) -> Time {
    earlier(time, 1)
}
