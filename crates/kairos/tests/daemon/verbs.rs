//! Schedules in the hands of a person, with a daemon: add, fire and watch, list, history, edit.

use serde_json::{Value, json};

use crate::home::Home;

const ENTRY: &str = "schedules:
  - {name: plan, cron: '0 9 1 7 *', timezone: Asia/Tokyo, mandate: {goal: nothing}}
";

/// A workspace whose model says at once that there is nothing to do.
fn home() -> Home {
    let home = Home::new();
    home.write(".kairos/config/daemon.yml", "model: {provider: playbook, file: playbook.yml}\n");
    let answers = "answers:
  - {phase: orient, answer: {summary: s, priorities: [], risk_level: low}}
  - {phase: decide, answer: {status: done, reason: r, steps: []}}
  - {phase: reflect, answer: {assessment: success, lessons: [], confidence: 1.0}}
";
    home.write("playbook.yml", answers);
    home.write(".kairos/config/schedules.yml", ENTRY);
    home
}

fn said(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = home.kairos(arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_fire_can_be_watched_to_its_end_and_is_history_then() {
    let home = home();
    let daemon = home.daemon();
    let (exit, told, err) = said(&home, &["schedule", "fire", "plan", "--follow"]);
    assert_eq!(exit, Some(0), "{told}{err}");
    assert!(told.contains("orient") && err.contains("finished: unchanged"), "{told}{err}");
    let fired = home.json(&["schedule", "fire", "plan", "--wait"]);
    assert_eq!(fired["outcome"], "unchanged");
    let history = home.json(&["schedule", "history", "plan"]);
    let slots = history["slots"].as_array().expect("a list");
    let shown =
        |slot: &Value| json!([slot["state"], slot["civil"], slot["count"], slot["outcome"]]);
    let expected = json!(["fired", null, 1, "unchanged"]);
    assert_eq!(slots.iter().map(shown).collect::<Vec<_>>(), [expected.clone(), expected]);
    assert_eq!(slots[0]["mandate_id"], fired["id"]);
    assert!(slots[0]["by"].as_str().is_some_and(|by| by.starts_with("user:")), "{history}");
    let newest = home.json(&["schedule", "history", "plan", "-n", "1"]);
    assert_eq!(newest["slots"], json!([slots[0]]));
    let from = (slots[0]["seq"].as_u64().expect("a position") + 1).to_string();
    assert_eq!(home.json(&["schedule", "history", "plan", "--from", &from])["slots"], json!([]));
    let listed = home.json(&["schedule", "list"])["schedules"][0]["last"].clone();
    assert_eq!(json!([listed["state"], listed["outcome"]]), json!(["fired", "unchanged"]));
    drop(daemon);
    let (exit, table, err) = said(&home, &["schedule", "history", "plan"]);
    assert_eq!((exit, err.starts_with("no daemon: as of seq ")), (Some(0), true), "{err}");
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("+09:00  fired") && table.contains("  unchanged  user:"), "{table}");
    let (exit, _, err) = said(&home, &["schedule", "history", "other"]);
    assert_eq!((exit, err.contains("no schedule is called `other`")), (Some(1), true), "{err}");
}

#[test]
fn what_is_added_or_edited_counts_at_once_where_a_daemon_runs() {
    let home = home();
    let _daemon = home.daemon();
    let names = || {
        let listed = home.json(&["schedule", "list", "--by", "next"]);
        let all = listed["schedules"].as_array().expect("a list").clone();
        all.iter().map(|schedule| schedule["name"].clone()).collect::<Vec<_>>()
    };
    let add = ["schedule", "add", "tick", "--cron", "* * * * *", "--goal", "g"];
    let (exit, _, err) = said(&home, &[&add[..], &["--no-reload"]].concat());
    assert_eq!(
        (exit, err.as_str()),
        (Some(0), "the next start or reload of the daemon loads it\n")
    );
    assert_eq!(names(), ["plan"]);
    let (exit, _, err) =
        said(&home, &["schedule", "add", "off", "--cron", "@daily", "--goal", "g", "--disabled"]);
    assert_eq!((exit, err.as_str()), (Some(0), "the daemon has loaded it\n"));
    assert_eq!(names(), ["tick", "plan", "off"]);
    let mut edit = home.command(&["schedule", "edit"]);
    let edited = edit.env("EDITOR", "sed -i '/off/,$d'").output().expect("kairos ends");
    let err = String::from_utf8(edited.stderr).expect("text");
    assert_eq!((edited.status.code(), err.as_str()), (Some(0), "the daemon has loaded it\n"));
    assert_eq!(names(), ["tick", "plan"]);
}

#[test]
fn what_a_daemon_will_not_load_is_saved_and_told() {
    let home = home();
    let _daemon = home.daemon();
    // The file of schedules holds; another one does not any more.
    home.write(".kairos/config/daemon.yml", "max_runing: 2\n");
    let (exit, _, err) = said(&home, &["schedule", "add", "x", "--cron", "@daily", "--goal", "g"]);
    assert_ne!(exit, Some(0));
    assert!(err.starts_with("it is saved, and the daemon has not loaded it\n"), "{err}");
    assert!(err.contains("max_runing"), "{err}");
    assert!(home.read(".kairos/config/schedules.yml").contains("name: x"));
}

#[test]
fn a_pause_holds_over_a_restart_and_asking_twice_changes_nothing() {
    let home = home();
    let daemon = home.daemon();
    let paused = home.json(&["schedule", "pause", "plan"]);
    let by = paused["paused"]["by"].as_str().expect("a person").to_owned();
    assert_eq!((&paused["state"], by.starts_with("user:")), (&json!("paused"), true));
    assert_eq!(home.json(&["schedule", "pause", "plan"]), paused);
    drop(daemon);
    let listed = home.ok(&["schedule", "list"]);
    let row = listed.lines().nth(1).expect("a schedule");
    assert!(row.contains("paused since ") && row.contains(&format!(": by {by}")), "{listed}");
    let _daemon = home.daemon();
    let goes_on = home.ok(&["schedule", "resume", "plan"]);
    assert!(goes_on.starts_with("plan: goes on; next "), "{goes_on}");
    assert_eq!(home.ok(&["schedule", "resume", "plan"]), goes_on);
    let (exit, _, err) = said(&home, &["schedule", "pause", "other"]);
    assert_eq!((exit, err.starts_with("error: no schedule `other`\n")), (Some(1), true), "{err}");
}

#[test]
fn a_named_slot_is_fired_again_once_and_by_a_person() {
    let home = home();
    let _daemon = home.daemon();
    let fire = |more: &[&str]| said(&home, &[&["schedule", "fire", "plan"], more].concat());
    let (exit, first, err) = fire(&["--slot", "2026-07-01T09:00", "--wait", "--json"]);
    let first: Value = serde_json::from_str(&first).unwrap_or_else(|e| panic!("{e}: {err}"));
    assert_eq!((exit, &first["outcome"]), (Some(0), &json!("unchanged")), "{err}");
    let id = first["id"].as_str().expect("an id");
    let (exit, again, err) = fire(&["--slot", "2026-07-01T00:00:00Z"]);
    assert_eq!((exit, again.trim()), (Some(0), id), "{err}");
    assert!(err.starts_with(&format!("it was fired so before, and made {id} then\n")), "{err}");
    let slots = home.json(&["schedule", "history", "plan"])["slots"].clone();
    let slot = &slots[0];
    let shown =
        json!([slots.as_array().map(Vec::len), slot["civil"], slot["at"], slot["mandate_id"]]);
    assert_eq!(shown, json!([1, "2026-07-01T09:00:00", "2026-07-01T00:00:00.000Z", id]));
    assert!(slot["by"].as_str().is_some_and(|by| by.starts_with("user:")), "{slot}");
    for (slot, exit, says) in [
        (
            "2026-07-02T09:00",
            1,
            "error: `2026-07-02T09:00` is no slot of this schedule\n  \
             could be: 2026-07-01T09:00:00 (2026-07-01T00:00:00.000Z)\n  \
             could be: 2027-07-01T09:00:00 (2027-07-01T00:00:00.000Z)\n",
        ),
        ("2127-07-01T09:00", 1, "error: the slot `2127-07-01T09:00` is still to come\n"),
        ("noon", 2, "error: `noon` is neither an instant nor a date with a time of day\n"),
    ] {
        let (code, out, err) = fire(&["--slot", slot]);
        assert_eq!((code, out.as_str()), (Some(exit), ""), "{slot}: {err}");
        assert!(err.starts_with(says), "{slot}: {err}");
    }
}

#[test]
fn an_interval_is_shown_as_it_is_counted_and_another_one_as_if_it_began_now() {
    let home = home();
    let write = |name: &str, every: &str| {
        let entry = format!("{{name: {name}, id: beat, every: {every}, mandate: {{goal: g}}}}");
        home.write(".kairos/config/schedules.yml", &format!("schedules: [{entry}]\n"));
    };
    write("beat", "1h");
    let _daemon = home.daemon();
    let listed = home.json(&["schedule", "list"])["schedules"][0]["next"].clone();
    let listed = listed.as_str().expect("it is due").replace(".000Z", "Z");
    let next = |name: &str| said(&home, &["schedule", "next", name, "-n", "1", "--json"]);
    let counted = (Some(0), format!("{{\"slots\":[\"{listed}\"]}}\n"), String::new());
    assert_eq!(next("beat"), counted);
    write("pulse", "1h");
    assert_eq!(next("pulse"), counted, "it is the same over time");
    write("pulse", "7s");
    let (exit, _, err) = next("pulse");
    let note = "note: as if it were loaded now: an interval is counted from then\n";
    assert_eq!((exit, err.as_str()), (Some(0), note));
}

#[test]
fn a_key_that_somebody_chose_is_never_that_of_a_slot() {
    let home = home();
    let _daemon = home.daemon();
    let key = "manual plan 2026-07-01T09:00:00 0";
    let fire = |more: &[&str]| said(&home, &[&["schedule", "fire", "plan"], more].concat());
    let (exit, chosen, err) = fire(&["--idempotency-key", key, "--wait"]);
    assert_eq!(exit, Some(0), "{chosen}{err}");
    let (exit, slot, err) = fire(&["--slot", "2026-07-01T09:00"]);
    assert_eq!(exit, Some(0), "{slot}{err}");
}
