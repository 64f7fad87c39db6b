//! Rules as the command line names them.
//!
//! Owns the step from an expression and a zone, or from a schedule's name, to a timetable, with what is
//! said when there is none. Never evaluates one.

use kairos_core::schedule::{Cron, CronError, Timetable, Zone};

use crate::assemble;
use crate::cli::{Root, source};
use crate::config;
use crate::output::table::one_line;
use crate::output::{Exit, Failure};

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

/// The timetable as the files have it: what holds from the next start or reload on. An interval goes
/// on from where the daemon began to count it.
pub(super) fn of_files(root: &Root, name: &str) -> Result<Timetable, Failure> {
    let config = assemble::read(root.path(), &assemble::paths(root.path(), None))?;
    let found = config.schedules.into_iter().find(|schedule| schedule.name.as_str() == name);
    let table = found.ok_or_else(|| unknown(name))?.timed.table;
    if table.anchor().is_none() {
        return Ok(table);
    }
    let known = source::schedules(root)?.schedules;
    let known = known.into_iter().find(|known| known.name == name);
    let anchor = known.and_then(|known| known.anchor?.parse().ok());
    Ok(match anchor {
        Some(anchor) => table.anchored(anchor),
        None => table,
    })
}

/// No schedule has that name.
pub(super) fn unknown(name: &str) -> Failure {
    let message = format!("no schedule is called `{}`", one_line(name));
    Failure::new(Exit::No, "unknown_schedule", message)
        .status(404)
        .hint("`kairos schedule list` names them")
}
