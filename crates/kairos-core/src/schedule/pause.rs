//! How a schedule fares: what its mandates came to, and whether it is paused.
//!
//! Owns the streak of failures and the pause it leads to. Never decides a slot's fate: while a schedule
//! is paused nothing accounts for its slots, and once it goes on they are skipped as one range, so a
//! pause costs nothing however long it is.

use serde::{Deserialize, Serialize};

use crate::form::is_default;
use crate::mandate::outcome::Outcome;
use crate::principal::Principal;
use crate::schedule::contents::Contents;
use crate::time::Time;

/// Why a schedule is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// A person said so.
    Person(Principal),
    /// So many of its mandates failed in a row.
    Failures(u32),
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    pub since: Time,
    pub why: PausedBy,
    /// When it ended, until the slots that it swallowed are accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

/// How a schedule fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fare {
    /// Mandates that failed since one did not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// What the files it looks at held at its last slot that took them in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seen: Contents,
    /// Nobody can say whether what its files hold next had its slot: the journal lost sight of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restored: bool,
}

impl Fare {
    /// The pause that holds.
    #[must_use]
    pub fn paused(&self) -> Option<&Pause> {
        self.pause.as_ref().filter(|pause| pause.ended.is_none())
    }

    /// The streak after a mandate that ended so.
    #[must_use]
    pub const fn failures_after(&self, outcome: Outcome) -> u32 {
        match outcome {
            Outcome::Achieved | Outcome::Unchanged => 0,
            Outcome::Stopped => self.failures,
            Outcome::Exhausted
            | Outcome::Failed
            | Outcome::Looped
            | Outcome::Refused
            | Outcome::Expired => self.failures.saturating_add(1),
        }
    }

    pub fn pause(&mut self, since: Time, why: PausedBy) {
        self.pause = Some(Pause { since, why, ended: None });
    }

    /// Goes on at `now`; what failed before counts no more.
    pub fn resume(&mut self, now: Time) {
        self.failures = 0;
        if let Some(pause) = &mut self.pause {
            pause.ended.get_or_insert(now);
        }
    }

    /// A slot took in what the files hold.
    pub fn saw(&mut self, files: Contents) {
        (self.seen, self.restored) = (files, false);
    }

    /// The slots that an ended pause swallowed are accounted for.
    pub fn accounted(&mut self) {
        self.pause.take_if(|pause| pause.ended.is_some());
    }
}
