//! `kairos schedule list`
//!
//! Owns a line for each schedule: what it follows, what became of its last slot, when the next one
//! comes and for whom it waits. Never compiles a rule.

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kairos_wire::Schedule;
use kairos_wire::schedule::{Paused, Slot, State, Timing, Trigger};

use crate::cli::{Root, source, standing};
use crate::config::zone;
use crate::output::{Exit, Failure, Out, Table, when};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// What they are sorted by
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = By::Name)]
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Their names
    Name,
    /// When they are due; last those that are not
    Next,
}

impl List {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let mut schedules = source::schedules(root)?;
        if self.by == By::Next {
            // All are RFC 3339 in UTC with three decimals: their text sorts as they do.
            schedules.schedules.sort_by_cached_key(|schedule| {
                let next = next(schedule);
                (next.is_none(), next.map(ToOwned::to_owned))
            });
        }
        if out.json {
            out.object(&schedules)?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(&["name", "when", "zone", "last", "streak", "next", "local"]);
        for schedule in &schedules.schedules {
            table.row(row(schedule));
        }
        out.table(&table, "no schedule here; `.kairos/config/schedules.yml` has them")?;
        Ok(Exit::Ok)
    }
}

/// The next slot, if it is going to fire.
fn next(schedule: &Schedule) -> Option<&str> {
    schedule.next.as_deref().filter(|_| schedule.state == State::Enabled)
}

fn row(schedule: &Schedule) -> [String; 7] {
    // A zone that this machine does not know is shown in UTC, which the offset says.
    let there = zone::zone(&schedule.timezone).unwrap_or(TimeZone::UTC);
    let last = schedule.last.as_ref().map_or_else(|| "-".to_owned(), |slot| last(slot, &there));
    let (next, local) = match (schedule.state, next(schedule)) {
        (State::Disabled, _) => ("disabled".to_owned(), "-".to_owned()),
        (State::Paused, _) => (paused(schedule.paused.as_ref()), "-".to_owned()),
        (State::Enabled, Some(next)) => {
            (when::slot(next, &there), when::slot(next, &TimeZone::system()))
        }
        (State::Enabled, None) if let Timing::Trigger(trigger) = &schedule.timing => {
            (awaits(trigger).to_owned(), "-".to_owned())
        }
        (State::Enabled, None) => ("never".to_owned(), "-".to_owned()),
    };
    let (name, timing) = (schedule.name.clone(), schedule.timing.to_string());
    [name, timing, schedule.timezone.clone(), last, streak(schedule), next, local]
}

/// What has to happen.
pub(super) const fn awaits(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Webhook {} => "when delivered to",
        Trigger::Path { .. } => "when files change",
    }
}

/// How its last mandates went: `3 failed in a row`, or what the last one came to.
fn streak(schedule: &Schedule) -> String {
    match (schedule.failures, &schedule.last_outcome) {
        (0, None) => "-".to_owned(),
        (0, Some(outcome)) => outcome.clone(),
        (1, _) => "1 failed".to_owned(),
        (n, _) => format!("{n} failed in a row"),
    }
}

/// That it is paused, since when and why.
pub(super) fn paused(paused: Option<&Paused>) -> String {
    let Some(Paused { since, by, failures }) = paused else { return "paused".to_owned() };
    let why = match (by, failures) {
        (Some(by), _) => format!("by {by}"),
        (None, Some(1)) => "1 mandate failed".to_owned(),
        (None, Some(n)) => format!("{n} mandates failed in a row"),
        (None, None) => return format!("paused since {}", when::short(since)),
    };
    format!("paused since {}: {why}", when::short(since))
}

/// `2026-11-21 09:00:00 +01:00 [fired]: achieved (verified)`
fn last(slot: &Slot, there: &TimeZone) -> String {
    let word = match &slot.reason {
        Some(reason) => format!("{}: {reason}", slot.state),
        None => slot.state.clone(),
    };
    let shown = format!("{} [{word}]", when::slot(&slot.at, there));
    match &slot.outcome {
        Some(outcome) => {
            format!("{shown} {}", standing::finished(Some(outcome), slot.verified))
        }
        None => shown,
    }
}
