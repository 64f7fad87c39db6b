//! A schedule as the operator wrote it, checked.
//!
//! Owns the fields of a schedule that the state keeps, and their written form. Never compiles cron or
//! opens zone data: the compiled [timetable](super::timetable) lives with the engine's calendar, and
//! the state keeps the texts it came from.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::DateTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::form::is_default;
use crate::mandate::spec::MandateSpec;
use crate::schedule::civil::Dst;
use crate::schedule::condition::Condition;
use crate::schedule::missed::MissedPolicy;
use crate::schedule::trigger::Trigger;

/// A schedule's name, or its `id`: 1–128 bytes, no control characters. Unique among schedules, and
/// where a schedule has no `id`, its identity over time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleName(Arc<str>);

/// The text cannot name a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name a schedule: 1 to 128 bytes, no control characters")]
pub struct ParseScheduleNameError(pub String);

impl ScheduleName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        read(&self.0)
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScheduleName({})", self.0)
    }
}

impl FromStr for ScheduleName {
    type Err = ParseScheduleNameError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if (1..=128).contains(&s.len()) && !s.chars().any(char::is_control) {
            Ok(Self(s.into()))
        } else {
            Err(ParseScheduleNameError(s.to_owned()))
        }
    }
}

crate::text::serde_as_text!(ScheduleName: with_text => "a schedule's name");

/// When a schedule is due, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// By the fields of an expression.
    Cron {
        cron: String,
        /// An IANA zone name.
        zone: String,
        dst: Dst,
    },
    /// Once in so much elapsed time, counted from when it was loaded: whole seconds, 1 to
    /// [`PERIOD_S_MAX`].
    Every { period_ms: u64 },
    /// Once, when the zone's clock shows this. On a night that shows it twice the first counts,
    /// unless `dst` says the second.
    At { at: DateTime, zone: String, dst: Dst },
    /// By something that happens, at no time that could be told before.
    Trigger(Trigger),
}

impl Timing {
    /// The zone its times are read in; none where only elapsed time counts.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        match self {
            Self::Cron { zone, .. } | Self::At { zone, .. } => Some(zone),
            Self::Every { .. } | Self::Trigger(_) => None,
        }
    }

    /// Whether somebody can deliver to it.
    #[must_use]
    pub const fn is_webhook(&self) -> bool {
        matches!(self, Self::Trigger(Trigger::Webhook {}))
    }
}

/// The longest interval, in seconds: 366 days.
pub const PERIOD_S_MAX: u64 = 366 * 86_400;

/// The most a slot can be delayed, in milliseconds.
pub const JITTER_MS_MAX: u64 = 24 * 3_600_000;

/// The most fires of one schedule that can be allowed to queue.
pub const QUEUED_MAX: u8 = 16;

/// The most mandates of one schedule and scope that are open at once, parked ones among them, whatever
/// its concurrency allows. One that replaces ends the others instead.
pub const OPEN_MAX: usize = 1_000;

const QUEUED: u8 = 1;
const PAUSE_AFTER: u32 = 3;

/// What the operator wrote about one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: ScheduleName,
    /// What it is over time, whatever it is called; its name where this is none.
    pub id: Option<ScheduleName>,
    pub timing: Timing,
    /// What must hold before a slot that is due fires.
    pub condition: Option<Condition>,
    /// Slots are let go up to this much later, never past the next one. Whole seconds, up to
    /// [`JITTER_MS_MAX`].
    pub jitter_ms: u64,
    pub enabled: bool,
    pub missed: MissedPolicy,
    pub concurrency: Concurrency,
    /// How many of its fires may queue: 1 to [`QUEUED_MAX`].
    pub max_queued: u8,
    /// So many failed mandates in a row pause it; 0 is never.
    pub pause_after: u32,
    pub spec: MandateSpec,
}

impl Definition {
    /// One about which nothing was written but when and what.
    #[must_use]
    pub const fn new(name: ScheduleName, timing: Timing, spec: MandateSpec) -> Self {
        Self {
            name,
            id: None,
            timing,
            condition: None,
            jitter_ms: 0,
            enabled: true,
            missed: MissedPolicy::Skip,
            concurrency: Concurrency::Queue,
            max_queued: QUEUED,
            pause_after: PAUSE_AFTER,
            spec,
        }
    }

    /// What it is over time: two definitions with one identity are one schedule.
    #[must_use]
    pub fn identity(&self) -> &ScheduleName {
        self.id.as_ref().unwrap_or(&self.name)
    }

    /// The glob of the files that make it due, and how long they have to stand, in milliseconds; none
    /// while it is off.
    #[must_use]
    pub fn watches(&self) -> Option<(&str, u64)> {
        match &self.timing {
            Timing::Trigger(Trigger::Path { glob, settle_ms }) if self.enabled => {
                Some((glob, *settle_ms))
            }
            Timing::Trigger(_) | Timing::Cron { .. } | Timing::Every { .. } | Timing::At { .. } => {
                None
            }
        }
    }

    /// Whether the other definition has other slots: a change of what is due, not of what it does.
    /// Jitter delays slots and makes no other ones.
    #[must_use]
    pub fn same_slots(&self, other: &Self) -> bool {
        (&self.timing, self.enabled) == (&other.timing, other.enabled)
    }
}

/// A definition in writing: when it is due stands flat beside the rest.
// tidy: table
#[derive(Serialize, Deserialize)]
struct Form<'a> {
    name: Cow<'a, ScheduleName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, ScheduleName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trigger: Option<Cow<'a, Trigger>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dst: Option<Dst>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<Cow<'a, Condition>>,
    #[serde(default, skip_serializing_if = "is_default")]
    jitter_ms: u64,
    enabled: bool,
    missed: MissedPolicy,
    concurrency: Concurrency,
    #[serde(default = "queued", skip_serializing_if = "is_queued")]
    max_queued: u8,
    #[serde(default = "pause_after", skip_serializing_if = "is_pause_after")]
    pause_after: u32,
    spec: Cow<'a, MandateSpec>,
}

const fn queued() -> u8 {
    QUEUED
}

const fn is_queued(n: &u8) -> bool {
    *n == QUEUED
}

const fn pause_after() -> u32 {
    PAUSE_AFTER
}

const fn is_pause_after(n: &u32) -> bool {
    *n == PAUSE_AFTER
}

impl<'a> From<&'a Definition> for Form<'a> {
    fn from(definition: &'a Definition) -> Self {
        let Definition { name, id, timing, spec, missed, .. } = definition;
        let mut form = Self {
            name: Cow::Borrowed(name),
            id: id.as_ref().map(Cow::Borrowed),
            cron: None,
            every_ms: None,
            at: None,
            trigger: None,
            zone: timing.zone().map(Cow::Borrowed),
            dst: None,
            condition: definition.condition.as_ref().map(Cow::Borrowed),
            jitter_ms: definition.jitter_ms,
            enabled: definition.enabled,
            missed: *missed,
            concurrency: definition.concurrency,
            max_queued: definition.max_queued,
            pause_after: definition.pause_after,
            spec: Cow::Borrowed(spec),
        };
        match timing {
            Timing::Cron { cron, dst, .. } => {
                (form.cron, form.dst) = (Some(Cow::Borrowed(cron.as_str())), Some(*dst));
            }
            Timing::Every { period_ms } => form.every_ms = Some(*period_ms),
            Timing::At { at, dst, .. } => (form.at, form.dst) = (Some(*at), Some(*dst)),
            Timing::Trigger(trigger) => form.trigger = Some(Cow::Borrowed(trigger)),
        }
        form
    }
}

/// What is written says not when, or says it twice.
#[derive(Debug, thiserror::Error)]
#[error("schedule `{0}` is due by none or by two of `cron`, `every_ms`, `at` and `trigger`")]
struct NotOneTiming(ScheduleName);

impl TryFrom<Form<'_>> for Definition {
    type Error = NotOneTiming;

    fn try_from(form: Form<'_>) -> Result<Self, NotOneTiming> {
        let name = form.name.into_owned();
        let (zone, dst) = (form.zone.map(Cow::into_owned), form.dst.unwrap_or_default());
        let timing = match (form.cron, form.every_ms, form.at, form.trigger, zone) {
            (Some(cron), None, None, None, Some(zone)) => {
                Timing::Cron { cron: cron.into_owned(), zone, dst }
            }
            (None, Some(period_ms), None, None, None) => Timing::Every { period_ms },
            (None, None, Some(at), None, Some(zone)) => Timing::At { at, zone, dst },
            (None, None, None, Some(trigger), None) => Timing::Trigger(trigger.into_owned()),
            _ => return Err(NotOneTiming(name)),
        };
        Ok(Self {
            name,
            id: form.id.map(Cow::into_owned),
            timing,
            condition: form.condition.map(Cow::into_owned),
            jitter_ms: form.jitter_ms,
            enabled: form.enabled,
            missed: form.missed,
            concurrency: form.concurrency,
            max_queued: form.max_queued,
            pause_after: form.pause_after,
            spec: form.spec.into_owned(),
        })
    }
}

impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Form::from(self).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Definition {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Form::deserialize(d)?.try_into().map_err(D::Error::custom)
    }
}

/// What a fire does when an earlier mandate of its schedule is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// It queues; no more of them than `max_queued`.
    #[default]
    Queue,
    /// It is made at once; the project scope still runs one at a time.
    Allow,
    /// It is refused.
    Reject,
    /// The earlier ones are stopped.
    Replace,
}
