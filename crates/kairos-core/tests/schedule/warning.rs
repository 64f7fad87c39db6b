use kairos_core::schedule::{Dst, Field, InFold, InGap, Rule, Warning};

use super::zone::{rule, time};

fn octal(found: &str, column: usize, there: u32) -> Warning {
    Warning::Octal { found: found.into(), column, there }
}

#[test]
fn every_other_reading_of_the_predecessor_is_told() {
    let either = |found: &str| Warning::EitherDay { found: found.into(), column: 5 };
    let both = |found: &str| Warning::BothDays { found: found.into(), column: 5 };
    let cases: [(&str, Vec<Warning>); 21] = [
        ("0 0 */2 * 1", vec![both("*/2")]),
        ("0 0 13 * */2", vec![both("13")]),
        ("0 0 */2 * */2", vec![both("*/2")]),
        ("0 0 1-31 * 1", vec![either("1-31")]),
        ("0 0 13 * 0-6", vec![either("13")]),
        ("0 0 1-15,16-31 * 0,1,2", vec![either("1-15,16-31")]),
        ("0 0 1-30 * 1", vec![]),
        ("0 0 */1 * 1", vec![]),
        ("0 0 13 * */1", vec![]),
        ("0 0 1-31 * 0-6", vec![]),
        ("0 0 13 * 5", vec![]),
        ("010 0 * * *", vec![octal("010", 1, 8)]),
        ("0 5,017 * * *", vec![octal("017", 5, 15)]),
        ("0 0 010 * */2", vec![octal("010", 5, 8), both("010")]),
        // The same number either way, or no expression there.
        ("07 00 * * *", vec![]),
        ("08 0 * * *", vec![]),
        ("0 0 1-31 * MON", vec![]),
        ("0 0 1-31 * 7", vec![]),
        ("0 0 1-31 * 1#1", vec![]),
        ("0 0 0 1-31 * 1", vec![]),
        ("@daily", vec![]),
    ];
    for (text, warnings) in cases {
        assert_eq!(Warning::of_expression(text), warnings, "{text}");
    }
}

#[test]
fn steps_that_reach_nothing_are_told() {
    let wide =
        |field, found: &str, column| Warning::WideStep { field, found: found.into(), column };
    let cases = [
        ("*/61 * * * *", vec![wide(Field::Minute, "*/61", 1)]),
        ("*/60 */24 * * *", vec![wide(Field::Minute, "*/60", 1), wide(Field::Hour, "*/24", 6)]),
        ("5,10-12/3 0 * * *", vec![wide(Field::Minute, "10-12/3", 3)]),
        ("*/90 0 0 * * *", vec![wide(Field::Second, "*/90", 1)]),
        ("0 0 * */12 *", vec![wide(Field::Month, "*/12", 7)]),
        ("*/59 */23 * */11 */6", vec![]),
        ("0 0 */30 * *", vec![]),
        ("*/45 0 L-3,15W * 5L", vec![]),
    ];
    for (text, warnings) in cases {
        assert_eq!(Warning::of_expression(text), warnings, "{text}");
    }
}

fn told(rule: &Rule) -> Vec<String> {
    let warnings = Warning::of_next_year(rule, time("2026-11-21T08:00:00Z"));
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn slots_that_meet_a_change_of_the_clock_within_a_year_are_told() {
    let gap = rule("30 2 * * *", "Europe/Zurich");
    let in_gap = "on 2027-03-28 the clock goes from 02:00 to 03:00: 02:30 fires once, at 03:00";
    let in_fold = "on 2027-10-31 the clock goes back from 03:00 to 02:00: 02:30 fires the first \
                   time only";
    assert_eq!(told(&gap), [in_gap, in_fold]);
    let other = Rule { dst: Dst { gap: InGap::Skip, fold: InFold::Both }, ..gap };
    assert_eq!(
        told(&other),
        [
            "on 2027-03-28 the clock goes from 02:00 to 03:00: 02:30 does not fire",
            "on 2027-10-31 the clock goes back from 03:00 to 02:00: 02:30 fires twice"
        ]
    );
    assert_eq!(
        told(&rule("*/30 2 * * *", "Europe/Zurich")),
        [
            "on 2027-03-28 the clock goes from 02:00 to 03:00: 02:00 is not there and nothing \
             makes up for it",
            "on 2027-10-31 the clock goes back from 03:00 to 02:00: 02:00 fires twice"
        ]
    );
    // Only on days, and only in hours, that the change is in.
    for quiet in ["0 9 * * *", "30 2 * * 1-5", "30 2 1 * *", "*/5 * * * *", "0 * * * *"] {
        assert_eq!(told(&rule(quiet, "Europe/Zurich")), [""; 0], "{quiet}");
    }
    assert_eq!(told(&rule("30 2 * * *", "UTC")), [""; 0]);
    assert_eq!(told(&rule("0 * * * *", "Australia/Lord_Howe")).len(), 1);
}

#[test]
fn a_rule_that_is_never_due_is_told() {
    let skip = Dst { gap: InGap::Skip, ..Dst::default() };
    let never = Rule { dst: skip, ..rule("30 2 8-14 3 */7", "America/New_York") };
    let last = Warning::of_next_year(&never, time("2026-11-21T08:00:00Z")).pop();
    assert_eq!(last, Some(Warning::NeverDue));
}
