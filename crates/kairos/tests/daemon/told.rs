//! What a person is told: on stderr of a daemon, while one mandate runs, and of what waits.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::home::{Ended, Home, count};

/// Answers by goal: one plan of a free and a protected edit, one that is blocked, one that is slow.
const PLAYBOOK: &str = "answers:
  - {goal: slow, phase: orient, delay: 60s, answer: {summary: s, priorities: [], risk_level: low}}
  - {phase: orient, answer: {summary: s, priorities: [], risk_level: low}}
  - goal: blocked
    phase: decide
    answer: {status: blocked, reason: \"I need\\e[2J\\nCHANGES.md\", steps: []}
  - phase: decide
    answer:
      status: done
      reason: stale
      steps:
        - {id: a, action: code_edit, path: a.md, old_string: one, new_string: two, intent: i}
        - {id: b, action: code_edit, path: .kairos/knowledge/b.md, old_string: one, new_string: two, intent: i}
  - {phase: reflect, answer: {assessment: success, lessons: [], confidence: 0.9}}
";

const MODEL: &str = "model: {provider: playbook, file: playbook.yml}\n";

fn home() -> Home {
    let home = Home::new();
    home.write("playbook.yml", PLAYBOOK);
    home.write("a.md", "one\n");
    home.write(".kairos/knowledge/b.md", "one\n");
    home.write(".kairos/config/daemon.yml", MODEL);
    home
}

/// A child whose stderr is read line by line.
struct Heard {
    child: Ended,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Heard {
    fn new(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("kairos starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        Self { child: Ended(child), lines }
    }

    /// The lines up to the first that contains `word`.
    fn until(&mut self, word: &str) -> Vec<String> {
        let mut heard = Vec::new();
        for line in self.lines.by_ref() {
            heard.push(line.expect("text"));
            if heard.last().is_some_and(|line| line.contains(word)) {
                return heard;
            }
        }
        panic!("never said `{word}`: {heard:#?}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("it is there");
    }

    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.lines.map(|line| line.expect("text")).collect();
        (self.child.0.wait().expect("our child").code(), rest)
    }
}

/// Lines without the time of day in front.
fn untimed(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.get("HH:MM:SS ".len()..).unwrap_or_default()).collect()
}

#[test]
fn a_daemon_says_that_it_has_no_model_and_what_a_reload_came_to() {
    let home = Home::new();
    let mut daemon = Heard::new(home.command(&["daemon"]));
    let file = home.root().join(".kairos/config/daemon.yml");
    let note = daemon.until("ready");
    let expected = [
        "note: no model is configured: mandates that need one are refused [no_model]".to_owned(),
        format!(
            "hint: add `model: {{provider: anthropic, name: NAME}}` to `{}`, set \
             `ANTHROPIC_API_KEY`, and start again",
            file.display()
        ),
        format!("kairos daemon ready, pid {}", daemon.child.0.id()),
    ];
    assert_eq!(note, expected);

    home.write("playbook.yml", PLAYBOOK);
    home.write(".kairos/config/daemon.yml", MODEL);
    let schedules =
        "schedules:\n  - {name: n, cron: '@daily', mandate: {goal: g, checkpoint_every: 2}}\n";
    home.write(".kairos/config/schedules.yml", schedules);
    daemon.signal(Signal::HUP);
    let file = home.root().join(".kairos/config/schedules.yml");
    let expected = [
        format!(
            "warning: {}:2:68: `checkpoint_every` is not acted on by this version",
            file.display()
        ),
        "hint: it changes nothing".to_owned(),
        "configuration reloaded: 1 schedule".to_owned(),
    ];
    assert_eq!(daemon.until("reloaded"), expected);

    home.write(".kairos/config/schedules.yml", "schedule: []\nmore: 1\n");
    daemon.signal(Signal::HUP);
    let expected = [
        format!(
            "error: the configuration was not reloaded, the earlier one holds: {}:1:1: unknown \
             key `schedule` (did you mean `schedules`?)",
            file.display()
        ),
        "hint: `kairos config check` shows all that is wrong".to_owned(),
    ];
    assert_eq!(daemon.until("hint:"), expected);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end(), (Some(0), Vec::new()));
    let log = home.read(".kairos/logs/kairos.log");
    assert!(log.contains("\"event\":\"config_warning\""), "{log}");
}

#[test]
fn a_warning_is_told_when_it_is_new_and_an_error_is_the_cause() {
    let file = ".kairos/config/schedules.yml";
    let warned =
        |name: &str| format!("  - {{name: {name}, cron: '*/90 * * * *', mandate: {{goal: g}}}}\n");
    let home = home();
    home.write(file, &format!("schedules:\n{}", warned("a")));
    let mut daemon = Heard::new(home.command(&["daemon"]));
    let said = daemon.until("ready");
    let note = "note: the configuration has 1 warning: `kairos schedule check` tells more";
    assert_eq!(said[..said.len() - 1], [note]);
    let second = home.kairos(&["daemon"]);
    assert!(!String::from_utf8_lossy(&second.stderr).contains("warning"), "another one holds");

    daemon.signal(Signal::HUP);
    assert_eq!(daemon.until("reloaded"), ["configuration reloaded: 1 schedule"]);
    home.write(file, &format!("# more\nschedules:\n{}{}", warned("a"), warned("b")));
    daemon.signal(Signal::HUP);
    let said = daemon.until("reloaded");
    assert!(said[0].contains("schedules.yml:4:22: the step in `*/90`"), "{said:?}");
    assert_eq!(said.len(), 3, "its hint and the reload: {said:?}");

    home.write(file, &format!("schedules:\n{}  - {{name: c, cron: x}}\n", warned("a")));
    daemon.signal(Signal::HUP);
    let said = daemon.until("hint:");
    assert!(said[0].contains("the earlier one holds: ") && said[0].contains(":3:21: "), "{said:?}");
    let log = home.read(".kairos/logs/kairos.log");
    let failed = log.lines().find(|line| line.contains("daemon_config_reload_failed"));
    assert!(failed.is_some_and(|line| !line.contains("*/90")), "{failed:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end(), (Some(0), Vec::new()));
}

#[test]
fn a_quarantined_mandate_is_said_at_the_start() {
    let home = home();
    let once = home.kairos(&["once", "--goal", "blocked", "--json"]);
    let mandate: serde_json::Value = serde_json::from_slice(&once.stdout).expect("a mandate");
    let id = mandate["id"].as_str().expect("an id");
    home.write(".kairos/run/poison", &format!("[{{\"mandate\":\"{id}\",\"count\":2}}]\n"));
    let mut daemon = Heard::new(home.command(&["daemon"]));
    let said = daemon.until("ready");
    let expected = [
        format!("error: mandate `{id}` aborted the daemon twice and is ended [poison]"),
        format!("hint: `kairos mandate logs {id}` tells what it did"),
    ];
    assert_eq!(said[..2], expected);
}

/// Tears the last frame that lies in two sectors: its second piece, and all after it, is nothing.
fn tear(home: &Home) {
    let segment = home.root().join(".kairos/journal/00000000000000000001.kj");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let starts: Vec<usize> = bytes
        .windows(5)
        .enumerate()
        .filter(|(at, start)| start.starts_with(b"kj1 ") && (*at == 0 || bytes[at - 1] == b'\n'))
        .map(|(at, _)| at)
        .collect();
    let torn = starts.windows(2).rev().find(|pair| pair[0] / 512 < (pair[1] - 1) / 512);
    let torn = torn.expect("one of many frames crosses a sector")[0];
    let boundary = (torn / 512 + 1) * 512;
    bytes[boundary..].fill(0);
    std::fs::write(&segment, bytes).expect("written");
}

#[test]
fn a_torn_tail_is_said_at_the_start() {
    let home = home();
    home.kairos(&["once", "--goal", "g"]);
    tear(&home);
    let mut daemon = Heard::new(home.command(&["daemon"]));
    let said = daemon.until("ready");
    let recovered = home.events().into_iter().find(|event| event["type"] == "recovered");
    let recovered = recovered.expect("it is recorded");
    let kept = recovered["saved_as"].as_str().expect("a path");
    let expected = [
        format!(
            "warning: the journal's torn tail of {} bytes after position `{}` was cut off and kept \
             as `.kairos/journal/{kept}`",
            recovered["bytes"], recovered["after"]
        ),
        "hint: nobody was told of what stood there; `kairos journal verify` proves the rest"
            .to_owned(),
    ];
    assert_eq!(said[..2], expected);
    assert!(home.root().join(".kairos/journal").join(kept).is_file(), "{kept}");
}

#[test]
fn following_one_mandate_tells_its_steps_and_no_bookkeeping() {
    let home = home();
    let _daemon = home.daemon();
    let ask = ["mandate", "create", "--goal", "g", "--files", "a.md", "--follow"];
    let followed = home.kairos(&ask);
    assert_eq!(followed.status.code(), Some(75), "{followed:?}");
    let proposals = home.json(&["proposal", "list"]);
    let proposal = proposals["proposals"][0]["id"].as_str().expect("an id").to_owned();
    let id = proposals["proposals"][0]["mandate_id"].as_str().expect("an id").to_owned();
    let root = home.root().display().to_string();
    let out = String::from_utf8(followed.stdout).expect("text");
    let told = untimed(&out);
    let (created, rest) = told.split_first().expect("lines");
    assert!(created.starts_with("mandate  created by user:"), "{created}");
    let approve = format!("`kairos proposal approve {proposal} --root '{root}'`");
    let held = "waits for you: 1 edit to .kairos/knowledge/b.md (protected: knowledge)";
    let (last, rest) = rest.split_last().expect("lines");
    let expected = [
        "mandate  started",
        "cycle    1 begins",
        "observe  the model may see 1 file",
        "orient   asks the model",
        "orient   answered: low risk",
        "decide   asks the model",
        "decide   plan of 2 steps: edit a.md, edit .kairos/knowledge/b.md; then the goal is reached",
        "act      step 1 of 2: edit a.md",
        "act      step 1 of 2: edit a.md: done",
        "act      step 2 of 2: edit .kairos/knowledge/b.md",
        &format!("proposal {held}; {approve}"),
    ];
    assert_eq!(rest, expected);
    assert!(last.starts_with(&format!("mandate  {held} [approval] until ")), "{last}");
    let said = String::from_utf8(followed.stderr).expect("text");
    let expected =
        format!("mandate {id}\n{id} {held} [approval]\nhint: {approve} shows the diff and asks\n");
    assert_eq!(said, expected);
    // Nothing is left out where everything belongs.
    let events = home.ok(&["events"]);
    assert!(events.contains("budget reserved"), "{events}");
    let shown = home.ok(&["mandate", "show", &id]);
    assert!(shown.contains(&format!("state     {held} [approval]\n")), "{shown}");
    assert!(shown.contains("seen      1 file by the model\n"), "{shown}");
}

#[test]
fn a_blocked_model_is_quoted_wherever_its_mandate_is_shown() {
    let home = home();
    home.write("big.md", &"x".repeat(300 * 1024));
    let once = home.kairos(&["once", "--goal", "blocked", "--files", "big.md"]);
    assert_eq!(once.status.code(), Some(75), "{once:?}");
    let list = home.json(&["mandate", "list"]);
    let mandate = &list["mandates"][0];
    let id = mandate["id"].as_str().expect("an id");
    assert_eq!(mandate["blocked_reason"], "I need [2J CHANGES.md");
    assert_eq!(mandate["observed"], json!({"files": 0, "left_out": 1}));
    let waits = "waits for you: the model is blocked: I need [2J CHANGES.md [checkpoint]";
    let said = String::from_utf8(once.stderr).expect("text");
    assert!(said.contains(&format!("{id} {waits}\n")), "{said}");
    let shown = home.ok(&["mandate", "show", id]);
    assert!(shown.contains(&format!("state     {waits}\n")), "{shown}");
    assert!(shown.contains("seen      0 files by the model, 1 left out"), "{shown}");
    let _daemon = home.daemon();
    let ask = ["mandate", "create", "--goal", "blocked", "--wait"];
    let said = String::from_utf8(home.kairos(&ask).stderr).expect("text");
    assert!(said.contains(waits), "{said}");
}

#[test]
fn a_once_that_is_told_to_end_leaves_its_mandate_to_the_next_daemon() {
    for (signal, exit) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let home = home();
        let mut once = Heard::new(home.command(&["once", "--goal", "slow"]));
        once.until("orient   asks the model");
        once.signal(signal);
        let (code, said) = once.end();
        assert_eq!(code, Some(exit), "{said:?}");
        let list = home.json(&["mandate", "list"]);
        let id = list["mandates"][0]["id"].as_str().expect("an id");
        let flag = format!("--root '{}'", home.root().display());
        let expected = [
            format!("{id} is stopped here; what it did is recorded"),
            format!("it stays in the journal: the next `kairos daemon {flag}` continues it"),
            format!("hint: `kairos mandate show {id} {flag}` shows how it stands"),
        ];
        assert_eq!(said, expected);
        assert_eq!(list["mandates"][0]["state"], "running");
        let events = home.events();
        assert_eq!(events.last().expect("events")["outcome"]["asked"]["reply"], "cancelled");
        assert_eq!(count(&events, "effect_begun"), count(&events, "effect_settled"));
        assert_eq!(home.json(&["journal", "verify"])["problem"], json!(null));
        // The same goal is answered at once now; the daemon takes the mandate up by itself.
        home.write("playbook.yml", &PLAYBOOK.replace("delay: 60s", "delay: 1ms"));
        let _daemon = home.daemon();
        crate::home::follow(&home, |event| event["type"] == "mandate_parked");
        assert_eq!(home.json(&["mandate", "show", id])["reason"], "approval");
    }
}

#[test]
fn no_escape_code_leaves_for_what_is_no_terminal() {
    let home = home();
    home.kairos(&["once", "--goal", "g"]);
    let id = home.json(&["proposal", "list"])["proposals"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    home.write(".kairos/config/schedules.yml", "schedule: []\n");
    let asks: [&[&str]; 5] = [
        &["proposal", "show", id],
        &["config", "check"],
        &["mandate", "list"],
        &["mandate", "nonsense"],
        &["daemon"],
    ];
    for ask in asks {
        let output = home.kairos(ask);
        let said = [output.stdout, output.stderr].concat();
        assert!(!said.contains(&0x1b), "{ask:?}: {}", String::from_utf8_lossy(&said));
    }
}
