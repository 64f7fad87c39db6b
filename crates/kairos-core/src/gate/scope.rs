//! The protection of a path: how much has to be asked before an act may change it.
//!
//! Owns the built-in table and the operator's rules on top of it, which raise and never lower.
//! Judges the path the disk resolved, never the one a model wrote: a symlink or a hard link says
//! nothing here. Reads are not its concern.
//!
//! | path | scope | why |
//! |---|---|---|
//! | `.kairos/{config,journal,blobs,run,logs,state}/**`, files that hold secrets | refused | whoever writes them is the daemon |
//! | `.kairos/skills/**`, `.kairos/skillsets/**`, `KairosChain_mcp_server/**` | l0 | they are what the agent is |
//! | `.kairos/knowledge/**` | l1 | what the agent believes |
//! | `.kairos/context/**` | l2 | what the agent notes |
//! | `.kairos` and the rest of it | l0 | unknown, so protected |
//! | a name of the table `NAMES` below, at any depth | l0 | they run, or steer what runs, outside this gate |
//! | everything else | l2 | the work itself |
//!
//! Names are compared as the most forgiving file system would: without case, and without the
//! characters a case-folding directory ignores. Too much can match, which only protects more.

use std::fmt;

use globset::{Candidate, GlobBuilder, GlobMatcher};

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
        for rule in &self.rules {
            if rule.raise.scope > scope && rule.covers(path) {
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
        let glob = |text: &str| {
            GlobBuilder::new(text)
                .literal_separator(true)
                .case_insensitive(true)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|source| RuleError::BadGlob { pattern: pattern.clone(), source })
        };
        let mut globs = vec![glob(pattern)?];
        if let Some(directory) = pattern.strip_suffix("/**") {
            globs.push(glob(directory)?);
        }
        Ok(Self { raise, globs })
    }

    fn covers(&self, path: &RelPath) -> bool {
        let candidate = Candidate::from_bytes(path.as_bytes());
        self.globs.iter().any(|glob| glob.is_match_candidate(&candidate))
    }
}

fn control_plane(names: &[&str]) -> Option<ControlPlane> {
    match names {
        [".kairos", part, ..] => match *part {
            "config" => Some(ControlPlane::Config),
            "journal" => Some(ControlPlane::Journal),
            "blobs" => Some(ControlPlane::Blobs),
            "run" => Some(ControlPlane::Run),
            "logs" => Some(ControlPlane::Logs),
            "state" => Some(ControlPlane::State),
            _ => None,
        },
        _ => None,
    }
}

fn built_in(names: &[&str]) -> (Scope, Reason) {
    // A name from the table protects wherever it stands, also inside context or knowledge.
    if let Some(reason) = names.iter().enumerate().find_map(|(at, _)| named(&names[at..])) {
        return (Scope::L0, reason);
    }
    match names {
        [".kairos", "skills" | "skillsets", _, ..] => (Scope::L0, Reason::Skills),
        [".kairos", "knowledge", _, ..] => (Scope::L1, Reason::Knowledge),
        [".kairos", "context", _, ..] => (Scope::L2, Reason::Context),
        [".kairos", ..] => (Scope::L0, Reason::OtherKairos),
        ["kairoschain_mcp_server", _, ..] => (Scope::L0, Reason::Core),
        _ => (Scope::L2, Reason::Workspace),
    }
}

/// The reason `names` is protected for what its first component is called.
fn named(names: &[&str]) -> Option<Reason> {
    let [first, rest @ ..] = names else { return None };
    if first.starts_with(".env") {
        return Some(Reason::Environment);
    }
    if first.ends_with(".code-workspace") {
        return Some(Reason::EditorConfig);
    }
    let (_, _, reason) = NAMES
        .iter()
        .find(|(name, below, _)| name == first && below.is_none_or(|b| rest.first() == Some(&b)))?;
    Some(reason.clone())
}

/// Names protected as l0 at any depth, a directory with everything below it: (name, which entry
/// below it or all, why). In lower case. Besides these, `.env*` and `*.code-workspace`.
///
/// The test for a name: does a program outside this gate run what the file says, or take orders
/// from it, when somebody commits, pushes, opens the directory or starts an agent in it?
const NAMES: &[(&str, Option<&str>, Reason)] = &[
    (".git", None, Reason::GitInternals),
    (".gitmodules", None, Reason::GitInternals),
    (".githooks", None, Reason::GitHooks),
    (".husky", None, Reason::GitHooks),
    (".pre-commit-config.yaml", None, Reason::GitHooks),
    ("lefthook.yml", None, Reason::GitHooks),
    (".lefthook.yml", None, Reason::GitHooks),
    (".github", Some("workflows"), Reason::Ci),
    (".github", Some("actions"), Reason::Ci),
    (".gitea", Some("workflows"), Reason::Ci),
    (".forgejo", Some("workflows"), Reason::Ci),
    (".gitlab-ci.yml", None, Reason::Ci),
    (".gitlab", Some("ci"), Reason::Ci),
    ("jenkinsfile", None, Reason::Ci),
    (".circleci", None, Reason::Ci),
    (".ci", None, Reason::Ci),
    (".buildkite", None, Reason::Ci),
    (".woodpecker", None, Reason::Ci),
    (".woodpecker.yml", None, Reason::Ci),
    (".drone.yml", None, Reason::Ci),
    (".cirrus.yml", None, Reason::Ci),
    (".travis.yml", None, Reason::Ci),
    (".appveyor.yml", None, Reason::Ci),
    ("appveyor.yml", None, Reason::Ci),
    ("azure-pipelines.yml", None, Reason::Ci),
    (".azure-pipelines", None, Reason::Ci),
    ("bitbucket-pipelines.yml", None, Reason::Ci),
    ("agents.md", None, Reason::AgentConfig),
    (".agents", None, Reason::AgentConfig),
    ("claude.md", None, Reason::AgentConfig),
    ("claude.local.md", None, Reason::AgentConfig),
    (".claude", None, Reason::AgentConfig),
    (".codex", None, Reason::AgentConfig),
    ("gemini.md", None, Reason::AgentConfig),
    (".gemini", None, Reason::AgentConfig),
    (".cursor", None, Reason::AgentConfig),
    (".cursorrules", None, Reason::AgentConfig),
    (".windsurf", None, Reason::AgentConfig),
    (".windsurfrules", None, Reason::AgentConfig),
    (".clinerules", None, Reason::AgentConfig),
    (".roo", None, Reason::AgentConfig),
    (".continue", None, Reason::AgentConfig),
    (".kiro", None, Reason::AgentConfig),
    (".goosehints", None, Reason::AgentConfig),
    (".aider.conf.yml", None, Reason::AgentConfig),
    (".opencode", None, Reason::AgentConfig),
    ("opencode.json", None, Reason::AgentConfig),
    (".mcp.json", None, Reason::AgentConfig),
    (".github", Some("copilot-instructions.md"), Reason::AgentConfig),
    (".github", Some("instructions"), Reason::AgentConfig),
    (".github", Some("prompts"), Reason::AgentConfig),
    (".github", Some("agents"), Reason::AgentConfig),
    (".vscode", None, Reason::EditorConfig),
    (".idea", None, Reason::EditorConfig),
    (".zed", None, Reason::EditorConfig),
    (".devcontainer", None, Reason::EditorConfig),
    (".devcontainer.json", None, Reason::EditorConfig),
    (".exrc", None, Reason::EditorConfig),
    (".nvimrc", None, Reason::EditorConfig),
    (".nvim.lua", None, Reason::EditorConfig),
    (".dir-locals.el", None, Reason::EditorConfig),
];

/// The name as a case-folding directory compares it, or a little coarser.
fn fold(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Through upper case first: U+017F (long s) has no other way to become an `s`.
    let visible = text.chars().filter(|char| !is_ignorable(*char));
    visible.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
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
            Self::Secrets => "a file that holds secrets",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_table_are_written_as_they_are_compared() {
        for (name, below, _) in NAMES {
            assert_eq!(fold(name.as_bytes()), *name);
            assert!(below.is_none_or(|below| fold(below.as_bytes()) == below));
        }
    }
}
