//! Mounts on the way, at its end, and at its beginning.

use std::fs;
use std::path::Path;

use kairos_disk::refusal::Reason;

use crate::alone::alone;
use crate::yard::{
    PRE, change_all, create, delete, edit, files, lay_out, mounted, perform, refused, relocate,
    tmpfs, tree,
};

#[test]
fn directory_mounted_in_the_path_is_not_entered() {
    alone("bind::directory_mounted_in_the_path_is_not_entered", |dir| {
        let root = tmpfs(dir, "root");
        lay_out(&root);
        let intents = [edit, create, relocate, delete].map(|intent| intent(&root));
        // Of the same file system, so that no device number tells.
        fs::create_dir(root.join("elsewhere")).unwrap();
        fs::write(root.join("elsewhere/a.md"), PRE).unwrap();
        let source = root.join("elsewhere");
        assert!(mounted(&format!("--bind {}", source.display()), &root.join("docs")));
        let tree = tree(&root);
        let before = files(&root);
        let reason = tree.read(Path::new("docs/a.md")).unwrap_err().reason;
        assert!(matches!(reason, Reason::OtherMount), "{reason:?}");
        for intent in &intents {
            let reason = refused(perform(&tree, intent));
            assert!(matches!(reason, Reason::OtherMount), "{reason:?}");
        }
        assert_eq!(files(&root), before);
    });
}

#[test]
fn file_with_another_mounted_on_it_is_refused() {
    alone("bind::file_with_another_mounted_on_it_is_refused", |dir| {
        let root = tmpfs(dir, "root");
        lay_out(&root);
        fs::write(dir.join("theirs"), PRE).unwrap();
        let theirs = dir.join("theirs");
        assert!(mounted(&format!("--bind {}", theirs.display()), &root.join("docs/a.md")));
        let tree = tree(&root);
        for intent in [edit(&root), delete(&root)] {
            let reason = refused(perform(&tree, &intent));
            assert!(matches!(reason, Reason::OtherMount), "{reason:?}");
        }
        assert_eq!(fs::read(theirs).unwrap(), PRE);
        assert_eq!(fs::read_dir(root.join("docs")).unwrap().count(), 2);
    });
}

#[test]
fn root_may_be_a_mount() {
    alone("bind::root_may_be_a_mount", |dir| {
        let (source, root) = (dir.join("source"), dir.join("root"));
        lay_out(&source);
        fs::create_dir(&root).unwrap();
        assert!(mounted(&format!("--bind {}", source.display()), &root));
        change_all(&root);
        assert_eq!(files(&root), files(&source));
    });
}

#[test]
fn every_change_is_made_on_a_tmpfs() {
    alone("bind::every_change_is_made_on_a_tmpfs", |dir| {
        let root = tmpfs(dir, "root");
        lay_out(&root);
        change_all(&root);
    });
}
