//! `kairos budget`

use kairos_wire::Budget;
use kairos_wire::budget::Line;

use super::{Root, ask};
use crate::output::{Exit, Failure, Out, Table, talk, when};

pub(super) fn show(root: &Root, out: &mut Out) -> Result<Exit, Failure> {
    let client = root.client();
    let budget: Budget = ask::wait(async { Ok(client.get("/v1/budget").await?) })?;
    if out.json {
        out.object(&budget)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["today", "used", "held", "cap"]);
    table.row(row("calls", budget.calls, |n| n.to_string()));
    table.row(row("tokens", budget.tokens, |n| n.to_string()));
    table.row(row("USD", budget.usd_micros, when::dollars));
    out.table(&table, "no budget")?;
    if let Some(ends) = &budget.day_ends {
        talk::say(format!("the day ends at {}", when::short(ends)));
    }
    Ok(Exit::Ok)
}

fn row(name: &str, line: Line, show: impl Fn(u64) -> String) -> [String; 4] {
    let cap = line.cap.map_or_else(|| "none".to_owned(), &show);
    [name.to_owned(), show(line.used), show(line.held), cap]
}
