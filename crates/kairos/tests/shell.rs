//! `kairos shell` and `kairos doctor` with the real binary, behind real walls. Needs git and user
//! namespaces.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Owner of workspaces where the tests run as root.
const OWNER: u32 = 4242;

const KAIROS: &str = env!("CARGO_BIN_EXE_kairos");

/// A workspace as `kairos init` makes it, that belongs to somebody.
struct Home {
    dir: tempfile::TempDir,
}

struct Said {
    exit: i32,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let home = Self { dir };
        fs::create_dir(home.path("")).expect("a workspace");
        give(&home.path(""));
        // Away from what an older build may have left beside it.
        fs::create_dir(home.dir.path().join("bin")).expect("a directory");
        fs::copy(KAIROS, home.program()).expect("a copy");
        assert_eq!(home.kairos(&["init"]).exit, 0);
        home
    }

    /// The program, with nothing beside it.
    fn program(&self) -> PathBuf {
        self.dir.path().join("bin/kairos")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().canonicalize().expect("it is there").join("w").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let above = path.parent().expect("a directory");
        fs::create_dir_all(above).expect("a directory");
        give(above);
        fs::write(&path, text).expect("a file");
        give(&path);
    }

    fn kairos(&self, args: &[&str]) -> Said {
        let output = Command::new(self.program())
            .args(args)
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.dir.path())
            .env("TZ", "UTC")
            .env("ANTHROPIC_API_KEY", "hunter22hunter22")
            .output();
        said(output.expect("it starts"))
    }

    fn shell(&self, args: &[&str]) -> Said {
        self.kairos(&[&["shell"], args].concat())
    }

    /// Names a model, whose key is known then.
    fn model(&self) {
        let model = "model: {provider: anthropic, name: m, prices: {input: 1, output: 1}}\n";
        fs::write(self.path(".kairos/config/daemon.yml"), model).expect("the file is written");
    }

    /// Hands something over with all that is in it.
    fn give_all(&self, path: &str) {
        let mut open = vec![self.path(path)];
        while let Some(path) = open.pop() {
            give(&path);
            if path.is_dir() {
                let entries = fs::read_dir(path).expect("a directory");
                open.extend(entries.map(|entry| entry.expect("an entry").path()));
            }
        }
    }

    fn repository(&self) {
        self.write("a.txt", "one\n");
        for args in [&["init", "-q"][..], &["add", "a.txt"], &["commit", "-qm", "first"]] {
            let git = Command::new("git")
                .args(["-c", "safe.directory=*", "-c", "user.name=a", "-c", "user.email=a@b"])
                .args(args)
                .current_dir(self.path(""))
                .output()
                .expect("git is there");
            assert!(git.status.success(), "{git:?}");
        }
        self.give_all(".git");
    }
}

fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(OWNER), Some(OWNER)).expect("root may give away");
    }
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    let exit = output.status.code().expect("it exits");
    Said { exit, out: text(output.stdout), err: text(output.stderr) }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn git_status_says_what_git_says_and_what_held_it() {
    let home = Home::new();
    home.repository();
    home.write("a.txt", "two\n");
    let said = home.shell(&["--", "git", "status", "--short", "--", "a.txt"]);
    assert_eq!((said.exit, said.out.as_str()), (0, " M a.txt\n"), "{}", said.err);
    assert!(said.err.starts_with("-- exit 0 in "), "{}", said.err);
    for part in ["rule git, risk low, class read", "layer"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert!(!said.err.contains("would change"), "{}", said.err);
}

#[test]
fn a_program_gets_all_of_it_as_one_object() {
    let home = Home::new();
    home.write("a.txt", "one\n");
    let said = home.shell(&["--json", "--", "sed", "-i", "s/one/two/", "a.txt"]);
    let answer = json(&said.out);
    assert_eq!((said.exit, said.err.as_str()), (0, ""));
    let keys = ["exit", "ended", "risk", "class", "rule", "beyond", "truncated"];
    let found: Vec<_> = keys.iter().map(|key| answer[key].clone()).collect();
    let expected = serde_json::json!([0, "exit", "low", "file", "sed", false, false]);
    assert_eq!(Value::from(found), expected, "{answer}");
    assert_eq!(answer["changes"], serde_json::json!([{"path": "a.txt", "change": "modified"}]));
    assert_eq!(answer["enforcement"]["seccomp"]["state"], "enforced");
    assert_eq!(answer["enforcement"].as_object().map(serde_json::Map::len), Some(12));
    assert_eq!(answer["policy_hash"].as_str().map(str::len), Some(64));
    for key in ["wall_ms", "cpu_ms", "max_rss"] {
        assert!(answer[key].is_u64(), "{key}: {answer}");
    }
    assert_eq!(fs::read_to_string(home.path("a.txt")).unwrap(), "one\n");
}

#[test]
fn what_it_would_change_is_shown_and_nothing_is_written() {
    let home = Home::new();
    home.write("a.txt", "b\na\n");
    let said = home.shell(&["--", "sort", "-o", "a.txt", "a.txt"]);
    assert_eq!((said.exit, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains("-- would change: M a.txt; nothing was written"), "{}", said.err);
    assert_eq!(fs::read_to_string(home.path("a.txt")).unwrap(), "b\na\n");
    let said = home.shell(&["--", "cat", "missing"]);
    assert_eq!(said.exit, 1, "{}", said.err);
    assert!(said.err.starts_with("cat: missing"), "{}", said.err);
    assert!(said.err.contains("-- exit 1 in "), "{}", said.err);
}

#[test]
fn explaining_executes_nothing() {
    let home = Home::new();
    home.repository();
    let said = home.shell(&["--explain", "--", "git", "log", "--oneline"]);
    assert_eq!((said.exit, said.err.as_str()), (0, ""), "{}", said.out);
    for line in ["asked: git log --oneline", "rule: git", "gate: a step is done without asking"] {
        assert!(said.out.lines().any(|said| said == line), "{line}: {}", said.out);
    }
    assert!(said.out.contains("core.hooksPath=/dev/null"), "{}", said.out);
    let said = home.shell(&["--explain", "--json", "--", "sort", "-o", "b.txt", "a.txt"]);
    let answer = json(&said.out);
    assert_eq!(answer["inputs"], serde_json::json!({}));
    assert!(answer["explain"].as_array().is_some_and(|lines| lines.len() > 20), "{answer}");
    assert!(!home.path("b.txt").exists());
}

#[test]
fn what_is_refused_is_denied_with_what_an_operator_could_write() {
    let home = Home::new();
    home.model();
    for (argv, error, hint) in [
        (&["bash", "-c", "true"][..], "error: `bash` is refused: ", "`commands:` in daemon.yml"),
        (&["cat", "/etc/passwd"], "error: ", ""),
        (&["git", "push"], "error: ", ""),
        (&["grep", "hunter22hunter22", "a"], "error: argument 1 holds a known secret\n", "hint: "),
        (&["seq", "3"], "error: `seq` is in no catalogue\n", "kairos shell --beyond -- "),
    ] {
        let said = home.shell(&[&["--"], argv].concat());
        assert_eq!((said.exit, said.out.as_str()), (77, ""), "{argv:?}: {}", said.err);
        assert!(said.err.starts_with(error), "{argv:?}: {}", said.err);
        assert!(said.err.contains(hint), "{argv:?}: {}", said.err);
    }
    let said = home.shell(&["--beyond", "--", "seq", "3"]);
    assert_eq!((said.exit, said.out.as_str()), (0, "1\n2\n3\n"), "{}", said.err);
    let said = home.shell(&["--explain", "--", "seq", "3"]);
    assert!(said.out.contains("gate: a step waits for a person: it is in no catalogue\n"));
    assert_eq!(home.shell(&[]).exit, 2);
    assert_eq!(home.shell(&["--cwd", "..", "--", "ls"]).exit, 2);
}

#[test]
fn an_entry_gives_a_program_a_rule_and_a_wrong_one_stops_everything() {
    let home = Home::new();
    let config = |text: &str| {
        fs::write(home.path(".kairos/config/daemon.yml"), text).expect("the file is written");
    };
    config(
        "commands:\n  - {name: seq, risk: low, accept: [[\"3\"]], refuse_flags: [-f], inputs: []}\n",
    );
    let said = home.shell(&["--", "seq", "2"]);
    assert_eq!((said.exit, said.out.as_str()), (0, "1\n2\n"), "{}", said.err);
    assert_eq!(home.shell(&["--", "seq", "-f", "%g", "2"]).exit, 77);
    let said = home.kairos(&["config", "show"]);
    assert!(said.out.lines().any(|line| line.starts_with("commands ") && line.contains("seq")));
    config("commands:\n  - {name: seq, accept: [[-f, x]], refuse_flags: [-f]}\n");
    let said = home.shell(&["--", "ls"]);
    assert_eq!(said.exit, 78, "{}", said.err);
    assert!(said.err.contains("which it says it accepts"), "{}", said.err);
    assert!(said.err.contains("daemon.yml:2:"), "{}", said.err);
}

#[test]
fn known_secrets_and_the_daemons_own_files_stay_out_of_sight() {
    let home = Home::new();
    home.write("a.txt", "the key is hunter22hunter22\n");
    home.write(".env", "TOKEN=1\n");
    home.model();
    assert_eq!(home.shell(&["--", "cat", "a.txt", ".env"]).out, "the key is [secret]\n");
    home.give_all(".kairos");
    let said = home.shell(&["--", "ls", ".kairos/config", ".kairos/keys"]);
    assert_eq!(said.out, ".kairos/config:\n\n.kairos/keys:\n", "{}", said.err);
}

#[test]
fn a_workspace_of_root_needs_somebody_to_run_as() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    chown(home.path(""), Some(0), Some(0)).expect("root may take");
    let said = home.shell(&["--", "ls"]);
    assert_eq!(said.exit, 77, "{}", said.err);
    assert!(said.err.contains("belongs to root"), "{}", said.err);
    assert!(said.err.contains("kairos shell --as USER"), "{}", said.err);
    for args in [&["--as", "4242:4242", "--", "ls"][..], &["--as", "4242:4242", "--", "true"]] {
        assert_eq!(home.shell(args).exit, 0);
    }
    fs::write(home.path(".kairos/config/daemon.yml"), "commands_as: \"4242:4242\"\n").unwrap();
    assert_eq!(home.shell(&["--", "true"]).exit, 0);
    assert_eq!(home.shell(&["--as", "root", "--", "true"]).exit, 2);
}

#[test]
fn the_program_confines_by_itself_where_nothing_stands_beside_it() {
    let home = Home::new();
    let said = home.shell(&["--", "echo", "here"]);
    assert_eq!((said.exit, said.out.as_str()), (0, "here\n"), "{}", said.err);
    let said = home.kairos(&["doctor"]);
    assert!(said.out.contains("put up by `kairos` itself"), "{}", said.out);
    // What stands beside and is no program of ours is not made up for.
    let beside = home.program().with_file_name("kairos-sbx");
    let trace = home.dir.path().join("trace");
    for (mode, why) in [(0o644, "is no program"), (0o777, "written by others"), (0o755, "version")]
    {
        fs::write(&beside, format!("#!/bin/sh\ntouch {}\n", trace.display())).expect("a file");
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode)).expect("its mode");
        let said = home.shell(&["--", "echo", "here"]);
        assert_eq!((said.exit, said.out.as_str()), (69, ""), "{}", said.err);
        assert!(said.err.contains(why), "{}", said.err);
        assert!(said.err.contains("hint: `kairos-sbx` has to be of the same build"));
    }
    let said = home.kairos(&["doctor"]);
    assert_eq!(said.exit, 1, "{}", said.out);
    assert!(said.out.contains("install it anew"), "{}", said.out);
}

#[test]
fn the_doctor_says_what_is_enforced_and_what_a_daemon_here_would_meet() {
    let home = Home::new();
    let said = home.kairos(&["doctor", "--json"]);
    let answer = json(&said.out);
    let checks = answer["checks"].as_array().expect("a list");
    let state = |name: &str| {
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {answer}"))["state"].clone()
    };
    for name in ["user_ns", "mount_ns", "landlock", "seccomp", "proof", "git", "config", "room"] {
        assert_eq!(state(name), "ok", "{name}: {answer}");
    }
    assert_eq!(state("model"), "weaker");
    assert_eq!((answer["ok"].clone(), said.exit), (Value::Bool(true), 0));
    fs::write(home.path(".kairos/config/daemon.yml"), "nonsense: 1\n").expect("a file");
    let said = home.kairos(&["doctor"]);
    assert_eq!(said.exit, 1, "{}", said.out);
    assert!(said.out.contains("kairos config check"), "{}", said.out);
    assert!(home.kairos(&["init"]).out.contains("\ncommands: can be confined here\n"));
}
