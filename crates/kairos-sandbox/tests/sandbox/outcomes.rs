//! Every way a command can end is told apart, on time, with bounded memory.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::common::{command, compiled, policy, run, sandbox, says, workspace};
use kairos_sandbox::{Exit, Limits, OnFlood, Outcome, Policy, Stdin, Streams, WriteMode};
use tempfile::TempDir;

/// What it may last beyond its bounds, on a machine that does other things too.
const SLACK: Duration = Duration::from_secs(5);

fn limited(limits: Limits) -> (TempDir, Policy) {
    let dir = workspace();
    let policy = Policy { limits, ..policy(dir.path(), WriteMode::Direct) };
    (dir, policy)
}

fn shell(limits: Limits, words: &str) -> Outcome {
    let (_dir, policy) = limited(limits);
    run(&policy, &["sh", "-c", words]).expect("runs")
}

fn brief() -> Limits {
    Limits {
        wall: Duration::from_millis(700),
        grace: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[test]
fn exit_codes_and_signals_are_not_confused() {
    let dir = workspace();
    let policy = policy(dir.path(), WriteMode::ReadOnly);
    let exit = |words: &str| run(&policy, &["sh", "-c", words]).expect("runs").exit;
    assert_eq!(exit("exit 0"), Exit::Code(0));
    assert_eq!(exit("exit 125"), Exit::Code(125));
    assert_eq!(exit("exit 137"), Exit::Code(137));
    assert_eq!(exit("kill -9 $$"), Exit::Signal(9));
    assert_eq!(exit("kill -TERM $$"), Exit::Signal(15));
}

#[test]
fn a_command_that_ignores_sigterm_ends_at_deadline_and_grace() {
    let began = Instant::now();
    let outcome = shell(brief(), "trap '' TERM; echo on; while :; do sleep 1; done");
    assert_eq!(outcome.exit, Exit::Timeout);
    assert_eq!(outcome.stdout.bytes(), b"on\n");
    assert!(outcome.wall >= Duration::from_millis(900), "{:?}", outcome.wall);
    assert!(began.elapsed() < SLACK);
}

#[test]
fn a_command_that_heeds_sigterm_ends_before_the_grace_is_over() {
    let limits = Limits { grace: Duration::from_secs(60), ..brief() };
    let began = Instant::now();
    let outcome = shell(limits, "trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done");
    assert_eq!(outcome.exit, Exit::Timeout);
    assert_eq!(outcome.stdout.bytes(), b"bye\n");
    assert!(began.elapsed() < SLACK);
}

#[test]
fn stopped_children_do_not_outlive_the_deadline() {
    let began = Instant::now();
    let outcome = shell(brief(), "sh -c 'kill -STOP $$' & sleep 100 & wait");
    assert_eq!(outcome.exit, Exit::Timeout);
    assert!(began.elapsed() < SLACK);
}

#[test]
fn a_daemon_of_its_own_dies_with_the_command() {
    let (dir, policy) = limited(Limits::default());
    let words = "(setsid sh -c 'trap \"\" TERM; while :; do date +%s%N > alive; done' &) ; \
                 while [ ! -s alive ]; do :; done; echo done";
    let outcome = run(&policy, &["sh", "-c", words]).expect("runs");
    assert_eq!((outcome.exit, outcome.stdout.bytes()), (Exit::Code(0), b"done\n".to_vec()));
    // It wrote without a pause; what it wrote last stays for ever.
    let alive = || std::fs::read(dir.path().join("alive")).expect("it was alive");
    let before = alive();
    let later = Instant::now() + Duration::from_millis(300);
    while Instant::now() < later {
        assert_eq!(alive(), before);
    }
}

#[test]
fn output_held_by_a_grandchild_holds_nobody() {
    let began = Instant::now();
    let outcome = shell(Limits::default(), "setsid sleep 100 & echo out");
    assert_eq!((outcome.exit, outcome.stdout.bytes()), (Exit::Code(0), b"out\n".to_vec()));
    assert!(began.elapsed() < SLACK);
}

#[test]
fn closed_streams_do_not_defeat_the_deadline() {
    let began = Instant::now();
    let outcome = shell(brief(), "exec >&- 2>&- <&-; sleep 100");
    assert_eq!((outcome.exit, outcome.stdout.total), (Exit::Timeout, 0));
    assert!(began.elapsed() < SLACK);
}

#[test]
fn a_flood_on_either_stream_is_kept_within_bounds_and_told() {
    for stream in ["", ">&2"] {
        let limits = Limits { out_each: 1000, ..brief() };
        let outcome = shell(limits, &format!("echo first {stream}; yes {stream}"));
        let flooded = if stream.is_empty() { &outcome.stdout } else { &outcome.stderr };
        assert_eq!(outcome.exit, Exit::Timeout);
        assert!(flooded.truncated && flooded.total > 1 << 20, "{}", flooded.total);
        assert_eq!((flooded.head.len(), flooded.tail.len()), (500, 500));
        assert!(flooded.head.starts_with(b"first\n"));
    }
}

#[test]
fn a_flood_may_be_the_end() {
    let limits =
        Limits { out_each: 1000, on_flood: OnFlood::Kill, wall: 10 * SLACK, ..Limits::default() };
    let began = Instant::now();
    assert_eq!(shell(limits, "yes").exit, Exit::OutputCap);
    assert!(began.elapsed() < SLACK);
}

#[test]
fn input_nobody_reads_holds_nobody() {
    let (dir, policy) = limited(Limits::default());
    let mut unread = command(dir.path(), &["true"]);
    unread.stdin = Stdin::Bytes(vec![b'x'; 1 << 20]);
    let outcome = sandbox().run(unread, &compiled(&policy)).expect("runs");
    assert_eq!(outcome.exit, Exit::Code(0));
    let mut counted = command(dir.path(), &["wc", "-c"]);
    counted.stdin = Stdin::Bytes(vec![b'x'; 1 << 20]);
    let outcome = sandbox().run(counted, &compiled(&policy)).expect("runs");
    assert_eq!(outcome.stdout.bytes(), b"1048576\n");
}

#[test]
fn processor_time_has_a_bound_of_its_own() {
    let limits = Limits { cpu: Duration::from_secs(1), ..Limits::default() };
    assert_eq!(shell(limits, "while :; do :; done").exit, Exit::CpuCap);
}

#[test]
fn processes_files_and_bytes_are_bounded() {
    let (_dir, many) = limited(Limits { pids: 8, ..Limits::default() });
    let said = says(&many, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo done");
    assert!(
        said.contains("Resource temporarily unavailable") || said.contains("Cannot fork"),
        "{said}"
    );
    let (_dir, small) = limited(Limits { fsize: 4096, ..Limits::default() });
    let said = says(&small, "head -c 9999 /dev/zero > big; wc -c < big");
    assert!(said.contains("4096"), "{said}");
    let (_dir, tiny) = limited(Limits { tmpfs: 1 << 20, inodes: 100, ..Limits::default() });
    let said = says(&tiny, "head -c 9999999 /dev/zero > /tmp/big");
    assert!(said.contains("No space left"), "{said}");
    let said = says(&tiny, "for i in $(seq 200); do : > /dev/shm/$i; done");
    assert!(said.contains("No space left"), "{said}");
}

#[test]
fn a_core_goes_nowhere() {
    let (_dir, policy) = limited(Limits::default());
    let said = says(&policy, "ulimit -c 0 && grep 'core file' /proc/self/limits; kill -SEGV $$");
    assert_eq!(said.split_whitespace().collect::<Vec<_>>()[4..6], ["1", "1"], "{said}");
}

#[test]
fn a_caller_may_kill_and_a_dropped_command_is_dead() {
    let (dir, policy) = limited(Limits::default());
    let (sandbox, policy) = (sandbox(), compiled(&policy));
    let sleep = || {
        let sleep = command(dir.path(), &["sleep", "100"]);
        sandbox.spawn(sleep, &policy, Streams::Captured).expect("starts")
    };
    let began = Instant::now();
    let running = sleep();
    let killer = running.killer();
    let waiting = std::thread::spawn(move || running.wait());
    killer.kill();
    let ended = waiting.join().expect("no panic");
    // Killed before the command or during it: both are an end by the caller.
    assert!(ended.is_err() || ended.is_ok_and(|outcome| outcome.exit == Exit::Killed));
    drop(sleep());
    assert!(began.elapsed() < SLACK);
}

#[test]
fn a_caller_may_ask_a_command_to_end_before_it_is_killed() {
    let limits = Limits { grace: SLACK, ..Limits::default() };
    let (dir, policy) = limited(limits);
    let (sandbox, policy) = (sandbox(), compiled(&policy));
    let (mut said, stdout) = std::io::pipe().expect("a pipe");
    let stderr = OwnedFd::from(stdout.try_clone().expect("a copy"));
    let words = "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.01; done";
    let streams = Streams::Given { stdout: OwnedFd::from(stdout), stderr };
    let polite = command(dir.path(), &["sh", "-c", words]);
    let running = sandbox.spawn(polite, &policy, streams).expect("starts");
    let killer = running.killer();
    let waiting = std::thread::spawn(move || running.wait());
    said.read_exact(&mut [0; 3]).expect("it is up");
    killer.end();
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("it ends");
    assert_eq!(rest, "asked\n");
    assert_eq!(waiting.join().expect("no panic").expect("it began").exit, Exit::Killed);
}

#[test]
fn a_caller_may_bring_its_own_streams() {
    let (dir, policy) = limited(Limits::default());
    let (read, write) = std::io::pipe().expect("a pipe");
    let (stdin, talk) = std::io::pipe().expect("a pipe");
    let mut cat = command(dir.path(), &["cat"]);
    cat.stdin = Stdin::Fd(OwnedFd::from(stdin));
    let stderr = OwnedFd::from(write.try_clone().expect("a copy"));
    let streams = Streams::Given { stdout: OwnedFd::from(write), stderr };
    let (sandbox, policy) = (sandbox(), compiled(&policy));
    let running = sandbox.spawn(cat, &policy, streams).expect("starts");
    std::io::Write::write_all(&mut &talk, b"there and back").expect("it reads");
    drop(talk);
    let said = std::io::read_to_string(read).expect("the end comes");
    assert_eq!(said, "there and back");
    assert_eq!(running.wait().expect("runs").exit, Exit::Code(0));
}

/// Set where this program is started again to be killed: its workspace.
const DOOMED: &str = "KAIROS_SANDBOX_TEST_DOOMED";

/// Writes without a pause, and would for a minute.
const RESTLESS: &str = "trap '' TERM HUP INT; while :; do date +%s%N > alive; done";

/// Not a test of its own: a caller that is killed.
#[test]
fn wait_for_something_restless() {
    let Some(dir) = std::env::var_os(DOOMED) else { return };
    let policy = policy(std::path::Path::new(&dir), WriteMode::Direct);
    let _ = run(&policy, &["sh", "-c", RESTLESS]);
}

/// Fails unless the file stops changing within a few seconds.
fn falls_silent(alive: &std::path::Path) {
    let end = Instant::now() + SLACK;
    let mut since = Instant::now();
    let mut last = std::fs::read(alive).expect("it was alive");
    while since.elapsed() < Duration::from_millis(300) {
        assert!(Instant::now() < end, "it lives on");
        let now = std::fs::read(alive).expect("it was alive");
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

#[test]
fn nothing_outlives_a_caller_that_is_killed() {
    let dir = workspace();
    let mut caller = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "outcomes::wait_for_something_restless"])
        .env(DOOMED, dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let alive = dir.path().join("alive");
    let end = Instant::now() + 2 * SLACK;
    while std::fs::read(&alive).unwrap_or_default().is_empty() {
        assert!(Instant::now() < end, "it never began");
    }
    caller.kill().expect("ours");
    caller.wait().expect("ours");
    falls_silent(&alive);
}

#[test]
fn a_command_outlives_the_thread_that_asked_for_it() {
    let (dir, policy) = limited(Limits::default());
    let path = dir.path().to_owned();
    let asked = std::thread::spawn(move || {
        let cat = command(&path, &["sh", "-c", "sleep 0.3; echo still"]);
        sandbox().spawn(cat, &compiled(&policy), Streams::Captured).expect("starts")
    });
    let running = asked.join().expect("no panic");
    let outcome = running.wait().expect("runs");
    assert_eq!((outcome.exit, outcome.stdout.bytes()), (Exit::Code(0), b"still\n".to_vec()));
}

/// Set where this program is started again before others: its workspace.
const HASTY: &str = "KAIROS_SANDBOX_TEST_HASTY";

/// Not a test of its own: a caller that comes before others.
#[test]
fn say_what_comes_first() {
    let Some(dir) = std::env::var_os(HASTY) else { return };
    let policy = policy(std::path::Path::new(&dir), WriteMode::ReadOnly);
    println!("inside: {}", says(&policy, "nice; ionice; chrt -p $$").replace('\n', "; "));
}

#[test]
fn a_command_of_somebody_hasty_comes_before_nobody() {
    let hasty = || {
        let mut hasty = std::process::Command::new("nice");
        hasty.args(["-n", "-12", "ionice", "-c1", "-n4", "chrt", "-f", "1"]);
        hasty
    };
    if !hasty().arg("true").status().is_ok_and(|status| status.success()) {
        return eprintln!("nobody may be hasty here");
    }
    let dir = workspace();
    let output = hasty()
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", "outcomes::say_what_comes_first", "--nocapture"])
        .env(HASTY, dir.path())
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let inside = said.lines().find_map(|line| line.split_once("inside: "));
    let inside = inside.expect("it says").1;
    assert!(inside.starts_with("0; none"), "{inside}");
    assert!(inside.contains("SCHED_OTHER"), "{inside}");
}

#[test]
fn what_a_user_has_little_of_is_taken_in_part_only() {
    let (_dir, policy) = limited(Limits { mem: 256 << 20, ..Limits::default() });
    let said = says(&policy, "cat /proc/self/limits");
    let bound = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).expect("a bound");
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(bound("Max pending signals"), ["1024", "1024"]);
    assert_eq!(bound("Max stack size"), ["8388608", "268435456"]);
}

#[test]
fn a_bound_that_no_clock_reaches_is_refused() {
    let dir = workspace();
    let policy = |limits| Policy { limits, ..policy(dir.path(), WriteMode::ReadOnly) };
    for limits in [
        Limits { wall: Duration::MAX, ..Limits::default() },
        Limits { grace: Duration::MAX, ..Limits::default() },
        Limits { cpu: Duration::MAX, ..Limits::default() },
    ] {
        assert!(kairos_sandbox::compile(&policy(limits), &kairos_sandbox::probe()).is_err());
    }
}

/// Sends descriptors that nobody takes, as many as one user may have on the way.
const ON_THE_WAY: &str = "
import array, socket, sys
keep, null = [], open('/dev/null')
some = array.array('i', [null.fileno()] * 200)
try:
    while True:
        a, b = socket.socketpair()
        keep.append((a, b))
        a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, some)])
except OSError:
    pass
print('full', flush=True)
sys.stdin.read()
";

#[test]
fn descriptors_a_command_keeps_on_the_way_end_no_other_command() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return eprintln!("no python3");
    }
    let (dir, policy) = limited(Limits::default());
    let (sandbox, policy) = (sandbox(), compiled(&policy));
    let start = |argv: &[&str]| {
        let (stdin, talk) = std::io::pipe().expect("a pipe");
        let (said, stdout) = std::io::pipe().expect("a pipe");
        let stderr = OwnedFd::from(stdout.try_clone().expect("a copy"));
        let mut command = command(dir.path(), argv);
        command.stdin = Stdin::Fd(OwnedFd::from(stdin));
        let streams = Streams::Given { stdout: OwnedFd::from(stdout), stderr };
        (sandbox.spawn(command, &policy, streams).expect("starts"), talk, said)
    };
    let (other, other_talk, _other_said) = start(&["cat"]);
    let (greedy, greedy_talk, said) = start(&["python3", "-c", ON_THE_WAY]);
    let mut full = [0; 5];
    std::io::Read::read_exact(&mut &said, &mut full).expect("it is full");
    assert_eq!(&full, b"full\n");
    // It may be refused while there is no room, as long as that is all.
    let refused = sandbox.run(command(dir.path(), &["true"]), &policy).err();
    drop((other_talk, greedy_talk));
    assert_eq!(greedy.wait().expect("runs").exit, Exit::Code(0));
    assert_eq!(other.wait().expect("runs").exit, Exit::Code(0), "after {refused:?}");
    let after = sandbox.run(command(dir.path(), &["true"]), &policy).expect("there is room again");
    assert_eq!(after.exit, Exit::Code(0));
}
