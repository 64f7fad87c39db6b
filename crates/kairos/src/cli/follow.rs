//! Following the daemon's events.
//!
//! Owns what happens while a person watches: lines as they come, Ctrl-C, and a connection that
//! breaks. Never changes anything: whoever stops watching leaves everything as it is.

use kairos_wire::client::{Client, EventStream, Message};
use kairos_wire::mandate::State;
use kairos_wire::{EventRecord, Mandate};
use serde::Deserialize;
use serde_json::Value;

use super::event;
use super::tale::Tale;
use crate::output::{Exit, Failure, Out, talk};

/// Prints records from position `from` on until Ctrl-C or the daemon's end.
pub(super) async fn print(
    client: &Client,
    from: Option<u64>,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let mut stream = client.events(from).await?;
    loop {
        match next(&mut stream).await? {
            Next::Record(record) => event::print(&record, out)?,
            Next::Interrupted => return Ok(Exit::Interrupted),
            Next::Ended => return Err(ended()),
        }
        out.flush()?;
    }
}

/// How watching one mandate ended.
pub(super) enum Watched {
    /// Its outcome.
    Finished(String),
    /// What it waits for.
    Parked(String),
    /// It was not started: the day's budget is used up.
    Queued,
    /// The person looked away; it goes on.
    Interrupted,
}

/// Whether it is queued until the day's budget begins anew.
pub(super) fn is_poor(mandate: &Mandate) -> bool {
    mandate.state == State::Queued && mandate.reason.as_deref() == Some("budget")
}

/// Watches the mandate `id` from position `from` on until it finishes or waits, and tells `tale`,
/// if there is one.
pub(super) async fn mandate(
    client: &Client,
    id: &str,
    from: u64,
    mut tale: Option<Tale>,
    out: &mut Out,
) -> Result<Watched, Failure> {
    let mut stream = client.events(Some(from)).await?;
    let mut started = false;
    loop {
        let record = match next(&mut stream).await? {
            Next::Record(record) => record,
            Next::Interrupted => return Ok(Watched::Interrupted),
            Next::Ended => return Err(ended()),
        };
        started |= record.events.iter().any(|event| {
            event.mandate_id.as_deref() == Some(id) && event.kind == "mandate_started"
        });
        // Another one made room: either it starts now, or the budget is used up meanwhile.
        let freed = |kind: &str| matches!(kind, "mandate_finished" | "mandate_parked");
        if !started && record.events.iter().any(|event| freed(&event.kind)) {
            let mandate = client.get::<Mandate>(&format!("/v1/mandates/{id}")).await?;
            if is_poor(&mandate) {
                return Ok(Watched::Queued);
            }
        }
        for event in record.events.iter().filter(|event| event.mandate_id.as_deref() == Some(id)) {
            if let Some(line) = tale.as_mut().and_then(|tale| tale.line(&record.at, event)) {
                // With `--json` stdout is for the entity alone.
                if out.json {
                    talk::say(line);
                } else {
                    out.line(line)?;
                    out.flush()?;
                }
            }
            let word = |name| {
                event.fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            match event.kind.as_str() {
                "mandate_finished" => return Ok(Watched::Finished(word("outcome"))),
                "mandate_parked" => return Ok(Watched::Parked(word("reason"))),
                _ => {}
            }
        }
    }
}

/// The data of a `gap`.
#[derive(Debug, Deserialize)]
struct Gap {
    /// The first position that is kept.
    first: u64,
}

enum Next {
    Record(EventRecord),
    Interrupted,
    Ended,
}

/// The next record, past messages that are none.
async fn next(stream: &mut EventStream) -> Result<Next, Failure> {
    loop {
        let message = tokio::select! {
            message = stream.next() => message?,
            _ = tokio::signal::ctrl_c() => return Ok(Next::Interrupted),
        };
        match message {
            None => return Ok(Next::Ended),
            Some(Message { event, data, .. }) if event == "gap" => {
                let gap: Gap = serde_json::from_str(&data)
                    .map_err(|error| Failure::of(Exit::Bug, "unreadable_answer", &error))?;
                let first = gap.first;
                talk::say(format!("note: records before {first} were deleted by retention"));
            }
            Some(Message { data, .. }) => {
                let record = serde_json::from_str(&data)
                    .map_err(|error| Failure::of(Exit::Bug, "unreadable_answer", &error))?;
                return Ok(Next::Record(record));
            }
        }
    }
}

fn ended() -> Failure {
    Failure::new(Exit::Unavailable, "stream_ended", "the daemon ended the stream of events")
        .hint("`kairos status` says whether it still runs")
}
