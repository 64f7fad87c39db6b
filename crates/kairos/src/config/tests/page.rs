//! `docs/configuration.md` beside what the code takes: every key and no other, and the defaults.

use std::collections::BTreeMap;

use super::{read, told};
use crate::config::show::show;

/// The keys of one section of the page about the configuration, each with its default.
fn written(section: &str) -> BTreeMap<String, String> {
    let page = include_str!("../../../../../docs/configuration.md");
    let (_, section) = page.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (key, rest) = row.split_once("` |").expect("a key");
        let default = rest.split('|').next().unwrap().trim().trim_matches('`');
        (key.to_owned(), default.to_owned())
    })
    .collect()
}

/// The keys that an unknown one is told of instead, each behind `prefix`.
fn known(problems: Vec<String>, prefix: &str) -> Vec<String> {
    let told = problems.iter().find_map(|told| told.split_once("known here: "));
    let (_, keys) = told.unwrap_or_else(|| panic!("{prefix}: {problems:?}"));
    keys.split(", ").map(|key| format!("{prefix}{}", key.trim_matches('`'))).collect()
}

#[test]
fn the_page_has_every_key_and_no_other() {
    const NONE: &str = "qqqqqqqqqqqqqqqqqqqqqqqq: 1";
    let daemon =
        |prefix, text: &str| known(told(read(&text.replace("NONE", NONE), "", "")), prefix);
    let schedule = |prefix, text: &str| {
        let entry = format!("schedules: [{{name: a, {}}}]\n", text.replace("NONE", NONE));
        known(told(read("", &entry, "")), prefix)
    };
    let secret = known(told(read("", "", &format!("secrets: [{{{NONE}}}]\n"))), "");
    let sections = [
        (
            "daemon.yml",
            [
                daemon("", "NONE\n"),
                daemon("log.", "log: {NONE}\n"),
                daemon("model.", "model: {provider: openai, NONE}\n"),
                daemon("model.prices.", "model: {provider: openai, prices: {NONE}}\n"),
                daemon("budget.", "budget: {NONE}\n"),
                daemon("proposals.", "proposals: {NONE}\n"),
                daemon("retention.", "retention: {NONE}\n"),
                daemon("scopes[].", "scopes: [{NONE}]\n"),
                daemon("checkpoint.", "checkpoint: {NONE}\n"),
                daemon("checkpoint.publish[].", "checkpoint: {publish: [{NONE}]}\n"),
                daemon("commands[].", "commands: [{NONE}]\n"),
            ]
            .concat(),
        ),
        (
            "schedules.yml",
            [
                schedule("", "NONE"),
                schedule("dst.", "dst: {NONE}"),
                schedule("trigger.", "trigger: {NONE}"),
                schedule("trigger.webhook.", "trigger: {webhook: {NONE}}"),
                schedule("condition.", "condition: {NONE}"),
                schedule("condition.contains.", "condition: {contains: {NONE}}"),
                schedule("mandate.", "mandate: {NONE}"),
            ]
            .concat(),
        ),
        ("secrets.yml", secret),
    ];
    for (section, mut known) in sections {
        let all = known.clone();
        // Of a mapping its keys are written, not itself.
        known.retain(|key| !all.iter().any(|other| other.starts_with(&format!("{key}."))));
        let mut written: Vec<_> = written(section).into_keys().collect();
        written.retain(|key| !all.contains(key) || known.contains(key));
        known.sort();
        written.sort();
        assert_eq!(written, known, "{section}");
    }
}

#[test]
fn the_page_has_the_defaults_that_count() {
    let (written, mut compared) = (written("daemon.yml"), 0);
    for row in show(&read("", "", "").unwrap()) {
        let told = written.get(&row.key).filter(|_| !row.value.is_empty() && row.key != "day_zone");
        if let Some(told) = told {
            assert_eq!(*told, row.value, "{}", row.key);
            compared += 1;
        }
    }
    assert!(compared >= 15, "{compared}");
}
