//! `schedule add`: what stands in the file stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::Home;

const ADD: [&str; 7] = ["schedule", "add", "new", "--cron", "*/5 2 * * *", "--goal", "Do: it"];

#[test]
fn an_entry_goes_behind_the_others_and_nothing_else_changes() {
    let before = "# mine\nschedules:\n    # first\n    - name: a   # here\n      cron: '@daily'\n      \
        mandate: {goal: g}\n    # the end\n";
    let home = Home::with(before);
    fs::set_permissions(home.file(), fs::Permissions::from_mode(0o640)).expect("it is ours");
    let said =
        home.said(&[&ADD[..], &["--zone", "Asia/Tokyo", "--files", "docs/**"]].concat(), b"");
    assert_eq!(said.exit, 0, "{}", said.err);
    let added = "    - name: new\n      cron: \"*/5 2 * * *\"\n      timezone: Asia/Tokyo\n      \
        mandate:\n        goal: \"Do: it\"\n        files:\n        - docs/**\n";
    assert_eq!(home.text(), format!("{before}{added}"));
    let file = home.file().canonicalize().expect("it is there");
    let place = format!("added `new` at {}:8; next ", file.display());
    assert!(said.out.starts_with(&place), "{}", said.out);
    assert_eq!(said.err, "no daemon runs: the next start loads it\n");
    let mode = fs::metadata(home.file()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let left = fs::read_dir(home.root().join(".kairos/config")).expect("a directory").count();
    assert_eq!(left, 3, "no copy is left behind");
}

#[test]
fn a_file_without_schedules_gets_its_list() {
    let home = Home::new();
    let template = home.text();
    let said =
        home.said(&[&ADD[..], &["--disabled", "--json", "--no-reload"]].concat(), b"").json();
    let line = template.lines().count() + 2;
    assert_eq!(said["id"], json!("new"));
    assert_eq!((&said["state"], &said["line"]), (&json!("disabled"), &json!(line)));
    assert!(home.text().starts_with(&format!("{template}schedules:\n  - name: new\n")));
    home.ok(&["schedule", "check"]);
}

#[test]
fn what_a_daemon_would_not_load_is_not_saved() {
    let before = "schedules: [{name: new, cron: '@daily', mandate: {goal: g}}]\n";
    let home = Home::with(before);
    for (ask, says) in [
        (&ADD[..], "schedule `new` stands here twice"),
        (&["schedule", "add", "x", "--cron", "5 25 * * *", "--goal", "g"], "`25` is out of range"),
        (
            &["schedule", "add", "x", "--cron", "@daily", "--goal", "g", "--zone", "X"],
            "`X` is not a",
        ),
    ] {
        let said = home.said(ask, b"");
        assert_eq!((said.exit, home.text().as_str()), (78, before), "{ask:?}");
        assert!(said.err.contains(says) && said.err.contains("nothing was saved"), "{}", said.err);
    }
    let broken = "schedules: [{name: a]\n";
    fs::write(home.file(), broken).expect("it is ours");
    let said = home.said(&ADD, b"");
    assert_eq!((said.exit, home.text().as_str()), (78, broken));
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let home = Home::new();
    let real = home.root().join("dotfiles.yml");
    fs::rename(home.file(), &real).expect("it moves");
    std::os::unix::fs::symlink(&real, home.file()).expect("a link");
    home.ok(&ADD);
    assert!(home.file().is_symlink());
    assert!(fs::read_to_string(real).expect("text").contains("name: new"));
}

#[test]
fn intervals_and_single_times_are_added_as_such() {
    let home = Home::with("schedules:\n");
    let add = |more: &[&str]| home.said(&[&["schedule", "add", "--goal", "g"], more].concat(), b"");
    assert_eq!(add(&["often", "--every", "15m"]).exit, 0);
    let said = add(&["once", "--at", "2126-12-01T09:00", "--timezone", "Asia/Tokyo"]);
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.out.ends_with("; next Sun 2126-12-01 09:00:00 +09:00\n"), "{}", said.out);
    let said = add(&["late", "--at", "2020-01-01T00:00", "--json"]);
    let told = said.json()["warnings"][0]["message"].clone();
    assert_eq!(told, json!("2020-01-01T00:00:00 is past"));
    assert_eq!(add(&["none"]).exit, 2);
    assert_eq!(add(&["both", "--every", "1h", "--cron", "@daily"]).exit, 2);
    let added = "schedules:
  - name: often
    every: 15m
    mandate:
      goal: g
  - name: once
    at: 2126-12-01T09:00
    timezone: Asia/Tokyo
    mandate:
      goal: g
";
    assert!(home.text().starts_with(added), "{}", home.text());
    assert_eq!(home.ok(&["schedule", "next", "once"]), "Sun 2126-12-01 09:00:00 +09:00\n");
}
