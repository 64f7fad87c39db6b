//! Stored texts that a person wants gone.

use axum::http::StatusCode;
use kairos_core::digest::Digest;
use serde_json::{Value, json};

use crate::world::{Answered, World};

const FREE: &str = "docs/a.md";
const KNOWLEDGE: &str = ".kairos/knowledge/k.md";
const GOAL: &str = "use the key hunter2";

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

async fn erase(world: &World, blob: &str, reason: &str) -> Answered {
    let body = json!({ "reason": reason }).to_string();
    world.post(&format!("/v1/blobs/{blob}/erase"), &body).await
}

async fn create(world: &World) -> String {
    let made = world.post("/v1/mandates", &json!({ "goal": GOAL }).to_string()).await;
    made.body["mandate_id"].as_str().expect("an id").to_owned()
}

fn code(answered: &Answered) -> (u16, &str) {
    (answered.status.as_u16(), answered.body["code"].as_str().expect("a code"))
}

#[tokio::test]
async fn an_erased_text_is_off_the_disk_and_who_looks_is_told_why() {
    let world = World::edits(FREE);
    let mandate = create(&world).await;
    world.until("mandate_finished").await;
    let (goal, file) = (digest(GOAL), world.blob(&digest(GOAL)));
    assert!(file.is_file());
    let answered = erase(&world, &goal[..8], "a key stood in it").await;
    assert_eq!(answered.status, StatusCode::OK, "{answered:?}");
    assert!(!file.exists());
    let erasure = json!({
        "blob_id": goal, "state": "erased", "at": answered.body["erasure"]["at"],
        "by": "user:ann(1000)", "reason": "a key stood in it",
        "settled_at": answered.body["erasure"]["settled_at"],
    });
    let expected = json!({
        "enqueued": true, "command_id": answered.body["command_id"], "blob_id": goal,
        "state": "erased", "erasure": erasure,
    });
    assert_eq!(answered.body, expected);
    assert!(erasure["at"].is_string() && erasure["settled_at"].is_string());

    let shown = world.get(&format!("/v1/mandates/{mandate}")).await.body;
    assert_eq!((&shown["goal"], &shown["erased"]), (&Value::Null, &json!([erasure])));
    let listed = world.get("/v1/mandates").await.body;
    assert_eq!(listed["mandates"][0]["erased"], json!([erasure]));

    // The same again is the same.
    let again = erase(&world, &format!("sha256:{goal}"), "once more").await.body;
    let expected =
        json!({"enqueued": false, "blob_id": goal, "state": "erased", "erasure": erasure});
    assert_eq!(again, expected);
    let event = world.until("blob_erased").await;
    let reason = "a key stood in it";
    let reason = json!({"sha256": digest(reason), "bytes": reason.len()});
    let expected =
        json!({"type": "blob_erased", "blob": goal, "reason": reason, "by": "user:ann(1000)"});
    assert_eq!(event, expected);
    let event = world.until("erasure_settled").await;
    assert_eq!(event, json!({"type": "erasure_settled", "blob": goal, "end": "gone"}));
}

#[tokio::test]
async fn a_text_that_is_stored_again_is_shown_again_and_can_be_erased_again() {
    let world = World::edits(FREE);
    let first = create(&world).await;
    world.until("mandate_finished").await;
    erase(&world, &digest(GOAL), "a key stood in it").await;
    let second = create(&world).await;
    world.ended(2).await;
    for mandate in [&first, &second] {
        let shown = world.get(&format!("/v1/mandates/{mandate}")).await.body;
        assert_eq!((&shown["goal"], shown.get("erased")), (&json!(GOAL), None));
    }
    let again = erase(&world, &digest(GOAL), "it came back").await.body;
    assert_eq!((&again["enqueued"], &again["state"]), (&json!(true), &json!("erased")));
    assert_eq!(again["erasure"]["reason"], "it came back");
    assert!(!world.blob(&digest(GOAL)).exists());
}

#[tokio::test]
async fn what_open_work_needs_stays_and_the_refusal_names_it() {
    let world = World::edits(KNOWLEDGE);
    let mandate = create(&world).await;
    world.until("mandate_parked").await;
    let refused = erase(&world, &digest(GOAL), "a key stood in it").await;
    assert_eq!(code(&refused), (409, "still_needed"));
    let detail = refused.body["detail"].as_str().expect("words");
    assert!(detail.contains(&mandate), "{detail}");
    // The diff of the proposal that waits.
    let refused = erase(&world, &digest(crate::world::DIFF), "no").await;
    assert_eq!(code(&refused), (409, "still_needed"));
    assert!(world.blob(&digest(GOAL)).exists() && world.blob(&digest(crate::world::DIFF)).exists());

    world.post(&format!("/v1/mandates/{mandate}/stop"), "").await;
    world.until("mandate_finished").await;
    erase(&world, &digest(crate::world::DIFF), "nobody shall read it").await;
    let proposal = world.until("proposal_opened").await["proposal_id"].as_str().map(str::to_owned);
    let shown = world.get(&format!("/v1/proposals/{}", proposal.expect("an id"))).await.body;
    assert_eq!((&shown["diff"], &shown["erased"][0]["state"]), (&Value::Null, &json!("erased")));
}

#[tokio::test]
async fn what_is_no_text_is_told_apart() {
    let world = World::edits(FREE);
    let unknown = digest("nobody stored it");
    assert_eq!(code(&erase(&world, &unknown, "why").await), (404, "unknown_id"));
    for bad in ["3a7bd3e", "not-a-digest", &format!("{unknown}0")] {
        assert_eq!(code(&erase(&world, bad, "why").await), (400, "bad_digest"), "{bad}");
    }
    assert_eq!(code(&erase(&world, &unknown, " ").await), (400, "no_reason"));
    let path = format!("/v1/blobs/{unknown}/erase");
    assert_eq!(code(&world.post(&path, "{}").await), (400, "bad_body"));
    for name in ["aaaaaaaa1", "aaaaaaaa2"] {
        let name = format!("{name}{}", "0".repeat(55));
        std::fs::write(world.blob(&name), "x").expect("written");
    }
    let ambiguous = erase(&world, "aaaaaaaa", "why").await;
    assert_eq!(code(&ambiguous), (409, "ambiguous_id"));
    assert_eq!(ambiguous.body["candidates"].as_array().map(Vec::len), Some(2));
}
