//! Retention beside an engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use kairos_core::event::{Event, Limit};
use kairos_core::fold::{Seq, Snapshot as _};
use kairos_core::input::Verb;
use kairos_core::state::State;
use kairos_engine::{Configuration, Control, Identity, Options, Retain, Retention};
use kairos_journal::retention::{Excess, Looked};

use crate::upkeep::sealed;
use crate::world;

/// What a hang takes until it is one.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_was_judged_by_limits_that_a_reload_changed_is_not_deleted() {
    let dir = sealed(2);
    let keep = Arc::new(AtomicU64::new(0));
    let (looks, looked) = channel();
    let (go_on, waits) = channel();
    let mut next = Some(Excess { first: Seq(2), segments: 1, bytes: 1, over: Limit::Days });
    let look = Box::new(move |_, _: &_, _: &_| {
        looks.send(()).unwrap_or_default();
        waits.recv_timeout(PATIENCE).unwrap_or_default();
        Ok(Looked { next: next.take(), ..Looked::default() })
    });
    let now = Arc::clone(&keep);
    let configured = Box::new(move || {
        let configuration = world::configuration(Vec::new());
        let free_bytes = now.load(Ordering::Relaxed);
        let retention = Retention { days: 0, free_bytes, ..Retention::default() };
        let options = Options { retention, ..configuration.options };
        Configuration { options, ..configuration }
    });
    let retain = Some(Retain { kinds: &[State::KIND], look });
    let with: (world::Configured, _, _) = (configured, Identity::default(), retain);
    let started = world::begin_with(dir.path(), Box::new(|_| None), Box::new(|_| {}), with);
    let started = started.expect("it starts");
    assert_eq!(looked.recv_timeout(PATIENCE), Ok(()));

    keep.store(1, Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(started.handle.control(Control::Reload)).expect("reloaded");
    go_on.send(()).expect("it waits");
    // What the first look found was handed over before the next one began.
    assert_eq!(looked.recv_timeout(PATIENCE), Ok(()));
    let goal = started.handle.put(b"the last event").expect("stored");
    let by = "user:ann(1000)".parse().expect("a principal");
    let verb = Verb::Erase { blob: goal.digest, reason: goal };
    runtime.block_on(started.handle.submit(by, verb)).expect("accepted");
    let events = world::until(&started.handle, |event| matches!(event, Event::BlobErased { .. }));
    let deleted = events.iter().find(|event| matches!(event, Event::SegmentsDeleted { .. }));
    assert_eq!(deleted, None);
    go_on.send(()).ok();
    drop(go_on);
    started.handle.signal(Control::Shutdown);
    started.thread.join().expect("no panic").expect("a clean end");
}
