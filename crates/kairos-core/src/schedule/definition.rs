//! A schedule as the operator wrote it, checked.
//!
//! Owns the fields of a schedule that the state keeps. Never compiles cron or opens zone data: the
//! compiled rule lives with the engine's calendar, and the state keeps the texts it came from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::mandate::spec::MandateSpec;
use crate::schedule::civil::Dst;
use crate::schedule::missed::MissedPolicy;

/// A schedule's name: 1–128 bytes, no control characters. Unique, and its identity over time.
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

/// What the operator wrote about one schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub name: ScheduleName,
    pub cron: String,
    /// An IANA zone name.
    pub zone: String,
    pub dst: Dst,
    pub enabled: bool,
    pub missed: MissedPolicy,
    pub concurrency: Concurrency,
    pub spec: MandateSpec,
}

impl Definition {
    /// Whether the other definition has other slots: a change of what is due, not of what it does.
    #[must_use]
    pub fn same_slots(&self, other: &Self) -> bool {
        (&self.cron, &self.zone, self.dst, self.enabled)
            == (&other.cron, &other.zone, other.dst, other.enabled)
    }
}

/// What a fire does when an earlier mandate of its schedule is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// It queues; one fire queued at most.
    #[default]
    Queue,
    /// It is made at once; the project scope still runs one at a time.
    Allow,
    /// It is refused.
    Reject,
    /// The earlier ones are stopped.
    Replace,
}
