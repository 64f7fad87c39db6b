//! What a command may be given, and what becomes of it.
//!
//! Owns risk, what a command changes, what it starts, what it reads beside the workspace, which of
//! the workspace's files it executes, and what a crash in it means. Says only what a rule says: who
//! holds a step or grants a permit reads it and decides elsewhere.

use std::path::{Path, PathBuf};

use crate::policy::{ExecRule, HostPort, Net, WriteMode};

/// How much a mistake costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    Medium,
    High,
}

/// What a command changes in the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// Nothing: it is given no way to.
    Nothing,
    /// Files: collected as a change set and promoted one by one.
    Files,
    /// The repository itself, in place: a commit.
    Repository,
}

impl Writes {
    /// The write mode a command of this kind begins with.
    pub fn mode(self) -> WriteMode {
        match self {
            Self::Nothing => WriteMode::ReadOnly,
            Self::Files => WriteMode::Overlay,
            Self::Repository => WriteMode::Direct,
        }
    }
}

/// What a command starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// Nothing but itself and what came with it.
    Itself,
    /// Other programs of the system.
    System,
    /// Programs of the workspace, or built there.
    Any,
}

impl Starts {
    /// What a policy says of it.
    pub fn exec_rule(self) -> ExecRule {
        match self {
            Self::Itself => ExecRule::Listed(Vec::new()),
            Self::System => ExecRule::System,
            Self::Any => ExecRule::Any,
        }
    }
}

/// What a crash in the middle means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is left of it: done again.
    Read,
    /// Nothing is left of it; afterwards its change set is promoted, and each file is an effect.
    Promotion,
    /// Its trace can be looked for: a commit with a trailer.
    Probed,
    /// Nobody can tell: never done again.
    Opaque,
}

/// A directory or file a command reads outside the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRoot {
    Absolute(PathBuf),
    /// Below the home of whom the command is for, in a table `~/…`.
    Home(PathBuf),
}

impl ReadRoot {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let below_home = text.strip_prefix("~/").map(Path::new);
        let plain = |path: &Path| {
            !path.components().any(|part| matches!(part, std::path::Component::ParentDir))
        };
        match below_home {
            Some(path) if path.is_relative() && plain(path) => Some(Self::Home(path.to_owned())),
            None if text.starts_with('/') && plain(Path::new(text)) => {
                Some(Self::Absolute(text.into()))
            }
            _ => None,
        }
    }
}

/// The files of the workspace that a command executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// These: paths named in the argv, and globs; both relative to the workspace.
    Bound { named: Vec<PathBuf>, globs: Vec<String> },
    /// Nobody can list them.
    NotBound { why: String },
}

impl Inputs {
    /// A command that executes nothing of the workspace.
    pub fn none() -> Self {
        Self::Bound { named: Vec::new(), globs: Vec::new() }
    }

    pub(crate) fn globs(globs: &[String]) -> Self {
        Self::Bound { named: Vec::new(), globs: globs.to_vec() }
    }

    /// Adds files that an argv names.
    #[must_use]
    pub(crate) fn with(self, more: Vec<PathBuf>) -> Self {
        match self {
            Self::Bound { mut named, globs } => {
                named.extend(more);
                Self::Bound { named, globs }
            }
            Self::NotBound { why } => Self::NotBound { why },
        }
    }
}

/// What a rule gives to the commands it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub risk: Risk,
    pub writes: Writes,
    pub starts: Starts,
    pub reads: Vec<ReadRoot>,
    /// Directories that the command finds as the last one left them, in place of the workspace's own
    /// and never among its changes; relative to where it stands.
    pub scratch: Vec<String>,
    /// Directories that it sees as they are, and whose changes nobody keeps; relative to where it
    /// stands.
    pub dropped: Vec<String>,
    pub inputs: Inputs,
    pub net: Net,
}

impl Default for Grant {
    /// What reads the workspace and nothing else.
    fn default() -> Self {
        Self {
            risk: Risk::Low,
            writes: Writes::Nothing,
            starts: Starts::Itself,
            reads: Vec::new(),
            scratch: Vec::new(),
            dropped: Vec::new(),
            inputs: Inputs::none(),
            net: Net::Deny,
        }
    }
}

impl Grant {
    /// What a crash means when the command has this write mode.
    pub fn effect(&self, mode: WriteMode) -> Effect {
        match (self.hosts().is_empty(), mode, self.writes) {
            (false, _, _) => Effect::Opaque,
            (true, WriteMode::ReadOnly, _) => Effect::Read,
            (true, WriteMode::Overlay, _) => Effect::Promotion,
            (true, WriteMode::Direct, Writes::Repository) => Effect::Probed,
            (true, WriteMode::Direct, Writes::Nothing | Writes::Files) => Effect::Opaque,
        }
    }

    fn hosts(&self) -> &[HostPort] {
        match &self.net {
            Net::Deny => &[],
            Net::Allow(hosts) => hosts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_means_what_mode_and_network_say() {
        let read = Grant::default();
        assert_eq!(read.effect(WriteMode::ReadOnly), Effect::Read);
        assert_eq!(read.effect(WriteMode::Overlay), Effect::Promotion);
        assert_eq!(read.effect(WriteMode::Direct), Effect::Opaque);
        let commit = Grant { writes: Writes::Repository, ..Grant::default() };
        assert_eq!(commit.effect(commit.writes.mode()), Effect::Probed);
        let out = Net::Allow(vec![HostPort::parse("a.org:443").unwrap()]);
        let out = Grant { net: out, ..Grant::default() };
        assert_eq!(out.effect(WriteMode::ReadOnly), Effect::Opaque);
    }

    #[test]
    fn a_read_root_is_whole_or_below_home() {
        assert_eq!(ReadRoot::parse("/opt/x"), Some(ReadRoot::Absolute("/opt/x".into())));
        assert_eq!(ReadRoot::parse("~/.cargo"), Some(ReadRoot::Home(".cargo".into())));
        for other in ["", "x", "~", "~//etc", "~/../x", "/a/../b", "~x/y"] {
            assert_eq!(ReadRoot::parse(other), None, "{other}");
        }
    }
}
