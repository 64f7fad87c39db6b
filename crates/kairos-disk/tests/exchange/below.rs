//! Directories that are missing when a change is prepared: made with it, and never anywhere else.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use kairos_disk::exchange::{Change, Doubt, Failure, Finished, Intent, Left, Verdict};
use kairos_disk::fs::Rename;
use kairos_disk::refusal::Reason;
use kairos_disk::tree::MISSING;
use kairos_disk::{RealFs, Tree};

use crate::watched::{Call, Moment};
use crate::world::{NEW, POST, PRE, TEMP, World, files, perform};

fn refused(tree: &Tree<RealFs>, intent: &Intent<'_>) -> Reason {
    match perform(tree, intent).unwrap_err() {
        Failure::Refused(refusal) => refusal.reason,
        Failure::Unsettled(unsettled) => panic!("{unsettled:?}"),
    }
}

fn vacant(tree: &Tree<RealFs>, path: &str) -> Result<u64, Reason> {
    tree.vacant(Path::new(path)).map_err(|refusal| refusal.reason)
}

#[test]
fn missing_directory_is_told_and_what_is_there_has_to_pass() {
    let world = World::new();
    fs::create_dir(world.path("secret")).unwrap();
    symlink("other", world.path("link")).unwrap();
    let tree = world.protecting("secret");
    assert_eq!(vacant(&tree, "docs/b.md").unwrap(), world.parent_inode("docs/b.md"));
    for path in ["new/b.md", "docs/new/deep/b.md"] {
        assert_eq!(vacant(&tree, path).unwrap(), MISSING, "{path}");
    }
    assert!(matches!(vacant(&tree, "link/new/b.md"), Err(Reason::Symlink)));
    assert!(matches!(vacant(&tree, "secret/new/b.md"), Err(Reason::Protected)));
    assert!(matches!(vacant(&tree, "docs/a.md/new/b.md"), Err(Reason::NotDirectory)));
    assert!(matches!(vacant(&tree, "new/../b.md"), Err(Reason::NotBeneath)));
    for path in [format!("{TEMP}/b.md"), format!("new/{NEW}/b.md"), format!("new/{TEMP}")] {
        assert!(matches!(vacant(&tree, &path), Err(Reason::Reserved)), "{path}");
    }
}

#[test]
fn directories_are_made_for_everybody_to_read_and_stay() {
    let world = World::new();
    let intent = world.create_below();
    perform(&world.tree(), &intent).unwrap();
    let beside = format!("new/deep/{TEMP}");
    let standing = [("docs/a.md", PRE), ("new/deep/b.md", POST), (TEMP, b""), (&beside, b"")];
    assert_eq!(world.files(), files(&standing));
    for dir in ["new", "new/deep"] {
        assert_eq!(fs::metadata(world.path(dir)).unwrap().mode() & 0o7777, 0o755, "{dir}");
    }
    assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Removed);
    assert_eq!(world.files(), files(&[("docs/a.md", PRE), ("new/deep/b.md", POST)]));
}

#[test]
fn directories_that_are_there_by_now_are_taken() {
    let world = World::new();
    fs::create_dir(world.path("new")).unwrap();
    fs::write(world.path("new/theirs.md"), "theirs").unwrap();
    perform(&world.tree(), &world.create_below()).unwrap();
    assert_eq!(world.text("new/deep/b.md").as_bytes(), POST);
    let again = world.create_below();
    assert!(matches!(refused(&world.tree(), &again), Reason::Occupied));
}

#[test]
fn what_stands_in_the_way_by_now_is_refused_and_nothing_is_made_behind_it() {
    for at in ["new", "new/deep"] {
        let outside = tempfile::tempdir().unwrap();
        let world = World::new();
        fs::create_dir_all(world.path(at).parent().unwrap()).unwrap();
        for to in [outside.path(), Path::new("other"), Path::new("nowhere")] {
            symlink(to, world.path(at)).unwrap();
            for intent in [world.create_below(), world.relocate_below()] {
                assert!(matches!(refused(&world.tree(), &intent), Reason::Symlink), "{at}");
                let verdict = world.tree().recover(&intent);
                assert!(matches!(verdict, Verdict::Unsettled(Doubt::Path(_))), "{verdict:?}");
                assert_eq!(world.tree().finish(&world.create_below()).unwrap(), Finished::Kept);
            }
            fs::remove_file(world.path(at)).unwrap();
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(world.path("other")).unwrap().count(), 0);
        fs::write(world.path(at), "theirs").unwrap();
        assert!(matches!(refused(&world.tree(), &world.create_below()), Reason::NotDirectory));
        assert_eq!(world.text(at), "theirs");
        fs::remove_file(world.path(at)).unwrap();
        let tree = world.protecting("other");
        fs::rename(world.path("other"), world.path(at)).unwrap();
        assert!(matches!(refused(&tree, &world.create_below()), Reason::Protected));
        assert_eq!(fs::read_dir(world.path(at)).unwrap().count(), 0);
    }
}

#[test]
fn link_that_comes_between_making_and_opening_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let world = World::new();
    let (deep, to) = (world.path("new/deep"), outside.path().to_owned());
    let tree = world.watched(Box::new(move |moment| {
        if moment == Moment::After(Call::MakeDir) && deep.exists() {
            fs::remove_dir(&deep).unwrap();
            symlink(&to, &deep).unwrap();
        }
        Ok(())
    }));
    let Failure::Refused(refusal) = perform(&tree, &world.create_below()).unwrap_err() else {
        panic!("nothing was made");
    };
    assert!(matches!(refusal.reason, Reason::Symlink), "{refusal}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn new_directory_renamed_in_the_window_gives_nothing_away() {
    for (which, intent) in [World::create_below, World::relocate_below].into_iter().enumerate() {
        for moment in [Moment::Before, Moment::After] {
            let world = World::new();
            let (new, was) = (world.path("new"), world.path("was"));
            let tree = world.watched(Box::new(move |now| {
                if now == moment(Call::Rename(Rename::NoReplace)) && new.exists() {
                    fs::rename(&new, &was).unwrap();
                }
                Ok(())
            }));
            let failure = perform(&tree, &intent(&world)).unwrap_err();
            let Failure::Unsettled(unsettled) = failure else { panic!("{failure:?}") };
            assert!(matches!(unsettled.doubt, Doubt::ParentMoved), "{which} {unsettled:?}");
            assert_eq!(unsettled.left, Left::Restored);
            assert_eq!(world.files(), files(&[("docs/a.md", PRE)]));
        }
    }
}

/// The row of the header's table, and why the mark does not lie in the directory.
#[test]
fn creation_whose_directory_is_missing_is_retried_only_without_its_mark() {
    let world = World::new();
    let intent = world.create_below();
    assert!(matches!(world.tree().recover(&intent), Verdict::Retry));
    assert!(!world.path("new").exists());
    perform(&world.tree(), &intent).unwrap();
    fs::rename(world.path("new"), world.path("was")).unwrap();
    let left = world.files();
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::ParentMoved)), "{verdict:?}");
    assert_eq!(world.files(), left);
    assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Removed);
    let beside = format!("was/deep/{TEMP}");
    let standing = [("docs/a.md", PRE), ("was/deep/b.md", POST), (&beside, b"")];
    assert_eq!(world.files(), files(&standing));
    fs::write(world.path(TEMP), "theirs").unwrap();
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::Neither)), "{verdict:?}");
    assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Kept);
}

/// Somebody has put another directory where the change was on its way.
#[test]
fn creation_in_another_directory_than_the_one_that_was_made_is_unsettled() {
    let world = World::new();
    let intent = world.create_below();
    perform(&world.tree(), &intent).unwrap();
    fs::rename(world.path("new"), world.path("was")).unwrap();
    fs::create_dir_all(world.path("new/deep")).unwrap();
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::ParentMoved)), "{verdict:?}");
    fs::write(world.path("new/deep/b.md"), POST).unwrap();
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::ParentMoved)), "{verdict:?}");
}

#[test]
fn move_whose_directory_is_missing_is_judged_by_the_names_that_are_left() {
    let world = World::new();
    let intent = world.relocate_below();
    assert!(matches!(world.tree().recover(&intent), Verdict::Retry));
    // Stopped after its link, and then somebody took the directory away.
    fs::create_dir(world.path("was")).unwrap();
    fs::hard_link(world.path("docs/a.md"), world.path("was/a.md")).unwrap();
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::ParentMoved)), "{verdict:?}");
    fs::create_dir_all(world.path("new/deep")).unwrap();
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::ParentMoved)), "{verdict:?}");
    fs::remove_file(world.path("was/a.md")).unwrap();
    perform(&world.tree(), &intent).unwrap();
    fs::rename(world.path("new"), world.path("is")).unwrap();
    assert!(matches!(world.tree().recover(&intent), Verdict::Reverted));
    assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Removed);
    assert_eq!(world.files(), files(&[("is/deep/a.md", PRE)]));
    let verdict = world.tree().recover(&intent);
    assert!(matches!(verdict, Verdict::Unsettled(Doubt::Neither)), "{verdict:?}");
}

/// Only what may be made may have been missing.
#[test]
fn edit_or_deletion_never_takes_another_directory() {
    let world = World::new();
    for mut intent in [world.edit("docs/a.md"), world.delete("docs/a.md")] {
        let (Change::Edit { at, .. } | Change::Delete { at, .. }) = &mut intent.change else {
            panic!("neither");
        };
        at.parent_inode = MISSING;
        assert!(matches!(refused(&world.tree(), &intent), Reason::ParentChanged));
        let verdict = world.tree().recover(&intent);
        assert!(matches!(verdict, Verdict::Unsettled(Doubt::Path(_))), "{verdict:?}");
        assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Kept);
    }
}
