//! What is told of a command, for people and for programs.

use std::collections::BTreeMap;
use std::path::Path;

use kairos_effects::shell::{BoundInputs, Resolved};
use kairos_sandbox::catalog::{Effect, Risk};
use kairos_sandbox::{Captured, Exit, Layer, Outcome, State, What, Why};
use serde::Serialize;

use super::gate;
use crate::output::{Failure, Out, visible::visible};

/// Changes that a person is told one by one.
const CHANGES_MAX: usize = 50;

/// What came of a command.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    /// Its exit status; null where it did not exit by itself.
    exit: Option<i32>,
    /// `exit`, `signal`, `timeout`, `oom`, `output_cap`, `pids_cap`, `cpu_cap`, `seccomp_kill`, `killed`.
    ended: &'static str,
    stdout: String,
    stderr: String,
    /// Whether the middle of either stream is missing.
    truncated: bool,
    #[serde(flatten)]
    used: Used,
    #[serde(flatten)]
    judged: Judged,
    enforcement: BTreeMap<&'static str, Wall>,
    changes: Vec<Changed>,
    refused: Vec<Refused>,
    #[serde(skip)]
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Used {
    wall_ms: u64,
    cpu_ms: u64,
    /// Bytes resident at most in one process.
    max_rss: u64,
}

/// What was known before it ran.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    risk: &'static str,
    class: &'static str,
    rule: String,
    beyond: bool,
    argv: Vec<String>,
    policy_hash: String,
}

#[derive(Debug, Serialize)]
struct Wall {
    state: &'static str,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Changed {
    path: String,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

#[derive(Debug, Serialize)]
struct Refused {
    path: String,
    why: &'static str,
}

/// What would be executed.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    #[serde(flatten)]
    judged: Judged,
    gate: String,
    /// The files it would execute; null where nobody can say.
    inputs: Option<BTreeMap<String, String>>,
    explain: Vec<String>,
}

impl Explained {
    pub(super) fn of(resolved: &Resolved) -> Self {
        let inputs = match resolved.inputs() {
            BoundInputs::Bound(files) => {
                Some(files.iter().map(|(path, sha256)| (text(path), hex(sha256))).collect())
            }
            BoundInputs::NotBound { .. } => None,
        };
        let (judged, gate) = (Judged::of(resolved), gate(resolved));
        Self { judged, gate, inputs, explain: resolved.explain() }
    }

    pub(super) fn tell(&self, out: &mut Out) -> Result<(), Failure> {
        for line in &self.explain {
            out.line(visible(line, &[]))?;
        }
        out.line(format!("gate: {}", self.gate))
    }
}

impl Judged {
    fn of(resolved: &Resolved) -> Self {
        Self {
            risk: match resolved.risk() {
                Risk::Low => "low",
                Risk::Medium => "medium",
                Risk::High => "high",
            },
            class: match resolved.effect() {
                Effect::Read => "read",
                Effect::Promotion => "file",
                Effect::Probed => "probed",
                Effect::Opaque => "opaque",
            },
            rule: resolved.rule().to_owned(),
            beyond: resolved.is_beyond(),
            argv: resolved.argv().iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            policy_hash: hex(&resolved.policy().hash()),
        }
    }
}

impl Said {
    pub(super) fn of(resolved: &Resolved, outcome: &Outcome) -> Self {
        let (ended, exit) = ended(outcome.exit);
        let sets = outcome.changes.iter();
        let changes = sets.clone().flat_map(|set| &set.changes);
        let changes = changes.filter(|change| resolved.is_kept(&change.path));
        let refused = sets.flat_map(|set| &set.refused);
        let refused = refused.filter(|refused| resolved.is_kept(&refused.path));
        let wall = |(layer, state): (Layer, &State)| (layer.name(), Wall::of(state));
        Self {
            exit,
            ended,
            stdout: String::from_utf8_lossy(&outcome.stdout.bytes()).into_owned(),
            stderr: String::from_utf8_lossy(&outcome.stderr.bytes()).into_owned(),
            truncated: outcome.stdout.truncated || outcome.stderr.truncated,
            used: Used {
                wall_ms: ms(outcome.wall),
                cpu_ms: ms(outcome.cpu),
                max_rss: outcome.max_rss,
            },
            judged: Judged::of(resolved),
            enforcement: outcome.enforcement.iter().map(wall).collect(),
            changes: changes.map(|change| changed(&change.path, &change.what)).collect(),
            refused: refused
                .map(|refused| Refused { path: text(&refused.path), why: why(refused.why) })
                .collect(),
            notes: notes(outcome),
        }
    }

    /// For people, beside what the command said.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "-- {} in {}, {} of processor, {} MiB at most",
            self.end(),
            length(self.used.wall_ms),
            length(self.used.cpu_ms),
            self.used.max_rss.div_ceil(1 << 20),
        )];
        lines.extend(self.notes.iter().map(|note| format!("-- {note}")));
        let Judged { risk, class, rule, .. } = &self.judged;
        lines.push(format!("-- rule {rule}, risk {risk}, class {class}"));
        lines.push(format!("-- {}", self.walls()));
        lines.extend(self.changed().map(|changed| format!("-- {changed}")));
        let refused = self.refused.iter().take(CHANGES_MAX);
        lines.extend(refused.map(|Refused { path, why }| {
            format!("-- could not be taken over: {} ({why})", visible(path, &[]))
        }));
        lines
    }

    fn end(&self) -> String {
        match self.exit {
            Some(code) => format!("exit {code}"),
            None => self.ended.replace('_', " "),
        }
    }

    fn walls(&self) -> String {
        let missing = Layer::ALL.iter().filter_map(|layer| {
            let wall =
                self.enforcement.get(layer.name()).filter(|wall| wall.state != "enforced")?;
            Some(format!("{layer} {}: {}", wall.state, wall.detail))
        });
        let missing: Vec<String> = missing.collect();
        match missing.is_empty() {
            true => format!("all {} layers enforced", Layer::ALL.len()),
            false => format!("layers: {}", missing.join("; ")),
        }
    }

    /// Nothing of a command that is given no way to write.
    fn changed(&self) -> Option<String> {
        if self.judged.class == "read" {
            return None;
        }
        if self.changes.is_empty() {
            return Some("would change nothing".to_owned());
        }
        let one = |changed: &Changed| {
            let letter = match changed.change {
                "added" => "A",
                "deleted" => "D",
                "renamed" => "R",
                "mode" => "T",
                _ => "M",
            };
            match &changed.from {
                Some(from) => format!("{letter} {from} -> {}", changed.path),
                None => format!("{letter} {}", changed.path),
            }
        };
        let shown = self.changes.iter().take(CHANGES_MAX).map(one).collect::<Vec<_>>().join(", ");
        let more = self.changes.len().checked_sub(CHANGES_MAX).filter(|more| *more > 0);
        let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
        Some(format!("would change: {}{more}; nothing was written", visible(&shown, &[])))
    }
}

impl Wall {
    fn of(state: &State) -> Self {
        match state {
            State::Enforced { detail } => Self { state: "enforced", detail: detail.clone() },
            State::Degraded { why } => Self { state: "degraded", detail: why.clone() },
            State::Absent { why } => Self { state: "absent", detail: why.clone() },
        }
    }
}

fn ended(exit: Exit) -> (&'static str, Option<i32>) {
    match exit {
        Exit::Code(code) => ("exit", Some(code)),
        Exit::Signal(_) => ("signal", None),
        Exit::Timeout => ("timeout", None),
        Exit::Oom => ("oom", None),
        Exit::OutputCap => ("output_cap", None),
        Exit::PidsCap => ("pids_cap", None),
        Exit::CpuCap => ("cpu_cap", None),
        Exit::SeccompKill => ("seccomp_kill", None),
        Exit::Killed => ("killed", None),
    }
}

/// What a person would not see by the output alone.
fn notes(outcome: &Outcome) -> Vec<String> {
    let cut = |name: &str, stream: &Captured| {
        let kept = stream.head.len() + stream.tail.len();
        stream
            .truncated
            .then(|| format!("{name}: {kept} of {} bytes, its beginning and its end", stream.total))
    };
    let streams = [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)];
    let mut notes: Vec<String> =
        streams.into_iter().filter_map(|(name, stream)| cut(name, stream)).collect();
    if let Exit::Signal(signal) = outcome.exit {
        notes.push(format!("signal {signal} ended it"));
    }
    let appeared = outcome.appeared.iter();
    notes.extend(appeared.map(|path| format!("appeared, and is protected: {}", text(path))));
    notes
}

fn changed(path: &Path, what: &What) -> Changed {
    let (change, from) = match what {
        What::Added(_) => ("added", None),
        What::Modified { .. } => ("modified", None),
        What::Mode { .. } => ("mode", None),
        What::Deleted(_) => ("deleted", None),
        What::Renamed { from, .. } => ("renamed", Some(text(from))),
    };
    Changed { path: text(path), change, from }
}

fn why(why: Why) -> &'static str {
    match why {
        Why::Special => "a device, socket or pipe",
        Why::Rights => "its mode raises rights",
        Why::LinkOut => "a link that leads out",
        Why::Protected => "protected",
        Why::Attributes => "it has rights beside its mode",
        Why::Conflict => "somebody else changed it meanwhile",
        Why::Unreadable => "it cannot be read",
        Why::TooMany => "there is too much",
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn hex(bytes: &[u8; 32]) -> String {
    kairos_core::digest::Digest::from_bytes(*bytes).to_string()
}

fn ms(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn length(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        _ => format!("{} s", ms / 1000),
    }
}
