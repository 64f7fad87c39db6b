//! A tree on whatever is mounted there, and the four changes made to it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kairos_disk::exchange::{
    Applied, Change, Failure, Finished, Intent, Target, TempName, Verdict,
};
use kairos_disk::refusal::Reason;
use kairos_disk::{Fs, RealFs, Tree, digest};

pub(crate) const PRE: &[u8] = b"before\n";
pub(crate) const POST: &[u8] = b"after\n";

/// Files by their path.
pub(crate) type Files = BTreeMap<String, String>;

/// `docs/a.md` and `docs/c.md` hold [`PRE`]; `docs/b.md` and `other/a.md` are vacant.
pub(crate) fn lay_out(root: &Path) {
    fs::create_dir_all(root.join("docs")).unwrap();
    fs::create_dir_all(root.join("other")).unwrap();
    for name in ["docs/a.md", "docs/c.md"] {
        fs::write(root.join(name), PRE).unwrap();
    }
}

pub(crate) fn tree(root: &Path) -> Tree<RealFs> {
    Tree::new(RealFs, RealFs.root(root).unwrap(), Vec::new())
}

/// Runs `mount` with the words of `args`, and answers whether that is possible.
pub(crate) fn mounted(args: &str, at: &Path) -> bool {
    let output = Command::new("mount").args(args.split(' ')).arg(at).output().unwrap();
    let good = output.status.success();
    if !good {
        eprintln!(
            "not checked here: mounting {args}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    good
}

/// A fresh directory with a tmpfs on it.
pub(crate) fn tmpfs(dir: &Path, name: &str) -> PathBuf {
    let at = dir.join(name);
    fs::create_dir(&at).unwrap();
    assert!(mounted("-t tmpfs none", &at));
    at
}

pub(crate) fn target<'a>(root: &Path, path: &'a str) -> Target<'a> {
    let parent = root.join(path);
    let parent_inode = fs::metadata(parent.parent().unwrap()).unwrap().ino();
    Target { path: Path::new(path), parent_inode }
}

pub(crate) fn edit(root: &Path) -> Intent<'static> {
    let at = target(root, "docs/a.md");
    Intent { temp: TempName::new(1), change: Change::Edit { at, pre: digest(PRE), post: POST } }
}

pub(crate) fn create(root: &Path) -> Intent<'static> {
    let at = target(root, "docs/b.md");
    Intent { temp: TempName::new(2), change: Change::Create { at, post: POST, mode: 0o640 } }
}

pub(crate) fn relocate(root: &Path) -> Intent<'static> {
    let (from, to) = (target(root, "docs/c.md"), target(root, "other/a.md"));
    Intent { temp: TempName::new(3), change: Change::Move { from, to, pre: digest(PRE) } }
}

pub(crate) fn delete(root: &Path) -> Intent<'static> {
    let at = target(root, "docs/a.md");
    Intent { temp: TempName::new(4), change: Change::Delete { at, pre: digest(PRE) } }
}

/// In a time that passes ten times as fast.
pub(crate) fn perform<F: Fs>(tree: &Tree<F>, intent: &Intent<'_>) -> Result<Applied, Failure> {
    tree.perform(intent, &mut |pause: Duration| std::thread::sleep(pause / 10))
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Failure>) -> Reason {
    match answer.unwrap_err() {
        Failure::Refused(refusal) => refusal.reason,
        Failure::Unsettled(unsettled) => panic!("{unsettled:?}"),
    }
}

/// Makes all four changes, each found done before it is finished, and looks at the end.
pub(crate) fn change_all(root: &Path) {
    make(root, &relocate(root));
    change_names(root);
    assert_eq!(files(root), of(&[("docs/b.md", POST), ("other/a.md", PRE)]));
}

/// Makes all changes but the move.
pub(crate) fn change_names(root: &Path) {
    for intent in [edit(root), create(root)] {
        make(root, &intent);
    }
    assert_eq!(fs::read(root.join("docs/a.md")).unwrap(), POST);
    let back = Change::Edit { at: target(root, "docs/a.md"), pre: digest(POST), post: PRE };
    make(root, &Intent { temp: TempName::new(5), change: back });
    make(root, &delete(root));
}

fn make(root: &Path, intent: &Intent<'_>) {
    let tree = tree(root);
    perform(&tree, intent).unwrap();
    assert!(matches!(tree.recover(intent), Verdict::Done), "{intent:?}");
    assert_eq!(tree.finish(intent).unwrap(), Finished::Removed, "{intent:?}");
    assert!(matches!(tree.recover(intent), Verdict::Done), "{intent:?}");
    assert_eq!(tree.finish(intent).unwrap(), Finished::Clean, "{intent:?}");
}

pub(crate) fn of(files: &[(&str, &[u8])]) -> Files {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    files.iter().map(|(path, bytes)| ((*path).to_owned(), text(bytes))).collect()
}

pub(crate) fn files(root: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}
