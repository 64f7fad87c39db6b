//! `kairos schedule …`

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, Dst, Rule, Timetable};
use kairos_core::time::Time;
use kairos_wire::client::Conditions;
use kairos_wire::schedule::{Fired, State};
use serde::Serialize;

use super::config;
use super::{Global, Root, ask, source};
use crate::assemble;
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, Table, talk, when};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List schedules with their last and next slots
    List,
    /// Show when a schedule, or a cron expression, is due next
    ///
    /// With `--cron` it needs no workspace and no daemon: try an expression before you write it
    /// down.
    #[command(after_help = "Example: kairos schedule next --cron '0 9 * * 1-5' \
        --timezone Europe/Berlin -n 3")]
    Next(Next),
    /// Say whether schedules.yml holds together; exit 1 when not
    Check,
    /// Fire a schedule now; its next slot stays where it is
    Fire {
        /// The schedule's name
        name: String,
        /// Fire once only, however often this is sent (24 h)
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rule").required(true).args(["name", "cron"]))]
pub(crate) struct Next {
    /// The schedule's name
    name: Option<String>,
    /// A cron expression: minute hour day month weekday, or such as @daily
    #[arg(long, value_name = "EXPR", value_parser = cron)]
    cron: Option<Cron>,
    /// The IANA zone of `--cron`; UTC when left out
    #[arg(long, alias = "zone", value_name = "ZONE", conflicts_with = "name")]
    timezone: Option<String>,
    /// Slots after this time instead of now
    #[arg(long, value_name = "TIME")]
    after: Option<Time>,
    /// How many slots
    #[arg(short = 'n', value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
}

/// `schedule next --json`
#[derive(Debug, Serialize)]
struct Slots {
    slots: Vec<String>,
}

impl Verb {
    pub(super) fn perform(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        match self {
            Self::List => list(&global.root()?, out),
            Self::Next(next) => next.perform(global, out),
            Self::Check => match config::check(global.root()?.path(), &[], out)? {
                Exit::Config => Ok(Exit::No),
                exit => Ok(exit),
            },
            Self::Fire { name, idempotency_key } => {
                fire(&global.root()?, &name, idempotency_key, out)
            }
        }
    }
}

fn list(root: &Root, out: &mut Out) -> Result<Exit, Failure> {
    let schedules = source::schedules(root)?;
    if out.json {
        out.object(&schedules)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["name", "when", "zone", "last", "next"]);
    for schedule in &schedules.schedules {
        // A zone that this machine does not know is shown in UTC, which the offset says.
        let there = crate::config::zone::zone(&schedule.timezone).unwrap_or(TimeZone::UTC);
        let last = schedule.last.as_ref().map_or_else(
            || "-".to_owned(),
            |slot| format!("{} [{}]", when::slot(&slot.at, &there), slot.state),
        );
        let next = match (schedule.state, &schedule.next) {
            (State::Disabled, _) => "disabled".to_owned(),
            (State::Paused, _) => "paused".to_owned(),
            (State::Enabled, Some(next)) => when::slot(next, &there),
            (State::Enabled, None) => "never".to_owned(),
        };
        let (name, timing) = (schedule.name.clone(), schedule.timing.to_string());
        table.row([name, timing, schedule.timezone.clone(), last, next]);
    }
    out.table(&table, "no schedule here; `.kairos/config/schedules.yml` has them")?;
    Ok(Exit::Ok)
}

fn fire(root: &Root, name: &str, key: Option<String>, out: &mut Out) -> Result<Exit, Failure> {
    let path = format!("/v1/schedules/{}/fire", source::escaped(name));
    let client = root.client();
    let body = serde_json::json!({});
    let conditions = Conditions { idempotency_key: key, if_match: None };
    let fired: Fired = ask::wait(async { Ok(client.post(&path, &body, &conditions).await?) })?;
    if out.json {
        out.entity(&fired.mandate_id, fired.mandate.as_ref())?;
    } else {
        out.line(&fired.mandate_id)?;
        talk::say(format!("watch it with `kairos mandate logs {}`", fired.mandate_id));
    }
    Ok(Exit::Ok)
}

impl Next {
    fn perform(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        let table: Timetable = match (self.cron, &self.name) {
            (Some(cron), _) => {
                let zone = zone(self.timezone.as_deref().unwrap_or("UTC"))?;
                Rule { cron, zone, dst: Dst::default() }.into()
            }
            (None, Some(name)) => timetable(&global.root()?, name)?,
            (None, None) => return Err(Failure::usage("a name or `--cron` is needed")),
        };
        let now = self.after.unwrap_or_else(|| Timestamp::now().into());
        // A slot that jitter still holds back is yet to come.
        let now = table.released(now);
        let slots = std::iter::successors(table.next_after(now), |slot| table.next_after(slot.at));
        let slots: Vec<Time> =
            slots.map(|slot| table.release(&slot)).take(self.count as usize).collect();
        if out.json {
            out.object(&Slots { slots: slots.iter().map(seconds).collect() })?;
            return Ok(Exit::Ok);
        }
        let zone = table.zone().map_or(TimeZone::UTC, |zone| zone.table.clone());
        for slot in &slots {
            let there = slot.timestamp().to_zoned(zone.clone());
            out.line(there.strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string())?;
        }
        if slots.is_empty() {
            talk::say("it is never due");
        }
        Ok(Exit::Ok)
    }
}

/// Slots lie on whole seconds, so no fraction is shown.
fn seconds(at: &Time) -> String {
    format!("{:.0}", at.timestamp())
}

/// The timetable as the files have it: what holds from the next start or reload on. An interval goes
/// on from where the daemon began to count it.
fn timetable(root: &Root, name: &str) -> Result<Timetable, Failure> {
    let config = assemble::read(root.path(), &assemble::paths(root.path(), None))?;
    let found = config.schedules.into_iter().find(|schedule| schedule.name.as_str() == name);
    let found = found.ok_or_else(|| {
        let message = format!("no schedule is called `{}`", one_line(name));
        Failure::new(Exit::No, "unknown_schedule", message)
            .status(404)
            .hint("`kairos schedule list` names them")
    })?;
    if found.table.anchor().is_none() {
        return Ok(found.table);
    }
    let known = source::schedules(root)?.schedules;
    let known = known.into_iter().find(|known| known.name == name);
    let anchor = known.and_then(|known| known.anchor?.parse().ok());
    Ok(match anchor {
        Some(anchor) => found.table.anchored(anchor),
        None => found.table,
    })
}

fn cron(text: &str) -> Result<Cron, String> {
    Cron::parse(text, "").map_err(|error| {
        format!("{error}, at column {}; allowed: {}", error.column(), error.allowed())
    })
}

/// The zone of that name: the system's data, else the bundled.
fn zone(name: &str) -> Result<TimeZone, Failure> {
    crate::config::zone::zone(name).map_err(|_| {
        let message = format!("`{}` is no IANA time zone", one_line(name));
        Failure::new(Exit::Usage, "unknown_zone", message).hint("such as `Europe/Berlin` or `UTC`")
    })
}
