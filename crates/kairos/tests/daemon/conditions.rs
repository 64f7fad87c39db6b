//! Conditions: looked at before any model is asked, and one fate for each slot whatever happens.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::{Home, Model, count, follow};
use crate::lifecycle::lines;

/// A schedule that is due each second, under this condition.
fn home(model: &Model, condition: &str) -> Home {
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    home.write(
        ".kairos/config/schedules.yml",
        &format!(
            "schedules:\n- name: tick\n  every: 1s\n  condition: {condition}\n  \
             mandate: {{goal: look, max_cycles: 1}}\n"
        ),
    );
    home
}

/// Follows until so many slots have this fate: `fired`, or why not.
fn nth(home: &Home, n: usize, fate: &str) {
    let mut seen = 0;
    follow(home, |event| {
        let is = event["type"] == "slot" && (event["reason"] == fate || event["state"] == fate);
        seen += usize::from(is);
        seen == n
    });
}

fn until(home: &Home, fate: &str) {
    nth(home, 1, fate);
}

fn slots(home: &Home) -> Vec<Value> {
    home.events().into_iter().filter(|event| event["type"] == "slot").collect()
}

#[test]
fn a_condition_that_does_not_hold_leaves_a_slot_and_asks_no_model() {
    let model = Model::start(&[]);
    let home = home(&model, "{exists: inbox/ready}");
    let _daemon = home.daemon();
    until(&home, "condition");
    let events = home.events();
    assert_eq!((count(&events, "mandate_created"), count(&events, "budget_reserved")), (0, 0));
    assert!(model.requests().is_empty());
    let slot = slots(&home).remove(0);
    assert_eq!(
        json!([slot["state"], slot["reason"], slot["mandate"]]),
        json!(["skipped", "condition", null])
    );
    home.write("inbox/ready", "");
    until(&home, "fired");
    follow(&home, |event| event["type"] == "mandate_finished");
    assert!(!model.requests().is_empty());
    let history = home.ok(&["schedule", "history", "tick"]);
    assert!(history.contains("skipped: condition"), "{history}");
}

#[test]
fn changed_holds_once_for_each_change() {
    let model = Model::start(&[]);
    let home = home(&model, "{changed: \"docs/**\"}");
    let daemon = home.daemon();
    until(&home, "condition");
    assert_eq!(count(&home.events(), "mandate_created"), 0, "there is nothing yet");
    home.write("docs/deep/a.md", "one");
    until(&home, "fired");
    drop(daemon);
    let unmet = slots(&home).iter().filter(|slot| slot["reason"] == "condition").count();
    let _daemon = home.daemon();
    nth(&home, unmet + 2, "condition");
    let fired = slots(&home).iter().filter(|slot| slot["state"] == "fired").count();
    assert_eq!(fired, 1, "a restart changes nothing");
    home.write("docs/deep/a.md", "two");
    nth(&home, 2, "fired");
}

#[test]
fn where_nobody_can_tell_the_slot_says_so_and_the_log_why() {
    let model = Model::start(&[]);
    let home = home(&model, "{contains: {path: link/status, text: open}, not: true}");
    std::fs::create_dir(home.root().join("away")).expect("a directory");
    home.write("away/status", "closed");
    std::os::unix::fs::symlink("away", home.root().join("link")).expect("a link");
    let _daemon = home.daemon();
    until(&home, "condition_unknown");
    let line = lines(&home, "schedule_condition_unknown").remove(0);
    let said = line["details"]["error"].as_str().expect("a reason").to_owned();
    assert!(said.contains("link"), "{said}");
    assert_eq!(count(&home.events(), "mandate_created"), 0);
    std::fs::remove_file(home.root().join("link")).expect("it was there");
    home.write("link/status", "closed");
    until(&home, "fired");
}

/// The look takes a while: whenever the daemon is killed, each second has one fate.
#[test]
fn a_slot_has_one_fate_though_the_daemon_is_killed_while_its_condition_is_looked_at() {
    let model = Model::start(&[]);
    let home = home(&model, "{changed: \"many/*\"}");
    for n in 0..300 {
        home.write(&format!("many/{n}"), &"x".repeat(60_000));
    }
    for round in 0..5_u64 {
        let mut daemon = home.daemon();
        std::thread::sleep(Duration::from_millis(700 + 173 * round));
        kill_process(Pid::from_child(&daemon.0), Signal::KILL).expect("it is there");
        daemon.0.wait().expect("it ends");
    }
    let _daemon = home.daemon();
    until(&home, "condition");
    let mut fates: Vec<(i64, i64, i64)> = Vec::new();
    for event in home.events() {
        let ms = |key: &str| {
            let text = event[key].as_str().expect("a time");
            text.parse::<jiff::Timestamp>().expect("a time").as_second()
        };
        match event["type"].as_str() {
            Some("slot") => fates.push((ms("at"), ms("at"), 1)),
            Some("slots") => {
                fates.push((ms("from"), ms("to"), event["count"].as_i64().expect("a number")));
            }
            _ => {}
        }
    }
    for two in fates.windows(2) {
        assert_eq!(two[1].0, two[0].1 + 1, "{fates:?}");
    }
    assert!(fates.iter().all(|(from, to, count)| to - from + 1 == *count), "{fates:?}");
}
