//! The protection of a path: how much has to be asked before an act may change it.
//!
//! Owns the built-in table and the operator's rules on top of it, which raise and never lower.
//! Judges the path the disk resolved, never the one a model wrote: a symlink or a hard link says
//! nothing here. Reads are not its concern.
//!
//! | path | scope | why |
//! |---|---|---|
//! | `.kairos/{config,journal,blobs,run,logs,state,keys,checkpoints}/**`, files that hold secrets | refused | whoever writes them is a daemon |
//! | `.kairos/skills/**`, `.kairos/skillsets/**`, `KairosChain_mcp_server/**` | l0 | they are what the agent is |
//! | `.kairos/knowledge/**` | l1 | what the agent believes |
//! | `.kairos/context/**` | l2 | what the agent notes |
//! | `.kairos` and the rest of it | l0 | unknown, so protected |
//! | a name of the tables in `names` | l0 | they run, or steer what runs, outside this gate |
//! | everything else | l2 | the work itself |
//!
//! All of them hold at any depth, for a directory in the workspace may be another daemon's root; where
//! several match, the greatest protection counts.
//!
//! Names are compared as the most forgiving file system would: without case, without the
//! characters a case-folding directory ignores, and without dots and blanks at the end. Too much can match, which only protects more.

use std::fmt;

use globset::{Candidate, GlobBuilder, GlobMatcher};

use crate::gate::names::named;
use crate::glob::{BRACES_MAX, is_deep};
use crate::path::RelPath;

/// The most rules an operator may add.
pub const RULES_MAX: usize = 256;

/// How protected a path or an action is, ordered by protection: [`Scope::L0`] is the greatest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Free within the risk budget.
    L2,
    /// Knowledge: needs a decision.
    L1,
    /// Core: needs a decision.
    L0,
}

/// What the gate knows about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classified {
    /// May be changed under the rules of `scope`.
    Scoped { scope: Scope, reason: Reason },
    /// Belongs to the daemon itself: no act may change it, approved or not.
    Refused { part: ControlPlane },
}

/// What made a path's scope. Displays as words that follow "protected:".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// KairosChain's own program in the workspace.
    Core,
    Skills,
    Knowledge,
    Context,
    /// In `.kairos`, but none of the parts that have a meaning.
    OtherKairos,
    GitInternals,
    GitHooks,
    Ci,
    Environment,
    AgentConfig,
    EditorConfig,
    /// What a shell, a package tool or a debugger runs by itself.
    ToolConfig,
    Workspace,
    /// A rule of the operator raised it.
    Raised {
        pattern: String,
    },
}

/// A part of the daemon that acts never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlPlane {
    Config,
    Journal,
    Blobs,
    Run,
    Logs,
    State,
    /// What checkpoints are signed with, and what was signed.
    Keys,
    Secrets,
}

/// A rule of the operator: paths that match `pattern` have at least `scope`.
///
/// `*` and `?` stay within a component, `**` crosses them; `dir/**` also covers `dir` itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Raise {
    pub pattern: String,
    pub scope: Scope,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("{count} scope rules, more than {RULES_MAX}")]
    TooMany { count: usize },
    #[error("scope rule `{pattern}` asks for l2, but a rule can only raise")]
    RaisesNothing { pattern: String },
    #[error("a scope rule has more than {BRACES_MAX} `{{`")]
    Deep,
    #[error("scope rule `{pattern}` is not a glob")]
    BadGlob {
        pattern: String,
        #[source]
        source: globset::Error,
    },
}

/// The built-in table with the operator's rules; the default has no rules.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    rules: Vec<Rule>,
    secrets: Vec<RelPath>,
}

#[derive(Clone)]
struct Rule {
    raise: Raise,
    globs: Vec<GlobMatcher>,
}

impl Scopes {
    /// Adds the operator's rules and the workspace files that hold secrets to the built-in table.
    pub fn new(raises: Vec<Raise>, secrets: Vec<RelPath>) -> Result<Self, RuleError> {
        if raises.len() > RULES_MAX {
            return Err(RuleError::TooMany { count: raises.len() });
        }
        let rules = raises.into_iter().map(Rule::new).collect::<Result<_, _>>()?;
        Ok(Self { rules, secrets })
    }

    /// Classifies a resolved path.
    #[must_use]
    pub fn classify(&self, path: &RelPath) -> Classified {
        let names: Vec<String> = path.components().map(fold).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if let Some(part) = control_plane(&names) {
            return Classified::Refused { part };
        }
        if self.secrets.iter().any(|secret| secret.components().map(fold).eq(names.iter().copied()))
        {
            return Classified::Refused { part: ControlPlane::Secrets };
        }
        let (mut scope, mut reason) = built_in(&names);
        let folded = names.join("/");
        for rule in &self.rules {
            if rule.raise.scope > scope && rule.covers(path, &folded) {
                scope = rule.raise.scope;
                reason = Reason::Raised { pattern: rule.raise.pattern.clone() };
            }
        }
        Classified::Scoped { scope, reason }
    }
}

impl fmt::Debug for Rule {
    /// What the operator wrote; the machines made of it are pages long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raise.fmt(f)
    }
}

impl Rule {
    fn new(raise: Raise) -> Result<Self, RuleError> {
        let pattern = &raise.pattern;
        if raise.scope == Scope::L2 {
            return Err(RuleError::RaisesNothing { pattern: pattern.clone() });
        }
        if is_deep(pattern) {
            return Err(RuleError::Deep);
        }
        let glob = |text: &str| {
            GlobBuilder::new(text)
                .literal_separator(true)
                .case_insensitive(true)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|source| RuleError::BadGlob { pattern: pattern.clone(), source })
        };
        let folded = fold(pattern.as_bytes());
        let mut globs = vec![glob(pattern)?];
        // Folding may leave no glob, such as an upside-down range; then the spelling alone counts.
        globs.extend(glob(&folded).ok());
        for text in [pattern, &folded] {
            globs.extend(text.strip_suffix("/**").and_then(|directory| glob(directory).ok()));
        }
        Ok(Self { raise, globs })
    }

    /// Both as it is spelled and as a folding directory compares it.
    fn covers(&self, path: &RelPath, folded: &str) -> bool {
        [path.as_bytes(), folded.as_bytes()]
            .into_iter()
            .map(Candidate::from_bytes)
            .any(|candidate| self.globs.iter().any(|glob| glob.is_match_candidate(&candidate)))
    }
}

/// The part of a daemon's own that `names` lead to, whichever directory is its root.
fn control_plane(names: &[&str]) -> Option<ControlPlane> {
    tails(names).find_map(|tail| match tail {
        [".kairos", part, ..] => match *part {
            "config" => Some(ControlPlane::Config),
            "journal" => Some(ControlPlane::Journal),
            "blobs" => Some(ControlPlane::Blobs),
            "run" => Some(ControlPlane::Run),
            "logs" => Some(ControlPlane::Logs),
            "state" => Some(ControlPlane::State),
            // Whoever has the key signs another history; what was signed before would say so.
            "keys" | "checkpoints" => Some(ControlPlane::Keys),
            _ => None,
        },
        _ => None,
    })
}

/// The greatest protection anything on the way gives; of equal ones, the nearest to the root.
fn built_in(names: &[&str]) -> (Scope, Reason) {
    let mut found: Option<(Scope, Reason)> = None;
    for (scope, reason) in tails(names).filter_map(part) {
        if found.as_ref().is_none_or(|(before, _)| scope > *before) {
            found = Some((scope, reason));
        }
    }
    found.unwrap_or((Scope::L2, Reason::Workspace))
}

/// What the first of `names` says of the path.
fn part(names: &[&str]) -> Option<(Scope, Reason)> {
    if let Some(reason) = named(names) {
        return Some((Scope::L0, reason));
    }
    match names {
        [".kairos", "skills" | "skillsets", _, ..] => Some((Scope::L0, Reason::Skills)),
        [".kairos", "knowledge", _, ..] => Some((Scope::L1, Reason::Knowledge)),
        [".kairos", "context", _, ..] => Some((Scope::L2, Reason::Context)),
        [".kairos", ..] => Some((Scope::L0, Reason::OtherKairos)),
        ["kairoschain_mcp_server", _, ..] => Some((Scope::L0, Reason::Core)),
        _ => None,
    }
}

/// `names`, then `names` without the first, and so on.
fn tails<'a, 'n>(names: &'a [&'n str]) -> impl Iterator<Item = &'a [&'n str]> {
    (0..names.len()).map(|at| &names[at..])
}

/// The name as a case-folding directory compares it, or a little coarser.
pub(super) fn fold(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    if text.is_ascii() {
        return without_tail(&text).to_ascii_lowercase();
    }
    // Through upper case first: U+017F (long s) has no other way to become an `s`.
    let visible = text.chars().filter(|char| !is_ignorable(*char));
    let folded: String =
        visible.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    without_tail(&folded).to_owned()
}

/// Without what FAT ignores at the end of a name.
fn without_tail(name: &str) -> &str {
    name.trim_end_matches(['.', ' '])
}

/// Characters without a glyph that file systems which fold case skip when they compare.
fn is_ignorable(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}'
        | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L0 => "l0",
            Self::L1 => "l1",
            Self::L2 => "l2",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core => "core",
            Self::Skills => "skills",
            Self::Knowledge => "knowledge",
            Self::Context => "context",
            Self::OtherKairos => "kairos's own files",
            Self::GitInternals => "git internals",
            Self::GitHooks => "git hooks",
            Self::Ci => "CI definition",
            Self::Environment => "environment file",
            Self::AgentConfig => "agent configuration",
            Self::EditorConfig => "editor configuration",
            Self::ToolConfig => "configuration that tools run",
            Self::Workspace => "workspace",
            Self::Raised { pattern } => return write!(f, "raised by `{pattern}`"),
        })
    }
}

impl fmt::Display for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "the daemon's configuration",
            Self::Journal => "the journal",
            Self::Blobs => "the journal's stored texts",
            Self::Run => "the running daemon's files",
            Self::Logs => "the log",
            Self::State => "the daemon's state",
            Self::Keys => "the key and the checkpoints",
            Self::Secrets => "a file that holds secrets",
        })
    }
}
