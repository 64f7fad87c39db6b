//! `kairos events`
//!
//! Owns printing records in their public form: history from the files, new ones from the daemon.

use clap::Args;
use kairos_api::event::public;
use kairos_core::event::Event;
use kairos_wire::{EventRecord, Status};

use super::journal::Files;
use super::{Root, ask, follow, source, story};
use crate::output::{Exit, Failure, Out, talk};

/// Options of `kairos events`.
///
/// Without `--follow`, prints the journal from `--from` to its end; with `--follow` alone, only
/// what comes from now on.
#[derive(Debug, Args)]
#[command(after_help = "Example: kairos events --from 1 --follow --json")]
pub(crate) struct Events {
    /// Begin at this position, itself included
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Go on as new events come, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

impl Events {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        if self.follow {
            return ask::wait(follow::print(&root.client(), self.from, out));
        }
        let head = durable(root)?;
        each(root, self.from.unwrap_or(1), head, |record| print(record, out))?;
        Ok(Exit::Ok)
    }
}

/// Prints a record: its JSON, or a line for each of its events.
pub(super) fn print(record: &EventRecord, out: &mut Out) -> Result<(), Failure> {
    if out.json {
        return out.object(record);
    }
    for event in &record.events {
        out.line(format!("{:>6}  {}", record.seq, story::line(&record.at, event)))?;
    }
    Ok(())
}

/// Calls `see` with every record from position `from` to `head`, or to the last whole frame.
pub(super) fn each(
    root: &Root,
    from: u64,
    head: Option<u64>,
    mut see: impl FnMut(&EventRecord) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = Files::open(root)?.remaining(from)?;
    let mut last = 0;
    while let Some(record) = reader.next_record::<Event>()? {
        if head.is_some_and(|head| record.at.seq.0 > head) {
            break;
        }
        last = record.at.seq.0;
        if let Some(record) = public(record.at, &record.events) {
            see(&record)?;
        }
    }
    if head.is_none() {
        talk::say(format!("no daemon: as of seq {last}"));
    }
    Ok(())
}

/// The highest position that is durable, if a daemon tells; frames past it in the files are not
/// to be spoken of yet.
pub(super) fn durable(root: &Root) -> Result<Option<u64>, Failure> {
    let client = root.client();
    ask::wait(async {
        match client.get::<Status>("/v1/status").await {
            Ok(status) => Ok(Some(status.journal_head)),
            Err(error) if source::nobody_answers(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
}
