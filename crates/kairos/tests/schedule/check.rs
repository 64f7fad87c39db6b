//! `schedule check`: errors and warnings apart, each with its place.

use serde_json::{Value, json};

use super::Home;

/// Line, column and message of each.
fn told(rows: &Value) -> Vec<Value> {
    let rows = rows.as_array().expect("a list");
    rows.iter().map(|row| json!([row["line"], row["column"], row["message"]])).collect()
}

const WARNED: &str = "schedules:
  - {name: a, cron: '0 9 010 * *', mandate: {goal: g}}
  - {name: b, cron: '*/90 * * * *', mandate: {goal: g}}
  - {name: c, cron: '30 2 * * *', timezone: Europe/Zurich, mandate: {goal: g}}
";

#[test]
fn warnings_alone_leave_exit_0() {
    let home = Home::with(WARNED);
    let said = home.said(&["schedule", "check", "--json"], b"");
    let report = said.json();
    assert_eq!((said.exit, &report["errors"]), (0, &json!([])));
    let warnings = told(&report["warnings"]);
    let places: Vec<_> = warnings.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(places, [(2, 26), (3, 22), (4, 21), (4, 21)].map(|(l, c)| (json!(l), json!(c))));
    let words: Vec<_> = warnings.iter().filter_map(|row| row[2].as_str()).collect();
    assert!(words[0].contains("octal") && words[1].contains("wider than its range"), "{words:?}");
    assert!(words[2].contains("02:30 fires once, at 03:00"), "{words:?}");
    assert!(words[3].contains("02:30 fires the first time only"), "{words:?}");
    let said = home.said(&["schedule", "check"], b"");
    let file = home.file().canonicalize().expect("it is there");
    assert_eq!(said.out, format!("{}: ok, 3 schedules, 4 warnings\n", file.display()));
}

#[test]
fn one_error_is_exit_1_and_all_are_told() {
    let home = Home::new();
    let wrong =
        "schedules:\n  - {name: a, cron: '60 * * * *', timezone: Mars/Base}\n  - {name: b}\n";
    std::fs::write(home.root().join("draft.yml"), wrong).expect("it is written");
    let said = home.said(&["schedule", "check", "draft.yml", "--json"], b"");
    assert_eq!(said.exit, 1);
    let errors = told(&said.json()["errors"]);
    assert_eq!(errors[0], json!([2, 22, "`60` is out of range for the minute field"]));
    assert_eq!(errors[1], json!([2, 45, "`Mars/Base` is not a time zone"]));
    assert_eq!(errors[2][0], json!(3));
    assert_eq!(errors.len(), 3);
    let said = home.said(&["schedule", "check", "draft.yml"], b"");
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    assert!(said.err.ends_with("draft.yml: 3 errors, 2 warnings\n"), "{}", said.err);
}

#[test]
fn a_missing_file_is_wrong_only_when_it_was_named() {
    let home = Home::new();
    std::fs::remove_file(home.file()).expect("it was there");
    assert_eq!(home.said(&["schedule", "check"], b"").exit, 0);
    let said = home.said(&["schedule", "check", "other.yml"], b"");
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("other.yml: no such file"), "{}", said.err);
}
