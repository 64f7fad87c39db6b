//! An overlay of two layers as the workspace.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kairos_disk::exchange::Verdict;
use kairos_disk::refusal::Reason;

use crate::alone::alone;
use crate::yard::{
    POST, PRE, change_all, change_names, files, lay_out, mounted, of, perform, refused, relocate,
    tmpfs, tree,
};

/// An overlay whose lower layer has all the files; `None`, said aloud, where none can be mounted.
pub(crate) fn overlay(lower: &Path, upper: &Path, name: &str, options: &str) -> Option<PathBuf> {
    let lower = lower.join(format!("{name}-lower"));
    let [upper, work, merged] =
        ["upper", "work", "merged"].map(|part| upper.join(format!("{name}-{part}")));
    lay_out(&lower);
    for dir in [&upper, &work, &merged] {
        fs::create_dir(dir).unwrap();
    }
    let [lower, upper, work] = [&lower, &upper, &work].map(|dir| dir.display());
    let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    mounted(&format!("-t overlay none -o {layers},{options}"), &merged).then_some(merged)
}

const OPTIONS: [&str; 4] =
    ["userxattr", "userxattr,xino=off", "userxattr,xino=on", "userxattr,index=on"];

#[test]
fn changes_are_made_in_an_overlay_and_its_lower_layer_stays() {
    alone("layers::changes_are_made_in_an_overlay_and_its_lower_layer_stays", |dir| {
        let (one, two) = (tmpfs(dir, "one"), tmpfs(dir, "two"));
        for (nth, options) in OPTIONS.iter().enumerate() {
            for (name, lower) in [("same", &one), ("other", &two)] {
                let name = format!("{name}-{nth}");
                let Some(root) = overlay(lower, &one, &name, options) else { continue };
                let below = lower.join(format!("{name}-lower"));
                let before = files(&below);
                move_out(&root);
                change_names(&root);
                assert_eq!(files(&root), of(&[("docs/b.md", POST), ("docs/c.md", PRE)]));
                assert_eq!(files(&below), before);
                // What is in the upper layer alone is a file like any other.
                let root = root.join("fresh");
                lay_out(&root);
                change_all(&root);
            }
        }
    });
}

/// The two names of a file from below have two numbers, so a move of it is refused, and one that a
/// crash cut short taken back.
fn move_out(root: &Path) {
    let before = files(root);
    let intent = relocate(root);
    fs::hard_link(root.join("docs/c.md"), root.join("other/a.md")).unwrap();
    let numbers =
        ["docs/c.md", "other/a.md"].map(|path| fs::metadata(root.join(path)).unwrap().ino());
    assert_ne!(numbers[0], numbers[1], "or the kernel has become better than this test");
    assert!(matches!(tree(root).recover(&intent), Verdict::Retry));
    assert_eq!(files(root), before);
    let reason = refused(perform(&tree(root), &relocate(root)));
    assert!(matches!(reason, Reason::Unsupported { .. }), "{reason:?}");
    assert_eq!(files(root), before);
}
