//! What may be asked of the world, and what can come back.
//!
//! Owns the closed lists of intents (what the journal keeps), calls (what a performer is handed)
//! and outcomes (what it settles with), and the recovery class of each. Never performs anything.
//! An [`Effect`] has private fields: only `State::apply` makes one, so only a record causes one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::Usage;
use crate::canonical::Tree;
use crate::cycle::answer::Answer;
use crate::cycle::brief::Brief;
use crate::cycle::phase::Phase;
use crate::cycle::retry::CallFailure;
use crate::digest::{BlobRef, Digest};
use crate::gate::scope::{Scope, Scopes};
use crate::id::{EffectId, MandateId, ProposalId};
use crate::mandate::spec::Check;
use crate::path::RelPath;
use crate::plan::{Action, StepName};
use crate::shell::{CommandRefusal, Invocation, Ran};

/// One asking of the world, ready for a performer.
#[derive(Clone, Debug)]
pub struct Effect {
    id: EffectId,
    mandate: MandateId,
    call: Call,
}

impl Effect {
    pub(crate) fn new(id: EffectId, mandate: MandateId, call: Call) -> Self {
        Self { id, mandate, call }
    }

    #[must_use]
    pub const fn id(&self) -> EffectId {
        self.id
    }

    #[must_use]
    pub const fn mandate(&self) -> MandateId {
        self.mandate
    }

    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }
}

/// What the journal keeps of an effect that was begun: enough to rebuild its call from the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Read the files the mandate names.
    Observe,
    /// One attempt of one model call.
    Ask { phase: Phase, attempt: u8 },
    /// Open a step's target, make the new bytes, store both sides.
    Prepare { step: u8 },
    /// Bring a prepared change to the tree.
    Change {
        step: u8,
        change: Change,
        temp: TempName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elevation: Option<ProposalId>,
    },
    /// After a crash: compare what lies on disk with a change that has no outcome.
    Reconcile { step: u8, change: Change, temp: TempName },
    /// Remove what a change left beside its target, now that its outcome is durable.
    Clear { step: u8, change: Change, temp: TempName },
    /// Look whether the mandate's checks hold.
    Verify,
    /// Execute a resolved command.
    Execute {
        step: u8,
        invocation: Invocation,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elevation: Option<ProposalId>,
    },
    /// Make what a person reads of a change that a command made.
    Diff { step: u8, change: Change },
}

/// What recovery does with an intent that has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Done again.
    Read,
    /// Asked again if the budget allows; the reservation counts as spent.
    Model,
    /// The hashes on disk say whether it happened.
    File,
    /// Never done again: a person says whether it happened.
    Opaque,
}

impl Intent {
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Observe
            | Self::Prepare { .. }
            | Self::Reconcile { .. }
            | Self::Clear { .. }
            | Self::Diff { .. }
            | Self::Verify => Class::Read,
            Self::Ask { .. } => Class::Model,
            Self::Change { .. } => Class::File,
            Self::Execute { invocation, .. } => invocation.class(),
        }
    }

    /// The step of the plan it belongs to.
    #[must_use]
    pub const fn step(&self) -> Option<u8> {
        match self {
            Self::Prepare { step }
            | Self::Change { step, .. }
            | Self::Reconcile { step, .. }
            | Self::Clear { step, .. }
            | Self::Execute { step, .. }
            | Self::Diff { step, .. } => Some(*step),
            Self::Observe | Self::Ask { .. } | Self::Verify => None,
        }
    }
}

/// What a performer is handed.
#[derive(Clone, Debug)]
pub enum Call {
    /// Read the files that `globs` or the goal's text name and whose scope is in `upload`.
    Observe {
        goal: BlobRef,
        globs: Vec<String>,
        upload: Vec<Scope>,
        scopes: Arc<Scopes>,
    },
    /// Send one request, once.
    Ask {
        model: String,
        output_tokens_max: u32,
        brief: Brief,
    },
    /// Prepare `action`, whose texts stand in step `step` of the stored `answer`.
    Prepare {
        action: Action,
        answer: BlobRef,
        step: StepName,
    },
    Change {
        change: Change,
        temp: TempName,
    },
    Reconcile {
        change: Change,
        temp: TempName,
    },
    Clear {
        change: Change,
        temp: TempName,
    },
    Verify {
        checks: Vec<Check>,
    },
    /// Resolve the command of step `step` of the stored `answer` once more, and execute it if it still
    /// is `invocation`.
    Execute {
        invocation: Invocation,
        answer: BlobRef,
        step: StepName,
    },
    Diff {
        change: Change,
    },
    /// Stop another effect of the same mandate. Never journaled by itself and settled by nobody:
    /// what counts is the outcome of the other one.
    Cancel {
        effect: EffectId,
    },
}

/// A name beside the target under which one side of a change waits: `.kairos-<16 hex digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TempName(u64);

impl TempName {
    /// The name that belongs to an effect.
    #[must_use]
    pub fn of(effect: EffectId) -> Self {
        // The low half of a ULID is all seed; the high half holds the time.
        let bytes = effect.as_u128().to_be_bytes();
        let mut low = [0; 8];
        low.copy_from_slice(&bytes[8..]);
        Self(u64::from_be_bytes(low))
    }
}

impl std::fmt::Display for TempName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, ".kairos-{:016x}", self.0)
    }
}

impl std::str::FromStr for TempName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.strip_prefix(".kairos-")
            .filter(|hex| hex.len() == 16)
            .and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .map(Self)
            .ok_or_else(|| format!("`{s}` is not a temporary name"))
    }
}

crate::text::serde_as_text!(TempName => "`.kairos-` and 16 hex digits");

/// A change to the tree with both sides fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Edit {
        at: Place,
        pre: FileFact,
        post: BlobRef,
    },
    Create {
        at: Place,
        post: BlobRef,
        /// Permission bits; those of any new file where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    Move {
        at: Place,
        to: Place,
        pre: FileFact,
    },
    Delete {
        at: Place,
        pre: FileFact,
    },
}

/// A path and the directory it was found to lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub path: RelPath,
    /// The parent directory's inode: another one later means that the path leads elsewhere. 0 where
    /// there was none, of a creation or of where a move leads: it is made with the change.
    pub parent: u64,
}

/// A file as it was found: stored content and permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    pub content: BlobRef,
    pub mode: u32,
}

impl Change {
    /// The path it acts on; a move's source.
    #[must_use]
    pub const fn path(&self) -> &RelPath {
        match self {
            Self::Edit { at, .. }
            | Self::Create { at, .. }
            | Self::Move { at, .. }
            | Self::Delete { at, .. } => &at.path,
        }
    }

    /// Where a move goes.
    #[must_use]
    pub const fn to(&self) -> Option<&RelPath> {
        match self {
            Self::Move { to, .. } => Some(&to.path),
            Self::Edit { .. } | Self::Create { .. } | Self::Delete { .. } => None,
        }
    }

    /// SHA-256 over what the change means and nothing else: what a decision binds to.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let (action, mode) = match self {
            Self::Edit { pre, .. } => ("edit", Some(pre.mode)),
            Self::Create { mode, .. } => ("create", *mode),
            Self::Move { pre, .. } => ("move", Some(pre.mode)),
            Self::Delete { pre, .. } => ("delete", Some(pre.mode)),
        };
        let content = |blob: Option<BlobRef>| blob.map(|blob| blob.digest.to_string());
        Tree::map([
            ("action", action.into()),
            ("path", self.path().to_string().into()),
            ("to", self.to().map(ToString::to_string).into()),
            ("pre", content(self.pre()).into()),
            ("post", content(self.post()).into()),
            ("mode", mode.map(u64::from).into()),
        ])
        .digest()
    }

    /// The content before, where there was a file.
    #[must_use]
    pub fn pre(&self) -> Option<BlobRef> {
        match self {
            Self::Edit { pre, .. } | Self::Move { pre, .. } | Self::Delete { pre, .. } => {
                Some(pre.content)
            }
            Self::Create { .. } => None,
        }
    }

    /// The content after, where there is a file.
    #[must_use]
    pub fn post(&self) -> Option<BlobRef> {
        match self {
            Self::Edit { post, .. } | Self::Create { post, .. } => Some(*post),
            Self::Move { pre, .. } => Some(pre.content),
            Self::Delete { .. } => None,
        }
    }
}

/// What an effect settles with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Observed {
        files: Vec<Seen>,
        /// Files that were named but not read: too large, too many, or their scope may not be
        /// uploaded.
        left_out: u32,
    },
    Asked(Attempt),
    Prepared {
        change: Change,
        diff: BlobRef,
    },
    /// A step's command was found and its argv taken.
    Resolved {
        invocation: Invocation,
    },
    /// A command that was not executed, with what is told of it.
    NotExecuted {
        why: CommandRefusal,
        told: BlobRef,
    },
    Executed(Box<Ran>),
    /// Refused before anything happened.
    Refused(FileRefusal),
    /// The target is not as it was prepared; nothing was done.
    Stale,
    /// The change stands.
    Changed {
        writers: WritersKnown,
    },
    /// Nobody can prove whether it happened; nothing more was touched.
    Unsettled(Doubt),
    Reconciled(Reconciled),
    Cleared,
    Verified {
        /// Positions of the checks that do not hold.
        failed: Vec<u8>,
        /// What was found, in words for the next cycle; `None` when all hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<BlobRef>,
    },
    /// The performer failed; for a read nothing happened.
    Failed(Failure),
    /// A person said so.
    ByPerson {
        answer: PersonSays,
    },
    /// The daemon or the performer ended before it settled.
    Lost,
}

/// One file as observe saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub path: RelPath,
    pub content: BlobRef,
}

/// One HTTP attempt and what it cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The request as sent, where it was made at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<BlobRef>,
    /// As the provider reported it; without it the reservation counts as used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The beginning of what was said instead of an answer, fit to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<BlobRef>,
    pub reply: Reply,
}

/// What an attempt brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Answered {
        answer: Answer,
        text: BlobRef,
    },
    /// The model answered, but not in the form asked for.
    Invalid {
        text: BlobRef,
        problem: BlobRef,
    },
    /// No answer.
    Failed(CallFailure),
    /// Stopped by us.
    Cancelled,
}

impl Reply {
    /// Whether the model said something, well-formed or not.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Invalid { .. })
    }
}

/// Whether a change could be sure that nobody held the old file open for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WritersKnown {
    None,
    Unknown,
}

/// What disk says of a change without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconciled {
    Done,
    Retry,
    Unsettled(Doubt),
}

/// Why nobody can prove what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Somebody else changed the target in the window.
    ChangedMeanwhile,
    /// Somebody held the old file open for writing.
    OpenForWriting,
    /// The path led to another directory in the end.
    PathMoved,
    /// Neither the old nor the new content lies there.
    Neither,
    /// The disk failed in the middle.
    Disk,
    /// A command that reaches the world did not come to its own end.
    Interrupted,
}

/// Why a file step was refused before anything happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRefusal {
    /// The path leads out of the workspace.
    Escapes,
    /// A link stands in the path.
    Symlink,
    /// Not a regular file.
    NotRegular,
    /// The file has more than one name.
    HardLinked,
    /// It lies in a protected root.
    Protected,
    /// Over 8 MiB.
    TooLarge,
    Missing,
    /// The new name is taken.
    Exists,
    /// Somebody holds it open for writing.
    OpenForWriting,
    /// It lies on another file system.
    OtherMount,
    /// The old text does not occur.
    OldTextMissing,
    /// The old text occurs more than once.
    OldTextNotUnique {
        count: u32,
    },
    /// The edit changes nothing.
    NoChange,
    /// This file system cannot exchange two names.
    NoExchange,
    /// The daemon may not read or write there.
    NotPermitted,
    /// Nothing is left on the disk.
    NoSpace,
}

/// Why a performer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    Panicked,
    /// The disk answered with an error.
    Disk,
    /// Nothing is left on the disk.
    NoSpace,
    /// A stored blob is missing or not what was written.
    Blob,
    /// More work is open than may be; it was not begun.
    Busy,
    /// What it brought does not fit into a record.
    Oversize,
}

/// What a person says of an unsettled effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonSays {
    Happened,
    DidNot,
    Unknown,
}
