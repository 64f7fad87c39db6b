//! What a command changed comes out, and the workspace stays as it was.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::common::{command, compiled, give, policy, run, sandbox, settle, workspace};
use kairos_sandbox::{
    Cache, ChangeSet, ExecRule, Exit, Node, PathRule, Policy, Streams, What, Why, WriteMode,
    compile, probe,
};
use tempfile::TempDir;

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("write");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("mode");
    give(path);
}

fn make_dir(path: &Path) {
    std::fs::create_dir(path).expect("directory");
    give(path);
}

/// `a.txt`, `b.txt`, `d/c.txt`, `d/e/f.txt` and a link, old enough to be nobody's last word.
fn tree() -> TempDir {
    let dir = workspace();
    let root = dir.path();
    make_dir(&root.join("d"));
    make_dir(&root.join("d/e"));
    for (path, text) in
        [("a.txt", "a\n"), ("b.txt", "bb\n"), ("d/c.txt", "ccc\n"), ("d/e/f.txt", "ffff\n")]
    {
        write(&root.join(path), text);
    }
    symlink("a.txt", root.join("link")).expect("link");
    settle();
    dir
}

/// Every file, with all that can be told of it.
fn state(root: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("there");
            let bytes = if meta.is_file() { std::fs::read(&path).expect("a file") } else { vec![] };
            if meta.is_dir() {
                open.push(path.clone());
            }
            found.insert(path, (meta.mode(), meta.ino(), meta.mtime_nsec(), bytes));
        }
    }
    found
}

fn changed(policy: &Policy, words: &str) -> ChangeSet {
    let before = state(&policy.write[0].path);
    let outcome = run(policy, &["sh", "-ec", words]).expect("runs");
    let said = String::from_utf8_lossy(&outcome.stderr.bytes()).into_owned();
    assert_eq!(outcome.exit, Exit::Code(0), "{said}");
    assert_eq!(state(&policy.write[0].path), before, "the workspace is untouched");
    let mut changes = outcome.changes;
    assert_eq!(changes.len(), 1);
    changes.remove(0)
}

fn kinds(set: &ChangeSet) -> Vec<(String, &'static str)> {
    let kind = |what: &What| match what {
        What::Added(_) => "added",
        What::Modified { .. } => "modified",
        What::Mode { .. } => "mode",
        What::Deleted(_) => "deleted",
        What::Renamed { .. } => "renamed",
    };
    set.changes.iter().map(|c| (c.path.display().to_string(), kind(&c.what))).collect()
}

fn owned<'a>(expected: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
    expected.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect()
}

#[test]
fn each_kind_of_change_is_told() {
    let dir = tree();
    let policy = policy(dir.path(), WriteMode::Overlay);
    let words = "echo more >> a.txt; rm b.txt; chmod 600 d/c.txt; mv d/e/f.txt moved; \
                 mkdir new; echo n > new/n; ln -s ../a.txt new/l; cat a.txt";
    let set = changed(&policy, words);
    assert_eq!(set.refused, []);
    let expected = [
        ("a.txt", "modified"),
        ("b.txt", "deleted"),
        ("d/c.txt", "mode"),
        ("moved", "renamed"),
        ("new", "added"),
        ("new/l", "added"),
        ("new/n", "added"),
    ];
    assert_eq!(kinds(&set), owned(&expected));
    let mut text = String::new();
    set.open(Path::new("a.txt")).expect("open").read_to_string(&mut text).expect("text");
    assert_eq!(text, "a\nmore\n");
    assert_eq!(set.changes[2].what, What::Mode { before: 0o644, after: 0o600 });
    assert!(
        matches!(&set.changes[3].what, What::Renamed { from, .. } if from == Path::new("d/e/f.txt"))
    );
    let to = Node::Link { to: "../a.txt".into() };
    assert_eq!(set.changes[5].what, What::Added(to));
}

#[test]
fn what_was_only_touched_did_not_change() {
    let dir = tree();
    let set = changed(
        &policy(dir.path(), WriteMode::Overlay),
        "touch a.txt; cat b.txt; mv a.txt x; mv x a.txt",
    );
    assert!(set.is_empty(), "{set:?}");
}

#[test]
fn a_directory_that_was_made_anew_hides_what_it_held() {
    let dir = tree();
    let set =
        changed(&policy(dir.path(), WriteMode::Overlay), "rm -r d; mkdir d; echo new > d/c.txt");
    let expected = [("d/c.txt", "modified"), ("d/e", "deleted"), ("d/e/f.txt", "deleted")];
    assert_eq!(kinds(&set), owned(&expected));
}

#[test]
fn a_deleted_directory_is_deleted_with_all_it_held() {
    let dir = tree();
    let set = changed(&policy(dir.path(), WriteMode::Overlay), "rm -r d");
    let expected =
        [("d", "deleted"), ("d/c.txt", "deleted"), ("d/e", "deleted"), ("d/e/f.txt", "deleted")];
    assert_eq!(kinds(&set), owned(&expected));
}

#[test]
fn a_file_may_become_a_directory_and_a_directory_a_file() {
    let dir = tree();
    let set = changed(
        &policy(dir.path(), WriteMode::Overlay),
        "rm a.txt; mkdir a.txt; rm -r d; echo file > d",
    );
    let found = kinds(&set);
    assert!(found.contains(&("a.txt".into(), "modified")), "{found:?}");
    assert!(found.contains(&("d".into(), "modified")), "{found:?}");
    assert!(found.contains(&("d/e/f.txt".into(), "deleted")), "{found:?}");
}

#[test]
fn a_link_may_become_a_directory() {
    let dir = tree();
    symlink("d", dir.path().join("way")).expect("link");
    settle();
    let set = changed(
        &policy(dir.path(), WriteMode::Overlay),
        "rm way; mkdir way; echo new > way/c.txt; rm link; echo file > link",
    );
    assert_eq!(set.refused, []);
    let expected = [("link", "modified"), ("way", "modified"), ("way/c.txt", "added")];
    assert_eq!(kinds(&set), owned(&expected));
}

#[test]
fn what_may_not_be_taken_over_is_named() {
    let dir = tree();
    make_dir(&dir.path().join(".git"));
    settle();
    let mut policy = policy(dir.path(), WriteMode::Overlay);
    policy.protect = vec![PathRule::optional(".git/hooks"), PathRule::optional(".envrc")];
    let set = changed(
        &policy,
        "mkfifo pipe; ln -s /etc/passwd out; ln -s ../x up; mkdir .git/hooks; \
         echo x > .git/hooks/h; echo x > .envrc; echo fine > fine",
    );
    let refused: Vec<_> =
        set.refused.iter().map(|at| (at.path.display().to_string(), at.why)).collect();
    for expected in [
        ("pipe", Why::Special),
        ("out", Why::LinkOut),
        ("up", Why::LinkOut),
        (".git/hooks", Why::Protected),
        (".git/hooks/h", Why::Protected),
        (".envrc", Why::Protected),
    ] {
        assert!(refused.contains(&(expected.0.into(), expected.1)), "{expected:?}: {refused:?}");
    }
    assert_eq!(refused.len(), 6, "{refused:?}");
    assert_eq!(kinds(&set), owned(&[("fine", "added")]));
}

#[test]
fn what_somebody_saved_meanwhile_is_theirs() {
    let dir = tree();
    let policy = Policy { exec: ExecRule::Any, ..policy(dir.path(), WriteMode::Overlay) };
    let (read, stdout) = std::io::pipe().expect("a pipe");
    let (stdin, mut go) = std::io::pipe().expect("a pipe");
    let mut words = command(
        dir.path(),
        &["sh", "-ec", "echo ours > a.txt; echo ours > fresh; rm b.txt; echo started; read go"],
    );
    words.stdin = kairos_sandbox::Stdin::Fd(stdin.into());
    let streams = Streams::Given {
        stderr: stdout.try_clone().expect("a copy").into(),
        stdout: stdout.into(),
    };
    let (sandbox, compiled) = (sandbox(), compiled(&policy));
    let running = sandbox.spawn(words, &compiled, streams).expect("starts");
    let mut started = [0; 8];
    (&read).read_exact(&mut started).expect("it started");
    for name in ["a.txt", "b.txt", "fresh"] {
        write(&dir.path().join(name), "theirs\n");
    }
    std::io::Write::write_all(&mut go, b"go\n").expect("it reads");
    let outcome = running.wait().expect("runs");
    assert_eq!(outcome.exit, Exit::Code(0));
    let refused: Vec<_> = outcome.changes[0].refused.iter().map(|at| at.why).collect();
    assert_eq!(refused, [Why::Conflict; 3], "{:?}", outcome.changes[0]);
    assert_eq!(outcome.changes[0].changes, []);
    assert_eq!(std::fs::read_to_string(dir.path().join("a.txt")).expect("there"), "theirs\n");
}

#[test]
fn a_layer_is_bounded() {
    let dir = tree();
    let mut policy = policy(dir.path(), WriteMode::Overlay);
    policy.limits.tmpfs = 1 << 20;
    policy.limits.inodes = 200;
    let outcome = run(&policy, &["sh", "-c", "head -c 9999999 /dev/zero > big"]).expect("runs");
    assert!(String::from_utf8_lossy(&outcome.stderr.bytes()).contains("No space left"));
    let outcome =
        run(&policy, &["sh", "-c", "for i in $(seq 300); do : > $i; done"]).expect("runs");
    assert!(String::from_utf8_lossy(&outcome.stderr.bytes()).contains("No space left"));
    assert!(outcome.changes[0].changes.len() < 200);
}

#[test]
fn what_a_build_leaves_is_kept_and_is_no_change() {
    let (dir, kept) = (tree(), workspace());
    let mut policy = policy(dir.path(), WriteMode::Overlay);
    policy.exec = ExecRule::Any;
    policy.caches = vec![Cache { at: dir.path().join("target"), kept: kept.path().into() }];
    let set = changed(&policy, "echo built > target/out; echo more >> a.txt");
    assert_eq!(kinds(&set), owned(&[("a.txt", "modified")]));
    let set = changed(&policy, "cat target/out > b.txt; chmod 755 target/out; rm -rf target/*");
    assert_eq!(kinds(&set), owned(&[("b.txt", "modified")]));
    assert!(!dir.path().join("target").exists());
    assert_eq!(std::fs::read_dir(kept.path()).expect("there").count(), 0);
}

#[test]
fn a_cache_is_outside_of_what_it_stands_in() {
    let dir = tree();
    let mut policy = policy(dir.path(), WriteMode::Overlay);
    for (at, kept) in [("d/t", "d/e"), ("../t", "/srv"), ("", "/srv"), ("t", "/usr/lib")] {
        let (at, kept) = (dir.path().join(at), dir.path().join(kept));
        policy.caches = vec![Cache { at, kept }];
        assert!(compile(&policy, &probe()).is_err(), "{:?}", policy.caches);
    }
}
