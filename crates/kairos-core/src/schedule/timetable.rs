//! Every slot a schedule has, and when each is let go.
//!
//! Owns the kinds of timetable behind one way to walk them, and the delay that jitter gives a slot.
//! Never knows now, a cursor or a policy: [`super::missed`] does. Slots lie on whole seconds, and so do
//! their releases.
//!
//! ```text
//!  slots      ●───────────●───────────●──▶   named by their civil time, whatever the jitter
//!  releases   └──▶○       └▶○         └─────▶○   each before the next slot, so their order holds
//! ```

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::civil::{Dst, InFold, InGap, Rule, Slot};
use super::cron::Cron;
use super::definition::{Definition, ScheduleName, Timing};
use super::expr::CronError;
use super::zone::{Zone, ZoneClock};
use crate::digest::Digest;
use crate::time::Time;

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    Cron(Rule),
    /// At `anchor` + k · `period_ms`, from k = 1; both whole seconds.
    Every {
        period_ms: u64,
        anchor: Time,
    },
    /// Once; none where the zone's clock skips it and so does the rule.
    At(Option<Slot>),
    /// By no clock: what makes it due comes from elsewhere.
    Never,
}

/// All slots of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Timetable {
    when: When,
    /// Whose clock names its slots.
    zone: Option<Zone>,
    jitter: Option<Jitter>,
}

/// A delay by chance, but always the same chance.
#[derive(Clone, Debug, PartialEq)]
struct Jitter {
    identity: ScheduleName,
    most_s: u64,
}

/// A definition that no timetable can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTimetable {
    #[error("the expression `{cron}` cannot be read")]
    Cron { cron: String, source: CronError },
    #[error("`{zone}` is not a time zone")]
    UnknownZone { zone: String },
}

impl From<Rule> for Timetable {
    fn from(rule: Rule) -> Self {
        let zone = Some(rule.zone.clone().into());
        Self::new(When::Cron(rule), zone)
    }
}

impl Timetable {
    /// Slots that are let go when they are due.
    #[must_use]
    pub const fn new(when: When, zone: Option<Zone>) -> Self {
        Self { when, zone, jitter: None }
    }

    /// The same, each slot let go up to `most_ms` later, by a hash of its name and the schedule's.
    #[must_use]
    pub fn with_jitter(self, identity: &ScheduleName, most_ms: u64) -> Self {
        let most_s = most_ms / 1000;
        let jitter = (most_s > 0).then(|| Jitter { identity: identity.clone(), most_s });
        Self { jitter, ..self }
    }

    /// Compiles a definition. `anchor` is when this revision of it was loaded; its whole second counts.
    ///
    /// # Errors
    /// A configuration that was checked has none but for a zone that is gone since.
    pub fn of(
        definition: &Definition,
        anchor: Time,
        zones: &mut dyn FnMut(&str) -> Option<Zone>,
    ) -> Result<Self, NoTimetable> {
        let identity = definition.identity();
        let mut zone_of = |name: &String| {
            zones(name).ok_or_else(|| NoTimetable::UnknownZone { zone: name.clone() })
        };
        let (when, zone) = match &definition.timing {
            Timing::Cron { cron, zone, dst } => {
                let zone = zone_of(zone)?;
                let parsed = Cron::parse(cron, identity.as_str())
                    .map_err(|source| NoTimetable::Cron { cron: cron.clone(), source })?;
                let rule = Rule { cron: parsed, zone: zone.table.clone(), dst: *dst };
                (When::Cron(rule), Some(zone))
            }
            Timing::Every { period_ms } => (When::every(*period_ms, anchor), None),
            Timing::At { at, zone, dst } => {
                let zone = zone_of(zone)?;
                (When::At(once(*at, &zone.table, *dst)), Some(zone))
            }
            Timing::Trigger(_) => (When::Never, None),
        };
        Ok(Self::new(when, zone).with_jitter(identity, definition.jitter_ms))
    }

    /// The same, an interval counted from `anchor` or less than a second before.
    #[must_use]
    pub fn anchored(self, anchor: Time) -> Self {
        let when = match self.when {
            When::Every { period_ms, .. } => When::every(period_ms, anchor),
            when @ (When::Cron(_) | When::At(_) | When::Never) => when,
        };
        Self { when, ..self }
    }

    #[must_use]
    pub const fn when(&self) -> &When {
        &self.when
    }

    /// What an interval is counted from.
    #[must_use]
    pub const fn anchor(&self) -> Option<Time> {
        match &self.when {
            When::Every { anchor, .. } => Some(*anchor),
            When::Cron(_) | When::At(_) | When::Never => None,
        }
    }

    #[must_use]
    pub const fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// How its zone's clock stands at `cursor`, for a day when the zone's data are others. Not needed
    /// for data that have no digest: they never change.
    #[must_use]
    pub fn zone_clock(&self, cursor: Time) -> Option<ZoneClock> {
        let zone = self.zone.as_ref().filter(|zone| zone.digest.is_some())?;
        Some(ZoneClock::of(&zone.table, cursor))
    }

    /// The first slot due strictly after `after`, or none if there is none ever.
    #[must_use]
    pub fn next_after(&self, after: Time) -> Option<Slot> {
        match &self.when {
            When::Cron(rule) => rule.next_after(after),
            When::Every { period_ms, anchor } => {
                let ticks = Ticks { period_ms: *period_ms, anchor: *anchor };
                ticks.slot(ticks.until(after).checked_add(1)?)
            }
            When::At(slot) => slot.filter(|slot| slot.at > after),
            When::Never => None,
        }
    }

    /// How many slots are due in (`after`, `until`].
    #[must_use]
    pub fn count(&self, after: Time, until: Time) -> u64 {
        match &self.when {
            When::Cron(rule) => rule.count(after, until),
            When::Every { period_ms, anchor } => {
                let ticks = Ticks { period_ms: *period_ms, anchor: *anchor };
                ticks.until(until).saturating_sub(ticks.until(after))
            }
            When::At(slot) => {
                u64::from(slot.is_some_and(|slot| after < slot.at && slot.at <= until))
            }
            When::Never => 0,
        }
    }

    /// The newest `most` slots due in (`after`, `until`], oldest first.
    #[must_use]
    pub fn newest(&self, after: Time, until: Time, most: usize) -> Vec<Slot> {
        match &self.when {
            When::Cron(rule) => rule.newest(after, until, most),
            When::Every { period_ms, anchor } => {
                let ticks = Ticks { period_ms: *period_ms, anchor: *anchor };
                let last = ticks.until(until);
                let many = u64::try_from(most).unwrap_or(u64::MAX);
                let before = ticks.until(after).max(last.saturating_sub(many));
                (before..last).filter_map(|n| ticks.slot(n + 1)).collect()
            }
            When::At(slot) => {
                let due = slot.filter(|slot| after < slot.at && slot.at <= until);
                due.into_iter().take(most).collect()
            }
            When::Never => Vec::new(),
        }
    }

    /// When a slot of this timetable is let go: when it is due, or later by jitter, but before the
    /// next one is due.
    #[must_use]
    pub fn release(&self, slot: &Slot) -> Time {
        let Some(jitter) = &self.jitter else { return slot.at };
        let room = self.next_after(slot.at).map(|next| next.at.ms_since(slot.at) / 1000);
        let most = room.map_or(jitter.most_s, |room| room.min(jitter.most_s));
        let Some(delay) = chance(&jitter.identity, slot).checked_rem(most) else { return slot.at };
        slot.at.plus_ms(delay * 1000)
    }

    /// When the first slot after `after` is let go.
    #[must_use]
    pub fn next_release(&self, after: Time) -> Option<Time> {
        self.next_after(after).map(|slot| self.release(&slot))
    }

    /// The latest instant up to which every slot is let go at `now`. One slot at most is due and held
    /// back: the newest.
    #[must_use]
    pub fn released(&self, now: Time) -> Time {
        let Some(jitter) = &self.jitter else { return now };
        let window = jitter.most_s.saturating_mul(1000);
        let since = Time::from_ms(now.as_ms().saturating_sub_unsigned(window));
        match self.newest(since, now, 1).last() {
            Some(held) if self.release(held) > now => {
                Time::from_ms(held.at.as_ms().saturating_sub(1))
            }
            _ => now,
        }
    }
}

impl When {
    /// An interval that began at `anchor`, or less than a second before.
    #[must_use]
    pub fn every(period_ms: u64, anchor: Time) -> Self {
        let second = anchor.as_ms().div_euclid(1000).saturating_mul(1000);
        Self::Every { period_ms: period_ms.max(1000), anchor: Time::from_ms(second) }
    }
}

/// The slots of an interval, counted from 1.
#[derive(Clone, Copy)]
struct Ticks {
    period_ms: u64,
    anchor: Time,
}

impl Ticks {
    /// How many are due up to `until`.
    const fn until(self, until: Time) -> u64 {
        until.ms_since(self.anchor) / self.period_ms
    }

    /// None past the end of the calendar.
    fn slot(self, n: u64) -> Option<Slot> {
        let elapsed = i64::try_from(n.checked_mul(self.period_ms)?).ok()?;
        let ms = self.anchor.as_ms().checked_add(elapsed)?;
        let at = jiff::Timestamp::from_millisecond(ms).ok()?;
        Some(Slot { civil: Offset::UTC.to_datetime(at), fold: 0, at: Time::from_ms(ms) })
    }
}

/// The one slot of a civil time.
#[must_use]
pub fn once(civil: DateTime, zone: &TimeZone, dst: Dst) -> Option<Slot> {
    let slot = |offset: Offset, fold| {
        Some(Slot { civil, fold, at: offset.to_timestamp(civil).ok()?.into() })
    };
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => slot(offset, 0),
        AmbiguousOffset::Fold { after, .. } if dst.fold == InFold::Second => slot(after, 1),
        AmbiguousOffset::Fold { before, .. } => slot(before, 0),
        AmbiguousOffset::Gap { .. } if dst.gap == InGap::Skip => None,
        AmbiguousOffset::Gap { after, .. } => {
            // By the offset after it, the time lies before the change.
            let before = after.to_timestamp(civil).ok()?;
            let change = zone.following(before).next()?;
            Some(Slot { civil, fold: 0, at: change.timestamp().into() })
        }
    }
}

/// A number that only the names of a schedule and a slot decide.
fn chance(identity: &ScheduleName, slot: &Slot) -> u64 {
    let text = format!("jitter {} {} {}", slot.civil, slot.fold, identity);
    let digest = Digest::of(text.as_bytes());
    let first = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*first)
}
