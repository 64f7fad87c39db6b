//! Cases 53 to 67: other processes' sockets, memory and keys, and the surface of the kernel.
//!
//! Owns the rows and nothing else.

use crate::case::{Case, Outside, Shows};

use Shows::{Answer, Contact, Harm, Leak, Typed};

const fn case(number: u8, name: &'static str, shows: Shows, args: &'static [&'static str]) -> Case {
    Case::probe(number, name, shows, args)
}

// tidy: table
pub(super) const CASES: &[Case] = &[
    case(53, "stream", Contact, &["unix-abstract", "{abstract}"]),
    case(54, "docker", Contact, &["unix-path", "/run/docker.sock"]),
    case(54, "bus", Contact, &["unix-path", "/run/user/1000/bus"]),
    case(54, "systemd", Contact, &["unix-path", "/run/systemd/private"]),
    case(54, "ssh-agent", Contact, &["unix-path", "/tmp/ssh-agent.sock"]),
    case(54, "in-workspace", Contact, &["unix-path", "{ws}/planted.sock"]),
    case(54, "in-workspace-relative", Contact, &["unix-path", "planted.sock"]),
    case(54, "datagram", Contact, &["unix-datagram", "{home}/journal.sock"]),
    case(55, "socketpair", Contact, &["inherited"]),
    case(56, "shm-read", Leak, &["shm-read"]),
    case(56, "shm-write", Harm, &["shm-write"]),
    case(56, "sem", Harm, &["sem-change"]),
    case(56, "msg", Leak, &["msg-read"]),
    case(56, "mq", Leak, &["mq-read"]),
    case(57, "read", Leak, &["key-read"]),
    case(57, "add", Answer, &["key-add"]),
    case(57, "join", Answer, &["key-join"]),
    case(58, "setup", Answer, &["io-uring"]),
    case(59, "bpf", Answer, &["bpf"]),
    case(59, "perf", Answer, &["perf"]),
    case(59, "userfaultfd", Answer, &["userfaultfd"]),
    case(59, "kexec", Answer, &["kexec"]),
    case(59, "init-module", Answer, &["init-module"]),
    case(59, "fanotify", Answer, &["fanotify"]),
    case(59, "quotactl", Answer, &["quotactl"]),
    case(59, "acct", Answer, &["acct"]),
    case(59, "swapon", Answer, &["swapon"]),
    case(59, "reboot", Answer, &["reboot"]),
    case(59, "settimeofday", Answer, &["settimeofday"]),
    case(59, "syslog", Answer, &["syslog"]),
    case(59, "capabilities", Answer, &["capabilities"]),
    case(59, "capabilities-nested", Answer, &["nested", "capabilities"]),
    case(60, "push", Typed, &["tty-push"]).while_outside(Outside::Terminal),
    case(60, "push-high-bits", Typed, &["tty-push-high"]).while_outside(Outside::Terminal),
    case(60, "linux", Answer, &["tty-linux"]).while_outside(Outside::Terminal),
    case(60, "take", Typed, &["tty-take"]).while_outside(Outside::LeakedTerminal),
    case(61, "x32", Answer, &["x32"]),
    case(61, "int80", Answer, &["int80"]),
    case(62, "unknown", Answer, &["unknown-call"]),
    case(63, "personality", Answer, &["personality"]),
    case(63, "modify-ldt", Answer, &["modify-ldt"]),
    case(64, "files", Leak, &["inherited"]),
    case(65, "make", Answer, &["cgroup-make"]),
    case(65, "leave", Answer, &["cgroup-leave"]),
    case(65, "nested-make", Answer, &["nested", "cgroup-make"]),
    case(66, "core-pattern", Answer, &["sys-write", "/proc/sys/kernel/core_pattern"]),
    case(66, "sysrq", Answer, &["sys-write", "/proc/sysrq-trigger"]),
    case(66, "sys", Answer, &["sys-write", "/sys/power/state"]),
    case(66, "sysctl-nested", Answer, &["nested", "sys-write", "/proc/sys/net/ipv4/ip_forward"]),
    case(66, "oom-score", Answer, &["oom-score"]),
    case(67, "fifo", Answer, &["sched-fifo"]),
    case(67, "nice", Answer, &["nice-less"]),
    case(67, "raise-file-size", Answer, &["raise-limit", "1"]),
    case(67, "raise-processes", Answer, &["raise-limit", "6"]),
    case(67, "raise-core", Answer, &["raise-limit", "4"]),
    case(67, "lock-memory", Answer, &["mlockall"]),
];
