//! What an operator is told beside the outcome.
//!
//! Owns the few sentences that have no place in a record. Never holds a secret or a model's text.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use kairos_core::cycle::phase::Phase;

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A provider said no; `message` is the beginning of what it said.
    Said { status: u16, message: String },
    /// A model does not know a field; it is asked without it from now on.
    FellBack { model: String, field: &'static str },
    /// The HTTP client could not be made, or no connection came about.
    NoConnection { message: String },
    /// The playbook has no answer for a call.
    NoAnswer { file: PathBuf, phase: Phase, cycle: u8 },
    /// A text could not be stored or read.
    Text { message: String },
}

/// Where notices go. Called on the performer's thread; must not block.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said { status, message } => write!(f, "provider answered {status}: {message}"),
            Self::FellBack { model, field } => {
                write!(f, "`{model}` does not take `{field}`; asked without it from now on")
            }
            Self::NoConnection { message } => write!(f, "no connection to the provider: {message}"),
            Self::NoAnswer { file, phase, cycle } => {
                write!(f, "no answer in {} for phase {phase} cycle {cycle}", file.display())
            }
            Self::Text { message } => f.write_str(message),
        }
    }
}
