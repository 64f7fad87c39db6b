//! Where anything is missing or fails, the command is not executed.
//!
//! Steps are made to fail from outside: this test's own program is started again under `strace`, which
//! answers one system call of the small program with an error or a kill.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{command, compiled, policy, program, sandbox, workspace};
use kairos_sandbox::{
    Account, Kind, Layer, Policy, ProgramAt, Requirement, RunError, Sandbox, Stdin, WriteMode,
    compile, probe,
};

/// Set where this program is started under `strace`: the directory to touch a file in.
const INSIDE: &str = "KAIROS_SANDBOX_TEST_DIR";

/// The system calls of each step that no other process here makes, and the step they belong to.
const CALLS: [(&str, &str); 25] = [
    ("setresuid", "account"),
    ("setresgid", "account"),
    ("setgroups", "account"),
    ("sethostname", "namespaces"),
    ("mount", "view"),
    ("fsopen", "view"),
    ("fsconfig", "view"),
    ("fsmount", "view"),
    ("open_tree", "view"),
    ("move_mount", "view"),
    ("mount_setattr", "view"),
    ("mkdirat", "view"),
    ("symlinkat", "view"),
    ("fchdir", "view"),
    ("pivot_root", "view"),
    ("umount2", "view"),
    ("capset", "capabilities"),
    ("capget", "capabilities"),
    ("signalfd4", "init"),
    ("chdir", "view"),
    ("landlock_create_ruleset", "landlock"),
    ("landlock_add_rule", "landlock"),
    ("landlock_restrict_self", "landlock"),
    ("seccomp", "seccomp"),
    ("execveat", "exec"),
];

/// Not a test of its own: what runs under `strace`.
#[test]
fn touch_a_file() {
    let Some(dir) = std::env::var_os(INSIDE) else { return };
    let dir = Path::new(&dir);
    let mut policy = policy(dir, WriteMode::Direct);
    policy.layers = policy.layers.with(Layer::Landlock, Requirement::Require);
    let policy = match compile(&policy, &probe()) {
        Ok(policy) => policy,
        Err(error) => return println!("refused {error}"),
    };
    match sandbox().run(command(dir, &["touch", "executed"]), &policy) {
        Ok(outcome) => println!("outcome {:?}", outcome.exit),
        Err(error) => println!("refused {error}"),
    }
}

fn under_strace(dir: &Path, inject: &str) -> String {
    let own = std::env::current_exe().expect("a path");
    let output = std::process::Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")])
        .arg(own)
        .args(["--exact", "refusal::touch_a_file", "--nocapture", "--test-threads=1"])
        .env(INSIDE, dir)
        .output()
        .expect("strace is part of the tools this is developed with");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_step_that_fails_or_is_killed_executes_nothing() {
    let root = rustix::process::geteuid().is_root();
    for (call, step) in CALLS {
        if step == "account" && !root {
            continue;
        }
        for fate in ["error=EPERM", "signal=KILL"] {
            let dir = workspace();
            let said = under_strace(dir.path(), &format!("{call}:{fate}"));
            assert!(!dir.path().join("executed").exists(), "{call} {fate}: {said}");
            // Not even where the filter is on already: what never began has no end of its own.
            assert!(!said.contains("outcome"), "{call} {fate}: {said}");
            // The first is looked at before anything is started; and once the filter is on, what is
            // injected is an unknown call, which is death.
            let named = !["landlock_create_ruleset", "execveat"].contains(&call);
            if fate == "error=EPERM" && named {
                assert!(said.contains(&format!("step `{step}`")), "{call}: {said}");
            }
        }
    }
}

#[test]
fn without_a_failure_the_file_is_touched() {
    let dir = workspace();
    let said = under_strace(dir.path(), "reboot:error=EPERM");
    assert!(said.contains("outcome Code(0)"), "{said}");
    assert!(dir.path().join("executed").exists());
}

#[test]
fn a_program_that_is_missing_foreign_or_open_to_others_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().join("kairos-sbx");
    let why = |at: &Path| match Sandbox::open(&ProgramAt::Path(at.to_owned())) {
        Err(error @ RunError::Program { .. }) => {
            assert_eq!(error.kind(), Kind::Unavailable);
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert!(why(&at).ends_with("is not there"));
    let ProgramAt::Path(real) = program() else { panic!("a path") };
    std::fs::copy(&real, &at).expect("copy");
    let mode = |mode| {
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).expect("mode");
    };
    for open in [0o775, 0o757] {
        mode(open);
        assert!(why(&at).ends_with("can be written by others"), "{open:o}");
    }
    mode(0o644);
    assert!(why(&at).ends_with("is no program"));
    mode(0o755);
    assert!(Sandbox::open(&ProgramAt::Path(at.clone())).is_ok());
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&at, Some(4242), None).expect("chown");
        assert!(why(&at).ends_with("belongs to somebody else"));
    }
    std::fs::remove_file(&at).expect("remove");
    std::os::unix::fs::symlink(&real, &at).expect("link");
    assert!(Sandbox::open(&ProgramAt::Path(at.clone())).is_err());
    assert!(why(Path::new("/bin/true")).ends_with("is not the program of this version"));
    assert!(why(Path::new("/bin/cat")).ends_with("is not the program of this version"));
}

#[test]
fn what_replaces_the_program_later_is_not_what_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().join("kairos-sbx");
    let ProgramAt::Path(real) = program() else { panic!("a path") };
    std::fs::copy(real, &at).expect("copy");
    let sandbox = Sandbox::open(&ProgramAt::Path(at.clone())).expect("opens");
    std::fs::remove_file(&at).expect("remove");
    std::os::unix::fs::symlink("/bin/true", &at).expect("link");
    let workspace = workspace();
    let policy = compiled(&policy(workspace.path(), WriteMode::Direct));
    let touch = command(workspace.path(), &["touch", "executed"]);
    assert!(sandbox.run(touch, &policy).is_ok());
    assert!(workspace.path().join("executed").exists());
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let dir = workspace();
    let sandbox = sandbox();
    let policy = policy(dir.path(), WriteMode::Direct);
    let refusal = |change: &dyn Fn(&mut kairos_sandbox::Command, &mut Policy)| {
        let (mut touch, mut policy) = (command(dir.path(), &["touch", "executed"]), policy.clone());
        change(&mut touch, &mut policy);
        let error = sandbox.run(touch, &compiled(&policy)).expect_err("refused");
        assert!(!dir.path().join("executed").exists());
        error.to_string()
    };
    assert!(refusal(&|c, _| c.argv.clear()).contains("is missing"));
    assert!(refusal(&|c, _| c.argv.push("a\0b".into())).contains("NUL"));
    assert!(refusal(&|c, _| c.cwd = "relative".into()).contains("no absolute path"));
    assert!(refusal(&|c, _| c.cwd = "/var".into()).contains("not in the view"));
    assert!(refusal(&|c, _| c.cwd = dir.path().join("none")).contains("not there"));
    assert!(
        refusal(&|c, p| {
            p.limits.stdin_max = 3;
            c.stdin = Stdin::Bytes(b"four".into());
        })
        .contains("4 bytes of input")
    );
    let root = Account::Named { uid: 0, gid: 0 };
    assert!(refusal(&|_, p| p.account = root).contains("cannot run as uid 0"));
    let nobody = Account::Named { uid: 4242, gid: 0 };
    assert!(refusal(&|_, p| p.account = nobody).contains("gid 0"));
    let long = "x".repeat(200 << 10);
    assert!(refusal(&|c, _| c.argv.push(long.clone().into())).contains("step `exec`"));
    let longer = "x".repeat(9 << 20);
    assert!(refusal(&|c, _| c.argv.push(longer.clone().into())).contains("more than a program"));
}

#[test]
fn a_workspace_of_root_is_nobodys() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut policy = policy(dir.path(), WriteMode::Direct);
    let touch = || command(dir.path(), &["touch", "executed"]);
    let error = sandbox().run(touch(), &compiled(&policy)).expect_err("refused");
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().contains("belongs to root"), "{error}");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("mode");
    policy.account = Account::Named { uid: 4243, gid: 4243 };
    sandbox().run(touch(), &compiled(&policy)).expect("runs");
    let file = std::fs::metadata(dir.path().join("executed")).expect("there");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&file), 4243);
}
