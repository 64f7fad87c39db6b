//! Schedules over reloads, restarts and pauses, turn by turn.

use std::path::Path;

use jiff::tz::TimeZone;
use kairos_core::digest::{BlobRef, Digest};
use kairos_core::event::Event;
use kairos_core::input::{Input, Verb};
use kairos_core::schedule::condition::{Condition, Test};
use kairos_core::schedule::definition::{Concurrency, Definition, OPEN_MAX, ScheduleName, Timing};
use kairos_core::schedule::{Dst, MissedPolicy, Zone};
use kairos_core::time::Time;
use kairos_engine::{Zones, start};

use crate::turn::{Turns, ledger, zones};
use crate::world;

fn name(text: &str) -> ScheduleName {
    text.parse().expect("a name")
}

fn timed(called: &str, timing: Timing) -> Definition {
    Definition::new(name(called), timing, world::spec(BlobRef::of(b"goal")))
}

fn cron(called: &str, cron: &str, zone: &str) -> Definition {
    let (cron, zone, dst) = (cron.into(), zone.into(), Dst::default());
    timed(called, Timing::Cron { cron, zone, dst })
}

/// Fires each minute, whatever is open.
fn minutely(called: &str) -> Definition {
    Definition { concurrency: Concurrency::Allow, ..cron(called, "* * * * *", "UTC") }
}

/// After eight in the morning.
fn minute(n: u64) -> Time {
    Time::from_ms(1_789_977_600_000).plus_ms(n * 60_000)
}

struct Daemon<'a> {
    dir: &'a Path,
    turns: Turns,
    zones: Zones,
}

impl<'a> Daemon<'a> {
    fn start(dir: &'a Path) -> Self {
        Self { dir, turns: Turns::start(dir), zones }
    }

    /// Loads a configuration, and answers what is told of schedules by then.
    fn load(&mut self, schedules: &[Definition], at: Time) -> Vec<String> {
        let (state, schedules) = (self.turns.state(), schedules.to_vec());
        let configured = start::configured(state, world::rules(), schedules, self.zones, at);
        let (calendar, own) = configured.expect("few");
        self.turns.calendar = calendar;
        self.take(own, at)
    }

    fn take(&mut self, own: Vec<Input>, at: Time) -> Vec<String> {
        self.turns.events.clear();
        self.turns.take_at(own, at);
        self.turns.events.iter().filter_map(told).collect()
    }

    fn asks(&mut self, verb: Verb, at: Time) -> Vec<String> {
        self.turns.events.clear();
        assert!(self.turns.accepts(verb, at));
        self.turns.events.iter().filter_map(told).collect()
    }

    fn restart(&mut self, schedules: &[Definition], at: Time) -> Vec<String> {
        self.turns.ledger = None;
        self.turns.ledger = Some(ledger(self.dir));
        self.load(schedules, at)
    }
}

/// What an event says of schedules.
fn told(event: &Event) -> Option<String> {
    Some(match event {
        Event::SchedulesLoaded { set, gone, renamed } => {
            let set = set.iter().map(|l| format!(" {}:{}", l.definition.name, l.revision));
            let gone = gone.iter().map(|gone| format!(" -{gone}"));
            let renamed = renamed.iter().map(|r| format!(" {}>{}", r.from, r.to));
            format!("loaded{}", set.chain(gone).chain(renamed).collect::<String>())
        }
        Event::Slot { schedule, revision, civil, state, reason, .. } => {
            let civil =
                civil.map_or("by hand".to_owned(), |at| at.strftime("%H:%M:%S").to_string());
            let reason = reason.map_or(String::new(), |reason| format!(" [{reason}]"));
            format!("{schedule}:{revision} {civil} {state}{reason}")
        }
        Event::Slots { schedule, revision, count, state, reason, .. } => {
            let reason = reason.map_or(String::new(), |reason| format!(" [{reason}]"));
            format!("{schedule}:{revision} {count} {state}{reason}")
        }
        Event::SchedulePaused { schedule, why } => format!("{schedule} paused {why:?}"),
        Event::ScheduleResumed { schedule, .. } => format!("{schedule} resumed"),
        _ => return None,
    })
}

#[test]
fn a_rename_under_an_id_goes_on_and_without_one_it_is_an_end_and_a_beginning() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let one = Definition { concurrency: Concurrency::Reject, ..minutely("nightly") };
    let two = Definition { id: Some(name("nightly")), name: name("backup"), ..one.clone() };
    let named = Definition { id: Some(name("nightly")), ..one.clone() };
    assert_eq!(daemon.load(&[one], minute(0)), ["loaded nightly:1"]);
    assert_eq!(daemon.take(Vec::new(), minute(1)), ["nightly:1 08:01:00 fired"]);
    let same = daemon.load(&[named], minute(1));
    assert_eq!(same, ["loaded nightly:1"], "an id that is the name changes nothing");
    assert_eq!(
        daemon.load(std::slice::from_ref(&two), minute(1)),
        ["loaded backup:1 nightly>backup"]
    );
    let refused = "backup:1 08:02:00 refused [overlap]";
    assert_eq!(daemon.take(Vec::new(), minute(2)), [refused], "it still has an open mandate");
    let refused = "backup:1 08:03:00 refused [overlap]";
    assert_eq!(daemon.restart(&[two], minute(3)), [refused]);
    let new = Definition { concurrency: Concurrency::Reject, ..minutely("backup") };
    assert_eq!(
        daemon.load(&[new], minute(3)),
        ["loaded -backup", "loaded backup:1"],
        "another one"
    );
    assert_eq!(daemon.take(Vec::new(), minute(4)), ["backup:1 08:04:00 fired"]);
}

#[test]
fn a_schedule_that_comes_back_behind_a_small_step_of_the_clock_fires_no_slot_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let schedule = [minutely("nightly")];
    daemon.load(&schedule, minute(0));
    assert_eq!(daemon.take(Vec::new(), minute(1)), ["nightly:1 08:01:00 fired"]);
    assert_eq!(daemon.load(&[], minute(1)), ["loaded -nightly"]);
    // Too small a step to be held: 08:01 comes again, and the first life of the schedule had it.
    assert_eq!(daemon.restart(&schedule, minute(0)), ["loaded nightly:1"]);
    assert_eq!(daemon.take(Vec::new(), minute(1)), [""; 0]);
    assert_eq!(daemon.take(Vec::new(), minute(2)), ["nightly:1 08:02:00 fired"]);
}

#[test]
fn schedules_change_names_with_each_other_while_there_is_no_daemon() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let of = |called, id| Definition { id: Some(name(id)), ..minutely(called) };
    let hourly = |called, id| Definition { id: Some(name(id)), ..cron(called, "7 * * * *", "UTC") };
    daemon.load(&[of("a", "x"), hourly("b", "y")], minute(0));
    let swapped = daemon.restart(&[hourly("a", "y"), of("b", "x")], minute(1));
    assert_eq!(swapped, ["loaded a:1 b:1 b>a a>b", "b:1 08:01:00 fired"]);
    assert_eq!(daemon.restart(&[hourly("a", "y"), of("b", "x")], minute(1)), [""; 0]);
    let due = daemon.take(Vec::new(), minute(7));
    assert_eq!(due, ["b:1 5 skipped [policy]", "b:1 08:07:00 fired", "a:1 08:07:00 fired"]);
}

#[test]
fn an_interval_is_counted_from_when_its_revision_was_loaded_also_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let beat = |minutes: u64| {
        let timing = Timing::Every { period_ms: minutes * 60_000 };
        [Definition { concurrency: Concurrency::Allow, ..timed("beat", timing) }]
    };
    let after = |n, seconds: u64| minute(n).plus_ms(seconds * 1000);
    daemon.load(&beat(15), after(0, 7));
    assert_eq!(daemon.restart(&beat(15), after(15, 6)), [""; 0]);
    assert_eq!(daemon.restart(&beat(15), after(16, 0)), ["beat:1 08:15:07 fired"]);
    let missed = daemon.restart(&beat(15), after(60, 7));
    assert_eq!(missed, ["beat:1 2 skipped [policy]", "beat:1 09:00:07 fired"]);
    let edited = daemon.restart(&beat(10), after(80, 0));
    assert_eq!(edited, ["beat:1 1 skipped [rule_changed]", "loaded beat:2"]);
    assert_eq!(daemon.restart(&beat(10), after(90, 0)), ["beat:2 09:30:00 fired"]);
}

#[test]
fn a_single_instant_fires_once_and_never_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let at = TimeZone::UTC.to_datetime(minute(5).timestamp());
    let (zone, dst) = ("UTC".to_owned(), Dst::default());
    let once = [timed("once", Timing::At { at, zone, dst })];
    assert_eq!(daemon.load(&once, minute(0)), ["loaded once:1"]);
    assert_eq!(daemon.restart(&once, minute(9)), ["once:1 08:05:00 fired"]);
    assert_eq!(daemon.restart(&once, minute(10)), [""; 0]);
    let next = daemon.turns.state().schedule(&once[0].name).expect("it stays").next;
    assert_eq!(next, None);
}

#[test]
fn what_is_said_to_be_next_is_what_fires_under_jitter_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let late = [Definition { jitter_ms: 3_600_000, ..cron("late", "0 * * * *", "UTC") }];
    let late = late.map(|late| Definition { concurrency: Concurrency::Allow, ..late });
    daemon.load(&late, minute(0));
    let mut releases = Vec::new();
    for _ in 0..5 {
        let next = daemon.turns.state().schedule(&late[0].name).expect("it is there").next;
        let next = next.expect("there is always one");
        let just_before = Time::from_ms(next.as_ms() - 1);
        assert_eq!(daemon.restart(&late, just_before), [""; 0]);
        let fired = daemon.restart(&late, next);
        assert_eq!(fired.len(), 1, "{fired:?}");
        assert!(fired[0].ends_with(":00:00 fired"), "it keeps its name: {fired:?}");
        releases.push(next.as_ms() % 3_600_000);
    }
    assert!(releases.iter().any(|late| *late > 0), "{releases:?}");
}

#[test]
fn slots_of_a_pause_are_one_range_however_often_there_is_a_restart_or_an_edit() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let schedule = || minutely("often");
    let often = || name("often");
    let (pause, resume) = (Verb::Pause { schedule: often() }, Verb::Resume { schedule: often() });
    daemon.load(&[schedule()], minute(0));
    let paused = daemon.asks(pause.clone(), minute(1));
    let by = "often paused Person(Principal(user:ann(1000)))";
    assert_eq!(paused, ["often:1 08:01:00 fired", by]);
    assert_eq!(daemon.asks(pause, minute(2)), [""; 0], "it is already");
    assert_eq!(daemon.take(Vec::new(), minute(600)), [""; 0]);
    assert_eq!(daemon.restart(&[schedule()], minute(700)), [""; 0]);
    let other = Definition { missed: MissedPolicy::CatchUpOnce, ..schedule() };
    let kept = daemon.load(std::slice::from_ref(&other), minute(800));
    assert_eq!(kept, ["loaded often:1"], "an edit ends no pause");
    assert_eq!(daemon.turns.state().next_due().map(|at| at <= minute(900)), Some(false));
    let resumed = daemon.asks(resume.clone(), minute(1000));
    assert_eq!(resumed, ["often resumed"]);
    assert_eq!(daemon.asks(resume, minute(1000)), ["often:1 999 skipped [paused]"]);
    assert_eq!(daemon.restart(&[other], minute(1001)), ["often:1 00:41:00 fired"]);
}

#[test]
fn a_rule_that_changes_in_a_pause_leaves_its_slots_skipped() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let (pause, resume) =
        (Verb::Pause { schedule: name("a") }, Verb::Resume { schedule: name("a") });
    daemon.load(&[minutely("a")], minute(0));
    daemon.asks(pause, minute(0));
    let edited = [cron("a", "*/5 * * * *", "UTC")];
    let told = daemon.restart(&edited, minute(7));
    assert_eq!(told, ["a:1 7 skipped [paused]", "loaded a:2"]);
    assert_eq!(daemon.take(Vec::new(), minute(30)), [""; 0], "it is paused still");
    daemon.asks(resume, minute(31));
    let told = daemon.restart(&edited, minute(35));
    assert_eq!(told, ["a:2 5 skipped [paused]", "a:2 08:35:00 fired"]);
}

#[test]
fn so_many_failures_in_a_row_pause_a_schedule_and_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let schedule = || Definition { pause_after: 2, ..minutely("often") };
    daemon.load(&[schedule()], minute(0));
    let newest = |daemon: &Daemon<'_>| {
        let mandates = daemon.turns.state().mandates();
        mandates.map(|mandate| mandate.id).max().expect("one is open")
    };
    let fails = |daemon: &mut Daemon<'_>, n| {
        let mut told = daemon.take(Vec::new(), minute(n));
        let mandate = newest(daemon);
        told.extend(daemon.take(vec![Input::Quarantine { mandate }], minute(n)));
        told
    };
    assert_eq!(fails(&mut daemon, 1), ["often:1 08:01:00 fired"]);
    // One that a person stops is neither a failure nor the end of a streak.
    daemon.take(Vec::new(), minute(2));
    let mandate = newest(&daemon);
    daemon.asks(Verb::Stop { mandate }, minute(2));
    daemon.restart(&[schedule()], minute(2));
    let told = fails(&mut daemon, 3);
    assert_eq!(told, ["often:1 08:03:00 fired", "often paused Failures(2)"]);
    assert_eq!(daemon.restart(&[schedule()], minute(9)), [""; 0]);
    daemon.asks(Verb::Resume { schedule: name("often") }, minute(9));
    assert_eq!(daemon.take(Vec::new(), minute(9)), ["often:1 6 skipped [paused]"]);
    let told = fails(&mut daemon, 10);
    assert_eq!(told, ["often:1 08:10:00 fired"], "what failed before counts no more");
}

#[test]
fn no_more_fires_queue_than_a_schedule_allows() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let schedule = |max_queued| Definition {
        missed: MissedPolicy::CatchUpBounded { max: 5, stale_after_ms: u64::MAX },
        concurrency: Concurrency::Queue,
        max_queued,
        ..minutely("q")
    };
    daemon.load(&[schedule(3)], minute(0));
    let told = daemon.take(Vec::new(), minute(5));
    let (fired, refused) = ("fired", "refused [overlap]");
    let fates = [fired, fired, fired, refused, refused];
    let expected = (1..).zip(fates).map(|(n, fate)| format!("q:1 08:0{n}:00 {fate}"));
    assert_eq!(told, expected.collect::<Vec<_>>());
    // One runs and two queue; whoever works elsewhere is in nobody's way.
    assert_eq!(daemon.restart(&[schedule(3)], minute(6)), ["q:1 08:06:00 fired"]);
    let mut elsewhere = schedule(3);
    elsewhere.spec.project_scope = "elsewhere".into();
    assert_eq!(daemon.load(&[elsewhere], minute(7)), ["loaded q:1", "q:1 08:07:00 fired"]);
}

/// 12:00 there is 11:00 UTC before, and 10:00 UTC after.
fn before(_: &str) -> Option<Zone> {
    made_up("AAA-1")
}

fn after(_: &str) -> Option<Zone> {
    made_up("AAA-2")
}

fn made_up(posix: &str) -> Option<Zone> {
    let table = TimeZone::posix(posix).expect("a zone");
    Some(Zone { table, digest: Some(Digest::of(posix.as_bytes())) })
}

#[test]
fn other_zone_data_give_no_slot_a_second_fate_and_those_that_slip_in_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    daemon.zones = before;
    let policy = MissedPolicy::CatchUpBounded { max: 9, stale_after_ms: u64::MAX };
    let concurrency = Concurrency::Allow;
    let schedule = [Definition { missed: policy, concurrency, ..cron("z", "*/30 * * * *", "X") }];
    daemon.load(&schedule, minute(0));
    let told = daemon.take(Vec::new(), minute(60));
    assert_eq!(told, ["z:1 09:30:00 fired", "z:1 10:00:00 fired"]);
    daemon.zones = after;
    let told = daemon.restart(&schedule, minute(60));
    let slipped_in = ["loaded z:1", "z:1 10:30:00 fired", "z:1 11:00:00 fired"];
    assert_eq!(told, slipped_in, "it is eleven there now");
    assert_eq!(daemon.restart(&schedule, minute(60)), [""; 0]);
    daemon.zones = before;
    assert_eq!(daemon.restart(&schedule, minute(61)), ["loaded z:1"]);
    assert_eq!(daemon.take(Vec::new(), minute(120)), [""; 0], "ten to eleven had theirs");
    assert_eq!(daemon.take(Vec::new(), minute(150)), ["z:1 11:30:00 fired"]);
}

/// What a record of loaded schedules says of the data of their zones.
fn loaded_data(daemon: &Daemon<'_>) -> Vec<Option<Digest>> {
    daemon.turns.state().schedules().map(|loaded| loaded.zone_data).collect()
}

#[test]
fn last_fates_of_a_rule_go_by_the_zone_data_that_the_records_say() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    daemon.zones = before;
    let schedule = [Definition { missed: MissedPolicy::Skip, ..cron("z", "*/30 * * * *", "X") }];
    daemon.load(&schedule, minute(0));
    daemon.take(Vec::new(), minute(60));
    assert_eq!(loaded_data(&daemon), [before("X").expect("made up").digest]);
    // The clock there goes forward, and the schedule goes: ten to half past eleven had no fate.
    daemon.zones = after;
    let told = daemon.restart(&[], minute(90));
    assert_eq!(told, ["loaded z:1", "z:1 3 skipped [rule_changed]", "loaded -z"]);
}

#[test]
fn a_rule_that_comes_with_other_zone_data_begins_no_later_than_now() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    daemon.zones = after;
    let schedule = |cron_text| [cron("z", cron_text, "X")];
    daemon.load(&schedule("0 * * * *"), minute(0));
    daemon.zones = before;
    daemon.restart(&schedule("0 * * * *"), minute(1));
    // The clock went back an hour and had shown all that. With the old data, nothing was shown yet.
    daemon.zones = after;
    let told = daemon.restart(&schedule("*/30 * * * *"), minute(2));
    assert_eq!(told, ["loaded z:1", "loaded z:2"]);
    assert_eq!(daemon.take(Vec::new(), minute(30)), ["z:2 10:30:00 fired"]);
}

#[test]
fn however_many_wait_for_a_look_at_files_the_others_are_taken_in_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let test = Test::Exists("ready".parse().expect("a path"));
    let condition = Some(Condition { test, not: false });
    let waits = |n| Definition { condition: condition.clone(), ..minutely(&format!("waits-{n}")) };
    // More than one turn takes.
    let mut schedules: Vec<_> = (0..1_500).map(waits).collect();
    schedules.push(cron("later", "2 * * * *", "UTC"));
    daemon.load(&schedules, minute(0));
    let looks = |daemon: &mut Daemon<'_>| daemon.take(Vec::new(), minute(1));
    assert_eq!([looks(&mut daemon), looks(&mut daemon)], [const { Vec::<String>::new() }; 2]);
    assert_eq!(daemon.take(Vec::new(), minute(2)), ["later:1 08:02:00 fired"]);
}

#[test]
fn what_may_overlap_is_bounded_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::start(dir.path());
    let missed = MissedPolicy::CatchUpBounded { max: 1_000, stale_after_ms: u64::MAX };
    daemon.load(&[Definition { missed, ..minutely("often") }], minute(0));
    let all = u64::try_from(OPEN_MAX).expect("few");
    let told = daemon.take(Vec::new(), minute(all));
    assert!(told.len() == OPEN_MAX && told.iter().all(|told| told.ends_with(" fired")), "{told:?}");
    let one_more = daemon.take(Vec::new(), minute(all + 1));
    assert_eq!(one_more, ["often:1 00:41:00 refused [overlap]"]);
}
