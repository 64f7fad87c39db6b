//! The moment a segment ends and the next one begins, stopped at every call.
//!
//! Owns a life beside the life: on a copy of the disk turns are taken until one goes over into the
//! next segment, and that turn is taken again and again, stopped elsewhere each time. Never
//! changes the life it begins from.

use std::sync::Arc;

use jiff::tz::TimeZone;
use kairos_core::id::Seed;
use kairos_core::input::{Input, Pace};
use kairos_core::state::State;
use kairos_engine::{Calendar, Exits, Inputs, Ledger, Shown, circumstances, turn};
use kairos_journal::Permit;

use super::law::Wrong;
use super::life::Life;
use super::reading::{Eyes, open_ledger};
use super::tally::Tried;
use super::watched::{Watch, Watched};
use crate::{Bound, Plan, SimFs, Stop};

/// Frames of a turn; a few of them stand behind the seam.
const FRAMES: usize = 4;
/// Turns after which a segment is full for certain.
const TURNS_MAX: usize = 100;
/// Of the disks a crash in such a turn leaves, so many are made.
const IMAGES: Bound = Bound { units_max: 2, samples: 2 };

/// The copy.
struct Beside {
    fs: SimFs,
    watch: Watch,
    /// None after a turn that failed.
    ledger: Option<Ledger<SimFs, Watched>>,
    drawn: u64,
}

impl Life {
    /// Stops a turn that begins a segment before and after every call that changes something, and
    /// reads what that may leave.
    pub(super) fn rotate(&mut self) {
        if self.daemon.is_none() {
            return;
        }
        let Some(mut traced) = self.beside() else { return };
        let over = (0..TURNS_MAX).find(|_| {
            traced.fs.plan(Plan::trace());
            let before = traced.ledger.as_ref().map(Ledger::sealed);
            self.turn_beside(&mut traced);
            traced.ledger.as_ref().map(Ledger::sealed) > before
        });
        let Some(over) = over else {
            return self.findings.add(Wrong::Refused, "no segment is ever full".into());
        };
        let sites = traced.fs.sites();
        let changes = sites.into_iter().filter(|site| site.call.changes());
        for number in changes.map(|site| site.number) {
            for stop in [Stop::Before(number), Stop::After(number)] {
                self.stop_beside(over, stop);
            }
        }
    }

    fn stop_beside(&mut self, over: usize, stop: Stop) {
        let Some(mut beside) = self.beside() else { return };
        (0..over).for_each(|_| self.turn_beside(&mut beside));
        let durable = |beside: &Beside| beside.ledger.as_ref().map(Ledger::durable);
        let before = durable(&beside);
        beside.fs.plan(Plan::stop(stop));
        self.turn_beside(&mut beside);
        let before = durable(&beside).or(before);
        self.tally.count(Tried::Crashes);
        self.tally.count(Tried::Rotations);
        for image in beside.fs.crash_images(IMAGES, stop.number()) {
            let head = self.read_as(&image.mount(), &beside.watch);
            self.findings.check(head >= before, Wrong::Lost, || {
                format!("{before:?} was on disk before {stop:?}, and {head:?} is now")
            });
        }
    }

    fn beside(&mut self) -> Option<Beside> {
        let fs = self.fs.kill();
        let watch = Watch::new(self.findings.clone());
        let (before, spoiled) = (&self.known.watch, &self.known.spoiled);
        let profile = self.setup().0;
        let eyes = Eyes { watch: &watch, before, spoiled, profile };
        match open_ledger(&fs, &self.findings, eyes, &Arc::default()) {
            Ok((ledger, _)) => Some(Beside { fs, watch, ledger: Some(ledger), drawn: 0 }),
            Err(error) => {
                self.findings.add(Wrong::Refused, format!("a copy: {error}"));
                None
            }
        }
    }

    /// A turn of a few frames. Nothing is performed.
    fn turn_beside(&self, beside: &mut Beside) {
        let Some(ledger) = beside.ledger.take() else { return };
        let drawn = &mut beside.drawn;
        let mut now = || {
            *drawn += 1;
            let mut seed = [9; 16];
            seed[..8].copy_from_slice(&drawn.to_be_bytes());
            circumstances(self.clock, Seed(seed), &TimeZone::UTC, Pace::Draining)
        };
        let mut inputs = Inputs::default();
        let begun = || Input::Started { version: "beside".into(), pid: 1, machine: None };
        inputs.own = (0..FRAMES).map(|_| begun()).collect();
        let mut publish = |_: &[Shown], _: &State| {};
        let mut dispatch = |permit: Permit<Watched>| drop(permit);
        let exits = Exits { publish: &mut publish, dispatch: &mut dispatch };
        let turned = turn(ledger, inputs, &mut now, &Calendar::default(), exits);
        beside.ledger = turned.ok().map(|turned| turned.ledger);
    }
}
