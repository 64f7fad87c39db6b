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
