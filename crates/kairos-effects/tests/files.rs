//! File effects, end to end: each permit out of a real ledger.

mod common;

use std::os::unix::ffi::OsStrExt as _;

use common::World;
use kairos_core::effect::{Call, Change, FileRefusal, Outcome, Reconciled, Reply};
use kairos_core::event::Event;
use kairos_core::gate::scope::Scopes;
use kairos_core::mandate::outcome::Outcome as End;
use kairos_core::mandate::spec::Check;
use kairos_core::schedule::Contents;
use kairos_core::schedule::condition::{Condition, Found, Test};
use kairos_effects::cancel;
use kairos_effects::file::Unclear;
use kairos_effects::model::{Model, Playbook};

fn seen(world: &mut World) -> (Vec<String>, u32) {
    match world.observe() {
        Outcome::Observed { files, left_out } => {
            (files.iter().map(|file| file.path.to_string()).collect(), left_out)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_the_goal_are_seen_first_and_protected_ones_are_left_out() {
    let mut world = World::new(&[
        ("src/b.rs", "b"),
        ("src/a.rs", "a"),
        ("src/deep/c.rs", "c"),
        ("docs/install.md", "install"),
        (".kairos/knowledge/k.md", "k"),
        (".env", "SECRET=1"),
        ("target/CACHEDIR.TAG", ""),
        ("target/made.rs", "made"),
        ("node_modules/m.rs", "m"),
    ]);
    world.mandate(
        "Fix `docs/install.md` and .env, see missing.md.",
        &["**/*.rs", ".kairos/**"],
        vec![],
    );
    let expected = ["docs/install.md", "src/a.rs", "src/b.rs", "src/deep/c.rs"];
    assert_eq!(seen(&mut world), (expected.map(str::to_owned).to_vec(), 2));
}

#[test]
fn what_is_seen_is_bounded_in_files_and_bytes() {
    let names: Vec<String> = (0..70).map(|n| format!("f/{n:02}")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let large = "x".repeat(256 * 1024);
    files.push(("a/large", &large));
    files.push(("a/small", "x"));
    let mut world = World::new(&files);
    world.mandate("no path here", &["a/*", "f/*"], vec![]);
    let (paths, left_out) = seen(&mut world);
    // The large one takes all the room there is.
    assert_eq!((paths, left_out), (vec!["a/large".to_owned()], 71));

    let mut world = World::new(&files[..70]);
    world.mandate("no path here", &["f/*"], vec![]);
    let (paths, left_out) = seen(&mut world);
    assert_eq!((paths.len(), left_out), (64, 6));
}

fn fill(world: &World, dir: &str, count: usize) {
    let dir = world.dir.path().join("workspace").join(dir);
    std::fs::create_dir_all(&dir).expect("made");
    for n in 0..count {
        std::fs::write(dir.join(format!("{n}.rs")), "").expect("written");
    }
}

#[test]
fn what_the_daemon_keeps_takes_no_room_from_a_glob() {
    let mut world = World::new(&[("src/a.rs", "a"), (".git/hooks/x.rs", "x")]);
    fill(&world, ".kairos/blobs", 20_000);
    fill(&world, ".git/objects/ab", 50);
    world.mandate("look", &["**/*.rs"], vec![]);
    assert_eq!(seen(&mut world), (vec!["src/a.rs".to_owned()], 0));
}

#[test]
fn a_wide_glob_takes_no_room_from_a_narrow_one_and_files_come_before_directories() {
    let mut world =
        World::new(&[("src/deep/a.rs", "a"), ("z.rs", "z"), ("node_modules/m/x.js", "x")]);
    fill(&world, "many", 20_000);
    std::fs::remove_file(world.dir.path().join("workspace/many/0.rs")).expect("there");
    let globs = ["src/**/*.rs", "**/z.rs", "node_modules/m/*", "/etc/*"];
    world.mandate("look", &globs, vec![]);
    let expected = ["node_modules/m/x.js", "src/deep/a.rs", "z.rs"];
    // The walk for `**/z.rs` was cut, and `/etc/*` names nothing in here.
    assert_eq!(seen(&mut world), (expected.map(str::to_owned).to_vec(), 2));
}

#[test]
fn a_glob_that_leads_into_what_nobody_may_see_is_told_as_left_out() {
    let mut world = World::new(&[(".kairos/config/daemon.yml", "x"), (".git/objects/ab", "x")]);
    let globs = [".kairos/config/*", ".git/objects/**", "docs/*"];
    world.mandate("look", &globs, vec![]);
    assert_eq!(seen(&mut world), (vec![], 2));
}

#[test]
fn paths_that_are_seen_fit_into_a_record() {
    let mut world = World::new(&[]);
    // Each byte of these names takes five in the text of an event.
    let mut dir = world.dir.path().join("workspace");
    for _ in 0..14 {
        dir.push(std::ffi::OsStr::from_bytes(&[0xff; 255]));
    }
    std::fs::create_dir_all(&dir).expect("made");
    for n in 0..64 {
        std::fs::write(dir.join(format!("{n:02}")), "x").expect("written");
    }
    world.mandate("look", &["**"], vec![]);
    let (paths, left_out) = seen(&mut world);
    assert_eq!(paths.len() + usize::try_from(left_out).expect("few"), 64);
    let text: usize = paths.iter().map(String::len).sum();
    assert!((100_000..=128 * 1024).contains(&text), "{text}");
}

#[test]
fn links_and_bytes_that_are_no_text_are_not_shown() {
    let mut world = World::new(&[("d/text", "t")]);
    let root = world.dir.path().join("workspace");
    std::fs::write(root.join("d/binary"), b"\xff\xfe").expect("written");
    std::os::unix::fs::symlink("/etc/hostname", root.join("d/link")).expect("linked");
    world.mandate("look", &["d/*"], vec![]);
    assert_eq!(seen(&mut world), (vec!["d/text".to_owned()], 1));
}

const PLAYBOOK: &str = r##"
answers:
  - phase: orient
    raw: '{"summary": "s", "priorities": [], "risk_level": "low"}'
  - phase: decide
    goal: everything
    answer:
      status: done
      reason: all at once
      steps:
        - {id: edit, action: code_edit, path: a.md, old_string: "1.0", new_string: "2.0", intent: i}
        - {id: create, action: file_create, path: new.md, content: "new\n", intent: i}
        - {id: move, action: file_move, path: from.md, to: sub/to.md, intent: i}
        - {id: delete, action: file_delete, path: old.md, intent: i}
  - phase: decide
    answer:
      status: done
      reason: r
      steps:
        - {id: edit, action: code_edit, path: a.md, old_string: "absent", new_string: "x", intent: i}
  - phase: reflect
    answer: {assessment: success, lessons: [], confidence: 1.0}
"##;

fn model(world: &World) -> Model {
    model_that_says(world, PLAYBOOK)
}

fn model_that_says(world: &World, playbook: &str) -> Model {
    std::fs::write(world.dir.path().join("playbook.yml"), playbook).expect("written");
    let file = std::path::Path::new("playbook.yml");
    let loaded = Playbook::load(world.dir.path(), file, world.texts.clone(), world.notify());
    Model::Playbook(loaded.expect("a playbook"))
}

/// Performs everything until nothing is open; answers the outcomes.
fn perform_all(world: &mut World) -> Vec<Outcome> {
    let model = model(world);
    perform_all_with(world, &model)
}

fn perform_all_with(world: &mut World, model: &Model) -> Vec<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let files = world.files();
    let mut outcomes = Vec::new();
    while let Some(permit) = world.next() {
        let settled = if matches!(permit.effect().call(), kairos_core::effect::Call::Ask { .. }) {
            let (_cancel, token) = cancel::pair();
            runtime.block_on(model.perform(permit, token))
        } else {
            files.perform(permit)
        };
        outcomes.push(world.settle(settled));
    }
    outcomes
}

fn contains(world: &World, file: &str, text: &str) -> Check {
    let text = world.texts.put(text.as_bytes()).expect("stored");
    Check::Contains { file: file.parse().expect("a path"), text }
}

#[test]
fn a_mandate_edits_creates_moves_deletes_and_is_verified() {
    let mut world = World::new(&[
        ("a.md", "version 1.0\n"),
        ("from.md", "moved\n"),
        ("old.md", "old\n"),
        ("sub/x", ""),
    ]);
    let checks = vec![contains(&world, "a.md", "2.0"), contains(&world, "sub/to.md", "moved")];
    world.mandate("do everything", &["*.md"], checks);
    let outcomes = perform_all(&mut world);
    assert!(
        matches!(
            world.events.last(),
            Some(Event::MandateFinished { outcome: End::Achieved, verified: Some(true), .. })
        ),
        "{outcomes:#?}"
    );
    assert_eq!(world.read("a.md").as_deref(), Some("version 2.0\n"));
    assert_eq!(world.read("new.md").as_deref(), Some("new\n"));
    assert_eq!(world.read("sub/to.md").as_deref(), Some("moved\n"));
    assert_eq!((world.read("from.md"), world.read("old.md")), (None, None));
    let left: Vec<_> = std::fs::read_dir(world.dir.path().join("workspace"))
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with(".kairos"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let diffs: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Prepared { diff, .. } => Some(world.text(*diff)),
            _ => None,
        })
        .collect();
    assert_eq!(
        diffs,
        [
            "--- a/a.md\n+++ b/a.md\n@@ -1 +1 @@\n-version 1.0\n+version 2.0\n",
            "--- /dev/null\n+++ b/new.md\n@@ -0,0 +1 @@\n+new\n",
            "rename from from.md\nrename to sub/to.md\n",
            "--- a/old.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n",
        ]
    );
}

const BELOW: &str = r##"
answers:
  - phase: orient
    raw: '{"summary": "s", "priorities": [], "risk_level": "low"}'
  - phase: decide
    answer:
      status: done
      reason: all below what is not there
      steps:
        - {id: create, action: file_create, path: a/b/c.txt, content: "new\n", intent: i}
        - {id: move, action: file_move, path: from.md, to: d/e/to.md, intent: i}
"##;

#[test]
fn a_file_is_created_and_moved_where_no_directory_is() {
    let mut world = World::new(&[("from.md", "moved\n")]);
    world.mandate("do everything", &[], vec![]);
    let model = model_that_says(&world, BELOW);
    let outcomes = perform_all_with(&mut world, &model);
    let prepared = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Prepared {
            change: Change::Create { at, .. } | Change::Move { to: at, .. },
            ..
        } => Some((at.path.to_string(), at.parent)),
        _ => None,
    });
    let expected = [("a/b/c.txt".to_owned(), 0), ("d/e/to.md".to_owned(), 0)];
    assert_eq!(prepared.collect::<Vec<_>>(), expected);
    let ends = |end: fn(&&Outcome) -> bool| outcomes.iter().filter(end).count();
    let changed = ends(|outcome| matches!(outcome, Outcome::Changed { .. }));
    let cleared = ends(|outcome| matches!(outcome, Outcome::Cleared));
    assert_eq!((changed, cleared), (2, 2), "{outcomes:#?}");
    assert_eq!(everything(&world), ["a", "a/b", "a/b/c.txt", "d", "d/e", "d/e/to.md"]);
    assert_eq!(world.read("a/b/c.txt").as_deref(), Some("new\n"));
    assert_eq!(world.read("d/e/to.md").as_deref(), Some("moved\n"));
}

#[test]
fn a_link_that_takes_the_place_of_a_missing_directory_leads_nowhere() {
    let outside = tempfile::TempDir::new().expect("a temporary directory");
    let mut world = World::new(&[("from.md", "moved\n")]);
    world.mandate("do everything", &[], vec![]);
    let (files, model) = (world.files(), model_that_says(&world, BELOW));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let mut refused = 0;
    while let Some(permit) = world.next() {
        let settled = match permit.effect().call() {
            Call::Ask { .. } => runtime.block_on(model.perform(permit, cancel::pair().1)),
            Call::Change { change, .. } => {
                let top = if matches!(change, Change::Create { .. }) { "a" } else { "d" };
                let link = world.dir.path().join("workspace").join(top);
                std::os::unix::fs::symlink(outside.path(), link).expect("nothing is there");
                refused += 1;
                let settled = files.perform(permit);
                assert_eq!(*settled.outcome(), Outcome::Refused(FileRefusal::Symlink));
                settled
            }
            _ => files.perform(permit),
        };
        world.settle(settled);
    }
    assert!(refused > 0);
    assert_eq!(std::fs::read_dir(outside.path()).expect("listed").count(), 0);
    assert_eq!(world.read("from.md").as_deref(), Some("moved\n"));
}

/// All paths in the workspace, links not followed, sorted.
fn everything(world: &World) -> Vec<String> {
    let root = world.dir.path().join("workspace");
    let (mut open, mut paths) = (vec![root.clone()], Vec::new());
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).expect("listed") {
            let path = entry.expect("an entry").path();
            let below = path.strip_prefix(&root).expect("below it");
            paths.push(below.to_str().expect("text").to_owned());
            if path.symlink_metadata().expect("there").is_dir() {
                open.push(path);
            }
        }
    }
    paths.sort();
    paths
}

#[test]
fn an_edit_whose_old_text_is_not_there_is_refused_and_changes_nothing() {
    let mut world = World::new(&[("a.md", "version 1.0\n")]);
    world.mandate("one edit", &["*.md"], vec![]);
    let outcomes = perform_all(&mut world);
    let refusal = kairos_core::effect::FileRefusal::OldTextMissing;
    assert!(outcomes.contains(&Outcome::Refused(refusal)), "{outcomes:#?}");
    assert_eq!(world.read("a.md").as_deref(), Some("version 1.0\n"));
}

#[test]
fn a_check_that_does_not_hold_is_reported_in_words() {
    let mut world =
        World::new(&[("a.md", "version 1.0\n"), ("from.md", ""), ("old.md", ""), ("sub/x", "")]);
    let checks = vec![contains(&world, "a.md", "9.9"), contains(&world, "gone.md", "x")];
    world.mandate("do everything", &[], checks);
    let outcomes = perform_all(&mut world);
    let report = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Verified { failed, report: Some(report) } => {
            Some((failed.clone(), world.text(*report)))
        }
        _ => None,
    });
    let words = "`a.md` does not contain \"9.9\"\n`gone.md` does not exist\n".to_owned();
    assert_eq!(report, Some((vec![0, 1], words)));
}

#[test]
fn a_change_that_was_lost_after_it_was_made_is_found_done() {
    let mut world =
        World::new(&[("a.md", "version 1.0\n"), ("from.md", ""), ("old.md", ""), ("sub/x", "")]);
    world.mandate("do everything", &[], vec![]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let (files, model) = (world.files(), model(&world));
    loop {
        let permit = world.permit();
        match permit.effect().call() {
            kairos_core::effect::Call::Ask { .. } => {
                let settled = runtime.block_on(model.perform(permit, cancel::pair().1));
                world.settle(settled);
            }
            kairos_core::effect::Call::Change { .. } => {
                // Made, and the outcome lost on the way.
                let (effect, _) = files.perform(permit).into_parts();
                world.input(&kairos_core::input::Input::Lost { effect: effect.id() });
                break;
            }
            _ => {
                world.settle(files.perform(permit));
            }
        }
    }
    let permit = world.permit();
    let outcome = world.settle(files.perform(permit));
    assert_eq!(outcome, Outcome::Reconciled(Reconciled::Done));
    let permit = world.permit();
    assert_eq!(world.settle(files.perform(permit)), Outcome::Cleared);
    assert_eq!(world.read("a.md").as_deref(), Some("version 2.0\n"));
}

#[test]
fn a_plan_no_record_could_hold_is_repaired_once_and_then_fails() {
    let path = "\u{7f}".repeat(3800);
    let steps: Vec<String> = (0..64)
        .map(|n| format!(r#"{{"id":"{n}","action":"file_delete","path":"{path}"}}"#))
        .collect();
    let answer = format!(r#"{{"status":"done","reason":"r","steps":[{}]}}"#, steps.join(","));
    assert!(answer.len() > 240_000);
    let quoted = serde_json::to_string(&answer).expect("a text").replace('\u{7f}', "\\x7f");
    let playbook = format!(
        "answers:\n  - phase: orient\n    answer: {{summary: s, priorities: [], risk_level: low}}\n  \
         - {{phase: decide, raw: {quoted}}}\n"
    );
    let mut world = World::new(&[]);
    let model = model_that_says(&world, &playbook);
    world.mandate("do it", &[], vec![]);
    let outcomes = perform_all_with(&mut world, &model);
    let invalid = |outcome: &&Outcome| matches!(outcome, Outcome::Asked(attempt) if matches!(attempt.reply, Reply::Invalid { .. }));
    assert!(outcomes.iter().filter(invalid).count() >= 2, "{outcomes:#?}");
    assert!(
        matches!(world.events.last(), Some(Event::MandateFinished { outcome: End::Failed, .. })),
        "{:#?}",
        world.events.last()
    );
}

#[test]
fn a_protected_file_is_neither_shown_nor_kept_whatever_leads_to_it() {
    const SECRET: &str = "1.0 is the secret";
    let mut world = World::new(&[("real/a.md", SECRET), ("free.md", "f"), ("sub/x", "")]);
    let root = world.dir.path().join("workspace");
    std::os::unix::fs::symlink("real", root.join("creds")).expect("linked");
    world.secrets = vec![root.join("creds/a.md")];
    world.mandate("look at real/a.md", &["**/*.md"], vec![]);
    assert_eq!(seen(&mut world), (vec!["free.md".to_owned()], 1));

    let playbook = PLAYBOOK.replace("a.md, old", "real/a.md, old").replace("old.md", "real/a.md");
    let model = model_that_says(&world, &playbook);
    let outcomes = perform_all_with(&mut world, &model);
    assert!(outcomes.contains(&Outcome::Refused(FileRefusal::Protected)));
    assert_eq!(world.read("real/a.md").as_deref(), Some(SECRET));
    for blob in std::fs::read_dir(world.dir.path().join("blobs")).expect("listed") {
        let bytes = std::fs::read(blob.expect("an entry").path()).expect("read");
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));
    }
}

#[test]
fn a_file_that_takes_a_protected_ones_place_is_protected_too() {
    let mut world = World::new(&[("v1/key", "1"), ("v2/key", "2")]);
    let root = world.dir.path().join("workspace");
    std::os::unix::fs::symlink("v1", root.join("current")).expect("linked");
    world.secrets = vec![root.join("current/key")];
    let files = world.files();
    std::fs::remove_file(root.join("current")).expect("there");
    std::os::unix::fs::symlink("v2", root.join("current")).expect("linked");
    world.mandate("look", &["v2/*"], vec![]);
    let permit = world.permit();
    let outcome = world.settle(files.perform(permit));
    assert_eq!(outcome, Outcome::Observed { files: Vec::new(), left_out: 1 });
}

#[test]
fn the_bytes_of_any_daemons_own_files_are_never_kept() {
    const CONFIG: &str = "max_running: 1.0";
    let mut world = World::new(&[("sub/.kairos/config/daemon.yml", CONFIG)]);
    let path = "sub/.kairos/config/daemon.yml, old";
    let model = model_that_says(&world, &PLAYBOOK.replace("a.md, old", path));
    world.mandate("do everything", &[], vec![]);
    let outcomes = perform_all_with(&mut world, &model);
    assert!(outcomes.contains(&Outcome::Refused(FileRefusal::Protected)));
    let hash = kairos_core::digest::BlobRef::of(CONFIG.as_bytes());
    assert!(world.texts.get(hash).is_err());
}

fn exists(world: &World, path: &str) -> Result<Found, Unclear> {
    let condition = Condition { test: Test::Exists(path.parse().expect("a path")), not: false };
    world.files().look(&condition, &Scopes::default())
}

fn contents(world: &World, glob: &str) -> Result<Contents, Unclear> {
    world.files().contents(glob, &Scopes::default(), &mut |_| {})
}

#[test]
fn nobody_can_tell_whether_what_a_link_leads_to_is_there() {
    let world = World::new(&[("docs/a.md", "a")]);
    let workspace = world.dir.path().join("workspace");
    std::os::unix::fs::symlink("docs", workspace.join("there")).expect("a link");
    std::os::unix::fs::symlink("gone", workspace.join("nowhere")).expect("a link");
    for path in ["docs", "docs/a.md"] {
        assert!(matches!(exists(&world, path), Ok(Found::Is(true))), "{path}");
    }
    for path in ["gone", "gone/a.md", "docs/a.md/b"] {
        assert!(matches!(exists(&world, path), Ok(Found::Is(false))), "{path}");
    }
    for path in ["there", "nowhere", "there/a.md"] {
        assert!(matches!(exists(&world, path), Err(Unclear::Refused(_))), "{path}");
    }
}

/// Such a file is there while a change is brought in, and as long as one is not settled.
#[test]
fn what_a_change_leaves_beside_its_target_hides_nothing() {
    let world = World::new(&[("docs/a.md", "a")]);
    let before = contents(&world, "docs/**").expect("it can be told");
    let docs = world.dir.path().join("workspace/docs");
    for name in [".kairos-0123456789abcdef", ".kairos-0123456789abcdef.new"] {
        std::fs::write(docs.join(name), "the other one").expect("written");
    }
    assert_eq!(contents(&world, "docs/**").expect("it still can"), before);
    std::fs::write(docs.join("b.md"), "b").expect("written");
    assert_ne!(contents(&world, "docs/**").expect("it still can"), before);
}
