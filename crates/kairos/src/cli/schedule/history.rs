//! `kairos schedule history`
//!
//! Owns what became of one schedule's slots, read from the journal's files and kept for as many as
//! are shown. Never folds a view: slots older than any view keeps are told too.

use std::collections::VecDeque;

use clap::Args;
use jiff::tz::TimeZone;
use kairos_core::event::Event;
use kairos_core::fold::Seq;
use kairos_core::id::MandateId;
use kairos_core::mandate::outcome::Outcome;
use kairos_core::schedule::Contents;
use kairos_core::schedule::definition::ScheduleName;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;
use kairos_views::Views;
use serde::Serialize;

use super::rule;
use crate::cli::{Root, event, journal, standing};
use crate::config::zone;
use crate::output::{Exit, Failure, Out, Table, talk, when};

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The schedule's name
    name: ScheduleName,
    /// How many lines, the newest
    #[arg(short = 'n', value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Only what was recorded from this position on
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
}

/// `schedule history --json`, newest first
#[derive(Debug, Serialize)]
struct Slots {
    slots: Vec<Row>,
}

/// A slot, or several in a row that had the same fate.
// tidy: table
#[derive(Debug, Serialize)]
struct Row {
    seq: u64,
    state: &'static str,
    reason: Option<&'static str>,
    /// When the first of several was due; absent of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    at: String,
    /// What it is called in its zone; null of several, of a trigger's, and where a person fired without
    /// a slot.
    civil: Option<String>,
    fold: u8,
    count: u64,
    mandate_id: Option<String>,
    outcome: Option<&'static str>,
    verified: Option<bool>,
    by: Option<String>,
    /// What the files held that the schedule looks at, as a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<String>,
}

/// A fate with what became of its mandate.
#[derive(Debug)]
struct Told {
    seq: Seq,
    slot: Fate,
    zone: TimeZone,
    ended: Option<(Outcome, Option<bool>)>,
}

#[derive(Debug)]
struct Fate {
    state: SlotState,
    reason: Option<SlotReason>,
    from: Option<Time>,
    at: Time,
    civil: Option<jiff::civil::DateTime>,
    fold: u8,
    count: u64,
    mandate: Option<MandateId>,
    by: Option<String>,
    files: Option<Contents>,
}

impl History {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let told = self.read(root)?;
        if out.json {
            let slots = told.iter().rev().map(Told::row).collect();
            out.object(&Slots { slots })?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(&["seq", "slot", "became", "mandate", "outcome", "by"]);
        for told in told.iter().rev() {
            table.row(told.cells());
        }
        out.table(&table, &format!("no slot of `{}` has come yet", self.name))?;
        Ok(Exit::Ok)
    }

    /// The newest fates, oldest first.
    fn read(&self, root: &Root) -> Result<VecDeque<Told>, Failure> {
        let head = event::durable(root)?;
        let (views, _) = journal::Files::open(root)?.restore(Views::default());
        let mut known = Known { name: &self.name, zone: None, told: VecDeque::new() };
        if let Some(view) = views.schedules.all().get(&self.name) {
            known.load(view.loaded.definition.timing.zone());
        }
        let mut reader = journal::Files::open(root)?.remaining(1)?;
        let (mut last, most) = (Seq(0), usize::from(self.count));
        while let Some(record) = reader.next_record::<Event>()? {
            if head.is_some_and(|head| record.at.seq.0 > head) {
                break;
            }
            last = record.at.seq;
            for event in &record.events {
                known.see(last, event, (last.0 >= self.from).then_some(most));
            }
        }
        if head.is_none() {
            talk::say(format!("no daemon: as of seq {last}"));
        }
        if known.zone.is_none() {
            return Err(rule::unknown(self.name.as_str()));
        }
        Ok(known.told)
    }
}

/// What the journal has told so far.
struct Known<'a> {
    name: &'a ScheduleName,
    /// The schedule's, once it is known that there is or was one.
    zone: Option<TimeZone>,
    told: VecDeque<Told>,
}

impl Known<'_> {
    /// A zone that this machine does not know is shown in UTC, which the offset says.
    fn load(&mut self, name: Option<&str>) {
        self.zone = Some(name.and_then(|name| zone::zone(name).ok()).unwrap_or(TimeZone::UTC));
    }

    /// Takes an event in; its slot is kept, with at most `most`, where any are.
    fn see(&mut self, seq: Seq, event: &Event, most: Option<usize>) {
        match event {
            Event::SchedulesLoaded { set, .. } => {
                let ours = set.iter().find(|loaded| loaded.definition.name == *self.name);
                ours.iter().for_each(|loaded| self.load(loaded.definition.timing.zone()));
            }
            Event::MandateFinished { mandate, outcome, verified, .. } => {
                let told = self.told.iter_mut().rev();
                let of = told.filter(|told| told.slot.mandate == Some(*mandate));
                of.for_each(|told| told.ended = Some((*outcome, *verified)));
            }
            other => {
                let Some((most, slot)) = most.zip(fate(other, self.name)) else { return };
                let zone = self.zone.get_or_insert(TimeZone::UTC).clone();
                if self.told.len() == most {
                    self.told.pop_front();
                }
                self.told.push_back(Told { seq, slot, zone, ended: None });
            }
        }
    }
}

/// The fate that the event is, if it is one of the schedule's slots.
fn fate(event: &Event, name: &ScheduleName) -> Option<Fate> {
    match event {
        Event::Slot { schedule, civil, fold, at, state, reason, mandate, by, files, .. }
            if schedule == name =>
        {
            Some(Fate {
                state: *state,
                reason: *reason,
                from: None,
                at: *at,
                civil: *civil,
                fold: *fold,
                count: 1,
                mandate: *mandate,
                by: by.as_ref().map(ToString::to_string),
                files: *files,
            })
        }
        Event::Slots { schedule, from, to, count, state, reason, .. } if schedule == name => {
            Some(Fate {
                state: *state,
                reason: *reason,
                from: (*count > 1).then_some(*from),
                at: *to,
                civil: None,
                fold: 0,
                count: *count,
                mandate: None,
                by: None,
                files: None,
            })
        }
        _ => None,
    }
}

impl Told {
    fn row(&self) -> Row {
        let Fate { state, reason, from, at, civil, fold, count, mandate, by, files } = &self.slot;
        Row {
            seq: self.seq.0,
            state: state.word(),
            reason: reason.map(SlotReason::word),
            from: from.map(|from| from.to_string()),
            at: at.to_string(),
            civil: civil.map(|civil| civil.to_string()),
            fold: *fold,
            count: *count,
            mandate_id: mandate.map(|id| id.to_string()),
            outcome: self.ended.map(|(outcome, _)| outcome.word()),
            verified: self.ended.and_then(|(_, verified)| verified),
            by: by.clone(),
            files: files.map(|files| files.to_string()),
        }
    }

    fn cells(&self) -> [String; 6] {
        let slot = &self.slot;
        let shown = |at: Time| when::slot(&at.to_string(), &self.zone);
        let due = match slot.from {
            Some(from) => format!("{} to {}", shown(from), shown(slot.at)),
            None => shown(slot.at),
        };
        let due = match slot.files {
            Some(files) => format!("{due} ({:.8})", files.to_string()),
            None => due,
        };
        let state = slot.state.word().replace('_', " ");
        let became = match slot.count {
            1 => state,
            n => format!("{n} slots {state}"),
        };
        let became = match slot.reason {
            Some(reason) => format!("{became}: {}", reason.word().replace('_', " ")),
            None => became,
        };
        let none = || "-".to_owned();
        let outcome = match (self.ended, slot.mandate) {
            (Some((outcome, verified)), _) => standing::finished(Some(outcome.word()), verified),
            (None, Some(_)) => "goes on".to_owned(),
            (None, None) => none(),
        };
        let mandate = slot.mandate.map_or_else(none, |id| id.to_string());
        let by = slot.by.clone().unwrap_or_else(none);
        [self.seq.to_string(), due, became, mandate, outcome, by]
    }
}
