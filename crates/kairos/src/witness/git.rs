//! A checkpoint as a file on a branch of a git remote.
//!
//! Owns the few `git` commands that put it there, in a bare repository that is made for it and
//! thrown away. Nothing of the user's or the system's git configuration counts, no hook runs here,
//! nothing asks, and every command ends in time. A push never forces: whoever else pushed was
//! first, and the next attempt builds on that.

use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use kairos_journal::note::Checkpoint;
use rustix::process::{Pid, Signal, kill_process_group};

use super::Refused;

/// For one command.
pub(super) const TIME_MAX: Duration = Duration::from_secs(20);

/// What is read of a command's answer, and of its complaints.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The most characters of a complaint that are shown.
const SAID_CHARS_MAX: usize = 300;

/// What git may see of our environment: where programs are, and the user's SSH key.
const KEPT: [&str; 3] = ["PATH", "HOME", "SSH_AUTH_SOCK"];

const SETTINGS: [(&str, &str); 13] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "false"),
    ("SSH_ASKPASS", "false"),
    ("SSH_ASKPASS_REQUIRE", "never"),
    ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=10"),
    ("GIT_ALLOW_PROTOCOL", "file:https:ssh"),
    ("LC_ALL", "C"),
    ("GIT_AUTHOR_NAME", "kairos"),
    ("GIT_AUTHOR_EMAIL", "kairos@localhost"),
    ("GIT_COMMITTER_NAME", "kairos"),
    ("GIT_COMMITTER_EMAIL", "kairos@localhost"),
];

/// Commits `note` on `branch` of `remote` as `ORIGIN/SIZE.note`; nothing is done when it is there, and
/// where another is, that stays.
/// The repository in between is made in `place`.
pub(super) fn push(
    place: &Path,
    remote: &str,
    branch: &str,
    checkpoint: &Checkpoint,
    note: &str,
) -> Result<(), Refused> {
    let dir = place.join(format!("witness-{}.git", name_of(remote, branch)));
    let clear = || fs::remove_dir_all(&dir).ok();
    clear();
    let pushed = Repository { dir: &dir }.push(remote, branch, checkpoint, note);
    clear();
    pushed
}

/// A name for a directory that no other witness has.
fn name_of(remote: &str, branch: &str) -> String {
    let hash = kairos_disk::digest(format!("{remote}\0{branch}").as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

struct Repository<'a> {
    dir: &'a Path,
}

impl Repository<'_> {
    fn push(
        &self,
        remote: &str,
        branch: &str,
        checkpoint: &Checkpoint,
        note: &str,
    ) -> Result<(), Refused> {
        let Checkpoint { origin, size, .. } = checkpoint;
        let (reference, path) =
            (format!("refs/heads/{branch}"), format!("{origin}/{size:020}.note"));
        let dir = self.dir.display().to_string();
        self.git("init", &["--quiet", "--bare", "--template=", "--", &dir], "")?;
        let parent = self.fetch(remote, &reference)?;
        let blob = self.git("hash-object", &["-w", "--stdin"], note)?;
        if let Some(parent) = &parent {
            let there = self.git("ls-tree", &["--full-tree", parent, "--", &path], "")?;
            match there.split_ascii_whitespace().nth(2) {
                Some(there) if there == blob => return Ok(()),
                // Two of one size are evidence, and both stay.
                Some(_) => return Err(Refused::Another { path }),
                None => {}
            }
            self.git("read-tree", &[parent], "")?;
        }
        let entry = format!("100644,{blob},{path}");
        self.git("update-index", &["--add", "--cacheinfo", &entry], "")?;
        let tree = self.git("write-tree", &[], "")?;
        let message = format!("{origin}: checkpoint over {size} frames\n");
        let commit = match &parent {
            Some(parent) => self.git("commit-tree", &[&tree, "-p", parent], &message)?,
            None => self.git("commit-tree", &[&tree], &message)?,
        };
        let refspec = format!("{commit}:{reference}");
        self.git("push", &["--quiet", "--no-verify", "--", remote, &refspec], "")?;
        Ok(())
    }

    /// The newest commit of the branch, brought here; nothing while there is no such branch.
    fn fetch(&self, remote: &str, reference: &str) -> Result<Option<String>, Refused> {
        let listed = self.git("ls-remote", &["--refs", "--", remote, reference], "")?;
        let names = |line: &&str| line.split('\t').nth(1) == Some(reference);
        if !listed.lines().any(|line| names(&line)) {
            return Ok(None);
        }
        let refspec = format!("+{reference}:refs/parent");
        let arguments = ["--quiet", "--depth=1", "--no-tags", "--", remote, &refspec];
        self.git("fetch", &arguments, "")?;
        self.git("rev-parse", &["--verify", "refs/parent^{commit}"], "").map(Some)
    }

    /// Runs one command to its end, or ends it.
    fn git(&self, verb: &'static str, arguments: &[&str], input: &str) -> Result<String, Refused> {
        let mut command = Command::new("git");
        command.env_clear().envs(SETTINGS);
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]);
        command.args(["-c", "protocol.ext.allow=never", "-c", "credential.helper="]);
        if verb != "init" {
            command.arg("--git-dir").arg(self.dir);
        }
        command.arg(verb).args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Refused::NoGit)?;
        let group = Pid::from_child(&child);
        let mut stdin = child.stdin.take().expect("piped");
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (done, waited) = channel::<()>();
        std::thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let late = waited.recv_timeout(TIME_MAX) == Err(RecvTimeoutError::Timeout);
                if late {
                    kill_process_group(group, Signal::KILL).ok();
                }
                late
            });
            // Whoever does not want it closes the pipe, which its status tells of.
            let feed = scope.spawn(move || stdin.write_all(input.as_bytes()).ok());
            let said = scope.spawn(|| text(err));
            let answer = text(out);
            let (said, _) = (said.join().unwrap_or_default(), feed.join());
            let status = child.wait();
            drop(done);
            if watch.join().unwrap_or_default() {
                return Err(Refused::GitTime { verb });
            }
            match status {
                Ok(status) if status.success() => Ok(answer.trim_end().to_owned()),
                Ok(_) | Err(_) => Err(Refused::Git { verb, said: short(&said) }),
            }
        })
    }
}

/// The beginning of what comes; the rest is not waited for.
fn text(stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The complaint in one line.
fn short(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("; ");
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = clean.take(SAID_CHARS_MAX).collect();
    if text.is_empty() { "it failed and said nothing".to_owned() } else { text }
}
