//! A scene in a namespace of its own.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where the scene is set; there only in the process that plays it.
const DIR: &str = "KAIROS_SCENE";

/// Who plays when root starts the test: an owner of nothing.
const NOBODY: u32 = 65_534;

/// Plays `scene`, which is the whole of the test `name`, and counts it. Where there are no user
/// namespaces it is said aloud, and the count that `cargo xtask faults` asks for is not met.
pub(crate) fn alone(name: &str, scene: fn(&Path)) {
    started_by(&[], name, scene);
}

/// As [`alone`], and the program `around` starts the scene.
pub(crate) fn started_by(around: &[&str], name: &str, scene: fn(&Path)) {
    if let Some(dir) = std::env::var_os(DIR) {
        scene(Path::new(&dir));
        return;
    }
    for program in [&["unshare"], around].into_iter().filter_map(<[&str]>::first) {
        if Command::new(program).arg("-V").output().is_err() {
            eprintln!("not checked here: {name}: `{program}` is missing");
            return;
        }
    }
    let possible = apart(OsStr::new("true")).output().unwrap();
    if !possible.status.success() {
        let why = String::from_utf8_lossy(&possible.stderr);
        eprintln!("not checked here: {name}: no user namespace is to be had: {}", why.trim());
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (dir, program) = (temp.path().join("scene"), temp.path().join("program"));
    std::fs::create_dir(&dir).unwrap();
    // The directories of a build need not be open to others.
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [temp.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    if rustix::process::geteuid().is_root() {
        chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let args = ["--exact", name, "--nocapture"].map(OsStr::new);
    let mut words = around.iter().map(OsStr::new).chain([program.as_os_str()]).chain(args);
    let mut command = apart(words.next().unwrap());
    let output = command.args(words).env(DIR, &dir).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    // What it says it could not check.
    said.lines()
        .filter(|line| line.starts_with("not checked here"))
        .for_each(|line| eprintln!("{line}"));
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{{\"name\":\"file systems\",\"tried\":1,\"lost\":0,\"duplicated\":0,\
         \"wrongly_accepted\":0,\"wrongly_refused\":0}}"
    )
    .unwrap();
}

/// Starts `program` where its user is root of nothing but the mounts it makes.
fn apart(program: &OsStr) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--propagation", "private", "--"]);
    command.arg(program);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}
