//! Signals, stop, reload, the lock and a full disk: the real binary, told from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use crate::home::{Ended, Home, KAIROS, Model, count, follow, ready};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// What a line may take to come before the test gives up.
pub(crate) const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
pub(crate) const LOG: &str = ".kairos/logs/kairos.log";
/// KairosChain's status snapshot, in the log's details.
const SNAPSHOT: [&str; 8] = [
    "state",
    "pid",
    "tick_count",
    "mailbox_size",
    "started_at",
    "shutdown_requested",
    "tick_interval",
    "graceful_timeout",
];

pub(crate) fn signal(daemon: &Ended, signal: Signal) {
    let pid = Pid::from_child(&daemon.0);
    kill_process(pid, signal).expect("the daemon is there");
}

/// Waits for the end of a daemon that was told to stop.
pub(crate) fn end(daemon: &mut Ended, told: Instant) -> ExitStatus {
    let status = daemon.0.wait().expect("it is our child");
    eprintln!("stopped after {} ms", told.elapsed().as_millis());
    status
}

pub(crate) fn stop(daemon: &mut Ended) {
    let told = Instant::now();
    signal(daemon, Signal::TERM);
    assert_eq!(end(daemon, told).code(), Some(0));
}

pub(crate) fn lines(home: &Home, event: &str) -> Vec<Value> {
    let text = home.read(LOG);
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    all.filter(|line| line["event"] == event).collect()
}

/// Does `act` and waits until the log has one more line for `event`: that line.
pub(crate) fn logged(home: &Home, event: &str, act: impl FnOnce()) -> Value {
    let before = lines(home, event).len();
    let watch = inotify::init(CreateFlags::CLOEXEC).expect("a watch");
    inotify::add_watch(&watch, home.root().join(LOG), WatchFlags::MODIFY).expect("watched");
    act();
    let mut changes = [0; 4096];
    loop {
        // A line is written whole, so a change shows it whole.
        if let Some(line) = lines(home, event).into_iter().nth(before) {
            return line;
        }
        let changed = poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&PATIENCE));
        assert_eq!(changed, Ok(1), "no `{event}`: {}", home.read(LOG));
        rustix::io::read(&watch, &mut changes).expect("changes");
    }
}

pub(crate) fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

pub(crate) fn assert_snapshot(line: &Value, pid: u32) {
    let missing: Vec<_> =
        SNAPSHOT.into_iter().filter(|key| line["details"].get(key).is_none()).collect();
    assert_eq!(missing, [""; 0], "{line}");
    assert_eq!(line["details"]["pid"], pid, "{line}");
}

/// HTTP/1.1 over the daemon's socket, without a client of ours in between.
pub(crate) struct Line(BufReader<UnixStream>);

impl Line {
    pub(crate) fn open(home: &Home) -> Self {
        let socket = home.root().join(".kairos/run/kairos.sock");
        Self(BufReader::new(UnixStream::connect(socket).expect("the socket answers")))
    }

    /// Status and body; `None` when the connection was over before the answer began.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.send(&request(path, body));
        self.answer()
    }

    /// Whether all of it arrived is seen by the answers.
    pub(crate) fn send(&mut self, requests: &str) {
        self.0.get_mut().write_all(requests.as_bytes()).ok();
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Option<(u16, Value)> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => return None,
            Err(error) if line.is_empty() && error.kind() == ErrorKind::ConnectionReset => {
                return None;
            }
            read => read.expect("a status line"),
        };
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).expect("a header"), 0, "half an answer");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a whole body");
        Some((status.expect("a status"), serde_json::from_slice(&body).expect("json")))
    }
}

pub(crate) fn request(path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn goal(n: usize) -> Value {
    json!({"goal": format!("change version-{n} to release-{n} in docs/{n}.md")})
}

pub(crate) fn created(events: &[Value]) -> BTreeSet<String> {
    let created = events.iter().filter(|event| event["type"] == "mandate_created");
    created.map(|event| event["mandate_id"].as_str().expect("an id").to_owned()).collect()
}

/// A workspace whose one running mandate waits for a model that takes its time.
pub(crate) fn busy() -> (Home, Model) {
    let model = Model::start(&["--latency-ms", "20000..20001"]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "max_running: 1\n");
    (home, model)
}

#[test]
fn term_ends_an_idle_daemon_which_leaves_nothing_but_a_last_heartbeat() {
    let home = Home::new();
    let mut daemon = home.daemon();
    let pid = daemon.0.id();
    let run = home.root().join(".kairos/run");
    assert_eq!(home.read(".kairos/run/daemon.pid").trim(), pid.to_string());
    assert!(run.join("kairos.sock").exists());
    stop(&mut daemon);
    for gone in ["daemon.pid", "kairos.sock"] {
        assert!(!run.join(gone).exists(), "{gone} is left");
    }
    let beat: Value = serde_json::from_str(&home.read(".kairos/run/heartbeat.json")).expect("json");
    let expected = [
        "pid",
        "ts",
        "last_cycle_at",
        "active_mandate_id",
        "active_mandates",
        "queue_depth",
        "tick_count",
        "state",
        "journal_head",
    ];
    assert_eq!(keys(&beat), BTreeSet::from(expected));
    assert_eq!((&beat["state"], &beat["pid"]), (&json!("stopped"), &json!(pid)));
    let mode = fs::metadata(run.join("heartbeat.json")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (event, state, asked) in
        [("daemon_started", "running", false), ("daemon_stopped", "stopped", true)]
    {
        let said = lines(&home, event);
        assert_eq!(said.len(), 1, "{event}");
        assert_snapshot(&said[0], pid);
        assert_eq!(said[0]["details"]["state"], state);
        assert_eq!(said[0]["details"]["shutdown_requested"], asked);
    }
    let begin = lines(&home, "daemon_shutdown_begin");
    assert_eq!(begin.len(), 1);
    assert_eq!(begin[0]["details"], json!({"open_effects": 0}));
}

#[test]
fn term_during_a_model_call_records_the_attempt_and_a_restart_goes_on() {
    let (home, slow) = busy();
    home.write("docs/1.md", "version-1\n");
    let mut daemon = home.daemon();
    let (status, made) = Line::open(&home).post("/v1/mandates", &goal(1)).expect("an answer");
    assert_eq!(status, 200, "{made}");
    follow(&home, |event| event["type"] == "budget_reserved");
    stop(&mut daemon);
    let events = home.events();
    assert_eq!(count(&events, "budget_reserved"), 1);
    assert_eq!(count(&events, "budget_settled"), 1);
    assert_eq!(count(&events, "mandate_finished"), 0);
    assert!(slow.requests().len() <= 1);
    drop(slow);

    let model = Model::start(&[]);
    home.configure("openai", &model.base_url("openai"), "max_running: 1\n");
    let mut daemon = home.daemon();
    follow(&home, |event| event["type"] == "mandate_finished");
    let id = created(&home.events()).pop_first().expect("one mandate");
    assert_eq!(home.json(&["mandate", "show", &id])["outcome"], "achieved");
    assert_eq!(home.read("docs/1.md"), "release-1\n");
    stop(&mut daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

#[test]
fn usr1_writes_the_status_to_the_log() {
    let home = Home::new();
    let daemon = home.daemon();
    let line = logged(&home, "daemon_status", || signal(&daemon, Signal::USR1));
    assert_snapshot(&line, daemon.0.id());
    assert_eq!(line["details"]["state"], "running");
    assert_eq!(keys(&line), BTreeSet::from(["ts", "level", "event", "source", "details"]));
}

#[test]
fn hup_takes_a_good_configuration_and_keeps_the_old_one_over_a_bad_one() {
    let home = Home::new();
    let daemon = home.daemon();
    let calls = || home.json(&["budget"])["calls"]["cap"].clone();
    let config = |text: &str| home.write(".kairos/config/daemon.yml", text);
    assert_eq!(calls(), 10_000);
    config("budget: {calls_per_day: 77}\n");
    logged(&home, "daemon_config_reloaded", || signal(&daemon, Signal::HUP));
    // The turn that takes it over comes before the one that reports.
    logged(&home, "daemon_status", || signal(&daemon, Signal::USR1));
    assert_eq!(calls(), 77);
    for (bad, named) in [
        ("budget: {calls_per_day: many}\n", "daemon.yml:1:25"),
        ("budget: {calls_per_day: 5}\nno_such_key: 1\n", "no_such_key"),
        ("budget: {calls_per_day: 5}\ncommands: [{name: x}]\n", "daemon.yml:2:12"),
        ("budget: {calls_per_day: 5}\npid_path: .kairos/run/other.pid\n", "pid_path"),
    ] {
        config(bad);
        let failed = logged(&home, "daemon_config_reload_failed", || signal(&daemon, Signal::HUP));
        let error = failed["details"]["error"].as_str().expect("a text");
        assert!(error.contains(named), "{error}");
        logged(&home, "daemon_status", || signal(&daemon, Signal::USR1));
        assert_eq!(calls(), 77, "{bad}");
    }
    assert_eq!(lines(&home, "daemon_config_reloaded").len(), 1);
}

#[test]
fn a_second_daemon_is_refused_and_learns_who_holds_the_lock() {
    let home = Home::new();
    let mut daemon = home.daemon();
    let second = home.kairos(&["daemon"]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).expect("text");
    assert!(said.contains(&format!("pid {}", daemon.0.id())), "{said}");
    assert_eq!(home.json(&["status"])["state"], "running");
    stop(&mut daemon);
    drop(home.daemon());
}

#[test]
fn a_stop_by_http_is_a_stop() {
    let home = Home::new();
    let mut daemon = home.daemon();
    let told = Instant::now();
    let answer = Line::open(&home).post("/v1/admin/shutdown", &json!({}));
    let (status, body) = answer.expect("an answer");
    assert_eq!((status, &body["enqueued"]), (200, &json!(true)));
    assert_eq!(body["command_id"].as_str().map(str::len), Some(26), "{body}");
    assert_eq!(end(&mut daemon, told).code(), Some(0));
    assert_eq!(lines(&home, "daemon_stopped").len(), 1);
}

/// `kairos daemon` that may not make files larger than `blocks` (512 or 1,024 bytes, as `sh` has
/// it).
fn limited(home: &Home, blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -f {blocks} && exec \"$0\" \"$@\"")).arg(KAIROS);
    command.arg("--root").arg(home.root()).arg("daemon");
    command
}

#[test]
fn a_disk_without_room_for_the_first_segment_refuses_the_start() {
    let home = Home::new();
    let refused = limited(&home, 512).output().expect("it starts");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = String::from_utf8(refused.stderr).expect("text");
    assert!(said.contains("File too large"), "{said}");
    stop(&mut home.daemon());
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
}

#[test]
fn a_disk_without_room_for_the_next_segment_refuses_commands_and_loses_none() {
    let (home, _model) = busy();
    // Room for the second segment of 2 MiB, not for one of 8 MiB, whatever a block is.
    let mut daemon = ready(limited(&home, 6_144));
    // What fills a frame fast.
    let files: Vec<_> = (0..32).map(|n| format!("docs/{n}/{}.md", "a".repeat(200))).collect();
    let mut line = Line::open(&home);
    let mut acknowledged = BTreeSet::new();
    let refusal = loop {
        let request = json!({"goal": "change version-1 to release-1 in docs/1.md", "files": files});
        let (status, body) = line.post("/v1/mandates", &request).expect("an answer");
        if status != 200 {
            assert_eq!(status, 503, "{body}");
            break body;
        }
        acknowledged.insert(body["mandate_id"].as_str().expect("an id").to_owned());
        assert!(acknowledged.len() < 2_000, "the limit is never met");
    };
    assert_eq!(refusal["code"], "no_space", "{refusal}");
    assert_ne!(acknowledged.len(), 0, "it is full before it begins");
    assert_eq!(home.json(&["status"])["state"], "running");
    stop(&mut daemon);
    assert_eq!(home.json(&["journal", "verify"])["ok"], true);
    assert_eq!(created(&home.events()), acknowledged);
    // With room again it goes on.
    let mut daemon = home.daemon();
    let (status, body) = Line::open(&home).post("/v1/mandates", &goal(2)).expect("an answer");
    assert_eq!(status, 200, "{body}");
    stop(&mut daemon);
    eprintln!("{} acknowledged before the disk was full", acknowledged.len());
}
