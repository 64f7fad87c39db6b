//! `kairos schedule pause` and `resume`
//!
//! Owns asking the daemon for it and saying how the schedule stands then. Asked twice, nothing more
//! happens.

use kairos_wire::Schedule;
use kairos_wire::client::Conditions;
use kairos_wire::schedule::{State, Timing};

use super::list;
use crate::cli::{Root, ask, source};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, when};

/// What is asked of a schedule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Pause,
    Resume,
}

pub(super) fn ask(root: &Root, name: &str, what: Ask, out: &mut Out) -> Result<Exit, Failure> {
    let verb = match what {
        Ask::Pause => "pause",
        Ask::Resume => "resume",
    };
    let path = format!("/v1/schedules/{}/{verb}", source::escaped(name));
    let (client, body) = (root.client(), serde_json::json!({}));
    let schedule: Schedule =
        ask::wait(async { Ok(client.post(&path, &body, &Conditions::default()).await?) })?;
    if out.json {
        out.object(&schedule)?;
        return Ok(Exit::Ok);
    }
    let stands = match (schedule.state, &schedule.next) {
        (State::Disabled, _) => "disabled in schedules.yml".to_owned(),
        (State::Paused, _) => list::paused(schedule.paused.as_ref()),
        (State::Enabled, Some(next)) => format!("goes on; next {}", when::short(next)),
        (State::Enabled, None) => match &schedule.timing {
            Timing::Trigger(trigger) => format!("goes on; due {}", list::awaits(trigger)),
            Timing::Cron(_) | Timing::EveryMs(_) | Timing::At(_) => {
                "goes on; it is never due".to_owned()
            }
        },
    };
    out.line(one_line(&format!("{}: {stands}", schedule.name)))?;
    Ok(Exit::Ok)
}
