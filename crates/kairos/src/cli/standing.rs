//! How a mandate stands, in words.
//!
//! Owns what a person is told of a mandate that waits: for whom or what, why, and what to type.
//! Never reads anything; whoever has the mandate and its held steps asks here.

use kairos_core::mandate::outcome::{EndReason, Outcome};
use kairos_wire::mandate::{Failure, State};
use kairos_wire::{Mandate, Proposal};
use serde::de::DeserializeOwned;

use super::words;
use crate::output::table::one_line;
use crate::output::when;

/// Held steps that are spelled out; the rest are counted.
const HELD_MAX: usize = 3;

/// How it stands, in a few words.
pub(super) fn brief(mandate: &Mandate) -> String {
    match mandate.state {
        State::Queued => queued(mandate),
        State::Running => match &mandate.phase {
            Some(phase) => format!("running, cycle {} {phase}", mandate.cycle),
            None => "running".to_owned(),
        },
        State::Parked => {
            let reason = mandate.reason.as_deref().unwrap_or("parked");
            format!("{} [{reason}]", waits_for(reason))
        }
        State::Finished => finished(mandate.outcome.as_deref(), mandate.verified),
    }
}

/// That it is queued, and what for.
fn queued(mandate: &Mandate) -> String {
    let Some(reason) = mandate.reason.as_deref() else { return "queued".to_owned() };
    let why = match (reason, &mandate.until) {
        ("budget", Some(until)) => {
            format!("waits for the day's budget, which begins anew at {}", when::short(until))
        }
        ("budget", None) => "waits for the day's budget".to_owned(),
        ("scope", _) => "another mandate of its project scope runs".to_owned(),
        ("max_running", _) => "as many mandates run as may".to_owned(),
        ("space", _) => "the disk is short of room".to_owned(),
        ("stopping", _) => "the daemon is stopping".to_owned(),
        _ => return format!("queued [{reason}]"),
    };
    format!("queued: {why} [{reason}]")
}

/// How a finished one ended, and why where the outcome does not say.
pub(super) fn ended(mandate: &Mandate) -> String {
    let ended = finished(mandate.outcome.as_deref(), mandate.verified);
    let reason = mandate.reason.as_deref().and_then(read::<EndReason>).map(words::ended);
    let outcome = || mandate.outcome.as_deref().and_then(read::<Outcome>).and_then(words::outcome);
    match reason.or_else(|| outcome().map(ToOwned::to_owned)) {
        Some(why) => format!("{ended}: {why}"),
        None => ended,
    }
}

/// A word of the rules; `None` for one of a later version.
fn read<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}

/// What failed lately, one line each.
pub(super) fn failures(mandate: &Mandate) -> impl Iterator<Item = String> {
    mandate.failures.iter().map(failure)
}

/// Lines shown of what a command told.
const TOLD_LINES_MAX: usize = 40;

/// What failed lately, with the last of what commands told about it.
pub(super) fn failures_in_full(mandate: &Mandate) -> impl Iterator<Item = String> {
    mandate.failures.iter().flat_map(|failed| {
        let told = failed.told.as_deref().unwrap_or_default();
        let lines: Vec<_> = told.lines().collect();
        let from = lines.len().saturating_sub(TOLD_LINES_MAX);
        let shown: Vec<_> =
            lines[from..].iter().map(|line| format!("  {}", one_line(line))).collect();
        std::iter::once(failure(failed)).chain(shown)
    })
}

/// `orient: the provider refused the key (401): Incorrect API key [status]`
fn failure(failure: &Failure) -> String {
    let Failure { what, why, code, told: _ } = failure;
    one_line(&format!("{what}: {why} [{code}]"))
}

/// How it ended: `achieved (verified)`.
pub(super) fn finished(outcome: Option<&str>, verified: Option<bool>) -> String {
    let outcome = outcome.unwrap_or("finished");
    match verified {
        Some(true) => format!("{outcome} (verified)"),
        Some(false) => format!("{outcome} (checks failed)"),
        None if outcome == "achieved" => "achieved (unverified)".to_owned(),
        None => outcome.to_owned(),
    }
}

fn waits_for(reason: &str) -> &'static str {
    match reason {
        "approval" | "checkpoint" | "unsettled" => "waits for you",
        "budget" => "waits for budget",
        "provider" => "waits for the model's provider",
        _ => "waits",
    }
}

/// What it waits for, whole: `waits for you: 1 edit to docs/a.md (protected: knowledge)
/// [approval]`. `held` are its held steps, `said` is why the model is blocked, or what failed.
pub(super) fn waits<'a>(
    reason: &str,
    held: impl IntoIterator<Item = &'a str>,
    said: Option<&str>,
) -> String {
    let why = match reason {
        "approval" => together(held),
        "checkpoint" => match said {
            Some(said) => format!("the model is blocked: {said}"),
            None => "the model says it is blocked".to_owned(),
        },
        "unsettled" => "nobody can prove what an effect did".to_owned(),
        "budget" => "a cap is reached".to_owned(),
        "provider" => said.unwrap_or("it does not answer").to_owned(),
        _ => String::new(),
    };
    let lead = waits_for(reason);
    let colon = if why.is_empty() { "" } else { ": " };
    one_line(&format!("{lead}{colon}{why} [{reason}]"))
}

fn together<'a>(held: impl IntoIterator<Item = &'a str>) -> String {
    let mut held = held.into_iter();
    let shown: Vec<&str> = held.by_ref().take(HELD_MAX).collect();
    match held.count() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// What it waits for, of a mandate that is parked.
pub(super) fn parked(mandate: &Mandate, held: &[Proposal]) -> String {
    let reason = mandate.reason.as_deref().unwrap_or("parked");
    let held: Vec<String> = held.iter().map(words::held).collect();
    let failed = || mandate.failures.last().map(|failure| &*failure.why);
    let said = match reason {
        "provider" => failed(),
        _ => mandate.blocked_reason.as_deref(),
    };
    waits(reason, held.iter().map(String::as_str), said)
}

/// What somebody can do about a mandate that waits; `flag` is the `--root` that must be typed.
pub(super) fn hints(id: &str, reason: &str, held: &[Proposal], flag: &str) -> Vec<String> {
    let one = |hint: String| vec![hint];
    match reason {
        "approval" if held.is_empty() => {
            one(format!("`kairos proposal list{flag}` shows what waits for you"))
        }
        "approval" => {
            let ids = held.iter().take(HELD_MAX).map(|proposal| &proposal.id);
            ids.map(|id| format!("`kairos proposal approve {id}{flag}` shows the diff and asks"))
                .collect()
        }
        "checkpoint" => one(format!(
            "if it is for want of a file, ask again with `--files`, and `--allow-upload l1` \
             (knowledge) or `l0` where it is protected; `kairos mandate stop {id}{flag}` ends \
             this one"
        )),
        "unsettled" => one(format!("`kairos effect list{flag}` shows what somebody must look at")),
        "budget" => one(format!("`kairos budget{flag}` shows the caps and when the day ends")),
        "provider" => one("it is asked again by itself".to_owned()),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mandate_waits_for_is_said_in_words_with_the_code_behind_them() {
        let held = ["1 edit to a", "1 edit to b", "1 edit to c", "1 edit to d"];
        let shown = [
            waits("approval", held[..1].iter().copied(), None),
            waits("approval", held, None),
            waits("checkpoint", [], Some("no\u{1b}[2J file")),
            waits("checkpoint", [], None),
            waits("budget", [], None),
            waits("provider", [], None),
            waits("provider", [], Some("too many requests (429): slow down")),
            waits("later", [], None),
        ];
        let expected = [
            "waits for you: 1 edit to a [approval]",
            "waits for you: 1 edit to a, 1 edit to b, 1 edit to c, and 1 more [approval]",
            "waits for you: the model is blocked: no\\u{1b}[2J file [checkpoint]",
            "waits for you: the model says it is blocked [checkpoint]",
            "waits for budget: a cap is reached [budget]",
            "waits for the model's provider: it does not answer [provider]",
            "waits for the model's provider: too many requests (429): slow down [provider]",
            "waits [later]",
        ];
        assert_eq!(shown, expected);
    }
}
