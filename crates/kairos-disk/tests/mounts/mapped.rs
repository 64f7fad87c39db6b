//! A file that somebody has mapped, on each file system.

use std::fs;
use std::path::Path;

use kairos_disk::exchange::Applied;
use kairos_disk::fs::Writers;
use kairos_disk::refusal::Reason;

use crate::alone::alone;
use crate::layers::overlay;
use crate::mapper::Mapper;
use crate::yard::{delete, edit, files, lay_out, perform, refused, tmpfs, tree};

/// A mapping that can be written to keeps its file open for writing, and so the lease sees it.
fn mapped_file_is_refused(root: &Path) {
    lay_out(root);
    let before = files(root);
    let Some(mapper) = Mapper::of(&root.join("docs/a.md")) else { return };
    for intent in [edit(root), delete(root)] {
        let reason = refused(perform(&tree(root), &intent));
        assert!(matches!(reason, Reason::OpenForWriting), "{reason:?}");
        assert_eq!(files(root), before);
    }
    mapper.write();
    assert_eq!(fs::read(root.join("docs/a.md")).unwrap(), b"theirs\n");
    lay_out(root);
    let applied = perform(&tree(root), &edit(root)).unwrap();
    assert_eq!(applied, Applied { writers: Writers::None });
}

#[test]
fn mapped_file_is_one_that_is_open_for_writing() {
    alone("mapped::mapped_file_is_one_that_is_open_for_writing", |dir| {
        mapped_file_is_refused(&dir.join("disk"));
        mapped_file_is_refused(&tmpfs(dir, "tmpfs"));
        let layers = tmpfs(dir, "layers");
        if let Some(root) = overlay(&layers, &layers, "one", "userxattr") {
            mapped_file_is_refused(&root);
        }
    });
}
