//! Snapshots that the engine makes while it works.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kairos_core::event::Event;
use kairos_core::fold::{At, Fold, Seq, Snapshot};
use kairos_core::input::Verb;
use kairos_core::mandate::spec::MandateSpec;
use kairos_engine::{Control, Handle, Notice, Started};
use serde::{Deserialize, Serialize};

use crate::world;

/// What a hang takes until it is one.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many mandates there ever were.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count(u64);

impl Fold for Count {
    type Event = Event;
    type Effect = ();

    fn apply(&mut self, _: At, event: &Event, _: &mut Vec<()>) {
        self.0 += u64::from(matches!(event, Event::MandateCreated { .. }));
    }
}

impl Snapshot for Count {
    const KIND: &'static str = "count";
    const SCHEMA: u32 = 1;
    type Form = Self;

    fn form(&self) -> &Self {
        self
    }

    fn restore(&mut self, form: Self) {
        *self = form;
    }
}

/// Creates mandates of some 30 KB each.
fn create(handle: &Handle, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for n in 0..count {
        let goal = handle.put(n.to_string().as_bytes()).expect("stored");
        let files = vec!["f".repeat(500); 60];
        let spec = Box::new(MandateSpec { files, ..world::spec(goal) });
        let by = "user:ann(1000)".parse().expect("a principal");
        let created = handle.submit(by, Verb::Create { spec, key: None });
        runtime.block_on(created).expect("accepted");
    }
}

fn stop(started: Started) {
    started.handle.signal(Control::Shutdown);
    started.thread.join().expect("no panic").expect("a clean end");
}

fn snapshots(dir: &Path, kind: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("journal/snapshots")) else { return Vec::new() };
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("our names are text"));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(kind)).collect();
    names.sort();
    names
}

/// Waits until there is a snapshot of `kind` that is not among `before`.
fn another(dir: &Path, kind: &str, before: &[String]) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let now = snapshots(dir, kind);
        if now.iter().any(|name| !before.contains(name)) {
            return now;
        }
        assert!(begun.elapsed() < PATIENCE, "no snapshot but {before:?}");
        std::thread::yield_now();
    }
}

#[test]
fn sealed_segments_become_snapshots_and_the_next_start_needs_no_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let started = world::start(dir.path(), |_| None);
    let (none, from) = started.handle.restore(Count::default());
    assert_eq!((none, from), (Count(0), Seq(0)));
    started.handle.keep_snapshots::<Count>(from);
    create(&started.handle, 40);
    let first = another(dir.path(), ".state", &[]);
    another(dir.path(), ".count", &[]);
    create(&started.handle, 80);
    let second = another(dir.path(), ".state", &first);
    let queued = started.handle.status().queued;
    let (count, upto) = started.handle.restore(Count::default());
    assert!((1..=120).contains(&count.0) && upto > Seq(0), "{count:?} up to {upto}");
    stop(started);

    // What the snapshot stands for may go.
    let newest = second.last().expect("it was waited for");
    let next: u64 = newest[..20].parse().expect("a position");
    for entry in std::fs::read_dir(dir.path().join("journal")).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if name.is_some_and(|first| first <= next) {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let started = world::start(dir.path(), |_| None);
    assert_eq!(started.handle.status().queued, queued);
    stop(started);
}

#[test]
fn a_snapshot_that_is_not_believed_or_cannot_be_made_is_told_and_nothing_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let started = world::start(dir.path(), |_| None);
    create(&started.handle, 40);
    let made = another(dir.path(), ".state", &[]);
    stop(started);
    let there = dir.path().join("journal/snapshots");
    std::fs::write(there.join(&made[0]), "kjs1 state").expect("written");
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notices);
    let notice = Box::new(move |notice| heard.lock().expect("no panic").push(notice));
    let started = world::start_with(dir.path(), Box::new(|_| None), notice);
    let queued = started.handle.status().queued;
    assert!(queued > 30, "{queued} wait");
    let told = notices.lock().expect("no panic").iter().any(|notice| {
        matches!(notice, Notice::SnapshotPassedOver { name, .. } if name.ends_with(&made[0]))
    });
    assert!(told);
    // In the way of the next one: no file, so it cannot be removed as one.
    let begun = Instant::now();
    while std::fs::create_dir(there.join("state.tmp")).is_err() {
        assert!(begun.elapsed() < PATIENCE, "one is always under way");
    }
    create(&started.handle, 80);
    let begun = Instant::now();
    let failed = |notice: &Notice| matches!(notice, Notice::SnapshotFailed { kind: "state", .. });
    while !notices.lock().expect("no panic").iter().any(failed) {
        assert!(begun.elapsed() < PATIENCE, "nothing is told");
        std::thread::yield_now();
    }
    create(&started.handle, 1);
    stop(started);
}
