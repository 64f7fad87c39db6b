//! What becomes of a cursor when a zone's data change, with zones made up for it.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use kairos_core::digest::Digest;
use kairos_core::schedule::{
    Cron, Dst, InFold, InGap, Rule, Slot, Timetable, When, Zone, ZoneClock,
};
use kairos_core::time::Time;

fn time(text: &str) -> Time {
    text.parse().expect("an instant")
}

fn zone(posix: &str) -> Zone {
    let table = TimeZone::posix(posix).expect("a zone");
    Zone { table, digest: Some(Digest::of(posix.as_bytes())) }
}

fn table(cron: &str, zone: Zone, dst: Dst) -> Timetable {
    let cron = Cron::parse(cron, "a").expect("a rule");
    let rule = Rule { cron, zone: zone.table.clone(), dst };
    Timetable::new(When::Cron(rule), Some(zone))
}

/// Clocks go forward on 29 March 2026 at 02:00, and back on 25 October at 03:00.
const SUMMER: &str = "AAA-1BBB,M3.5.0,M10.5.0/3";
const WINTER_ONLY: &str = "AAA-1";
const SUMMER_ONLY: &str = "AAA-2";
/// As the first, a week earlier in spring and later in autumn.
const OTHER_WEEKS: &str = "AAA-1BBB,M3.4.0,M11.1.0/3";

#[test]
fn a_clock_says_whether_it_showed_times_again_lately() {
    let of = |at| {
        let clock = ZoneClock::of(&zone(SUMMER).table, time(at));
        (clock.offset_s, clock.again_until.map(|until| until.to_string()))
    };
    let three = Some("2026-10-25T03:00:00".to_owned());
    let expected = [
        ("2026-10-25T00:59:59.999Z", (7200, None)),
        ("2026-10-25T01:00:00Z", (3600, three.clone())),
        ("2026-10-25T02:00:00Z", (3600, three.clone())),
        ("2026-10-27T00:59:59.999Z", (3600, three)),
        ("2026-10-27T01:00:00Z", (3600, None)),
        ("2026-03-29T01:00:00Z", (7200, None)),
    ];
    assert_eq!(expected.clone().map(|(at, _)| of(at)), expected.map(|(_, clock)| clock));
}

/// Where a cursor stands under other data.
#[test]
fn a_cursor_is_carried_by_the_time_its_clock_showed() {
    let carried = |from: &str, to: &str, cursor: &str| {
        let clock = ZoneClock::of(&zone(from).table, time(cursor));
        clock.carried(time(cursor), &table("30 2 * * *", zone(to), Dst::default())).to_string()
    };
    let cases = [
        // 12:00 in summer, which the new data no longer have.
        (SUMMER, WINTER_ONLY, "2026-07-01T10:00:00Z", "2026-07-01T11:00:00.000Z"),
        (WINTER_ONLY, SUMMER, "2026-07-01T11:00:00Z", "2026-07-01T10:00:00.000Z"),
        // 02:10 the second time: up to 03:00 every name had its fate the first time.
        (SUMMER, WINTER_ONLY, "2026-10-25T01:10:00Z", "2026-10-25T01:59:59.999Z"),
        (SUMMER, OTHER_WEEKS, "2026-10-25T01:10:00Z", "2026-10-25T00:59:59.999Z"),
        // 02:10, which the new data show twice: the first of them.
        (WINTER_ONLY, SUMMER, "2026-10-25T01:10:00Z", "2026-10-25T00:10:00.000Z"),
        // 02:10, which the new data skip: the slot right after the gap stands for 02:30, still to come.
        (WINTER_ONLY, SUMMER, "2026-03-29T01:10:00Z", "2026-03-29T00:59:59.999Z"),
        // 02:40: that one was.
        (WINTER_ONLY, SUMMER, "2026-03-29T01:40:00Z", "2026-03-29T01:00:00.000Z"),
        (SUMMER, SUMMER, "2026-10-25T01:10:00Z", "2026-10-25T01:10:00.000Z"),
        (SUMMER, SUMMER_ONLY, "2026-07-01T10:00:00Z", "2026-07-01T10:00:00.000Z"),
    ];
    for (from, to, cursor, expected) in cases {
        assert_eq!(carried(from, to, cursor), expected, "{from} to {to} at {cursor}");
    }
}

/// Every quarter of an hour around both changes, from every data to every other: no name has its fate
/// twice, and none of a time that the clock had not shown yet is left out.
#[test]
fn no_slot_has_two_fates_when_zone_data_change_at_any_time() {
    let all = [SUMMER, WINTER_ONLY, SUMMER_ONLY, OTHER_WEEKS];
    let crons = ["30 2 * * *", "*/10 * * * *", "15,45 1-3 * * *", "0 3 * * *", "5,30 2 * * *"];
    let both = Dst { gap: InGap::Skip, fold: InFold::Both };
    let slots = |table: &Timetable, start, end| -> Vec<Slot> {
        let slots = std::iter::successors(table.next_after(start), |s| table.next_after(s.at));
        slots.take_while(|slot| slot.at <= end).collect()
    };
    let name = |slot: &Slot| (slot.civil, slot.fold);
    for (start, end) in [
        ("2026-03-21T00:00:00Z", "2026-03-30T00:00:00Z"),
        ("2026-10-24T00:00:00Z", "2026-11-02T00:00:00Z"),
    ] {
        let (start, end) = (time(start), time(end));
        let pairs = all.into_iter().flat_map(|from| all.map(|to| (from, to)));
        let rules = crons.into_iter().flat_map(|cron| [Dst::default(), both].map(|d| (cron, d)));
        for ((from, to), (cron, dst)) in pairs.flat_map(|p| rules.clone().map(move |r| (p, r))) {
            let (old, new) = (table(cron, zone(from), dst), table(cron, zone(to), dst));
            let (before, after) = (slots(&old, start, end), slots(&new, start, end));
            for cursor in (0..end.ms_since(start)).step_by(900_000).map(|ms| start.plus_ms(ms)) {
                let clock = ZoneClock::of(&zone(from).table, cursor);
                let carried = clock.carried(cursor, &new);
                let had = before.iter().filter(|slot| slot.at <= cursor).map(name);
                let had: BTreeSet<_> = had.collect();
                let (behind, gets): (Vec<_>, Vec<_>) =
                    after.iter().partition(|slot| slot.at <= carried);
                let twice = gets.into_iter().find(|slot| had.contains(&name(slot)));
                let shown = zone(from).table.to_datetime(cursor.timestamp());
                let shown = clock.again_until.map_or(shown, |until| until.max(shown));
                let left_out = behind.into_iter().find(|s| s.civil > shown && s.fold == 0);
                let what = format!("{cron} {dst:?} {from} to {to} at {cursor}: {carried}");
                assert_eq!((twice, left_out), (None, None), "{what}");
            }
        }
    }
}

/// As [`SUMMER`], each change half an hour earlier, and half an hour later.
const EARLIER: &str = "AAA-1BBB,M3.5.0/1:30,M10.5.0/2:30";
const LATER: &str = "AAA-1BBB,M3.5.0/2:30,M10.5.0/3:30";
/// The same, an hour to the west.
const WEST: &str = "AAA0BBB,M3.5.0,M10.5.0/3";

/// Every five minutes of the nights in which each data show an hour again or skip one, from each to
/// each other and back.
#[test]
fn no_slot_has_two_fates_when_zone_data_change_in_the_night_of_a_change_and_back() {
    let all = [SUMMER, WINTER_ONLY, SUMMER_ONLY, EARLIER, LATER, WEST];
    let both = Dst { gap: InGap::Skip, fold: InFold::Both };
    let slots = |table: &Timetable, after: Time, until: Time| -> Vec<_> {
        let slots = std::iter::successors(table.next_after(after), |s| table.next_after(s.at));
        slots.take_while(|slot| slot.at <= until).map(|slot| (slot.civil, slot.fold)).collect()
    };
    for start in ["2026-10-24T22:00:00Z", "2026-03-28T22:00:00Z"].map(time) {
        let pairs = all.into_iter().flat_map(|from| all.map(|to| (from, to)));
        let rules = ["*/10 * * * *", "15,45 1-3 * * *"].into_iter();
        let rules = rules.flat_map(|cron| [Dst::default(), both].map(|dst| (cron, dst)));
        for ((from, to), (cron, dst)) in pairs.flat_map(|p| rules.clone().map(move |r| (p, r))) {
            let (old, new) = (table(cron, zone(from), dst), table(cron, zone(to), dst));
            for cursor in (0..7 * 12).map(|nth| start.plus_ms(nth * 300_000)) {
                let had: BTreeSet<_> = slots(&old, start, cursor).into_iter().collect();
                let before = ZoneClock::of(&zone(from).table, cursor);
                let there = before.carried(cursor, &new);
                let clock = ZoneClock::of(&zone(to).table, there).after(there, &before, cursor);
                let back = clock.carried(there, &old);
                for (way, table, at) in [("there", &new, there), ("and back", &old, back)] {
                    let mut gets = slots(table, at, start.plus_ms(9 * 3_600_000)).into_iter();
                    let twice = gets.find(|name| had.contains(name));
                    let what = format!("{cron} {dst:?} {from} to {to} at {cursor}, {way}: {at}");
                    assert_eq!(twice, None, "{what}");
                }
            }
        }
    }
}
