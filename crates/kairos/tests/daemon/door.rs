//! The socket when there is not enough of something: the real binary, told from outside.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use crate::home::{Ended, Home, KAIROS, ready};

/// Clock ticks that a process has used (`proc_pid_stat(5)`: utime and stime; 100 are a second).
fn ticks(daemon: &Ended) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.0.id())).expect("it lives");
    let after = stat.rsplit_once(')').expect("a name").1;
    let fields = after.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().expect("a number")).sum()
}

#[test]
fn a_daemon_without_a_free_descriptor_waits_and_says_so_once() {
    let home = Home::new();
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -n 40 && exec \"$0\" \"$@\"").arg(KAIROS);
    command.arg("--root").arg(home.root()).arg("daemon");
    let daemon = ready(command);
    let socket = home.root().join(".kairos/run/kairos.sock");
    let connect = |_| UnixStream::connect(&socket).expect("there is room to knock");
    let crowd: Vec<_> = (0..60).map(connect).collect();
    let said = || home.read(".kairos/logs/kairos.log").matches("daemon_cannot_accept").count();
    // What it costs to wait can only be seen while it waits.
    let waits = (0..200).take_while(|_| said() == 0);
    waits.for_each(|_| std::thread::sleep(Duration::from_millis(20)));
    let before = ticks(&daemon);
    std::thread::sleep(Duration::from_secs(1));
    let used = ticks(&daemon) - before;
    assert!(used < 20, "{used} ticks in a second");
    assert_eq!(said(), 1);
    drop(crowd);
    assert_eq!(home.json(&["status"])["state"], "running");
}
