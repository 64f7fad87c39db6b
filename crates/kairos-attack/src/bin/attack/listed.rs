//! What cannot run where.
//!
//! Owns which properties of a machine decide whether a control can show anything, and the committed list
//! of cases that cannot, one section for each kind of machine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::case::Needs;
use crate::world::AGENT;

const LIST: &str = include_str!("../../../cannot-run.txt");

/// Name, where it stands.
const PROPERTIES: [(&str, &str); 6] = [
    ("bpf", "/proc/sys/kernel/unprivileged_bpf_disabled"),
    ("dmesg", "/proc/sys/kernel/dmesg_restrict"),
    ("io_uring", "/proc/sys/kernel/io_uring_disabled"),
    ("perf", "/proc/sys/kernel/perf_event_paranoid"),
    ("ptrace", "/proc/sys/kernel/yama/ptrace_scope"),
    ("tiocsti", "/proc/sys/dev/tty/legacy_tiocsti"),
];

/// A machine like this: `x86_64 bpf=2 …`.
pub(crate) fn machine() -> String {
    let properties = PROPERTIES.map(|(name, path)| {
        let value = fs::read_to_string(path).unwrap_or_else(|_| "-".to_owned());
        format!("{name}={}", value.trim())
    });
    // Whether whoever began could raise limits that a control needs.
    let limits = rustix::process::getrlimit(rustix::process::Resource::Rtprio).maximum != Some(0);
    let limits = if limits { "raised" } else { "fixed" };
    let memory = if has(Needs::MemoryGroup) { "group" } else { "process" };
    let properties = properties.join(" ");
    format!("{} {properties} limits={limits} memory={memory}", std::env::consts::ARCH)
}

/// Whether the machine has what a case needs.
pub(crate) fn has(needs: Needs) -> bool {
    match needs {
        Needs::Nothing => true,
        // The arena has its workspace in memory, where names are what they are.
        Needs::OneCase => false,
        Needs::MemoryGroup => {
            let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let own =
                own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned();
            ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().any(|root| {
                let dir = format!("{root}{own}");
                let offered = fs::read_to_string(format!("{dir}/cgroup.controllers"));
                let ours = fs::metadata(dir).is_ok_and(|dir| dir.uid() == AGENT);
                ours && offered.is_ok_and(|all| all.split_whitespace().any(|name| name == "memory"))
            })
        }
    }
}

/// The ids that are listed for a machine; `None` where no section is for it.
pub(crate) fn unshown(machine: &str) -> Option<BTreeSet<&'static str>> {
    section(LIST, machine)
}

fn section<'a>(list: &'a str, machine: &str) -> Option<BTreeSet<&'a str>> {
    let mut lines = list.lines().map(str::trim);
    lines.find(|line| {
        line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(machine)
    })?;
    let ids = lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next());
    Some(ids.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let list = "# why\n[a]\n1.x  because\n\n# not\n2.y\n[b]\n3.z\n";
        assert_eq!(section(list, "a"), Some(BTreeSet::from(["1.x", "2.y"])));
        assert_eq!(section(list, "b"), Some(BTreeSet::from(["3.z"])));
        assert_eq!(section(list, "c"), None);
    }
}
