//! Rules as the command line names them.
//!
//! Owns the step from an expression and a zone, or from a schedule's name, to a timetable, with what is
//! said when there is none. Never evaluates one.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, CronError, Timetable, When, Zone};
use kairos_core::time::Time;
use kairos_wire::Schedule;
use kairos_wire::schedule::Timing;

use crate::assemble;
use crate::cli::{Root, source};
use crate::config;
use crate::output::table::one_line;
use crate::output::{Exit, Failure, talk};

/// The expression; `name` is what `~` picks by.
pub(super) fn cron(text: &str, name: &str) -> Result<Cron, Failure> {
    Cron::parse(text, name).map_err(|error| no_rule(&error))
}

/// Why an expression is no rule, with its column and what is allowed.
fn no_rule(error: &CronError) -> Failure {
    let message = format!("{error}, at column {}", error.column());
    Failure::new(Exit::Usage, "bad_cron", one_line(&message)).hint(error.hint())
}

/// The zone of that name: the system's data, else the bundled.
pub(super) fn zone(name: &str) -> Result<Zone, Failure> {
    config::zone::with_digest(name).map_err(|unknown| {
        let message = format!("`{}` is no IANA time zone", one_line(name));
        Failure::new(Exit::Usage, "unknown_zone", message).hint(unknown.hint())
    })
}

/// An instant, or what the timetable's clock shows: of a time shown twice the first, of a skipped one
/// as much later as the clock was set.
pub(super) fn time(text: &str, table: &Timetable) -> Result<Time, Failure> {
    if let Ok(at) = text.parse::<Time>() {
        return Ok(at);
    }
    let zone = table.zone().map_or(TimeZone::UTC, |zone| zone.table.clone());
    let civil = text.parse::<DateTime>().ok();
    let at = civil.and_then(|civil| zone.to_ambiguous_timestamp(civil).compatible().ok());
    at.map(Time::from).ok_or_else(|| {
        let text = one_line(text);
        let message = format!("`{text}` is neither an instant nor a date with a time of day");
        Failure::new(Exit::Usage, "bad_time", message)
            .hint("such as `2026-12-01T09:00` by the schedule's clock, or `2026-12-01T08:00:00Z`")
    })
}

/// The timetable as the files have it: what holds from the next start or reload on. An interval goes
/// on from where the daemon began to count it, unless that is another interval by now.
pub(super) fn of_files(root: &Root, name: &str) -> Result<Timetable, Failure> {
    let config = assemble::read(root.path(), &assemble::paths(root.path(), None))?;
    let found = config.schedules.into_iter().find(|schedule| schedule.name.as_str() == name);
    let found = found.ok_or_else(|| unknown(name))?;
    if !found.enabled {
        talk::say("note: `enabled: false` stands there: it fires at none of these");
    }
    let When::Every { period_ms, .. } = *found.timed.table.when() else {
        return Ok(found.timed.table);
    };
    let goes_on = |known: &Schedule| {
        known.id == found.identity().as_str()
            && known.timing == Timing::EveryMs(period_ms)
            && known.enabled == found.enabled
    };
    let known = source::schedules(root)?.schedules;
    let anchor = known.into_iter().find(goes_on).and_then(|known| known.anchor?.parse().ok());
    Ok(match anchor {
        Some(anchor) => found.timed.table.anchored(anchor),
        None => {
            talk::say("note: as if it were loaded now: an interval is counted from then");
            found.timed.table
        }
    })
}

/// No schedule has that name.
pub(super) fn unknown(name: &str) -> Failure {
    let message = format!("no schedule is called `{}`", one_line(name));
    Failure::new(Exit::No, "unknown_schedule", message)
        .status(404)
        .hint("`kairos schedule list` names them")
}
