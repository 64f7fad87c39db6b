use jiff::civil::{DateTime, date};
use kairos_core::mandate::spec::MandateSpec;
use kairos_core::schedule::definition::{Definition, ScheduleName, Timing};
use kairos_core::schedule::missed::MissedPolicy;
use kairos_core::schedule::timetable::once;
use kairos_core::schedule::{
    Dst, Fate, InFold, InGap, Slot, Timetable, Unfired, When, account, pass,
};
use kairos_core::time::Time;

use super::zone::{rule, zone};

const HOUR_MS: u64 = 3_600_000;

fn time(text: &str) -> Time {
    text.parse().expect("an instant")
}

fn name(text: &str) -> ScheduleName {
    text.parse().expect("a name")
}

fn every(period_ms: u64, anchor: &str) -> Timetable {
    Timetable::new(When::every(period_ms, time(anchor)), None)
}

fn slot(civil: DateTime, at: &str) -> Slot {
    Slot { civil, fold: 0, at: time(at) }
}

#[test]
fn an_interval_counts_whole_seconds_from_its_anchor() {
    let table = every(900_000, "2026-05-01T10:00:07.900Z");
    let first = slot(date(2026, 5, 1).at(10, 15, 7, 0), "2026-05-01T10:15:07Z");
    let second = slot(date(2026, 5, 1).at(10, 30, 7, 0), "2026-05-01T10:30:07Z");
    assert_eq!(table.next_after(Time::EPOCH), Some(first), "the anchor is no slot");
    assert_eq!(table.next_after(time("2026-05-01T10:15:06.999Z")), Some(first));
    assert_eq!(table.next_after(first.at), Some(second));
    let (start, end) = (time("2026-05-01T10:00:07Z"), time("2026-05-02T10:00:07Z"));
    assert_eq!(table.count(start, end), 96);
    assert_eq!(table.count(first.at, first.at), 0);
    assert_eq!(table.newest(start, second.at, 5), [first, second]);
    assert_eq!(table.newest(start, end, 1).last().map(|slot| slot.at), Some(end));
    assert_eq!(every(900_000, "2026-05-01T10:00:07Z"), table, "however late in its second");
    let never = every(366 * 86_400_000, "9999-12-30T00:00:00Z");
    assert_eq!(never.next_after(time("9999-12-30T00:00:00Z")), None, "past the calendar's end");
}

#[test]
fn a_single_instant_is_one_slot_in_its_zone() {
    let zurich = zone("Europe/Zurich");
    let at = |civil, dst| once(civil, &zurich, dst);
    let (winter, gap) = (date(2026, 12, 1).at(9, 0, 0, 0), date(2026, 3, 29).at(2, 30, 0, 0));
    assert_eq!(at(winter, Dst::default()), Some(slot(winter, "2026-12-01T08:00:00Z")));
    assert_eq!(at(gap, Dst::default()), Some(slot(gap, "2026-03-29T01:00:00Z")), "right after");
    assert_eq!(at(gap, Dst { gap: InGap::Skip, ..Dst::default() }), None);
    let fold = date(2026, 10, 25).at(2, 30, 0, 0);
    let folds = [InFold::First, InFold::Both, InFold::Second].map(|which| {
        let slot = at(fold, Dst { fold: which, ..Dst::default() }).expect("it is shown");
        (slot.fold, slot.at)
    });
    let (first, second) = (time("2026-10-25T00:30:00Z"), time("2026-10-25T01:30:00Z"));
    assert_eq!(folds, [(0, first), (0, first), (1, second)], "one slot ever");
    let one = slot(winter, "2026-12-01T08:00:00Z");
    let table = Timetable::new(When::At(Some(one)), Some(zurich.into()));
    let (before, after) = (time("2026-12-01T07:59:59Z"), time("2027-01-01T00:00:00Z"));
    assert_eq!((table.next_after(before), table.next_after(one.at)), (Some(one), None));
    assert_eq!((table.count(before, after), table.count(one.at, after)), (1, 0));
    assert_eq!(table.newest(before, after, 9), [one]);
}

/// Whatever the jitter: slots keep their names and order, each is let go before the next is due, and
/// none stands still while a later one goes.
#[test]
fn jitter_delays_each_slot_by_the_same_chance_and_keeps_their_order() {
    let hourly = || Timetable::from(rule("0 * * * *", "Europe/Zurich"));
    let (plain, start) = (hourly(), time("2026-10-24T00:00:00Z"));
    for minutes in [1, 20, 60, 24 * 60] {
        let table = hourly().with_jitter(&name("nightly"), minutes * 60_000);
        let (mut cursor, mut seen) = (start, Vec::new());
        for _ in 0..100 {
            let slot = table.next_after(cursor).expect("there is always one");
            assert_eq!(Some(slot), plain.next_after(cursor));
            let release = table.release(&slot);
            let next = table.next_after(slot.at).expect("there is always one");
            assert!(slot.at <= release && release < next.at, "{slot:?} {release}");
            assert!(release.ms_since(slot.at) < minutes * 60_000, "{slot:?} {release}");
            let just_before = Time::from_ms(release.as_ms() - 1);
            assert_eq!(table.released(release), release);
            assert!(release == slot.at || table.released(just_before) < slot.at, "{slot:?}");
            assert_eq!(table.next_release(cursor), Some(release));
            seen.push(release.ms_since(slot.at));
            cursor = slot.at;
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 20, "{minutes}: {}", seen.len());
        let again = hourly().with_jitter(&name("nightly"), minutes * 60_000);
        let other = hourly().with_jitter(&name("other"), minutes * 60_000);
        let releases = |table: &Timetable| {
            let slots = std::iter::successors(table.next_after(start), |s| table.next_after(s.at));
            slots.take(20).map(|slot| table.release(&slot)).collect::<Vec<_>>()
        };
        assert_eq!(releases(&table), releases(&again), "a restart moves none");
        assert_ne!(releases(&table), releases(&other));
    }
}

#[test]
fn only_slots_that_are_let_go_are_accounted_for_and_they_are_not_late_for_it() {
    let table = Timetable::from(rule("0 * * * *", "UTC")).with_jitter(&name("a"), HOUR_MS);
    let drop = MissedPolicy::Drop { starting_deadline_ms: 60_000 };
    let start = time("2026-05-01T00:30:00Z");
    let mut cursor = start;
    for _ in 0..50 {
        let slot = table.next_after(cursor).expect("there is always one");
        let release = table.release(&slot);
        let early = account(&table, drop, cursor, Time::from_ms(release.as_ms() - 1));
        assert_eq!(early.fates, [], "{slot:?}");
        let now = release.plus_ms(60_000);
        let in_time = account(&table, drop, cursor, now);
        assert_eq!(in_time.fates, [Fate::Fires(slot)]);
        let late = account(&table, drop, cursor, now.plus_ms(1));
        let passed =
            Fate::Passed { from: slot.at, to: slot.at, count: 1, why: Unfired::DroppedStale };
        assert_eq!(late.fates, [passed]);
        cursor = in_time.cursor;
    }
}

/// However often and whenever it is asked, and whatever the kind, each slot gets one fate.
#[test]
fn every_slot_of_every_kind_is_accounted_exactly_once() {
    let cron = || Timetable::from(rule("*/7 1-3 * * *", "America/New_York"));
    let one = slot(date(2026, 11, 1).at(6, 0, 0, 0), "2026-11-01T06:00:00Z");
    let tables = [
        cron(),
        cron().with_jitter(&name("c"), 5 * 60_000),
        every(25 * 60_000, "2026-10-20T00:00:00Z"),
        every(25 * 60_000, "2026-10-20T00:00:00Z").with_jitter(&name("e"), HOUR_MS),
        Timetable::new(When::At(Some(one)), None).with_jitter(&name("o"), 24 * HOUR_MS),
    ];
    let policies = [
        MissedPolicy::Skip,
        MissedPolicy::Drop { starting_deadline_ms: 600_000 },
        MissedPolicy::CatchUpOnce,
        MissedPolicy::CatchUpBounded { max: 3, stale_after_ms: HOUR_MS },
    ];
    let (start, end) = (time("2026-10-20T00:00:00Z"), time("2026-11-10T00:00:00Z"));
    for (table, policy) in tables.iter().flat_map(|table| policies.map(|policy| (table, policy))) {
        let (mut cursor, mut now, mut step, mut counted, mut last) = (start, start, 1, 0, start);
        while now < end {
            step = (step * 48_271) % 2_147_483_647;
            now = now.plus_ms(step % (3 * HOUR_MS) + 1).min(end);
            let accounted = account(table, policy, cursor, now).through_first_fire();
            for fate in accounted.fates {
                let (from, to, count) = match fate {
                    Fate::Fires(slot) | Fate::Unmet(slot, _) => (slot.at, slot.at, 1),
                    Fate::Passed { from, to, count, .. } => (from, to, count),
                };
                assert!(last < from && from <= to && to <= now, "{fate:?} after {last}");
                last = to;
                counted += count;
            }
            assert!(accounted.cursor >= cursor);
            cursor = accounted.cursor;
        }
        let rest = pass(table, cursor, end, Unfired::RuleChanged).fates;
        let rest = rest.iter().map(|fate| match fate {
            Fate::Fires(_) | Fate::Unmet(..) => 1,
            Fate::Passed { count, .. } => *count,
        });
        assert_eq!(counted + rest.sum::<u64>(), table.count(start, end), "{policy:?}");
    }
}

fn spec() -> MandateSpec {
    let text = r#"{"goal":{"sha256":"GOAL","bytes":1},"files":[],"verify":[],"max_cycles":1,
        "risk_budget":"low","project_scope":"","allowed_actions":null,"upload":["l2"],"hints":null,
        "model":null,"timeout_ms":null}"#;
    serde_json::from_str(&text.replace("GOAL", &"7".repeat(64))).expect("a mandate")
}

#[test]
fn a_definition_is_written_flat_and_says_only_what_is_not_usual() {
    let zoned = |text: &str| (text.to_owned(), "Europe/Zurich".to_owned(), Dst::default());
    let (cron, zone, dst) = zoned("@daily");
    let plain = Definition::new(name("a"), Timing::Cron { cron, zone: zone.clone(), dst }, spec());
    let at = date(2026, 12, 1).at(9, 0, 0, 0);
    let single = Definition { timing: Timing::At { at, zone, dst }, ..plain.clone() };
    let beat = Definition {
        id: Some(name("b")),
        timing: Timing::Every { period_ms: 900_000 },
        jitter_ms: 30_000,
        max_queued: 4,
        pause_after: 0,
        ..plain.clone()
    };
    let written = [&plain, &single, &beat].map(|definition| {
        let text = serde_json::to_string(definition).expect("JSON");
        assert_eq!(serde_json::from_str::<Definition>(&text).ok().as_ref(), Some(definition));
        text.split(r#","spec""#).next().expect("a part").to_owned()
    });
    let usual = r#""enabled":true,"missed":"skip","concurrency":"queue""#;
    let zone = r#""zone":"Europe/Zurich","dst":{"gap":"run_after","fold":"first"}"#;
    let expected = [
        format!(r#"{{"name":"a","cron":"@daily",{zone},{usual}"#),
        format!(r#"{{"name":"a","at":"2026-12-01T09:00:00",{zone},{usual}"#),
        format!(
            r#"{{"name":"a","id":"b","every_ms":900000,"jitter_ms":30000,{usual},"max_queued":4,"pause_after":0"#
        ),
    ];
    assert_eq!(written, expected);
    let whole = serde_json::to_string(&plain).expect("JSON");
    for (from, to) in [(r#""cron":"@daily","#, ""), (r#""cron""#, r#""every_ms":1000,"cron""#)] {
        let error = serde_json::from_str::<Definition>(&whole.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains("due by none or by two of"), "{error}");
    }
}
