//! Layers that were made to deceive whoever reads them.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::{give, policy, run, settle, workspace};
use kairos_sandbox::{ChangeSet, Exit, PathRule, Policy, What, Why, WriteMode};

fn make(root: &Path, dirs: &[&str], files: &[&str]) {
    for dir in dirs {
        std::fs::create_dir(root.join(dir)).expect("directory");
        give(&root.join(dir));
    }
    for file in files {
        std::fs::write(root.join(file), "old\n").expect("file");
        give(&root.join(file));
    }
}

fn layer(policy: &Policy, words: &str) -> ChangeSet {
    settle();
    let mut outcome = run(policy, &["sh", "-ec", words]).expect("runs");
    let said = String::from_utf8_lossy(&outcome.stderr.bytes()).into_owned();
    assert_eq!(outcome.exit, Exit::Code(0), "{said}");
    outcome.changes.remove(0)
}

fn refused(set: &ChangeSet) -> Vec<(&str, Why)> {
    set.refused.iter().map(|at| (at.path.to_str().expect("text"), at.why)).collect()
}

fn taken(set: &ChangeSet) -> Vec<&str> {
    set.changes.iter().map(|change| change.path.to_str().expect("text")).collect()
}

fn protecting(root: &Path, paths: &[&str]) -> Policy {
    let protect = paths.iter().map(PathRule::optional).collect();
    Policy { protect, ..policy(root, WriteMode::Overlay) }
}

#[test]
fn a_directory_as_deep_as_paths_go_is_deleted_without_falling_in() {
    let dir = workspace();
    let deep = dir.path().join("d/".repeat(1_200));
    std::fs::create_dir_all(&deep).expect("directories");
    let own = std::process::Command::new("chown")
        .args(["-R", &format!("--reference={}", dir.path().display())])
        .arg(dir.path().join("d"))
        .status();
    assert!(own.expect("chown").success());
    let set = layer(&policy(dir.path(), WriteMode::Overlay), "rm -r d");
    let gone = std::process::Command::new("rm").arg("-r").arg(dir.path().join("d")).status();
    assert!(gone.expect("rm").success());
    assert!(set.changes.len() > 1_000, "{} {:?}", set.changes.len(), set.refused.first());
    assert!(set.changes.iter().all(|change| matches!(change.what, What::Deleted(_))));
}

#[test]
fn what_an_emptied_directory_held_far_below_is_deleted_too() {
    let dir = workspace();
    make(dir.path(), &["d", "d/sub", "d/sub/deep"], &["d/sub/old", "d/sub/deep/old"]);
    let words = "rm -r d; mkdir -p d/sub/deep; echo new > d/sub/deep/new";
    let set = layer(&policy(dir.path(), WriteMode::Overlay), words);
    assert_eq!(taken(&set), ["d/sub/deep/new", "d/sub/deep/old", "d/sub/old"]);
    assert_eq!(set.refused, []);
}

#[test]
fn no_link_and_no_file_takes_a_protected_path_elsewhere() {
    let dir = workspace();
    make(dir.path(), &["c", "e"], &["c/x"]);
    symlink("c", dir.path().join("linked")).expect("link");
    let policy = protecting(
        dir.path(),
        &[".cargo/config.toml", ".git/hooks", ".git/config", "linked/config.toml"],
    );
    let words = "mkdir made; echo evil > made/config.toml; ln -s made .cargo; \
                 echo 'gitdir: made' > .git; echo evil > c/config.toml; echo fine > c/x";
    let set = layer(&policy, words);
    assert_eq!(
        refused(&set),
        [(".cargo", Why::Protected), (".git", Why::Protected), ("c/config.toml", Why::Protected)]
    );
    assert_eq!(taken(&set), ["c/x", "made", "made/config.toml"]);
    let turned = layer(&policy, "rm linked; ln -s e linked; echo evil > e/config.toml");
    assert_eq!(refused(&turned), [("linked", Why::Protected)]);
    let made = layer(&policy, "rm linked; mkdir linked; echo evil > linked/config.toml");
    assert_eq!(refused(&made), [("linked", Why::Protected)]);
    assert_eq!(taken(&made), Vec::<&str>::new());
}

#[test]
fn a_directory_on_the_way_may_be_made_and_what_cannot_give_way_stays() {
    let dir = workspace();
    make(dir.path(), &["d"], &["d/old"]);
    let policy = protecting(dir.path(), &[".vscode/tasks.json"]);
    let set = layer(&policy, "mkdir .vscode; echo x > .vscode/x; rm -r d; mkfifo d");
    assert_eq!(refused(&set), [("d", Why::Special)]);
    assert_eq!(taken(&set), [".vscode", ".vscode/x"]);
}

#[test]
fn two_links_that_stay_inside_do_not_lead_out_together() {
    let dir = workspace();
    make(dir.path(), &["top", "x", "x/y"], &[]);
    let words = "ln -s ../../top x/y/l; ln -s l/../../.. x/y/a";
    let set = layer(&policy(dir.path(), WriteMode::Overlay), words);
    assert_eq!(refused(&set), [("x/y/a", Why::LinkOut)]);
    assert_eq!(taken(&set), ["x/y/l"]);
}

/// Somebody by number may read and write, as the kernel stores it. A layer has room for nobody but the
/// one account inside: to change a file that names another fails there.
fn access_list(account: u32) -> Vec<u8> {
    let entry = |tag: u16, may: u16, id: u32| {
        [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let nobody = u32::MAX;
    let list =
        [(1, 6, nobody), (2, 6, account), (4, 4, nobody), (0x10, 6, nobody), (0x20, 0, nobody)];
    let entries = list.map(|(tag, may, id)| entry(tag, may, id)).concat();
    [&2u32.to_le_bytes()[..], &entries].concat()
}

#[test]
fn a_file_with_an_access_list_is_not_replaced_by_one_without() {
    let dir = workspace();
    make(dir.path(), &["d"], &["shared", "plain", "d/x"]);
    let owner = rustix::fs::stat(dir.path()).expect("there").st_uid;
    let give = |path: &str, name: &str| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(dir.path().join(path), name, &access_list(owner), flags)
    };
    if give("shared", "system.posix_acl_access").is_err() {
        return eprintln!("no access lists on this file system");
    }
    give("d", "system.posix_acl_default").expect("a list to hand down");
    let policy = policy(dir.path(), WriteMode::Overlay);
    let set = layer(&policy, "echo x >> shared; echo x >> plain; echo x > d/new; touch d/x");
    assert_eq!(refused(&set), [("shared", Why::Attributes)]);
    assert_eq!(taken(&set), ["d/new", "plain"]);
    let set = layer(&policy, "touch shared; ls d");
    assert!(set.is_empty(), "{set:?}");
}
