//! What cannot run where.
//!
//! Owns which properties of a machine decide whether a control can show anything, and the committed list
//! of cases that cannot, one section for each kind of machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::case::Needs;
use crate::world::AGENT;

const LIST: &str = include_str!("../../../cannot-run.txt");
const FILE: &str = "crates/kairos-attack/cannot-run.txt";
/// Of so many cases, one may be lost on a machine that nobody has listed.
const LOST_MAX: usize = 10;

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

/// What the list says of the cases that could not be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Why it is not good, a line each.
    pub(crate) wrongs: Vec<String>,
    /// The section to add for a kind of machine that has none.
    pub(crate) to_add: Option<String>,
}

/// Compares what could not be shown, each case with what it was told, with the list for this machine.
/// `tried` says whether a case was wanted.
pub(crate) fn compare(unshown: &BTreeMap<&str, &str>, tried: impl Fn(&str) -> bool) -> Compared {
    let all = crate::case::all().filter(|case| tried(&case.id())).count();
    compare_with(LIST, &machine(), unshown, tried, all)
}

fn compare_with(
    list: &str,
    machine: &str,
    unshown: &BTreeMap<&str, &str>,
    tried: impl Fn(&str) -> bool,
    all: usize,
) -> Compared {
    let found: BTreeSet<&str> = unshown.keys().copied().collect();
    let expected =
        |kind: &str| -> BTreeSet<&str> { ids(list, kind).filter(|id| tried(id)).collect() };
    if kinds(list).any(|kind| kind == machine) {
        let expected = expected(machine);
        let wrong = |id: &&str| {
            let what = match expected.contains(id) {
                true => "is listed and can",
                false => "is not listed and cannot",
            };
            format!("`{id}` {what} run on a machine like this: [{machine}]")
        };
        let wrongs = found.symmetric_difference(&expected).map(wrong).collect();
        return Compared { wrongs, to_add: None };
    }
    let mut text = format!(
        "no list is there for a machine like this; what cannot run here goes into `{FILE}`:\n\n[{machine}]\n"
    );
    for (id, why) in unshown {
        text.push_str(&format!("{id:<24} {}\n", why.replace('\n', " ")));
    }
    let nearest = nearest(list, machine).map(expected).unwrap_or_default();
    let lost = found.difference(&nearest).count();
    let mut wrongs = Vec::new();
    if lost > all / LOST_MAX {
        wrongs.push(format!(
            "{lost} of {all} cases can be shown elsewhere and not here: nothing is proven"
        ));
    }
    Compared { wrongs, to_add: Some(text) }
}

fn kinds(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(kind)
}

/// The machine that a section is for, where the line begins one.
fn kind(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

/// The listed machine that has most in common with one that is not.
fn nearest<'a>(list: &'a str, machine: &str) -> Option<&'a str> {
    let common = |kind: &&str| {
        kind.split(' ').filter(|word| machine.split(' ').any(|other| other == *word)).count()
    };
    kinds(list).max_by_key(common)
}

/// The ids that are listed for a machine.
fn ids<'a>(list: &'a str, machine: &str) -> impl Iterator<Item = &'a str> {
    let section = list.lines().skip_while(move |line| kind(line) != Some(machine)).skip(1);
    section
        .take_while(|line| kind(line).is_none())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "# why\n[x86 a=1 b=1]\n1.x  because\n\n# not\n2.y\n[arm a=2 b=1]\n3.z\n";

    fn compared(machine: &str, unshown: &[&'static str], all: usize) -> (Vec<String>, bool) {
        let unshown = unshown.iter().map(|id| (*id, "no")).collect();
        let compared = compare_with(LISTED, machine, &unshown, |id| id != "9.never", all);
        (compared.wrongs, compared.to_add.is_some())
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        assert_eq!(ids(LISTED, "x86 a=1 b=1").collect::<Vec<_>>(), ["1.x", "2.y"]);
        assert_eq!(ids(LISTED, "arm a=2 b=1").collect::<Vec<_>>(), ["3.z"]);
        assert_eq!(ids(LISTED, "c").count(), 0);
    }

    #[test]
    fn on_a_listed_machine_exactly_the_listed_cases_cannot_run() {
        let kind = "x86 a=1 b=1";
        assert_eq!(compared(kind, &["1.x", "2.y"], 100), (vec![], false));
        let wrongs = vec![
            "`2.y` is listed and can run on a machine like this: [x86 a=1 b=1]".to_owned(),
            "`3.z` is not listed and cannot run on a machine like this: [x86 a=1 b=1]".to_owned(),
        ];
        assert_eq!(compared(kind, &["1.x", "3.z"], 100), (wrongs, false));
    }

    #[test]
    fn on_another_machine_its_list_is_told_and_little_may_be_lost() {
        assert_eq!(nearest(LISTED, "arm a=3 b=1"), Some("arm a=2 b=1"));
        assert_eq!(compared("arm a=3 b=1", &["3.z", "4.a", "4.b"], 20), (vec![], true));
        let wrong = "3 of 20 cases can be shown elsewhere and not here: nothing is proven";
        let lost = compared("arm a=3 b=1", &["3.z", "4.a", "4.b", "4.c"], 20);
        assert_eq!(lost, (vec![wrong.to_owned()], true));
    }

    #[test]
    fn every_listed_case_is_a_case() {
        let all: BTreeSet<String> = crate::case::all().map(|case| case.id()).collect();
        for id in kinds(LIST).flat_map(|kind| ids(LIST, kind)) {
            assert!(all.contains(id), "{id}");
        }
    }
}
