//! What will hold a command, in lines.
//!
//! Owns the one text that a policy's hash is taken of: every decision that matters stands in it, and
//! nothing that changes without a decision does (no inode, no descriptor, no process).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Root, Skeleton};
use crate::enforcement::Enforcement;
use crate::plan::{Made, Source};
use crate::policy::{Account, ExecRule, Net, Policy};
use crate::sys::Instruction;

pub(super) fn text(
    policy: &Policy,
    roots: &[Root],
    skeleton: &Skeleton,
    filter: &[Instruction],
    enforcement: &Enforcement,
) -> String {
    let mut lines = vec!["kairos-sandbox policy 1".to_owned()];
    lines.push(match policy.account {
        Account::Owner => "account: owner of the workspace".to_owned(),
        Account::Named { uid, gid } => format!("account: uid {uid} gid {gid}"),
    });
    lines.extend(roots.iter().map(|root| format!("{:?}: {:?}", root.access, root.path)));
    lines.extend(skeleton.protect.iter().map(|at| {
        let how = if at.hide { "hide" } else { "protect" };
        format!("{how}: {:?}", at.root.join(&at.below))
    }));
    lines.extend(policy.caches.iter().map(|c| format!("cache: {:?} kept at {:?}", c.at, c.kept)));
    lines.push(match &policy.exec {
        ExecRule::Any => "execute: anything in the view".to_owned(),
        ExecRule::System => "execute: nothing it could have written".to_owned(),
        ExecRule::Listed(files) => format!("execute: {files:?}"),
    });
    lines.push(match &policy.net {
        Net::Deny => "network: none".to_owned(),
        Net::Allow(hosts) => format!("network: {hosts:?}"),
    });
    lines.extend(policy.env.set.iter().map(|(name, value)| format!("set: {name:?}={value:?}")));
    lines.extend(policy.env.allow.iter().map(|name| format!("inherit: {name:?}")));
    lines.push(format!("{:?}", policy.limits));
    lines.extend(view(skeleton));
    if !filter.is_empty() {
        lines.push(format!("filter: {} instructions, sha256 {}", filter.len(), digest(filter)));
    }
    lines.extend(enforcement.iter().map(|(layer, state)| format!("{layer}: {state}")));
    lines.join("\n") + "\n"
}

fn view(skeleton: &Skeleton) -> impl Iterator<Item = String> {
    let made = skeleton.made.iter().map(|made| match made {
        Made::Dir(path) => format!("view: directory {path:?}"),
        Made::Open(path) => format!("view: directory in memory {path:?}"),
        Made::File(path, bytes) => format!("view: file {path:?} of {} bytes", bytes.len()),
        Made::Link(path, to) => format!("view: link {path:?} to {to:?}"),
    });
    let mounts = skeleton.mounts.iter().map(|mount| {
        let from = match mount.from {
            Source::Root { .. } => "root",
            Source::System => "system",
            Source::Device => "device",
            Source::Memory => "memory",
            Source::Overlay { .. } => "layer",
            Source::Proc => "processes",
        };
        let write = if mount.write { "rw" } else { "ro" };
        let exec = if mount.exec { "exec" } else { "noexec" };
        format!("view: mount {:?} {from} {write} {exec}", mount.path)
    });
    made.chain(mounts)
}

fn digest(filter: &[Instruction]) -> String {
    let mut hash = Sha256::new();
    for Instruction { code, jt, jf, k } in filter {
        hash.update(code.to_le_bytes());
        hash.update([*jt, *jf]);
        hash.update(k.to_le_bytes());
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
