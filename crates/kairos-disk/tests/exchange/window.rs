//! Somebody else, in the very window of the exchange. Their bytes are never lost.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kairos_disk::exchange::{Doubt, Failure, Intent, Left, Unsettled, WRITERS_WAIT};
use kairos_disk::fs::Rename;
use kairos_disk::refusal::Reason;

use crate::mapper::Mapper;
use crate::watched::{Call, Moment, Watcher};
use crate::world::{PRE, TEMP, World, files, perform};

const SWAP: Call = Call::Rename(Rename::Exchange);
const RENAME: Call = Call::Rename(Rename::NoReplace);

/// Acts once, at the first such moment.
fn at(moment: Moment, act: impl Fn() + Send + Sync + 'static) -> Watcher {
    let done = AtomicBool::new(false);
    Box::new(move |now| {
        if now == moment && !done.swap(true, Ordering::Relaxed) {
            act();
        }
        Ok(())
    })
}

fn unsettled(world: &World, intent: &Intent<'_>, watcher: Watcher) -> Unsettled {
    match perform(&world.watched(watcher), intent).unwrap_err() {
        Failure::Unsettled(unsettled) => unsettled,
        Failure::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Another process writes into a file as an editor does that keeps the inode.
fn write_in_place(path: &Path) {
    let script = "printf theirs > \"$0\"";
    assert!(Command::new("sh").args(["-c", script]).arg(path).status().unwrap().success());
}

/// Another process replaces a file as most editors do.
fn replace(path: &Path) {
    let script = "printf theirs > \"$0.tmp\" && mv \"$0.tmp\" \"$0\"";
    assert!(Command::new("sh").args(["-c", script]).arg(path).status().unwrap().success());
}

/// Another process that has a file open for writing until it is told to write and end.
struct Editor(Child);

impl Editor {
    fn open(path: &Path) -> Self {
        let script = "exec 3>>\"$0\"; echo open; read answer; printf \"$answer\" >&3";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "open\n");
        Self(child)
    }

    fn write(mut self, text: &str) {
        writeln!(self.0.stdin.take().unwrap(), "{text}").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn file_edited_before_the_swap_comes_back() {
    for edit in [write_in_place, replace] {
        let world = World::new();
        let path = world.path("docs/a.md");
        let watcher = at(Moment::Before(SWAP), move || edit(&path));
        let unsettled = unsettled(&world, &world.edit("docs/a.md"), watcher);
        assert!(matches!(unsettled.doubt, Doubt::PreChanged), "{unsettled:?}");
        assert_eq!(unsettled.left, Left::Restored);
        assert_eq!(world.files(), files(&[("docs/a.md", b"theirs")]));
    }
}

/// Nobody can tell when such a mapping is written to, so it is not waited for.
#[test]
fn file_mapped_before_the_swap_comes_back() {
    let world = World::new();
    let path = world.path("docs/a.md");
    let mapper = Arc::new(Mutex::new(None));
    let made = Arc::clone(&mapper);
    let watcher = at(Moment::Before(SWAP), move || *made.lock().unwrap() = Mapper::of(&path));
    let intent = world.edit("docs/a.md");
    let answer = perform(&world.watched(watcher), &intent);
    let Some(mapper) = mapper.lock().unwrap().take() else { return };
    let Err(Failure::Unsettled(unsettled)) = answer else { panic!("{answer:?}") };
    assert!(matches!(unsettled.doubt, Doubt::OpenForWriting), "{unsettled:?}");
    assert_eq!(unsettled.left, Left::Restored);
    mapper.write();
    assert_eq!(world.files(), files(&[("docs/a.md", b"theirs\n")]));
}

#[test]
fn file_edited_after_the_swap_stays_and_so_does_the_old_one() {
    for edit in [write_in_place, replace] {
        let world = World::new();
        let path = world.path("docs/a.md");
        let swaps = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&swaps);
        let watcher: Watcher = Box::new(move |moment| {
            if moment == Moment::After(SWAP) {
                seen.fetch_add(1, Ordering::Relaxed);
                edit(&path);
            }
            Ok(())
        });
        let unsettled = unsettled(&world, &world.edit("docs/a.md"), watcher);
        assert!(matches!(unsettled.doubt, Doubt::TargetChanged), "{unsettled:?}");
        // Not even for a moment is the edit taken away from its name.
        assert_eq!(swaps.load(Ordering::Relaxed), 1);
        assert_eq!(unsettled.left, Left::Standing);
        let temp = format!("docs/{TEMP}");
        assert_eq!(world.files(), files(&[("docs/a.md", b"theirs"), (&temp, PRE)]));
    }
}

/// The file was edited before the swap, and once more just before it is swapped back.
#[test]
fn file_edited_during_the_way_back_is_not_hidden() {
    let world = World::new();
    let path = world.path("docs/a.md");
    let swaps = Mutex::new(0);
    let watcher: Watcher = Box::new(move |moment| {
        if moment == Moment::Before(SWAP) {
            let mut swaps = swaps.lock().unwrap();
            *swaps += 1;
            match *swaps {
                1 => write_in_place(&path),
                2 => fs::write(&path, "theirs again").unwrap(),
                _ => {}
            }
        }
        Ok(())
    });
    let unsettled = unsettled(&world, &world.edit("docs/a.md"), watcher);
    assert_eq!(unsettled.left, Left::Standing);
    let temp = format!("docs/{TEMP}");
    assert_eq!(world.files(), files(&[("docs/a.md", b"theirs again"), (&temp, b"theirs")]));
}

#[test]
fn mode_changed_in_the_window_is_not_lost() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let path = world.path("docs/a.md");
    let watcher = at(Moment::Before(SWAP), move || {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    });
    let unsettled = unsettled(&world, &world.edit("docs/a.md"), watcher);
    assert_eq!(unsettled.left, Left::Restored);
    let mode = fs::metadata(world.path("docs/a.md")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn file_that_an_editor_holds_open_is_refused_after_a_second() {
    for which in [0, 3] {
        let world = World::new();
        let before = world.files();
        let (intent, ..) = world.changes().swap_remove(which);
        let editor = Editor::open(&world.path("docs/a.md"));
        let mut waited = Duration::ZERO;
        let failure = world.tree().perform(&intent, &mut |pause| waited += pause).unwrap_err();
        let Failure::Refused(refusal) = failure else { panic!("{failure:?}") };
        assert!(matches!(refusal.reason, Reason::OpenForWriting));
        assert_eq!(waited, WRITERS_WAIT);
        assert_eq!(world.files(), before);
        editor.write("more");
        assert_eq!(world.text("docs/a.md"), "before\nmore");
    }
}

#[test]
fn editor_that_opened_the_file_in_the_window_writes_where_it_means_to() {
    for (which, moment) in [(0, Moment::Before(SWAP)), (3, Moment::Before(RENAME))] {
        let world = World::new();
        let (intent, ..) = world.changes().swap_remove(which);
        let editor = Arc::new(Mutex::new(None));
        let (path, opened): (PathBuf, _) = (world.path("docs/a.md"), Arc::clone(&editor));
        let watcher = at(moment, move || {
            *opened.lock().unwrap() = Some(Editor::open(&path));
        });
        let unsettled = unsettled(&world, &intent, watcher);
        assert!(matches!(unsettled.doubt, Doubt::OpenForWriting), "{unsettled:?}");
        assert_eq!(unsettled.left, Left::Restored);
        let editor = editor.lock().unwrap().take().unwrap();
        editor.write("more");
        assert_eq!(world.files(), files(&[("docs/a.md", b"before\nmore")]));
    }
}

#[test]
fn editor_that_closes_in_time_is_waited_for() {
    let world = World::new();
    let mut editor = Some(Editor::open(&world.path("docs/a.md")));
    let mut wait = |_| {
        if let Some(editor) = editor.take() {
            editor.write("");
        }
    };
    world.tree().perform(&world.edit("docs/a.md"), &mut wait).unwrap();
    assert_eq!(world.text("docs/a.md"), "after\n");
}

#[test]
fn directory_renamed_in_the_window_gets_its_file_back() {
    for (which, call) in [(0, SWAP), (1, RENAME), (2, RENAME), (3, RENAME)] {
        for moment in [Moment::Before(call), Moment::After(call)] {
            let world = World::new();
            let (intent, ..) = world.changes().swap_remove(which);
            let (docs, was) = (world.path("docs"), world.path("was"));
            let watcher = at(moment, move || {
                fs::rename(&docs, &was).unwrap();
                fs::create_dir(&docs).unwrap();
                fs::write(docs.join("a.md"), "another").unwrap();
            });
            let unsettled = unsettled(&world, &intent, watcher);
            assert!(matches!(unsettled.doubt, Doubt::ParentMoved), "{which} {unsettled:?}");
            assert_eq!(unsettled.left, Left::Restored);
            let expected = files(&[("docs/a.md", b"another"), ("was/a.md", PRE)]);
            assert_eq!(world.files(), expected);
        }
    }
}

#[test]
fn file_that_appears_before_a_creation_is_kept() {
    let world = World::new();
    let path = world.path("docs/b.md");
    let watcher = at(Moment::Before(RENAME), move || fs::write(&path, "theirs").unwrap());
    let failure = perform(&world.watched(watcher), &world.create("docs/b.md")).unwrap_err();
    assert_eq!(failure.to_string(), "`docs/b.md` exists already");
    assert_eq!(world.files(), files(&[("docs/a.md", PRE), ("docs/b.md", b"theirs")]));
}

#[test]
fn created_file_that_is_edited_at_once_is_kept() {
    let world = World::new();
    let path = world.path("docs/b.md");
    let watcher = at(Moment::After(RENAME), move || replace(&path));
    let unsettled = unsettled(&world, &world.create("docs/b.md"), watcher);
    assert!(matches!(unsettled.doubt, Doubt::TargetChanged), "{unsettled:?}");
    assert_eq!(world.text("docs/b.md"), "theirs");
}

#[test]
fn file_replaced_before_its_deletion_comes_back() {
    let world = World::new();
    let path = world.path("docs/a.md");
    let watcher = at(Moment::Before(RENAME), move || replace(&path));
    let unsettled = unsettled(&world, &world.delete("docs/a.md"), watcher);
    assert!(matches!(unsettled.doubt, Doubt::PreChanged), "{unsettled:?}");
    assert_eq!(unsettled.left, Left::Restored);
    assert_eq!(world.files(), files(&[("docs/a.md", b"theirs")]));
}

#[test]
fn file_made_while_a_deletion_is_taken_back_is_kept_beside_it() {
    let world = World::new();
    let path = world.path("docs/a.md");
    let renames = Mutex::new(0);
    let watcher: Watcher = Box::new(move |moment| {
        if moment == Moment::Before(RENAME) {
            *renames.lock().unwrap() += 1;
            replace(&path);
        }
        Ok(())
    });
    let unsettled = unsettled(&world, &world.delete("docs/a.md"), watcher);
    assert_eq!(unsettled.left, Left::Standing);
    let temp = format!("docs/{TEMP}");
    assert_eq!(world.files(), files(&[("docs/a.md", b"theirs"), (&temp, b"theirs")]));
}

#[test]
fn file_replaced_before_its_move_is_refused_or_comes_back() {
    let world = World::new();
    let path = world.path("docs/a.md");
    let watcher = at(Moment::Before(Call::Link), move || replace(&path));
    let intent = world.relocate("docs/a.md", "other/a.md");
    let failure = perform(&world.watched(watcher), &intent).unwrap_err();
    let Failure::Refused(refusal) = failure else { panic!("{failure:?}") };
    assert!(matches!(refusal.reason, Reason::Stale));
    assert_eq!(world.files(), files(&[("docs/a.md", b"theirs")]));

    let world = World::new();
    let path = world.path("docs/a.md");
    let watcher = at(Moment::Before(RENAME), move || replace(&path));
    let intent = world.relocate("docs/a.md", "other/a.md");
    let unsettled = unsettled(&world, &intent, watcher);
    assert!(matches!(unsettled.doubt, Doubt::PreChanged), "{unsettled:?}");
    assert_eq!(world.text("docs/a.md"), "theirs");
    assert_eq!(world.text("other/a.md"), "before\n");
}

#[test]
fn unsettled_says_what_is_left_and_why() {
    let world = World::new();
    let path = world.path("docs/a.md");
    let watcher = at(Moment::Before(SWAP), move || replace(&path));
    let unsettled = unsettled(&world, &world.edit("docs/a.md"), watcher);
    assert_eq!(
        unsettled.to_string(),
        "change of `docs/a.md` is unsettled, everything is as it was"
    );
    let source = std::error::Error::source(&unsettled).unwrap().to_string();
    assert_eq!(source, "what was replaced had been changed by somebody else meanwhile");
}
