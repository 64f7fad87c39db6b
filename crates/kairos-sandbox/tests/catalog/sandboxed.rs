//! Commands as a step would ask for them: named, checked, given the policy of their rule, and run in
//! the real sandbox.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use kairos_sandbox::catalog::{
    Catalog, CommandRule, Place, RepositoryConfig, ResolveError, Rewritten, Trust,
};
use kairos_sandbox::{Command, Exit, Outcome, ProgramAt, Sandbox, Stdin, compile, probe};

use super::words;

const OWNER: u32 = 4242;

/// A workspace that is not root's, and the catalogue over the programs of this machine.
struct Desk {
    dir: tempfile::TempDir,
    kept: tempfile::TempDir,
    catalog: Catalog,
    place: Place,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let workspace = dir.path().canonicalize().unwrap();
        let mut place = Place::new(&workspace, &workspace).unwrap();
        if let Some(home) = std::env::var_os("HOME") {
            place = place.with_home(home);
        }
        let kept = tempfile::tempdir().unwrap();
        let desk = Self { catalog: Catalog::shipped(Trust::system(&workspace)), dir, kept, place };
        for dir in [&workspace, desk.kept.path()] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
            desk.give(dir);
        }
        desk
    }

    fn with(mut self, rule: CommandRule) -> Self {
        self.catalog = self.catalog.with(rule).unwrap();
        self
    }

    fn give(&self, path: &Path) {
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let whole = self.dir.path().join(path);
        let above = whole.parent().unwrap();
        fs::create_dir_all(above).unwrap();
        self.give(above);
        fs::write(&whole, text).unwrap();
        self.give(&whole);
        self
    }

    /// What a name and its arguments come to, or nothing where the machine lacks the program.
    fn asks(&self, name: &str, argv: &[&str]) -> Option<Outcome> {
        let rule = self.catalog.rule(name).unwrap();
        let mut place = self.place.clone();
        if let Some(question) = rule.question(&place) {
            let answer = self.runs(name, &question)?;
            assert_eq!(answer.exit, Exit::Code(0), "{}", said(&answer));
            place = place.with_repository(RepositoryConfig::parse(&answer.stdout.bytes()).unwrap());
        }
        self.runs(name, &rule.check(&words(argv), &place).unwrap())
    }

    fn runs(&self, name: &str, rewritten: &Rewritten) -> Option<Outcome> {
        let program = match self.catalog.resolve(name) {
            Ok(program) => program,
            Err(ResolveError::Missing { .. }) => {
                eprintln!("`{name}` is not on this machine");
                return None;
            }
            Err(other) => panic!("{other}: {:?}", std::error::Error::source(&other)),
        };
        let mut policy = rewritten.policy(&self.place);
        policy.caches = rewritten.caches(&self.place, self.kept.path());
        for cache in &policy.caches {
            fs::create_dir_all(&cache.kept).unwrap();
            self.give(&cache.kept);
        }
        let policy = compile(&policy, &probe()).unwrap();
        let argv: Vec<OsString> = program.argv(rewritten.argv.clone());
        let cwd = self.place.cwd().to_owned();
        let binary = program.into_binary();
        let command = Command { binary, argv, cwd, stdin: Stdin::Empty };
        let sandbox = Sandbox::open(&ProgramAt::Path(env!("CARGO_BIN_EXE_kairos-sbx").into()));
        Some(sandbox.unwrap().run(command, &policy).unwrap())
    }

    /// The answer of a command that must be there, and must succeed.
    #[track_caller]
    fn answer(&self, name: &str, argv: &[&str]) -> Option<String> {
        let outcome = self.asks(name, argv)?;
        assert_eq!(outcome.exit, Exit::Code(0), "{}", said(&outcome));
        Some(String::from_utf8(outcome.stdout.bytes().clone()).unwrap())
    }
}

fn said(outcome: &Outcome) -> String {
    let bytes = [outcome.stdout.bytes(), outcome.stderr.bytes()].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The paths that a command changed in its layer.
fn changed(outcome: &Outcome) -> Vec<String> {
    let sets = outcome.changes.iter().flat_map(|set| &set.changes);
    sets.map(|change| change.path.display().to_string()).collect()
}

#[test]
fn git_looks_at_a_repository_and_starts_nothing() {
    let desk = Desk::new();
    desk.file("a.txt", "one\n");
    let git = |argv: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(argv).current_dir(desk.dir.path());
        if rustix::process::geteuid().is_root() {
            std::os::unix::process::CommandExt::uid(&mut command, OWNER);
            std::os::unix::process::CommandExt::gid(&mut command, OWNER);
        }
        command.env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(command.status().unwrap().success());
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "a.txt"]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"]);
    desk.file("a.txt", "two\n");
    desk.file("evil", "#!/bin/sh\ntouch made\n");
    fs::set_permissions(desk.dir.path().join("evil"), fs::Permissions::from_mode(0o755)).unwrap();
    git(&["config", "core.fsmonitor", "./evil"]);
    git(&["config", "filter.f.clean", "./evil"]);
    desk.file(".gitattributes", "*.txt filter=f\n");
    let answer = |argv: &[&str]| desk.answer("git", argv).unwrap();
    assert_eq!(answer(&["status", "--porcelain", "-uno"]), " M a.txt\n");
    assert!(answer(&["diff"]).contains("-one\n+two\n"));
    assert!(answer(&["log", "--oneline"]).contains("one"));
    assert_eq!(answer(&["ls-files"]), "a.txt\n");
    assert_eq!(answer(&["grep", "-n", "two"]), "a.txt:1:two\n");
    assert!(!desk.dir.path().join("made").exists());
}

#[test]
fn text_is_read_and_sorted() {
    let desk = Desk::new();
    desk.file("a.txt", "b\na\n").file("x.json", "{\"a\": [1, 2]}");
    assert_eq!(desk.answer("sort", &["a.txt"]).as_deref(), Some("a\nb\n"));
    assert_eq!(desk.answer("find", &[".", "-name", "*.txt"]).as_deref(), Some("./a.txt\n"));
    assert_eq!(desk.answer("sed", &["-n", "1p", "a.txt"]).as_deref(), Some("b\n"));
    assert_eq!(desk.answer("wc", &["-l", "a.txt"]).as_deref(), Some("2 a.txt\n"));
    if let Some(answer) = desk.answer("jq", &["-c", ".a", "x.json"]) {
        assert_eq!(answer, "[1,2]\n");
    }
    // It begins read-only, and the layer has what it changed.
    let outcome = desk.asks("sed", &["-i", "s/a/c/", "a.txt"]).unwrap();
    assert_eq!((outcome.exit, changed(&outcome)), (Exit::Code(0), vec!["a.txt".to_owned()]));
    assert_eq!(fs::read_to_string(desk.dir.path().join("a.txt")).unwrap(), "b\na\n");
}

#[test]
fn a_makefile_builds_into_a_layer() {
    let desk = Desk::new();
    desk.file("Makefile", "out: in\n\tcp in out\n").file("in", "x\n");
    let Some(outcome) = desk.asks("make", &["out"]) else { return };
    assert_eq!(outcome.exit, Exit::Code(0), "{}", said(&outcome));
    assert_eq!(changed(&outcome), ["out"]);
}

#[test]
fn a_package_is_tested_by_the_shell_that_the_rule_names() {
    let desk = Desk::new();
    desk.file("package.json", r#"{"name": "x", "scripts": {"test": "node t.js && echo ran"}}"#);
    desk.file("t.js", "require('fs').writeFileSync('out.txt', 'x')");
    desk.file(".npmrc", "script-shell=./evil\nnode-options=--require ./evil.js\n");
    let Some(outcome) = desk.asks("npm", &["test"]) else { return };
    assert_eq!(outcome.exit, Exit::Code(0), "{}", said(&outcome));
    assert!(said(&outcome).ends_with("ran\n"));
    assert_eq!(changed(&outcome), ["out.txt"]);
}

#[test]
fn a_script_runs_where_an_entry_names_its_interpreter() {
    let python = CommandRule {
        name: "python3".into(),
        accept: vec![vec!["-c".into(), "print(1)".into()]],
        ..CommandRule::default()
    };
    let desk = Desk::new().with(python);
    desk.file("other.py", "word = 'hello'\n").file("x.py", "import other\nprint(other.word)\n");
    let Some(answer) = desk.answer("python3", &["x.py"]) else { return };
    assert_eq!(answer, "hello\n");
}

/// Where cargo is, is an operator's word: it is seldom a program of the system.
#[test]
fn a_crate_and_what_it_vendors_are_built_offline() {
    let Some(home) = std::env::var_os("HOME") else { return };
    let path = Path::new(&home).join(".cargo/bin/cargo");
    let is_open = |path: &Path| fs::metadata(path).is_ok_and(|dir| dir.mode() & 0o5 == 0o5);
    if !path.exists() || (rustix::process::geteuid().is_root() && !is_open(Path::new(&home))) {
        return eprintln!("`cargo` is not below this home, or its owner alone can look there");
    }
    let cargo = CommandRule { name: "cargo".into(), path: Some(path), ..CommandRule::default() };
    let desk = Desk::new().with(cargo);
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n")
    };
    desk.file("Cargo.toml", &format!("{}[dependencies]\ndep = \"1\"\n", package("x")));
    desk.file("src/lib.rs", "#[test]\nfn two() { assert_eq!(dep::two(), 2); }\n");
    desk.file("vendor/dep/Cargo.toml", &package("dep"));
    desk.file("vendor/dep/src/lib.rs", "pub fn two() -> u8 { 2 }\n");
    desk.file("vendor/dep/.cargo-checksum.json", r#"{"files": {}}"#);
    desk.file(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"vendor\"\n",
    );
    let Some(outcome) = desk.asks("cargo", &["test", "--lib"]) else { return };
    assert_eq!(outcome.exit, Exit::Code(0), "{}", said(&outcome));
    assert!(said(&outcome).contains("1 passed"), "{}", said(&outcome));
    // What it built is kept for the next one, and is no change.
    assert_eq!(changed(&outcome), ["Cargo.lock"]);
    let again = desk.asks("cargo", &["test", "--lib"]).unwrap();
    assert!(said(&again).contains("1 passed") && !said(&again).contains("Compiling x"));
}
