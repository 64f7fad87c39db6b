//! The whole way of one command, by the library alone.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use kairos_sandbox::catalog::{Catalog, CommandRule, Place, RepositoryConfig, Rewritten, Trust};
use kairos_sandbox::{
    Command, Compiled, Exit, Outcome, ProgramAt, Refused, Sandbox, Stdin, compile, probe,
};
use rustix::process::geteuid;

use crate::account::{OWNER, give, mode};

/// A workspace, the shipped catalogue over the programs of this machine, and a sandbox.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
    catalog: Catalog,
    place: Place,
    sandbox: Sandbox,
}

impl Desk {
    pub(crate) fn new(home: &Path, sbx: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o755);
        let workspace = dir.path().canonicalize().unwrap().join("workspace");
        for dir in [&workspace, &dir.path().join("kept")] {
            fs::create_dir(dir).unwrap();
            mode(dir, 0o700);
            give(dir);
        }
        Self {
            catalog: Catalog::shipped(Trust::system(&workspace).with_home(home)),
            place: Place::new(&workspace, &workspace).unwrap().with_home(home),
            sandbox: Sandbox::open(&ProgramAt::Path(sbx.into())).unwrap(),
            dir,
        }
    }

    /// Takes an entry, as daemon.yml would have it.
    pub(crate) fn enter(&self, rule: CommandRule) -> Catalog {
        self.catalog.clone().with(rule).unwrap()
    }

    pub(crate) fn workspace(&self) -> &Path {
        self.place.workspace()
    }

    /// Where caches are kept, outside the workspace.
    pub(crate) fn kept(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    pub(crate) fn home(&self) -> &Path {
        self.place.home().unwrap()
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Writes a file of the workspace, as its owner would.
    pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
        let mut above = self.workspace().to_owned();
        for part in Path::new(path).parent().unwrap() {
            above.push(part);
            if !above.exists() {
                fs::create_dir(&above).unwrap();
                give(&above);
            }
        }
        let whole = self.workspace().join(path);
        fs::write(&whole, text).unwrap();
        give(&whole);
        self
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.workspace().join(path)).unwrap()
    }

    /// What a person's own git says of the workspace, without us.
    #[track_caller]
    pub(crate) fn git(&self, argv: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        if geteuid().is_root() {
            command.uid(OWNER).gid(OWNER);
        }
        let command = command
            .args(argv)
            .current_dir(self.workspace())
            .envs([("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_PAGER", "cat")])
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")])
            .envs(
                ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"]
                    .map(|name| (name, "2024-01-02T03:04:05Z")),
            );
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a name and its arguments come to.
    #[track_caller]
    pub(crate) fn asks(&self, name: &str, argv: &[&str]) -> Outcome {
        self.asks_by(&self.catalog, name, argv)
    }

    #[track_caller]
    pub(crate) fn asks_by(&self, catalog: &Catalog, name: &str, argv: &[&str]) -> Outcome {
        let (command, policy) = self.ready(catalog, name, argv);
        settle();
        self.sandbox.run(command, &policy).unwrap_or_else(|e| panic!("{name}: {}", whole(&e)))
    }

    /// A command on its way to the sandbox, which the caller starts.
    #[track_caller]
    pub(crate) fn ready(
        &self,
        catalog: &Catalog,
        name: &str,
        argv: &[&str],
    ) -> (Command, Compiled) {
        let rule = catalog.rule(name).unwrap_or_else(|e| panic!("{e}; {}", e.hint()));
        let mut place = self.place.clone();
        if let Some(question) = rule.question(&place) {
            let (command, policy) = self.made(catalog, name, &question);
            let answer = self.sandbox.run(command, &policy).unwrap();
            assert_eq!(answer.exit, Exit::Code(0), "{}", said(&answer));
            place = place.with_repository(RepositoryConfig::parse(&answer.stdout.bytes()).unwrap());
        }
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        let rewritten = rule.check(&argv, &place).unwrap_or_else(|e| panic!("{name}: {e}"));
        self.made(catalog, name, &rewritten)
    }

    fn made(&self, catalog: &Catalog, name: &str, rewritten: &Rewritten) -> (Command, Compiled) {
        let program = catalog
            .resolve(name)
            .unwrap_or_else(|e| panic!("{}; {}", whole(&e), e.hint().unwrap_or_default()));
        let mut policy = rewritten.policy(&self.place);
        policy.caches = rewritten.caches(&self.place, &self.kept());
        for cache in &policy.caches {
            if !cache.kept.exists() {
                fs::create_dir(&cache.kept).unwrap();
                give(&cache.kept);
            }
        }
        let policy = compile(&policy, &probe()).unwrap_or_else(|e| panic!("{name}: {}", whole(&e)));
        let argv = program.argv(rewritten.argv.clone());
        let cwd = self.place.cwd().to_owned();
        (Command { binary: program.into_binary(), argv, cwd, stdin: Stdin::Empty }, policy)
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The output of a command that succeeds and changes nothing.
    #[track_caller]
    pub(crate) fn answer(&self, name: &str, argv: &[&str]) -> String {
        let outcome = self.asks(name, argv);
        assert_eq!(outcome.exit, Exit::Code(0), "{}", said(&outcome));
        assert_eq!(changed(&outcome), [""; 0]);
        String::from_utf8(outcome.stdout.bytes()).unwrap()
    }

    /// The files that a command changed in its layer, but for those nobody keeps.
    pub(crate) fn kept_changes(&self, rewritten: &Rewritten, outcome: &Outcome) -> Vec<String> {
        let is_kept = |path: &String| rewritten.is_kept(&self.place, Path::new(path));
        changed(outcome).into_iter().filter(is_kept).collect()
    }

    pub(crate) fn rewritten(&self, catalog: &Catalog, name: &str, argv: &[&str]) -> Rewritten {
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        catalog.check(name, &argv, &self.place).unwrap()
    }
}

/// Lets the clock that stamps files tick: what was written in the moment a command starts could have
/// been written while it ran.
pub(crate) fn settle() {
    let stamp = || rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let first = stamp();
    while stamp() == first {
        std::hint::spin_loop();
    }
}

/// An error with its causes, as a person gets it.
pub(crate) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

pub(crate) fn said(outcome: &Outcome) -> String {
    let bytes = [outcome.stdout.bytes(), outcome.stderr.bytes()].concat();
    format!("{:?} {}", outcome.exit, String::from_utf8_lossy(&bytes))
}

/// The paths that a command changed in its layer.
pub(crate) fn changed(outcome: &Outcome) -> Vec<String> {
    assert_eq!(refused(outcome), [], "{}", said(outcome));
    let sets = outcome.changes.iter().flat_map(|set| &set.changes);
    sets.map(|change| change.path.display().to_string()).collect()
}

pub(crate) fn refused(outcome: &Outcome) -> Vec<Refused> {
    outcome.changes.iter().flat_map(|set| set.refused.clone()).collect()
}

/// The new text of a file that a command changed.
pub(crate) fn made(outcome: &Outcome, path: &str) -> String {
    let mut text = String::new();
    outcome.changes[0].open(Path::new(path)).unwrap().read_to_string(&mut text).unwrap();
    text
}
