//! A command through every layer, with the real small program.

use crate::common::{command, compiled, policy, run, sandbox, says, workspace};
use kairos_sandbox::{Exit, Stdin, WriteMode};

#[test]
fn true_is_true_and_false_is_not() {
    let dir = workspace();
    for writes in [WriteMode::ReadOnly, WriteMode::Direct] {
        let policy = policy(dir.path(), writes);
        assert_eq!(run(&policy, &["true"]).expect("runs").exit, Exit::Code(0));
        assert_eq!(run(&policy, &["false"]).expect("runs").exit, Exit::Code(1));
    }
}

#[test]
fn what_is_read_comes_out_again() {
    let dir = workspace();
    std::fs::write(dir.path().join("a"), "from the file").expect("write");
    let policy = policy(dir.path(), WriteMode::ReadOnly);
    let mut cat = command(dir.path(), &["cat", "a", "-"]);
    cat.stdin = Stdin::Bytes(b" and from stdin".into());
    let outcome = sandbox().run(cat, &compiled(&policy)).expect("runs");
    assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes()), "from the file and from stdin");
    assert_eq!((outcome.exit, outcome.stderr.bytes()), (Exit::Code(0), Vec::new()));
}

#[test]
fn direct_writes_arrive_and_read_only_ones_fail() {
    let dir = workspace();
    let file = dir.path().join("new");
    let said = says(&policy(dir.path(), WriteMode::ReadOnly), "echo x > new");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(!file.exists());
    assert_eq!(says(&policy(dir.path(), WriteMode::Direct), "echo x > new"), "");
    assert_eq!(std::fs::read_to_string(&file).expect("written"), "x\n");
}

#[test]
fn nothing_is_open_but_the_three_streams() {
    let dir = workspace();
    let said = says(&policy(dir.path(), WriteMode::ReadOnly), "ls /proc/self/fd | tr '\\n' ' '");
    // The fourth is the directory that `ls` looks at.
    assert_eq!(said, "0 1 2 3 ");
}

#[test]
fn what_holds_here_is_proven_from_inside() {
    sandbox().prove(&kairos_sandbox::probe()).expect("nothing works that must not");
}

#[test]
fn a_proof_outside_of_a_sandbox_tries_nothing_and_names_the_layer() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kairos-sbx"))
        .arg("__prove")
        .current_dir(dir.path())
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "layer `pid_ns`: processes outside");
    for path in ["/usr/.kairos", "/.kairos", "/tmp/.socket"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
}

#[test]
fn what_held_is_not_tried_again_and_what_is_missing_is_named() {
    let (sandbox, host) = (sandbox(), kairos_sandbox::probe());
    sandbox.prove(&host).expect("it holds");
    let again = std::time::Instant::now();
    sandbox.prove(&host).expect("it holds");
    assert!(again.elapsed() < std::time::Duration::from_millis(500));
    let less = host.without(kairos_sandbox::Layer::Seccomp, "not here");
    let error = sandbox.prove(&less).expect_err("a required layer is missing").to_string();
    assert!(error.contains("`seccomp`"), "{error}");
}
