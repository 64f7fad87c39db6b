//! What the small program is told.
//!
//! Owns every value that crosses into it and their form in bytes. A plan holds decisions, never rules:
//! the program puts up what stands here, or fails. Both sides are one version, checked first.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::bytes::{In, Out};
use crate::sys::Instruction;

/// First bytes of every plan; the last of them count changes of the form.
pub(crate) const MARK: &[u8] = concat!("kairos-sbx ", env!("CARGO_PKG_VERSION"), " 2\n").as_bytes();

/// Bytes of a plan at most: arguments and environment are bounded by the kernel at 6 MiB.
pub(crate) const PLAN_BYTES_MAX: u64 = 8 << 20;

/// Everything one command needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) ids: Ids,
    /// Whether a `cgroup.procs` to join comes along.
    pub(crate) cgroup: bool,
    /// Where the network's one door listens; 0 where it has none.
    pub(crate) door: u16,
    pub(crate) view: View,
    pub(crate) bounds: Bounds,
    pub(crate) landlock: Option<Rules>,
    /// Empty where no filter is wanted.
    pub(crate) filter: Vec<Instruction>,
    pub(crate) start: Start,
}

/// Who the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether they are others than our own, and must be taken on first.
    pub(crate) switch: bool,
}

/// What the root directory looks like.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct View {
    pub(crate) bytes_max: u64,
    pub(crate) inodes_max: u64,
    /// Made in an empty file system, in this order.
    pub(crate) made: Vec<Made>,
    /// Mounted on what was made or mounted before, in this order.
    pub(crate) mounts: Vec<Mount>,
    /// Mounted after all of them.
    pub(crate) caches: Vec<Kept>,
    /// Below write roots: read-only where it exists.
    pub(crate) protect: Vec<Protect>,
}

/// Something made in the view's own file system. Paths are absolute inside the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Dir(PathBuf),
    /// A directory the payload owns and writes.
    Open(PathBuf),
    File(PathBuf, Vec<u8>),
    Link(PathBuf, PathBuf),
}

/// Something mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where, in the view; also where on the host, for what comes from there.
    pub(crate) path: PathBuf,
    pub(crate) from: Source,
    pub(crate) write: bool,
    pub(crate) exec: bool,
    /// Whether it stands inside another mount, where somebody else may move directories.
    pub(crate) inside: bool,
}

/// Where a mount comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The same path on the host, if what is there has this device and inode.
    Root { dev: u64, ino: u64 },
    /// The same path on the host, a part of the system, whatever is there.
    System,
    /// A device of the host.
    Device,
    /// A directory of the view's own file system, writable.
    Memory,
    /// The same path on the host below a layer for changes.
    Overlay { dev: u64, ino: u64 },
    /// Processes of the namespace.
    Proc,
}

/// A directory of the host that stands somewhere else inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Inside a layer, where it is made if it is not there.
    pub(crate) at: PathBuf,
    pub(crate) host: PathBuf,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) exec: bool,
}

/// One path below a write root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protect {
    pub(crate) root: PathBuf,
    pub(crate) below: PathBuf,
    /// Whether its content is not to be seen either.
    pub(crate) hide: bool,
}

/// What one process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) cpu_s: u64,
    /// Private writable memory; 0 where a cgroup bounds the whole tree.
    pub(crate) memory: u64,
    pub(crate) pids: u64,
    pub(crate) nofile: u64,
    pub(crate) fsize: u64,
}

/// Access rules beside the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Version of the kernel's interface that must be enforced whole.
    pub(crate) abi: u32,
    pub(crate) write: Vec<PathBuf>,
    /// What may be executed; the whole view where empty.
    pub(crate) exec: Vec<PathBuf>,
    /// Where a connection may be made to; nowhere where 0.
    pub(crate) port: u16,
}

/// What is executed at last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: PathBuf,
}

impl Plan {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Out(MARK.to_vec());
        out.number(self.ids.uid.into());
        out.number(self.ids.gid.into());
        out.flag(self.ids.switch);
        out.flag(self.cgroup);
        out.number(self.door.into());
        self.view.encode(&mut out);
        let Bounds { cpu_s, memory, pids, nofile, fsize } = self.bounds;
        [cpu_s, memory, pids, nofile, fsize].into_iter().for_each(|bound| out.number(bound));
        out.list(self.landlock.as_slice(), |out, rules| rules.encode(out));
        out.list(&self.filter, |out, i| {
            let head = u64::from(i.code) << 48 | u64::from(i.jt) << 40 | u64::from(i.jf) << 32;
            out.number(head | u64::from(i.k));
        });
        self.start.encode(&mut out);
        out.0
    }

    /// `None` for bytes that no [`Plan::encode`] of this version wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = In(bytes.strip_prefix(MARK)?);
        let plan = Self {
            ids: Ids { uid: from.small()?, gid: from.small()?, switch: from.flag()? },
            cgroup: from.flag()?,
            door: from.number()?.try_into().ok()?,
            view: View::decode(&mut from)?,
            bounds: Bounds {
                cpu_s: from.number()?,
                memory: from.number()?,
                pids: from.number()?,
                nofile: from.number()?,
                fsize: from.number()?,
            },
            landlock: from.list(Rules::decode)?.pop(),
            filter: from.list(instruction)?,
            start: Start::decode(&mut from)?,
        };
        from.end().map(|()| plan)
    }
}

fn instruction(from: &mut In<'_>) -> Option<Instruction> {
    let [k0, k1, k2, k3, jf, jt, c0, c1] = from.number()?.to_le_bytes();
    let (code, k) = (u16::from_le_bytes([c0, c1]), u32::from_le_bytes([k0, k1, k2, k3]));
    Some(Instruction { code, jt, jf, k })
}

impl View {
    fn encode(&self, out: &mut Out) {
        out.number(self.bytes_max);
        out.number(self.inodes_max);
        out.list(&self.made, |out, made| match made {
            Made::Dir(path) => (out.byte(0), out.path(path)).1,
            Made::Open(path) => (out.byte(1), out.path(path)).1,
            Made::File(path, bytes) => (out.byte(2), out.path(path), out.bytes(bytes)).2,
            Made::Link(path, to) => (out.byte(3), out.path(path), out.path(to)).2,
        });
        out.list(&self.mounts, |out, mount| {
            out.path(&mount.path);
            let (kind, dev, ino) = match mount.from {
                Source::Root { dev, ino } => (0, dev, ino),
                Source::System => (1, 0, 0),
                Source::Device => (2, 0, 0),
                Source::Memory => (3, 0, 0),
                Source::Overlay { dev, ino } => (4, dev, ino),
                Source::Proc => (5, 0, 0),
            };
            out.byte(kind);
            out.number(dev);
            out.number(ino);
            [mount.write, mount.exec, mount.inside].into_iter().for_each(|flag| out.flag(flag));
        });
        out.list(&self.caches, |out, kept| {
            out.path(&kept.at);
            out.path(&kept.host);
            out.number(kept.dev);
            out.number(kept.ino);
            out.flag(kept.exec);
        });
        out.list(&self.protect, |out, protect| {
            out.path(&protect.root);
            out.path(&protect.below);
            out.flag(protect.hide);
        });
    }

    fn decode(from: &mut In<'_>) -> Option<Self> {
        Some(Self {
            bytes_max: from.number()?,
            inodes_max: from.number()?,
            made: from.list(|from| {
                Some(match from.byte()? {
                    0 => Made::Dir(from.path()?),
                    1 => Made::Open(from.path()?),
                    2 => Made::File(from.path()?, from.bytes()?.to_vec()),
                    3 => Made::Link(from.path()?, from.path()?),
                    _ => return None,
                })
            })?,
            mounts: from.list(Mount::decode)?,
            caches: from.list(|from| {
                let (at, host, dev) = (from.path()?, from.path()?, from.number()?);
                Some(Kept { at, host, dev, ino: from.number()?, exec: from.flag()? })
            })?,
            protect: from.list(|from| {
                Some(Protect { root: from.path()?, below: from.path()?, hide: from.flag()? })
            })?,
        })
    }
}

impl Mount {
    fn decode(from: &mut In<'_>) -> Option<Self> {
        let path = from.path()?;
        let (kind, dev, ino) = (from.byte()?, from.number()?, from.number()?);
        let kind = match kind {
            0 => Source::Root { dev, ino },
            1 => Source::System,
            2 => Source::Device,
            3 => Source::Memory,
            4 => Source::Overlay { dev, ino },
            5 => Source::Proc,
            _ => return None,
        };
        let (write, exec, inside) = (from.flag()?, from.flag()?, from.flag()?);
        Some(Self { path, from: kind, write, exec, inside })
    }
}

impl Rules {
    fn encode(&self, out: &mut Out) {
        out.number(self.abi.into());
        out.list(&self.write, |out, path| out.path(path));
        out.list(&self.exec, |out, path| out.path(path));
        out.number(self.port.into());
    }

    fn decode(from: &mut In<'_>) -> Option<Self> {
        Some(Self {
            abi: from.small()?,
            write: from.list(In::path)?,
            exec: from.list(In::path)?,
            port: from.number()?.try_into().ok()?,
        })
    }
}

impl Start {
    fn encode(&self, out: &mut Out) {
        out.path(&self.program);
        out.number(self.dev);
        out.number(self.ino);
        out.list(&self.argv, |out, arg| out.bytes(arg.as_bytes()));
        out.list(&self.env, |out, value| out.bytes(value.as_bytes()));
        out.path(&self.cwd);
    }

    fn decode(from: &mut In<'_>) -> Option<Self> {
        let string = |from: &mut In<'_>| CString::new(from.bytes()?).ok();
        Some(Self {
            program: from.path()?,
            dev: from.number()?,
            ino: from.number()?,
            argv: from.list(string)?,
            env: from.list(string)?,
            cwd: from.path()?,
        })
    }
}

/// A variable as a program gets it. `None` where a name or value cannot be one.
pub(crate) fn variable(name: &OsString, value: &OsString) -> Option<CString> {
    let name = name.as_bytes();
    (!name.is_empty() && !name.contains(&b'=')).then_some(())?;
    CString::new([name, b"=", value.as_bytes()].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let mount = |path: &str, from| Mount {
            path: path.into(),
            from,
            write: true,
            exec: false,
            inside: true,
        };
        Plan {
            ids: Ids { uid: 1000, gid: 100, switch: true },
            cgroup: true,
            door: 3128,
            view: View {
                bytes_max: 1,
                inodes_max: 2,
                made: vec![
                    Made::Dir("/a".into()),
                    Made::Open("/tmp".into()),
                    Made::File("/etc/hosts".into(), b"x".to_vec()),
                    Made::Link("/bin".into(), "usr/bin".into()),
                ],
                mounts: vec![
                    mount("/w", Source::Root { dev: 1, ino: 2 }),
                    mount("/usr", Source::System),
                    mount("/dev/null", Source::Device),
                    mount("/tmp", Source::Memory),
                    mount("/o", Source::Overlay { dev: 3, ino: 4 }),
                    mount("/proc", Source::Proc),
                ],
                caches: vec![Kept {
                    at: "/w/target".into(),
                    host: "/c".into(),
                    dev: 5,
                    ino: 6,
                    exec: true,
                }],
                protect: vec![Protect {
                    root: "/w".into(),
                    below: ".git/hooks".into(),
                    hide: true,
                }],
            },
            bounds: Bounds { cpu_s: 1, memory: 2, pids: 3, nofile: 4, fsize: 5 },
            landlock: Some(Rules {
                abi: 7,
                write: vec!["/w".into()],
                exec: vec!["/usr".into()],
                port: 8080,
            }),
            filter: vec![Instruction { code: 0x15, jt: 1, jf: 2, k: 0xdead_beef }],
            start: Start {
                program: "/bin/true".into(),
                dev: 5,
                ino: 6,
                argv: vec![c"true".into(), c"".into()],
                env: vec![c"A=b".into()],
                cwd: "/w".into(),
            },
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_not_if_a_byte_is_missing() {
        let bytes = plan().encode();
        assert_eq!(Plan::decode(&bytes), Some(plan()));
        for end in 0..bytes.len() {
            assert_eq!(Plan::decode(&bytes[..end]), None, "{end}");
        }
        assert_eq!(Plan::decode(&[bytes, vec![0]].concat()), None);
    }

    #[test]
    fn a_variable_has_a_name_and_no_nul() {
        let of = |name: &str, value: &str| variable(&name.into(), &value.into());
        assert_eq!(of("A", "b=c"), Some(c"A=b=c".into()));
        assert_eq!((of("", "b"), of("A=", "b"), of("A", "b\0")), (None, None, None));
    }
}
