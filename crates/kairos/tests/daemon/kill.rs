//! `kill -9` at any moment changes nothing: the real binary, a real model server, real files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::home::{Home, Model, follow};

/// Kills; `KAIROS_KILLS` asks for more.
const KILLS: u64 = 12;
const MANDATES: usize = 20;
const RUNNING_MAX: usize = 4;

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
    home.configure("openai", &model.base_url("openai"), &format!("max_running: {RUNNING_MAX}\n"));
    for n in 0..MANDATES {
        home.write(&format!("docs/{n}.md"), &format!("# Page {n}\n\nversion-{n} is old\n"));
    }
    home.write(".kairos/knowledge/release.md", "The release is 1.0.\n");
    let mut daemon = Some(home.daemon());
    let mut goals = BTreeMap::new();
    for n in 0..MANDATES {
        let goal = format!("change version-{n} to release-{n} in docs/{n}.md");
        let scope = format!("page-{n}");
        let made = home.json(&["mandate", "create", "--goal", &goal, "--project-scope", &scope]);
        goals.insert(text(&made["id"]), goal);
    }
    let made = home.json(&["mandate", "create", "--file", &knowledge(&home)]);
    goals.insert(text(&made["id"]), text(&made["goal"]));
    let mut open = BTreeSet::new();
    let mut moment = std::process::id().into();
    for _ in 0..kills {
        // The moment is the point of the test, so it is drawn, not waited for.
        moment = next(moment);
        std::thread::sleep(Duration::from_millis(20 + moment % 300));
        drop(daemon.take());
        let left = Calls::of(&home.events()).open();
        assert!(left.len() <= RUNNING_MAX, "{left:?}");
        open.extend(left);
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
    check(&home);
    let requests = model.requests();
    let (reserved, seen) = compare(&Calls::of(&home.events()), &open, &goals, &requests);
    eprintln!(
        "kills {kills}, requests {seen}, attempts reserved {reserved}, open at a kill {}, mandates {}",
        open.len(),
        goals.len()
    );
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Attempts of model calls, by effect: whose, and in which phase.
#[derive(Default)]
struct Calls {
    reserved: BTreeMap<String, (String, String)>,
    ended: BTreeSet<String>,
}

impl Calls {
    fn of(events: &[Value]) -> Self {
        let mut calls = Self::default();
        let mut begun = BTreeMap::new();
        for event in events {
            let effect = event["effect_id"].as_str().unwrap_or_default().to_owned();
            match event["type"].as_str().expect("a type") {
                "effect_begun" if event["intent"]["ask"].is_object() => {
                    let phase = text(&event["intent"]["ask"]["phase"]);
                    begun.insert(effect, (text(&event["mandate_id"]), phase));
                }
                "budget_reserved" => {
                    assert!(!calls.reserved.contains_key(&effect), "{event} is the second");
                    calls.reserved.insert(effect, Default::default());
                }
                "effect_settled" => {
                    calls.ended.insert(effect);
                }
                _ => {}
            }
        }
        // Nothing is asked without a reservation, and nothing is reserved that is not asked.
        assert!(calls.reserved.keys().eq(begun.keys()), "{:?} {begun:?}", calls.reserved);
        Self { reserved: begun, ..calls }
    }

    /// Those without an outcome.
    fn open(&self) -> BTreeSet<String> {
        self.reserved.keys().filter(|call| !self.ended.contains(*call)).cloned().collect()
    }
}

/// For each mandate and phase, the server saw every attempt that was reserved once; only of those
/// that were open at a kill it may have seen nothing.
fn compare(
    calls: &Calls,
    open: &BTreeSet<String>,
    goals: &BTreeMap<String, String>,
    requests: &[Value],
) -> (usize, usize) {
    let mut counts: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    for (effect, (mandate, phase)) in &calls.reserved {
        let count = counts.entry((goals[mandate].clone(), phase.clone())).or_default();
        count[0] += 1;
        count[1] += usize::from(open.contains(effect));
    }
    for request in requests {
        counts.entry((text(&request["goal"]), text(&request["phase"]))).or_default()[2] += 1;
    }
    for (whose, [reserved, open, seen]) in &counts {
        let may = reserved - open..=*reserved;
        assert!(may.contains(seen), "{whose:?}: {reserved} reserved, {open} open, {seen} seen");
    }
    (calls.reserved.len(), requests.len())
}

/// The next number of a small generator (xorshift, Marsaglia 2003).
fn next(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

fn check(home: &Home) {
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
    let left = std::fs::read_dir(home.root().join("docs")).expect("docs");
    let litter = left.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(".kairos-"));
    assert_eq!(litter.count(), 0, "temporary files are left");
}
