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
