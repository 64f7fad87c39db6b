//! `kairos doctor`.

use super::Root;
use crate::doctor::{self, State};
use crate::output::{Exit, Failure, Out, Table};

pub(super) fn perform(root: Option<&Root>, out: &mut Out) -> Result<Exit, Failure> {
    let diagnosis = doctor::look(root.map(Root::path));
    let exit = if diagnosis.ok { Exit::Ok } else { Exit::No };
    if out.json {
        out.object(&diagnosis)?;
        return Ok(exit);
    }
    let mut table = Table::new(&["what", "state", "found"]);
    for check in &diagnosis.checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Weaker => "weaker",
            State::Missing => "missing",
        };
        table.row([check.name.clone(), state.to_owned(), check.detail.clone()]);
    }
    out.table(&table, "nothing was looked at")?;
    let mut told: Vec<&[String]> = Vec::new();
    for check in diagnosis.checks.iter().filter(|check| !check.fix.is_empty()) {
        // One setting takes several layers away.
        if told.contains(&check.fix.as_slice()) {
            continue;
        }
        told.push(&check.fix);
        out.line(format!("\n{} is mended by:", check.name))?;
        for fix in &check.fix {
            out.line(format!("  {fix}"))?;
        }
    }
    Ok(exit)
}
