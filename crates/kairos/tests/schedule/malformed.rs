//! Expressions that are no rule: at every door the same words say which field, what was found, in which
//! column, and what is allowed.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Home;

const FIELDS: &str = "minute, hour, day of month, month, day of week, separated by spaces";
const MACROS: &str = "@hourly @daily @midnight @weekly @monthly @yearly @annually";
const MINUTE: &str = "*, 0-59, ranges, `A~B` for one at random, and lists of these";
const HOUR: &str = "*, 0-23, ranges, `A~B` for one at random, and lists of these";
const DAY: &str =
    "*, 1-31, `L`, `L-3`, `15W`, `LW`, ranges, `A~B` for one at random, and lists of these";
const MONTH: &str = "*, 1-12 or JAN-DEC, ranges, `A~B` for one at random, and lists of these";
const WEEKDAY: &str = "*, 0-7 or SUN-SAT (0 and 7 are Sunday), `5L`, `1#3`, ranges, `A~B` for one at random, and lists of these";
const ORDER: &str = "the smaller value first, or two ranges in a list";
const STEP: &str = "a whole number from 1";
const BACK: &str = "`L` to `L-30`, counted back from the last day";
const WHICH: &str = "`5L` for the last Friday, `1#1` to `1#5` for one Monday of the month";
const ITS_DAY: &str = "a day that one of its months has";

/// Expression, column, message, what is allowed.
#[rustfmt::skip]
const MALFORMED: [(&str, usize, &str, &str); 72] = [
    ("", 1, "0 fields where a cron expression has 5, or 6 with seconds", FIELDS),
    ("   ", 4, "0 fields where a cron expression has 5, or 6 with seconds", FIELDS),
    ("*", 2, "1 field where a cron expression has 5, or 6 with seconds", FIELDS),
    ("* * * *", 8, "4 fields where a cron expression has 5, or 6 with seconds", FIELDS),
    ("* * * * * * *", 13, "7 fields where a cron expression has 5, or 6 with seconds", FIELDS),
    ("0 9 * * 1-5 # work", 15, "7 fields where a cron expression has 5, or 6 with seconds", FIELDS),
    ("@dayly", 1, "unknown macro `@dayly`", MACROS),
    ("@", 1, "unknown macro `@`", MACROS),
    ("@every 5m", 1, "unknown macro `@every 5m`", MACROS),
    ("@daily now", 1, "unknown macro `@daily now`", MACROS),
    ("@reboot", 1, "unknown macro `@reboot`", MACROS),
    ("60 * * * *", 1, "`60` is out of range for the minute field", MINUTE),
    ("* 24 * * *", 3, "`24` is out of range for the hour field", HOUR),
    ("* * 0 * *", 5, "`0` is out of range for the day of month field", DAY),
    ("* * 32 * *", 5, "`32` is out of range for the day of month field", DAY),
    ("* * * 0 *", 7, "`0` is out of range for the month field", MONTH),
    ("* * * 13 *", 7, "`13` is out of range for the month field", MONTH),
    ("* * * * 8", 9, "`8` is out of range for the day of week field", WEEKDAY),
    ("60 * * * * *", 1, "`60` is out of range for the second field", MINUTE),
    ("99999999999999999999 * * * *", 1, "`99999999999999999999` is out of range for the minute field", MINUTE),
    ("-1 * * * *", 1, "a value is missing in the minute field", MINUTE),
    ("5- * * * *", 3, "a value is missing in the minute field", MINUTE),
    ("1.5 * * * *", 1, "`1.5` is not a value of the minute field", MINUTE),
    ("a * * * *", 1, "`a` is not a value of the minute field", MINUTE),
    ("* * * FOO *", 7, "`FOO` is not a value of the month field", MONTH),
    ("* * * * MOND", 9, "`MOND` is not a value of the day of week field", WEEKDAY),
    ("1,,2 * * * *", 3, "a value is missing in the minute field", MINUTE),
    (",1 * * * *", 1, "a value is missing in the minute field", MINUTE),
    ("1, * * * *", 3, "a value is missing in the minute field", MINUTE),
    ("1-5-7 * * * *", 3, "`5-7` is not a value of the minute field", MINUTE),
    ("*-5 * * * *", 1, "`*` is not a value of the minute field", MINUTE),
    ("** * * * *", 1, "`**` is not a value of the minute field", MINUTE),
    ("5-1 * * * *", 1, "range `5-1` in the minute field ends before it begins", ORDER),
    ("* 20-4 * * *", 3, "range `20-4` in the hour field ends before it begins", ORDER),
    ("* * * DEC-JAN *", 7, "range `DEC-JAN` in the month field ends before it begins", ORDER),
    ("*/0 * * * *", 3, "`0` is not a step in the minute field", STEP),
    ("*/x * * * *", 3, "`x` is not a step in the minute field", STEP),
    ("*/ * * * *", 3, "a step is missing in the minute field", STEP),
    ("*/-5 * * * *", 3, "`-5` is not a step in the minute field", STEP),
    ("*/5/2 * * * *", 3, "`5/2` is not a step in the minute field", STEP),
    ("5/10 * * * *", 1, "step in `5/10` of the minute field has no range to walk", "`*/10` or `5-59/10`"),
    ("* 8/2 * * *", 3, "step in `8/2` of the hour field has no range to walk", "`*/2` or `8-23/2`"),
    ("* * L-0 * *", 5, "`L-0` does not say which one of the month, in the day of month field", BACK),
    ("* * L-31 * *", 5, "`L-31` does not say which one of the month, in the day of month field", BACK),
    ("* * L-x * *", 5, "`L-x` does not say which one of the month, in the day of month field", BACK),
    ("* * 32W * *", 5, "`32` is out of range for the day of month field", DAY),
    ("* * W * *", 5, "`W` is not a value of the day of month field", DAY),
    ("* * 1-5W * *", 5, "`1-5` is not a value of the day of month field", DAY),
    ("* * * * L", 9, "`L` does not say which one of the month, in the day of week field", WHICH),
    ("* * * * 8L", 9, "`8` is out of range for the day of week field", WEEKDAY),
    ("* * * * 5#0", 9, "`5#0` does not say which one of the month, in the day of week field", WHICH),
    ("* * * * 5#6", 9, "`5#6` does not say which one of the month, in the day of week field", WHICH),
    ("* * * * #2", 9, "a value is missing in the day of week field", WEEKDAY),
    ("* * * * FRI#x", 9, "`FRI#x` does not say which one of the month, in the day of week field", WHICH),
    ("0 0 30 2 *", 5, "`30` in the day of month field is in none of its months", ITS_DAY),
    ("0 0 31 4,6,9,11 *", 5, "`31` in the day of month field is in none of its months", ITS_DAY),
    ("0 0 30-31 FEB *", 5, "`30-31` in the day of month field is in none of its months", ITS_DAY),
    ("0 0 */31 * 1#2", 12, "`*/31` in the day of month field and `1#2` in the day of week field never fall together", "days that both fields name"),
    ("~60 * * * *", 2, "`60` is out of range for the minute field", MINUTE),
    ("30~10 * * * *", 1, "range `30~10` in the minute field ends before it begins", ORDER),
    ("*~5 * * * *", 1, "`*` is not a value of the minute field", MINUTE),
    ("5~x * * * *", 3, "`x` is not a value of the minute field", MINUTE),
    ("٣ * * * *", 1, "`٣` is not a value of the minute field", MINUTE),
    ("* * * * ＊", 9, "`＊` is not a value of the day of week field", WEEKDAY),
    ("TZ=UTC 0 9 * * *", 1, "`TZ=UTC` is not a value of the second field", MINUTE),
    ("0 9 * * lundi", 9, "`lundi` is not a value of the day of week field", WEEKDAY),
    ("0 0 29W 2 */2#5", 11, "`*/2` is not a value of the day of week field", WEEKDAY),
    ("?/0 * * * *", 3, "`0` is not a step in the minute field", STEP),
    ("0 9 * * 1-5,", 13, "a value is missing in the day of week field", WEEKDAY),
    ("*/99999999999 * * * *", 3, "`99999999999` is not a step in the minute field", STEP),
    ("0 9 1 JANUARY *", 7, "`JANUARY` is not a value of the month field", MONTH),
    ("0 24:00 * * *", 3, "`24:00` is not a value of the hour field", HOUR),
];

#[test]
fn an_option_says_what_is_wrong() {
    let home = Home::new();
    for (text, column, message, allowed) in MALFORMED {
        let said = home.said(&["schedule", "next", "--cron", text], b"");
        let expected = format!("error: {message}, at column {column}\nhint: allowed: {allowed}\n");
        assert_eq!((said.exit, said.out, said.err), (2, String::new(), expected), "{text:?}");
    }
}

/// The column of a place in an expression that stands behind so many characters and a quote; of one
/// without a character, that of its quote.
fn place(before: usize, text: &str, column: usize) -> usize {
    if text.is_empty() { before } else { before + column }
}

#[test]
fn a_file_says_what_is_wrong_on_each_line() {
    let mut file = "schedules:\n".to_owned();
    let mut expected = Vec::new();
    for (n, (text, column, message, allowed)) in MALFORMED.into_iter().enumerate() {
        let before = format!("  - {{name: n{n}, cron: \"");
        writeln!(file, "{before}{text}\", mandate: {{goal: g}}}}").expect("text");
        let column = place(before.chars().count(), text, column);
        expected.push(json!([n + 2, column, message, format!("allowed: {allowed}")]));
    }
    let home = Home::with(&file);
    for ask in [&["schedule", "check", "--json"][..], &["config", "check", "--json"]] {
        let report = home.said(ask, b"").json();
        let rows =
            report.get("errors").or_else(|| report.get("problems")).and_then(Value::as_array);
        let row = |row: &Value| json!([row["line"], row["column"], row["message"], row["hint"]]);
        assert_eq!(rows.expect("a list").iter().map(row).collect::<Vec<_>>(), expected, "{ask:?}");
    }
}

#[test]
fn what_is_to_be_added_says_what_is_wrong() {
    let home = Home::with("schedules:\n");
    for (text, column, message, allowed) in MALFORMED {
        let ask = ["schedule", "add", "n", "--goal", "g", "--json", "--cron", text];
        let said = home.said(&ask, b"");
        let column = place("    cron: \"".len(), text, column);
        let told = said.error()["detail"].as_str().expect("words").to_owned();
        let end = format!("schedules.yml:3:{column}: {message} (allowed: {allowed})");
        assert!(told.ends_with(&end), "{text:?}: {told}");
        assert_eq!((said.exit, home.text().as_str()), (78, "schedules:\n"), "{text:?}");
    }
}

/// Whether a crontab's line that begins so has this text, and all of it, for its rule.
fn stands_in_a_crontab(text: &str) -> bool {
    let words = text.split_whitespace().count();
    let is_macro = text.starts_with('@') && words == 1;
    (words == 5 || is_macro) && !text.starts_with('-') && !text.contains('#') && text != "@reboot"
}

#[test]
fn a_crontab_says_what_is_wrong_on_each_line() {
    let home = Home::new();
    let rows: Vec<_> = MALFORMED.into_iter().filter(|row| stands_in_a_crontab(row.0)).collect();
    assert!(rows.len() > 40, "{}", rows.len());
    let text: String = rows.iter().map(|row| format!(" \t{} /bin/true\n", row.0)).collect();
    let ask = ["schedule", "import", "crontab", "-", "--user", "--json"];
    let report = home.said(&ask, text.as_bytes()).json();
    let row = |row: &Value| json!([row["line"], row["column"], row["reason"], row["hint"]]);
    let told: Vec<_> = report["refused"].as_array().expect("a list").iter().map(row).collect();
    let expected = rows.iter().enumerate().map(|(n, (_, column, message, allowed))| {
        json!([n + 1, column + 2, message, format!("allowed: {allowed}")])
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
}
