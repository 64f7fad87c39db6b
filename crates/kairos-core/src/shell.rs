//! A command: what a shell step becomes, and how one ends.
//!
//! Owns the words for a command as it was resolved ([`Invocation`]), for what it leaves behind
//! ([`Writes`]), for its end and for what it brought ([`Ran`]). Never holds an argument or a line of
//! output: those are stored texts. A performer resolves and executes; the gate judges what was
//! resolved, and what is executed later has to have the same hash.

use serde::{Deserialize, Serialize};

use crate::canonical::Tree;
use crate::digest::{BlobRef, Digest};
use crate::effect::{Change, Class};
use crate::gate::risk::Risk;

/// Files of one change set that are promoted at most.
pub const PROMOTED_FILES_MAX: usize = 500;
/// Bytes of one change set that are promoted at most.
pub const PROMOTED_BYTES_MAX: u64 = 64 << 20;

/// A command as it was resolved: what the gate judges and a person decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// What a person reads of it: argv as executed, directory, what it may reach, what it executes.
    pub shown: BlobRef,
    /// SHA-256 of the program, and of the script where it is one.
    pub program: Digest,
    /// SHA-256 over argv as executed, the variables it is given and where it stands.
    pub argv: Digest,
    /// SHA-256 over everything it may see, write, execute and reach.
    pub policy: Digest,
    pub inputs: Inputs,
    /// A rule of the catalogue knows it.
    pub listed: bool,
    pub risk: Risk,
    pub writes: Writes,
    /// It may reach something.
    pub network: bool,
}

/// The files of the workspace that a command executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// These, by one digest over their paths and contents.
    Bound { files: u32, digest: Digest },
    /// Nobody can list them.
    NotBound,
}

/// Where the writes of a command go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// They fail.
    Nothing,
    /// To a layer that dies with it; what changed is promoted file by file.
    Layer,
    /// To the files, at once.
    Direct,
}

impl Invocation {
    /// What recovery does with it when it has no outcome.
    #[must_use]
    pub const fn class(&self) -> Class {
        match (self.writes, self.network) {
            (Writes::Nothing | Writes::Layer, false) => Class::Read,
            (Writes::Direct, _) | (_, true) => Class::Opaque,
        }
    }

    /// SHA-256 over what it means and nothing else: what a decision binds to, and what has to be
    /// found again when it is executed.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let inputs = match self.inputs {
            Inputs::Bound { digest, .. } => Some(digest.to_string()),
            Inputs::NotBound => None,
        };
        Tree::map([
            ("action", "shell".into()),
            ("program", self.program.to_string().into()),
            ("argv", self.argv.to_string().into()),
            ("policy", self.policy.to_string().into()),
            ("inputs", inputs.into()),
        ])
        .digest()
    }
}

/// A command that was executed, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    pub end: Ended,
    /// What is told of it to a model and to people: how it ended, and the ends of its output.
    pub told: BlobRef,
    /// What was kept of its streams; `None` of one that was silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<BlobRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<BlobRef>,
    /// Which walls stood, and what was not taken over of its changes.
    pub report: BlobRef,
    pub wall_ms: u64,
    /// What it changed and may be promoted; empty unless it ended well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why none of its changes can be promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoilt: Option<Spoilt>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Code(i32),
    /// By a signal of its own making.
    Signal(i32),
    /// It took longer than it may.
    Timeout,
    /// There was no memory left within its bound.
    Oom,
    /// It wrote more than is kept.
    OutputCap,
    /// It was refused a process.
    PidsCap,
    /// It used its processor time.
    CpuCap,
    /// It made a system call that is answered with death.
    Filtered,
    /// Somebody outside killed it.
    Killed,
}

impl Ended {
    /// It exited with 0.
    #[must_use]
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// How it ended, behind the command's name.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Code(code) => format!("exited with {code}"),
            Self::Signal(signal) => format!("was ended by signal {signal}"),
            Self::Timeout => "took longer than it may".to_owned(),
            Self::Oom => "had no memory left".to_owned(),
            Self::OutputCap => "wrote more than is kept".to_owned(),
            Self::PidsCap => "was refused a process".to_owned(),
            Self::CpuCap => "used up its processor time".to_owned(),
            Self::Filtered => "made a system call that is answered with death".to_owned(),
            Self::Killed => "was killed".to_owned(),
        }
    }

    /// It came to its own end, so what it did is done.
    #[must_use]
    pub const fn is_certain(self) -> bool {
        matches!(self, Self::Code(_) | Self::Signal(_))
    }
}

/// Why a change set is not promoted at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoilt {
    /// Somebody else changed one of the files meanwhile, or a file that it executed.
    Conflict,
    /// More files or bytes than may be promoted.
    TooMany,
    /// Something of it cannot be read.
    Unreadable,
    /// Something took the place of what was of another kind.
    OtherKind,
}

/// Why a command was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandRefusal {
    /// Its name is refused, or of no program.
    Name,
    /// Its rule does not take these arguments.
    Arguments,
    /// Where it is to stand is not in the workspace.
    Directory,
    /// It holds a known secret.
    Secret,
    /// A wall it needs cannot be put up here.
    Sandbox,
}
