//! Records as they become durable, as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use kairos_core::fold::Seq;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Query;
use crate::door::Door;
use crate::event::public;
use crate::problem::Refusal;

/// How often a quiet stream says that it lives.
const ALIVE: Duration = Duration::from_secs(15);
/// Records on their way to one client; a slow one makes its own follower wait, nobody else.
const AHEAD: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// The first record, inclusive; `head` or absent: what comes from now on.
    from: Option<String>,
    /// `false`: ends at the head.
    follow: Option<bool>,
}

/// The data of a `gap`: what was asked for, and the first position that is kept.
#[derive(Debug, Serialize)]
struct Gap {
    from: u64,
    first: u64,
}

pub(crate) async fn events(
    State(door): State<Door>,
    Query(query): Query<From>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let head = door.handle.head();
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let from = match (last, query.from.as_deref()) {
        // Nothing stands beyond the head: whoever names such a position gets what comes from now on.
        (Some(last), _) => number(last)?.min(head).next(),
        (None, None | Some("head")) => head.next(),
        (None, Some(from)) => number(from)?,
    };
    let until = (query.follow == Some(false)).then_some(head);
    let (sender, records) = mpsc::channel(AHEAD);
    let mut follower = door.handle.follow(from);
    tokio::spawn(async move {
        loop {
            if until.is_some_and(|until| follower.position() > until) {
                return;
            }
            // A quiet daemon has no next record: whoever left must be noticed all the same.
            let expected = follower.position();
            let record = tokio::select! {
                record = follower.next() => record,
                () = sender.closed() => return,
            };
            let Some(record) = record else { return };
            if let Some(gap) = gap(expected, record.at.seq)
                && sender.send(gap).await.is_err()
            {
                return;
            }
            let Some(shown) = public(record.at, &record.events) else { continue };
            let event = Event::default().id(record.at.seq.to_string()).json_data(shown);
            // An event of ours is always JSON; whoever left wants no more.
            let Ok(event) = event else { continue };
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    Ok(Sse::new(Records(records)).keep_alive(KeepAlive::new().interval(ALIVE)))
}

/// Says that the records from `expected` to before `found` are deleted.
fn gap(expected: Seq, found: Seq) -> Option<Event> {
    let last = found.0.checked_sub(1).filter(|last| *last >= expected.0)?;
    let gap = Gap { from: expected.0, first: found.0 };
    Event::default().event("gap").id(last.to_string()).json_data(gap).ok()
}

fn number(text: &str) -> Result<Seq, Refusal> {
    let parsed = text.trim().parse().map(Seq);
    parsed.map_err(|_| Refusal::bad("bad_position", format!("`{text}` is no position")))
}

/// The stream of one client.
#[derive(Debug)]
pub(crate) struct Records(mpsc::Receiver<Event>);

impl Stream for Records {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|event| event.map(Ok))
    }
}
