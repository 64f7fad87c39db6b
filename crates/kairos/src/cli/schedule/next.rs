//! `kairos schedule next`
//!
//! Owns whose slots are asked for and how each reads, changes of the clock beside it. Never looks at
//! the journal: these are slots to come, as the files have the rule.

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Dst, Rule, Slot, Timetable, Warning, When};
use kairos_core::time::Time;
use serde::Serialize;

use super::{marks, rule};
use crate::cli::Global;
use crate::output::{Exit, Failure, Out, talk, when};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rule").required(true).args(["name", "cron"]))]
pub(crate) struct Next {
    /// The schedule's name
    name: Option<String>,
    /// A cron expression: minute hour day month weekday, or such as @daily
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    cron: Option<String>,
    /// Whose `--cron` it is, by its `id` or else its name: that picks `~`, and nothing else does
    #[arg(long = "name", alias = "id", value_name = "NAME", requires = "cron")]
    of: Option<String>,
    /// The IANA zone of `--cron`; UTC when left out
    #[arg(long, alias = "zone", value_name = "ZONE", conflicts_with = "name")]
    timezone: Option<String>,
    /// Slots after this time instead of now: as the schedule's clock shows it, or an instant
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// How many slots
    #[arg(short = 'n', value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    count: u32,
}

/// `schedule next --json`
#[derive(Debug, Serialize)]
struct Slots {
    slots: Vec<String>,
}

impl Next {
    pub(super) fn perform(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        let table = self.timetable(global)?;
        let after = match &self.after {
            Some(text) => rule::time(text, &table)?,
            None => Timestamp::now().into(),
        };
        // A slot that jitter still holds back is yet to come.
        let after = table.released(after);
        let next = |slot: &Slot| table.next_after(slot.at);
        let slots = std::iter::successors(table.next_after(after), next);
        let slots: Vec<Slot> = slots.take(self.count as usize).collect();
        if out.json {
            let released = slots.iter().map(|slot| seconds(table.release(slot)));
            out.object(&Slots { slots: released.collect() })?;
            return Ok(Exit::Ok);
        }
        let mut from = after;
        for slot in &slots {
            for lost in marks::lost(&table, from, slot.at) {
                out.line(lost)?;
            }
            from = slot.at;
            out.line(line(&table, slot))?;
        }
        if slots.is_empty() {
            talk::say(match table.when() {
                When::Never => "no clock makes it due: it has a trigger",
                When::Cron(_) | When::Every { .. } | When::At(_) => "it is never due",
            });
        }
        Ok(Exit::Ok)
    }

    fn timetable(&self, global: &Global) -> Result<Timetable, Failure> {
        let Some(text) = &self.cron else {
            let name = self.name.as_deref().ok_or_else(|| Failure::usage("no name"))?;
            return rule::of_files(&global.root()?, name);
        };
        let cron = rule::cron(text, self.of.as_deref().unwrap_or_default())?;
        let zone = rule::zone(self.timezone.as_deref().unwrap_or("UTC"))?;
        for warning in Warning::of_expression(text) {
            talk::say(format!("warning: {warning}"));
            talk::say(format!("hint: {}", warning.hint()));
        }
        if text.contains('~') && self.of.is_none() {
            talk::say("note: a schedule's name picks what `~` stands for; this is of no name");
            talk::say("hint: `--name NAME` shows the slots that a schedule of that name has");
        }
        Ok(Rule { cron, zone: zone.table, dst: Dst::default() }.into())
    }
}

/// When a slot is let go, with what there is to know of it.
fn line(table: &Timetable, slot: &Slot) -> String {
    let zone = table.zone().map_or(TimeZone::UTC, |zone| zone.table.clone());
    let release = table.release(slot);
    let mut marks = Vec::new();
    if release != slot.at {
        let due = slot.at.timestamp().to_zoned(zone.clone()).strftime("%H:%M:%S");
        marks.push(format!("due {due}, later by jitter"));
    }
    marks.extend(marks::of(table, slot));
    let line = when::due(release.timestamp(), &zone);
    if marks.is_empty() { line } else { format!("{line}  ({})", marks.join("; ")) }
}

/// Slots lie on whole seconds, so no fraction is shown.
fn seconds(at: Time) -> String {
    format!("{:.0}", at.timestamp())
}
