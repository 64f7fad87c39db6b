//! `kill -9` at any moment changes nothing: the real binary, a real model server, real files.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::home::{Home, Model, count, follow};

/// Kills; `KAIROS_KILLS` asks for more.
const KILLS: u64 = 12;
const MANDATES: usize = 20;

/// A mandate that wants to change what is protected.
fn knowledge(home: &Home) -> String {
    home.write(
        "mandate.yml",
        "goal: change 1.0 to 2.0 in .kairos/knowledge/release.md\n\
         project_scope: knowledge\nallow_llm_upload: [l1]\n",
    );
    home.root().join("mandate.yml").display().to_string()
}

#[test]
fn a_daemon_killed_while_an_l1_edit_waits_restarts_and_finishes_it() {
    let model = Model::start(&[]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    home.write(".kairos/knowledge/release.md", "The release is 1.0.\n");
    let daemon = home.daemon();
    let file = knowledge(&home);
    let created = home.json(&["mandate", "create", "--file", &file]);
    let id = created["id"].as_str().expect("an id").to_owned();
    let mut proposal = String::new();
    follow(&home, |event| {
        if event["type"] == "proposal_opened" {
            proposal = event["proposal_id"].as_str().expect("an id").to_owned();
        }
        event["type"] == "mandate_parked"
    });
    drop(daemon);
    assert_eq!(home.read(".kairos/knowledge/release.md"), "The release is 1.0.\n");

    let daemon = home.daemon();
    let waiting = home.json(&["proposal", "show", &proposal]);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    let hash = waiting["hash"].as_str().expect("a hash").to_owned();
    home.ok(&["proposal", "approve", &proposal, "--yes", "--hash", &hash]);
    follow(&home, |event| event["type"] == "mandate_finished");
    assert_eq!(home.read(".kairos/knowledge/release.md"), "The release is 2.0.\n");
    assert_eq!(home.json(&["mandate", "show", &id])["outcome"], "achieved");
    assert_eq!(model.requests().len(), 3);
    drop(daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

#[test]
fn kills_at_any_moment_lose_nothing_and_repeat_nothing() {
    let kills = std::env::var("KAIROS_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let model = Model::start(&["--latency-ms", "20..200"]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "max_running: 4\n");
    for n in 0..MANDATES {
        home.write(&format!("docs/{n}.md"), &format!("# Page {n}\n\nversion-{n} is old\n"));
    }
    home.write(".kairos/knowledge/release.md", "The release is 1.0.\n");
    let mut daemon = Some(home.daemon());
    for n in 0..MANDATES {
        let goal = format!("change version-{n} to release-{n} in docs/{n}.md");
        let scope = format!("page-{n}");
        home.ok(&["mandate", "create", "--goal", &goal, "--project-scope", &scope]);
    }
    home.ok(&["mandate", "create", "--file", &knowledge(&home)]);
    let mut moment = std::process::id().into();
    for _ in 0..kills {
        // The moment is the point of the test, so it is drawn, not waited for.
        moment = next(moment);
        std::thread::sleep(Duration::from_millis(20 + moment % 300));
        drop(daemon.take());
        daemon = Some(home.daemon());
    }
    let (mut finished, mut parked) = (0, String::new());
    follow(&home, |event| {
        match event["type"].as_str() {
            Some("mandate_finished") => finished += 1,
            Some("proposal_opened") => {
                parked = event["proposal_id"].as_str().expect("an id").to_owned();
            }
            _ => {}
        }
        finished == MANDATES && !parked.is_empty()
    });
    let proposal = home.json(&["proposal", "show", &parked]);
    assert_eq!(proposal["state"], "waiting", "{proposal}");
    assert_eq!(home.read(".kairos/knowledge/release.md"), "The release is 1.0.\n");
    let hash = proposal["hash"].as_str().expect("a hash").to_owned();
    home.ok(&["proposal", "approve", &parked, "--yes", "--hash", &hash]);
    let mut finished = 0;
    follow(&home, |event| {
        finished += usize::from(event["type"] == "mandate_finished");
        finished == MANDATES + 1
    });
    drop(daemon.take());
    check(&home, &model, kills);
}

/// The next number of a small generator (xorshift, Marsaglia 2003).
fn next(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

fn check(home: &Home, model: &Model, kills: u64) {
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
    for n in 0..MANDATES {
        let text = home.read(&format!("docs/{n}.md"));
        assert_eq!(text, format!("# Page {n}\n\nrelease-{n} is old\n"));
    }
    assert_eq!(home.read(".kairos/knowledge/release.md"), "The release is 2.0.\n");
    let events = home.events();
    let mut ends = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "mandate_finished") {
        let id = event["mandate_id"].as_str().expect("an id").to_owned();
        assert_eq!(event["outcome"], "achieved", "{event}");
        assert!(ends.insert(id, ()).is_none(), "{event} ended twice");
    }
    assert_eq!(ends.len(), MANDATES + 1);
    let reserved = count(&events, "budget_reserved") as u64;
    let seen = model.requests().len() as u64;
    // A kill may fall between the reservation and the request: at most one for each mandate that
    // was running, and no request leaves without a reservation.
    assert!(seen <= reserved, "{seen} requests, {reserved} reserved");
    assert!(reserved - seen <= kills * 4, "{seen} requests, {reserved} reserved, {kills} kills");
    eprintln!(
        "kills {kills}, requests {seen}, attempts reserved {reserved}, mandates {}",
        ends.len()
    );
    let left = std::fs::read_dir(home.root().join("docs")).expect("docs");
    let litter = left.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(".kairos-"));
    assert_eq!(litter.count(), 0, "temporary files are left");
}
