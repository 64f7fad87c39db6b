//! What a command may do.
//!
//! Owns the words in which a caller says it: roots, writes, network, environment, layers. A policy is
//! plain values, opens nothing and decides nothing about the host; `compile` does.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::enforcement::Layer;
use crate::limits::Limits;

/// The home directory inside: empty, and gone with the command.
pub const HOME: &str = "/agent";

/// Where a command finds the one door of its network, if it has one. No other program is there to have it.
pub(crate) const PROXY_PORT: u16 = 3128;

/// What a command may see, write, execute and reach. Everything not named here it may not.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    /// Absolute paths it may read beside the system's own programs and libraries.
    pub read: Vec<PathRule>,
    /// Absolute paths it may read, and write as [`Policy::writes`] says. The first is its workspace.
    pub write: Vec<PathRule>,
    /// What stays read-only inside a write root: absolute, or relative to each write root.
    pub protect: Vec<PathRule>,
    /// What is empty inside a root of either kind, and cannot be written.
    pub hide: Vec<PathRule>,
    /// What outlives a layer and is never among its changes; looked at with [`WriteMode::Overlay`] only.
    pub caches: Vec<Cache>,
    pub exec: ExecRule,
    pub net: Net,
    pub env: EnvPolicy,
    pub limits: Limits,
    pub writes: WriteMode,
    pub layers: Layers,
    pub account: Account,
}

/// One path of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    pub path: PathBuf,
    pub absent: Absent,
}

/// A directory of a workspace whose content is nobody's work: what a build leaves for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Where a command finds it: absolute, below a write root. It need not be there.
    pub at: PathBuf,
    /// Where it is kept: an absolute path outside, which the command writes directly.
    pub kept: PathBuf,
}

/// What a path that is not there means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The policy cannot be compiled.
    Refuse,
    /// The rule says nothing.
    Skip,
}

impl PathRule {
    /// A path that must be there.
    pub fn required(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), absent: Absent::Refuse }
    }

    /// A path that may be missing.
    pub fn optional(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), absent: Absent::Skip }
    }
}

/// What becomes of writes below the write roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WriteMode {
    /// They fail: write roots are read roots.
    #[default]
    ReadOnly,
    /// They reach the files themselves, at once.
    Direct,
    /// They reach a layer above the files; what changed comes back with the outcome.
    Overlay,
}

/// Which files it may execute.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ExecRule {
    /// Everything it can see, also what it wrote itself.
    Any,
    /// Programs of the system and of the read roots, and nothing it could have written.
    #[default]
    System,
    /// These files, the program itself and the system's dynamic loader.
    Listed(Vec<PathBuf>),
}

/// What it may reach.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Net {
    /// Nothing: no socket of any family can be made.
    #[default]
    Deny,
    /// These destinations, through a proxy of ours. An empty list is [`Net::Deny`].
    Allow(Vec<HostPort>),
}

/// One destination, as it must be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name in lower case without a trailing dot, or an address in its usual form.
    pub host: String,
    pub port: u16,
}

impl HostPort {
    /// Reads `host:port` or `[v6]:port`. `None` where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.bytes().all(|b| b.is_ascii_digit()).then_some(port)?.parse().ok()?;
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match address {
            Some(address) => address.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6)?.to_string(),
            None => name(host)?,
        };
        (port != 0).then_some(Self { host, port })
    }
}

/// A host name or an IPv4 address in its one usual form.
fn name(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = host.len() <= 253 && host.split('.').all(label);
    // A last label of digits is an address in somebody's reading: `127.1`, `0x7f.1`, `2130706433`.
    let numeric = host.rsplit('.').next().is_some_and(|last| {
        last.starts_with(|c: char| c.is_ascii_digit()) && last.parse::<u64>().is_ok()
            || last.starts_with("0x")
    });
    match numeric {
        true => host.parse::<IpAddr>().ok().map(|address| address.to_string()),
        false => labels.then_some(host),
    }
}

/// The environment it starts with. Nothing is inherited that is not named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvPolicy {
    /// Given as they stand.
    pub set: Vec<(OsString, OsString)>,
    /// Copied from this process when the policy is compiled, where they are set.
    pub allow: Vec<OsString>,
}

impl EnvPolicy {
    /// No variable at all.
    pub fn empty() -> Self {
        Self { set: Vec::new(), allow: Vec::new() }
    }
}

/// Where programs are looked for inside.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `PATH`, `HOME`, `TMPDIR` and `LANG`, as the view has them.
impl Default for EnvPolicy {
    fn default() -> Self {
        let set = [("PATH", PATH), ("HOME", HOME), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")];
        Self { set: set.map(|(name, value)| (name.into(), value.into())).into(), allow: Vec::new() }
    }
}

/// Who it runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Account {
    /// Ourselves; where we are root, whoever owns the workspace. A workspace of root is refused then.
    #[default]
    Owner,
    /// These ids. Only root can choose others than its own, and nobody may choose 0.
    Named { uid: u32, gid: u32 },
}

/// How much a layer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Without it the command does not run.
    Require,
    /// Used where the host has it; its absence is reported.
    Prefer,
    /// Not used, and reported as absent.
    Off,
}

/// What is wanted of each layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers([Requirement; Layer::ALL.len()]);

impl Layers {
    pub fn of(&self, layer: Layer) -> Requirement {
        self.0[layer.index()]
    }

    /// The same layers with one changed.
    #[must_use]
    pub fn with(mut self, layer: Layer, requirement: Requirement) -> Self {
        self.0[layer.index()] = requirement;
        self
    }
}

/// Everything is required but Landlock and cgroups, which are preferred.
impl Default for Layers {
    fn default() -> Self {
        Self([Requirement::Require; Layer::ALL.len()])
            .with(Layer::Landlock, Requirement::Prefer)
            .with(Layer::Cgroup, Requirement::Prefer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, u16)> {
        HostPort::parse(text).map(|at| (at.host, at.port))
    }

    #[test]
    fn a_destination_has_one_form() {
        assert_eq!(read("Crates.IO:443"), Some(("crates.io".into(), 443)));
        assert_eq!(read("10.0.0.1:80"), Some(("10.0.0.1".into(), 80)));
        assert_eq!(read("[::1]:80"), Some(("::1".into(), 80)));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for text in [
            "a.com",
            "a.com:",
            "a.com:0",
            "a.com:+1",
            "a.com:65536",
            "a.com.:443",
            "*.a.com:443",
            "a..com:1",
            "127.1:80",
            "0x7f.1:80",
            "0177.0.0.1:80",
            "2130706433:80",
            ":80",
            "a b:80",
            "a.com\0.b:443",
            "::1:80",
            "[1.2.3.4]:80",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn by_default_only_landlock_and_cgroups_may_be_missing() {
        let layers = Layers::default();
        let preferred: Vec<Layer> =
            Layer::ALL.into_iter().filter(|l| layers.of(*l) != Requirement::Require).collect();
        assert_eq!(preferred, [Layer::Landlock, Layer::Cgroup]);
    }
}
