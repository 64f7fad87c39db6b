//! What the schedule of a crontab's line is called.
//!
//! Owns picking a short name out of a command that is still free. Never changes the command.

use std::collections::BTreeSet;

/// The longest name picked, in bytes, without a number behind it.
const BYTES_MAX: usize = 64;

/// Words that say how a command is begun, and not which.
const WRAPPERS: [&str; 9] = ["sudo", "nice", "ionice", "env", "exec", "command", "nohup", "{", "("];

/// Commands that only prepare or ask.
const STEPS: [&str; 8] = ["cd", "test", "[", "[[", "true", ":", "exit", "sleep"];

/// A name that no other has.
pub(super) fn free(command: &str, line: usize, taken: &BTreeSet<String>) -> String {
    let name = word(command).unwrap_or_else(|| format!("line-{line}"));
    if !taken.contains(&name) {
        return name;
    }
    // The line's own number is free unless somebody took it; then the next ones are looked at.
    let numbered = std::iter::once(line).chain(2..).map(|n| format!("{name}-{n}"));
    numbered.into_iter().find(|name| !taken.contains(name)).unwrap_or(name)
}

fn word(command: &str) -> Option<String> {
    let programs = command.split(['&', '|', ';']).filter_map(program);
    let name = programs.into_iter().find(|name| !STEPS.contains(&name.as_str()))?;
    let stem = [".sh", ".py", ".pl", ".rb"].iter().find_map(|end| name.strip_suffix(end));
    Some(stem.filter(|stem| !stem.is_empty()).map_or(name.clone(), ToOwned::to_owned))
}

/// The program that a simple command begins, without its directory.
fn program(part: &str) -> Option<String> {
    let word = part
        .split_ascii_whitespace()
        .find(|word| !WRAPPERS.contains(word) && !word.contains('=') && !word.starts_with('-'))?;
    let name = word.rsplit('/').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-[:".contains(c);
    let name: String = name.chars().filter(|c| plain(*c)).take(BYTES_MAX).collect();
    (!name.is_empty()).then_some(name)
}
