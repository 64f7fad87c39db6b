//! What is told of a command.
//!
//! Owns the words for a model and for people, bounded, and the report of the walls for whoever wants
//! to prove it later. Never decides what is kept of a stream.

use std::error::Error;
use std::fmt::Write as _;

use kairos_core::effect::Change;
use kairos_sandbox::{Captured, Outcome};
use serde_json::{Map, Value, json};

use super::Resolved;
use super::perform::ended;
use super::resolved::words;
use crate::file::Promotable;

/// Bytes shown of the beginning of a stream, and of its end.
const HEAD_BYTES: usize = 8 * 1024;
const TAIL_BYTES: usize = 16 * 1024;
/// Lines in a report about what was left out.
const LEFT_MAX: usize = 1_000;
/// Lines about files.
const FILES_SHOWN: usize = 40;

/// A command that was executed.
pub(super) struct Told<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) outcome: &'a Outcome,
    pub(super) promotable: &'a Promotable,
}

impl Told<'_> {
    /// At most some 56 KiB.
    pub(super) fn words(&self) -> String {
        let mut out = String::new();
        let seconds = self.outcome.wall.as_secs_f64();
        let asked = words(&self.resolved.asked().argv);
        let asked = &asked[..asked.floor_char_boundary(2048)];
        let end = kairos_core::shell::Ended::words(ended(self.outcome.exit));
        let _ = writeln!(out, "`{asked}` {end} after {seconds:.1} s");
        self.changed(&mut out);
        stream(&mut out, "standard output", &self.outcome.stdout);
        stream(&mut out, "standard error", &self.outcome.stderr);
        out
    }

    fn changed(&self, out: &mut String) {
        let changes = &self.promotable.changes;
        let lines = changes.iter().map(|change| match change {
            Change::Edit { at, .. } => format!("changed {}", at.path),
            Change::Create { at, .. } => format!("new {}", at.path),
            Change::Move { at, to, .. } => format!("moved {} to {}", at.path, to.path),
            Change::Delete { at, .. } => format!("deleted {}", at.path),
        });
        let left = self.promotable.left.iter().map(|left| format!("left out: {left}"));
        // First what a person would not expect.
        let lines: Vec<String> = left.chain(lines).collect();
        for line in lines.iter().take(FILES_SHOWN) {
            out.push_str(&line[..line.floor_char_boundary(512)]);
            out.push('\n');
        }
        if let Some(more) = lines.len().checked_sub(FILES_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(out, "and {more} more");
        }
    }

    /// JSON: which walls stood, and what was used.
    pub(super) fn report(&self) -> String {
        let outcome = self.outcome;
        let layers = outcome.enforcement.iter();
        let layers: Map<String, Value> =
            layers.map(|(layer, state)| (layer.name().into(), state.to_string().into())).collect();
        let stream =
            |captured: &Captured| json!({"bytes": captured.total, "truncated": captured.truncated});
        let hash: String = outcome.policy_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "rule": self.resolved.rule(),
            "policy_hash": format!("sha256:{hash}"),
            "enforcement": layers,
            "cpu_ms": u64::try_from(outcome.cpu.as_millis()).unwrap_or(u64::MAX),
            "max_rss": outcome.max_rss,
            "stdout": stream(&outcome.stdout),
            "stderr": stream(&outcome.stderr),
            "left_out": self.promotable.left.iter().take(LEFT_MAX).collect::<Vec<_>>(),
            "left_out_count": self.promotable.left.len(),
        })
        .to_string()
    }
}

/// The ends of a stream; nothing of a silent one.
fn stream(out: &mut String, name: &str, captured: &Captured) {
    if captured.total == 0 {
        return;
    }
    let bytes = captured.bytes();
    let text = String::from_utf8_lossy(&bytes);
    let _ = writeln!(out, "\n{name}, {} bytes:", captured.total);
    if text.len() <= HEAD_BYTES + TAIL_BYTES && !captured.truncated {
        out.push_str(&text);
    } else {
        let head = &text[..text.floor_char_boundary(HEAD_BYTES)];
        let from = text.len().saturating_sub(TAIL_BYTES).max(head.len());
        let tail = &text[text.ceil_char_boundary(from)..];
        let _ = write!(out, "{head}\n[… cut here …]\n{tail}");
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Why a command was not executed, with every cause and what could be done.
pub(super) fn refusal(error: &dyn Error, hint: Option<String>) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(out, ": {error}");
        cause = error.source();
    }
    if let Some(hint) = hint {
        let _ = write!(out, "\nhint: {hint}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stream_is_told_by_its_ends() {
        let captured = |bytes: Vec<u8>| {
            let total = bytes.len() as u64;
            Captured { head: bytes, tail: Vec::new(), total, truncated: false }
        };
        let mut out = String::new();
        stream(&mut out, "standard output", &captured(Vec::new()));
        assert_eq!(out, "");
        stream(&mut out, "standard output", &captured(b"a\nb".to_vec()));
        assert_eq!(out, "\nstandard output, 3 bytes:\na\nb\n");
        let mut out = String::new();
        let long = [vec![b'a'; 50_000], b"the end".to_vec()].concat();
        stream(&mut out, "standard output", &captured(long));
        assert!(out.len() < HEAD_BYTES + TAIL_BYTES + 100, "{}", out.len());
        assert!(out.contains("[… cut here …]") && out.ends_with("the end\n"), "{out}");
    }
}
