//! What is synced before anything relies on it, told from the system calls of the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::{KAIROS, ready};

const CALLS: &str = "trace=mkdir,mkdirat,fsync,fdatasync,rename,renameat,renameat2";

/// A call that ended well, and what it was about.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Made(PathBuf),
    Synced(PathBuf),
    Renamed(PathBuf),
}

/// The program below `strace`, which writes to `log` and names what a descriptor leads to.
fn watched(log: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-s", "4096", "-e", "signal=none", "-e", CALLS, "-o"]).arg(log);
    strace.arg(KAIROS);
    strace.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    strace.stdin(Stdio::null()).stdout(Stdio::null());
    strace
}

/// Serves until it is told to stop, as soon as it is ready.
fn lives_and_stops(mut daemon: Command, root: &Path) {
    daemon.arg("--root").arg(root).arg("daemon");
    let mut strace = ready(daemon);
    // Not `strace`, which would leave it alone.
    let pid = std::fs::read_to_string(root.join(".kairos/run/daemon.pid")).expect("it runs");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process");
    kill_process(pid, Signal::TERM).expect("it runs");
    assert!(strace.0.wait().expect("our child").success());
}

fn is_missing() -> bool {
    let missing = Command::new("strace").arg("-V").output().is_err();
    if missing {
        eprintln!("`strace` is missing, so nobody looked");
    }
    missing
}

fn calls(log: &Path) -> Vec<Call> {
    std::fs::read_to_string(log).expect("strace has written").lines().filter_map(call).collect()
}

/// The call of a line `PID call(…`; where another thread's came between, as it began.
fn call(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once(' ')?.1.trim_start().split_once('(')?;
    let quoted = |rest: &str| Some(PathBuf::from(rest.split('"').nth(1)?));
    if line.contains(" = -1 ") {
        return None;
    }
    match name {
        "mkdir" | "mkdirat" => quoted(rest).map(Call::Made),
        "fsync" | "fdatasync" => {
            Some(Call::Synced(rest.split_once('<')?.1.split_once('>')?.0.into()))
        }
        _ => quoted(rest).map(Call::Renamed),
    }
}

/// Every directory made below `root` among these calls has a name that is durable when they end.
fn assert_durable(calls: &[Call], root: &Path) -> usize {
    let made = |call: &Call| match call {
        Call::Made(path) if path.starts_with(root) => path.parent().map(Path::to_owned),
        Call::Made(_) | Call::Synced(_) | Call::Renamed(_) => None,
    };
    let made: Vec<_> =
        calls.iter().enumerate().filter_map(|(at, call)| Some((at, made(call)?))).collect();
    for (at, parent) in &made {
        let synced = Call::Synced(parent.clone());
        assert!(calls[*at..].contains(&synced), "{:?} is not durable:\n{calls:#?}", calls[*at]);
    }
    made.len()
}

/// The calls up to the first sync of the journal: what comes after it may be acknowledged.
fn before_the_first_frame(calls: &[Call]) -> &[Call] {
    let is_segment = |path: &Path| path.extension().is_some_and(|ending| ending == "kj");
    let first =
        calls.iter().position(|call| matches!(call, Call::Synced(path) if is_segment(path)));
    &calls[..first.expect("a start records")]
}

#[test]
fn directories_are_durable_before_a_frame_in_them_is() {
    if is_missing() {
        return;
    }
    let temp = tempfile::tempdir().expect("a directory");
    let (home, log) = (temp.path().canonicalize().expect("it is there"), temp.path().join("log"));
    let root = home.join("new/workspace");
    let mut init = watched(&log);
    assert!(init.arg("init").arg(&root).status().expect("strace starts").success());
    // The two above `.kairos`, itself, and the seven in it.
    assert_eq!(assert_durable(&calls(&log), &home), 10);

    // As a copy without what only kairos makes: what is left says that this is a workspace.
    std::fs::remove_dir_all(root.join(".kairos")).expect("it is there");
    std::fs::create_dir(root.join(".kairos")).expect("its place is free");
    for made in [7, 0] {
        lives_and_stops(watched(&log), &root);
        let calls = calls(&log);
        let before = before_the_first_frame(&calls);
        assert_eq!(assert_durable(before, &root), made);
        // Those that were there too: whoever made them may have been killed before a sync.
        for parent in [root.clone(), root.join(".kairos")] {
            assert!(before.contains(&Call::Synced(parent)), "{before:#?}");
        }
    }
}

#[test]
fn a_heartbeat_is_synced_before_it_has_its_name() {
    if is_missing() {
        return;
    }
    let temp = tempfile::tempdir().expect("a directory");
    let (root, log) = (temp.path().canonicalize().expect("it is there"), temp.path().join("log"));
    std::fs::create_dir(root.join(".kairos")).expect("its place is free");
    lives_and_stops(watched(&log), &root);
    let new = root.join(".kairos/run/heartbeat.json.new");
    let about = |call: &Call| match call {
        Call::Synced(path) | Call::Renamed(path) if *path == new => true,
        Call::Made(_) | Call::Synced(_) | Call::Renamed(_) => false,
    };
    let beats: Vec<_> = calls(&log).into_iter().filter(about).collect();
    assert!(beats.len() >= 4, "one at the start and one at the end: {beats:?}");
    for beat in beats.chunks(2) {
        assert_eq!(*beat, [Call::Synced(new.clone()), Call::Renamed(new.clone())]);
    }
}
