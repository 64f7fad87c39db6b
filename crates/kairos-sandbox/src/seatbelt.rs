//! A policy in the words of macOS.
//!
//! Owns the profile for `sandbox-exec` and its parameters, and the honest list of what that leaves out. A
//! path is never part of the profile's text, only a parameter of it, so no path can add a rule. Pure text:
//! nothing here starts anything by itself, and nothing of it was ever tried on a Mac.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process;

use crate::command::Command;
use crate::enforcement::{Enforcement, Layer, State};
use crate::policy::{ExecRule, Net, PROXY_PORT, Policy, WriteMode};

/// What `sandbox-exec -p TEXT -D NAME=VALUE …` is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub text: String,
    pub parameters: Vec<(String, OsString)>,
}

/// Programs, libraries and what they look at before their first line.
const SYSTEM: [&str; 6] =
    ["/bin", "/usr/bin", "/usr/lib", "/usr/share", "/System/Library", "/Library/Developer"];

/// Of those, where programs are.
const PROGRAMS: [&str; 4] = ["/bin", "/usr/bin", "/usr/lib", "/Library/Developer"];

const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// The profile of a policy. `None` for a layer of writes, which macOS has no means for.
pub fn profile(policy: &Policy) -> Option<Profile> {
    let mut profile = Profile {
        text: "(version 1)\n(deny default)\n(allow process-fork)\n(allow sysctl-read)\n\
               (allow signal (target same-sandbox))\n(allow file-read-metadata)\n"
            .to_owned(),
        parameters: Vec::new(),
    };
    for dir in SYSTEM {
        profile.fixed("allow file-read*", "subpath", dir);
    }
    for device in DEVICES {
        profile.fixed("allow file-read* file-write-data", "literal", device);
    }
    for rule in policy.read.iter().chain(&policy.write) {
        profile.named("allow file-read*", "subpath", "READ", &rule.path);
    }
    match policy.writes {
        WriteMode::ReadOnly => {}
        WriteMode::Direct => {
            for rule in &policy.write {
                profile.named("allow file-write*", "subpath", "WRITE", &rule.path);
            }
        }
        WriteMode::Overlay => return None,
    }
    profile.exec(policy);
    // The last rule that fits decides, so what is denied below a root stands after it.
    for (rules, name, what) in [
        (&policy.protect, "PROTECT", "deny file-write*"),
        (&policy.hide, "HIDE", "deny file-read* file-write*"),
    ] {
        for rule in rules {
            for root in &policy.write {
                profile.named(what, "subpath", name, &root.path.join(&rule.path));
            }
        }
    }
    if matches!(&policy.net, Net::Allow(hosts) if !hosts.is_empty()) {
        let port = PROXY_PORT;
        let _ = writeln!(profile.text, "(allow network-outbound (remote ip \"localhost:{port}\"))");
    }
    Some(profile)
}

impl Profile {
    fn exec(&mut self, policy: &Policy) {
        if let ExecRule::Listed(files) = &policy.exec {
            for file in files {
                self.named("allow process-exec", "literal", "EXEC", file);
            }
            return;
        }
        for dir in PROGRAMS {
            self.fixed("allow process-exec", "subpath", dir);
        }
        let own = policy.exec == ExecRule::Any || policy.writes == WriteMode::ReadOnly;
        let written = policy.write.iter().filter(|_| own);
        for rule in policy.read.iter().chain(written) {
            self.named("allow process-exec", "subpath", "EXEC", &rule.path);
        }
    }

    /// A rule about a path of the system.
    fn fixed(&mut self, rule: &str, kind: &str, path: &str) {
        let _ = writeln!(self.text, "({rule} ({kind} \"{path}\"))");
    }

    /// A rule about a path that somebody chose.
    fn named(&mut self, rule: &str, kind: &str, name: &str, path: &Path) {
        let name = format!("{name}_{}", self.parameters.len());
        let _ = writeln!(self.text, "({rule} ({kind} (param \"{name}\")))");
        self.parameters.push((name, path.as_os_str().to_owned()));
    }
}

/// Where macOS has the program that puts a profile on.
const DRIVER: &str = "/usr/bin/sandbox-exec";

/// How a command is started behind its profile, with nothing inherited but its streams: a group of its
/// own, and the environment of the policy. `None` where there is no profile. The caller waits for it, holds it to
/// the policy's limits and ends its group; of that nothing is done here.
pub fn starter(command: &Command, policy: &Policy) -> Option<process::Command> {
    let Profile { text, parameters } = profile(policy)?;
    let mut starter = process::Command::new(DRIVER);
    starter.arg("-p").arg(text);
    for (name, value) in parameters {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(value);
        starter.arg("-D").arg(pair);
    }
    starter.arg("--").arg(command.binary.path()).args(command.argv.iter().skip(1));
    let inherited = policy.env.allow.iter().filter_map(|name| Some((name, env::var_os(name)?)));
    starter.env_clear().envs(inherited);
    starter.envs(policy.env.set.iter().map(|(name, value)| (name, value)));
    starter.current_dir(&command.cwd).process_group(0);
    Some(starter)
}

/// What each layer would be there.
pub fn enforcement() -> Enforcement {
    let state = |layer| match layer {
        Layer::MountNs => {
            State::Degraded { why: "names outside can be looked at, files cannot".to_owned() }
        }
        Layer::NetDeny => State::Enforced { detail: "no rule allows it".to_owned() },
        Layer::Rlimits => {
            State::Degraded { why: "for each process, and not on their number".to_owned() }
        }
        Layer::TreeKill => {
            State::Degraded { why: "a process that left its group is searched for".to_owned() }
        }
        Layer::UserNs
        | Layer::PidNs
        | Layer::IpcNs
        | Layer::Capabilities
        | Layer::NoNewPrivs
        | Layer::Landlock
        | Layer::Seccomp
        | Layer::Cgroup => State::Absent { why: "macOS has no such thing".to_owned() },
    };
    Enforcement(Layer::ALL.map(|layer| (layer, state(layer))).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PathRule;

    fn policy(writes: WriteMode) -> Policy {
        Policy {
            write: vec![PathRule::required("/w\") (allow default) (\"")],
            protect: vec![PathRule::optional(".git/hooks")],
            writes,
            ..Policy::default()
        }
    }

    #[test]
    fn a_path_is_a_parameter_and_adds_no_rule() {
        let profile = profile(&policy(WriteMode::Direct)).expect("writes are direct");
        assert!(!profile.text.contains("allow default"), "{}", profile.text);
        assert!(profile.text.contains("(allow file-write* (subpath (param \"WRITE_1\")))"));
        let root = "/w\") (allow default) (\"";
        let names: Vec<_> = profile.parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["READ_0", "WRITE_1", "PROTECT_2"]);
        assert_eq!(profile.parameters[0].1, root);
    }

    #[test]
    fn what_is_denied_stands_last_and_no_mach_service_is_named() {
        let text = profile(&policy(WriteMode::Direct)).expect("writes are direct").text;
        let last = text.lines().last().expect("a line");
        assert_eq!(last, "(deny file-write* (subpath (param \"PROTECT_2\")))");
        assert!(text.starts_with("(version 1)\n(deny default)\n"));
        assert!(!text.contains("mach") && !text.contains("network"), "{text}");
    }

    #[test]
    fn a_command_is_started_behind_its_profile_with_the_policys_environment_alone() {
        let shell = crate::Binary::open(Path::new("/bin/sh")).expect("a shell");
        let path = shell.path().to_owned();
        let argv = ["sh", "-c", "true"].map(Into::into).into();
        let (cwd, stdin) = ("/w".into(), crate::Stdin::Empty);
        let command = Command { binary: shell, argv, cwd, stdin };
        let starter = starter(&command, &policy(WriteMode::Direct)).expect("a profile");
        let args: Vec<_> = starter.get_args().map(|arg| arg.to_string_lossy()).collect();
        assert_eq!((starter.get_program(), &*args[0], &*args[2]), (DRIVER.as_ref(), "-p", "-D"));
        let end = args.iter().position(|arg| arg == "--").expect("an end of options");
        assert_eq!(args[end + 1..], [path.to_string_lossy(), "-c".into(), "true".into()]);
        let set: Vec<_> = starter.get_envs().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(set, ["HOME", "LANG", "PATH", "TMPDIR"]);
    }

    #[test]
    fn a_layer_of_writes_is_refused_and_reading_writes_nothing() {
        assert_eq!(profile(&policy(WriteMode::Overlay)), None);
        let text = profile(&policy(WriteMode::ReadOnly)).expect("reads").text;
        assert!(!text.contains("WRITE_"), "{text}");
    }
}
