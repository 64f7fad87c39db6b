//! Names to binaries, in a small system of one's own. Attack case 89.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use kairos_sandbox::catalog::{Catalog, CommandRule, Trust};
use sha2::{Digest as _, Sha256};

const PROGRAM: &[u8] = b"\x7fELF and so on";

/// A root directory with `usr/bin`, `usr/local/bin` and a workspace.
struct System {
    root: tempfile::TempDir,
}

impl System {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let system = Self { root };
        for dir in ["usr/bin", "usr/local/bin", "usr/lib/node/bin", "srv/w/bin"] {
            fs::create_dir_all(system.path(dir)).unwrap();
        }
        system
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn program(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(path);
        fs::write(&path, bytes).unwrap();
        mode(&path, 0o755);
        path
    }

    fn catalog(&self) -> Catalog {
        self.owned_by(fs::metadata(self.root.path()).unwrap().uid())
    }

    fn owned_by(&self, owner: u32) -> Catalog {
        let prefixes = vec!["/usr/local/bin".into(), "/usr/bin".into()];
        Catalog::shipped(Trust::new(self.root.path(), prefixes, vec![owner], self.path("srv/w")))
    }

    #[track_caller]
    fn refuses(&self, name: &str, expected: &str) {
        let error = self.catalog().resolve(name).unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text = format!("{text}: {source}");
        }
        assert_eq!(text, expected);
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_name_is_a_program_of_the_system() {
    let system = System::new();
    let path = system.program("usr/bin/git", PROGRAM);
    let program = system.catalog().resolve("git").unwrap();
    let binary = program.binary();
    assert_eq!(binary.path(), Path::new("/usr/bin/git"));
    assert_eq!(binary.sha256(), <[u8; 32]>::from(Sha256::digest(PROGRAM)));
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(binary.identity(), (meta.dev(), meta.ino()));
    assert_eq!(binary.stamp().size, u64::try_from(PROGRAM.len()).unwrap());
    assert_eq!(binary.stamp().modified, (meta.mtime(), meta.mtime_nsec()));
    assert!(program.script().is_none() && program.is_unchanged());
    let argv = super::words(&["git", "status"]);
    assert_eq!(program.argv(argv.clone()), argv);
}

#[test]
fn the_first_directory_that_has_it_wins_and_one_that_cannot_be_trusted_is_passed_over() {
    let system = System::new();
    system.program("usr/bin/git", PROGRAM);
    system.program("usr/local/bin/git", PROGRAM);
    let found = || system.catalog().resolve("git").unwrap().binary().path().to_owned();
    assert_eq!(found(), Path::new("/usr/local/bin/git"));
    mode(&system.path("usr/local/bin"), 0o777);
    assert_eq!(found(), Path::new("/usr/bin/git"));
}

#[test]
fn what_others_can_change_is_no_program() {
    let system = System::new();
    system.refuses("git", "`git` is in none of `/usr/local/bin`, `/usr/bin`");
    system.program("usr/bin/git", PROGRAM);
    for (path, bad, good, shown) in [
        ("usr/bin", 0o777, 0o755, "/usr/bin"),
        ("usr/bin", 0o775, 0o755, "/usr/bin"),
        ("usr", 0o1777, 0o755, "/usr"),
        ("usr/bin/git", 0o775, 0o755, "/usr/bin/git"),
        ("usr/bin/git", 0o757, 0o755, "/usr/bin/git"),
    ] {
        mode(&system.path(path), bad);
        system.refuses(
            "git",
            &format!(
                "`git` cannot be trusted: `{shown}` can be written by others (mode {bad:04o})"
            ),
        );
        mode(&system.path(path), good);
    }
    mode(&system.path("usr/bin"), 0o777);
    let hint = system.catalog().resolve("git").unwrap_err().hint();
    assert_eq!(hint.as_deref(), Some("chmod go-w /usr/bin"));
    mode(&system.path("usr/bin"), 0o755);
    mode(&system.path("usr/bin/git"), 0o4755);
    system.refuses("git", "`git` cannot be trusted: `/usr/bin/git` would change who it runs as");
    mode(&system.path("usr/bin/git"), 0o644);
    system.refuses("git", "`git` cannot be trusted: `/usr/bin/git` is no program");
    mode(&system.path("usr/bin/git"), 0o755);
    let owner = fs::metadata(system.root.path()).unwrap().uid();
    let error = system.owned_by(owner + 1).resolve("git").unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, format!("`/` belongs to user {owner}"));
}

#[test]
fn a_link_leads_to_a_program_and_never_to_a_shell() {
    let system = System::new();
    system.program("usr/lib/git-2", PROGRAM);
    symlink("../lib/git-2", system.path("usr/bin/git")).unwrap();
    let found = system.catalog().resolve("git").unwrap();
    assert_eq!(found.binary().path(), Path::new("/usr/lib/git-2"));

    system.program("usr/bin/sh", PROGRAM);
    symlink("/usr/bin/sh", system.path("usr/bin/cat")).unwrap();
    system.refuses(
        "cat",
        "`cat` leads to `/usr/bin/sh`, which is refused: it runs any program it is given",
    );
    system.program("usr/bin/busybox", PROGRAM);
    symlink("busybox", system.path("usr/bin/ls")).unwrap();
    system.refuses(
        "ls",
        "`ls` leads to `/usr/bin/busybox`, which is refused: it starts the program its arguments \
         name, past that program's rule",
    );
    symlink("wc", system.path("usr/bin/wc")).unwrap();
    system.refuses("wc", "`wc` cannot be trusted: `/usr/bin/wc` leads through more than 40 links");
}

#[test]
fn nothing_of_the_workspace_is_a_program() {
    let system = System::new();
    system.program("srv/w/bin/git", PROGRAM);
    symlink("/srv/w/bin/git", system.path("usr/bin/git")).unwrap();
    system.refuses("git", "`git` cannot be trusted: `/srv/w` is in the workspace");
    let entry = |path: &str| CommandRule {
        name: "mytool".into(),
        path: Some(path.into()),
        accept: vec![vec![]],
        ..CommandRule::default()
    };
    let catalog = system.catalog().with(entry("/srv/w/bin/git")).unwrap();
    assert!(catalog.resolve("mytool").is_err());
    // By another name of the workspace too.
    symlink("w", system.path("srv/other")).unwrap();
    let prefixes = vec!["/usr/bin".into()];
    let owner = fs::metadata(system.root.path()).unwrap().uid();
    let trust = Trust::new(system.root.path(), prefixes, vec![owner], system.path("srv/other"));
    assert!(Catalog::shipped(trust).resolve("git").is_err());
    // No search path is read, whatever it says.
    assert!(system.catalog().resolve("head").is_err());
}

#[test]
fn an_operator_names_a_program_by_its_path() {
    let system = System::new();
    fs::create_dir_all(system.path("opt")).unwrap();
    system.program("opt/mytool-3", PROGRAM);
    let entry = |path: &str| CommandRule {
        name: "mytool".into(),
        path: Some(path.into()),
        accept: vec![vec![]],
        ..CommandRule::default()
    };
    let catalog = system.catalog().with(entry("/opt/mytool-3")).unwrap();
    assert_eq!(catalog.resolve("mytool").unwrap().binary().path(), Path::new("/opt/mytool-3"));
    system.program("opt/script", b"#!/usr/bin/sh -e\n");
    system.program("usr/bin/sh", PROGRAM);
    let script = CommandRule { interpreters: vec!["sh".into()], ..entry("/opt/script") };
    assert!(system.catalog().with(entry("/opt/script")).unwrap().resolve("mytool").is_err());
    let scripted = system.catalog().with(script).unwrap();
    assert_eq!(
        scripted.resolve("mytool").unwrap().argv(super::words(&["mytool", "x"])),
        super::words(&["sh", "-e", "/opt/script", "x"])
    );
    assert!(scripted.rule("sh").is_err());
    mode(&system.path("opt"), 0o777);
    assert!(catalog.resolve("mytool").is_err());
}

#[test]
fn a_toolchain_below_a_home_comes_before_that_of_the_system() {
    let system = System::new();
    system.program("usr/bin/cargo", PROGRAM);
    let bin = "srv/ada/.cargo/bin";
    fs::create_dir_all(system.path(bin)).unwrap();
    system.program(&format!("{bin}/rustup"), PROGRAM);
    symlink("rustup", system.path(bin).join("cargo")).unwrap();
    system.program(&format!("{bin}/git"), PROGRAM);
    let catalog = |home: &str| {
        let owner = fs::metadata(system.root.path()).unwrap().uid();
        let prefixes = vec!["/usr/bin".into()];
        let trust = Trust::new(system.root.path(), prefixes, vec![owner], system.path("srv/w"));
        Catalog::shipped(trust.with_home(home))
    };
    let found = |home: &str| catalog(home).resolve("cargo").unwrap().binary().path().to_owned();
    assert_eq!(found("/srv/ada"), Path::new("/srv/ada/.cargo/bin/rustup"));
    assert_eq!(found("/srv/eve"), Path::new("/usr/bin/cargo"));
    // Only for what its rule says so.
    assert!(catalog("/srv/ada").resolve("git").is_err());
    mode(&system.path(bin), 0o777);
    assert_eq!(found("/srv/ada"), Path::new("/usr/bin/cargo"));
    mode(&system.path(bin), 0o755);
    if rustix::process::geteuid().is_root() {
        let own = |path: &str, uid| {
            std::os::unix::fs::lchown(system.path(path), Some(uid), None).unwrap();
        };
        for path in ["srv/ada", "srv/ada/.cargo", bin, &format!("{bin}/rustup")] {
            own(path, 4242);
        }
        assert_eq!(found("/srv/ada"), Path::new("/srv/ada/.cargo/bin/rustup"));
        // Somebody else's file in that home is nobody's toolchain.
        own(&format!("{bin}/rustup"), 4243);
        assert_eq!(found("/srv/ada"), Path::new("/usr/bin/cargo"));
    }
}

#[test]
fn a_directory_that_everybody_writes_is_left_as_it_is() {
    let system = System::new();
    system.program("usr/bin/git", PROGRAM);
    mode(&system.path("usr"), 0o1777);
    let hint = system.catalog().resolve("git").unwrap_err().hint();
    assert_eq!(hint.as_deref(), Some("put the program where nobody else can write"));
}

#[test]
fn a_script_has_an_interpreter_that_its_rule_names() {
    let system = System::new();
    let script = "usr/lib/node/bin/npm-cli.js";
    system.program(script, b"#!/usr/bin/env node\nx\n");
    symlink("../lib/node/bin/npm-cli.js", system.path("usr/bin/npm")).unwrap();
    system.refuses("npm", "`node` is in none of `/usr/local/bin`, `/usr/bin`");
    let node = system.program("usr/bin/node", PROGRAM);
    let program = system.catalog().resolve("npm").unwrap();
    assert_eq!(program.binary().path(), Path::new("/usr/bin/node"));
    assert_eq!(
        program.argv(super::words(&["npm", "test"])),
        super::words(&["node", "/usr/lib/node/bin/npm-cli.js", "test"])
    );
    assert_eq!(program.binary().identity().1, fs::metadata(node).unwrap().ino());

    for (line, interpreter) in [
        ("#!/bin/sh\n", "sh"),
        ("#!/usr/bin/env bash\n", "bash"),
        ("#!/usr/bin/env -S node --require x\n", "-S node --require x"),
        ("#!/usr/bin/env X=1 node\n", "X=1 node"),
        ("#!./evil\n", "./evil"),
    ] {
        system.program(script, line.as_bytes());
        system.refuses(
            "npm",
            &format!(
                "`/usr/lib/node/bin/npm-cli.js` is a script for `{interpreter}`, which the rule \
                 of `npm` does not name"
            ),
        );
    }
    system.program("usr/bin/cat", b"echo hello\n");
    system.refuses("cat", "`/usr/bin/cat` is neither a program of this machine nor a script");
}

#[test]
fn a_program_that_is_replaced_or_written_is_another() {
    let system = System::new();
    let path = system.program("usr/bin/git", PROGRAM);
    let binary = system.catalog().resolve("git").unwrap().into_binary();
    system.program("usr/bin/git.new", b"\x7fELF evil");
    fs::rename(system.path("usr/bin/git.new"), &path).unwrap();
    // The descriptor still is what was read, and the file that lost its name is told.
    let open = format!("/proc/self/fd/{}", binary.as_fd().as_raw_fd());
    assert_eq!(fs::read(open).unwrap(), PROGRAM);
    assert!(!binary.is_unchanged());

    let program = system.catalog().resolve("git").unwrap();
    let again = program.again().unwrap();
    assert_eq!(again.binary().sha256(), program.binary().sha256());
    fs::write(&path, b"\x7fELF more evil").unwrap();
    assert!(!again.is_unchanged());
    let changed = program.again().unwrap_err().to_string();
    assert_eq!(changed, "`/usr/bin/git` changed since it was first looked at");
}

/// The shipped prefixes on the machine the tests are on, whatever is installed there.
#[test]
fn the_system_has_programs_that_can_be_trusted() {
    let catalog = Catalog::shipped(Trust::system("/nowhere"));
    let program = catalog.resolve("cat").unwrap();
    assert!(program.is_unchanged());
    assert!(program.binary().path().is_absolute());
}
