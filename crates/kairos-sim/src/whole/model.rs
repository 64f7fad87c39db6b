//! A model that follows a script.
//!
//! Owns what it answers: mostly plans over a handful of files, now and then nothing that can be read,
//! an error, or silence. What it says depends on the goal and on how often it was asked, so that
//! leaving out one act leaves the other answers as they were. The text is read at the product's own
//! door.

use std::collections::BTreeMap;

use kairos_core::budget::Usage;
use kairos_core::cycle::brief::Brief;
use kairos_core::cycle::phase::Phase;
use kairos_core::cycle::retry::CallFailure;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::{Attempt, Failure, Outcome, Reply};
use kairos_disk::Fs;
use kairos_effects::model::answer;
use kairos_effects::store::Texts;
use serde_json::{Value, json};

use super::scene::FILES;

/// What becomes of one call.
pub(super) struct Saying {
    random: fastrand::Rng,
    /// Turns it takes.
    pub(super) turns: u8,
    /// Nothing comes back, and the performer is gone.
    pub(super) lost: bool,
}

/// How often was asked on behalf of each goal.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<Digest, u64>);

impl Asked {
    pub(super) fn next(&mut self, brief: &Brief) -> Saying {
        let goal = brief.fragments.first().map_or(Digest::of(b""), |goal| goal.text.digest);
        let times = self.0.entry(goal).or_default();
        *times += 1;
        let bytes = goal.as_bytes();
        let mut seed = [0; 8];
        seed.copy_from_slice(&bytes[..8]);
        let seed = u64::from_be_bytes(seed) ^ times.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = fastrand::Rng::with_seed(seed);
        let turns = if random.u8(..8) == 0 { random.u8(1..5) } else { 0 };
        let lost = random.u8(..40) == 0;
        Saying { random, turns, lost }
    }
}

impl Saying {
    /// The outcome of the call.
    pub(super) fn outcome<F: Fs>(
        mut self,
        brief: &Brief,
        output_tokens_max: u32,
        texts: &Texts<F>,
    ) -> Outcome {
        let usage = Usage {
            input: self.random.u64(..=brief.bytes_max() + 1024),
            output: self.random.u64(..=u64::from(output_tokens_max)),
            ..Usage::default()
        };
        let mut usage = (self.random.u8(..4) > 0).then_some(usage);
        let status = |code, retry_after_ms| CallFailure::Status { code, retry_after_ms };
        let failed = match self.random.u8(..60) {
            0..2 => Some(status(429, Some(5_000))),
            2..4 => Some(status(529, None)),
            4 => Some(status(400, None)),
            5 => Some(CallFailure::Transport),
            6 => Some(CallFailure::Cut),
            7 => Some(CallFailure::Timeout),
            8 => Some(CallFailure::Unreadable),
            _ => None,
        };
        let reply = match failed {
            Some(failure) => {
                usage = usage.filter(|_| failure == CallFailure::Cut);
                Ok(Reply::Failed(failure))
            }
            None => self.reply(brief.phase, texts),
        };
        match reply {
            Ok(reply) => Outcome::Asked(Attempt { request: None, usage, reply, said: None }),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn reply<F: Fs>(&mut self, phase: Phase, texts: &Texts<F>) -> Result<Reply, Failure> {
        let text = match self.random.u8(..12) {
            0 => "I would rather not.".to_owned(),
            _ => self.says(phase).to_string(),
        };
        let put = |text: &str| -> Result<BlobRef, Failure> {
            texts.put(text.as_bytes()).map_err(|error| error.failure())
        };
        let stored = put(&text)?;
        Ok(match answer::read(phase, &text) {
            Ok(answer) => Reply::Answered { answer, text: stored },
            Err(problem) => Reply::Invalid { text: stored, problem: put(&problem.to_string())? },
        })
    }

    fn says(&mut self, phase: Phase) -> Value {
        match phase {
            Phase::Decide => self.plan(),
            Phase::Orient => json!({"summary": "so it is", "priorities": [], "risk_level": "low"}),
            _ => json!({"assessment": "success", "lessons": [], "confidence": 0.5}),
        }
    }

    fn plan(&mut self) -> Value {
        let status = match self.random.u8(..12) {
            0 => return json!({"status": "blocked", "reason": "I cannot see it", "steps": []}),
            1 => return json!({"status": "done", "reason": "nothing to do", "steps": []}),
            2..8 => "done",
            _ => "continue",
        };
        let steps: Vec<Value> = (0..self.random.u8(1..5)).map(|place| self.step(place)).collect();
        json!({"status": status, "reason": "because", "steps": steps})
    }

    fn step(&mut self, place: u8) -> Value {
        let mut path = || FILES[self.random.usize(..FILES.len())].0;
        let (path, to) = (path(), path());
        // Different in every plan, so that an edit that is made twice shows.
        let mark = format!("mark-{:016x}", self.random.u64(..));
        let mut step = match self.random.u8(..20) {
            0..10 => json!({
                "action": "code_edit", "path": path,
                "old_string": "END\n", "new_string": format!("{mark}\nEND\n"),
            }),
            10..13 => json!({
                "action": "file_create", "path": path, "content": format!("{mark}\nEND\n"),
            }),
            13..16 => json!({"action": "file_move", "path": path, "to": to}),
            16..18 => json!({"action": "file_delete", "path": path}),
            18 => json!({"action": "noop"}),
            _ => json!({"action": "shell", "argv": ["true"]}),
        };
        let policy = ["halt", "skip_dependents", "continue"][self.random.usize(..3)];
        let after = if place > 0 && self.random.bool() {
            vec![format!("s{}", self.random.u8(..place))]
        } else {
            Vec::new()
        };
        step["id"] = json!(format!("s{place}"));
        step["failure_policy"] = json!(policy);
        step["depends_on"] = json!(after);
        step
    }
}
