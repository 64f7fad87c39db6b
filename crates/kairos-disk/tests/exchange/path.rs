//! Paths that may not be touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kairos_disk::exchange::{Failure, Intent};
use kairos_disk::refusal::Reason;
use kairos_disk::tree::TARGET_BYTES_MAX;
use kairos_disk::{RealFs, Tree};

use crate::world::{PRE, World, identity, perform};

fn reason(tree: &Tree<RealFs>, path: &str) -> Reason {
    let refusal = tree.read(Path::new(path)).unwrap_err();
    assert_eq!(refusal.path, Path::new(path));
    refusal.reason
}

#[test]
fn only_plain_relative_paths_are_taken() {
    let world = World::new();
    let tree = world.tree();
    let long = "a/".repeat(2048) + "a";
    for path in [
        "",
        ".",
        "..",
        "../a.md",
        "docs/../docs/a.md",
        "/etc/passwd",
        "./docs/a.md",
        "docs//a.md",
        "docs/./a.md",
        "docs/a.md/",
        "docs/\0",
        &long,
    ] {
        assert!(matches!(reason(&tree, path), Reason::NotBeneath), "{path:?}");
    }
    assert_eq!(tree.read(Path::new("docs/a.md")).unwrap().bytes, PRE);
}

#[test]
fn names_of_exchanges_are_taken_by_nobody_else() {
    let world = World::new();
    let tree = world.tree();
    for path in ["docs/.kairos-0123456789abcdef", ".kairos-0123456789abcdef.new"] {
        assert!(matches!(reason(&tree, path), Reason::Reserved), "{path:?}");
    }
    assert!(matches!(reason(&tree, "docs/.kairos-notes"), Reason::Missing));
}

#[test]
fn links_are_not_followed_wherever_they_stand() {
    let world = World::new();
    fs::write(world.path("other/secret"), b"x").unwrap();
    symlink("/etc/passwd", world.path("docs/out")).unwrap();
    symlink("a.md", world.path("docs/in")).unwrap();
    symlink("other", world.path("dir")).unwrap();
    let tree = world.tree();
    for path in ["docs/out", "docs/in", "dir/secret"] {
        assert!(matches!(reason(&tree, path), Reason::Symlink), "{path:?}");
    }
    let refusal = tree.vacant(Path::new("dir/new")).unwrap_err();
    assert!(matches!(refusal.reason, Reason::Symlink));
    let refusal = tree.vacant(Path::new("docs/in")).unwrap_err();
    assert!(matches!(refusal.reason, Reason::Occupied));
}

#[test]
fn only_regular_files_are_read_and_a_fifo_does_not_block() {
    let world = World::new();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, world.path("docs/fifo"), fifo, 0o600.into(), 0).unwrap();
    let tree = world.tree();
    assert!(matches!(reason(&tree, "docs/fifo"), Reason::NotRegular));
    assert!(matches!(reason(&tree, "docs"), Reason::NotRegular));
    assert!(matches!(reason(&tree, "docs/a.md/b"), Reason::NotDirectory));
    assert!(matches!(reason(&tree, "docs/none"), Reason::Missing));
    assert!(matches!(reason(&tree, "none/a.md"), Reason::Missing));
}

#[test]
fn hard_links_are_refused() {
    let world = World::new();
    fs::hard_link(world.path("docs/a.md"), world.path("docs/b.md")).unwrap();
    assert!(matches!(reason(&world.tree(), "docs/a.md"), Reason::HardLinks { links: 2 }));
}

#[test]
fn eight_mebibytes_and_no_more() {
    let world = World::new();
    let file = fs::File::create(world.path("docs/big")).unwrap();
    file.set_len(TARGET_BYTES_MAX).unwrap();
    let tree = world.tree();
    assert_eq!(tree.read(Path::new("docs/big")).unwrap().stat.bytes, TARGET_BYTES_MAX);
    file.set_len(TARGET_BYTES_MAX + 1).unwrap();
    assert!(matches!(reason(&tree, "docs/big"), Reason::TooLarge { .. }));
}

#[test]
fn mounts_are_not_crossed() {
    let tree = Tree::new(RealFs, RealFs.root(Path::new("/")).unwrap(), Vec::new());
    assert!(matches!(reason(&tree, "proc/version"), Reason::OtherMount));
}

#[test]
fn protected_directory_is_known_under_any_name() {
    let world = World::new();
    fs::create_dir(world.path("secret")).unwrap();
    fs::write(world.path("secret/a.md"), b"x").unwrap();
    let tree = world.protecting("secret");
    fs::rename(world.path("secret"), world.path("docs/innocent")).unwrap();
    assert!(matches!(reason(&tree, "docs/innocent/a.md"), Reason::Protected));
    let refusal = tree.vacant(Path::new("docs/innocent/b.md")).unwrap_err();
    assert!(matches!(refusal.reason, Reason::Protected));
    assert_eq!(
        tree.read(Path::new("docs/a.md")).unwrap().stat.identity,
        identity(&world.path("docs/a.md"))
    );
}

#[test]
fn protected_file_is_known_under_any_name() {
    let world = World::new();
    let tree = world.protecting("docs/a.md");
    fs::rename(world.path("docs/a.md"), world.path("other/b.md")).unwrap();
    assert!(matches!(reason(&tree, "other/b.md"), Reason::Protected));
}

/// Everything is judged again when the change is made, however long ago it was prepared.
#[test]
fn change_is_refused_when_its_path_has_gone_bad_since() {
    let world = World::new();
    let tree = world.protecting("other");
    let edit = world.edit("docs/a.md");
    let refused = |intent: &Intent<'_>| match perform(&tree, intent).unwrap_err() {
        Failure::Refused(refusal) => refusal.reason,
        Failure::Unsettled(unsettled) => panic!("{unsettled:?}"),
    };
    assert!(matches!(refused(&world.relocate("docs/a.md", "other/a.md")), Reason::Protected));
    fs::write(world.path("docs/a.md"), b"edited\n").unwrap();
    assert!(matches!(refused(&edit), Reason::Stale));
    assert!(matches!(refused(&world.delete("docs/a.md")), Reason::Stale));
    assert!(matches!(refused(&world.create("docs/a.md")), Reason::Occupied));
    fs::rename(world.path("docs"), world.path("was")).unwrap();
    fs::create_dir(world.path("docs")).unwrap();
    fs::write(world.path("docs/a.md"), PRE).unwrap();
    assert!(matches!(refused(&edit), Reason::ParentChanged));
    fs::remove_dir_all(world.path("docs")).unwrap();
    symlink("was", world.path("docs")).unwrap();
    assert!(matches!(refused(&edit), Reason::Symlink));
}
