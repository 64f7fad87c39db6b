//! Writing directly: names that lead elsewhere, and places that are closed.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::common::{command, compiled, give, policy, run, sandbox, says, workspace};
use kairos_sandbox::{Exit, Kind, PathRule, Policy, RunError, WriteMode};

fn file(path: &Path) {
    std::fs::write(path, "old\n").expect("file");
    give(path);
}

fn dir(path: &Path) {
    std::fs::create_dir(path).expect("directory");
    give(path);
}

#[test]
fn a_file_with_a_name_outside_is_not_written_directly() {
    let (outside, work) = (workspace(), workspace());
    file(&outside.path().join("theirs"));
    dir(&work.path().join("d"));
    let planted = work.path().join("d/planted");
    std::fs::hard_link(outside.path().join("theirs"), &planted).expect("link");
    let mut policy = policy(work.path(), WriteMode::Direct);
    let words = ["sh", "-c", "echo evil > d/planted; echo ran"];
    let error = run(&policy, &words).expect_err("refused");
    assert_eq!(error.kind(), Kind::Denied);
    assert!(matches!(&error, RunError::HardLink { path } if *path == planted), "{error}");
    let text = || std::fs::read_to_string(outside.path().join("theirs")).expect("there");
    for writes in [WriteMode::ReadOnly, WriteMode::Overlay] {
        policy.writes = writes;
        assert!(run(&policy, &words).is_ok());
        assert_eq!(text(), "old\n");
    }
    policy.writes = WriteMode::Direct;
    policy.protect = vec![PathRule::optional("d")];
    assert_eq!(run(&policy, &words).expect("nobody writes there").stdout.bytes(), b"ran\n");
    assert_eq!(text(), "old\n");
}

#[test]
fn a_file_with_all_its_names_inside_is_written_unless_one_is_protected() {
    let work = workspace();
    file(&work.path().join("a"));
    dir(&work.path().join("d"));
    std::fs::hard_link(work.path().join("a"), work.path().join("d/b")).expect("link");
    let mut policy = policy(work.path(), WriteMode::Direct);
    assert_eq!(says(&policy, "echo new > a; cat d/b"), "new\n");
    policy.protect = vec![PathRule::required("d")];
    let error = run(&policy, &["true"]).expect_err("by its other name it is protected");
    assert!(matches!(error, RunError::HardLink { .. }), "{error}");
}

#[test]
fn what_appears_behind_a_link_or_takes_a_protected_place_is_told() {
    let work = workspace();
    let root = work.path();
    dir(&root.join("c"));
    file(&root.join("kept"));
    symlink("c", root.join("linked")).expect("link");
    let mut policy = policy(root, WriteMode::Direct);
    policy.protect = ["linked/config.toml", "kept", "absent/x"].map(PathRule::optional).into();
    let told = |words: &str| run(&policy, &["sh", "-c", words]).expect("runs").appeared;
    assert_eq!(told("echo x > c/other; echo x > kept"), Vec::<std::path::PathBuf>::new());
    assert_eq!(told("echo x > c/config.toml"), [root.join("linked/config.toml")]);
    assert_eq!(told("ln -s c absent"), [root.join("absent/x")]);
}

#[test]
fn a_link_into_another_write_root_is_protected_there() {
    let (work, other) = (workspace(), workspace());
    dir(&other.path().join("hooks"));
    file(&other.path().join("hooks/h"));
    symlink(other.path().join("hooks"), work.path().join("hooks")).expect("link");
    let mut policy = policy(work.path(), WriteMode::Direct);
    policy.write.push(PathRule::required(other.path()));
    policy.protect = vec![PathRule { path: work.path().join("hooks"), ..PathRule::required("") }];
    let words = format!("echo evil > {}/hooks/h", other.path().display());
    assert!(says(&policy, &words).contains("Read-only file system"));
}

#[test]
fn a_read_root_inside_a_write_root_cannot_be_moved_aside() {
    let work = workspace();
    for path in ["a", "a/vendor"] {
        dir(&work.path().join(path));
    }
    let mut policy = policy(work.path(), WriteMode::Direct);
    policy.read = vec![PathRule::required(work.path().join("a/vendor"))];
    let said = says(&policy, "mv a b; mkdir -p a/vendor; echo evil > a/vendor/x");
    assert!(said.contains("busy") && said.contains("Read-only"), "{said}");
    assert!(!work.path().join("b").exists());
}

#[test]
fn a_root_below_a_directory_closed_to_its_owner_is_reached_by_root() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("only root reaches what is closed to the owner");
    }
    let home = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).expect("mode");
    let (work, read) = (home.path().join("work"), home.path().join("read"));
    dir(&work);
    std::fs::create_dir(&read).expect("directory");
    std::fs::write(read.join("seen"), "seen\n").expect("file");
    std::fs::write(home.path().join("secret"), "secret\n").expect("file");
    let words = format!("cat {0}/seen; echo x > new; cat {0}/../secret", read.display());
    for writes in [WriteMode::ReadOnly, WriteMode::Direct, WriteMode::Overlay] {
        let policy = Policy { read: vec![PathRule::required(&read)], ..policy(&work, writes) };
        let sh = command(&work, &["sh", "-c", &words]);
        let outcome = sandbox().run(sh, &compiled(&policy)).expect("runs");
        assert_eq!((outcome.exit, outcome.stdout.bytes()), (Exit::Code(1), b"seen\n".to_vec()));
    }
    assert!(work.join("new").exists());
}
