//! Many commands leave nothing behind. Alone in its program: it counts what the program holds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kairos_sandbox::{
    Binary, Command, Compiled, Exit, PathRule, Policy, ProgramAt, Sandbox, Stdin, Streams,
    WriteMode, compile, probe,
};

/// Each test here counts or kills what the whole program has.
static ALONE: Mutex<()> = Mutex::new(());

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

/// Processes of ours: number and state.
fn children() -> Vec<(i32, String)> {
    let own = std::process::id().to_string();
    let child = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split(' ').skip(1);
        let state = fields.next()?.to_owned();
        (fields.next()? == own).then_some((entry.file_name().to_str()?.parse().ok()?, state))
    };
    std::fs::read_dir("/proc").expect("processes").flatten().filter_map(child).collect()
}

fn held(dir: &Path) -> Held {
    let list = |path: &str| std::fs::read_dir(path).expect("a directory").count();
    Held {
        descriptors: list("/proc/self/fd"),
        children: children().into_iter().map(|(_, state)| state).collect(),
        mounts: std::fs::read_to_string("/proc/self/mountinfo")
            .expect("mounts")
            .matches(dir.to_str().expect("text"))
            .count(),
        files: std::fs::read_dir(dir).expect("there").flatten().map(|e| e.file_name()).collect(),
    }
}

fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let owner = rustix::process::geteuid().is_root().then_some(4242);
    std::os::unix::fs::chown(dir.path(), owner, owner).expect("root may give away");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    dir
}

fn sandbox() -> Sandbox {
    let program = ProgramAt::Path(env!("CARGO_BIN_EXE_kairos-sbx").into());
    Sandbox::open(&program).expect("the small program stands beside the tests")
}

#[test]
fn a_hundred_at_once_and_a_thousand_in_a_row_leave_nothing() {
    let _alone = ALONE.lock();
    let (dir, sandbox) = (workspace(), sandbox());
    std::fs::write(dir.path().join("a"), "x").expect("write");
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

#[test]
fn when_the_small_program_is_killed_its_commands_die_and_the_next_one_runs() {
    let _alone = ALONE.lock();
    let (dir, sandbox) = (workspace(), sandbox());
    let policy = compiled(dir.path(), WriteMode::Direct);
    let words = "trap '' TERM HUP; while :; do date +%s%N > a; done";
    let restless = Command {
        binary: Binary::open(Path::new("/bin/sh")).expect("a program"),
        argv: ["sh", "-c", words].map(Into::into).into(),
        ..cat(dir.path())
    };
    let running = sandbox.spawn(restless, &policy, Streams::Captured).expect("starts");
    let end = Instant::now() + Duration::from_secs(10);
    while std::fs::read(dir.path().join("a")).unwrap_or_default().is_empty() {
        assert!(Instant::now() < end, "it never began");
    }
    let [(program, _)] = children()[..] else { panic!("{:?}", children()) };
    let program = rustix::process::Pid::from_raw(program).expect("a process");
    rustix::process::kill_process(program, rustix::process::Signal::KILL).expect("ours");
    assert_eq!(running.wait().expect("it ran").exit, Exit::Killed);
    let next = sandbox.run(cat(dir.path()), &policy).expect("runs");
    assert_eq!(next.exit, Exit::Code(0));
    assert_eq!(children().len(), 1);
}
