//! One command's plan.
//!
//! Owns what a compiled policy leaves open until a command is known: who it runs as, where it starts,
//! what it executes. Refuses here whatever can be refused without starting a process.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::process::{getegid, geteuid};
use rustix::time::{ClockId, Timespec};

use super::{NOBODY, RunError};
use crate::changes::{Layer, Shield};
use crate::command::{Command, Stdin};
use crate::compile::{Access, Compiled, HOME, Inner, MEMORY, Root, Skeleton};
use crate::plan::{Ids, Kept, Made, Plan, Start, View};
use crate::policy::{Account, ExecRule};

/// Groups and accounts of the host, read for one line.
const ACCOUNTS: &str = "/etc/passwd";

pub(super) fn plan(command: &Command, policy: &Compiled) -> Result<Plan, RunError> {
    let inner = policy.inner();
    let max = inner.policy.limits.stdin_max;
    if let Stdin::Bytes(bytes) = &command.stdin
        && bytes.len() > max
    {
        return Err(RunError::Input { given: bytes.len(), max });
    }
    let mut skeleton = inner.skeleton.clone();
    let cwd = directory(&command.cwd, &skeleton)?;
    let ids = ids(inner, &cwd)?;
    skeleton.add_program(command.binary.path(), command.binary.identity());
    skeleton.made.extend(accounts(ids));
    let mut landlock = inner.landlock.clone();
    if let Some(rules) = &mut landlock
        && inner.policy.exec != ExecRule::Any
    {
        rules.exec.push(command.binary.path().to_owned());
    }
    let (dev, ino) = command.binary.identity();
    let limits = &inner.policy.limits;
    Ok(Plan {
        ids,
        cgroup: inner.has_cgroup(),
        door: inner.door(),
        view: View {
            bytes_max: limits.tmpfs,
            inodes_max: limits.inodes,
            made: skeleton.made,
            mounts: skeleton.mounts,
            caches: caches(inner),
            protect: skeleton.protect,
        },
        bounds: inner.bounds,
        landlock,
        filter: inner.filter.clone(),
        start: Start {
            program: command.binary.path().to_owned(),
            dev,
            ino,
            argv: arguments(&command.argv)?,
            env: inner.env.clone(),
            cwd,
        },
    })
}

fn caches(inner: &Inner) -> Vec<Kept> {
    let exec = inner.policy.exec == ExecRule::Any;
    let one = |(at, root): &(PathBuf, Root)| Kept {
        at: at.clone(),
        host: root.path.clone(),
        dev: root.dev,
        ino: root.ino,
        exec,
    };
    inner.caches.iter().map(one).collect()
}

fn arguments(argv: &[OsString]) -> Result<Vec<CString>, RunError> {
    if argv.is_empty() {
        return Err(RunError::Argument { at: 0, why: "is missing: a program is called by a name" });
    }
    let one = |(at, arg): (usize, &OsString)| {
        CString::new(arg.as_bytes()).map_err(|_| RunError::Argument { at, why: "holds a NUL byte" })
    };
    argv.iter().enumerate().map(one).collect()
}

/// Where to start: without links, and in the view.
fn directory(path: &Path, skeleton: &Skeleton) -> Result<PathBuf, RunError> {
    let refuse = |why| RunError::Directory { path: path.to_owned(), why };
    if !path.is_absolute() {
        return Err(refuse("is no absolute path"));
    }
    if MEMORY.iter().any(|dir| path == Path::new(dir)) {
        return Ok(path.to_owned());
    }
    let real = path.canonicalize().map_err(|_| refuse("is not there"))?;
    match real.is_dir() && skeleton.shows(&real) {
        true => Ok(real),
        false => Err(refuse("is not in the view")),
    }
}

/// Who the command runs as.
fn ids(inner: &Inner, cwd: &Path) -> Result<Ids, RunError> {
    let (own_uid, own_gid) = (geteuid().as_raw(), getegid().as_raw());
    let named = match inner.policy.account {
        Account::Named { uid, gid } => Some((uid, gid)),
        Account::Owner => None,
    };
    if own_uid != 0 {
        let (uid, gid) = named.unwrap_or((own_uid, own_gid));
        return match (uid, gid) == (own_uid, own_gid) && gid != 0 {
            true => Ok(Ids { uid, gid, switch: false }),
            false => Err(RunError::Account { uid, gid }),
        };
    }
    let (uid, gid) = match named {
        Some(named) => named,
        None => workspace_owner(inner, cwd)?,
    };
    match uid != 0 && gid != 0 {
        true => Ok(Ids { uid, gid, switch: true }),
        false => Err(RunError::Account { uid, gid }),
    }
}

/// The owner of the first write root, or of the directory it starts in.
fn workspace_owner(inner: &Inner, cwd: &Path) -> Result<(u32, u32), RunError> {
    let root = inner.policy.write.first().and_then(|rule| {
        let path = rule.path.canonicalize().ok()?;
        inner.roots.iter().find(|root| root.path == path)
    });
    let (path, uid, gid) = match root {
        Some(root) => (root.path.as_path(), root.owner.0, root.owner.1),
        None => {
            let found = rustix::fs::stat(cwd)
                .map_err(|_| RunError::Directory { path: cwd.to_owned(), why: "is not there" })?;
            (cwd, found.st_uid, found.st_gid)
        }
    };
    if uid == 0 {
        return Err(RunError::RootOwned { path: path.to_owned() });
    }
    let gid = if gid == 0 { primary_group(uid).unwrap_or(NOBODY) } else { gid };
    Ok((uid, gid))
}

/// The group an account begins with.
fn primary_group(uid: u32) -> Option<u32> {
    let accounts = std::fs::read_to_string(ACCOUNTS).ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next()?.parse() == Ok(uid)).then(|| fields.next()?.parse().ok()).flatten()
    })
}

/// What programs find when they ask who they are.
fn accounts(ids: Ids) -> [Made; 2] {
    let Ids { uid, gid, .. } = ids;
    let passwd = format!(
        "root:x:0:0:root:/:/usr/sbin/nologin\n\
         kairos:x:{uid}:{gid}:kairos:{HOME}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
    );
    let group = format!("root:x:0:\nkairos:x:{gid}:\nnogroup:x:65534:\n");
    [Made::File("/etc/passwd".into(), passwd.into()), Made::File("/etc/group".into(), group.into())]
}

/// What is remembered of the time before a command.
#[derive(Debug)]
pub(super) struct Before {
    /// Protected paths where a command writes directly, and what stood there. Nothing holds one that is
    /// absent without leaving something on the host, nor one that somebody outside replaces meanwhile;
    /// so they are looked at afterwards.
    loose: Vec<(PathBuf, Stands)>,
    /// By the clock that files are stamped with.
    pub(super) stamp: Timespec,
}

/// How far a protected path goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stands {
    /// To its end, through directories: device and inode.
    Whole(u64, u64),
    /// To a link, which nothing can be mounted on, and what that leads to.
    Link { at: PathBuf, ino: u64, to: Option<(u64, u64)> },
    /// To where nothing is.
    Absent,
}

impl Before {
    pub(super) fn now(policy: &Compiled) -> Self {
        let inner = policy.inner();
        let protected = inner.skeleton.protect.iter();
        let loose = protected.filter_map(|rule| {
            let root = inner.roots.iter().find(|root| root.path == rule.root)?;
            let loose = root.access == Access::Write;
            loose.then(|| (rule.root.join(&rule.below), stands(root, &rule.below)))
        });
        Self { loose: loose.collect(), stamp: rustix::time::clock_gettime(ClockId::RealtimeCoarse) }
    }

    /// Which of those paths are there now, or go another way.
    pub(super) fn appeared(&self, policy: &Compiled) -> Vec<PathBuf> {
        let roots = &policy.inner().roots;
        let changed = |(path, before): &&(PathBuf, Stands)| {
            roots.iter().filter_map(|root| Some((root, path.strip_prefix(&root.path).ok()?))).any(
                |(root, below)| {
                    let now = stands(root, below);
                    // What was whole and is gone was taken away by somebody else.
                    let gone = now == Stands::Absent && matches!(before, Stands::Whole(..));
                    now != *before && !gone
                },
            )
        };
        self.loose.iter().filter(changed).map(|(path, _)| path.clone()).collect()
    }
}

fn stands(root: &Root, below: &Path) -> Stands {
    let (mut at, mut end) = (PathBuf::new(), (root.dev, root.ino));
    for part in below.components() {
        at.push(part);
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat2(&root.fd, &at, flags, Mode::empty(), resolve);
        let Ok(found) = found.and_then(|fd| rustix::fs::fstat(&fd)) else { return Stands::Absent };
        end = (found.st_dev, found.st_ino);
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {}
            FileType::Symlink => return link(root, at, end.1, below),
            // What stands where a directory should is mounted on itself.
            _ => break,
        }
    }
    Stands::Whole(end.0, end.1)
}

/// A link on the way, and what stands where the whole path leads.
fn link(root: &Root, at: PathBuf, ino: u64, below: &Path) -> Stands {
    let to = rustix::fs::stat(root.path.join(below)).ok();
    Stands::Link { at, ino, to: to.map(|to| (to.st_dev, to.st_ino)) }
}

/// A layer that came out of a command, with what it is judged by.
pub(super) fn layer(
    inner: &Inner,
    mount: u32,
    upper: OwnedFd,
    began: Timespec,
) -> Option<Layer<'_>> {
    let path = &inner.skeleton.mounts.get(usize::try_from(mount).ok()?)?.path;
    let root = inner.roots.iter().find(|root| root.path == *path)?;
    let mut shield = Shield::default();
    for rule in &inner.skeleton.protect {
        shield.add(&root.path, &rule.root, &rule.below);
    }
    Some(Layer {
        root: &root.path,
        lower: root.fd.as_fd(),
        upper,
        shield,
        caches: inner
            .caches
            .iter()
            .filter_map(|(at, _)| Some(at.strip_prefix(&root.path).ok()?.to_owned()))
            .collect(),
        began,
        changes_max: usize::try_from(inner.policy.limits.inodes).unwrap_or(usize::MAX),
        // The layer holds no more than that, and what it stands for is seldom larger.
        bytes_max: inner.policy.limits.tmpfs.saturating_mul(2),
    })
}
