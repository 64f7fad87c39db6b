//! `schedule next`: slots to come, and changes of the clock beside them.

use super::Home;

fn next(arguments: &[&str]) -> String {
    Home::new().ok(&[&["schedule", "next"], arguments].concat())
}

#[test]
fn a_slot_that_a_gap_swallowed_says_that_it_runs_right_after() {
    let ask = ["--cron", "30 2 * * *", "--zone", "Europe/Zurich", "--after"];
    let shown = next(&[&ask[..], &["2027-03-27T00:00:00Z", "-n", "3"]].concat());
    let expected = "Sat 2027-03-27 02:30:00 +01:00\n\
        Sun 2027-03-28 03:00:00 +02:00  (the clock goes forward from 02:00 to 03:00: 02:30 runs right after the gap)\n\
        Mon 2027-03-29 02:30:00 +02:00\n";
    assert_eq!(shown, expected);
}

#[test]
fn a_slot_that_a_fold_repeats_says_which_time_it_is() {
    let ask = ["--zone", "Europe/Zurich", "--after", "2027-10-30T12:00:00Z", "-n"];
    let shown = next(&[&["--cron", "30 2 * * *"], &ask[..], &["1"]].concat());
    let back = "the clock goes back from 03:00 to 02:00";
    let first = format!("Sun 2027-10-31 02:30:00 +02:00  ({back}: 02:30 the first time)\n");
    assert_eq!(shown, first);
    let shown = next(&[&["--cron", "30 */2 * * *"], &ask[..], &["20"]].concat());
    let second = format!("Sun 2027-10-31 02:30:00 +01:00  ({back}: 02:30 the second time)");
    assert!(shown.contains(&second), "{shown}");
    assert!(shown.contains(&format!("04:30:00 +01:00  ({back})\n")), "{shown}");
    assert!(shown.contains("Mon 2027-11-01 00:30:00 +01:00\n"), "{shown}");
}

#[test]
fn what_a_gap_takes_away_is_told_between_the_slots() {
    let ask = ["--cron", "*/30 2 * * *", "--zone", "Europe/Zurich", "-n", "2", "--after"];
    let shown = next(&[&ask[..], &["2027-03-27T01:15:00Z"]].concat());
    let expected = "Sat 2027-03-27 02:30:00 +01:00\n    \
        (on 2027-03-28 the clock goes from 02:00 to 03:00: 02:00 is not there and nothing makes up for it)\n\
        Mon 2027-03-29 02:00:00 +02:00\n";
    assert_eq!(shown, expected);
}

#[test]
fn after_takes_what_the_schedules_clock_shows() {
    let ask = ["--cron", "0 9 * * *", "--zone", "Europe/Zurich", "-n", "1", "--after"];
    let shown = next(&[&ask[..], &["2026-12-01T09:00"]].concat());
    assert_eq!(shown, "Wed 2026-12-02 09:00:00 +01:00\n");
    assert_eq!(next(&[&ask[..], &["2026-12-01T08:00:00Z"]].concat()), shown);
    let said = Home::new().said(&[&["schedule", "next"], &ask[..], &["tomorrow"]].concat(), b"");
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("`tomorrow` is neither an instant nor a date"), "{}", said.err);
}

#[test]
fn an_expression_that_may_not_mean_what_it_says_is_warned_of() {
    let said = Home::new().said(&["schedule", "next", "--cron", "*/61 * * * *", "-n", "1"], b"");
    assert_eq!(said.exit, 0, "{}", said.err);
    let warning = "warning: the step in `*/61` of the minute field is wider than its range\nhint: ";
    assert!(said.err.starts_with(warning), "{}", said.err);
}

#[test]
fn json_has_the_instants_and_nothing_beside_them() {
    let ask = ["--cron", "30 2 * * *", "--zone", "Europe/Zurich", "-n", "1", "--json", "--after"];
    let shown = next(&[&ask[..], &["2027-03-27T12:00:00Z"]].concat());
    assert_eq!(shown, "{\"slots\":[\"2027-03-28T01:00:00Z\"]}\n");
}

#[test]
fn a_random_value_is_that_of_the_schedules_name() {
    let entry = "{name: nightly, cron: '~ ~ * * *', mandate: {goal: g}}";
    let home = Home::with(&format!("schedules: [{entry}]\n"));
    let ask = ["schedule", "next", "--after", "2027-01-01T00:00:00Z", "-n", "3"];
    let of_file = home.ok(&[&ask[..], &["nightly"]].concat());
    let cron = [&ask[..], &["--cron", "~ ~ * * *"]].concat();
    let named = home.said(&[&cron[..], &["--name", "nightly"]].concat(), b"");
    assert_eq!((named.out, named.err), (of_file.clone(), String::new()));
    let of_none = home.said(&cron, b"");
    assert_ne!(of_none.out, of_file);
    let note = "note: a schedule's name picks what `~` stands for; this is of no name\n\
        hint: `--name NAME` shows the slots that a schedule of that name has\n";
    assert_eq!(of_none.err, note);
}

#[test]
fn what_will_not_be_so_is_said_beside_the_slots() {
    let off = "{name: off, cron: '@daily', enabled: false, mandate: {goal: g}}";
    let new = "{name: new, every: 1h, mandate: {goal: g}}";
    let home = Home::with(&format!("schedules: [{off}, {new}]\n"));
    let said = home.said(&["schedule", "next", "off", "-n", "2"], b"");
    let note = "note: `enabled: false` stands there: it fires at none of these\n";
    assert_eq!((said.exit, said.out.lines().count(), said.err.as_str()), (0, 2, note));
    let said = home.said(&["schedule", "next", "new"], b"");
    let note = "note: as if it were loaded now: an interval is counted from then\n";
    assert!(said.exit == 0 && said.err.ends_with(note), "{}", said.err);
}

#[test]
fn a_count_out_of_bounds_is_wrong_usage() {
    for count in ["0", "1001", "-1", "x"] {
        let ask = ["schedule", "next", "--cron", "@daily", "-n", count];
        assert_eq!(Home::new().said(&ask, b"").exit, 2, "{count}");
    }
    let shown = next(&["--cron", "@daily", "-n", "1000"]);
    assert_eq!(shown.lines().count(), 1000);
}
