//! `kairos schedule …` with the real binary, where no daemon is needed.

mod check;
mod crontab;
mod edit;
mod file;
mod malformed;
mod next;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A workspace with the files that `kairos init` writes.
struct Home(tempfile::TempDir);

/// How a verb ended, and what it said.
struct Said {
    exit: i32,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a directory"));
        home.ok(&["init"]);
        home
    }

    /// One whose `schedules.yml` says this.
    fn with(schedules: &str) -> Self {
        let home = Self::new();
        fs::write(home.file(), schedules).expect("the file is written");
        home
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    /// `schedules.yml`
    fn file(&self) -> PathBuf {
        self.root().join(".kairos/config/schedules.yml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("the file is there")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kairos"));
        command.args(arguments).current_dir(self.root()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
        command
    }

    /// What a verb says that is given `input` to read.
    fn said(&self, arguments: &[&str], input: &[u8]) -> Said {
        said(self.command(arguments), input)
    }

    /// The stdout of a verb that must succeed.
    fn ok(&self, arguments: &[&str]) -> String {
        let said = self.said(arguments, b"");
        assert_eq!(said.exit, 0, "{arguments:?}: {}", said.err);
        said.out
    }
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }

    /// The error of a verb that was asked with `--json`.
    fn error(&self) -> Value {
        serde_json::from_str(&self.err).unwrap_or_else(|e| panic!("{e}: {}", self.err))
    }
}

fn said(mut command: Command, input: &[u8]) -> Said {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("kairos starts");
    // One that needs no input may have ended before it was given.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("kairos ends");
    let text = |bytes| String::from_utf8(bytes).expect("all output is text");
    let exit = output.status.code().expect("no signal ended it");
    Said { exit, out: text(output.stdout), err: text(output.stderr) }
}
