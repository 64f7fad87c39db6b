//! A sandbox with the real small program, and a workspace whose owner is not root.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kairos_sandbox::{
    Binary, Command, Compiled, Outcome, PathRule, Policy, ProgramAt, RunError, Sandbox, Stdin,
    WriteMode, compile, probe,
};
use tempfile::TempDir;

/// Owner of workspaces where the tests run as root.
const OWNER: u32 = 4242;

pub(crate) fn program() -> ProgramAt {
    ProgramAt::Path(env!("CARGO_BIN_EXE_kairos-sbx").into())
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::open(&program()).expect("the small program stands beside the tests")
}

/// A directory that its owner may write, and where everybody may look for it.
pub(crate) fn workspace() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    give(dir.path());
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    dir
}

/// Hands a file to the owner of workspaces.
pub(crate) fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(OWNER), Some(OWNER)).expect("root may give away");
    }
}

pub(crate) fn policy(dir: &Path, writes: WriteMode) -> Policy {
    Policy { write: vec![PathRule::required(dir)], writes, ..Policy::default() }
}

pub(crate) fn compiled(policy: &Policy) -> Compiled {
    compile(policy, &probe()).expect("this host enforces the default layers")
}

pub(crate) fn command(dir: &Path, argv: &[&str]) -> Command {
    let path = ["/usr/bin", "/bin"].map(|bin| Path::new(bin).join(argv[0]));
    let path = path.iter().find(|path| path.exists()).expect("a usual program");
    Command {
        binary: Binary::open(path).expect("a program"),
        argv: argv.iter().map(OsString::from).collect(),
        cwd: PathBuf::from(dir),
        stdin: Stdin::Empty,
    }
}

pub(crate) fn run(policy: &Policy, argv: &[&str]) -> Result<Outcome, RunError> {
    let dir = policy.write[0].path.clone();
    sandbox().run(command(&dir, argv), &compiled(policy))
}

/// What a shell's words say on standard output.
pub(crate) fn says(policy: &Policy, words: &str) -> String {
    let outcome = run(policy, &["sh", "-c", words]).expect("runs");
    String::from_utf8_lossy(&outcome.stdout.bytes()).into_owned()
        + &String::from_utf8_lossy(&outcome.stderr.bytes())
}

/// Lets the clock that stamps files tick, so that what follows is later than what was.
pub(crate) fn settle() {
    let stamp = || rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let first = stamp();
    while stamp() == first {
        std::hint::spin_loop();
    }
}
