//! What stands between this process and a layer.
//!
//! Owns the settings that are known to take namespaces and cgroups away, and the commands that give
//! them back. Reads them; never writes one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use kairos_sandbox::Layer;

use super::{Check, State};

/// Where programs are that the shipped profile names.
const PROFILED: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/opt/kairos/bin"];

/// Makes namespaces again where something takes them away.
pub(super) fn fix(layer: Layer) -> Vec<String> {
    match layer {
        Layer::UserNs
        | Layer::MountNs
        | Layer::PidNs
        | Layer::NetDeny
        | Layer::IpcNs
        | Layer::TreeKill => namespaces(&|path| fs::read_to_string(path).ok()),
        Layer::Landlock => {
            vec!["boot with `lsm=landlock,…` on the kernel's command line (Linux 5.13)".to_owned()]
        }
        Layer::Seccomp => vec!["use a kernel with CONFIG_SECCOMP_FILTER".to_owned()],
        Layer::Capabilities | Layer::NoNewPrivs | Layer::Rlimits | Layer::Cgroup => Vec::new(),
    }
}

/// The first setting that is known to be in the way, and what lifts it.
fn namespaces(read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    let set = |name: &str, value: &str| {
        vec![
            format!("sudo sysctl -w {name}={value}"),
            format!("echo {name}={value} | sudo tee /etc/sysctl.d/60-kairos.conf"),
        ]
    };
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return profile();
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return set("kernel.unprivileged_userns_clone", "1");
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return set("user.max_user_namespaces", "15000");
    }
    let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| read(path).is_some());
    match container {
        true => vec![
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined …"
                .to_owned(),
        ],
        false => Vec::new(),
    }
}

/// Ubuntu's rule: a program without a profile makes no user namespace that it can use.
fn profile() -> Vec<String> {
    let mut fix = vec![
        "sudo install -m 644 packaging/apparmor/kairos /etc/apparmor.d/kairos".to_owned(),
        "sudo apparmor_parser -r /etc/apparmor.d/kairos".to_owned(),
    ];
    let own = std::env::current_exe().ok();
    let dir = own.as_deref().and_then(Path::parent);
    let named = dir.is_some_and(|dir| {
        PROFILED.iter().any(|profiled| dir == Path::new(profiled))
            || dir.ends_with(".cargo/bin")
            || dir.ends_with(".local/bin")
    });
    if let Some(own) = own.filter(|_| !named) {
        fix.push(format!("first add `{}` to the profile: it is elsewhere", own.display()));
    }
    fix
}

/// Whether a daemon started as this process was gets a cgroup to divide. Nothing is moved to find out.
pub(super) fn cgroup() -> Check {
    let check = |state, detail: String| Check::new(Layer::Cgroup.name(), state, detail);
    let Some(dir) = own_cgroup() else {
        return check(State::Weaker, "no cgroup of version 2 is mounted".to_owned());
    };
    let offered = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| offered.split_whitespace().any(|offered| offered == name);
    let mine = |name: &str| {
        let access = rustix::fs::Access::WRITE_OK;
        rustix::fs::access(dir.join(name), access).is_ok()
    };
    if has("memory") && has("pids") && mine("cgroup.procs") && mine("cgroup.subtree_control") {
        let detail = "a daemon started like this divides its own".to_owned();
        return check(State::Ok, detail);
    }
    let why = "none is delegated: memory is bounded for each process, not for the whole tree";
    check(State::Weaker, why.to_owned()).fix(vec![
        "systemd-run --user --scope -p Delegate=yes kairos daemon".to_owned(),
        "in a unit: Delegate=memory pids".to_owned(),
    ])
}

fn own_cgroup() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        let below = Path::new(own).strip_prefix(root).ok()?;
        kind.starts_with("cgroup2 ").then(|| Path::new(at).join(below))
    })
}

/// Whether a command here has somebody to run as.
pub(super) fn owner(root: &Path) -> Check {
    let uid = root.metadata().map(|about| about.uid());
    match uid {
        Ok(0) if rustix::process::geteuid().is_root() => Check::new(
            "workspace",
            State::Weaker,
            "belongs to root: commands are refused until `commands_as: USER` says who they run as",
        )
        .fix(vec![format!("chown -R USER {}", root.display())]),
        Ok(uid) => Check::new("workspace", State::Ok, format!("belongs to uid {uid}")),
        Err(error) => Check::new("workspace", State::Missing, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_has_the_two_commands_that_lift_it() {
        let only = |at: &'static str, value: &'static str| {
            namespaces(&move |path| (path == at).then(|| format!("{value}\n")))
        };
        let restricted = only("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1");
        assert_eq!(restricted[..2], profile()[..2]);
        assert_eq!(
            only("/proc/sys/kernel/unprivileged_userns_clone", "0")[0],
            "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        );
        assert_eq!(
            only("/proc/sys/user/max_user_namespaces", "0")[0],
            "sudo sysctl -w user.max_user_namespaces=15000"
        );
        assert!(only("/.dockerenv", "")[0].starts_with("docker run "));
        assert_eq!(namespaces(&|_| None), Vec::<String>::new());
    }

    #[test]
    fn the_shipped_profile_names_the_places_that_are_taken_for_profiled() {
        let profile = include_str!("../../../../packaging/apparmor/kairos");
        for place in PROFILED.map(|place| place.trim_start_matches('/')) {
            assert!(profile.contains(place), "{place}");
        }
        for command in &super::profile()[..2] {
            assert!(profile.contains(command), "{command}");
        }
    }
}
