//! Changes that nobody disturbs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use kairos_disk::digest;
use kairos_disk::exchange::{Applied, Change, Failure, Finished, Intent};
use kairos_disk::fs::{Rename, Writers};
use kairos_disk::refusal::Reason;
use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::watched::{Call, Moment};
use crate::world::{CHANGES, POST, PRE, TEMP, World, files, perform};

const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";
const CAPABILITY: &str = "security.capability";

/// `user::rw-,user:1234:r--,group::r--,mask::r--,other::---`, as the kernel stores it.
fn acl() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, 1234),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Sets an attribute; `false`, said aloud, where that is not possible.
fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    let answer = rustix::fs::setxattr(path, name, value, XattrFlags::empty());
    if let Err(error) = answer {
        eprintln!("not checked here: `{name}` cannot be set: {error}");
    }
    answer.is_ok()
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    match rustix::fs::getxattr(path, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Some(value)
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_change_is_made_and_finished() {
    for which in 0..CHANGES {
        let world = World::new();
        let (intent, end, _) = world.changes().swap_remove(which);
        assert_eq!(perform(&world.tree(), &intent).unwrap(), Applied { writers: Writers::None });
        assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Removed);
        assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Clean);
        assert_eq!(world.files(), end);
    }
}

/// The column *steps* of the exchange's header: what a simulator that forgets un-synced writes
/// would find missing.
#[test]
fn calls_stand_in_the_order_of_the_table() {
    const RENAME: Call = Call::Rename(Rename::NoReplace);
    let edit = [
        Call::Create,
        Call::CopyAttributes,
        Call::Write,
        Call::Sync,
        RENAME,
        Call::Rename(Rename::Exchange),
        Call::SyncDir,
        Call::Unlink,
        Call::SyncDir,
    ];
    let create = [
        Call::Create,
        Call::Write,
        Call::Sync,
        Call::SyncDir,
        Call::Create,
        Call::SyncDir,
        RENAME,
        Call::SyncDir,
        Call::Unlink,
        Call::SyncDir,
    ];
    let relocate = [Call::Link, Call::SyncDir, RENAME, Call::SyncDir, Call::Unlink, Call::SyncDir];
    let delete = [RENAME, Call::SyncDir, Call::Unlink, Call::SyncDir];
    // Two directories, and two marks.
    let way = [Call::MakeDir, Call::SyncDir, Call::MakeDir, Call::SyncDir];
    let (begun, renamed) = create.split_at(6);
    let (mark, unmark) = ([Call::Create, Call::SyncDir], [Call::Unlink, Call::SyncDir]);
    let create_below = [&way, begun, &mark, renamed, &unmark].concat();
    let relocate_below = [&way, &relocate[..]].concat();
    let tables: [&[Call]; CHANGES] =
        [&edit, &create, &relocate, &delete, &create_below, &relocate_below];
    for (which, expected) in tables.into_iter().enumerate() {
        let world = World::new();
        let (intent, ..) = world.changes().swap_remove(which);
        let (sender, calls) = std::sync::mpsc::channel();
        let tree = world.watched(Box::new(move |moment| {
            if let Moment::After(call) = moment {
                sender.send(call).unwrap();
            }
            Ok(())
        }));
        perform(&tree, &intent).unwrap();
        tree.finish(&intent).unwrap();
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn old_file_stays_until_it_is_finished() {
    let world = World::new();
    let intent = world.edit("docs/a.md");
    perform(&world.tree(), &intent).unwrap();
    let temp = format!("docs/{TEMP}");
    assert_eq!(world.files(), files(&[("docs/a.md", POST), (&temp, PRE)]));
    fs::write(world.path(&temp), b"theirs").unwrap();
    assert_eq!(world.tree().finish(&intent).unwrap(), Finished::Kept);
    assert_eq!(world.text(&temp), "theirs");
}

#[test]
fn edit_keeps_owner_mode_acl_and_attributes() {
    let world = World::new();
    let path = world.path("docs/a.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o1640)).unwrap();
    if chown(&path, Some(1234), Some(2345)).is_err() {
        eprintln!("not checked here: only root gives files away");
    }
    let note = set(&path, "user.note", b"keep me");
    let acl_kept = set(&path, ACL, &acl());
    let before = fs::metadata(&path).unwrap();
    let intent = world.edit("docs/a.md");
    perform(&world.tree(), &intent).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_ne!(after.ino(), before.ino());
    let shown = |stat: &fs::Metadata| (stat.mode(), stat.uid(), stat.gid());
    assert_eq!(shown(&after), shown(&before));
    assert_eq!(get(&path, "user.note"), note.then(|| b"keep me".to_vec()));
    assert_eq!(get(&path, ACL), acl_kept.then(acl));
}

#[test]
fn edit_takes_no_acl_from_its_directory() {
    let world = World::new();
    set(&world.path("docs"), DEFAULT_ACL, &acl());
    perform(&world.tree(), &world.edit("docs/a.md")).unwrap();
    assert_eq!(get(&world.path("docs/a.md"), ACL), None);
}

#[test]
fn edit_drops_setuid_setgid_and_capabilities() {
    let world = World::new();
    let path = world.path("docs/a.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
    let mut cap_net_raw = vec![0; 20];
    cap_net_raw[3] = 2;
    cap_net_raw[5] = 0x20;
    set(&path, CAPABILITY, &cap_net_raw);
    perform(&world.tree(), &world.edit("docs/a.md")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(get(&path, CAPABILITY), None);
}

#[test]
fn created_file_has_its_mode_and_no_more() {
    let world = World::new();
    let mut intent = world.create("docs/b.md");
    if let Change::Create { mode, .. } = &mut intent.change {
        *mode = 0o4755;
    }
    perform(&world.tree(), &intent).unwrap();
    assert_eq!(fs::metadata(world.path("docs/b.md")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn moved_file_is_the_same_file() {
    let world = World::new();
    let before = fs::metadata(world.path("docs/a.md")).unwrap().ino();
    let intent = world.relocate("docs/a.md", "other/a.md");
    perform(&world.tree(), &intent).unwrap();
    world.tree().finish(&intent).unwrap();
    let after = fs::metadata(world.path("other/a.md")).unwrap();
    assert_eq!((after.ino(), after.nlink()), (before, 1));
}

#[test]
fn move_onto_a_file_is_refused() {
    let world = World::new();
    fs::write(world.path("other/a.md"), b"theirs").unwrap();
    let before = world.files();
    let failure = perform(&world.tree(), &world.relocate("docs/a.md", "other/a.md")).unwrap_err();
    assert_eq!(failure.to_string(), "`other/a.md` exists already");
    assert_eq!(world.files(), before);
}

#[test]
fn edit_that_changes_nothing_is_refused() {
    let world = World::new();
    let at = world.target("docs/a.md");
    let change = Change::Edit { at, pre: digest(PRE), post: PRE };
    let intent = Intent { change, ..world.edit("docs/a.md") };
    let failure = perform(&world.tree(), &intent).unwrap_err();
    let Failure::Refused(refusal) = failure else { panic!("{failure:?}") };
    assert!(matches!(refusal.reason, Reason::Unchanged));
}

#[test]
fn edit_that_grows_too_large_is_refused() {
    let world = World::new();
    let before = world.files();
    let post = vec![b'x'; 8 * 1024 * 1024 + 1];
    let at = world.target("docs/a.md");
    let change = Change::Edit { at, pre: digest(PRE), post: &post };
    let intent = Intent { change, temp: world.edit("docs/a.md").temp };
    let failure = perform(&world.tree(), &intent).unwrap_err();
    let Failure::Refused(refusal) = failure else { panic!("{failure:?}") };
    assert!(matches!(refusal.reason, Reason::TooLarge { .. }));
    assert_eq!(world.files(), before);
}

#[test]
fn names_that_are_not_utf8_are_names() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let name = std::ffi::OsStr::from_bytes(b"docs/\xff");
    fs::write(world.path("docs").join(std::ffi::OsStr::from_bytes(b"\xff")), PRE).unwrap();
    assert_eq!(world.tree().read(Path::new(name)).unwrap().bytes, PRE);
}
