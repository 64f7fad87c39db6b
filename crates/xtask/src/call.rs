//! One program with its arguments.
//!
//! Owns how programs are started: in the workspace root, without the variables cargo set for this
//! program. Those would look to an inner cargo like a changed environment and make build scripts
//! run again. Never uses a shell.

use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A program, its arguments and the variables it gets on top of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    program: String,
    args: Vec<String>,
    vars: Vec<(String, String)>,
}

/// What a program wrote and whether it ended well.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) good: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Call {
    pub(crate) fn new(program: impl Into<String>, args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { program: program.into(), args, vars: Vec::new() }
    }

    pub(crate) fn cargo(args: &[&str]) -> Self {
        Self::new("cargo", args)
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether it ends well, its output thrown away. `false` too when it cannot be started.
    pub(crate) fn works(&self, dir: &Path) -> bool {
        self.command(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Lets it write to the terminal and answers whether it ended well.
    pub(crate) fn show(&self, dir: &Path) -> Result<bool> {
        let status = self.command(dir).status().with_context(|| self.not_started())?;
        Ok(status.success())
    }

    /// As [`show`](Self::show), ended when `limit` has passed; an end by the limit is not well.
    pub(crate) fn show_within(&self, dir: &Path, limit: Duration) -> Result<bool> {
        let child = self.command(dir).spawn().with_context(|| self.not_started())?;
        wait_within(child, limit).with_context(|| format!("`{self}` cannot be waited for"))
    }

    /// As [`show_within`](Self::show_within), its output thrown away, and all it has started ended
    /// with it.
    pub(crate) fn quiet_within(&self, dir: &Path, limit: Duration) -> Result<bool> {
        let mut command = self.command(dir);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().with_context(|| self.not_started())?;
        let group = format!("-{}", child.id());
        let good = wait_within(child, limit);
        // Where nothing is left of it, this fails, and that is well.
        Self::new("kill", &["-KILL", "--", &group]).works(dir);
        good.with_context(|| format!("`{self}` cannot be waited for"))
    }

    /// Keeps what it writes.
    pub(crate) fn read(&self, dir: &Path) -> Result<Answer> {
        let output = self.command(dir).output().with_context(|| self.not_started())?;
        Ok(Answer {
            good: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Keeps what it writes to stdout and lets stderr through to the terminal.
    pub(crate) fn read_stdout(&self, dir: &Path) -> Result<Answer> {
        let output = self
            .command(dir)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.not_started())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Answer { good: output.status.success(), stdout, stderr: String::new() })
    }

    /// What it writes to stdout; an error with its stderr when it does not end well.
    pub(crate) fn text(&self, dir: &Path) -> Result<String> {
        let answer = self.read(dir)?;
        if !answer.good {
            bail!("`{self}` failed\n{}", answer.stderr.trim_end());
        }
        Ok(answer.stdout)
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(dir).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(set_by_cargo) {
                command.env_remove(name);
            }
        }
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self) -> String {
        format!("`{}` cannot be started", self.program)
    }
}

/// As one would type it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.vars {
            write!(f, "{name}={} ", quoted(value))?;
        }
        write!(f, "{}", quoted(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn set_by_cargo(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || matches!(
            name,
            "CARGO_MANIFEST_DIR"
                | "CARGO_MANIFEST_PATH"
                | "CARGO_BIN_NAME"
                | "CARGO_CRATE_NAME"
                | "CARGO_PRIMARY_PACKAGE"
                | "OUT_DIR"
        )
}

fn wait_within(mut child: Child, limit: Duration) -> std::io::Result<bool> {
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if begun.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_prints_as_it_would_be_typed() {
        let call = Call::cargo(&["test", "-p", "it's"]).var("DIR", "a b");
        assert_eq!(call.to_string(), r"DIR='a b' cargo test -p 'it'\''s'");
    }

    #[test]
    fn a_program_past_its_limit_is_ended() {
        let call = Call::new("sleep", &["600"]);
        let good = call.show_within(Path::new("."), Duration::ZERO).unwrap();
        assert!(!good);
    }

    #[test]
    fn a_missing_program_names_itself() {
        let error = Call::new("no-such-program", &[]).text(Path::new(".")).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` cannot be started");
    }
}
