//! Many commands leave nothing behind.

use std::sync::Arc;

use crate::common::{command, compiled, policy, sandbox, workspace};
use kairos_sandbox::{Exit, WriteMode};

/// What this process and its children hold of the system.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    children: Vec<String>,
    mounts: String,
    files: Vec<std::ffi::OsString>,
}

fn held(dir: &std::path::Path) -> Held {
    let list = |path: &str| std::fs::read_dir(path).expect("a directory").count();
    let own = std::process::id().to_string();
    let parent = |stat: &str| Some(stat.rsplit_once(')')?.1.split(' ').nth(2)? == own);
    let children = std::fs::read_dir("/proc").expect("processes").flatten().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        parent(&stat)?.then_some(stat.split(' ').nth(2)?.to_owned())
    });
    Held {
        descriptors: list("/proc/self/fd"),
        children: children.collect(),
        mounts: std::fs::read_to_string("/proc/self/mountinfo").expect("mounts"),
        files: std::fs::read_dir(dir).expect("there").flatten().map(|e| e.file_name()).collect(),
    }
}

#[test]
fn a_hundred_at_once_and_a_thousand_in_a_row_leave_nothing() {
    let dir = workspace();
    std::fs::write(dir.path().join("a"), "x").expect("write");
    let sandbox = Arc::new(sandbox());
    let read = compiled(&policy(dir.path(), WriteMode::ReadOnly));
    let layer = compiled(&policy(dir.path(), WriteMode::Overlay));
    let once = |n: usize| {
        let policy = if n.is_multiple_of(2) { &read } else { &layer };
        let outcome = sandbox.run(command(dir.path(), &["cat", "a"]), policy).expect("runs");
        assert_eq!((outcome.exit, outcome.stdout.bytes()), (Exit::Code(0), b"x".to_vec()));
    };
    once(0);
    let before = held(dir.path());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100).map(|n| scope.spawn(move || once(n))).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
    assert_eq!(held(dir.path()), before);
    (0..1000).for_each(once);
    assert_eq!(held(dir.path()), before);
    drop(sandbox);
}
