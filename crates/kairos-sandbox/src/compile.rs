//! From a policy to what is put up.
//!
//! Owns the decisions: which layers stand, what the view holds, which rules and filter follow, and
//! whether any of it is impossible here, which is the only place a policy fails for that reason. Opens
//! the roots, so that what was meant is pinned from here on. Starts nothing.

mod explain;
mod roots;
mod skeleton;

use std::ffi::CString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::enforcement::{Enforcement, Layer, State};
use crate::filter;
use crate::plan::{Bounds, Rules, variable};
use crate::policy::{ExecRule, Net, Policy, Requirement, WriteMode};
use crate::probe::Capabilities;
use crate::sys::Instruction;

pub use crate::policy::HOME;
pub(crate) use roots::{Access, Root};
pub(crate) use skeleton::Skeleton;

/// The first version of the kernel's access rules that knows signals and sockets without a path.
const SCOPED: u32 = 6;

/// Nothing about a command takes longer; clocks have an end.
const TIME_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Directories that are writable, empty and bounded for every command.
pub(crate) const MEMORY: [&str; 3] = ["/tmp", "/dev/shm", HOME];

/// A policy that this host enforces, with its roots pinned. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Compiled(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) policy: Policy,
    pub(crate) roots: Vec<Root>,
    /// Where each cache is found, and where it is kept.
    pub(crate) caches: Vec<(PathBuf, Root)>,
    pub(crate) skeleton: Skeleton,
    pub(crate) bounds: Bounds,
    pub(crate) landlock: Option<Rules>,
    pub(crate) filter: Vec<Instruction>,
    pub(crate) env: Vec<CString>,
    pub(crate) enforcement: Enforcement,
    pub(crate) text: String,
    pub(crate) hash: [u8; 32],
}

/// Why a policy cannot be enforced as it stands.
#[derive(Debug, Error)]
pub enum Unenforceable {
    /// A layer it requires is not there, or cannot be left out.
    #[error("layer `{layer}` cannot be enforced: {why}")]
    Layer { layer: Layer, why: String },
    #[error("root `{path}` cannot be opened")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("root `{path}` {why}")]
    Root { path: PathBuf, why: &'static str },
    #[error("protected path `{path}` {why}")]
    Protect { path: PathBuf, why: &'static str },
    #[error("cache `{path}` {why}")]
    Cache { path: PathBuf, why: &'static str },
    #[error("variable `{name}` cannot be given to a program")]
    Variable { name: String },
    #[error("limit `{name}` {why}")]
    Limit { name: &'static str, why: &'static str },
}

impl Compiled {
    /// SHA-256 of [`Compiled::explain`].
    pub fn hash(&self) -> [u8; 32] {
        self.0.hash
    }

    /// Everything that will hold a command, in lines for people.
    pub fn explain(&self) -> &str {
        &self.0.text
    }

    /// What each layer will do.
    pub fn enforcement(&self) -> &Enforcement {
        &self.0.enforcement
    }

    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

/// Decides how a policy is enforced here, or that it is not.
pub fn compile(policy: &Policy, host: &Capabilities) -> Result<Compiled, Unenforceable> {
    limits(policy)?;
    let enforcement = layers(policy, host)?;
    let roots = roots::open(policy)?;
    let caches = roots::caches(policy, &roots)?;
    let skeleton = Skeleton::new(policy, &roots);
    let stands = |layer| !matches!(enforcement.of(layer), State::Absent { .. });
    let landlock = stands(Layer::Landlock).then(|| {
        let mut rules = rules(policy, &roots, &skeleton, host.landlock());
        rules.write.extend(caches.iter().map(|(at, _)| at.clone()));
        rules
    });
    let filter = match stands(Layer::Seccomp) {
        true => filter::compile(&policy.net, &policy.exec, whole(&enforcement)),
        false => Vec::new(),
    };
    let text = explain::text(policy, &roots, &skeleton, &filter, &enforcement);
    let inner = Inner {
        policy: policy.clone(),
        bounds: bounds(policy, &enforcement),
        env: environment(policy)?,
        hash: Sha256::digest(text.as_bytes()).into(),
        roots,
        caches,
        skeleton,
        landlock,
        filter,
        enforcement,
        text,
    };
    Ok(Compiled(Arc::new(inner)))
}

/// Bounds that are none are refused: everything about a command is finite.
fn limits(policy: &Policy) -> Result<(), Unenforceable> {
    let limits = &policy.limits;
    let zero = [
        ("wall", limits.wall.is_zero()),
        ("cpu", limits.cpu.is_zero()),
        ("mem", limits.mem == 0),
        ("pids", limits.pids == 0),
        ("tmpfs", limits.tmpfs == 0),
        ("inodes", limits.inodes == 0),
    ];
    if let Some((name, _)) = zero.into_iter().find(|(_, zero)| *zero) {
        return Err(Unenforceable::Limit { name, why: "is 0" });
    }
    let long = [("wall", limits.wall), ("grace", limits.grace), ("cpu", limits.cpu)];
    if let Some((name, _)) = long.into_iter().find(|(_, time)| *time > TIME_MAX) {
        return Err(Unenforceable::Limit { name, why: "is more than a year" });
    }
    match limits.nofile < 16 {
        true => Err(Unenforceable::Limit { name: "nofile", why: "is below 16" }),
        false => Ok(()),
    }
}

/// What becomes of each layer; the first that is required and missing decides.
fn layers(policy: &Policy, host: &Capabilities) -> Result<Enforcement, Unenforceable> {
    let mut states = Vec::new();
    for layer in Layer::ALL {
        let refuse = |why: &str| Unenforceable::Layer { layer, why: why.to_owned() };
        let optional = matches!(layer, Layer::Landlock | Layer::Seccomp | Layer::Cgroup);
        let state = match (policy.layers.of(layer), host.of(layer)) {
            (Requirement::Off, _) if optional => State::Absent { why: "switched off".to_owned() },
            (Requirement::Off, _) => return Err(refuse("it cannot be left out")),
            (_, Ok(detail)) => State::Enforced { detail: detail.to_owned() },
            (Requirement::Prefer, Err(why)) if optional => State::Absent { why: why.to_owned() },
            (_, Err(why)) => return Err(refuse(why)),
        };
        states.push((layer, state));
    }
    let enforcement = Enforcement(states);
    if matches!(policy.exec, ExecRule::Listed(_))
        && matches!(enforcement.of(Layer::Landlock), State::Absent { .. })
    {
        let why = "only access rules can hold a list of programs".to_owned();
        return Err(Unenforceable::Layer { layer: Layer::Landlock, why });
    }
    Ok(degrade(enforcement, host.landlock()))
}

/// Says where a layer that stands is weaker without another.
fn degrade(mut enforcement: Enforcement, landlock: u32) -> Enforcement {
    let stands = |layer| matches!(enforcement.of(layer), State::Enforced { .. });
    let ruled = landlock >= SCOPED;
    let weaker = [
        (
            Layer::Rlimits,
            !stands(Layer::Cgroup),
            "memory is bounded for each process, not for the tree",
        ),
        (
            Layer::NetDeny,
            !stands(Layer::Seccomp),
            "sockets with a path in a root can be used, where no filter stands",
        ),
        (
            Layer::Landlock,
            stands(Layer::Landlock) && !ruled,
            "this version has no rules for signals and sockets without a path",
        ),
    ];
    for (layer, _, why) in weaker.into_iter().filter(|(_, is_weaker, _)| *is_weaker) {
        enforcement.0[layer.index()].1 = State::Degraded { why: why.to_owned() };
    }
    enforcement
}

/// Whether the whole tree is bounded.
fn whole(enforcement: &Enforcement) -> bool {
    matches!(enforcement.of(Layer::Cgroup), State::Enforced { .. })
}

fn bounds(policy: &Policy, enforcement: &Enforcement) -> Bounds {
    let whole = whole(enforcement);
    let limits = &policy.limits;
    Bounds {
        cpu_s: limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0),
        // A bound of the tree is the better one, and this one would refuse what it allows.
        memory: if whole { 0 } else { limits.mem },
        pids: limits.pids.into(),
        nofile: limits.nofile.into(),
        fsize: limits.fsize,
    }
}

/// Access rules that say once more what the view says, and what it cannot say about execution.
fn rules(policy: &Policy, roots: &[Root], skeleton: &Skeleton, abi: u32) -> Rules {
    let writable = roots.iter().filter(|root| root.access != Access::Read);
    let readable = roots.iter().filter(|root| root.access == Access::Read);
    let write = writable.map(|root| root.path.clone()).chain(MEMORY.map(PathBuf::from)).collect();
    let exec = match &policy.exec {
        ExecRule::Any => Vec::new(),
        ExecRule::System => skeleton
            .system()
            .map(PathBuf::from)
            .chain(readable.map(|root| root.path.clone()))
            .collect(),
        ExecRule::Listed(files) => files.iter().cloned().chain(skeleton::loaders()).collect(),
    };
    // The kernel may know more than this list does; what is ruled is what is listed.
    Rules { abi: abi.min(7), write, exec, port: door(&policy.net) }
}

fn environment(policy: &Policy) -> Result<Vec<CString>, Unenforceable> {
    let port = door(&policy.net);
    let proxy = (port != 0).then(|| format!("http://127.0.0.1:{port}"));
    let proxies = proxy.iter().flat_map(|proxy| PROXIES.map(|name| (name.into(), proxy.into())));
    let policy = &policy.env;
    let inherited = policy
        .allow
        .iter()
        .filter(|name| !policy.set.iter().any(|(set, _)| set == *name))
        .filter_map(|name| Some((name.clone(), std::env::var_os(name)?)));
    policy
        .set
        .iter()
        .cloned()
        .chain(inherited)
        .chain(proxies)
        .map(|(name, value)| {
            variable(&name, &value).ok_or_else(|| Unenforceable::Variable {
                name: name.to_string_lossy().into_owned(),
            })
        })
        .collect()
}

/// Names under which programs look for a proxy.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Where the network's one door listens; 0 where nothing may be reached.
fn door(net: &Net) -> u16 {
    match net {
        Net::Allow(hosts) if !hosts.is_empty() => crate::policy::PROXY_PORT,
        Net::Allow(_) | Net::Deny => 0,
    }
}

impl Inner {
    /// Whether each command gets a cgroup of its own.
    pub(crate) fn has_cgroup(&self) -> bool {
        whole(&self.enforcement)
    }

    pub(crate) fn door(&self) -> u16 {
        door(&self.policy.net)
    }
}

impl Root {
    /// Whether a command could have changed what is below.
    pub(crate) fn is_writable(&self) -> bool {
        self.access != Access::Read
    }
}

impl From<WriteMode> for Access {
    fn from(mode: WriteMode) -> Self {
        match mode {
            WriteMode::ReadOnly => Self::Read,
            WriteMode::Direct => Self::Write,
            WriteMode::Overlay => Self::Overlay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weaker(missing: Option<Layer>, landlock: u32) -> Vec<Layer> {
        let state = |layer| match missing == Some(layer) {
            true => State::Absent { why: String::new() },
            false => State::Enforced { detail: String::new() },
        };
        let enforcement = Enforcement(Layer::ALL.map(|layer| (layer, state(layer))).into());
        let degraded = degrade(enforcement, landlock);
        let weaker = degraded.iter().filter(|(_, s)| matches!(s, State::Degraded { .. }));
        weaker.map(|(layer, _)| layer).collect()
    }

    #[test]
    fn a_layer_that_is_weaker_without_another_is_not_told_whole() {
        assert_eq!(weaker(None, 7), []);
        assert_eq!(weaker(None, 5), [Layer::Landlock]);
        assert_eq!(weaker(Some(Layer::Seccomp), 7), [Layer::NetDeny]);
        assert_eq!(weaker(Some(Layer::Cgroup), 7), [Layer::Rlimits]);
        assert_eq!(weaker(Some(Layer::Landlock), 0), []);
    }
}
