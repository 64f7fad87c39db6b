//! `kairos status`

use kairos_wire::Status;

use super::{Root, ask};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, when};

pub(super) fn show(root: &Root, out: &mut Out) -> Result<Exit, Failure> {
    let client = root.client();
    let status: Status = ask::wait(async { Ok(client.get("/v1/status").await?) })?;
    if out.json {
        out.object(&status)?;
        return Ok(Exit::Ok);
    }
    let since = status.started_at.as_deref().map(when::short);
    let since = since.map(|at| format!(" since {at}")).unwrap_or_default();
    out.line(format!("{}{since}, pid {}", one_line(&status.state), status.pid))?;
    let Status { running, queued, waiting, journal_head, .. } = status;
    let why = status.queued_because.as_deref().map(|reason| {
        let why = match reason {
            "budget" => "the day's budget is used up",
            "scope" => "their project scopes are taken",
            "max_running" => "as many run as may",
            "stopping" => "the daemon is stopping",
            _ => "they wait",
        };
        format!(" ({why} [{}])", one_line(reason))
    });
    let queued = format!("{queued} queued{}", why.unwrap_or_default());
    out.line(format!("mandates  {running} running, {queued}, {waiting} waiting"))?;
    out.line(format!("journal   at {journal_head}"))?;
    Ok(Exit::Ok)
}
