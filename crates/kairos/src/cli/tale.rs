//! One mandate's events as a person follows them.
//!
//! Owns what matters to somebody who watches: calls and why they are made again, the plan, each
//! step by its action and path, what waits and what to type. Bookkeeping (permits, reservations) is
//! left out here and nowhere else: `kairos events` has it all. Keeps what later lines need to name;
//! an event of a later version is told by its name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::GlobBuilder;
use kairos_api::words::{action, call, command_of, invalid, step};
use kairos_core::cycle::answer::{Answer, Assessment, Decide, Status};
use kairos_core::cycle::retry::MAX_ATTEMPTS;
use kairos_core::effect::{Attempt, Doubt, Intent, Outcome, Reply, Seen};
use kairos_core::gate::proposal::Proposal;
use kairos_core::glob::is_deep;
use kairos_core::mandate::outcome::{EndReason, Outcome as MandateOutcome};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::plan::StepEnd;
use kairos_core::shell::Ran;
use kairos_wire::event::Event;
use serde::de::DeserializeOwned;

use super::source::Stored;
use super::{standing, story, words};
use crate::output::table::one_line;
use crate::output::when;

/// Steps of a plan that are spelled out; the rest are counted.
const STEPS_SHOWN: usize = 5;

/// Tells a mandate's events, from its first on.
#[derive(Debug)]
pub(crate) struct Tale {
    /// The `--root` that a command must be typed with; `None` where nothing can be decided now.
    flag: Option<String>,
    /// Where texts that events name are read.
    stored: Stored,
    /// What the mandate says decide may see.
    globs: Vec<String>,
    /// Questions to the model under way, by effect.
    asks: BTreeMap<String, (String, u8)>,
    /// The last one's phase and attempt.
    asked: (String, u8),
    /// Whether it was lost with its daemon.
    lost: bool,
    /// The steps of the cycle's plan.
    plan: Vec<String>,
    decided: Option<Status>,
    /// Held steps that wait, by proposal.
    held: BTreeMap<String, String>,
}

type Told = Option<(String, String)>;

impl Tale {
    /// Of what happens now; commands are to be typed with `flag`.
    pub(crate) fn live(flag: impl Into<String>, stored: Stored) -> Self {
        Self { flag: Some(flag.into()), ..Self::past(stored) }
    }

    /// Of what happened: nothing to type.
    pub(crate) const fn past(stored: Stored) -> Self {
        Self {
            flag: None,
            stored,
            globs: Vec::new(),
            asks: BTreeMap::new(),
            asked: (String::new(), 1),
            lost: false,
            plan: Vec::new(),
            decided: None,
            held: BTreeMap::new(),
        }
    }

    /// `HH:MM:SS phase text`, or nothing for bookkeeping.
    pub(crate) fn line(&mut self, at: &str, event: &Event) -> Option<String> {
        let (what, text) = self.told(event)?;
        let line = format!("{} {what:<8} {text}", when::clock(at));
        Some(one_line(line.trim_end()))
    }

    fn told(&mut self, event: &Event) -> Told {
        let text = |name| story::field(event, name);
        match event.kind.as_str() {
            "budget_reserved" | "budget_settled" | "step_begun" | "phase_entered" => {
                self.quiet(event)
            }
            "mandate_created" => {
                self.globs = typed::<MandateSpec>(event, "spec").map_or(Vec::new(), |s| s.files);
                say("mandate", created(event))
            }
            "mandate_parked" => say("mandate", self.parked(event)),
            "mandate_finished" => say("mandate", finished(event)),
            "plan_accepted" => say("decide", self.planned(event)),
            "step_finished" => say("act", self.step_finished(event)),
            "cycle_finished" if text("failed") == "true" => say("cycle", "failed".to_owned()),
            "cycle_finished" => None,
            "effect_begun" => self.begun(event),
            "effect_settled" => self.settled(event),
            "call_delayed" if self.lost => {
                self.lost = false;
                say(&self.asked.0, format!("asked again at {}", when::short(&text("until"))))
            }
            "call_delayed" => {
                let (at, attempt) = (when::short(&text("until")), self.asked.1.saturating_add(1));
                let again = format!("asked again at {at} (attempt {attempt} of {MAX_ATTEMPTS})");
                say(&self.asked.0, again)
            }
            "effect_unsettled" => say("effect", self.unsettled(event)),
            "effect_judged" => {
                let (id, answer, by) = (text("effect"), text("answer"), text("by"));
                say("effect", format!("{id}: {answer}, says {by}"))
            }
            "proposal_opened" => say("proposal", self.opened(event)),
            "decided" => {
                self.held.remove(&text("proposal"));
                let verb = if text("decision") == "approve" { "approved" } else { "rejected" };
                say("proposal", format!("{} {verb} by {}", text("proposal"), text("by")))
            }
            "proposal_closed" => {
                let waited = self.held.remove(&text("proposal")).is_some();
                let line = || format!("{} {}", text("proposal"), text("how"));
                waited.then(|| ("proposal".to_owned(), line()))
            }
            _ => Some(story::words(event)),
        }
    }

    /// Events that only move what later lines speak of.
    fn quiet(&self, event: &Event) -> Told {
        let step = event.fields.get("step").and_then(serde_json::Value::as_u64);
        match (event.kind.as_str(), step) {
            ("step_begun", Some(step)) => say("act", self.step(step)),
            _ => None,
        }
    }

    /// `step 1 of 2: edit docs/a.md`
    fn step(&self, step: u64) -> String {
        let place = usize::try_from(step).unwrap_or(usize::MAX);
        let (number, all) = (step.saturating_add(1), self.plan.len());
        match self.plan.get(place) {
            Some(action) => format!("step {number} of {all}: {action}"),
            None => format!("step {number}"),
        }
    }

    fn step_finished(&self, event: &Event) -> String {
        let step = event.fields.get("step").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let step = self.step(step);
        match typed(event, "end") {
            Some(StepEnd::Succeeded) => format!("{step}: done"),
            Some(StepEnd::Failed(failure)) => {
                format!("{step}: failed: {}", self::step(failure))
            }
            Some(StepEnd::Skipped) => format!("{step}: skipped, for another step failed"),
            None => format!("{step}: {}", story::field(event, "end")),
        }
    }

    fn planned(&self, event: &Event) -> String {
        let count = story::counted(event, "steps", "step");
        let shown = self.plan.iter().take(STEPS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = match self.plan.len().saturating_sub(STEPS_SHOWN) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let then = match self.decided {
            Some(Status::Done) => "; then the goal is reached",
            Some(Status::Continue | Status::Blocked) | None => "",
        };
        format!("plan of {count}: {shown}{more}{then}")
    }

    fn begun(&mut self, event: &Event) -> Told {
        match typed(event, "intent") {
            Some(Intent::Ask { phase, attempt }) => {
                let phase = phase.word().to_owned();
                self.asks.insert(story::field(event, "effect"), (phase.clone(), attempt));
                say(
                    &phase,
                    if attempt > 1 {
                        format!("asks the model (attempt {attempt})")
                    } else {
                        "asks the model".to_owned()
                    },
                )
            }
            Some(_) => None,
            None => Some(story::words(event)),
        }
    }

    fn settled(&mut self, event: &Event) -> Told {
        let asked = self.asks.remove(&story::field(event, "effect"));
        match typed(event, "outcome") {
            Some(Outcome::Asked(attempt)) => {
                self.asked = asked.unwrap_or_default();
                let phase = self.asked.0.clone();
                let text = self.replied(attempt)?;
                say(if phase.is_empty() { "model" } else { &phase }, text)
            }
            Some(Outcome::Observed { files, left_out }) => {
                say("observe", self.observed(&files, left_out))
            }
            Some(Outcome::Verified { failed, .. }) => say(
                "checks",
                match failed.len() {
                    0 => "all hold".to_owned(),
                    1 => "1 does not hold".to_owned(),
                    n => format!("{n} do not hold"),
                },
            ),
            Some(Outcome::Stale) => say("act", "it changed meanwhile".to_owned()),
            Some(Outcome::Resolved { invocation }) => {
                let shown = self.stored.text(invocation.shown)?;
                say("act", format!("command: {}", command_of(&shown)))
            }
            Some(Outcome::NotExecuted { told, .. }) => {
                let told = self.stored.text(told)?;
                say("act", format!("not executed: {}", told.replace('\n', "; ")))
            }
            Some(Outcome::Executed(ran)) => {
                let told = self.stored.text(ran.told).unwrap_or_default();
                say("act", executed(&ran, &told))
            }
            Some(Outcome::Lost) => {
                self.asked = asked?;
                self.lost = true;
                say(&self.asked.0, "the call was interrupted [lost]".to_owned())
            }
            Some(_) => None,
            None => Some(story::words(event)),
        }
    }

    fn observed(&self, files: &[Seen], left_out: u32) -> String {
        let seen = match files.len() {
            1 => "1 file".to_owned(),
            n => format!("{n} files"),
        };
        let mut text = format!("the model may see {seen}");
        if left_out > 0 {
            // Which globs would have matched them, nobody recorded.
            text.push_str(&format!("; {left_out} left out [left_out]"));
            return text;
        }
        for glob in self.globs.iter().filter(|glob| matches_none(glob, files)) {
            text.push_str(&format!("; warning: `{glob}` matches no file [no_match]"));
        }
        text
    }

    fn replied(&mut self, attempt: Attempt) -> Option<String> {
        Some(match attempt.reply {
            Reply::Answered { answer: Answer::Decide(Decide { status, steps, .. }), .. } => {
                self.decided = Some(status);
                self.plan = steps.iter().map(|step| action(&step.action)).collect();
                match status {
                    Status::Blocked => "the model says it is blocked".to_owned(),
                    Status::Done if steps.is_empty() => "nothing is left to do".to_owned(),
                    Status::Continue if steps.is_empty() => "no step in this cycle".to_owned(),
                    // The accepted plan is the next line.
                    Status::Done | Status::Continue => return None,
                }
            }
            Reply::Answered { answer: Answer::Orient { risk }, .. } => {
                format!("answered: {} risk", risk.word())
            }
            Reply::Answered { answer: Answer::Reflect { assessment }, .. } => {
                let word = match assessment {
                    Assessment::Success => "success",
                    Assessment::Partial => "partial",
                    Assessment::Failure => "failure",
                    Assessment::Unknown => "unknown",
                };
                format!("answered: {word}")
            }
            Reply::Invalid { problem, .. } => {
                invalid(self.stored.text(problem).as_deref()).to_string()
            }
            Reply::Failed(failure) => {
                let said = attempt.said.and_then(|said| self.stored.text(said));
                format!("the call failed: {}", call(failure, said.as_deref()))
            }
            Reply::Cancelled => "the call was stopped [cancelled]".to_owned(),
        })
    }

    fn opened(&mut self, event: &Event) -> String {
        let id = story::field(event, "proposal");
        let Some(proposal) = typed::<Proposal>(event, "what") else {
            return format!("{id} waits for you");
        };
        let held = words::held_in_event(&proposal, |text| self.stored.text(text));
        let line = match &self.flag {
            Some(flag) => format!("waits for you: {held}; `kairos proposal approve {id}{flag}`"),
            None => format!("{id} waits for you: {held}"),
        };
        self.held.insert(id, held);
        line
    }

    fn parked(&self, event: &Event) -> String {
        let (reason, until) = (story::field(event, "reason"), story::field(event, "until"));
        let line = standing::waits(&reason, self.held.values().map(String::as_str), None);
        if until.is_empty() { line } else { format!("{line} until {}", when::short(&until)) }
    }

    fn unsettled(&self, event: &Event) -> String {
        let id = story::field(event, "effect");
        let why = match typed::<Doubt>(event, "doubt") {
            Some(doubt) => words::doubt(doubt),
            None => story::field(event, "doubt"),
        };
        match &self.flag {
            Some(flag) => format!(
                "nobody can prove what it did: {why}; `kairos effect settle {id}{flag}` with \
                 `--happened`, `--did-not` or `--unknown`"
            ),
            None => format!("{id}: nobody can prove what it did: {why}"),
        }
    }
}

fn matches_none(glob: &str, files: &[Seen]) -> bool {
    if is_deep(glob) {
        return false;
    }
    let glob = GlobBuilder::new(glob).literal_separator(true).build();
    let Ok(glob) = glob.map(|glob| glob.compile_matcher()) else { return false };
    !files.iter().any(|seen| glob.is_match(OsStr::from_bytes(seen.path.as_bytes())))
}

fn say(what: &str, text: String) -> Told {
    Some((what.to_owned(), text))
}

fn created(event: &Event) -> String {
    let origin = event.fields.get("origin");
    let inner = |kind: &str, name: &str| {
        let value = origin.and_then(|origin| origin.get(kind)).and_then(|of| of.get(name));
        value.and_then(|value| value.as_str()).map(ToOwned::to_owned)
    };
    match (inner("schedule", "name"), inner("command", "by")) {
        (Some(name), _) => format!("created by schedule `{name}`"),
        (None, Some(by)) => format!("created by {by}"),
        (None, None) => "created".to_owned(),
    }
}

/// Characters shown of a command's last line.
const LAST_CHARS_MAX: usize = 160;

/// `the command exited with 0 after 2.1 s, 3 files to take over, 1 left out`, or how it failed and the
/// last line it printed.
fn executed(ran: &Ran, told: &str) -> String {
    let counted = |n: usize, what: &str| match n {
        0 => String::new(),
        1 => format!(", 1 {what}"),
        n if what.starts_with("file") => format!(", {n} files{}", &what["file".len()..]),
        n => format!(", {n} {what}"),
    };
    // What the command printed begins behind the first empty line.
    let own = told.lines().take_while(|line| !line.is_empty());
    let left = own.filter(|line| line.starts_with("left out: ")).count();
    let (files, left) =
        (counted(ran.changes.len(), "file to take over"), counted(left, "left out"));
    let tenths = ran.wall_ms / 100;
    let line = format!(
        "the command {} after {}.{} s{files}{left}",
        ran.end.words(),
        tenths / 10,
        tenths % 10
    );
    let last = told.lines().rev().find(|line| !line.trim().is_empty());
    match last.filter(|_| !ran.end.is_well()) {
        Some(last) => {
            let last: String = last.trim().chars().take(LAST_CHARS_MAX).collect();
            format!("{line}: {last}")
        }
        None => line,
    }
}

fn finished(event: &Event) -> String {
    let verified = event.fields.get("verified").and_then(serde_json::Value::as_bool);
    let ended = standing::finished(Some(&story::field(event, "outcome")), verified);
    let outcome = || typed::<MandateOutcome>(event, "outcome").and_then(words::outcome);
    match typed::<EndReason>(event, "reason") {
        Some(reason) => format!("{ended}: {}", words::ended(reason)),
        None => outcome().map_or_else(|| ended.clone(), |why| format!("{ended}: {why}")),
    }
}

/// A field in the form the rules have it; `None` for what a later version wrote.
fn typed<T: DeserializeOwned>(event: &Event, name: &str) -> Option<T> {
    event.fields.get(name).and_then(|value| T::deserialize(value).ok())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    use super::*;

    /// A place without texts.
    fn nothing() -> Stored {
        Stored::below(std::path::Path::new("/proc/self/nothing"))
    }

    const AT: &str = "2026-11-21T08:00:00.000Z";

    /// What a tale says of these events, without the time of day.
    fn told(mut tale: Tale, events: &[Value]) -> Vec<String> {
        let events = events.iter().map(|event| Event::deserialize(event).unwrap());
        let lines = events.filter_map(|event| tale.line(AT, &event));
        lines.map(|line| line["HH:MM:SS ".len()..].to_owned()).collect()
    }

    fn asked(reply: &Value) -> Value {
        json!({"type": "effect_settled", "effect_id": "E", "outcome": {"asked": {"reply": reply}}})
    }

    fn ask(phase: &str, attempt: u8) -> Value {
        let intent = json!({"ask": {"phase": phase, "attempt": attempt}});
        json!({"type": "effect_begun", "effect_id": "E", "intent": intent})
    }

    fn blob() -> Value {
        json!({"sha256": "0".repeat(64), "bytes": 1})
    }

    #[test]
    fn a_call_that_is_made_again_says_why() {
        let late = json!({"failed": {"status": {"code": 429, "retry_after_ms": null}}});
        let risk = json!({"answered": {"answer": {"orient": {"risk": "low"}}, "text": blob()}});
        let lines = told(
            Tale::past(nothing()),
            &[
                json!({"type": "phase_entered", "phase": "orient"}),
                json!({"type": "budget_reserved", "effect_id": "E", "amounts": {}}),
                ask("orient", 1),
                json!({"type": "budget_settled", "effect_id": "E", "used": {}}),
                asked(&late),
                json!({"type": "call_delayed", "until": "soon"}),
                ask("orient", 2),
                asked(&json!({"failed": "cut"})),
                ask("orient", 3),
                asked(&risk),
            ],
        );
        let expected = [
            "orient   asks the model",
            "orient   the call failed: too many requests (429) [status]",
            "orient   asked again at soon (attempt 2 of 3)",
            "orient   asks the model (attempt 2)",
            "orient   the call failed: the answer broke off [cut]",
            "orient   asks the model (attempt 3)",
            "orient   answered: low risk",
        ];
        assert_eq!(lines, expected);
    }

    fn plan() -> Value {
        let step =
            |name: &str, action: Value| json!({"name": name, "action": action, "policy": "halt"});
        let steps = [
            step("a", json!({"code_edit": {"path": "docs/a.md"}})),
            step("b", json!({"file_move": {"path": "b.md", "to": "c.md"}})),
        ];
        let decide = json!({"status": "done", "steps": steps, "fingerprint": "0".repeat(64)});
        asked(&json!({"answered": {"answer": {"decide": decide}, "text": blob()}}))
    }

    fn opened() -> Value {
        let place = json!({"path": "docs/a.md", "parent": 1});
        let pre = json!({"content": blob(), "mode": 420});
        let change = json!({"edit": {"at": place, "pre": pre, "post": blob()}});
        let what = json!({
            "step": 0, "change": change, "diff": blob(), "scope": "l1", "risk": "low",
            "reason": "protected_scope", "hash": "0".repeat(64),
        });
        json!({"type": "proposal_opened", "proposal_id": "P", "expires": "later", "what": what})
    }

    #[test]
    fn steps_are_told_by_what_they_do_and_held_ones_by_what_to_type() {
        let failed = json!({"failed": {"file": "old_text_missing"}});
        let events = [
            json!({"type": "effect_settled", "outcome": {"observed": {"files": [], "left_out": 2}}}),
            ask("decide", 1),
            plan(),
            json!({"type": "plan_accepted", "steps": 2}),
            json!({"type": "step_begun", "step": 0}),
            opened(),
            json!({"type": "mandate_parked", "reason": "approval"}),
            json!({"type": "decided", "proposal_id": "P", "decision": "approve", "by": "user:a(1)"}),
            json!({"type": "mandate_resumed"}),
            json!({"type": "step_finished", "step": 0, "end": failed}),
            json!({"type": "step_finished", "step": 1, "end": "skipped"}),
            json!({"type": "mandate_finished", "outcome": "failed", "reason": "cycles_failed"}),
            json!({"type": "moon_rose"}),
        ];
        let expected = [
            "observe  the model may see 0 files; 2 left out [left_out]",
            "decide   asks the model",
            "decide   plan of 2 steps: edit docs/a.md, move b.md to c.md; then the goal is reached",
            "act      step 1 of 2: edit docs/a.md",
            "proposal waits for you: 1 edit to docs/a.md (protected: knowledge); `kairos proposal approve P --root 'x'`",
            "mandate  waits for you: 1 edit to docs/a.md (protected: knowledge) [approval]",
            "proposal P approved by user:a(1)",
            "mandate  goes on",
            "act      step 1 of 2: edit docs/a.md: failed: the text to replace is not there [old_text_missing]",
            "act      step 2 of 2: move b.md to c.md: skipped, for another step failed",
            "mandate  failed: two cycles in a row failed [cycles_failed]",
            "·        moon rose",
        ];
        assert_eq!(told(Tale::live(" --root 'x'", nothing()), &events), expected);
    }
}
