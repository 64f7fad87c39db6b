//! A workspace, a real daemon in it, and a real model server beside it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program under test.
pub(crate) const KAIROS: &str = env!("CARGO_BIN_EXE_kairos");

pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// A child that is ended when dropped.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().expect("a directory") };
        home.ok(&["init"]);
        home
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.root().join(path);
        fs::create_dir_all(file.parent().expect("a parent")).expect("directories");
        fs::write(file, text).expect("the file is written");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).expect("the file is read")
    }

    /// Points the workspace at a model server.
    pub(crate) fn configure(&self, provider: &str, base_url: &str, more: &str) {
        self.write(
            ".kairos/config/daemon.yml",
            &format!(
                "model:\n  provider: {provider}\n  name: scripted\n  base_url: {base_url}\n{more}"
            ),
        );
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KAIROS);
        command.arg("--root").arg(self.root()).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn kairos(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("kairos starts")
    }

    /// A verb that must succeed; its stdout.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.kairos(arguments);
        assert!(
            output.status.success(),
            "kairos {arguments:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same with `--json`, parsed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
    }

    /// All records of the journal, in their public form.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = self.ok(&["journal", "export", "--jsonl"]);
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    /// All events of the journal.
    pub(crate) fn events(&self) -> Vec<Value> {
        let records = self.records();
        records.iter().flat_map(|r| r["events"].as_array().expect("events").clone()).collect()
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub(crate) fn daemon(&self) -> Ended {
        ready(self.command(&["daemon"]))
    }
}

/// Starts a daemon and waits until it says that it is ready.
pub(crate) fn ready(mut daemon: Command) -> Ended {
    let mut child = daemon.stderr(Stdio::piped()).spawn().expect("the daemon starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line.expect("text");
        if line.contains("ready") {
            // What it says later must not block it.
            std::thread::spawn(move || lines.for_each(drop));
            return Ended(child);
        }
        said.push(line);
    }
    panic!("the daemon ended: {:?}\n{}", child.wait(), said.join("\n"));
}

/// A model server in another process.
pub(crate) struct Model {
    _child: Ended,
    pub(crate) url: String,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Model {
    pub(crate) fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("requests.jsonl");
        let program = Path::new(KAIROS).with_file_name("examples").join("scripted_model");
        let mut child = Command::new(&program)
            .arg("--log")
            .arg(&log)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let mut url = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut url).expect("the address");
        Self { _child: Ended(child), url: url.trim().to_owned(), log, _dir: dir }
    }

    /// What `base_url` is for a provider.
    pub(crate) fn base_url(&self, provider: &str) -> String {
        if provider == "openai" { format!("{}/v1", self.url) } else { self.url.clone() }
    }

    /// Every request it saw.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
    }
}

/// How many events have this type.
pub(crate) fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["type"] == kind).count()
}

/// Follows the journal of a daemon until `done` says so.
pub(crate) fn follow(home: &Home, mut done: impl FnMut(&Value) -> bool) {
    let mut child = home
        .command(&["events", "--from", "1", "--follow", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kairos starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let _ended = Ended(child);
    for line in out.lines() {
        let record: Value = serde_json::from_str(&line.expect("text")).expect("a record");
        for event in record["events"].as_array().expect("events") {
            if done(event) {
                return;
            }
        }
    }
    panic!("the daemon went away");
}
