//! A command that could be executed as it stands.
//!
//! Owns everything a decision about it needs: argv as asked and as executed, the verified program,
//! what it is given, what holds it, and the files it would execute. Executes nothing and keeps the
//! policy's roots open: it serves one execution, and is not kept for another.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kairos_sandbox::catalog::{Effect, Grant, Place, Program, Rewritten, Risk};
use kairos_sandbox::{Compiled, Net, WriteMode};

use super::BoundInputs;
use super::inputs::{Wanted, hex};

/// A command as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name of a program, and its arguments.
    pub argv: Vec<OsString>,
    /// Relative to the workspace; empty means the workspace itself.
    pub cwd: PathBuf,
}

/// A command, resolved.
#[derive(Debug)]
pub struct Resolved {
    pub(super) asked: Asked,
    pub(super) argv: Vec<OsString>,
    pub(super) rewritten: Rewritten,
    pub(super) rule: String,
    pub(super) beyond: bool,
    pub(super) program: Arc<Program>,
    pub(super) place: Place,
    pub(super) policy: Compiled,
    pub(super) inputs: BoundInputs,
}

impl Resolved {
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// As it is executed: whole, with what the rule put in.
    pub fn argv(&self) -> &[OsString] {
        &self.argv
    }

    /// Variables that the rule sets, beside those every command has.
    pub fn env(&self) -> &[(String, OsString)] {
        &self.rewritten.env
    }

    /// Where it stands: absolute.
    pub fn cwd(&self) -> &Path {
        self.place.cwd()
    }

    /// The name of the rule that took it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether no catalogue knows it: nobody said what it may be told.
    pub fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// The binary, and the script it interprets where there is one.
    pub fn program(&self) -> &Program {
        &self.program
    }

    pub fn grant(&self) -> &Grant {
        &self.rewritten.grant
    }

    pub fn mode(&self) -> WriteMode {
        self.policy.policy().writes
    }

    pub fn risk(&self) -> Risk {
        self.rewritten.grant.risk
    }

    /// What a crash in it means.
    pub fn effect(&self) -> Effect {
        self.rewritten.grant.effect(self.mode())
    }

    pub fn policy(&self) -> &Compiled {
        &self.policy
    }

    /// What it would have executed when it was resolved.
    pub fn inputs(&self) -> &BoundInputs {
        &self.inputs
    }

    /// What it would execute now.
    pub fn again_inputs(&self) -> BoundInputs {
        inputs(&self.place, self.grant())
    }

    /// Whether a change to `path`, relative to the workspace, is somebody's work.
    pub fn is_kept(&self, path: &Path) -> bool {
        self.rewritten.is_kept(&self.place, path)
    }

    /// Everything there is to know of it, in lines for people.
    pub fn explain(&self) -> Vec<String> {
        let grant = self.grant();
        let binary = self.program.binary();
        let mut lines = vec![
            format!("asked: {}", words(&self.asked.argv)),
            format!("executed: {}", words(&self.argv)),
            format!("program: {} sha256 {}", binary.path().display(), hex(&binary.sha256())),
        ];
        lines.extend(self.program.script().map(|script| {
            let file = &script.file;
            format!("script: {} sha256 {}", file.path().display(), hex(&file.sha256()))
        }));
        let set = self.env().iter();
        lines.extend(set.map(|(name, value)| format!("variable: {name}={}", word(value))));
        lines.push(format!("directory: {}", word(self.cwd().as_os_str())));
        lines.push(match self.beyond {
            true => "rule: none; it is in no catalogue".to_owned(),
            false => format!("rule: {}", self.rule),
        });
        let effect = match self.effect() {
            Effect::Read => "read: it is given no way to leave anything",
            Effect::Promotion => "changes: kept apart, and taken over file by file",
            Effect::Probed => "probed: its trace can be looked for",
            Effect::Opaque => "opaque: never repeated after a crash",
        };
        lines.push(format!("risk: {}", risk(self.risk())));
        lines.push(format!("class: {effect}"));
        if let Net::Allow(hosts) = &grant.net {
            let hosts = hosts.iter().map(|at| format!("{}:{}", at.host, at.port));
            lines.push(format!("reaches: {}", hosts.collect::<Vec<_>>().join(", ")));
        }
        if !grant.scratch.is_empty() {
            lines.push(format!("kept for the next one: {}", grant.scratch.join(", ")));
        }
        if !grant.dropped.is_empty() {
            lines.push(format!("changes are dropped in: {}", grant.dropped.join(", ")));
        }
        lines.extend(self.inputs.lines());
        lines.extend(self.policy.explain().lines().map(str::to_owned));
        lines
    }
}

pub(super) fn inputs(place: &Place, grant: &Grant) -> BoundInputs {
    let workspace = place.workspace();
    let cwd = place.cwd().strip_prefix(workspace).unwrap_or(Path::new(""));
    Wanted { workspace, cwd, grant }.bound()
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

/// An argv in one line, so that two that differ look different.
pub(super) fn words(argv: &[OsString]) -> String {
    argv.iter().map(|arg| word(arg)).collect::<Vec<_>>().join(" ")
}

pub(super) fn word(arg: &std::ffi::OsStr) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%^".contains(c);
    match arg.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        _ => format!("{arg:?}"),
    }
}
