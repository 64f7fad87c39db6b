//! From a configuration to the place where commands are executed.
//!
//! Owns the step from the three files to [`Settings`], and where builds keep what they leave for the
//! next one. The daemon and `kairos shell` take both from here, so that what a person tries is what a
//! step gets. Executes nothing.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kairos_core::digest::Digest;
use kairos_core::gate::scope::Scopes;
use kairos_effects::secret::Secret;
use kairos_effects::shell::{self, Opening, Settings, Shell, Unavailable};
use kairos_sandbox::Limits;
use kairos_sandbox::catalog::{Catalog, Trust};

use crate::accounts::{self, Account};
use crate::config::Env;
use crate::config::resolve::{Paths, Resolved};
use crate::protected;

/// Whether the process is a daemon, whose cgroup is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    Daemon,
    Verb,
}

/// Opens the place for commands of a workspace; takes as long as two commands.
pub(crate) fn open(root: &Path, whom: For, settings: Settings) -> Result<Shell, Unavailable> {
    let opening = Opening {
        workspace: root.to_owned(),
        kept: kept(root, &Env::of_process()),
        program: shell::program(),
        divides_cgroup: whom == For::Daemon,
    };
    Shell::open(opening, settings)
}

/// What a configuration that holds says of commands; at a start, and again at each reload. `root` is
/// without links.
pub(crate) fn settings(root: &Path, paths: &Paths, config: &Resolved) -> Settings {
    let env = Env::of_process();
    let own = [&paths.daemon, &paths.schedules, &paths.secrets].map(PathBuf::as_path);
    let secret = protected::paths_in(root, config.secrets.files().chain(own));
    let known = config.secrets.known(&env).map(|secret| Secret::new(secret.expose()));
    let key = config.options.model.as_ref().and_then(|model| model.api_key.as_ref());
    let account = config.options.commands.run_as.clone();
    // One process alone may use its whole time.
    let length = Duration::from_millis(config.options.commands.timeout_ms);
    let home = home(root, account.as_ref(), &env);
    let trust = home.iter().fold(Trust::system(root), |trust, home| trust.with_home(home));
    let shipped = Catalog::shipped(trust);
    let commands = config.options.commands.rules.iter().cloned();
    Settings {
        catalog: commands.fold(shipped, |catalog, rule| {
            catalog.with(rule).expect("each entry was tried when it was read")
        }),
        scopes: Scopes::new(config.rules.scopes.clone(), secret)
            .expect("each rule was tried when it was read"),
        limits: Limits { wall: length, cpu: length, ..Limits::default() },
        home,
        account: match account {
            Some(Account { uid, gid, .. }) => kairos_sandbox::Account::Named { uid, gid },
            None => kairos_sandbox::Account::Owner,
        },
        secrets: known.chain(key.map(|key| Secret::new(key.expose()))).collect(),
    }
}

/// Below which toolchains are: of whom a command runs as.
fn home(root: &Path, account: Option<&Account>, env: &Env) -> Option<PathBuf> {
    let own = || env.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    match (account, is_root()) {
        (Some(account), _) => account.home.clone(),
        (None, true) => accounts::home(root.metadata().ok()?.uid()),
        (None, false) => own(),
    }
}

/// Where builds keep what they leave for the next one: outside the workspace, and one place for each.
fn kept(root: &Path, env: &Env) -> PathBuf {
    /// Digits of the digest: enough for the workspaces of one machine.
    const DIGITS: usize = 16;
    let own = |name: &str| env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let above = match is_root() {
        // Of what root has at home nobody else reaches anything.
        true => Some(PathBuf::from("/var/cache/kairos")),
        false => own("XDG_CACHE_HOME")
            .or_else(|| Some(own("HOME")?.join(".cache")))
            .map(|caches| caches.join("kairos"))
            // A home may be a workspace.
            .filter(|above| !above.starts_with(root)),
    };
    let uid = rustix::process::geteuid().as_raw();
    let above = above.unwrap_or_else(|| format!("/var/tmp/kairos-{uid}").into());
    let digest = Digest::of(root.as_os_str().as_bytes()).to_string();
    above.join(&digest[..DIGITS])
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workspace_has_a_place_for_what_builds_keep() {
        let at = |root: &str, env: &Env| kept(Path::new(root), env);
        let env = Env::from([("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]);
        assert_eq!(at("/a", &env), at("/a", &env));
        assert_ne!(at("/a", &env), at("/b", &env));
        let above = |env: &Env| at("/a", env).parent().map(Path::to_owned);
        let expected = if is_root() { "/var/cache/kairos" } else { "/c/kairos" };
        assert_eq!(above(&env), Some(expected.into()));
        let expected = if is_root() { "/var/cache/kairos" } else { "/h/.cache/kairos" };
        let env = Env::from([("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(above(&env), Some(expected.into()));
        assert_eq!(at("/a", &env).file_name().map(|name| name.len()), Some(16));
        let uid = rustix::process::geteuid().as_raw();
        let elsewhere = PathBuf::from(match is_root() {
            true => "/var/cache/kairos".to_owned(),
            false => format!("/var/tmp/kairos-{uid}"),
        });
        assert_eq!(above(&Env::default()), Some(elsewhere.clone()));
        let env = Env::from([("HOME", "/a")]);
        assert_eq!(above(&env), Some(elsewhere));
    }
}
