//! How a process ends, and how the next one begins.
//!
//! Owns stops, kills and power losses, and the start that follows each, with everything that must
//! hold of what it reads. Never decides when: an act does.

use std::num::NonZero;
use std::sync::Arc;

use kairos_core::fold::Seq;
use kairos_core::input::Pace;
use kairos_engine::Admit;
use kairos_journal::checkpoint::Places;
use kairos_journal::{Tail, verify_beside};

use super::daemon::{Beginning, Daemon, JOURNAL, KEPT, NotStarted, open_dir};
use super::law::Wrong;
use super::life::Life;
use super::reading::{Eyes, open_ledger, same_state};
use super::tally::Tried;
use super::watched::Watch;
use crate::{Bound, Plan, SimFs, Stop};

/// Starts tried before somebody would call for help.
const STARTS_MAX: usize = 6;
/// Of the disks a power loss may leave, so many are made.
const IMAGES: Bound = Bound { units_max: 4, samples: 6 };

/// How the machine or the process will end at a planned call.
#[derive(Clone, Copy)]
pub(super) struct Fall {
    pub(super) power: bool,
    pub(super) image: u64,
}

impl Life {
    /// Stops as asked: calls of a model are cut short, files are finished, for a while.
    pub(super) fn stop(&mut self, patience: u16) {
        if let Some(daemon) = &mut self.daemon {
            daemon.cancel(|_| true);
        }
        for _ in 0..patience % 6 {
            let Some(daemon) = self.daemon.as_mut().filter(|d| !d.under_way.is_empty()) else {
                break;
            };
            let inputs = daemon.perform(&self.fs, usize::MAX);
            if self.fs.is_stopped() {
                return self.look();
            }
            self.turn(inputs, Vec::new(), Pace::Draining);
        }
        if let Some(ledger) = self.daemon.as_ref().and_then(|daemon| daemon.ledger.as_ref()) {
            let live = ledger.state().state();
            same_state(&self.findings, live, "live", self.state(), "of what was shown");
        }
        self.daemon = None;
        if self.fs.is_stopped() { self.crash() } else { self.fs = self.fs.kill() }
    }

    /// The process ends.
    pub(super) fn kill(&mut self) {
        self.tally.count(Tried::Crashes);
        self.daemon = None;
        self.fs = self.fs.kill();
    }

    /// What was planned for the call at which everything stopped. Now and then somebody is at the
    /// files before the next start.
    pub(super) fn crash(&mut self) {
        if self.fall.power {
            self.cut()
        } else {
            self.kill()
        }
        let how = u16::try_from(self.fall.image % 11).expect("below 11");
        if how < 8 {
            (self.shelf.touch(1, how))(&self.fs);
            self.shelf.look(&self.fs, false);
        }
    }

    /// The power goes. Of the disks that may be left, one is gone on with and a few are read.
    pub(super) fn cut(&mut self) {
        self.tally.count(Tried::Crashes);
        self.daemon = None;
        let images = self.fs.crash_images(IMAGES, self.fall.image);
        let chosen = usize::try_from(self.fall.image).unwrap_or(0) % images.len().max(1);
        let last = images.len() - 1;
        let mut left = None;
        for (nth, image) in images.enumerate() {
            if nth == chosen {
                left = Some(image.mount());
            } else if nth == 0 || nth == last || nth % 5 == 2 {
                self.read_image(&image.mount());
            }
        }
        self.fs = left.expect("there is always one");
        self.tally.image(self.fs.fingerprint());
        self.shelf.look(&self.fs, true);
    }

    /// Reads what a power loss may leave, and goes no further with it.
    pub(super) fn read_image(&mut self, fs: &SimFs) {
        self.shelf.could_be(fs);
        let recorded = self.known.watch.clone();
        self.read_as(fs, &recorded);
    }

    /// Reads a disk on which nothing was recorded but what `recorded` saw; answers how far it goes.
    pub(super) fn read_as(&mut self, fs: &SimFs, recorded: &Watch) -> Option<Seq> {
        self.tally.image(fs.fingerprint());
        let watch = Watch::new(self.findings.clone());
        let (before, spoiled) = (&self.known.watch, &self.known.spoiled);
        let profile = self.setup().0;
        let eyes = Eyes { watch: &watch, before, spoiled, profile };
        match open_ledger(fs, &self.findings, eyes, &Arc::default()) {
            Ok((ledger, opened)) => {
                self.tally.add_to(Tried::Opened, u64::from(opened.snapshot.is_some()));
                self.compare(&watch, recorded, ledger.head());
                Some(ledger.head())
            }
            Err(error) => {
                self.findings.add(Wrong::Refused, format!("an image: {error}"));
                None
            }
        }
    }

    fn compare(&self, read: &Watch, recorded: &Watch, head: Seq) {
        self.book.compare(&read.seen().history, &recorded.seen().history, head);
    }

    /// Starts until it works; `again` is a crash in the first attempt.
    pub(super) fn start(&mut self, again: Option<Stop>) {
        if let Some(stop) = again {
            self.fs.plan(Plan::stop(stop));
        }
        let mut attempt = 0;
        while attempt < STARTS_MAX {
            let aborts = self.tally.of(Tried::Aborts);
            let started = self.try_start(Admit::All);
            if self.daemon.is_some() || self.findings.any() {
                return;
            }
            if self.tally.of(Tried::Aborts) > aborts {
                // Twice for each such mandate, and no more: the notes see to it.
                continue;
            }
            attempt += 1;
            if self.fs.is_stopped() {
                self.tally.count(Tried::Seconds);
                self.crash();
            } else if attempt <= 2 {
                // A call failed: what was planned goes with the process.
                self.kill();
            } else {
                let error = started.err().map(|error| error.to_string());
                self.findings.add(
                    Wrong::Refused,
                    format!("it does not start: {error:?} {}", self.known.failed),
                );
            }
        }
    }

    pub(super) fn try_start(&mut self, admit: Admit) -> Result<(), NotStarted> {
        let watch = Watch::new(self.findings.clone());
        let beginning = Beginning {
            eyes: Eyes {
                watch: &watch,
                before: &self.known.watch,
                spoiled: &self.known.spoiled,
                profile: self.setup().0,
            },
            quarantined: self.known.notes.quarantined(),
            admit,
        };
        let (daemon, own, opened) =
            Daemon::start(&self.fs, &self.findings, beginning, self.setup(), self.reading())?;
        self.tally.add_to(Tried::Opened, u64::from(opened.snapshot.is_some()));
        let Some(ledger) = daemon.ledger.as_ref() else { return Ok(()) };
        self.compare(&watch, &self.known.watch, ledger.head());
        if self.findings.any() {
            return Ok(());
        }
        let new = self.book.take_up(&watch.seen().history, ledger.head());
        new.iter().for_each(|event| self.shelf.record(event));
        let read = ledger.state().state();
        same_state(&self.findings, read, "read", self.state(), "of what was shown");
        self.verify();
        self.known.watch = watch;
        let waiting = super::people::waiting(self.state(), self.clock);
        self.daemon = Some(daemon);
        self.turn(own, Vec::new(), Pace::Running);
        if self.daemon.is_none() {
            return Ok(());
        }
        let open = |mandate| self.book.state().mandate(mandate).is_some();
        let ended = self.known.notes.forget(open, &self.findings);
        self.tally.add_to(Tried::Quarantines, ended);
        for (mandate, stood) in waiting {
            let stands = self.state().mandate(mandate).map(|mandate| mandate.standing);
            self.findings.check(stands == Some(stood), Wrong::Lost, || {
                format!("{mandate} waited as {stood:?}, and after a start is {stands:?}")
            });
        }
        Ok(())
    }

    /// Whether the journal holds together.
    pub(super) fn verify(&self) {
        let fs = self.fs.aside();
        let (journal, kept) = (open_dir(&fs, JOURNAL), open_dir(&fs, KEPT));
        let (Ok(journal), Ok(kept)) = (journal, kept) else { return };
        let places = Places { disk: &fs, journal: &journal, kept: Some(&kept), stop: None };
        let verdict = verify_beside(&places, Tail::Still, NonZero::<usize>::MIN);
        let good = verdict.as_ref().is_ok_and(|verdict| verdict.ok && verdict.problem.is_none());
        self.findings.check(good, Wrong::Refused, || format!("{verdict:?}"));
    }
}

/// A crash in the recovery, in three of four.
pub(super) fn again_at(again: u16) -> Option<Stop> {
    let call = u64::from(again / 4 % 150);
    match again % 4 {
        0 => None,
        1 | 2 => Some(Stop::Before(call)),
        _ => Some(Stop::After(call)),
    }
}
