//! Erasures and collections beside an engine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kairos_core::digest::{BlobRef, Digest};
use kairos_core::effect::Effect;
use kairos_core::erasure::ErasureEnd;
use kairos_core::event::Event;
use kairos_core::input::Verb;
use kairos_core::kind::{Kind, Refused};
use kairos_core::refusal::Refusal;
use kairos_core::schedule::definition::Definition;
use kairos_engine::{
    Accepted, BlobNotice, Control, Handle, Identity, Notice, Started, SubmitError,
};

use crate::world;

/// What a hang takes until it is one.
const PATIENCE: Duration = Duration::from_secs(60);

const TEXT: &[u8] = b"the key is hunter2";

fn start(dir: &Path) -> (Started, Receiver<Notice>) {
    let (tell, told) = channel();
    let notice = move |notice| tell.send(notice).unwrap_or_default();
    (world::start_with(dir, Box::new(|_: &Effect| None), Box::new(notice)), told)
}

fn stop(started: Started) {
    started.handle.signal(Control::Shutdown);
    started.thread.join().expect("no panic").expect("a clean end");
}

fn until<T>(told: &Receiver<Notice>, wanted: impl Fn(&Notice) -> Option<T>) -> T {
    loop {
        let notice = told.recv_timeout(PATIENCE).expect("it is told");
        if let Some(found) = wanted(&notice) {
            return found;
        }
    }
}

fn ask(handle: &Handle, verb: Verb) -> Result<Accepted, SubmitError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let by = "user:ann(1000)".parse().expect("a principal");
    runtime.block_on(handle.submit(by, verb))
}

fn submit(handle: &Handle, verb: Verb) {
    ask(handle, verb).expect("accepted");
}

fn create() -> Verb {
    Verb::Create { spec: Box::new(world::spec(BlobRef::of(TEXT))), key: None }
}

fn erase(handle: &Handle) {
    let reason = handle.put(b"it leaked").expect("stored");
    submit(handle, Verb::Erase { blob: Digest::of(TEXT), reason });
}

fn file(dir: &Path) -> PathBuf {
    dir.join("blobs").join(Digest::of(TEXT).to_string())
}

/// How the only erasure of a journal ended, once it has.
fn settled(handle: &Handle) -> ErasureEnd {
    let events = world::until(handle, |event| matches!(event, Event::ErasureSettled { .. }));
    match events.last() {
        Some(Event::ErasureSettled { blob, end }) if *blob == Digest::of(TEXT) => *end,
        other => panic!("{other:?}"),
    }
}

/// A journal that ends with an erasure under way, because the disk did not take it; meanwhile `act`.
fn refused(act: impl Fn(&Handle)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (started, told) = start(dir.path());
    // What cannot be unlinked.
    std::fs::create_dir(file(dir.path())).expect("made");
    erase(&started.handle);
    until(&told, |notice| {
        matches!(notice, Notice::Blobs(BlobNotice::NotErased { .. })).then_some(())
    });
    act(&started.handle);
    stop(started);
    std::fs::remove_dir(file(dir.path())).expect("removed");
    dir
}

#[test]
fn an_erased_text_is_gone_before_its_end_is_recorded() {
    let dir = tempfile::tempdir().expect("a directory");
    let (started, _told) = start(dir.path());
    started.handle.put(TEXT).expect("stored");
    assert!(file(dir.path()).exists());
    erase(&started.handle);
    assert_eq!(settled(&started.handle), ErasureEnd::Gone);
    assert!(!file(dir.path()).exists());
    stop(started);
}

#[test]
fn an_erasure_the_disk_refused_is_done_by_the_next_start() {
    let dir = refused(|_| {});
    std::fs::write(file(dir.path()), TEXT).expect("written");
    let (started, _told) = start(dir.path());
    assert_eq!(settled(&started.handle), ErasureEnd::Gone);
    assert!(!file(dir.path()).exists());
    stop(started);
}

/// A schedule that needs the text.
fn needing() -> Vec<Definition> {
    let mut definition = crate::turn::minutely();
    definition.spec = world::spec(BlobRef::of(TEXT));
    definition.enabled = false;
    vec![definition]
}

#[test]
fn a_text_that_a_schedule_needs_by_the_next_start_stays_and_is_told_so() {
    let dir = refused(|_| {});
    std::fs::write(file(dir.path()), TEXT).expect("written");
    let notice = Box::new(|_| {});
    let with = (needing as world::Schedules, Identity::default());
    let started = world::begin(dir.path(), Box::new(|_| None), notice, with).expect("it starts");
    assert_eq!(settled(&started.handle), ErasureEnd::Needed);
    assert_eq!(std::fs::read(file(dir.path())).expect("it stays"), TEXT);
    stop(started);
}

#[test]
fn nothing_is_made_with_a_text_on_its_way_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tell, told) = channel();
    let notice = move |notice| tell.send(notice).unwrap_or_default();
    static NEEDED: AtomicBool = AtomicBool::new(false);
    let schedules: world::Schedules = || match NEEDED.load(Ordering::Relaxed) {
        true => needing(),
        false => Vec::new(),
    };
    let with = (schedules, Identity::default());
    let started = world::begin(dir.path(), Box::new(|_| None), Box::new(notice), with);
    let started = started.expect("it starts");
    let handle = &started.handle;
    std::fs::create_dir(file(dir.path())).expect("what cannot be unlinked");
    erase(handle);
    until(&told, |notice| {
        matches!(notice, Notice::Blobs(BlobNotice::NotErased { .. })).then_some(())
    });

    // On its way out.
    let blob = Digest::of(TEXT);
    let refused = ask(handle, create()).expect_err("it would be left without its goal");
    assert_eq!(refused, SubmitError::Refused(Refusal::BeingErased { blob }));
    assert_eq!(refused.kind(), Kind::Refused(Refused::ForNow));
    NEEDED.store(true, Ordering::Relaxed);
    let reload = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(handle.control(Control::Reload))
    };
    let said = reload().expect_err("so would the schedule").to_string();
    assert!(said.contains("schedule `minutely` needs the text"), "{said}");

    stop(started);
}

#[test]
fn nothing_is_made_with_a_text_that_went_since_it_was_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    let (started, _told) = start(dir.path());
    let handle = &started.handle;
    handle.put(TEXT).expect("stored");
    erase(handle);
    assert_eq!(settled(handle), ErasureEnd::Gone);
    let refused = ask(handle, create()).expect_err("it would be left without its goal");
    assert_eq!(refused, SubmitError::Erased { blob: Digest::of(TEXT) });
    assert_eq!(refused.kind(), Kind::Refused(Refused::ForNow));
    handle.put(TEXT).expect("stored anew");
    submit(handle, create());
    stop(started);
}

/// Creates mandates until a segment is sealed and a snapshot stands for it, and deletes it.
pub(crate) fn pruned() -> tempfile::TempDir {
    let dir = sealed(1);
    std::fs::remove_file(dir.path().join("journal/00000000000000000001.kj")).expect("removed");
    dir
}

/// The same with so many snapshots, before anything is deleted.
pub(crate) fn sealed(count: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (started, _told) = start(dir.path());
    let snapshots = || {
        let names = std::fs::read_dir(dir.path().join("journal/snapshots")).into_iter().flatten();
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.ends_with(".state")).count()
    };
    for n in 0_u32.. {
        let goal = started.handle.put(&n.to_be_bytes()).expect("stored");
        let files = vec!["f".repeat(500); 60];
        let spec = Box::new(kairos_core::mandate::spec::MandateSpec { files, ..world::spec(goal) });
        submit(&started.handle, Verb::Create { spec, key: None });
        if snapshots() >= count {
            break;
        }
        assert!(n < 10_000, "no snapshot");
    }
    stop(started);
    dir
}

#[test]
fn a_start_after_records_were_deleted_collects_and_says_what_stands_in_its_way() {
    let dir = pruned();
    // What a collection alone looks into.
    let other = dir.path().join("journal/snapshots/00000000000000000001.other");
    std::fs::write(other, "no snapshot").expect("written");
    let (started, told) = start(dir.path());
    // No record of this journal says so.
    let names = std::fs::read_dir(dir.path().join("journal")).expect("listed");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let first = names.filter_map(|name| name.strip_suffix(".kj")?.parse().ok()).min();
    assert_eq!(Some(started.handle.status().first.0), first);
    assert_ne!(first, Some(1));
    let error = until(&told, |notice| match notice {
        Notice::Blobs(BlobNotice::NotCollected { error }) => Some(error.clone()),
        _ => None,
    });
    assert!(error.contains("00000000000000000001.other` does not hold"), "{error}");
    stop(started);
}
