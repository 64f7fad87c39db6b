//! What the world outside was told, and must find again.
//!
//! Owns every record that was shown, every answer and every permit that left, and a second state
//! folded from nothing but what was shown. Compares all of it with what a start reads.

use std::collections::{BTreeMap, BTreeSet};

use kairos_core::digest::Digest;
use kairos_core::effect::{Call, Effect};
use kairos_core::event::Event;
use kairos_core::fold::{Fold, Seq};
use kairos_core::id::{EffectId, MandateId};
use kairos_core::state::State;
use kairos_engine::{Accepted, Shown, Subject};

use super::law::{Findings, Wrong};
use super::watched::History;

/// What was told.
pub(super) struct Book {
    findings: Findings,
    shown: History,
    head: Seq,
    mirror: State,
    begun: BTreeSet<EffectId>,
    dispatched: BTreeSet<EffectId>,
    /// The mandate each key was answered with, until it is forgotten.
    keys: BTreeMap<Digest, MandateId>,
    pub(super) answers: u64,
}

impl Book {
    pub(super) fn new(findings: Findings) -> Self {
        Self {
            findings,
            shown: History::new(),
            head: Seq(0),
            mirror: State::empty(),
            begun: BTreeSet::new(),
            dispatched: BTreeSet::new(),
            keys: BTreeMap::new(),
            answers: 0,
        }
    }

    /// The state as far as it was shown.
    pub(super) fn state(&self) -> &State {
        &self.mirror
    }

    pub(super) fn events(&self) -> u64 {
        self.shown.len() as u64
    }

    /// Records are on disk.
    pub(super) fn publish(&mut self, records: &[Shown]) {
        for record in records {
            self.findings.check(record.at.seq == self.head.next(), Wrong::Duplicated, || {
                format!("frame {} follows frame {}", record.at.seq, self.head)
            });
            self.head = record.at.seq;
            for event in &record.events {
                self.fold(record.at, event);
            }
        }
    }

    fn fold(&mut self, at: kairos_core::fold::At, event: &Event) {
        if let Event::EffectBegun { effect, .. } = event {
            self.begun.insert(*effect);
        }
        if let Event::KeyForgotten { key } = event {
            self.keys.remove(key);
        }
        self.mirror.apply(at, event, &mut Vec::new());
        self.shown.push((at, event.clone()));
    }

    /// A permit leaves.
    pub(super) fn dispatch(&mut self, effect: &Effect) {
        if let Call::Cancel { .. } = effect.call() {
            return;
        }
        let id = effect.id();
        self.findings.check(self.begun.contains(&id), Wrong::Accepted, || {
            format!("a permit for {id} leaves before its record")
        });
        self.findings.check(self.dispatched.insert(id), Wrong::Duplicated, || {
            format!("a second permit for {id} leaves")
        });
    }

    /// A command was acknowledged.
    pub(super) fn accepted(&mut self, accepted: &Accepted, key: Option<Digest>) {
        self.answers += 1;
        self.findings.check(accepted.seq <= self.head, Wrong::Lost, || {
            format!("{accepted:?} was answered, and nobody was shown it")
        });
        if let (Some(key), Some(Subject::Mandate(mandate))) = (key, accepted.subject) {
            let before = *self.keys.entry(key).or_insert(mandate);
            self.findings.check(before == mandate, Wrong::Duplicated, || {
                format!("one key was answered with {before} and with {mandate}")
            });
        }
    }

    /// What was read from a disk: all that was shown, and besides nothing but what was on its way.
    /// Answers whether that holds.
    pub(super) fn compare(&self, read: &History, attempted: &History, head: Seq) -> bool {
        let lost = read.len() < self.shown.len() || read[..self.shown.len()] != self.shown[..];
        self.findings.check(!lost && head >= self.head, Wrong::Lost, || {
            let same = read.iter().zip(&self.shown).take_while(|(a, b)| a == b).count();
            let (other, count) = (read.get(same), self.shown.len());
            let shown = self.shown.get(same);
            let read = read.len();
            format!(
                "{read} events at {head} were read, {count} at {} shown; first {other:?} for {shown:?}",
                self.head
            )
        });
        let more = attempted.len() < read.len() || attempted[..read.len()] != read[..];
        self.findings.check(!more, Wrong::Accepted, || {
            format!("{} events were read that nobody recorded", read.len())
        });
        !lost && !more
    }

    /// Takes what a start has read for shown, as nothing takes it back any more, and answers what of
    /// it is new.
    pub(super) fn take_up(&mut self, read: &History, head: Seq) -> Vec<Event> {
        let new = &read[self.shown.len()..];
        for (at, event) in new {
            self.fold(*at, event);
        }
        self.head = head;
        new.iter().map(|(_, event)| event.clone()).collect()
    }
}
