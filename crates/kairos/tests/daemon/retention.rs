//! A real daemon that keeps little of its past: what goes, what stays provable, and what is said.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::home::{Ended, Home};
use crate::lifecycle::{lines, logged, signal, stop};

/// Schedules of about 800 kB, none of which is ever due.
fn schedules(round: u32) -> String {
    let files: Vec<_> = (0..60).map(|n| format!("{n}{}", "x".repeat(400))).collect();
    let files = files.join(", ");
    let rows = (0..32).map(|n| {
        format!(
            "  - {{name: s{n}, cron: '0 0 29 2 *', mandate: {{goal: round {round}, files: [{files}]}}}}\n"
        )
    });
    format!("schedules:\n{}", rows.collect::<String>())
}

/// Fills the journal, each round by records of about 800 kB, until `is_enough`: on a busy machine
/// several segments are sealed before a snapshot is made of the last.
fn fill(home: &Home, daemon: &Ended, is_enough: impl Fn() -> bool) {
    for round in 1..120 {
        home.write(".kairos/config/schedules.yml", &schedules(round));
        logged(home, "daemon_config_reloaded", || signal(daemon, Signal::HUP));
        if is_enough() {
            return;
        }
    }
    panic!("more and more comes, and nothing follows from it");
}

/// Whether all that retention needs is there: two snapshots of each kind.
fn is_founded(home: &Home) -> bool {
    const SNAPSHOTS: &str = ".kairos/journal/snapshots";
    let two = |kind: &&str| files(home, SNAPSHOTS, kind).len() >= 2;
    home.root().join(SNAPSHOTS).is_dir() && ["state", "views"].iter().all(two)
}

fn files(home: &Home, below: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.root().join(below)).expect("it is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == ending)).collect();
    paths.sort();
    paths
}

fn first(segment: &Path) -> u64 {
    segment.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).expect("a position")
}

fn segments(home: &Home) -> Vec<u64> {
    files(home, ".kairos/journal", "kj").iter().map(|path| first(path)).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The least there may be.
const LIMIT: &str = "retention: {bytes: 32MiB}\n";

/// A workspace whose journal has what retention needs; beside them lies more than [`LIMIT`] allows, so that
/// under it the journal gives up what it may.
fn filled(prepare: impl FnOnce(&Home)) -> Home {
    let home = Home::new();
    home.write(".kairos/config/schedules.yml", &schedules(0));
    prepare(&home);
    let mut daemon = home.daemon();
    fill(&home, &daemon, || is_founded(&home));
    stop(&mut daemon);
    let beside = File::create(home.root().join(".kairos/blobs/half")).expect("made");
    beside.set_len(64 << 20).expect("it takes no room");
    home
}

/// A daemon under [`LIMIT`] whose journal has lost its first segments; where it begins.
fn pruned() -> (Home, Ended, u64) {
    let home = filled(|_| {});
    home.write(".kairos/config/daemon.yml", LIMIT);
    let mut daemon = None;
    let line = logged(&home, "segments_deleted", || daemon = Some(home.daemon()));
    let begins = line["details"]["first"].as_u64().expect("a position");
    let gone = line["details"]["segments"].as_u64().expect("a number");
    // Each is twice as long as the one before, up to 4 MiB.
    let bytes: u64 = (0..gone).map(|nth| (1 << 20) << nth.min(2)).sum();
    assert_eq!(line["details"]["bytes"], bytes, "{line}");
    assert_eq!(line["details"]["over"], "bytes", "{line}");
    (home, daemon.expect("it was started"), begins)
}

#[test]
fn what_is_over_the_limit_goes_and_the_rest_stays_provable() {
    let (home, mut daemon, begins) = pruned();
    assert_eq!(segments(&home)[0], begins);
    assert_eq!(home.json(&["status"])["journal_first"], begins);
    assert!(home.ok(&["status"]).contains(&format!(", begins with {begins}\n")));
    // It was recorded before, and is told.
    let output = home.kairos(&["events"]);
    let note = format!("note: records before {begins} were deleted by retention");
    assert!(output.status.success() && stderr(&output).contains(&note), "{output:?}");
    let told = String::from_utf8(output.stdout).expect("text");
    let words = format!(" deleted, more than is kept [bytes]; begins with {begins}");
    assert!(told.contains(&words), "{told}");
    stop(&mut daemon);
    let verdict = home.json(&["journal", "verify"]);
    let head = verdict["head"].as_u64().expect("a position");
    assert_eq!((&verdict["ok"], &verdict["deleted"]), (&Value::Bool(true), &(begins - 1).into()));
    assert_eq!(verdict["frames"], head - begins + 1);
    let said = home.ok(&["journal", "verify"]);
    assert!(said.contains(&format!("frames 1 to {} were deleted", begins - 1)), "{said}");
    provable(&home, begins, head);
    let exported = home.records();
    assert!(exported[0]["seq"].as_u64() >= Some(begins), "what is there is written out");
    too_long_ago(&home, begins);
    // The next start goes on, and lists what the deleted records made.
    let mut daemon = home.daemon();
    assert_eq!(home.json(&["schedule", "list"])["schedules"].as_array().map(Vec::len), Some(32));
    too_long_ago(&home, begins);
    // What the daemon does not remember it reads, and says where that begins.
    let mut follow = home.command(&["events", "--from", "1", "--follow", "--json"]);
    let mut follow =
        Ended(follow.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts"));
    let mut said = BufReader::new(follow.0.stderr.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    assert_eq!(line.trim_end(), note);
    drop(follow);
    stop(&mut daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
    assert_eq!(lines(&home, "retention_failed"), [Value::Null; 0]);
}

/// A mandate of which every record is deleted, and one that never was.
fn too_long_ago(home: &Home, begins: u64) {
    for (id, status, code) in [
        ("00000000000000000000000001", 410, "too_long_ago"),
        ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", 404, "unknown_id"),
    ] {
        let output = home.kairos(&["mandate", "show", id, "--json"]);
        let said = stderr(&output);
        let problem = said.lines().last().expect("a problem");
        let problem: Value = serde_json::from_str(problem).expect("a problem");
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&status.into(), &code.into()),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(1));
        let detail = problem["detail"].as_str().expect("words");
        assert_eq!(detail.contains(&format!("begins with record {begins}")), status == 410);
    }
}

fn provable(home: &Home, begins: u64, head: u64) {
    let note = files(home, ".kairos/checkpoints", "note").pop().expect("a stop signs");
    let arg = note.to_str().expect("text");
    home.ok(&["journal", "verify", "--checkpoint", arg]);
    home.ok(&["journal", "checkpoint"]);
    home.ok(&["journal", "prove", &begins.to_string(), "--checkpoint", arg]);
    let gone = (begins - 1).to_string();
    for arguments in [&["journal", "prove", &gone][..], &["journal", "show", &gone]] {
        let output = home.kairos(&[arguments, &["--json"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("\"code\":\"journal_pruned\""), "{said}");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_journal.py");
    let key = home.read(".kairos/keys/checkpoint.pub");
    let mut python = Command::new("python3");
    python.arg(script).arg(home.root().join(".kairos/journal")).arg(&note).arg(key.trim());
    let Ok(output) = python.output() else {
        eprintln!("SKIPPED: python3 cannot be run");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with(&format!("sound: {head} frames")), "{output:?}");
}

#[test]
fn with_both_snapshots_of_a_kind_broken_nothing_starts() {
    let (home, mut daemon, _) = pruned();
    stop(&mut daemon);
    for kind in ["state", "views"] {
        let snapshots = files(&home, ".kairos/journal/snapshots", kind);
        assert_eq!(snapshots.len(), 2, "{kind}");
        let whole: Vec<_> = snapshots.iter().map(|path| fs::read(path).expect("it is")).collect();
        for (path, whole) in snapshots.iter().zip(&whole) {
            let mut bytes = whole.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).expect("written");
        }
        let refused = home.kairos(&["daemon"]);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!(".{kind}`")) && said.contains("does not hold"), "{said}");
        assert!(said.contains("`.kairos/journal/snapshots` back from a copy"), "{said}");
        // One that holds is enough.
        fs::write(&snapshots[0], &whole[0]).expect("written");
        stop(&mut home.daemon());
        fs::write(&snapshots[1], &whole[1]).expect("written");
    }
    stop(&mut home.daemon());
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

#[test]
fn without_a_key_nothing_goes_and_it_is_said_once() {
    let home = filled(|home| home.write(".kairos/keys/checkpoint.key", "no key\n"));
    home.write(".kairos/config/daemon.yml", LIMIT);
    let mut daemon = None;
    let line = logged(&home, "retention_failed", || daemon = Some(home.daemon()));
    let mut daemon = daemon.expect("it was started");
    assert_eq!(line["details"]["error"], "there is no key to sign a checkpoint with");
    let sealed = segments(&home).len();
    fill(&home, &daemon, || segments(&home).len() > sealed);
    stop(&mut daemon);
    assert_eq!(segments(&home)[0], 1);
    assert_eq!(lines(&home, "retention_failed").len(), 1);
    assert_eq!(lines(&home, "segments_deleted").len(), 0);
}

#[test]
fn a_reload_takes_the_limits_over() {
    let home = filled(|_| {});
    let mut daemon = home.daemon();
    assert_eq!(segments(&home)[0], 1);
    home.write(".kairos/config/daemon.yml", LIMIT);
    logged(&home, "segments_deleted", || signal(&daemon, Signal::HUP));
    assert!(segments(&home)[0] > 1);
    stop(&mut daemon);
}
