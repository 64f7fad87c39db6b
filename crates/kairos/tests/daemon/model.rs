//! Whole mandates against a model that answers well, badly or not at all, through both wires: the
//! real binary, a real model server, real files.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;
use std::thread;

use crate::home::{Ended, Home, Model, count};
use rustix::fs::{CWD, FileType, mknodat};
use serde_json::{Value, json};

const PROVIDERS: [&str; 2] = ["openai", "anthropic"];
const GOAL: &str = "change 1.0 to 2.0 in docs/a.md";
const BEFORE: &str = "The release is 1.0.\n";
const AFTER: &str = "The release is 2.0.\n";

/// Longer than any file may be that is edited.
const TOO_LONG: u64 = 9 << 20;

/// A mandate that was waited for, and everything around it.
struct Waited {
    _daemon: Ended,
    model: Model,
    home: Home,
    exit: Option<i32>,
    mandate: Value,
}

impl Waited {
    /// Asks for `GOAL`, with `more` options, in a workspace that `prepare` fills.
    fn new(provider: &str, faults: &[&str], prepare: impl FnOnce(&Home), more: &[&str]) -> Self {
        let model = Model::start(faults);
        let home = Home::new();
        home.configure(provider, &model.base_url(provider), "");
        prepare(&home);
        let daemon = home.daemon();
        let create = ["mandate", "create", "--goal", GOAL, "--wait", "--json"];
        let output = home.kairos(&[&create, more].concat());
        let mandate = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        Self { _daemon: daemon, model, home, exit: output.status.code(), mandate }
    }

    /// The same with one page to change and a fault of the request that asks for a plan.
    fn with_fault(provider: &str, kind: &str) -> Self {
        let fault = format!("2={kind}");
        Self::new(provider, &["--fault", &fault], page, &[])
    }

    fn assert_achieved(&self, of: &str) {
        let mandate = &self.mandate;
        assert_eq!((self.exit, &mandate["outcome"]), (Some(0), &json!("achieved")), "{of}");
        assert_eq!(self.home.read("docs/a.md"), AFTER, "{of}");
    }

    /// What each request was asked for; each was reserved, counted and billed to the mandate.
    fn phases(&self, of: &str) -> Vec<String> {
        let requests = self.model.requests();
        let calls = json!(requests.len());
        let reserved = count(&self.home.events(), "budget_reserved");
        assert_eq!(reserved, requests.len(), "{of}: a request without a reservation");
        let budget = self.home.json(&["budget"]);
        assert_eq!((&budget["calls"]["used"], &budget["calls"]["held"]), (&calls, &json!(0)));
        assert_eq!(self.mandate["spent"]["calls"], calls, "{of}");
        assert_eq!(self.mandate["spent"]["tokens"], budget["tokens"]["used"], "{of}");
        requests.iter().map(|r| r["phase"].as_str().expect("a phase").to_owned()).collect()
    }

    /// The tokens the server billed, and those the day's budget lost.
    fn tokens(&self) -> (u64, u64) {
        let number = |value: &Value| value.as_u64().expect("a number");
        let requests = self.model.requests();
        let billed = requests.iter().map(|r| number(&r["input"]) + number(&r["output"])).sum();
        (billed, number(&self.home.json(&["budget"])["tokens"]["used"]))
    }

    /// The attempts at a plan, in order.
    fn attempts(&self) -> Vec<Value> {
        let begun = self.home.events().into_iter().filter(|e| e["type"] == "effect_begun");
        let asks = begun.map(|event| event["intent"]["ask"].clone());
        asks.filter(|ask| ask["phase"] == "decide").map(|ask| ask["attempt"].clone()).collect()
    }

    /// How the first step ended.
    fn step_end(&self) -> Value {
        let mut events = self.home.events().into_iter();
        let finished = events.find(|event| event["type"] == "step_finished");
        finished.map(|mut event| event["end"].take()).unwrap_or_default()
    }
}

fn page(home: &Home) {
    home.write("docs/a.md", BEFORE);
}

/// Tries every kind of fault with every provider, all at once.
fn each(kinds: &[&str], check: impl Fn(&str, &Waited) + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for provider in PROVIDERS {
            for kind in kinds {
                scope.spawn(move || {
                    let of = format!("{provider}, {kind}");
                    check(&of, &Waited::with_fault(provider, kind));
                });
            }
        }
    });
}

#[test]
fn an_edit_takes_three_calls_and_is_billed_as_reported() {
    for provider in PROVIDERS {
        let waited = Waited::new(provider, &[], page, &[]);
        waited.assert_achieved(provider);
        assert_eq!(waited.phases(provider), ["orient", "decide", "reflect"]);
        let (billed, used) = waited.tokens();
        assert_eq!(billed, used, "{provider}");
        let path = if provider == "openai" { "/v1/chat/completions" } else { "/v1/messages" };
        assert!(waited.model.requests().iter().all(|r| r["path"] == path), "{provider}");
    }
}

#[test]
fn a_call_that_failed_is_made_again_and_counted() {
    each(&["429", "529", "500", "cut", "garbage"], |of, waited| {
        waited.assert_achieved(of);
        assert_eq!(waited.phases(of), ["orient", "decide", "decide", "reflect"], "{of}");
        assert_eq!(waited.attempts(), [1, 2], "{of}");
        assert_eq!(waited.mandate["cycle"], 1, "{of}");
        let (billed, used) = waited.tokens();
        assert!(billed <= used, "{of}: {billed} tokens billed, {used} counted");
    });
}

#[test]
fn an_answer_wrapped_in_words_needs_no_other_call() {
    each(&["prose", "fence"], |of, waited| {
        waited.assert_achieved(of);
        assert_eq!(waited.phases(of), ["orient", "decide", "reflect"], "{of}");
        let (billed, used) = waited.tokens();
        assert_eq!(billed, used, "{of}");
    });
}

#[test]
fn an_answer_that_does_not_fit_is_repaired_with_one_call() {
    each(&["schema", "json"], |of, waited| {
        waited.assert_achieved(of);
        assert_eq!(waited.phases(of), ["orient", "decide", "decide", "reflect"], "{of}");
        let bytes = |n: usize| waited.model.requests()[n]["bytes"].as_u64().expect("a number");
        assert!(bytes(1) < bytes(2), "{of}: the repair does not say what was wrong");
        let (billed, used) = waited.tokens();
        assert_eq!(billed, used, "{of}");
    });
}

#[test]
fn a_refused_key_fails_the_cycle_at_once() {
    for provider in PROVIDERS {
        let faults = ["--fault", "2=401"];
        let waited = Waited::new(provider, &faults, page, &["--max-cycles", "1"]);
        assert_eq!(waited.exit, Some(1), "{}", waited.mandate);
        assert_eq!(waited.mandate["state"], "finished", "{}", waited.mandate);
        assert_ne!(waited.mandate["outcome"], "achieved");
        assert_eq!(waited.phases(provider), ["orient", "decide"]);
        assert_eq!(waited.attempts(), [1]);
        assert_eq!(waited.home.read("docs/a.md"), BEFORE);
    }
    each(&["401"], |of, waited| {
        waited.assert_achieved(of);
        let phases = waited.phases(of);
        assert_eq!(phases, ["orient", "decide", "orient", "decide", "reflect"], "{of}");
        assert_eq!(waited.attempts(), [1, 1], "{of}");
        assert_eq!(waited.mandate["cycle"], 2, "{of}");
    });
}

#[test]
fn what_was_not_verified_is_not_achieved() {
    let wanted = ["--verify-contains", "docs/a.md=3.0", "--max-cycles", "2"];
    let waited = Waited::new("openai", &[], page, &wanted);
    assert_eq!(waited.exit, Some(1));
    let ended = json!([waited.mandate["outcome"], waited.mandate["verified"]]);
    assert_eq!(ended, json!(["exhausted", false]));
    assert_eq!(waited.mandate["cycle"], 2);
    assert_eq!(waited.home.read("docs/a.md"), AFTER);

    let wanted = ["--verify-contains", "docs/a.md=2.0", "--max-cycles", "2"];
    let waited = Waited::new("openai", &[], page, &wanted);
    waited.assert_achieved("verified");
    assert_eq!(waited.mandate["verified"], true);
}

/// A workspace after a mandate whose plan edits `docs/a.md` failed for `reason`. `prepare` makes
/// that path, from a file outside that holds `BEFORE`; a page beside it gives the model the text.
fn aimed(outcome: &str, reason: &str, prepare: impl FnOnce(&Home, &Path)) -> Home {
    let outside = tempfile::tempdir().expect("a directory");
    let bait = outside.path().join("a.md");
    fs::write(&bait, BEFORE).expect("the file is written");
    let identity = |path| fs::metadata(path).map(|m| (m.ino(), m.mode(), m.mtime_nsec())).ok();
    let before = identity(&bait);
    let prepare = |home: &Home| {
        home.write("other/b.md", BEFORE);
        prepare(home, &bait);
    };
    let options = ["--files", "other/b.md", "--max-cycles", "2"];
    let waited = Waited::new("openai", &[], prepare, &options);
    assert_eq!(waited.exit, Some(1), "{}", waited.mandate);
    assert_eq!(waited.mandate["outcome"], outcome, "{}", waited.mandate);
    assert_eq!(waited.step_end(), json!({"failed": {"file": reason}}));
    assert_eq!(waited.mandate["edits"], json!([]));
    assert_eq!(fs::read_to_string(&bait).expect("the file is read"), BEFORE);
    assert_eq!(identity(&bait), before);
    assert_eq!(fs::read_dir(outside.path()).expect("a directory").count(), 1, "{reason}");
    assert_eq!(waited.home.read("other/b.md"), BEFORE);
    waited.home
}

#[test]
fn a_symlink_does_not_lead_an_edit_outside() {
    let home = aimed("refused", "symlink", |home, bait| {
        fs::create_dir(home.root().join("docs")).expect("a directory");
        symlink(bait, home.root().join("docs/a.md")).expect("a link");
    });
    assert!(home.root().join("docs/a.md").is_symlink());
    let home = aimed("refused", "symlink", |home, bait| {
        symlink(bait.parent().expect("a parent"), home.root().join("docs")).expect("a link");
    });
    assert!(home.root().join("docs").is_symlink());
}

#[test]
fn a_hard_link_is_not_edited() {
    let home = aimed("refused", "hard_linked", |home, bait| {
        fs::create_dir(home.root().join("docs")).expect("a directory");
        fs::hard_link(bait, home.root().join("docs/a.md")).expect("a link");
    });
    assert_eq!(home.read("docs/a.md"), BEFORE);
}

#[test]
fn a_fifo_is_neither_read_nor_edited() {
    let home = aimed("looped", "not_regular", |home, _| {
        fs::create_dir(home.root().join("docs")).expect("a directory");
        let path = home.root().join("docs/a.md");
        mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).expect("a fifo");
    });
    let kind = fs::symlink_metadata(home.root().join("docs/a.md")).expect("the fifo").file_type();
    assert!(kind.is_fifo());
}

#[test]
fn a_file_that_is_too_long_is_not_edited() {
    let home = aimed("looped", "too_large", |home, _| {
        page(home);
        let path = home.root().join("docs/a.md");
        let mut file = fs::OpenOptions::new().write(true).open(path).expect("the file opens");
        file.seek(SeekFrom::Start(TOO_LONG - 1)).expect("it has no end yet");
        file.write_all(b"\n").expect("the last byte");
    });
    let bytes = fs::read(home.root().join("docs/a.md")).expect("the file is read");
    assert_eq!((bytes.len() as u64, bytes.starts_with(BEFORE.as_bytes())), (TOO_LONG, true));
}

#[test]
fn text_that_is_not_there_is_not_replaced() {
    let home = aimed("looped", "old_text_missing", |home, _| home.write("docs/a.md", "None.\n"));
    assert_eq!(home.read("docs/a.md"), "None.\n");
}

/// Exit code and the fields `code` and `candidates` of the error.
fn refusal(home: &Home, verb: &str, id: &str) -> Value {
    let output = home.kairos(&["mandate", verb, id, "--json"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{verb} {id}");
    let error: Value = serde_json::from_slice(&output.stderr).expect("an error in JSON");
    assert_eq!(json!(output.status.code()), error["exit"], "{error}");
    json!([error["exit"], error["status"], error["code"], error["candidates"]])
}

#[test]
fn an_id_is_known_by_its_beginning_if_no_other_begins_so() {
    let model = Model::start(&[]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    page(&home);
    let _daemon = home.daemon();
    let ids = [(); 2].map(|()| home.ok(&["mandate", "create", "--goal", GOAL]).trim().to_owned());
    let differ = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    for verb in ["show", "logs", "stop"] {
        let unknown = refusal(&home, verb, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(unknown, json!([1, 404, "unknown_id", null]), "{verb}");
        let ambiguous = refusal(&home, verb, &ids[0][..differ]);
        assert_eq!(ambiguous, json!([1, 409, "ambiguous_id", ids]), "{verb}");
        for wrong in ["", "%", "../x"] {
            let usage = refusal(&home, verb, wrong);
            assert_eq!(usage, json!([2, 400, "usage", null]), "{verb} `{wrong}`");
        }
    }
    for id in &ids {
        assert_eq!(home.json(&["mandate", "show", &id[..=differ]])["id"], **id);
        let logs = home.json(&["mandate", "logs", &id[..=differ]]);
        let created = &logs["events"][0]["events"][0];
        assert_eq!(json!([created["type"], created["mandate_id"]]), json!(["mandate_created", id]));
    }
}

#[test]
fn a_mandate_that_ended_cannot_be_stopped() {
    let waited = Waited::new("openai", &[], page, &[]);
    let id = waited.mandate["id"].as_str().expect("an id");
    assert_eq!(refusal(&waited.home, "stop", id), json!([1, 409, "finished", null]));
    assert_eq!(waited.home.json(&["mandate", "show", id]), waited.mandate);
}

#[test]
fn without_a_daemon_mandates_are_read_but_not_made() {
    let home = Home::new();
    let output = home.kairos(&["mandate", "create", "--goal", GOAL, "--wait", "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).expect("an error in JSON");
    assert_eq!(json!([output.status.code(), error["code"]]), json!([69, "no_daemon"]));
    assert_eq!(home.json(&["mandate", "list"])["mandates"], json!([]));
}
