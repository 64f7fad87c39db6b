//! What a mandate asks for.
//!
//! Owns the fields of a mandate and their bounds. Never holds a person's text: goal, hints and
//! expected contents are stored blobs. A door parses its own form into this once; schedules and
//! commands share it.

use serde::{Deserialize, Serialize};

use crate::digest::BlobRef;
use crate::gate::risk::Risk;
use crate::gate::scope::Scope;
use crate::path::RelPath;
use crate::plan::ActionKind;

/// Cycles a mandate may be given.
pub const MAX_CYCLES: std::ops::RangeInclusive<u8> = 1..=50;
/// Globs a mandate may name in `files`.
pub const FILES_MAX: usize = 64;
/// Checks a mandate may name in `verify`.
pub const VERIFY_MAX: usize = 32;

/// A goal with limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateSpec {
    /// The goal's text.
    pub goal: BlobRef,
    /// Globs of files that decide may see.
    pub files: Vec<String>,
    /// What must hold for success.
    pub verify: Vec<Check>,
    /// 1–50.
    pub max_cycles: u8,
    pub risk_budget: Risk,
    /// Mandates of one scope do not run at the same time; empty = the whole workspace.
    pub project_scope: String,
    /// `None` = every action; empty = no action.
    pub allowed_actions: Option<Vec<ActionKind>>,
    /// Scopes whose file contents may be sent to a model.
    pub upload: Vec<Scope>,
    /// The operator's hints for decide.
    pub hints: Option<BlobRef>,
    /// The model asked; `None` = the default one.
    pub model: Option<String>,
    /// Time from start to `expired`.
    pub timeout_ms: Option<u64>,
}

/// One thing that must hold for a mandate to be achieved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The file exists and its bytes contain the text.
    Contains { file: RelPath, text: BlobRef },
    /// The command exits with 0; its argv is the stored text, a JSON list.
    Command { argv: BlobRef },
}
