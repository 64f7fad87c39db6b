//! A journal that comes from elsewhere, or has lost its end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kairos_core::digest::Digest;
use kairos_core::event::Event;
use kairos_core::fold::Seq;
use kairos_core::input::Verb;
use kairos_core::schedule::definition::Definition;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_engine::{
    Control, Exits, Identity, Inputs, Notice, Shown, StartError, Started, start as begin, turn,
};

use crate::turn::{START_MS, ledger, minutely, now, zones};
use crate::world::{self, Schedules};

const HERE: Identity = Identity { machine: Some(Digest::from_bytes([1; 32])), adopt: false };
const ADOPT: Identity = Identity { adopt: true, ..HERE };
const ELSEWHERE: Identity = Identity { machine: Some(Digest::from_bytes([2; 32])), adopt: false };

fn start(dir: &Path, schedules: Schedules, identity: Identity) -> Result<Started, StartError> {
    world::begin(dir, Box::new(|_| None), Box::new(|_| {}), (schedules, identity))
}

fn stop(started: Started) {
    started.handle.signal(Control::Shutdown);
    started.thread.join().expect("no panic").expect("a clean end");
}

fn started(event: &Event) -> bool {
    matches!(event, Event::DaemonStarted { .. })
}

#[test]
fn a_journal_of_another_machine_is_refused_until_it_is_adopted() {
    let dir = tempfile::tempdir().expect("a directory");
    stop(start(dir.path(), Vec::new, HERE).expect("a new journal"));
    stop(start(dir.path(), Vec::new, HERE).expect("the same machine"));
    let refused = start(dir.path(), Vec::new, ELSEWHERE);
    assert!(matches!(refused, Err(StartError::Copied)), "{refused:?}");
    // One that cannot be told says nothing.
    stop(start(dir.path(), Vec::new, Identity::default()).expect("no id"));
    let refused = start(dir.path(), Vec::new, ELSEWHERE);
    assert!(matches!(refused, Err(StartError::Copied)), "{refused:?}");
    stop(start(dir.path(), Vec::new, Identity { adopt: true, ..ELSEWHERE }).expect("adopted"));
    let goes_on = start(dir.path(), Vec::new, ELSEWHERE).expect("it is this machine's now");
    let seen = world::until(&goes_on.handle, |event| matches!(event, Event::Adopted {}));
    assert_eq!(seen.iter().filter(|event| started(event)).count(), 4);
    stop(goes_on);
}

#[test]
fn a_journal_that_ends_before_its_heartbeat_is_refused_until_it_is_adopted() {
    let dir = tempfile::tempdir().expect("a directory");
    stop(start(dir.path(), Vec::new, HERE).expect("a new journal"));
    let heartbeat = dir.path().join("heartbeat.json");
    fs::write(&heartbeat, r#"{"journal_head":99}"#).expect("written");
    let refused = start(dir.path(), Vec::new, HERE);
    let Err(StartError::Restored { head, seen }) = refused else { panic!("{refused:?}") };
    assert!(head < seen && seen == Seq(99), "{head} {seen}");
    stop(start(dir.path(), Vec::new, Identity { adopt: true, ..HERE }).expect("adopted"));
    stop(start(dir.path(), Vec::new, HERE).expect("the heartbeat is its own again"));
}

/// Every file of the journal with its bytes.
fn journal(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir.join("journal")).expect("it is there");
    let paths = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read(&path).expect("it reads"))).collect()
}

#[test]
fn a_start_that_is_refused_changes_no_byte_of_the_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    stop(start(dir.path(), Vec::new, HERE).expect("a new journal"));
    let first = dir.path().join("journal/00000000000000000001.kj");
    // A start that goes on makes it anew.
    fs::remove_file(dir.path().join("journal/next.tmp")).ok();
    let before = journal(dir.path());
    let copied = start(dir.path(), Vec::new, ELSEWHERE);
    assert!(matches!(copied, Err(StartError::Copied)), "{copied:?}");
    assert_eq!(journal(dir.path()), before);
    fs::write(dir.path().join("heartbeat.json"), r#"{"journal_head":99}"#).expect("written");
    let restored = start(dir.path(), Vec::new, HERE);
    assert!(matches!(restored, Err(StartError::Restored { .. })), "{restored:?}");
    assert_eq!(journal(dir.path()), before);
    fs::remove_file(&first).expect("removed");
    let restored = start(dir.path(), Vec::new, HERE);
    assert!(matches!(restored, Err(StartError::Restored { head: Seq(0), .. })), "{restored:?}");
    assert!(!journal(dir.path()).contains_key(&first), "nothing is begun");
}

/// What a start says of the heartbeat it found.
fn told(dir: &Path) -> Vec<String> {
    let (tell, told) = std::sync::mpsc::channel();
    let notice = move |notice| {
        if let Notice::HeartbeatUnreadable { error } = notice {
            tell.send(error).ok();
        }
    };
    let none: Schedules = Vec::new;
    stop(world::begin(dir, Box::new(|_| None), Box::new(notice), (none, HERE)).expect("it starts"));
    told.iter().collect()
}

#[test]
fn a_heartbeat_that_cannot_be_read_is_told_and_not_taken_for_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let heartbeat = dir.path().join("heartbeat.json");
    assert_eq!(told(dir.path()), Vec::<String>::new(), "there is none");
    for text in ["", "{", r#"{"journal_head":"#, "\0\0\0\0", r#"{"journal_head":-1}"#] {
        fs::write(&heartbeat, text).expect("written");
        assert_eq!(told(dir.path()).len(), 1, "{text:?}");
        assert_eq!(told(dir.path()), Vec::<String>::new(), "its own again");
    }
    // KairosChain's knows of no journal.
    fs::write(&heartbeat, r#"{"pid":7,"state":"running"}"#).expect("written");
    assert_eq!(told(dir.path()), Vec::<String>::new());
    fs::remove_file(&heartbeat).expect("it is there");
    fs::create_dir(&heartbeat).expect("a directory instead");
    assert_eq!(told(dir.path()).len(), 1, "a directory");
}

/// A journal whose minutely schedule was last looked at long ago, and what else it ends with.
fn long_ago(dir: &Path, schedule: Definition, last: Vec<Event>) {
    let journal = dir.join("journal");
    fs::create_dir_all(&journal).expect("a directory");
    let ledger = ledger(&journal);
    let start = Time::from_ms(START_MS);
    let mut inputs = Inputs::default();
    let (rules, schedules) = (world::rules(), vec![schedule]);
    let configured = begin::configured(ledger.state(), rules, schedules, zones, start);
    let (calendar, own) = configured.expect("few");
    inputs.own = own;
    let exits = Exits { publish: &mut |_: &[Shown], _: &State| {}, dispatch: &mut drop };
    let mut now = || now(start, 1);
    let turned = turn(ledger, inputs, &mut now, &calendar, exits).expect("the disk holds");
    let mut ledger = turned.ledger;
    ledger.record(start, last).expect("recorded");
    drop(ledger.commit().expect("written"));
}

/// All slots up to now have their fate, which is that they pass.
fn passed(seen: &[Event]) {
    let slots: Vec<_> = seen.iter().filter_map(Event::mandate).collect();
    assert_eq!(slots, [], "nothing fires");
    let Some(Event::Slots { state, reason, count, .. }) = seen.iter().rev().nth(1) else {
        panic!("{seen:?}")
    };
    assert_eq!((*state, *reason), (SlotState::Skipped, Some(SlotReason::Restored)));
    let Some(Event::Accounted { cursor, .. }) = seen.last() else { panic!("{seen:?}") };
    let minutes = cursor.as_ms() / 60_000 - START_MS / 60_000;
    assert_eq!(u64::try_from(minutes).expect("later"), *count);
}

fn accounted(event: &Event) -> bool {
    matches!(event, Event::Accounted { .. })
}

#[test]
fn an_adopted_journal_fires_no_missed_slot_and_accounts_for_each() {
    let dir = tempfile::tempdir().expect("a directory");
    long_ago(dir.path(), minutely(), Vec::new());
    let goes_on = start(dir.path(), || vec![minutely()], ADOPT).expect("adopted");
    passed(&world::until(&goes_on.handle, accounted));
    stop(goes_on);
}

/// The same schedule, by its id, under the name.
fn named(name: &str) -> Definition {
    let [id, name] = ["beat", name].map(|name| name.parse().expect("a name"));
    Definition { id: Some(id), name, ..minutely() }
}

#[test]
fn an_adopted_journal_fires_no_missed_slot_of_a_schedule_that_has_another_name_by_now() {
    let dir = tempfile::tempdir().expect("a directory");
    long_ago(dir.path(), named("before"), Vec::new());
    let goes_on = start(dir.path(), || vec![named("after")], ADOPT).expect("adopted");
    passed(&world::until(&goes_on.handle, accounted));
    stop(goes_on);
}

#[test]
fn an_adopted_journal_under_a_clock_that_is_held_fires_no_missed_slot_once_it_is_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    long_ago(dir.path(), minutely(), vec![Event::ClockStepped { by_ms: 3_600_000 }]);
    let goes_on = start(dir.path(), || vec![minutely()], ADOPT).expect("adopted");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let by = "user:ann(1000)".parse().expect("a principal");
    runtime.block_on(goes_on.handle.submit(by, Verb::ConfirmClock)).expect("believed");
    passed(&world::until(&goes_on.handle, accounted));
    stop(goes_on);
}

#[test]
fn a_journal_of_older_events_goes_on_and_one_of_newer_is_refused_with_both_versions() {
    let begun = |schema| {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = dir.path().join("journal");
        std::fs::create_dir(&journal).expect("made");
        let mut ledger =
            crate::turn::ledger_by(&journal, kairos_journal::Segments::default(), schema);
        let started = Event::DaemonStarted { version: "0".into(), pid: 1, machine: None };
        let at = Time::from_ms(START_MS);
        ledger.record(at, vec![started]).expect("recorded");
        drop(ledger.commit().expect("written"));
        let with = (Vec::new as world::Schedules, Identity::default());
        let started = world::begin(dir.path(), Box::new(|_| None), Box::new(|_| {}), with);
        (dir, started)
    };
    for older in [1, 2, 3, 4] {
        let (_dir, started) = begun(older);
        let started = started.expect("it is read");
        stop(started);
    }
    let (_dir, refused) = begun(5);
    let refused = refused.expect_err("it cannot be read");
    let why = std::error::Error::source(&refused).expect("it says why").to_string();
    let expected = "`00000000000000000001.kj` was written with schema 5; this kairos knows up to 4";
    assert_eq!(why, expected);
}
