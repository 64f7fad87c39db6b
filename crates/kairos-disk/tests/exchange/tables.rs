//! The tables of the exchange's header, row by row, from states made by hand.

use std::fs;
use std::os::unix::fs::symlink;

use kairos_disk::digest;
use kairos_disk::exchange::{Change, Doubt, Intent, Verdict};

use crate::world::{NEW, POST, PRE, TEMP, World};

/// What a name holds; none when it is absent.
type State = Option<&'static [u8]>;

const OTHER: &[u8] = b"somebody else's\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Done,
    Reverted,
    Retry,
    Unsettled,
}

use Expected::{Done, Retry, Reverted, Unsettled};

fn verdict(world: &World, intent: &Intent<'_>) -> Expected {
    let before = world.files();
    match world.tree().recover(intent) {
        Verdict::Done => Done,
        Verdict::Reverted => Reverted,
        Verdict::Retry => Retry,
        Verdict::Unsettled(doubt) => {
            assert!(matches!(doubt, Doubt::Neither), "{doubt:?}");
            assert_eq!(world.files(), before, "unsettled, and yet touched");
            Unsettled
        }
    }
}

fn put(world: &World, path: &str, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(world.path(path), bytes).unwrap(),
        None => drop(fs::remove_file(world.path(path))),
    }
}

#[test]
fn edit() {
    let rows: &[(State, State, Expected)] = &[
        (Some(POST), None, Done),
        (Some(POST), Some(PRE), Done),
        (Some(POST), Some(POST), Unsettled),
        (Some(POST), Some(OTHER), Unsettled),
        (Some(PRE), Some(PRE), Reverted),
        (Some(PRE), None, Retry),
        (Some(PRE), Some(POST), Retry),
        (Some(PRE), Some(OTHER), Unsettled),
        (Some(OTHER), None, Unsettled),
        (Some(OTHER), Some(PRE), Unsettled),
        (Some(OTHER), Some(POST), Unsettled),
        (None, None, Unsettled),
        (None, Some(PRE), Unsettled),
        (None, Some(POST), Unsettled),
    ];
    for row in rows {
        let world = World::new();
        put(&world, "docs/a.md", row.0);
        put(&world, &format!("docs/{TEMP}"), row.1);
        assert_eq!(verdict(&world, &world.edit("docs/a.md")), row.2, "{row:?}");
    }
}

/// Half-written bytes may happen to be the old file; under the name *new* that means nothing.
#[test]
fn half_written_edit_that_equals_the_old_file_is_retried() {
    for pre in [b"".as_slice(), b"be".as_slice()] {
        let world = World::new();
        put(&world, "docs/a.md", Some(pre));
        put(&world, &format!("docs/{NEW}"), Some(pre));
        let before = world.edit("docs/a.md");
        let at = world.target("docs/a.md");
        let change = Change::Edit { at, pre: digest(pre), post: b"better" };
        assert_eq!(verdict(&world, &Intent { change, ..before }), Retry);
        assert_eq!(world.files().len(), 1);
    }
}

#[test]
fn create() {
    const MARK: &[u8] = b"";
    let rows: &[(State, State, State, Expected)] = &[
        (Some(POST), None, None, Done),
        (Some(POST), Some(MARK), None, Done),
        (Some(POST), Some(MARK), Some(POST), Done),
        (Some(POST), Some(MARK), Some(OTHER), Unsettled),
        (Some(POST), Some(OTHER), None, Unsettled),
        (None, Some(MARK), None, Reverted),
        (None, Some(MARK), Some(POST), Retry),
        (None, Some(MARK), Some(OTHER), Unsettled),
        (None, None, None, Retry),
        (None, None, Some(b"aft"), Retry),
        (None, None, Some(POST), Retry),
        (None, Some(OTHER), None, Unsettled),
        (Some(OTHER), None, None, Unsettled),
        (Some(OTHER), Some(MARK), None, Unsettled),
    ];
    for row in rows {
        let world = World::new();
        put(&world, "docs/b.md", row.0);
        put(&world, &format!("docs/{TEMP}"), row.1);
        put(&world, &format!("docs/{NEW}"), row.2);
        assert_eq!(verdict(&world, &world.create("docs/b.md")), row.3, "{row:?}");
    }
}

#[test]
fn delete() {
    let rows: &[(State, State, Expected)] = &[
        (None, None, Done),
        (None, Some(PRE), Done),
        (None, Some(OTHER), Unsettled),
        (Some(PRE), Some(PRE), Reverted),
        (Some(PRE), None, Retry),
        (Some(PRE), Some(OTHER), Unsettled),
        (Some(OTHER), None, Unsettled),
        (Some(OTHER), Some(PRE), Unsettled),
    ];
    for row in rows {
        let world = World::new();
        put(&world, "docs/a.md", row.0);
        put(&world, &format!("docs/{TEMP}"), row.1);
        assert_eq!(verdict(&world, &world.delete("docs/a.md")), row.2, "{row:?}");
    }
}

/// Here it also matters which names stand for one file: equal letters are one file.
#[test]
fn relocate() {
    let rows = [
        // from, to, temp: upper case holds pre, lower case something else, `-` is absent
        ("-", "A", "-", Done),
        ("-", "A", "A", Done),
        ("-", "A", "B", Done),
        ("-", "a", "a", Done),
        ("-", "-", "A", Reverted),
        ("-", "b", "A", Reverted),
        ("A", "-", "A", Reverted),
        ("a", "-", "a", Reverted),
        ("A", "B", "B", Reverted),
        ("A", "b", "b", Reverted),
        ("A", "-", "B", Reverted),
        ("A", "-", "-", Retry),
        ("A", "A", "-", Retry),
        ("A", "B", "-", Unsettled),
        ("A", "b", "-", Unsettled),
        ("a", "a", "-", Unsettled),
        ("a", "-", "-", Unsettled),
        ("-", "-", "-", Unsettled),
        ("-", "b", "-", Unsettled),
        ("-", "-", "b", Unsettled),
        ("-", "A", "b", Unsettled),
        ("A", "-", "b", Unsettled),
        ("b", "A", "A", Unsettled),
    ];
    for (from, to, temp, expected) in rows {
        let world = World::new();
        fs::remove_file(world.path("docs/a.md")).unwrap();
        let names = [("docs/a.md", from), ("other/a.md", to), (&format!("docs/{TEMP}"), temp)];
        for (path, letter) in names {
            let file = world.path(&format!("file-{letter}"));
            if letter == "-" {
                continue;
            }
            if !file.exists() {
                let bytes = if letter.chars().all(char::is_uppercase) { PRE } else { OTHER };
                fs::write(&file, bytes).unwrap();
            }
            fs::hard_link(&file, world.path(path)).unwrap();
        }
        let row = (from, to, temp);
        assert_eq!(
            verdict(&world, &world.relocate("docs/a.md", "other/a.md")),
            expected,
            "{row:?}"
        );
    }
}

#[test]
fn path_that_leads_elsewhere_is_unsettled() {
    let world = World::new();
    let intent = world.edit("docs/a.md");
    fs::rename(world.path("docs"), world.path("old")).unwrap();
    fs::create_dir(world.path("docs")).unwrap();
    fs::write(world.path("docs/a.md"), PRE).unwrap();
    let verdict = world.tree().recover(&intent);
    let Verdict::Unsettled(Doubt::Path(refusal)) = verdict else { panic!("{verdict:?}") };
    assert_eq!(
        refusal.to_string(),
        "`docs/a.md` lies in another directory than when the change was prepared"
    );
}

#[test]
fn link_or_directory_under_a_name_is_unsettled() {
    let world = World::new();
    symlink("a.md", world.path(&format!("docs/{TEMP}"))).unwrap();
    assert_eq!(verdict(&world, &world.edit("docs/a.md")), Unsettled);
    assert_eq!(verdict(&world, &world.delete("docs/a.md")), Unsettled);
    let world = World::new();
    fs::create_dir(world.path("docs/b.md")).unwrap();
    assert_eq!(verdict(&world, &world.create("docs/b.md")), Unsettled);
}
