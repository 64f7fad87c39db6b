//! Who the users of the arena are outside.
//!
//! Owns the two ways to give it a range of users: root maps one that nobody has; anybody else gets the
//! range that the machine keeps for them, by the system's own programs. Never maps a user of the machine
//! beside those: what goes wrong in the arena has nobody's rights.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::process::geteuid;

/// First of the machine's users that the users in the arena are, where root maps them.
const USERS_FROM: u32 = 1_000_000_000;
const USERS: u32 = 65_536;
const HINT: &str = "as root it goes without; or install `uidmap` and keep a range of 65536 for yourself: \
     `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`";

/// One kind of ids.
struct Ids {
    map: &'static str,
    ranges: &'static str,
    program: &'static str,
}

const IDS: [Ids; 2] = [
    Ids { map: "uid_map", ranges: "/etc/subuid", program: "newuidmap" },
    Ids { map: "gid_map", ranges: "/etc/subgid", program: "newgidmap" },
];

/// How it will be mapped: the first id of each kind. Fails where it could not be.
pub(crate) fn ranges() -> Result<[u32; 2]> {
    if geteuid().is_root() {
        return Ok([USERS_FROM; 2]);
    }
    let uid = geteuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    });
    let mut from = [0; 2];
    for (ids, from) in IDS.iter().zip(&mut from) {
        let text = fs::read_to_string(ids.ranges).unwrap_or_default();
        let range = range(&text, &[Some(uid.as_str()), name]);
        *from =
            range.with_context(|| format!("`{}` keeps no range for you; {HINT}", ids.ranges))?;
    }
    Ok(from)
}

/// Maps the ids of a process that is apart.
pub(crate) fn map(process: u32, from: [u32; 2]) -> Result<()> {
    let is_root = geteuid().is_root();
    for (ids, from) in IDS.iter().zip(from) {
        let path = format!("/proc/{process}/{}", ids.map);
        if is_root {
            fs::write(&path, format!("0 {from} {USERS}"))
                .with_context(|| format!("`{path}` cannot be written"))?;
            continue;
        }
        let args = [process, 0, from, USERS].map(|number| number.to_string());
        let mapped = Command::new(ids.program).args(args).status();
        let mapped = mapped.with_context(|| format!("`{}` is not there; {HINT}", ids.program))?;
        if !mapped.success() {
            bail!("`{}` maps nothing; {HINT}", ids.program);
        }
    }
    Ok(())
}

/// The first id of a range that is long enough and kept for one of these names.
fn range(text: &str, names: &[Option<&str>]) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let from = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        (count >= USERS && names.contains(&Some(name))).then_some(from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_long_enough_and_ones_own() {
        let text = "eve:100000:65536\nada:1:65535\nada:200000:65536\n1007:300000:70000\nada:x:y\n";
        assert_eq!(range(text, &[Some("1001"), Some("ada")]), Some(200_000));
        assert_eq!(range(text, &[Some("1007"), None]), Some(300_000));
        assert_eq!(range(text, &[Some("1008"), Some("adam")]), None);
    }
}
