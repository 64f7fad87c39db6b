//! Signals that must not end anything: the real binary, told from outside.

use std::process::Command;

use crate::home::{Home, KAIROS, Model};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn usr2_says_that_there_is_no_token_and_ends_nothing() {
    let home = Home::new();
    let mut daemon = home.daemon();
    let pid = Pid::from_child(&daemon.0);
    kill_process(pid, Signal::USR2).expect("the daemon is there");
    // Each answer shows that it lives and gives it time to hear the signal.
    let said = || home.read(".kairos/logs/kairos.log").matches("no token to rotate").count();
    let answers = (0..1_000).take_while(|_| said() == 0);
    answers.for_each(|_| assert_eq!(home.json(&["status"])["state"], "running"));
    assert_eq!(said(), 1);
    kill_process(pid, Signal::TERM).expect("the daemon is there");
    assert_eq!(daemon.0.wait().expect("our child").code(), Some(0));
}

#[test]
fn once_over_a_limit_on_file_sizes_is_refused_and_not_killed() {
    let model = Model::start(&[]);
    let home = Home::new();
    home.configure("openai", &model.base_url("openai"), "");
    let mut once = Command::new("sh");
    // 512 blocks are less than the journal's first segment, whatever a block is.
    once.arg("-c").arg("ulimit -f 512 && exec \"$0\" \"$@\"").arg(KAIROS);
    once.arg("--root").arg(home.root()).args(["once", "--goal", "change 1 to 2 in a.md"]);
    let refused = once.output().expect("it starts");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = String::from_utf8(refused.stderr).expect("text");
    assert!(said.contains("File too large"), "{said}");
}
