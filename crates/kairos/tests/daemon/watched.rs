//! Files that schedules watch: each change is one slot, whenever it came.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::{Ended, Home, Model, count, follow, ready};
use crate::lifecycle::{lines, logged};

const GLOB: &str = "inbox/**";

fn home(model: &Model) -> Home {
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    home.write(
        ".kairos/config/schedules.yml",
        &format!(
            "schedules:\n- name: inbox\n  trigger: {{path: \"{GLOB}\", settle: 1s}}\n  \
             mandate: {{goal: look at what came in, files: [\"{GLOB}\"], max_cycles: 1}}\n"
        ),
    );
    home
}

/// The slots when there are so many: `fired`, or why not, with what each is called.
fn slots(home: &Home, n: usize) -> Vec<(String, String)> {
    let mut slots = Vec::new();
    follow(home, |event| {
        if event["type"] == "slot" {
            assert_eq!(json!([event["civil"], event["by"]]), json!([null, null]), "{event}");
            let fate = event["reason"].as_str().or(event["state"].as_str()).expect("a fate");
            let files = event["files"].as_str().expect("a digest");
            slots.push((fate.to_owned(), files.to_owned()));
        }
        slots.len() == n
    });
    slots
}

fn fates(slots: &[(String, String)]) -> Vec<&str> {
    slots.iter().map(|(fate, _)| fate.as_str()).collect()
}

fn kill(mut daemon: Ended) {
    kill_process(Pid::from_child(&daemon.0), Signal::KILL).expect("it is there");
    daemon.0.wait().expect("it ends");
}

#[test]
fn a_change_is_one_slot_also_when_it_came_while_nothing_ran() {
    let model = Model::start(&[]);
    let home = home(&model);
    let daemon = home.daemon();
    home.write("inbox/deep/a.md", "one");
    let first = slots(&home, 1);
    follow(&home, |event| event["type"] == "mandate_finished");
    kill(daemon);
    home.write("inbox/deep/a.md", "two");
    kill(home.daemon());
    let daemon = home.daemon();
    let second = slots(&home, 2);
    kill(daemon);
    // What was seen is no change after another start; what comes then is the next.
    let _daemon = home.daemon();
    home.write("inbox/b.md", "three");
    let third = slots(&home, 3);
    assert_eq!(fates(&third), ["fired"; 3]);
    assert_eq!((&third[..1], &third[..2]), (&first[..], &second[..]));
    assert!(third[0].1 != third[1].1 && third[1].1 != third[2].1, "{third:?}");
    let history = home.ok(&["schedule", "history", "inbox"]);
    assert!(history.contains(&format!("({})", &third[2].1[..8])), "{history}");
    let list = home.ok(&["schedule", "list"]);
    assert!(list.contains("path inbox/**") && list.contains("when files change"), "{list}");
    let next = home.kairos(&["schedule", "next", "inbox"]);
    let said = String::from_utf8_lossy(&next.stderr).into_owned();
    assert!(said.contains("no clock makes it due"), "{said}");
}

#[test]
fn what_is_gone_and_what_comes_in_a_pause_is_a_slot_that_does_not_fire() {
    let model = Model::start(&[]);
    let home = home(&model);
    let _daemon = home.daemon();
    home.write("inbox/a", "one");
    slots(&home, 1);
    let removed = Instant::now();
    std::fs::remove_file(home.root().join("inbox/a")).expect("it was there");
    slots(&home, 2);
    // It was looked at a moment before, and would be again after ten seconds.
    assert!(removed.elapsed() < Duration::from_secs(8), "the system told of it");
    home.ok(&["schedule", "pause", "inbox"]);
    home.write("inbox/a", "two");
    slots(&home, 3);
    home.ok(&["schedule", "resume", "inbox"]);
    home.write("inbox/a", "one");
    let all = slots(&home, 4);
    assert_eq!(fates(&all), ["fired", "no_files", "paused", "fired"]);
    assert_eq!(all[0].1, all[3].1, "the same contents have the same name");
}

#[test]
fn a_flood_of_changes_makes_few_slots_and_the_last_contents_have_one() {
    let model = Model::start(&["--latency-ms", "400..401"]);
    let home = home(&model);
    let _daemon = home.daemon();
    let begin = Instant::now();
    for n in 0.. {
        home.write(&format!("inbox/{}", n % 50), &n.to_string());
        std::thread::sleep(Duration::from_millis(10));
        if begin.elapsed() > Duration::from_secs(13) {
            break;
        }
    }
    home.write("inbox/last", "last");
    let events = |home: &Home| -> Vec<Value> {
        home.events().into_iter().filter(|event| event["type"] == "slot").collect()
    };
    let flooded = events(&home).len();
    assert!((1..=2).contains(&flooded), "{flooded} slots");
    slots(&home, flooded + 1);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(events(&home).len(), flooded + 1, "at rest nothing more comes");
}

#[test]
fn beyond_the_bounds_nothing_fires_and_the_log_says_why() {
    let model = Model::start(&[]);
    let home = home(&model);
    for n in 0..=1_000 {
        home.write(&format!("inbox/{n}"), "");
    }
    let mut daemon = None;
    home.write(".kairos/logs/kairos.log", "");
    let line = logged(&home, "schedule_files_unknown", || daemon = Some(home.daemon()));
    let error = line["details"]["error"].as_str().expect("a reason");
    assert_eq!(error, "`inbox/**` names 1001 files, more than 1000");
    std::fs::remove_file(home.root().join("inbox/0")).expect("it was there");
    assert_eq!(fates(&slots(&home, 1)), ["fired"]);
    assert_eq!(lines(&home, "schedule_files_unknown").len(), 1);
    assert_eq!(count(&home.events(), "mandate_created"), 1);
}

/// Nobody knows what a repaired journal has forgotten.
#[test]
fn after_adopting_a_journal_what_is_there_fires_nothing() {
    let model = Model::start(&[]);
    let home = home(&model);
    let daemon = home.daemon();
    home.write("inbox/a", "one");
    slots(&home, 1);
    kill(daemon);
    home.write("inbox/a", "two");
    let adopting = home.command(&["daemon", "--adopt"]);
    let _daemon = ready(adopting);
    slots(&home, 2);
    home.write("inbox/a", "three");
    assert_eq!(fates(&slots(&home, 3)), ["fired", "restored", "fired"]);
}
