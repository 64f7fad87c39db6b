//! A real git in a small repository, asked plainly and asked as the rule rewrites it.
//!
//! The programs that are planted do one thing: they leave a marker in the test's own directory. Where
//! the tests run as root, git and all it starts run as nobody.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kairos_sandbox::catalog::{ArgvRule, Place, RepositoryConfig, Violation};

use super::words;

const NOBODY: u32 = 65534;

/// A repository `w` with one commit of `a.txt`, and a change to it.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

/// Where git is: what the rule sets takes the search path away.
fn git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.exists()).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self { dir };
        for dir in ["w", "home", "marks"] {
            fs::create_dir(world.path(dir)).unwrap();
        }
        if rustix::process::geteuid().is_root() {
            for path in [".", "w", "home", "marks"] {
                chown(world.path(path), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        // Leaves a mark, and passes on what a filter is given.
        world.evil("evil", "cat");
        world.git("init -q -b main");
        world.git("config user.name a");
        world.git("config user.email a@example.org");
        world.write("a.txt", "one\n");
        world.git("add a.txt");
        world.git("commit -q -m one");
        world.write("a.txt", "two\n");
        world
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file of the repository, younger than its index.
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.put(&self.path("w").join(path), text);
    }

    pub(crate) fn put(&self, path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A program that leaves a mark and then is another.
    pub(crate) fn evil(&self, name: &str, then: &str) -> String {
        let path = self.path(name);
        let mark = self.path("marks/made");
        self.put(&path, &format!("#!/bin/sh\ntouch '{}'\n{then}\n", mark.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// Whether something left a mark since the last time.
    pub(crate) fn marked(&self) -> bool {
        fs::remove_file(self.path("marks/made")).is_ok()
    }

    fn command(&self, cwd: &Path, argv: &[OsString], env: &[(String, OsString)]) -> Output {
        assert_eq!(argv[0], "git");
        let mut command = Command::new(git());
        command.args(&argv[1..]).current_dir(cwd).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.envs(env.iter().map(|(name, value)| (name, value)));
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    /// Sets something up; what it starts leaves no mark behind.
    #[track_caller]
    pub(crate) fn git(&self, line: &str) -> String {
        self.git_with(&line.split(' ').collect::<Vec<_>>())
    }

    #[track_caller]
    pub(crate) fn git_with(&self, argv: &[&str]) -> String {
        let mut whole = words(&["git"]);
        whole.extend(words(argv));
        let output = self.command(&self.path("w"), &whole, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {argv:?}: {said}");
        self.marked();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Asks git as somebody would, in `cwd` below the repository.
    pub(crate) fn plain(&self, cwd: &str, line: &str) {
        let mut argv = words(&["git"]);
        argv.extend(line.split(' ').map(OsString::from));
        self.command(&self.path("w").join(cwd), &argv, &[]);
    }

    /// Asks git as the rule rewrites it.
    pub(crate) fn ruled(
        &self,
        rule: &ArgvRule,
        cwd: &str,
        argv: &[OsString],
    ) -> Result<Output, Violation> {
        let workspace = self.path("w").canonicalize().unwrap();
        let cwd = workspace.join(cwd);
        let place = Place::new(&workspace, &cwd).unwrap();
        let question = rule.question(&place).unwrap();
        let listing = self.command(&cwd, &question.argv, &question.env);
        let repository = RepositoryConfig::parse(&listing.stdout).unwrap();
        let rewritten = rule.check(argv, &place.with_repository(repository))?;
        Ok(self.command(&cwd, &rewritten.argv, &rewritten.env))
    }
}

/// What the shipped rule rewrites still is what was asked.
#[test]
fn a_real_git_answers_what_the_rule_rewrote() {
    let world = World::new();
    let rule = super::catalog();
    let rule = rule.rule("git").unwrap();
    world.write("--output=x", "odd\n");
    world.git("add -- --output=x");
    world.git("commit -q -m odd");
    for line in [
        "status --porcelain=v2 -z -uno",
        "status -sb",
        "diff",
        "diff --stat=80 -U5 -C -M50% HEAD~1",
        "diff --cached --name-only",
        "diff -- --output=x",
        "log -5 --oneline --graph --decorate",
        "log -n 1 --format=%H%x00%an --grep=odd",
        "log -p -m --cc --follow a.txt",
        "log -L1,1:a.txt",
        "show HEAD:a.txt",
        "show --no-patch HEAD@{1}",
        "rev-parse --show-toplevel HEAD",
        "rev-parse --abbrev-ref HEAD",
        "ls-files -m -o --exclude-standard -z",
        "blame -L 1,1 -w a.txt",
        "grep -n -e t -- a.txt",
        "grep -c one HEAD -- a.txt",
        "--no-pager log --output-indicator-new=+",
    ] {
        let argv = words(&line.split(' ').collect::<Vec<_>>());
        let output = world.ruled(rule, "", &argv).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "git {line}: {said}");
    }
    let answer = |argv: &[&str]| {
        String::from_utf8(world.ruled(rule, "", &words(argv)).unwrap().stdout).unwrap()
    };
    assert_eq!(answer(&["status", "--porcelain"]), " M a.txt\n");
    assert_eq!(answer(&["diff", "--name-only"]), "a.txt\n");
    assert_eq!(answer(&["ls-files"]), "--output=x\na.txt\n");
    assert_eq!(answer(&["ls-files", "--", "--output=x"]), "--output=x\n");
    assert!(!world.path("w/x").exists());
}

#[test]
fn a_commit_through_the_rule_is_a_commit() {
    let world = World::new();
    let catalog = super::catalog();
    let rule = catalog.commit_rule();
    world.write("b.txt", "new\n");
    let message = "Add b\n\nKairos-Step: 01J";
    for argv in [&["add", "--", "a.txt", "b.txt"][..], &["commit", "-q", "-m", message]] {
        let output = world.ruled(rule, "", &words(argv)).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {argv:?}: {said}");
    }
    assert_eq!(world.git("log -1 --format=%B"), message);
    assert_eq!(world.git("show --name-only --format= HEAD"), "a.txt\nb.txt");
    assert_eq!(world.git("status --porcelain"), "");
}
