//! Who asks: a daemon of root's for somebody's workspace, and that somebody.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::desk::Desk;

/// Owns workspaces and a home where the tests run as root.
pub(crate) const OWNER: u32 = 4242;
/// Beside a copy of this program, for those who cannot look into the target directory.
const BESIDE: &str = "kairos-sbx";

/// What a case needs below the home of whom it is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Bare,
    Toolchain,
}

/// Tries a case as whoever runs the tests; where that is root, once more as the workspace's owner.
/// `name` is the test's own.
#[track_caller]
pub(crate) fn both(name: &str, needs: Home, case: fn(&Desk)) {
    if !geteuid().is_root() {
        let home = PathBuf::from(std::env::var_os("HOME").expect("whoever tests has a home"));
        return case(&Desk::new(&home, &sbx()));
    }
    let home = made(needs);
    case(&Desk::new(home.path(), &sbx()));
    let copies = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let (program, small) = (copies.path().join("tools"), copies.path().join(BESIDE));
    fs::copy(own, &program).unwrap();
    fs::copy(sbx(), &small).unwrap();
    for path in [copies.path(), &program, &small] {
        mode(path, 0o755);
    }
    let again = Command::new(program)
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env("HOME", home.path())
        .current_dir("/")
        .uid(OWNER)
        .gid(OWNER)
        .output()
        .unwrap();
    let said = [again.stdout, again.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(again.status.success() && said.contains("1 passed"), "as its owner: {said}");
}

pub(crate) fn sbx() -> PathBuf {
    let beside = std::env::current_exe().unwrap().with_file_name(BESIDE);
    if beside.exists() { beside } else { env!("CARGO_BIN_EXE_kairos-sbx").into() }
}

/// A home that only its owner may look into, where homes are: what stands below a directory that
/// everybody writes is nobody's program.
fn made(needs: Home) -> TempDir {
    let home = tempfile::tempdir_in("/home").unwrap();
    if needs == Home::Toolchain {
        toolchain(home.path());
    }
    give(home.path());
    mode(home.path(), 0o700);
    home
}

/// The toolchain of whoever runs the tests, as rustup would have put it there: the same files under
/// other names. Where there is no rustup, cargo is a program of the system.
fn toolchain(home: &Path) {
    let own = PathBuf::from(std::env::var_os("HOME").expect("root has a home"));
    let place = |name: &str, usual: &str| {
        std::env::var_os(name).map_or_else(|| own.join(usual), PathBuf::from)
    };
    let programs = place("CARGO_HOME", ".cargo").join("bin");
    if !programs.join("rustup").exists() {
        return;
    }
    let sysroot = Path::new(env!("CARGO")).ancestors().nth(2).unwrap().canonicalize().unwrap();
    let name = sysroot.file_name().unwrap();
    for dir in [".cargo", ".cargo/bin", ".rustup", ".rustup/toolchains"] {
        fs::create_dir(home.join(dir)).unwrap();
        give(&home.join(dir));
    }
    // A copy: each further name of a file is a change to it, and a program that changes is refused.
    fs::copy(programs.join("rustup"), home.join(".cargo/bin/rustup")).unwrap();
    for name in
        ["cargo", "rustc", "rustdoc", "cargo-fmt", "rustfmt", "cargo-clippy", "clippy-driver"]
    {
        symlink("rustup", home.join(".cargo/bin").join(name)).unwrap();
    }
    give(&home.join(".cargo/bin/rustup"));
    let kept = home.join(".rustup/toolchains").join(name);
    for part in ["bin", "lib"] {
        tree(&sysroot.join(part), &kept.join(part));
    }
    let name = name.to_str().unwrap();
    let settings =
        format!("version = \"12\"\ndefault_toolchain = \"{name}\"\nprofile = \"minimal\"\n");
    fs::write(home.join(".rustup/settings.toml"), settings).unwrap();
    for path in [kept, home.join(".rustup/settings.toml")] {
        give(&path);
    }
}

/// The same tree once more, without its files' bytes where that can be.
fn tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => tree(&path, &to),
            kind if kind.is_symlink() => {
                symlink(fs::read_link(&path).unwrap(), &to).unwrap();
            }
            _ if fs::hard_link(&path, &to).is_ok() => {}
            _ => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

/// Hands a file to the owner of workspaces, where the tests run as root.
pub(crate) fn give(path: &Path) {
    if geteuid().is_root() {
        chown(path, Some(OWNER), Some(OWNER)).unwrap();
    }
}

pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether `cargo xtask test` could not install one of these, which it then says at its end. Anybody else
/// who has not got one of them fails.
pub(crate) fn is_excused(tools: &[&str]) -> bool {
    let missing = std::env::var("KAIROS_TOOLS_MISSING").unwrap_or_default();
    let excused = missing.split(',').any(|missing| tools.contains(&missing));
    if excused {
        eprintln!("SKIPPED: cannot be installed: {missing}");
    }
    excused
}
