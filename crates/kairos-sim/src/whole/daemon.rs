//! One process of the daemon: the product's ledger, calendar, turn and file performer on this disk.
//!
//! Owns what dies with a process. The order of a start is the engine's own functions'; only threads,
//! sockets and the clock are missing. Never survives an error of the disk, as the binary does not.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use jiff::tz::TimeZone;
use kairos_core::clock::{Clock, Reading};
use kairos_core::digest::BlobRef;
use kairos_core::effect::{Attempt, Call, Outcome, Reply};
use kairos_core::id::{EffectId, MandateId};
use kairos_core::input::Input;
use kairos_core::plan::Action;
use kairos_core::shell::CommandRefusal;
use kairos_core::time::Time;
use kairos_disk::{Blobs, Fs};
use kairos_effects::Permit;
use kairos_effects::file::Files;
use kairos_effects::store::Texts;
use kairos_engine::{Admit, Calendar, Ledger, start};
use kairos_journal::{OpenError, Opened, ReadError};

use super::law::Findings;
use super::model::{Asked, Saying};
use super::reading::{Dropped, Eyes, open_ledger};
use super::scene::{Chosen, configuration};
use super::script::Profile;
use super::timetables::Ground;
use super::watched::Watched;
use super::zones;
use crate::{SimDir, SimFs};

pub(super) const JOURNAL: &str = ".kairos/journal";
pub(super) const KEPT: &str = ".kairos/checkpoints";
const BLOBS: &str = ".kairos/blobs";
const OWN: [&str; 5] = [".kairos/config", JOURNAL, BLOBS, ".kairos/run", KEPT];

/// An effect under way.
pub(super) struct UnderWay {
    pub(super) permit: Permit<Watched>,
    /// For a call of a model.
    saying: Option<Saying>,
}

/// A process.
pub(super) struct Daemon {
    /// None while a turn has it, and after one that failed.
    pub(super) ledger: Option<Ledger<SimFs, Watched>>,
    pub(super) calendar: Calendar,
    pub(super) day_zone: TimeZone,
    pub(super) admit: Admit,
    pub(super) clock: Clock,
    pub(super) under_way: Vec<UnderWay>,
    /// Effects whose permit was dropped.
    lost: Dropped,
    files: Files<SimFs>,
    texts: Texts<SimFs>,
}

/// What a start reads with.
pub(super) struct Beginning<'a> {
    pub(super) eyes: Eyes<'a>,
    /// Mandates that brought the engine down often enough.
    pub(super) quarantined: Vec<MandateId>,
    pub(super) admit: Admit,
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStarted {
    #[error("the journal: {0} ({0:?})")]
    Journal(OpenError),
    #[error("the journal, read again: {0} ({0:?})")]
    Read(ReadError),
    #[error("the disk: {0}")]
    Disk(std::io::Error),
    #[error("a text cannot be stored")]
    Text,
}

/// Makes the directories there are before any start.
pub(super) fn lay_out(fs: &SimFs) {
    for dir in [JOURNAL, BLOBS, KEPT] {
        // A file in each, so that the way to it is made.
        fs.put(&Path::new(dir).join("x"), b"", 0o600).expect("an empty disk");
        let opened = fs.open_dir(&fs.root(), Path::new(dir)).expect("just made");
        fs.unlink(&opened, "x".as_ref()).expect("just made");
    }
}

pub(super) fn open_dir(fs: &SimFs, path: &str) -> Result<SimDir, NotStarted> {
    fs.open_dir(&fs.root(), Path::new(path)).map_err(NotStarted::Disk)
}

impl Daemon {
    /// Starts up to the first turn; with the process, the inputs of that turn.
    pub(super) fn start(
        fs: &SimFs,
        findings: &Findings,
        beginning: Beginning<'_>,
        setup: (Profile, Ground),
        now: Reading,
    ) -> Result<(Self, Vec<Input>, Opened), NotStarted> {
        let blobs = Blobs::new(fs.clone(), open_dir(fs, BLOBS)?);
        blobs.sweep().map_err(NotStarted::Disk)?;
        let texts = Texts::new(Arc::new(blobs));
        let mut protected = Vec::new();
        for own in OWN {
            let dir = open_dir(fs, own)?;
            protected.push(fs.stat_dir(&dir).map_err(NotStarted::Disk)?.identity);
        }
        let protected = Box::new(move || protected.clone());
        let files = Files::new(fs.clone(), fs.root(), protected, texts.clone(), |_| {});
        let chosen = chosen(&texts, setup).ok_or(NotStarted::Text)?;
        let lost = Dropped::default();
        let Beginning { eyes, quarantined, admit } = beginning;
        let (ledger, opened) = open_ledger(fs, findings, eyes, &lost)?;
        let mut own = {
            let begun = Input::Started { version: "simulated".into(), pid: 1, machine: None };
            let Opened { recovered, repaired, .. } = opened.clone();
            start::opened(begun, recovered, repaired, false)
        };
        let state = ledger.state().state();
        let clock = Clock::new(now, state);
        let now = clock.begins(state);
        let (rules, schedules) = (chosen.rules, chosen.schedules);
        let zones = zones::zones(chosen.edition);
        let configured = start::configured(state, rules, schedules, zones, now);
        let (calendar, inputs) = configured.expect("few schedules");
        own.extend(inputs);
        own.extend(start::quarantined(quarantined));
        if admit == Admit::All {
            own.extend(start::left_open(state));
        }
        let daemon = Self {
            ledger: Some(ledger),
            calendar,
            day_zone: chosen.day_zone,
            admit,
            clock,
            under_way: Vec::new(),
            lost,
            files,
            texts,
        };
        Ok((daemon, own, opened))
    }

    /// Reads the configuration again; none where its texts cannot be stored.
    pub(super) fn reload(&mut self, setup: (Profile, Ground), now: Time) -> Option<Vec<Input>> {
        let chosen = chosen(&self.texts, setup)?;
        let state = self.ledger.as_ref()?.state().state();
        let (rules, schedules) = (chosen.rules, chosen.schedules);
        let zones = zones::zones(chosen.edition);
        let configured = start::configured(state, rules, schedules, zones, now);
        let (calendar, inputs) = configured.expect("few schedules");
        self.calendar = calendar;
        self.day_zone = chosen.day_zone;
        Some(inputs)
    }

    /// Stores the text of a goal.
    pub(super) fn goal(&self, number: u16) -> Option<BlobRef> {
        self.texts.put(goal(number).as_bytes()).ok()
    }

    /// Takes a permit; of a model's call, what will be said.
    pub(super) fn dispatch(&mut self, permit: Permit<Watched>, asked: &mut Asked) {
        let saying = match permit.effect().call() {
            Call::Ask { brief, .. } => Some(asked.next(brief)),
            Call::Cancel { effect } => {
                let effect = *effect;
                self.cancel(|id| id == effect);
                // Nobody waits for it: the other effect's outcome counts.
                drop(permit.settle(Outcome::Cleared).into_parts());
                return;
            }
            _ => None,
        };
        self.under_way.push(UnderWay { permit, saying });
    }

    /// Stops calls of a model.
    pub(super) fn cancel(&mut self, which: impl Fn(EffectId) -> bool) {
        for under_way in &mut self.under_way {
            if which(under_way.permit.effect().id()) && under_way.saying.is_some() {
                under_way.saying = None;
            }
        }
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, Vec<EffectId>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was lost since this was asked last.
    pub(super) fn losses(&self) -> Vec<Input> {
        let lost = std::mem::take(&mut *self.lost());
        lost.into_iter().map(|effect| settled(effect, Outcome::Lost)).collect()
    }

    /// Performs at most `most` of what is under way, in order.
    pub(super) fn perform(&mut self, fs: &SimFs, most: usize) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut slow = Vec::new();
        for _ in 0..most.min(self.under_way.len()) {
            let mut next = self.under_way.remove(0);
            if let Some(saying) = next.saying.as_mut().filter(|saying| saying.turns > 0) {
                saying.turns -= 1;
                slow.push(next);
                continue;
            }
            let effect = next.permit.effect().id();
            let outcome = self.outcome(next);
            if fs.is_stopped() {
                // Nobody is there to hear of it.
                break;
            }
            inputs.extend(outcome.map(|outcome| settled(effect, outcome)));
        }
        self.under_way.extend(slow);
        inputs
    }

    fn outcome(&self, under_way: UnderWay) -> Option<Outcome> {
        let UnderWay { permit, saying } = under_way;
        match (permit.effect().call(), saying) {
            (Call::Ask { brief, output_tokens_max, .. }, Some(saying)) => {
                if saying.lost {
                    return None;
                }
                let outcome = saying.outcome(brief, *output_tokens_max, &self.texts);
                Some(permit.settle(outcome).into_parts().1)
            }
            (Call::Ask { .. }, None) => {
                let reply = Reply::Cancelled;
                let cancelled =
                    Outcome::Asked(Attempt { request: None, usage: None, reply, said: None });
                Some(permit.settle(cancelled).into_parts().1)
            }
            // The simulated machine has no program.
            (Call::Prepare { action: Action::Shell, .. }, _) => {
                let (why, words) = (CommandRefusal::Name, "there is no program here");
                let refused = match self.texts.put(words.as_bytes()) {
                    Ok(told) => Outcome::NotExecuted { why, told },
                    Err(error) => Outcome::Failed(error.failure()),
                };
                Some(permit.settle(refused).into_parts().1)
            }
            _ => Some(self.files.perform(permit).into_parts().1),
        }
    }

    /// A performer ends without an outcome; `done` says whether it did what it was to do.
    pub(super) fn lose(&mut self, which: usize, done: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let under_way = self.under_way.remove(which % self.under_way.len());
        if done {
            let effect = under_way.permit.effect().id();
            if self.outcome(under_way).is_some() {
                self.lost().push(effect);
            }
        }
    }
}

fn settled(effect: EffectId, outcome: Outcome) -> Input {
    Input::Settled { effect, outcome }
}

pub(super) fn goal(number: u16) -> String {
    format!("goal {number}: see docs/a.md")
}

/// The configuration of that number, with its texts stored.
fn chosen(texts: &Texts<SimFs>, setup: (Profile, Ground)) -> Option<Chosen> {
    let goal = |number| BlobRef::of(goal(number).as_bytes());
    let chosen = configuration(setup, &goal);
    for which in 0..4 {
        texts.put(self::goal(which).as_bytes()).ok()?;
    }
    Some(chosen)
}
