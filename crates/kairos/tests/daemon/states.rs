//! Every state a daemon shows, from outside: heartbeat, status, log. Also its terminal's end.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::{Ended, Home, KAIROS, Model, count, follow};
use crate::lifecycle::{
    LOG, Line, PATIENCE, assert_snapshot, busy, created, end, goal, keys, lines, logged, signal,
    stop,
};
use jiff::{SignedDuration, Timestamp};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

const SIGABRT: i32 = 6;
/// How long a daemon may take to answer at all.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Less than what stands in the journal, more than what the log and the heartbeat need.
const FILE_BYTES: u64 = 4096;

fn beat(home: &Home) -> Value {
    serde_json::from_str(&home.read(".kairos/run/heartbeat.json")).expect("json")
}

/// Prints what the log has: each event with the keys of its details.
fn tell(home: &Home) {
    for line in home.read(LOG).lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        let state = line["details"].get("state").map(|state| format!(" in state {state}"));
        let keys: Vec<_> = keys(&line["details"]).into_iter().collect();
        eprintln!("{}{}: {}", line["event"], state.unwrap_or_default(), keys.join(" "));
    }
}

fn status(home: &Home) -> Value {
    home.json(&["status"])["state"].clone()
}

/// A daemon about to exchange `docs/1.md`, which waits because the file is open for writing.
fn exchanging(home: &Home) -> (Ended, File) {
    home.write("docs/1.md", "version-1\n");
    let daemon = home.daemon();
    let writer = OpenOptions::new().append(true).open(home.root().join("docs/1.md"));
    let writer = writer.expect("the file opens");
    let (code, made) = Line::open(home).post("/v1/mandates", &goal(1)).expect("an answer");
    assert_eq!(code, 200, "{made}");
    follow(home, |event| {
        event["type"] == "effect_begun" && event["intent"].get("change").is_some()
    });
    (daemon, writer)
}

fn with_model() -> (Home, Model) {
    let model = Model::start(&[]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    (home, model)
}

#[test]
fn a_drain_shows_itself_refuses_commands_and_lets_a_file_effect_finish() {
    let (home, _model) = with_model();
    let (mut daemon, writer) = exchanging(&home);
    let pid = daemon.0.id();
    let mut line = Line::open(&home);
    let begin = logged(&home, "daemon_shutdown_begin", || signal(&daemon, Signal::TERM));
    assert_eq!(begin["details"], json!({"open_effects": 1}));
    let (code, body) = line.post("/v1/mandates", &goal(2)).expect("an answer");
    assert_eq!(json!([code, body["code"]]), json!([503, "stopping"]));
    let report = logged(&home, "daemon_status", || signal(&daemon, Signal::USR1));
    assert_snapshot(&report, pid);
    let shown = json!([report["details"]["state"], report["details"]["shutdown_requested"]]);
    assert_eq!(shown, json!(["draining", true]));
    drop(writer);
    assert_eq!(end(&mut daemon, Instant::now()).code(), Some(0));
    assert_eq!(beat(&home)["state"], "stopped");
    for (event, state) in [("daemon_started", "running"), ("daemon_stopped", "stopped")] {
        let said: Vec<_> = lines(&home, event);
        assert_eq!(said.len(), 1, "{event}");
        assert_snapshot(&said[0], pid);
        assert_eq!(said[0]["details"]["state"], state);
    }
    tell(&home);
    assert_eq!(home.read("docs/1.md"), "release-1\n");
    assert_eq!(count(&home.events(), "mandate_finished"), 0);

    let mut daemon = home.daemon();
    follow(&home, |event| event["type"] == "mandate_finished");
    assert_eq!(status(&home), "running");
    let id = created(&home.events()).pop_first().expect("one mandate");
    assert_eq!(home.json(&["mandate", "show", &id])["outcome"], "achieved");
    stop(&mut daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

#[test]
fn a_second_term_ends_the_grace_and_says_what_was_left_open() {
    let (home, _model) = with_model();
    let (mut daemon, writer) = exchanging(&home);
    logged(&home, "daemon_shutdown_begin", || signal(&daemon, Signal::TERM));
    stop(&mut daemon);
    drop(writer);
    tell(&home);
    let exceeded = lines(&home, "daemon_graceful_timeout_exceeded");
    assert_eq!(exceeded.len(), 1);
    assert_eq!(exceeded[0]["details"], json!({"open_effects": 1}));
    let id = created(&home.events()).pop_first().expect("one mandate");
    let interrupted = lines(&home, "daemon_cycle_interrupted");
    assert_eq!(interrupted.len(), 1);
    assert_eq!(interrupted[0]["details"], json!({"mandate_id": id}));

    let mut daemon = home.daemon();
    follow(&home, |event| event["type"] == "mandate_finished");
    stop(&mut daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

/// Makes the journal longer than [`FILE_BYTES`].
fn fill(home: &Home) {
    let files: Vec<_> = (0..32).map(|n| format!("docs/{n}/{}.md", "a".repeat(200))).collect();
    let request = json!({"goal": "change version-1 to release-1 in docs/1.md", "files": files});
    for _ in 0..2 {
        let (code, body) = Line::open(home).post("/v1/mandates", &request).expect("an answer");
        assert_eq!(code, 200, "{body}");
    }
}

#[test]
fn a_stop_that_cannot_be_recorded_is_an_error_and_the_next_start_goes_on() {
    let (home, _slow) = busy();
    let mut daemon = home.daemon();
    fill(&home);
    follow(&home, |event| event["type"] == "budget_reserved");
    let limit = Rlimit { current: Some(FILE_BYTES), maximum: Some(FILE_BYTES) };
    prlimit(Some(Pid::from_child(&daemon.0)), Resource::Fsize, limit).expect("it is ours");
    signal(&daemon, Signal::TERM);
    assert_eq!(end(&mut daemon, Instant::now()).signal(), Some(SIGABRT));
    tell(&home);
    assert_eq!(beat(&home)["state"], "error");
    let stopped = lines(&home, "daemon_stopped");
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0]["details"]["state"], "error");

    let mut daemon = home.daemon();
    assert_eq!(status(&home), "running");
    assert_eq!(created(&home.events()).len(), 2);
    stop(&mut daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

/// Whoever reads a daemon's stderr may stop reading: a terminal that is held, a collector that hangs.
#[test]
fn a_daemon_whose_stderr_nobody_reads_still_ends_when_its_disk_fails() {
    let (home, _slow) = busy();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("it is a pipe");
    while (&writer).write(&[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("it is a pipe");
    let daemon = home.command(&["daemon"]).stdout(Stdio::null()).stderr(writer).spawn();
    let mut daemon = Ended(daemon.expect("it starts"));
    let began = Instant::now();
    while !home.kairos(&["status"]).status.success() {
        assert!(began.elapsed() < WAIT_MAX, "it never answered");
    }
    fill(&home);
    follow(&home, |event| event["type"] == "budget_reserved");
    let limit = Rlimit { current: Some(FILE_BYTES), maximum: Some(FILE_BYTES) };
    prlimit(Some(Pid::from_child(&daemon.0)), Resource::Fsize, limit).expect("it is ours");
    signal(&daemon, Signal::TERM);
    assert_eq!(end(&mut daemon, Instant::now()).signal(), Some(SIGABRT));
    drop(reader);
}

#[test]
fn a_start_that_goes_no_further_was_starting() {
    let home = Home::new();
    let files: Vec<_> = (0..64).map(|n| format!("docs/{n}/{}.md", "a".repeat(200))).collect();
    let mandate = json!({"goal": "look", "files": files});
    let configure = |name: &str| {
        let schedule = |n| {
            let (id, name) = (format!("i{n}"), format!("{name}{n}"));
            json!({"id": id, "name": name, "cron": "0 3 * * *", "mandate": mandate})
        };
        let schedules: Vec<_> = (0..80).map(schedule).collect();
        // JSON is YAML.
        home.write(".kairos/config/schedules.yml", &json!({"schedules": schedules}).to_string());
    };
    configure("s");
    stop(&mut home.daemon());
    let head = beat(&home)["journal_head"].clone();
    // All that have another name have it at once: one frame, and too long for one.
    configure("t");
    let refused = home.kairos(&["daemon"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let beat = beat(&home);
    assert_eq!(json!([beat["state"], beat["journal_head"]]), json!(["starting", head]));
    home.write(".kairos/config/schedules.yml", "schedules: []\n");
    stop(&mut home.daemon());
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

#[test]
fn the_heart_beats_in_time_during_a_slow_call() {
    const BEATS: usize = 5;
    let (home, _slow) = busy();
    let config = home.read(".kairos/config/daemon.yml");
    home.write(".kairos/config/daemon.yml", &format!("{config}heartbeat_interval: 1\n"));
    let mut daemon = home.daemon();
    let (_, made) = Line::open(&home).post("/v1/mandates", &goal(1)).expect("an answer");
    follow(&home, |event| event["type"] == "budget_reserved");
    let watch = inotify::init(CreateFlags::CLOEXEC).expect("a watch");
    let run = home.root().join(".kairos/run");
    inotify::add_watch(&watch, run, WatchFlags::MOVED_TO).expect("watched");
    let mut at: Vec<Timestamp> = Vec::new();
    let mut changes = [0; 4096];
    while at.len() < BEATS {
        let changed = poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&PATIENCE));
        assert_eq!(changed, Ok(1), "no heartbeat");
        rustix::io::read(&watch, &mut changes).expect("changes");
        let beat = beat(&home);
        let shown = json!([beat["state"], beat["active_mandate_id"]]);
        assert_eq!(shown, json!(["running", made["mandate_id"]]));
        at.push(beat["ts"].as_str().expect("a text").parse().expect("a time"));
    }
    let longest = at.windows(2).map(|two| two[1].duration_since(two[0])).max().expect("some");
    eprintln!("{BEATS} heartbeats, at most {longest:?} apart");
    assert!(longest <= SignedDuration::from_millis(1_500), "{at:?}");
    assert_eq!(count(&home.events(), "budget_settled"), 0, "the call is over");
    stop(&mut daemon);
}

/// `kairos daemon` in the foreground of a new terminal, ready; the terminal is there as long as
/// what comes back beside it.
fn in_a_terminal(home: &Home) -> (Ended, BufReader<File>) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let master = master.expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
    let name = ptsname(&master, Vec::new()).expect("it has a name").into_string();
    let open = || {
        let mut options = OpenOptions::new();
        // It shall not become this test's own terminal.
        options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
        options.open(name.as_deref().expect("text")).expect("the terminal opens")
    };
    let mut command = Command::new("setsid");
    command.args(["--ctty", KAIROS, "--root"]).arg(home.root()).arg("daemon");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(open()).stdout(open()).stderr(open());
    let child = Ended(command.spawn().expect("setsid starts"));
    let mut said = BufReader::new(File::from(master));
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("text"), 0, "the terminal is gone");
    }
    (child, said)
}

#[test]
fn a_daemon_whose_terminal_closes_drains_and_ends() {
    let (home, _slow) = busy();
    let (mut daemon, terminal) = in_a_terminal(&home);
    assert_eq!(home.read(".kairos/run/daemon.pid").trim(), daemon.0.id().to_string());
    // As long as the terminal is there, this asks for something else.
    logged(&home, "daemon_config_reloaded", || signal(&daemon, Signal::HUP));
    assert_eq!(status(&home), "running");
    let (code, made) = Line::open(&home).post("/v1/mandates", &goal(1)).expect("an answer");
    assert_eq!(code, 200, "{made}");
    follow(&home, |event| event["type"] == "budget_reserved");
    let told = Instant::now();
    drop(terminal);
    assert_eq!(end(&mut daemon, told).code(), Some(0));
    tell(&home);
    for (event, times) in
        [("daemon_config_reloaded", 1), ("daemon_shutdown_begin", 1), ("daemon_stopped", 1)]
    {
        assert_eq!(lines(&home, event).len(), times, "{event}");
    }
    for gone in ["daemon.pid", "kairos.sock"] {
        assert!(!home.root().join(".kairos/run").join(gone).exists(), "{gone} is left");
    }
    assert_eq!(beat(&home)["state"], "stopped");
    assert_eq!(count(&home.events(), "budget_settled"), 1);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}
