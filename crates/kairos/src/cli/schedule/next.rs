//! `kairos schedule next`
//!
//! Owns whose slots are asked for and how each reads, changes of the clock beside it. Never looks at
//! the journal: these are slots to come, as the files have the rule.

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Dst, Rule, Slot, Timetable};
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
    /// Whose `--cron` it is: `~` is picked by the name, and by nothing else
    #[arg(long = "name", alias = "id", value_name = "NAME", requires = "cron")]
    of: Option<String>,
    /// The IANA zone of `--cron`; UTC when left out
    #[arg(long, alias = "zone", value_name = "ZONE", conflicts_with = "name")]
    timezone: Option<String>,
    /// Slots after this time instead of now
    #[arg(long, value_name = "TIME")]
    after: Option<Time>,
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
        let table = self.table(global)?;
        let after = self.after.unwrap_or_else(|| Timestamp::now().into());
        // A slot that jitter still holds back is yet to come.
        let after = table.released(after);
        let next = |after| table.next_after(after);
        let slots = std::iter::successors(next(after), |slot| next(slot.at));
        let slots: Vec<Slot> = slots.take(self.count as usize).collect();
        let zone = table.zone().map_or(TimeZone::UTC, |zone| zone.table.clone());
        if out.json {
            out.object(&Slots {
                slots: slots.iter().map(|slot| seconds(table.release(slot))).collect(),
            })?;
            return Ok(Exit::Ok);
        }
        let mut from = after;
        for slot in &slots {
            for lost in marks::lost(&table, from, slot.at) {
                out.line(lost)?;
            }
            from = slot.at;
            let line = when::due(table.release(slot).timestamp(), &zone);
            match marks::of(&zone, slot) {
                Some(mark) => out.line(format!("{line}  ({mark})"))?,
                None => out.line(line)?,
            }
        }
        if slots.is_empty() {
            talk::say("it is never due");
        }
        Ok(Exit::Ok)
    }

    fn table(&self, global: &Global) -> Result<Timetable, Failure> {
        let Some(text) = &self.cron else {
            let name = self.name.as_deref().ok_or_else(|| Failure::usage("no name"))?;
            return rule::of_files(&global.root()?, name);
        };
        let cron = rule::cron(text, self.of.as_deref().unwrap_or_default())?;
        let zone = rule::zone(self.timezone.as_deref().unwrap_or("UTC"))?;
        if text.contains('~') && self.of.is_none() {
            talk::say("note: a schedule's name picks what `~` stands for; this is of no name");
            talk::say("hint: `--name NAME` shows the slots that a schedule of that name has");
        }
        Ok(Rule { cron, zone, dst: Dst::default() }.into())
    }
}

/// Slots lie on whole seconds, so no fraction is shown.
fn seconds(at: Time) -> String {
    format!("{:.0}", at.timestamp())
}
