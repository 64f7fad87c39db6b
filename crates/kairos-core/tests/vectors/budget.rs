//! `budget.json`: a day's calls and tokens, as a state file and a list of operations.
//!
//! The predecessor's file becomes a [`Budget`] here; reading it for good comes with the import.

use jiff::tz::Offset;
use kairos_core::budget::{Amounts, Budget, Caps};
use kairos_core::time::Time;
use serde_json::{Value, json};

use crate::harness::{Outcome, Rule, run};

static DAMAGED_FILE: Rule = Rule {
    id: "DAE-6",
    reason: "a damaged state file began the day afresh; damage is refused, never taken for zero",
};

#[test]
fn budget() {
    run("budget.json", check);
}

fn check(case: &Value) -> Outcome {
    let input = &case["input"];
    let caps = Caps { calls: input["limit"].as_u64(), ..Caps::default() };
    let mut now: Time = input["start"].as_str().and_then(|t| t.parse().ok()).expect("an instant");
    let file = input["file"].as_str().map(recorded_state);
    let damaged = matches!(file, Some(None));
    let mut budget = file.flatten().unwrap_or_default();
    // A file without a date speaks of today.
    budget.day = budget.day.or(Some(day(now)));
    budget.roll(day(now));
    let row = |budget: &Budget| {
        let day = budget.day.map(|day| day.to_string());
        json!({ "day": day, "calls": budget.used.calls, "tokens": budget.used.tokens })
    };
    let mut ours = Vec::new();
    for op in input["ops"].as_array().expect("operations") {
        let number = |key: &str| op[key].as_u64().expect("a number");
        ours.push(match op["op"].as_str() {
            Some("usage") => {
                let tokens = number("input_tokens") + number("output_tokens");
                let used = Amounts { calls: number("calls"), tokens, usd_micros: 0 };
                budget.hold(used);
                budget.settle(used, used);
                row(&budget)
            }
            Some("advance") => {
                now = now.plus_ms(number("seconds") * 1000);
                Value::Null
            }
            Some("reset_if_new_day") => budget.roll(day(now)).into(),
            Some("exceeded") => {
                let one_call = Amounts { calls: 1, ..Amounts::default() };
                budget.fits(&caps, one_call).is_err().into()
            }
            // What is recorded by an event needs no saving.
            Some("save") => row(&budget),
            other => panic!("unknown operation {other:?}"),
        });
    }
    let mut recorded = case["expected"]["results"].clone();
    recorded.as_array_mut().expect("results").iter_mut().for_each(narrow);
    ours.push(row(&budget));
    let mut data = case["expected"]["data"].clone();
    narrow(&mut data);
    recorded.as_array_mut().expect("results").push(data);
    match Outcome::equal(&Value::from(ours), &recorded) {
        Outcome::Pass if damaged => Outcome::Deviation(&DAMAGED_FILE),
        outcome => outcome,
    }
}

fn day(now: Time) -> jiff::civil::Date {
    Offset::UTC.to_datetime(now.timestamp()).date()
}

/// What an import would make of the file; none if it is damaged.
fn recorded_state(text: &str) -> Option<Budget> {
    let file: Value = serde_json::from_str(text).ok()?;
    let fields = file.as_object()?;
    let number = |key: &str| match fields.get(key) {
        None => Some(0),
        // A number in quotes is one for the predecessor too.
        Some(value) => value.as_u64().or_else(|| value.as_str()?.parse().ok()),
    };
    let day = match fields.get("date") {
        None => None,
        Some(date) => Some(date.as_str()?.parse().ok()?),
    };
    let tokens = number("input_tokens")? + number("output_tokens")?;
    let used = Amounts { calls: number("llm_calls")?, tokens, usd_micros: 0 };
    Some(Budget { day, used, held: Amounts::default() })
}

/// Reduces a recorded row to what a budget holds: tokens have one cap, so one number, and the limit
/// stands in the configuration.
fn narrow(row: &mut Value) {
    let Some(date) = row.get("date").cloned() else { return };
    let number = |key: &str| row[key].as_u64().expect("a number");
    *row = json!({
        "day": date,
        "calls": number("llm_calls"),
        "tokens": number("input_tokens") + number("output_tokens"),
    });
}
