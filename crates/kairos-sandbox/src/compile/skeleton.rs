//! What a view is made of, before a command is known.
//!
//! Owns the parts every view has (programs and libraries, a few files of `/etc`, devices, processes,
//! memory) and the directories that mounts need to stand on. All of it is made in the view's own file
//! system; the host keeps its directories as they are.

use std::fs;
use std::path::{Path, PathBuf};

use super::{MEMORY, Root};
use crate::plan::{Made, Mount, Protect, Source};
use crate::policy::{ExecRule, Net, PathRule, Policy};

use super::roots::Access;

/// Where programs and libraries are. On most systems all but the first are links.
const PROGRAMS: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];

/// What programs need of `/etc` and cannot be told otherwise. Nothing here is a secret.
const SETTINGS: [&str; 2] = ["/etc/ld.so.cache", "/etc/alternatives"];

/// What programs need of it to trust somebody, where there is anybody to be reached.
const TRUST: [&str; 4] =
    ["/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted"];

const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"];

const DEVICE_LINKS: [(&str, &str); 5] = [
    // One and the same for as long as it matters.
    ("/dev/random", "urandom"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Files made for the view.
const WRITTEN: [(&str, &str); 4] = [
    ("/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("/etc/hostname", "sandbox\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
    ("/etc/resolv.conf", ""),
];

/// Everything made and mounted, in order, to be added to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skeleton {
    pub(crate) made: Vec<Made>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) protect: Vec<Protect>,
}

impl Skeleton {
    pub(super) fn new(policy: &Policy, roots: &[Root]) -> Self {
        let mut view = Self::default();
        view.programs();
        view.written();
        view.settings(&SETTINGS);
        if !matches!(policy.net, Net::Deny) {
            view.settings(&TRUST);
        }
        view.devices();
        let own = policy.exec == ExecRule::Any;
        view.mount(Path::new("/proc"), Source::Proc, true, true, false);
        for path in MEMORY {
            view.memory(Path::new(path), own);
        }
        for root in roots {
            view.root(root, own);
        }
        for (rules, hide) in [(&policy.protect, false), (&policy.hide, true)] {
            for rule in rules {
                view.protect.extend(protected(rule, roots, hide));
            }
        }
        view.protect.extend(nested(roots));
        view
    }

    /// Directories of the host that hold programs.
    pub(crate) fn system(&self) -> impl Iterator<Item = &Path> {
        let programs = |mount: &&Mount| PROGRAMS.iter().any(|dir| mount.path == Path::new(dir));
        self.mounts.iter().filter(programs).map(|mount| mount.path.as_path())
    }

    /// Adds one file of the host, where the view does not show it yet.
    pub(crate) fn add_program(&mut self, path: &Path, (dev, ino): (u64, u64)) {
        if !self.shows(path) {
            self.mount(path, Source::Root { dev, ino }, false, false, true);
        }
    }

    /// Whether a path of the host is the same path inside.
    pub(crate) fn shows(&self, path: &Path) -> bool {
        let host = |from: Source| {
            matches!(from, Source::Root { .. } | Source::System | Source::Overlay { .. })
        };
        self.covering(path).is_some_and(|mount| host(mount.from))
    }

    /// The innermost mount at or above a path.
    fn covering(&self, path: &Path) -> Option<&Mount> {
        let around = self.mounts.iter().filter(|mount| path.starts_with(&mount.path));
        around.max_by_key(|mount| mount.path.components().count())
    }

    fn programs(&mut self) {
        for path in PROGRAMS.map(Path::new) {
            match fs::read_link(path) {
                Ok(to) => self.made.push(Made::Link(path.to_owned(), to)),
                Err(_) if path.is_dir() => self.mount(path, Source::System, true, false, true),
                Err(_) => {}
            }
        }
    }

    fn written(&mut self) {
        self.dir(Path::new("/etc"));
        for (path, text) in WRITTEN {
            self.made.push(Made::File(path.into(), text.into()));
        }
        if let Ok(zone) = fs::read_link("/etc/localtime") {
            self.made.push(Made::Link("/etc/localtime".into(), zone));
        }
    }

    fn settings(&mut self, paths: &[&str]) {
        for path in paths.iter().map(Path::new) {
            if let Ok(found) = fs::symlink_metadata(path)
                && !found.is_symlink()
            {
                self.mount(path, Source::System, found.is_dir(), false, false);
            }
        }
    }

    fn devices(&mut self) {
        for path in DEVICES.map(Path::new) {
            if path.exists() {
                self.mount(path, Source::Device, false, false, false);
            }
        }
        for (path, to) in DEVICE_LINKS {
            self.made.push(Made::Link(path.into(), to.into()));
        }
    }

    fn memory(&mut self, path: &Path, exec: bool) {
        if let Some(above) = path.parent() {
            self.dir(above);
        }
        self.made.push(Made::Open(path.to_owned()));
        let mount =
            Mount { path: path.to_owned(), from: Source::Memory, write: true, exec, inside: false };
        self.mounts.push(mount);
    }

    fn root(&mut self, root: &Root, own: bool) {
        let (dev, ino) = (root.dev, root.ino);
        if root.access == Access::Read && self.shows_system(&root.path) {
            return;
        }
        let from = match root.access {
            Access::Read | Access::Write => Source::Root { dev, ino },
            Access::Overlay => Source::Overlay { dev, ino },
        };
        let write = root.is_writable();
        self.mount(&root.path, from, root.is_dir, write, own || !write);
    }

    fn shows_system(&self, path: &Path) -> bool {
        self.covering(path).is_some_and(|mount| mount.from == Source::System)
    }

    /// Mounts something, and makes what it stands on unless another mount brings that along.
    fn mount(&mut self, path: &Path, from: Source, is_dir: bool, write: bool, exec: bool) {
        let foreign = |mount: &Mount| mount.from != Source::Memory;
        let inside = self.covering(path).is_some_and(foreign);
        if !inside {
            match (is_dir, path.parent()) {
                (true, _) => self.dir(path),
                (false, above) => {
                    above.into_iter().for_each(|above| self.dir(above));
                    self.made.push(Made::File(path.to_owned(), Vec::new()));
                }
            }
        }
        self.mounts.push(Mount { path: path.to_owned(), from, write, exec, inside });
    }

    /// Makes a directory and those above it, once.
    fn dir(&mut self, path: &Path) {
        let is = |made: &Made, path: &Path| match made {
            Made::Dir(at) | Made::Open(at) => at == path,
            Made::File(..) | Made::Link(..) => false,
        };
        let missing: Vec<PathBuf> = path
            .ancestors()
            .filter(|above| above.parent().is_some())
            .filter(|above| !self.made.iter().any(|made| is(made, above)))
            .map(Path::to_owned)
            .collect();
        self.made.extend(missing.into_iter().rev().map(Made::Dir));
    }
}

/// Where a rule holds: below each root that can be written, or be read where it hides; or below the one
/// it names.
fn protected(rule: &PathRule, roots: &[Root], hide: bool) -> impl Iterator<Item = Protect> {
    let concerned = move |root: &&Root| hide || root.is_writable();
    roots.iter().filter(concerned).filter_map(move |root| {
        let below = match rule.path.is_absolute() {
            true => rule.path.strip_prefix(&root.path).ok()?,
            false => &rule.path,
        };
        let below = below.to_owned();
        (!below.as_os_str().is_empty()).then(|| Protect { root: root.path.clone(), below, hide })
    })
}

/// What may only be read inside of what may be written: a name on the way to it would else be moved, and
/// something put in its place.
fn nested(roots: &[Root]) -> impl Iterator<Item = Protect> {
    let read = roots.iter().filter(|root| !root.is_writable());
    read.flat_map(move |root| {
        let outer = roots.iter().filter(|outer| outer.is_writable());
        outer.filter_map(|outer| {
            let below = root.path.strip_prefix(&outer.path).ok()?.to_owned();
            Some(Protect { root: outer.path.clone(), below, hide: false })
        })
    })
}

/// The system's dynamic loaders, which the kernel executes for every program that is not static.
pub(super) fn loaders() -> impl Iterator<Item = PathBuf> {
    let in_dir = |dir: &str| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let loader = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("ld-");
        entries.filter(move |e| loader(&e.file_name())).filter_map(|e| e.path().canonicalize().ok())
    };
    let found: std::collections::BTreeSet<PathBuf> =
        ["/lib", "/lib64"].into_iter().flat_map(in_dir).filter(|path| path.is_file()).collect();
    found.into_iter()
}
