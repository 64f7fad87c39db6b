//! A goal with limits, as people see it.
//!
//! Owns the public shape of a mandate and of the answers that speak of one.

use serde::{Deserialize, Serialize};

use super::Verify;
use crate::blob::Erasure;

// tidy: table
/// A mandate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mandate {
    pub id: String,
    pub state: State,
    /// What a parked mandate waits for; why a queued one does not start (`budget`, `scope`,
    /// `max_running`, `stopping`; null when it is about to); why a finished one ended so, where the outcome alone does
    /// not say.
    pub reason: Option<String>,
    /// Why the model says it cannot go on, in its own words, cut and without control characters;
    /// null unless that is what the mandate waits for, or what it said last.
    #[serde(default)]
    pub blocked_reason: Option<String>,
    /// How it ended; null until it is finished.
    pub outcome: Option<String>,
    /// Whether its checks held; null when none were looked at.
    pub verified: Option<bool>,
    /// The goal's text; null when it was erased.
    pub goal: Option<String>,
    /// Globs of files that decide may see.
    #[serde(default)]
    pub files: Vec<String>,
    /// What must hold for it to be achieved.
    #[serde(default)]
    pub verify: Vec<Verify>,
    /// Cycles it may take.
    #[serde(default)]
    pub max_cycles: u8,
    /// Mandates of one scope do not run at the same time; empty = the whole workspace.
    #[serde(default)]
    pub project_scope: String,
    /// The schedule that made it; null when a person did.
    pub schedule: Option<String>,
    /// The latest cycle, from 1; 0 before the first.
    pub cycle: u8,
    pub phase: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    /// What failed in the latest cycle in which something did; empty when the goal was reached.
    #[serde(default)]
    pub failures: Vec<Failure>,
    /// When waiting ends by itself; null unless it waits with a limit.
    pub until: Option<String>,
    /// What the latest cycle's look at files brought; null before the first.
    #[serde(default)]
    pub observed: Option<Observed>,
    pub spent: Spent,
    /// Changes that stand, oldest first.
    pub edits: Vec<Edit>,
    /// Ids of its proposals, oldest first.
    pub proposals: Vec<String>,
    /// Those of its texts, and of both sides of its edits, that were erased and are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<Erasure>,
    /// The position of the last record that speaks of it.
    pub seq: u64,
}

/// Where a mandate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Queued,
    Running,
    Parked,
    Finished,
}

/// One thing that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A phase, `step 1: edit docs/a.md`, or `checks`.
    pub what: String,
    /// Why, in words, with what a provider said; on one line.
    pub why: String,
    /// Stable word for programs.
    pub code: String,
    /// What a command, or a look at the checks, had to tell; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
}

/// How many files a model may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub files: u32,
    /// Named, but left out: too large, too many, or not allowed to be uploaded.
    pub left_out: u32,
}

/// What model calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub calls: u64,
    pub tokens: u64,
    pub usd_micros: u64,
}

/// A change that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub path: String,
    /// Where a move went; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `sha256:…` of the content before; null where there was no file.
    pub pre: Option<String>,
    /// `sha256:…` of the content after; null where there is no file.
    pub post: Option<String>,
}

/// `GET /v1/mandates`: a page, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mandates {
    /// Ids of all running mandates, whatever page this is.
    pub active: Vec<String>,
    /// Ids of all queued mandates, whatever page this is.
    pub queued: Vec<String>,
    pub mandates: Vec<Mandate>,
    /// What `before` takes for the next page; null on the last.
    pub next: Option<String>,
}

/// A mandate was made, or was made before under the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Always true.
    pub enqueued: bool,
    pub command_id: String,
    pub mandate_id: String,
    /// The position of the record that made it; when it was made before, the newest one.
    #[serde(default)]
    pub seq: u64,
    /// Null while the daemon still reads its history: it is recorded all the same.
    pub mandate: Option<Mandate>,
}

/// A mandate was asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Always true.
    pub enqueued: bool,
    pub command_id: String,
    pub mandate_id: String,
    /// Null while the daemon still reads its history: it is recorded all the same.
    pub mandate: Option<Mandate>,
}
