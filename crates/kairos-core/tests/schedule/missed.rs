use kairos_core::schedule::{Accounted, Fate, MissedPolicy, Timetable, Unfired, account};
use kairos_core::time::Time;

use super::zone::{rule, time};

const HOUR_MS: u64 = 3_600_000;

fn fires(at: &str) -> Fate {
    let at = time(at);
    let civil = jiff::tz::Offset::UTC.to_datetime(at.timestamp());
    Fate::Fires(kairos_core::schedule::Slot { civil, fold: 0, at })
}

fn table(cron: &str, zone: &str) -> Timetable {
    rule(cron, zone).into()
}

fn passed(from: &str, to: &str, count: u64, why: Unfired) -> Fate {
    Fate::Passed { from: time(from), to: time(to), count, why }
}

fn fates(policy: MissedPolicy, after: &str, now: &str) -> Vec<Fate> {
    let accounted = account(&table("0 * * * *", "UTC"), policy, time(after), time(now));
    assert_eq!(accounted.cursor, time(now));
    accounted.fates
}

#[test]
fn nothing_due_is_nothing_accounted() {
    let fates = fates(MissedPolicy::Skip, "2026-05-01T10:00:00Z", "2026-05-01T10:59:59Z");
    assert_eq!(fates, []);
}

#[test]
fn skip_fires_the_newest_and_skips_older_ones() {
    assert_eq!(
        fates(MissedPolicy::Skip, "2026-05-01T10:00:00Z", "2026-05-04T13:59:00Z"),
        [
            passed("2026-05-01T11:00:00Z", "2026-05-04T12:00:00Z", 74, Unfired::Skipped),
            fires("2026-05-04T13:00:00Z"),
        ]
    );
}

#[test]
fn drop_fires_only_what_is_within_the_deadline() {
    let drop = MissedPolicy::Drop { starting_deadline_ms: 300_000 };
    assert_eq!(
        fates(drop, "2026-05-01T10:00:00Z", "2026-05-01T11:05:00Z"),
        [fires("2026-05-01T11:00:00Z")]
    );
    assert_eq!(
        fates(drop, "2026-05-01T10:00:00Z", "2026-05-01T11:05:00.001Z"),
        [passed("2026-05-01T11:00:00Z", "2026-05-01T11:00:00Z", 1, Unfired::DroppedStale)]
    );
    let wide = MissedPolicy::Drop { starting_deadline_ms: 2 * HOUR_MS };
    assert_eq!(
        fates(wide, "2026-05-01T10:00:00Z", "2026-05-01T15:30:00Z"),
        [
            passed("2026-05-01T11:00:00Z", "2026-05-01T13:00:00Z", 3, Unfired::DroppedStale),
            passed("2026-05-01T14:00:00Z", "2026-05-01T14:00:00Z", 1, Unfired::Skipped),
            fires("2026-05-01T15:00:00Z"),
        ]
    );
}

#[test]
fn catch_up_once_lets_the_newest_stand_for_all() {
    assert_eq!(
        fates(MissedPolicy::CatchUpOnce, "2026-05-01T10:00:00Z", "2026-05-01T13:30:00Z"),
        [
            passed("2026-05-01T11:00:00Z", "2026-05-01T12:00:00Z", 2, Unfired::Coalesced),
            fires("2026-05-01T13:00:00Z"),
        ]
    );
}

#[test]
fn bounded_catch_up_fires_the_newest_oldest_first() {
    let bounded = |max| MissedPolicy::CatchUpBounded { max, stale_after_ms: 4 * HOUR_MS };
    let (after, now) = ("2026-05-01T00:00:00Z", "2026-05-01T10:30:00Z");
    assert_eq!(
        fates(bounded(2), after, now),
        [
            passed("2026-05-01T01:00:00Z", "2026-05-01T06:00:00Z", 6, Unfired::DroppedStale),
            passed("2026-05-01T07:00:00Z", "2026-05-01T08:00:00Z", 2, Unfired::Skipped),
            fires("2026-05-01T09:00:00Z"),
            fires("2026-05-01T10:00:00Z"),
        ]
    );
    assert_eq!(
        fates(bounded(0), after, now),
        [
            passed("2026-05-01T01:00:00Z", "2026-05-01T06:00:00Z", 6, Unfired::DroppedStale),
            passed("2026-05-01T07:00:00Z", "2026-05-01T10:00:00Z", 4, Unfired::Skipped),
        ]
    );
}

#[test]
fn a_catch_up_taken_fire_by_fire_fires_the_same_slots() {
    let hourly = table("0 * * * *", "UTC");
    let bounded = MissedPolicy::CatchUpBounded { max: 3, stale_after_ms: 4 * HOUR_MS };
    let (start, now) = (time("2026-05-01T00:00:00Z"), time("2026-05-01T10:30:00Z"));
    let whole = account(&hourly, bounded, start, now);
    let (mut cursor, mut fates, mut cursors) = (start, Vec::new(), Vec::new());
    while cursor < now {
        let part = account(&hourly, bounded, cursor, now).through_first_fire();
        fates.extend(part.fates);
        cursor = part.cursor;
        cursors.push(cursor);
    }
    assert_eq!(fates, whole.fates);
    let fired = ["2026-05-01T08:00:00Z", "2026-05-01T09:00:00Z", "2026-05-01T10:30:00Z"];
    assert_eq!(cursors, fired.map(time));
}

#[test]
fn staleness_is_measured_from_the_missed_slot() {
    let weekly = table("0 9 * * 1", "UTC");
    let bounded = MissedPolicy::CatchUpBounded { max: 5, stale_after_ms: 48 * HOUR_MS };
    let (after, now) = (time("2026-05-04T09:00:00Z"), time("2026-05-11T09:30:00Z"));
    assert_eq!(account(&weekly, bounded, after, now).fates, [fires("2026-05-11T09:00:00Z")]);
}

#[test]
fn a_clock_set_back_fires_nothing_and_keeps_the_cursor() {
    let (after, now) = (time("2026-05-01T10:00:00Z"), time("2026-05-01T08:00:00Z"));
    assert_eq!(
        account(&table("0 * * * *", "UTC"), MissedPolicy::Skip, after, now),
        Accounted { fates: vec![], cursor: after }
    );
}

#[test]
fn a_minutely_rule_asleep_for_decades_is_still_two_ranges() {
    let minutely = table("* * * * *", "Europe/Zurich");
    let bounded = MissedPolicy::CatchUpBounded { max: u32::MAX, stale_after_ms: u64::MAX };
    let accounted = account(&minutely, bounded, Time::EPOCH, time("2026-05-01T00:00:00Z"));
    let Fate::Passed { count, .. } = accounted.fates[0] else { panic!("{:?}", accounted.fates[0]) };
    assert_eq!((accounted.fates.len(), count), (1001, 20_574 * 1_440 - 1_000));
}

/// However often and whenever it is asked, each slot gets one fate and no slot gets none.
#[test]
fn every_slot_is_accounted_exactly_once() {
    let rule = table("*/7 1-3 * * *", "America/New_York");
    let (start, end) = (time("2026-10-20T00:00:00Z"), time("2026-11-10T00:00:00Z"));
    let policies = [
        MissedPolicy::Skip,
        MissedPolicy::Drop { starting_deadline_ms: 600_000 },
        MissedPolicy::CatchUpOnce,
        MissedPolicy::CatchUpBounded { max: 3, stale_after_ms: HOUR_MS },
    ];
    for policy in policies {
        let (mut cursor, mut step, mut counted, mut last) = (start, 1, 0, start);
        while cursor < end {
            step = (step * 48_271) % 2_147_483_647;
            let now = cursor.plus_ms(step % (30 * HOUR_MS) + 1).min(end);
            let accounted = account(&rule, policy, cursor, now);
            for fate in accounted.fates {
                let (from, to, count) = match fate {
                    Fate::Fires(slot) | Fate::Unmet(slot, _) => (slot.at, slot.at, 1),
                    Fate::Passed { from, to, count, .. } => (from, to, count),
                };
                assert!(last < from && from <= to && to <= now, "{fate:?} after {last}");
                last = to;
                counted += count;
            }
            cursor = accounted.cursor;
        }
        assert_eq!(counted, rule.count(start, end), "{policy:?}");
    }
}
