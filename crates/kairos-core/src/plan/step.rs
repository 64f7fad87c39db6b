//! A step: the smallest journaled unit of a plan, one effect on the world.
//!
//! Owns the closed list of actions and where each acts. Never holds text to write: the performer
//! re-reads it from the answer's blob by the step's place in the plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::path::RelPath;
use crate::plan::graph::{FailurePolicy, Node, StepName};

/// One node of a plan's graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: StepName,
    pub action: Action,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<StepName>,
    pub policy: FailurePolicy,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    CodeEdit { path: RelPath },
    FileCreate { path: RelPath },
    FileMove { path: RelPath, to: RelPath },
    FileDelete { path: RelPath },
    Shell,
    ToolCall,
    PdfBuild,
    Noop,
}

/// An action without its target: what `allowed_actions` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    CodeEdit,
    FileCreate,
    FileMove,
    FileDelete,
    Shell,
    ToolCall,
    PdfBuild,
    Noop,
}

impl Action {
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::CodeEdit { .. } => ActionKind::CodeEdit,
            Self::FileCreate { .. } => ActionKind::FileCreate,
            Self::FileMove { .. } => ActionKind::FileMove,
            Self::FileDelete { .. } => ActionKind::FileDelete,
            Self::Shell => ActionKind::Shell,
            Self::ToolCall => ActionKind::ToolCall,
            Self::PdfBuild => ActionKind::PdfBuild,
            Self::Noop => ActionKind::Noop,
        }
    }

    /// The file it acts on; a move's source.
    #[must_use]
    pub const fn path(&self) -> Option<&RelPath> {
        match self {
            Self::CodeEdit { path }
            | Self::FileCreate { path }
            | Self::FileMove { path, .. }
            | Self::FileDelete { path } => Some(path),
            Self::Shell | Self::ToolCall | Self::PdfBuild | Self::Noop => None,
        }
    }
}

impl ActionKind {
    /// Every action there is.
    pub const ALL: [Self; 8] = [
        Self::CodeEdit,
        Self::FileCreate,
        Self::FileMove,
        Self::FileDelete,
        Self::Shell,
        Self::ToolCall,
        Self::PdfBuild,
        Self::Noop,
    ];

    /// The word used by models, in configuration, journals and output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CodeEdit => "code_edit",
            Self::FileCreate => "file_create",
            Self::FileMove => "file_move",
            Self::FileDelete => "file_delete",
            Self::Shell => "shell",
            Self::ToolCall => "tool_call",
            Self::PdfBuild => "pdf_build",
            Self::Noop => "noop",
        }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Step {
    /// The step as a node of the plan's graph.
    #[must_use]
    pub fn node(&self) -> Node {
        Node { name: self.name.clone(), depends_on: self.depends_on.clone(), policy: self.policy }
    }
}
