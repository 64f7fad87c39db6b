//! The root directory a command sees.
//!
//! Owns how a planned view is mounted: one small file system that holds the skeleton, and mounts on it.
//! Where the host's files come in, they are compared with what was verified, after they were copied
//! into a mount that nobody else can move. The host's own tree is let go of at the end, whole. Makes
//! nothing on the host.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount_change, move_mount, open_tree, unmount,
};

use super::{At, Failure};
use crate::message::{Report, Step};
use crate::plan::{Kept, Made, Mount, Protect, Source, View};
use crate::sys;

const STEP: Step = Step::View;
/// Where layers for changes stand while they are mounted; gone before the command starts.
const LAYER: &str = ".layer";

/// Copies of what a view mounts of the host, made by somebody who reaches it where the command's own
/// account does not: below a directory that is closed to it. What the account may do with the files
/// themselves stays as it is.
#[derive(Default)]
pub(super) struct Trees {
    mounts: BTreeMap<usize, OwnedFd>,
    caches: BTreeMap<usize, OwnedFd>,
}

impl Trees {
    /// Copies each root that not everybody reaches; that it is the one that was meant is seen when it is
    /// mounted. The others are cheaper to copy where they are mounted.
    pub(super) fn open(view: &View) -> Result<Self, Failure> {
        let tree = |path: &Path| copy(CWD, path).at(STEP, || format!("`{}`", path.display()));
        let mut trees = Self::default();
        for (at, mount) in view.mounts.iter().enumerate() {
            let of_host = matches!(mount.from, Source::Root { .. } | Source::Overlay { .. });
            if of_host && !is_open(&mount.path) {
                trees.mounts.insert(at, tree(&mount.path)?);
            }
        }
        for (at, kept) in view.caches.iter().enumerate() {
            if !is_open(&kept.host) {
                trees.caches.insert(at, tree(&kept.host)?);
            }
        }
        Ok(trees)
    }
}

/// Whether everybody may pass every directory on the way.
fn is_open(path: &Path) -> bool {
    path.ancestors().skip(1).all(|dir| rustix::fs::stat(dir).is_ok_and(|at| at.st_mode & 1 == 1))
}

pub(super) fn build(view: &View, mut trees: Trees, control: &OwnedFd) -> Result<(), Failure> {
    let all = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", all).at(STEP, || "mounts stay shared".into())?;
    let root = memory(view).at(STEP, || "the view's own file system".into())?;
    // On top of the root, where a directory surely is; what stands below stays reachable by its paths
    // until it is let go of.
    attach(&root, CWD, Path::new("/")).at(STEP, || "the view cannot be attached".into())?;
    for made in &view.made {
        make(&root, made)?;
    }
    for (at, mount) in view.mounts.iter().enumerate() {
        let what = || format!("`{}`", mount.path.display());
        match mount.from {
            Source::Overlay { .. } => {
                put(&root, &Mount { write: false, ..mount.clone() }, trees.mounts.remove(&at))?;
                overlay(&root, view, mount, at, control)?;
            }
            Source::Proc => attach(&processes().at(STEP, what)?, root.as_fd(), below(&mount.path))
                .at(STEP, what)?,
            Source::Memory | Source::Root { .. } | Source::System | Source::Device => {
                put(&root, mount, trees.mounts.remove(&at))?;
            }
        }
    }
    for (at, kept) in view.caches.iter().enumerate() {
        keep(&root, kept, trees.caches.remove(&at))?;
    }
    protect(&root, view)?;
    let fixed = MountAttrFlags::MOUNT_ATTR_RDONLY.bits();
    sys::set_mount(root.as_fd(), false, fixed.into(), 0).at(STEP, || "stays writable".into())?;
    enter(&root)
}

/// Makes the view the root and lets go of the host's tree.
fn enter(root: &OwnedFd) -> Result<(), Failure> {
    rustix::process::fchdir(root).at(STEP, || "the view cannot be entered".into())?;
    rustix::process::pivot_root(".", ".").at(STEP, || "the root stays".into())?;
    unmount(".", UnmountFlags::DETACH).at(STEP, || "the host's tree stays".into())?;
    rustix::process::chdir("/").at(STEP, || "the root cannot be entered".into())
}

/// A path inside the view, as seen from its root.
fn below(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// An empty file system in memory, bounded.
fn memory(view: &View) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(fs.as_fd(), "size", view.bytes_max.to_string())?;
    fsconfig_set_string(fs.as_fd(), "nr_inodes", view.inodes_max.to_string())?;
    fsconfig_set_string(fs.as_fd(), "mode", "0755")?;
    fsconfig_create(fs.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

/// The processes of this namespace, and nothing of the system's settings.
fn processes() -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(fs.as_fd(), "subset", "pid")?;
    fsconfig_set_string(fs.as_fd(), "hidepid", "2")?;
    fsconfig_create(fs.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn attach(mount: &OwnedFd, at: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<()> {
    move_mount(mount, "", at, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn attach_on(mount: &OwnedFd, on: &OwnedFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", on, "", flags)
}

fn make(root: &OwnedFd, made: &Made) -> Result<(), Failure> {
    let dir = |path: &Path, mode| rustix::fs::mkdirat(root, below(path), Mode::from_raw_mode(mode));
    let (path, result) = match made {
        Made::Dir(path) => (path, dir(path, 0o755)),
        Made::Open(path) => (path, dir(path, 0o700)),
        Made::Link(path, to) => (path, rustix::fs::symlinkat(to, root, below(path))),
        Made::File(path, bytes) => (path, file(root, path, bytes)),
    };
    result.at(STEP, || format!("`{}` cannot be made", path.display()))
}

fn file(root: &OwnedFd, path: &Path, bytes: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, below(path), flags, Mode::from_raw_mode(0o644))?;
    match bytes.is_empty() || rustix::io::write(&file, bytes)? == bytes.len() {
        true => Ok(()),
        false => Err(rustix::io::Errno::NOSPC),
    }
}

/// Mounts something of the host, or a writable directory of the view itself.
fn put(root: &OwnedFd, mount: &Mount, tree: Option<OwnedFd>) -> Result<(), Failure> {
    let what = || format!("`{}`", mount.path.display());
    let tree = match (tree, mount.from) {
        (Some(tree), _) => Ok(tree),
        (None, Source::Memory) => copy(root.as_fd(), below(&mount.path)),
        (None, _) => copy(CWD, &mount.path),
    }
    .at(STEP, what)?;
    check(&tree, mount)?;
    sys::set_mount(tree.as_fd(), true, attributes(mount).bits().into(), libc::MS_PRIVATE)
        .at(STEP, what)?;
    match mount.inside {
        false => attach(&tree, root.as_fd(), below(&mount.path)).at(STEP, what),
        true => {
            let on = find(root.as_fd(), below(&mount.path)).at(STEP, what)?;
            let kind = rustix::fs::fstat(&on).at(STEP, what)?.st_mode;
            match FileType::from_raw_mode(kind).is_symlink() {
                true => Err(rustix::io::Errno::LOOP).at(STEP, what),
                false => attach_on(&tree, &on).at(STEP, what),
            }
        }
    }
}

fn attributes(mount: &Mount) -> MountAttrFlags {
    let mut flags = MountAttrFlags::MOUNT_ATTR_NOSUID;
    if mount.from != Source::Device {
        flags |= MountAttrFlags::MOUNT_ATTR_NODEV;
    }
    if !mount.write {
        flags |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    if !mount.exec {
        flags |= MountAttrFlags::MOUNT_ATTR_NOEXEC;
    }
    flags
}

/// A detached copy of the mount at `path`, with everything mounted below it.
fn copy(at: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
        | OpenTreeFlags::AT_NO_AUTOMOUNT;
    open_tree(at, path, flags)
}

/// What was copied is what was verified, and of the kind that was planned.
fn check(tree: &OwnedFd, mount: &Mount) -> Result<(), Failure> {
    let what = || format!("`{}`", mount.path.display());
    let found = rustix::fs::fstat(tree).at(STEP, what)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    let good = match mount.from {
        Source::Root { dev, ino } | Source::Overlay { dev, ino } => {
            (found.st_dev, found.st_ino) == (dev, ino)
        }
        Source::Device => kind == FileType::CharacterDevice,
        Source::System => matches!(kind, FileType::Directory | FileType::RegularFile),
        Source::Memory | Source::Proc => true,
    };
    match good {
        true => Ok(()),
        false => {
            let what = format!("`{}` is another file now", mount.path.display());
            Err(Failure { step: STEP, errno: libc::ESTALE, what })
        }
    }
}

/// Opens a place inside the view without following any link: where it stands inside a root that
/// others write too, they may swap directories under us.
fn find(root: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

/// Mounts a layer that takes every change above what stands there, and hands its descriptor out before anything can write.
fn overlay(
    root: &OwnedFd,
    view: &View,
    mount: &Mount,
    at: usize,
    control: &OwnedFd,
) -> Result<(), Failure> {
    let what = || format!("layer above `{}`", mount.path.display());
    let lower = find(root.as_fd(), below(&mount.path)).at(STEP, what)?;
    let mode = rustix::fs::fstat(&lower).at(STEP, what)?.st_mode;
    let layer = memory(view).at(STEP, what)?;
    rustix::fs::mkdirat(root, LAYER, Mode::from_raw_mode(0o700)).at(STEP, what)?;
    attach(&layer, root.as_fd(), Path::new(LAYER)).at(STEP, what)?;
    for (name, mode) in [("upper", mode & 0o777), ("work", 0o700)] {
        rustix::fs::mkdirat(&layer, name, Mode::from_raw_mode(0o700)).at(STEP, what)?;
        rustix::fs::chmodat(&layer, name, Mode::from_raw_mode(mode), AtFlags::empty())
            .at(STEP, what)?;
    }
    let open = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&layer, name, flags, Mode::empty())
    };
    let (upper, work) = (open("upper").at(STEP, what)?, open("work").at(STEP, what)?);
    let merged = merge(&lower, &upper, &work).at(STEP, what)?;
    let flags = attributes(mount).bits();
    sys::set_mount(merged.as_fd(), false, flags.into(), libc::MS_PRIVATE).at(STEP, what)?;
    attach_on(&merged, &lower).at(STEP, what)?;
    unmount(own(&layer), UnmountFlags::DETACH).at(STEP, what)?;
    rustix::fs::unlinkat(root, LAYER, AtFlags::REMOVEDIR).at(STEP, what)?;
    let root = u32::try_from(at).unwrap_or(u32::MAX);
    Report::Changes { root }.send(control, Some(upper.as_fd())).at(STEP, what)
}

/// The path by which this process reaches what a descriptor stands for, whatever its name holds.
fn own(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn merge(lower: &OwnedFd, upper: &OwnedFd, work: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(fs.as_fd(), "lowerdir", own(lower))?;
    fsconfig_set_string(fs.as_fd(), "upperdir", own(upper))?;
    fsconfig_set_string(fs.as_fd(), "workdir", own(work))?;
    fsconfig_set_flag(fs.as_fd(), "userxattr")?;
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Mounts a directory of the host where a command looks for it, inside a layer.
fn keep(root: &OwnedFd, kept: &Kept, tree: Option<OwnedFd>) -> Result<(), Failure> {
    let what = || format!("cache `{}`", kept.at.display());
    let (dev, ino) = (kept.dev, kept.ino);
    let mount = Mount {
        path: kept.host.clone(),
        from: Source::Root { dev, ino },
        write: true,
        exec: kept.exec,
        inside: true,
    };
    let tree = tree.map_or_else(|| copy(CWD, &kept.host), Ok).at(STEP, what)?;
    check(&tree, &mount)?;
    sys::set_mount(tree.as_fd(), true, attributes(&mount).bits().into(), libc::MS_PRIVATE)
        .at(STEP, what)?;
    attach_on(&tree, &reach(root, &kept.at).at(STEP, what)?).at(STEP, what)
}

/// Opens a directory of the view, and makes what is missing on the way.
fn reach(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let mut at = PathBuf::new();
    let mut dir = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
    for part in below(path).components() {
        at.push(part);
        dir = match find(root.as_fd(), &at) {
            Err(rustix::io::Errno::NOENT) => {
                rustix::fs::mkdirat(&dir, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                find(root.as_fd(), &at)?
            }
            found => found?,
        };
    }
    match FileType::from_raw_mode(rustix::fs::fstat(&dir)?.st_mode).is_dir() {
        true => Ok(dir),
        false => Err(rustix::io::Errno::NOTDIR),
    }
}

/// Makes what is protected read-only, and each directory on the way to it immovable: a directory that
/// something is mounted on can neither be renamed nor removed.
fn protect(root: &OwnedFd, view: &View) -> Result<(), Failure> {
    let mut fixed: Vec<PathBuf> = Vec::new();
    for rule in &view.protect {
        let path = rule.root.join(&rule.below);
        let Some(leads) = walk(root, rule, &path, &mut fixed)? else { continue };
        let of_host = |mount: &&Mount| {
            matches!(mount.from, Source::Root { .. } | Source::Overlay { .. })
                && (mount.write || rule.hide)
                && leads.starts_with(&mount.path)
        };
        let around = view.mounts.iter().filter(of_host);
        let Some(mount) = around.max_by_key(|mount| mount.path.components().count()) else {
            // What stands outside of every root is read-only or not there.
            continue;
        };
        let below = leads.strip_prefix(&mount.path).unwrap_or(&leads).to_owned();
        if below.as_os_str().is_empty() {
            continue;
        }
        let there = Protect { root: mount.path.clone(), below, hide: rule.hide };
        if walk(root, &there, &leads, &mut fixed)?.is_some() {
            // Somebody puts links where there were none just now.
            return Err(rustix::io::Errno::LOOP)
                .at(STEP, || format!("protected `{}`", path.display()));
        }
    }
    Ok(())
}

/// Pins every part of a path below a root. Where a link is on the way, which nothing can be mounted on,
/// answers where the whole path leads.
fn walk(
    root: &OwnedFd,
    rule: &Protect,
    path: &Path,
    fixed: &mut Vec<PathBuf>,
) -> Result<Option<PathBuf>, Failure> {
    let mut at = rule.root.clone();
    let mut parts = path.strip_prefix(&rule.root).unwrap_or(path).components().peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let Some(kind) = kind(root, &at)? else { return Ok(None) };
        if kind.is_symlink() {
            return leads(root, path);
        }
        // What stands where a directory should is all there is to protect: the file that points to a
        // repository elsewhere.
        let last = parts.peek().is_none() || !kind.is_dir();
        if last && rule.hide {
            cover(root, &at, kind)?;
        } else if last || !fixed.contains(&at) {
            pin(root, &at, last)?;
            fixed.push(at.clone());
        }
        if last {
            break;
        }
    }
    Ok(None)
}

/// Where a path with links leads inside the view. `None` where it leads nowhere.
fn leads(root: &OwnedFd, path: &Path) -> Result<Option<PathBuf>, Failure> {
    let what = || format!("protected `{}`", path.display());
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match rustix::fs::openat2(root, below(path), flags, Mode::empty(), resolve) {
        Ok(fd) => {
            let to = rustix::fs::readlink(own(&fd), Vec::new()).at(STEP, what)?;
            Ok(Some(OsString::from_vec(to.into_bytes()).into()))
        }
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error).at(STEP, what),
    }
}

/// What stands at a path of the view. `None` where nothing does.
fn kind(root: &OwnedFd, path: &Path) -> Result<Option<FileType>, Failure> {
    let what = || format!("protected `{}`", path.display());
    match find(root.as_fd(), below(path)) {
        Ok(fd) => {
            let found = rustix::fs::fstat(&fd).at(STEP, what)?;
            Ok(Some(FileType::from_raw_mode(found.st_mode)))
        }
        Err(rustix::io::Errno::NOENT) => Ok(None),
        // A link on the way, put there since the way was looked at.
        Err(rustix::io::Errno::LOOP) => Ok(Some(FileType::Symlink)),
        Err(error) => Err(error).at(STEP, what),
    }
}

/// Mounts a path of the view on itself.
fn pin(root: &OwnedFd, path: &Path, fixed: bool) -> Result<(), Failure> {
    let what = || format!("protected `{}`", path.display());
    let on = find(root.as_fd(), below(path)).at(STEP, what)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(&on, "", flags).at(STEP, what)?;
    if fixed {
        let flags = MountAttrFlags::MOUNT_ATTR_RDONLY.bits();
        sys::set_mount(tree.as_fd(), true, flags.into(), 0).at(STEP, what)?;
    }
    attach_on(&tree, &on).at(STEP, what)
}

/// Mounts nothing, read-only, where there was something.
fn cover(root: &OwnedFd, path: &Path, kind: FileType) -> Result<(), Failure> {
    let what = || format!("hidden `{}`", path.display());
    let on = find(root.as_fd(), below(path)).at(STEP, what)?;
    let removal = match kind.is_dir() {
        true => rustix::fs::mkdirat(root, LAYER, Mode::from_raw_mode(0o755))
            .map(|()| AtFlags::REMOVEDIR),
        false => file(root, Path::new(LAYER), b"").map(|()| AtFlags::empty()),
    }
    .at(STEP, what)?;
    let nothing = copy(root.as_fd(), Path::new(LAYER)).at(STEP, what)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY.bits();
    sys::set_mount(nothing.as_fd(), false, attributes.into(), 0).at(STEP, what)?;
    attach_on(&nothing, &on).at(STEP, what)?;
    rustix::fs::unlinkat(root, LAYER, removal).at(STEP, what)
}
