//! A file system that cannot exchange two names.

use kairos_disk::refusal::Reason;

use crate::alone::started_by;
use crate::yard::{create, delete, edit, files, lay_out, perform, refused, relocate, tree};

/// As NFS and 9p answer every rename that has a flag.
const STRACE: [&str; 9] = [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=renameat2",
    "-e",
    "inject=renameat2:error=EINVAL",
];

#[test]
fn file_system_without_exchange_is_refused_and_left_as_it_was() {
    const NAME: &str = "incapable::file_system_without_exchange_is_refused_and_left_as_it_was";
    started_by(&STRACE, NAME, |dir| {
        lay_out(dir);
        let before = files(dir);
        let tree = tree(dir);
        for intent in [edit, create, relocate, delete].map(|intent| intent(dir)) {
            let reason = refused(perform(&tree, &intent));
            assert!(matches!(reason, Reason::Unsupported { .. }), "{intent:?}: {reason:?}");
            assert_eq!(files(dir), before, "{intent:?}");
        }
    });
}
