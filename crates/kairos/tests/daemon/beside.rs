//! Other commands beside a live daemon: what may read, reads; what may not write, changes nothing.

use serde_json::{Value, json};

use crate::home::{Home, Model, follow};
use crate::lifecycle::{Line, goal, stop};

/// Its status, what it printed, and what it said.
fn end(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = home.kairos(arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// All positions from 1 on, none twice and none missing.
fn assert_whole(records: &[Value]) {
    let seqs: Vec<_> = records.iter().map(|record| record["seq"].as_u64().expect("one")).collect();
    assert_eq!(seqs, Vec::from_iter(1..=seqs.len() as u64));
}

#[test]
fn beside_a_daemon_the_journal_is_read_and_signed_and_by_nobody_else_written() {
    let (home, model) = (Home::new(), Model::start(&[]));
    home.configure("openai", &model.base_url("openai"), "");
    home.write("docs/1.md", "version-1\n");
    let mut daemon = home.daemon();
    let (code, made) = Line::open(&home).post("/v1/mandates", &goal(1)).expect("an answer");
    assert_eq!(code, 200, "{made}");
    follow(&home, |event| event["type"] == "mandate_finished");

    let exported = home.records();
    assert_whole(&exported);
    let from = home.ok(&["journal", "export", "--jsonl", "--from", "3"]);
    let first: Value = serde_json::from_str(from.lines().next().expect("a line")).expect("json");
    assert_eq!(first["seq"], 3);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);

    let note = home.root().join("out.note");
    home.ok(&["journal", "checkpoint", "-o", note.to_str().expect("text")]);
    home.ok(&["journal", "verify", "--checkpoint", note.to_str().expect("text")]);

    // What a repair would give up is shown, and nothing is given up while somebody writes.
    let (code, shown, said) = end(&home, &["journal", "repair"]);
    assert!(code == Some(0) && shown.starts_with("sound up to "), "{shown}{said}");
    let (code, shown, said) = end(&home, &["journal", "repair", "--accept-loss-after", "1"]);
    assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("stop the daemon first"), "{said}");
    let pid = daemon.0.id();
    for arguments in [&["daemon"][..], &["daemon", "--adopt"], &["once", "--goal", "x"]] {
        let (code, _, said) = end(&home, arguments);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("pid {pid}")), "{said}");
    }

    // It lives on, knows of none of that, and ends well.
    assert_eq!(home.json(&["status"])["pid"], json!(pid));
    let (code, made) = Line::open(&home).post("/v1/mandates", &goal(2)).expect("an answer");
    assert_eq!(code, 200, "{made}");
    stop(&mut daemon);
    let all = home.records();
    assert_whole(&all);
    assert_eq!(all[..exported.len()], exported);
    let events = home.events();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((of("daemon_started"), of("repaired"), of("adopted")), (1, 0, 0));
    home.ok(&["journal", "verify", "--checkpoint", note.to_str().expect("text")]);
}
