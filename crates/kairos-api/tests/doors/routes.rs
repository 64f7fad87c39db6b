//! The routes over a real engine.

use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::world::{Answered, DIFF, World};

const FREE: &str = "docs/a.md";
const KNOWLEDGE: &str = ".kairos/knowledge/k.md";

fn problem(answered: &Answered) -> (u16, &str, u64) {
    assert_eq!(answered.media, "application/problem+json", "{answered:?}");
    assert_eq!(answered.body["status"], answered.status.as_u16());
    let code = answered.body["code"].as_str().expect("a code");
    (answered.status.as_u16(), code, answered.body["exit"].as_u64().expect("an exit code"))
}

fn id(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_created_mandate_can_be_shown_at_once_and_ends_with_its_edit() {
    let world = World::edits(FREE);
    let made = world.post("/v1/mandates", r#"{"goal": "fix it"}"#).await;
    assert_eq!((made.status, &made.body["enqueued"]), (StatusCode::OK, &json!(true)));
    let mandate = id(&made.body["mandate_id"]);
    assert_eq!(made.body["mandate"]["goal"], "fix it");
    world.until("mandate_finished").await;
    let shown = world.get(&format!("/v1/mandates/{}", &mandate.to_lowercase()[..20])).await.body;
    let sha256 =
        |text: &str| format!("sha256:{}", kairos_core::digest::Digest::of(text.as_bytes()));
    let expected = json!({
        "id": mandate, "state": "finished", "reason": null, "blocked_reason": null, "observed": {"files": 0, "left_out": 0}, "outcome": "achieved",
        "verified": null, "goal": "fix it", "schedule": null, "cycle": 1, "phase": "reflect",
        "created_at": shown["created_at"], "started_at": shown["started_at"],
        "finished_at": shown["finished_at"], "until": null,
        "spent": {"calls": 3, "tokens": 45, "usd_micros": 0},
        "edits": [{"path": FREE, "pre": sha256("old"), "post": sha256("new")}],
        "proposals": [], "failures": [], "files": [], "verify": [], "max_cycles": 10,
        "project_scope": "", "seq": shown["seq"],
    });
    assert_eq!(shown, expected);
    let list = world.get("/v1/mandates").await.body;
    assert_eq!(list, json!({"active": [], "queued": [], "mandates": [expected], "next": null}));
    let stop = world.post(&format!("/v1/mandates/{mandate}/stop"), "").await;
    assert_eq!(problem(&stop), (409, "finished", 1));
    let budget = world.get("/v1/budget").await.body;
    assert_eq!(budget["calls"], json!({"used": 3, "held": 0, "cap": 100}));
}

#[tokio::test]
async fn the_same_key_makes_one_mandate_and_another_request_is_refused() {
    let world = World::edits(FREE);
    let create = |goal: &str| {
        let body = json!({"goal": goal}).to_string();
        let request = Request::post("/v1/mandates").header("Idempotency-Key", "k-1");
        world.ask(request.body(body).expect("a request"))
    };
    let first = create("one").await.body;
    let again = create("one").await.body;
    assert_eq!(first["mandate_id"], again["mandate_id"]);
    assert_eq!(problem(&create("two").await), (409, "key_reused", 1));
}

#[tokio::test]
async fn a_schedule_fired_again_under_its_key_has_fired_once() {
    let world = World::edits(KNOWLEDGE);
    let post = |path: &str, body: &str, key: &str| {
        let request = Request::post(path).header("Idempotency-Key", key);
        world.ask(request.body(body.to_owned()).expect("a request"))
    };
    let fire = "/v1/schedules/yearly/fire";
    let first = post(fire, "", "k-1").await;
    assert_eq!((first.status, &first.body["enqueued"]), (StatusCode::OK, &json!(true)));
    let again = post(fire, "{}", "k-1").await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(first.body["mandate_id"], again.body["mandate_id"]);
    assert_eq!(problem(&post(fire, "", "k-2").await), (409, "overlap", 1));
    let create = post("/v1/mandates", r#"{"goal": "fix it"}"#, "k-1").await;
    assert_eq!(problem(&create), (409, "key_reused", 1));
    let streamed = id(&world.get("/v1/events?from=1&follow=false").await.body);
    assert_eq!(streamed.matches(r#""type":"slot""#).count(), 1, "{streamed}");
}

#[tokio::test]
async fn a_proposal_shows_its_diff_and_takes_one_decision_over_its_hash() {
    let world = World::edits(KNOWLEDGE);
    world.post("/v1/mandates", r#"{"goal": "fix it"}"#).await;
    let opened = world.until("proposal_opened").await;
    let list = world.get("/v1/proposals").await.body;
    assert_eq!(list["count"], 1);
    let shown = &list["proposals"][0];
    let what = ["state", "scope", "action", "path", "diff", "reason", "decided_by", "status"];
    assert_eq!(
        what.map(|key| shown[key].as_str()),
        [
            Some("waiting"),
            Some("l1"),
            Some("code_edit"),
            Some(KNOWLEDGE),
            Some(DIFF),
            Some("protected_scope"),
            None,
            Some("pending_approval"),
        ]
    );
    let route = format!("/v1/proposals/{}", id(&opened["proposal_id"]));
    let other = format!(r#"{{"proposal_hash": "sha256:{}"}}"#, "0".repeat(64));
    let stale = world.post(&format!("{route}/approve"), &other).await;
    assert_eq!(problem(&stale), (412, "stale_hash", 1));
    let approve = Request::post(format!("{route}/approve"))
        .header("If-Match", format!("\"{}\"", id(&shown["hash"])))
        .body(r#"{"reviewer": "bob", "reason": "fine"}"#.to_owned());
    let approved = world.ask(approve.expect("a request")).await.body;
    let proposal = &approved["proposal"];
    assert_eq!(
        (&approved["decision"], &proposal["state"]),
        (&json!("approve"), &json!("approved"))
    );
    assert_eq!(proposal["decided_by"], "user:ann(1000)");
    world.until("mandate_finished").await;
    let again = world.post(&format!("{route}/reject"), "").await;
    assert_eq!(problem(&again), (409, "already_decided", 1));
    assert_eq!(world.get(&route).await.body["state"], "approved");
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem_with_a_code() {
    let world = World::edits(KNOWLEDGE);
    let big = format!(r#"{{"goal": "{}"}}"#, "x".repeat(1 << 20));
    for (method, path, body, expected) in [
        ("GET", "/", "", (404, "no_such_route", 1)),
        ("GET", "/v1/statusx", "", (404, "no_such_route", 1)),
        ("POST", "/v1/status", "{}", (405, "method_not_allowed", 2)),
        ("DELETE", "/v1/proposals/0", "", (405, "method_not_allowed", 2)),
        ("POST", "/v1/mandates", "not json", (400, "bad_body", 2)),
        ("POST", "/v1/mandates", "", (400, "bad_body", 2)),
        ("POST", "/v1/mandates", "[1,2]", (400, "bad_body", 2)),
        ("POST", "/v1/mandates", "null", (400, "bad_body", 2)),
        ("POST", "/v1/mandates", r#"{"goal": ""}"#, (400, "bad_mandate", 2)),
        ("POST", "/v1/mandates", &big, (413, "bad_body", 2)),
        ("GET", "/v1/mandates?befor=1", "", (400, "bad_query", 2)),
        ("GET", "/v1/events?from=x", "", (400, "bad_position", 2)),
        ("GET", "/v1/mandates/%ff", "", (400, "bad_path", 2)),
        ("GET", "/v1/mandates/..%2f..%2fattach_token", "", (404, "unknown_id", 1)),
        ("GET", "/v1/proposals/none", "", (404, "unknown_id", 1)),
        ("POST", "/v1/proposals/none/approve", "[]", (400, "bad_body", 2)),
        ("POST", "/v1/effects/0/settle", r#"{"answer": "maybe"}"#, (400, "bad_body", 2)),
        ("POST", "/v1/effects/0/settle", r#"{"answer": "unknown"}"#, (404, "unknown_id", 1)),
        ("POST", "/v1/schedules/none/fire", "", (404, "no_such_schedule", 1)),
    ] {
        let request = Request::builder().method(method).uri(path).body(body.to_owned());
        let answered = world.ask(request.expect("a request")).await;
        assert_eq!(problem(&answered), expected, "{method} {path}");
    }
    let unknown = world.post("/v1/mandates", r#"{"goal": "g", "colour": 1}"#).await;
    assert_eq!(problem(&unknown), (400, "bad_body", 2));
    assert!(unknown.body["detail"].as_str().is_some_and(|said| said.contains("`colour`")));
    for goal in ["one", "two"] {
        let made = world.post("/v1/mandates", &json!({ "goal": goal }).to_string()).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
    }
    let ambiguous = world.get("/v1/mandates/0").await;
    assert_eq!(problem(&ambiguous), (409, "ambiguous_id", 1));
    assert_eq!(ambiguous.body["candidates"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn events_are_the_records_by_their_positions() {
    let world = World::edits(FREE);
    world.post("/v1/mandates", r#"{"goal": "fix it"}"#).await;
    world.until("mandate_finished").await;
    let streamed = world.get("/v1/events?from=1&follow=false").await;
    assert_eq!(streamed.media, "text/event-stream");
    let text = id(&streamed.body);
    let ids: Vec<u64> = text.lines().filter_map(|l| l.strip_prefix("id: ")?.parse().ok()).collect();
    let records: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let seqs: Vec<u64> = records.iter().filter_map(|record| record["seq"].as_u64()).collect();
    assert_eq!(ids, seqs);
    assert!(ids.is_sorted() && ids.len() > 3, "{ids:?}");
    assert_eq!(records[0]["events"][0]["type"], "daemon_started");
    let resumed = Request::get("/v1/events?follow=false").header("Last-Event-ID", ids[1]);
    let resumed = world.ask(resumed.body(String::new()).expect("a request")).await;
    let first = id(&resumed.body);
    assert!(first.contains(&format!("id: {}\n", ids[2])), "{first}");
    assert!(!first.contains(&format!("id: {}\n", ids[1])), "{first}");
    let head = ids[ids.len() - 1];
    for beyond in [head, head + 1, u64::MAX] {
        let resumed = Request::get("/v1/events?follow=false").header("Last-Event-ID", beyond);
        let resumed = world.ask(resumed.body(String::new()).expect("a request")).await;
        assert_eq!((resumed.status, id(&resumed.body).as_str()), (StatusCode::OK, ""), "{beyond}");
    }
    let from = format!("/v1/events?follow=false&from={}", u64::MAX);
    assert_eq!(world.get(&from).await.body, "");
}

#[tokio::test]
async fn the_status_keeps_the_former_keys_and_a_closing_slash_does_no_harm() {
    let world = World::edits(FREE);
    world.until("rules_loaded").await;
    let status = world.get("/v1/status/").await.body;
    let expected = json!({
        "state": "running", "pid": std::process::id(), "tick_count": status["tick_count"],
        "mailbox_size": 0, "started_at": status["started_at"], "shutdown_requested": false,
        "tick_interval": 10.0, "graceful_timeout": 0.1, "journal_head": status["journal_head"],
        "waiting": 0, "running": 0, "queued": 0, "queued_because": null, "journal_first": 1,
        "clock": {"held": false},
        "space": {
            "low": null, "free_bytes": status["space"]["free_bytes"],
            "keep_free_bytes": 0, "used_bytes": status["space"]["used_bytes"],
            "cap_bytes": 2_u64 << 30,
        },
    });
    assert_eq!(status, expected);
    assert!(status["space"]["used_bytes"].as_u64() >= Some(1 << 20), "{status}");
    let ordered = world.post("/v1/admin/reload", "").await.body;
    let id = ordered["command_id"].as_str().expect("it has a name").to_owned();
    assert_eq!((ordered, id.len()), (json!({"enqueued": true, "command_id": id}), 26));
    assert_eq!(world.get("/v1/mandates/").await.body, world.get("/v1/mandates").await.body);
}
