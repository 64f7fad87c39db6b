//! What the doors do about a long past.

use axum::http::StatusCode;
use kairos_core::event::Event;
use kairos_core::id::MandateId;
use kairos_views::Views;
use serde_json::json;

use crate::world::World;

const FREE: &str = "docs/a.md";
/// Takes long to read beside an answer.
const LONG: u128 = 20_000;

#[tokio::test(start_paused = true)]
async fn while_the_past_is_read_commands_are_taken_and_reads_are_told_to_come_again() {
    let started = |id| vec![Event::MandateStarted { mandate: MandateId::from_u128(id) }];
    let history: Vec<_> = (0..LONG).map(started).collect();
    let world = World::after(FREE, &history, Views::default());
    assert_eq!(world.get("/v1/status").await.status, StatusCode::OK);
    let behind = world.get("/v1/mandates").await;
    assert_eq!(
        (behind.status, behind.retry_after.as_deref()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("1"))
    );
    assert_eq!((&behind.body["code"], &behind.body["exit"]), (&json!("behind"), &json!(69)));
    let detail = behind.body["detail"].as_str().expect("a text");
    assert!(detail.starts_with("the views are still being read: at seq "), "{detail}");
    let made = world.post("/v1/mandates", r#"{"goal": "fix it"}"#).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    assert_eq!(
        (&made.body["mandate"]["state"], &made.body["mandate"]["goal"]),
        (&json!("queued"), &json!("fix it"))
    );
    assert_eq!(made.body["mandate"]["id"], made.body["mandate_id"]);
    let mut list = world.get("/v1/mandates").await;
    while list.status == StatusCode::SERVICE_UNAVAILABLE {
        assert_eq!(world.get("/v1/status").await.status, StatusCode::OK);
        list = world.get("/v1/mandates").await;
    }
    assert_eq!(list.body["mandates"][0]["id"], made.body["mandate_id"]);
}

#[tokio::test]
async fn a_mandate_the_views_have_forgotten_is_read_from_the_journal() {
    let world = World::after(FREE, &[], Views::keeping(1));
    let mut made = Vec::new();
    for goal in ["one", "two"] {
        let body = json!({ "goal": goal }).to_string();
        let created = world.post("/v1/mandates", &body).await.body;
        made.push(created["mandate_id"].as_str().expect("an id").to_owned());
        world.ended(made.len()).await;
    }
    let list = world.get("/v1/mandates").await.body;
    assert_eq!(list["mandates"].as_array().map(Vec::len), Some(1), "{list}");
    for (id, goal) in made.iter().zip(["one", "two"]) {
        let shown = world.get(&format!("/v1/mandates/{}", id.to_lowercase())).await.body;
        let expected = (&json!(goal), &json!("achieved"), Some(1));
        let edits = shown["edits"].as_array().map(Vec::len);
        assert_eq!((&shown["goal"], &shown["outcome"], edits), expected, "{shown}");
    }
    for unknown in [&made[0][..25], "01J00000000000000000000001"] {
        let answered = world.get(&format!("/v1/mandates/{unknown}")).await;
        assert_eq!(answered.body["code"], "unknown_id", "{answered:?}");
    }
}
