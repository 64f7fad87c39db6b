//! What the doors do about a long past.

use axum::http::StatusCode;
use kairos_core::digest::BlobRef;
use kairos_core::event::{Event, Origin};
use kairos_core::gate::risk::Risk;
use kairos_core::id::{CommandId, MandateId};
use kairos_core::mandate::spec::MandateSpec;
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

/// A mandate that takes some 20 KB in the journal.
fn created(id: u128) -> Vec<Event> {
    let spec = MandateSpec {
        goal: BlobRef::of(b"goal"),
        files: vec!["f".repeat(500); 40],
        verify: Vec::new(),
        max_cycles: 10,
        risk_budget: Risk::Low,
        project_scope: String::new(),
        allowed_actions: None,
        upload: Vec::new(),
        hints: None,
        model: None,
        timeout_ms: None,
    };
    let by = "user:ann(1000)".parse().expect("a principal");
    let origin = Origin::Command { command: CommandId::from_u128(id), by, key: None };
    let mandate = MandateId::from_u128(id);
    vec![Event::MandateCreated { mandate, origin, spec: Box::new(spec) }]
}

#[tokio::test]
async fn a_door_needs_no_more_of_the_past_than_a_snapshot_leaves() {
    const MANDATES: usize = 90;
    let history: Vec<_> = (1..=MANDATES).map(|id| created(id as u128)).collect();
    let mut world = World::after(FREE, &history, Views::default());
    let shown = world.get("/v1/mandates").await.body;
    assert_eq!(shown["mandates"].as_array().map(Vec::len), Some(MANDATES));
    let of_views = || {
        let names = std::fs::read_dir(world.journal().join("snapshots")).ok()?;
        let mut names = names.map(|entry| entry.expect("an entry").path());
        names.find(|path| path.extension().is_some_and(|kind| kind == "views"))
    };
    while of_views().is_none() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(world.journal().join("00000000000000000001.kj")).expect("removed");
    world.through_another_door();
    let again = world.get("/v1/mandates").await.body;
    let ids = |list: &serde_json::Value| {
        let all = list["mandates"].as_array().cloned().expect("a list");
        all.iter().map(|mandate| mandate["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&again), ids(&shown));
}
