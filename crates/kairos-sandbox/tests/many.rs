//! Many commands leave nothing behind. Alone in its program: it counts what the program holds.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kairos_sandbox::{
    Binary, Command, Compiled, Exit, PathRule, Policy, ProgramAt, RunError, Sandbox, Stdin,
    Streams, WriteMode, compile, probe,
};

/// Each test here counts or kills what the whole program has.
static ALONE: Mutex<()> = Mutex::new(());

/// Owner of workspaces, and of all that a command could leave.
const OWNER: u32 = 4243;
/// Kinds of namespaces that the kernel counts, and how many of each one command takes: its view is put
/// together in a second mount namespace, which has no name.
const KINDS: [(&str, u32); 7] =
    [("user", 1), ("mnt", 2), ("pid", 1), ("net", 1), ("ipc", 1), ("uts", 1), ("cgroup", 1)];
/// Where somebody without a workspace could leave a file.
const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// What this process and its children hold of the system.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    /// Of the small program.
    its_descriptors: usize,
    /// State of each process that is ours, whoever its parent was.
    children: Vec<String>,
    mounts: usize,
    /// In the workspace, and of its owner where everybody may write.
    files: BTreeSet<PathBuf>,
    cgroups: BTreeSet<PathBuf>,
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
    let children = children();
    let [(small, _)] = children[..] else { panic!("{children:?}") };
    Held {
        descriptors: list("/proc/self/fd"),
        its_descriptors: list(&format!("/proc/{small}/fd")),
        children: children.into_iter().map(|(_, state)| state).collect(),
        mounts: std::fs::read_to_string("/proc/self/mountinfo").expect("mounts").lines().count(),
        files: files(dir),
        cgroups: cgroups(),
    }
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let of = |dir: &Path| {
        let entries = std::fs::read_dir(dir).expect("a directory").flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    // Where this user is an ordinary one, others who test may be the same.
    let is_own = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.uid() == OWNER);
    let shared = SHARED.iter().flat_map(|dir| of(Path::new(dir))).filter(is_own);
    of(dir).into_iter().chain(shared).collect()
}

/// Control groups at and below those that this process is in.
fn cgroups() -> BTreeSet<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").expect("its groups");
    let place = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (kind, path) = (fields.next()?.trim_start_matches("name="), fields.next()?);
        // The machine's own root has everybody's.
        let below = path.strip_prefix('/').filter(|below| !below.is_empty())?;
        let roots = ["", "unified"].map(|v2| if kind.is_empty() { v2 } else { kind });
        let dirs = roots.map(|root| Path::new("/sys/fs/cgroup").join(root).join(below));
        dirs.into_iter().find(|dir| dir.is_dir())
    };
    let mut open: Vec<PathBuf> = own.lines().filter_map(place).collect();
    let mut found = BTreeSet::new();
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        open.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        found.insert(dir);
    }
    found
}

fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let owner = rustix::process::geteuid().is_root().then_some(OWNER);
    std::os::unix::fs::chown(dir.path(), owner, owner).expect("root may give away");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    dir
}

fn sandbox() -> Sandbox {
    let beside = std::env::current_exe().expect("this program").with_file_name("kairos-sbx");
    let path = if beside.exists() { beside } else { env!("CARGO_BIN_EXE_kairos-sbx").into() };
    Sandbox::open(&ProgramAt::Path(path)).expect("the small program stands beside the tests")
}

/// As an ordinary user in a user namespace of its own, where the kernel counts what it makes.
#[test]
fn a_hundred_at_once_and_a_thousand_in_a_row_leave_nothing() {
    let copies = tempfile::tempdir().expect("a directory");
    let copy = |from: PathBuf, name: &str| {
        let to = copies.path().join(name);
        std::fs::copy(from, &to).expect("room for a copy");
        // In there, what belongs to root is a stranger's.
        let owner = rustix::process::geteuid().is_root().then_some(OWNER);
        std::os::unix::fs::chown(&to, owner, owner).expect("root may give away");
        to
    };
    let own = copy(std::env::current_exe().expect("this program"), "many");
    copy(env!("CARGO_BIN_EXE_kairos-sbx").into(), "kairos-sbx");
    std::fs::set_permissions(copies.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let mut apart = std::process::Command::new("unshare");
    if rustix::process::geteuid().is_root() {
        apart.uid(OWNER).gid(OWNER);
    }
    apart.args(["--user", "--map-current-user", "--keep-caps", "--"]).arg(own);
    apart.args(["--exact", "counted", "--ignored", "--nocapture"]).current_dir("/");
    let ended = apart.output().expect("`unshare` comes with every system");
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}

/// Leaves room for the namespaces of so many commands at once.
fn allow(commands: u32) {
    for (kind, each) in KINDS {
        let path = format!("/proc/sys/user/max_{kind}_namespaces");
        let most = (commands * each).to_string();
        std::fs::write(&path, most).unwrap_or_else(|e| panic!("`{path}`: {e}"));
    }
}

#[test]
#[ignore = "the test above starts it, apart"]
fn counted() {
    let _alone = ALONE.lock();
    // Whoever loses a parent becomes a child of this process, and is counted.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a parent");
    let (dir, sandbox) = (workspace(), sandbox());
    std::fs::write(dir.path().join("a"), "x").expect("write");
    let read = compiled(dir.path(), WriteMode::ReadOnly);
    let layer = compiled(dir.path(), WriteMode::Overlay);
    let attempt = &|n: usize| -> Result<(), RunError> {
        let policy = if n.is_multiple_of(2) { &read } else { &layer };
        let outcome = sandbox.run(cat(dir.path()), policy)?;
        assert_eq!((outcome.exit, outcome.stdout.bytes()), (Exit::Code(0), b"x".to_vec()));
        Ok(())
    };
    let once = &|n: usize| attempt(n).unwrap_or_else(|e| panic!("{n}: {e:?}"));
    allow(0);
    assert!(attempt(0).is_err());
    let alone = || {
        allow(1);
        // The kernel takes namespaces away when it has time: then there is room for one again.
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(error) = attempt(1) {
            assert!(Instant::now() < end, "namespaces are left: {error:?}");
        }
    };
    alone();
    let before = held(dir.path());
    allow(100_000);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100).map(|n| scope.spawn(move || once(n))).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
    assert_eq!(held(dir.path()), before);
    (0..1000).for_each(once);
    assert_eq!(held(dir.path()), before);
    alone();
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
