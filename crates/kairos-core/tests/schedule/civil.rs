use jiff::Timestamp;
use kairos_core::schedule::{Cron, Dst, InFold, InGap, Rule, Slot};
use kairos_core::time::Time;

use super::oracle::{Expression, Night, Numbers};
use super::zone::{dsts, rule, time, zone};

/// The first `n` slots after `after`, as UTC text and fold.
fn slots(rule: &Rule, after: &str, n: usize) -> Vec<(String, u8)> {
    walk(rule, time(after)).take(n).map(|slot| (text(slot.at), slot.fold)).collect()
}

fn text(at: Time) -> String {
    at.to_string().replace(":00.000Z", "")
}

fn walk(rule: &Rule, mut cursor: Time) -> impl Iterator<Item = Slot> {
    std::iter::from_fn(move || {
        let slot = rule.next_after(cursor)?;
        assert!(slot.at > cursor, "{slot:?} is not after {cursor}");
        cursor = slot.at;
        Some(slot)
    })
}

fn due(list: &[(&str, u8)]) -> Vec<(String, u8)> {
    list.iter().map(|(at, fold)| ((*at).to_owned(), *fold)).collect()
}

#[test]
fn next_is_strictly_after_and_knows_no_seconds() {
    let every = rule("* * * * *", "UTC");
    assert_eq!(slots(&every, "2026-01-01T00:00:00Z", 1), due(&[("2026-01-01T00:01", 0)]));
    assert_eq!(slots(&every, "2026-01-01T00:00:59.999Z", 1), due(&[("2026-01-01T00:01", 0)]));
    assert_eq!(slots(&every, "2025-12-31T23:59:59.999Z", 1), due(&[("2026-01-01T00:00", 0)]));
}

#[test]
fn leap_day_is_found_across_a_skipped_leap_year() {
    let leap = rule("0 0 29 2 *", "UTC");
    assert_eq!(
        slots(&leap, "2095-01-01T00:00:00Z", 2),
        due(&[("2096-02-29T00:00", 0), ("2104-02-29T00:00", 0)])
    );
    let sunday = rule("0 0 29 2 */7", "America/New_York");
    assert_eq!(slots(&sunday, "2032-03-01T00:00:00Z", 1), due(&[("2060-02-29T05:00", 0)]));
}

#[test]
fn day_fields_meet_as_cronie_says() {
    let days = |cron: &str| {
        rule(cron, "UTC").count(time("2027-12-31T23:59:00Z"), time("2028-02-29T23:59:00Z"))
    };
    let counted = [
        "0 0 */2 * 1",
        "0 0 1-30 * 1",
        "0 0 1-31 * 1",
        "0 0 */1 * 1",
        "0 0 13 * 0-6",
        "0 0 13 * */1",
    ]
    .map(days);
    assert_eq!(counted, [5, 60, 60, 9, 60, 2]);
}

/// The days of 2027 from `month` on, as `MM-DD`.
fn days(cron: &str, month: i8, n: usize) -> Vec<String> {
    let begin = jiff::civil::date(2027, month, 1).at(0, 0, 0, 0);
    let begin = jiff::tz::Offset::UTC.to_timestamp(begin).expect("in range");
    let before = Time::from_ms(begin.as_millisecond() - 1);
    let rule = rule(cron, "UTC");
    let slots = walk(&rule, before).take(n);
    slots.map(|slot| slot.civil.strftime("%m-%d").to_string()).collect()
}

#[test]
fn l_w_and_hash_name_days_of_each_month() {
    assert_eq!(days("0 0 L * *", 1, 4), ["01-31", "02-28", "03-31", "04-30"]);
    assert_eq!(days("0 0 L-30 * *", 1, 3), ["01-01", "03-01", "05-01"]);
    // In 2027 the first of May and of August are at a weekend, and so is the last of January.
    assert_eq!(days("0 0 1W 5,8 *", 1, 2), ["05-03", "08-02"]);
    assert_eq!(days("0 0 15W * *", 5, 3), ["05-14", "06-15", "07-15"]);
    assert_eq!(days("0 0 LW * *", 1, 3), ["01-29", "02-26", "03-31"]);
    assert_eq!(days("0 0 31W * *", 1, 2), ["01-29", "03-31"]);
    assert_eq!(days("0 0 * * 1#5", 1, 3), ["03-29", "05-31", "08-30"]);
    assert_eq!(days("0 0 * * 5L", 1, 3), ["01-29", "02-26", "03-26"]);
}

#[test]
fn l_w_and_hash_are_values_to_the_day_rule() {
    // Neither field starts with `*`: either is enough.
    assert_eq!(days("0 0 L 1 1#1", 1, 2), ["01-04", "01-31"]);
    assert_eq!(days("0 0 15W 5 SUNL", 5, 2), ["05-14", "05-30"]);
    // One does: both must hold.
    assert_eq!(days("0 0 */2 * 5L", 1, 3), ["01-29", "06-25", "08-27"]);
}

#[test]
fn seconds_are_a_field_of_their_own() {
    let rule = rule("*/20 30 2 * * *", "UTC");
    assert_eq!(
        slots(&rule, "2026-01-01T02:30:19.999Z", 3)
            .into_iter()
            .map(|(at, _)| at)
            .collect::<Vec<_>>(),
        ["2026-01-01T02:30:20.000Z", "2026-01-01T02:30:40.000Z", "2026-01-02T02:30"]
    );
    assert_eq!(rule.count(time("2026-01-01T02:30:00Z"), time("2026-01-02T02:30:20Z")), 4);
}

#[test]
fn fixed_times_in_a_gap_fire_once_right_after_it() {
    let after = "2026-03-08T06:00:00Z";
    let group = rule("0,30 2 * * *", "America/New_York");
    assert_eq!(
        slots(&group, after, 3),
        due(&[("2026-03-08T07:00", 0), ("2026-03-09T06:00", 0), ("2026-03-09T06:30", 0)])
    );
    let named = group.next_after(time(after)).expect("a slot");
    assert_eq!(named.civil, jiff::civil::date(2026, 3, 8).at(2, 0, 0, 0));
    let with_three = rule("30 2,3 * * *", "America/New_York");
    assert_eq!(
        slots(&with_three, after, 2),
        due(&[("2026-03-08T07:00", 0), ("2026-03-08T07:30", 0)])
    );
    let at_three = rule("0 2,3 * * *", "America/New_York");
    assert_eq!(slots(&at_three, after, 1), due(&[("2026-03-08T07:00", 0)]));
    let skipping = Rule { dst: Dst { gap: InGap::Skip, ..Dst::default() }, ..group };
    assert_eq!(slots(&skipping, after, 1), due(&[("2026-03-09T06:00", 0)]));
}

/// The last second before a gap is still before what the gap moves to its end.
#[test]
fn what_a_gap_swallowed_is_not_lost_to_whoever_asks_in_its_last_second() {
    let group = rule("30 2 * * *", "America/New_York");
    let due_at = time("2026-03-08T07:00:00Z");
    for after in ["2026-03-08T06:59:58.999Z", "2026-03-08T06:59:59Z", "2026-03-08T06:59:59.999Z"] {
        let after = time(after);
        assert_eq!(group.next_after(after).map(|slot| slot.at), Some(due_at), "after {after}");
        assert_eq!(group.count(after, due_at), 1, "after {after}");
        assert_eq!(group.newest(after, due_at, 1).len(), 1, "after {after}");
    }
    assert_eq!(group.count(due_at, time("2026-03-09T05:59:59Z")), 0);
    let by_the_second = rule("59 0,30 0-2 * * *", "America/Goose_Bay");
    let slots = slots(&by_the_second, "2005-04-03T04:00:00Z", 3);
    let texts: Vec<_> = slots.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(texts, ["2005-04-03T04:00:59.000Z", "2005-04-03T04:01", "2005-04-03T04:30:59.000Z"]);
}

#[test]
fn fixed_times_in_a_fold_fire_in_the_pass_asked_for() {
    let after = "2026-11-01T04:59:00Z";
    let first = rule("30 1 * * *", "America/New_York");
    assert_eq!(slots(&first, after, 2), due(&[("2026-11-01T05:30", 0), ("2026-11-02T06:30", 0)]));
    let with = |fold| Rule { dst: Dst { fold, ..Dst::default() }, ..first.clone() };
    assert_eq!(
        slots(&with(InFold::Second), after, 2),
        due(&[("2026-11-01T06:30", 1), ("2026-11-02T06:30", 0)])
    );
    assert_eq!(
        slots(&with(InFold::Both), after, 3),
        due(&[("2026-11-01T05:30", 0), ("2026-11-01T06:30", 1), ("2026-11-02T06:30", 0)])
    );
}

#[test]
fn wildcard_times_follow_elapsed_time() {
    let fall = rule("*/30 * * * *", "America/New_York");
    assert_eq!(
        slots(&fall, "2026-11-01T05:29:00Z", 4),
        due(&[
            ("2026-11-01T05:30", 0),
            ("2026-11-01T06:00", 1),
            ("2026-11-01T06:30", 1),
            ("2026-11-01T07:00", 0)
        ])
    );
    let half_hour = rule("0 * * * *", "Australia/Lord_Howe");
    // 02:00 to 02:30 is not there on 4 October 2026.
    assert_eq!(
        slots(&half_hour, "2026-10-03T14:00:00Z", 3),
        due(&[("2026-10-03T14:30", 0), ("2026-10-03T16:00", 0), ("2026-10-03T17:00", 0)])
    );
}

#[test]
fn a_whole_day_may_be_missing() {
    let noon = rule("0 12 * * *", "Pacific/Apia");
    assert_eq!(
        slots(&noon, "2011-12-29T00:00:00Z", 3),
        due(&[("2011-12-29T22:00", 0), ("2011-12-30T10:00", 0), ("2011-12-30T22:00", 0)])
    );
}

#[test]
fn a_time_that_every_year_skips_never_comes() {
    let second_sunday = Rule {
        dst: Dst { gap: InGap::Skip, ..Dst::default() },
        ..rule("30 2 8-14 3 */7", "America/New_York")
    };
    assert_eq!(second_sunday.next_after(time("2026-01-01T00:00:00Z")), None);
}

#[test]
fn the_ends_of_the_calendar_have_no_slots_beyond() {
    let daily = rule("0 0 * * *", "Europe/Zurich");
    assert_eq!(daily.next_after(Time::from_ms(i64::MAX)), None);
    assert_eq!(daily.next_after(time("9999-12-30T22:00:00Z")), None);
    assert!(daily.next_after(time("-009999-01-05T00:00:00Z")).is_some());
}

/// Every change of offset of several zones, random expressions, every setting: the same list of
/// instants as the oracle, the same count, the same newest.
#[test]
fn slots_agree_with_a_minute_by_minute_oracle() {
    let zones = [
        "America/New_York",
        "Europe/Zurich",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "Pacific/Kwajalein",
        "Asia/Pyongyang",
        "America/Caracas",
    ];
    let mut numbers = Numbers(20261121);
    let mut judged = 0u32;
    for name in zones {
        let zone = zone(name);
        let from: Timestamp = "1968-01-01T00:00:00Z".parse().expect("an instant");
        let edges: Vec<i64> =
            zone.following(from).take(160).map(|edge| edge.timestamp().as_second()).collect();
        for _ in 0..4 {
            let edge = edges[numbers.index(edges.len())];
            let night = Night::around(&zone, edge);
            let (from, until) = night.judged();
            let [from, until] = [from, until].map(|seconds| Time::from_ms(seconds * 1000));
            for _ in 0..8 {
                let expression = Expression::random(&mut numbers);
                let Ok(cron) = Cron::parse(&expression.text(), "") else { continue };
                for dst in dsts() {
                    let rule = Rule { cron, zone: zone.clone(), dst };
                    let all: Vec<_> =
                        walk(&rule, from).take_while(|slot| slot.at <= until).collect();
                    let found: Vec<_> = all.iter().map(|slot| slot.at.as_ms() / 1000).collect();
                    let about =
                        || format!("{} in {name} at {edge} with {dst:?}", expression.text());
                    assert_eq!(found, night.due(&expression, dst), "{}", about());
                    assert_eq!(rule.count(from, until), all.len() as u64, "{}", about());
                    let newest = all[all.len().saturating_sub(3)..].to_vec();
                    assert_eq!(rule.newest(from, until, 3), newest, "{}", about());
                    judged += 1;
                }
            }
        }
    }
    assert!(judged > 1_500, "only {judged} lists compared");
}

/// Any expression, any zone, any span: walking, counting and taking the newest tell of the same slots.
#[test]
fn walking_counting_and_taking_the_newest_agree() {
    let mut numbers = Numbers(4);
    let zones = ["Europe/Zurich", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"];
    let zones = zones.map(|name| (name, zone(name)));
    let fields: [&[&str]; 6] = [
        &["0", "*/30", "7,59", "*/7"],
        &["0", "*/20", "1-59/2", "30", "~"],
        &["2", "*/6", "0-3", "~", "*"],
        &["*", "L", "LW,1W", "*/2", "13", "L-3,15W", "31"],
        &["*", "2,3", "*/5"],
        &["*", "5L", "1#3,SUN", "*/3", "6-7"],
    ];
    for round in 0..400 {
        let text = fields.map(|of| of[numbers.index(of.len())]).join(" ");
        let Ok(cron) = Cron::parse(&text, &round.to_string()) else { continue };
        let (name, zone) = &zones[numbers.index(4)];
        let dst = dsts().nth(numbers.index(6)).expect("six settings");
        let rule = Rule { cron, zone: zone.clone(), dst };
        let from = Time::from_ms(1_300_000_000_123).plus_ms(1000 * numbers.below(600_000_000));
        let all: Vec<_> = walk(&rule, from).take(1 + numbers.index(300)).collect();
        let Some(last) = all.last() else { panic!("{text} in {name} is never due") };
        let about = || format!("{text} in {name} from {from} with {dst:?}");
        assert!(all.is_sorted_by(|one, next| one.at < next.at), "{}", about());
        assert_eq!(rule.count(from, last.at), all.len() as u64, "{}", about());
        let most = numbers.index(20);
        let newest = &all[all.len().saturating_sub(most)..];
        assert_eq!(rule.newest(from, last.at, most), newest, "{}", about());
        // A slot just before its own instant, and none at it.
        let before = Time::from_ms(last.at.as_ms() - 1);
        assert_eq!(rule.next_after(before), Some(*last), "{}", about());
        assert_ne!(rule.next_after(last.at), Some(*last), "{}", about());
    }
}

/// Leaping over years finds what walking them day by day finds.
#[test]
fn rare_days_are_those_a_daily_walk_finds() {
    let mut numbers = Numbers(29);
    let (from, until) = (time("2007-01-01T00:00:00Z"), time("2035-01-01T00:00:00Z"));
    for name in ["Europe/Zurich", "America/New_York", "Pacific/Apia"] {
        let daily = rule("30 2 * * *", name);
        let every_day: Vec<_> = walk(&daily, from).take_while(|slot| slot.at <= until).collect();
        for _ in 0..40 {
            let (day, month) = (1 + numbers.below(31), 1 + numbers.below(12));
            let weekday = ["*", "*/7", "*/3"][numbers.index(3)];
            let Ok(cron) = Cron::parse(&format!("30 2 {day} {month} {weekday}"), "") else {
                continue;
            };
            let rare: Vec<_> = walk(&Rule { cron, ..daily.clone() }, from)
                .take_while(|slot| slot.at <= until)
                .collect();
            let wanted = |slot: &Slot| {
                let date = slot.civil.date();
                let sunday_zero = date.weekday().to_sunday_zero_offset();
                date.day().unsigned_abs() == u8::try_from(day).expect("at most 31")
                    && date.month().unsigned_abs() == u8::try_from(month).expect("at most 12")
                    && match weekday {
                        "*/7" => sunday_zero == 0,
                        "*/3" => sunday_zero % 3 == 0,
                        _ => true,
                    }
            };
            let walked: Vec<_> = every_day.iter().copied().filter(wanted).collect();
            assert_eq!(rare, walked, "{day} {month} {weekday} in {name}");
        }
    }
}
