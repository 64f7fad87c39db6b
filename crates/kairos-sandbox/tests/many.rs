//! Many commands leave nothing behind. Alone in its program: it counts what the program holds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kairos_sandbox::{
    Binary, Command, Compiled, Exit, PathRule, Policy, ProgramAt, Sandbox, Stdin, WriteMode,
    compile, probe,
};

/// What this process and its children hold of the system.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    children: Vec<String>,
    mounts: usize,
    files: Vec<std::ffi::OsString>,
}

fn compiled(dir: &Path, writes: WriteMode) -> Compiled {
    let policy = Policy { write: vec![PathRule::required(dir)], writes, ..Policy::default() };
    compile(&policy, &probe()).expect("this host enforces the default layers")
}

fn cat(dir: &Path) -> Command {
    Command {
        binary: Binary::open(Path::new("/bin/cat")).expect("a program"),
        argv: ["cat", "a"].map(Into::into).into(),
        cwd: dir.into(),
        stdin: Stdin::Empty,
    }
}

fn held(dir: &Path) -> Held {
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
        mounts: std::fs::read_to_string("/proc/self/mountinfo")
            .expect("mounts")
            .matches(dir.to_str().expect("text"))
            .count(),
        files: std::fs::read_dir(dir).expect("there").flatten().map(|e| e.file_name()).collect(),
    }
}

#[test]
fn a_hundred_at_once_and_a_thousand_in_a_row_leave_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("a"), "x").expect("write");
    let owner = rustix::process::geteuid().is_root().then_some(4242);
    std::os::unix::fs::chown(dir.path(), owner, owner).expect("root may give away");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let program = ProgramAt::Path(env!("CARGO_BIN_EXE_kairos-sbx").into());
    let sandbox = Sandbox::open(&program).expect("the small program stands beside the tests");
    let read = compiled(dir.path(), WriteMode::ReadOnly);
    let layer = compiled(dir.path(), WriteMode::Overlay);
    let once = &|n: usize| {
        let policy = if n.is_multiple_of(2) { &read } else { &layer };
        let outcome = sandbox.run(cat(dir.path()), policy).expect("runs");
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
}
