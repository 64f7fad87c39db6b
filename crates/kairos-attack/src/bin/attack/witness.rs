//! Those who look on from outside.
//!
//! Owns what was seen of one attempt. A witness stands in the arena and never inside a sandbox; what the
//! probe says of itself is evidence here only where it quotes a secret it could not know.

pub(crate) mod listeners;
pub(crate) mod processes;
pub(crate) mod snapshot;

use crate::case::Shows;

/// What was seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) leak: bool,
    pub(crate) start: bool,
    pub(crate) changes: Vec<String>,
    pub(crate) harm: Option<String>,
    pub(crate) contacts: Vec<String>,
    pub(crate) stays: Vec<String>,
    pub(crate) late: Option<String>,
    pub(crate) starved: Option<String>,
    pub(crate) typed: bool,
}

impl Seen {
    /// Every effect, in words.
    pub(crate) fn effects(&self) -> Vec<String> {
        let listed = |what: &str, list: &[String]| {
            (!list.is_empty()).then(|| format!("{what}: {}", list.join(", ")))
        };
        let all = [
            self.leak.then(|| "the secret came out".to_owned()),
            self.start.then(|| "a program of the repository was started".to_owned()),
            listed("files", &self.changes),
            self.harm.as_ref().map(|what| format!("victim: {what}")),
            listed("reached", &self.contacts),
            listed("stays", &self.stays),
            self.late.clone(),
            self.starved.as_ref().map(|what| format!("somebody outside: {what}")),
            self.typed.then(|| "typed into the terminal".to_owned()),
        ];
        all.into_iter().flatten().collect()
    }

    /// Whether the witness that a case names has seen something.
    pub(crate) fn shows(&self, shows: Shows) -> bool {
        match shows {
            Shows::Leak => self.leak,
            Shows::Start => self.start,
            Shows::Change => !self.changes.is_empty(),
            Shows::Harm => self.harm.is_some(),
            Shows::Contact => !self.contacts.is_empty(),
            Shows::Stay => !self.stays.is_empty(),
            Shows::Late => self.late.is_some(),
            Shows::Starve => self.starved.is_some(),
            Shows::Typed => self.typed,
            Shows::Answer | Shows::Works | Shows::Told => true,
        }
    }
}
