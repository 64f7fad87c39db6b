//! `kairos status`

use kairos_core::space::Bytes;
use kairos_wire::Status;
use kairos_wire::status::{Clock, Space, Witness};

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
    let (running, queued, waiting) = (status.running, status.queued, status.waiting);
    let journal_head = status.journal_head;
    let why = status.queued_because.as_deref().map(|reason| {
        let why = match reason {
            "budget" => "the day's budget is used up",
            "scope" => "their project scopes are taken",
            "space" => "the disk is short of room",
            "max_running" => "as many run as may",
            "stopping" => "the daemon is stopping",
            _ => "they wait",
        };
        format!(" ({why} [{}])", one_line(reason))
    });
    let queued = format!("{queued} queued{}", why.unwrap_or_default());
    out.line(format!("mandates  {running} running, {queued}, {waiting} waiting"))?;
    let first = match status.journal_first {
        0 | 1 => String::new(),
        first => format!(", begins with {first}"),
    };
    out.line(format!("journal   at {journal_head}{first}"))?;
    if let Some(space) = &status.space {
        self::space(space, out)?;
    }
    if let Some(Clock { held: true, stepped_ms, until }) = &status.clock {
        let until = until.as_deref().map(when::short).unwrap_or_default();
        out.line(format!("clock     was set {} [held]", when::step(stepped_ms.unwrap_or(0))))?;
        out.line(format!(
            "          no slot is looked at and nothing expires until {until}, or `kairos clock confirm`"
        ))?;
    }
    let Some(checkpoints) = status.checkpoints else { return Ok(Exit::Ok) };
    match (checkpoints.size, checkpoints.problem) {
        (_, Some(problem)) => {
            out.line(format!("checkpoint  not signed: {}", one_line(&problem)))?
        }
        (Some(size), None) => out.line(format!("checkpoint  over {size} frames"))?,
        (None, None) => {}
    }
    for Witness { witness, size, problem } in checkpoints.witnesses {
        let has = size.map_or_else(|| "has none".to_owned(), |size| format!("has {size}"));
        let problem = problem.map(|problem| format!(", refused the last: {}", one_line(&problem)));
        let problem = problem.unwrap_or_default();
        out.line(format!("witness   {} {has}{problem}", one_line(&witness)))?;
    }
    Ok(Exit::Ok)
}

fn space(space: &Space, out: &mut Out) -> Result<(), Failure> {
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "?".into(), |n| Bytes(n).to_string());
    let (used, free) = (bytes(space.used_bytes), bytes(space.free_bytes));
    let (cap, keep) = (Bytes(space.cap_bytes), Bytes(space.keep_free_bytes));
    out.line(format!("space     {used} of {cap} used, {free} free on the disk, {keep} set aside"))?;
    let Some(low) = &space.low else { return Ok(()) };
    let (reason, hint) = (space.reason.as_deref(), space.hint.as_deref());
    let reason = one_line(reason.unwrap_or_default());
    out.line(format!("          low: {reason} [{}]", one_line(low)))?;
    out.line("          what runs goes on; nothing new begins, and slots wait")?;
    if let Some(hint) = hint {
        out.line(format!("          {}", one_line(hint)))?;
    }
    Ok(())
}
