//! What there is outside, and the workspace.
//!
//! Owns the places of the world, the secret that lies everywhere outside, and how both are laid anew
//! before each attempt. Whatever an attempt has done, the next one finds the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Gid, Uid};

use crate::arena::PROGRAMS;
use crate::case::Ground;
use crate::hostile;

/// Whom every driver and every probe runs as.
pub(crate) const AGENT: u32 = 1000;
pub(crate) const HOME: &str = "/srv/agent";
pub(crate) const WORKSPACE: &str = "/srv/agent/ws";
/// A project of the same user that is none of the agent's business.
pub(crate) const OTHER: &str = "/srv/agent/other";
/// Where the world is kept ready to be copied.
const TEMPLATE: &str = "/var/lib/attack/repository";

/// Directories that the user may write and that are looked at for changes.
pub(crate) const WATCHED: [&str; 8] =
    ["/etc", HOME, "/tmp", "/var/tmp", "/dev/shm", "/usr/src", "/run", "/dev/mqueue"];

/// Files outside that hold the secret.
const SECRETS: [&str; 10] = [
    "/etc/shadow",
    "/srv/agent/.ssh/id_ed25519",
    "/srv/agent/.aws/credentials",
    "/srv/agent/.netrc",
    "/srv/agent/other/secret",
    "/srv/agent/other/src/main.rs",
    "/srv/agent/ws/.kairos/state",
    "/srv/agent/ws/.kairos/secrets.yml",
    "/tmp/secret",
    "/dev/shm/secret",
];

/// Files of the user that are read by other programs, later.
const PLAIN: [(&str, &str); 6] = [
    ("/srv/agent/.bashrc", "# mine\n"),
    (
        "/srv/agent/.gitconfig",
        "[user]\n\tname = Agent\n\temail = agent@example.org\n[safe]\n\tdirectory = *\n",
    ),
    (
        "/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nagent:x:1000:1000::/srv/agent:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost rebound.example x.rebound.example 10.9.8.7.evil.example\n"),
    ("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
];

/// Makes what stays the same for all attempts.
pub(crate) fn prepare() -> Result<()> {
    fs::create_dir_all(TEMPLATE)?;
    fs::write(Path::new(TEMPLATE).join("readme.txt"), "hello\n")?;
    fs::write(Path::new(TEMPLATE).join("main.c"), "int main(void) { return 0; }\n")?;
    let setuid = Path::new(PROGRAMS).join("probe-setuid");
    fs::copy(Path::new(PROGRAMS).join("probe"), &setuid)?;
    fs::set_permissions(&setuid, fs::Permissions::from_mode(0o4755))?;
    git(&["init", "--quiet", "--initial-branch", "main"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--message", "first"])?;
    Ok(())
}

fn git(args: &[&str]) -> Result<()> {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args(args)
        .current_dir(TEMPLATE)
        .env("HOME", "/nowhere")
        .output()
        .context("git cannot be started")?;
    if !output.status.success() {
        bail!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Lays the world anew with this secret.
pub(crate) fn lay(ground: Ground, secret: &str) -> Result<()> {
    detach_left()?;
    for dir in WATCHED.iter().filter(|dir| **dir != "/etc") {
        empty(Path::new(dir)).with_context(|| format!("`{dir}` cannot be emptied"))?;
    }
    for dir in [HOME, WORKSPACE, OTHER, "/usr/src/linux"] {
        fs::create_dir_all(dir)?;
    }
    lay_ground(ground)?;
    for (path, text) in PLAIN {
        fs::write(path, text)?;
    }
    for path in SECRETS {
        let path = Path::new(path);
        fs::create_dir_all(path.parent().expect("a file is in a directory"))?;
        fs::write(path, format!("{secret}\n"))?;
    }
    if ground == Ground::Hardlink {
        fs::hard_link(format!("{OTHER}/secret"), format!("{WORKSPACE}/hard-other"))?;
    }
    symlink("/etc", format!("{WORKSPACE}/link-etc"))?;
    symlink(OTHER, format!("{WORKSPACE}/link-other"))?;
    fs::create_dir_all(format!("{WORKSPACE}/src"))?;
    fs::write(format!("{WORKSPACE}/src/lib.c"), "int two(void) { return 2; }\n")?;
    for dir in ["/etc", HOME, "/usr/src", "/tmp/secret", "/dev/shm/secret", "/run"] {
        own(Path::new(dir))?;
    }
    Ok(())
}

fn lay_ground(ground: Ground) -> Result<()> {
    let ws = Path::new(WORKSPACE);
    match ground {
        Ground::Plain => fs::write(ws.join("readme.txt"), "hello\n")?,
        Ground::Repository | Ground::Hardlink => copy(Path::new(TEMPLATE), ws)?,
        Ground::Pointer => {
            copy(Path::new(TEMPLATE), ws)?;
            fs::rename(ws.join(".git"), Path::new(HOME).join("ws.git"))?;
            fs::write(ws.join(".git"), "gitdir: ../ws.git\n")?;
        }
        Ground::Worktree => {
            let main = Path::new(HOME).join("main");
            copy(Path::new(TEMPLATE), &main)?;
            let tree = main.join(".git/worktrees/ws");
            fs::create_dir_all(&tree)?;
            fs::write(tree.join("HEAD"), "ref: refs/heads/main\n")?;
            fs::write(tree.join("commondir"), "../..\n")?;
            fs::write(tree.join("gitdir"), format!("{WORKSPACE}/.git\n"))?;
            fs::copy(main.join(".git/index"), tree.join("index"))?;
            fs::write(ws.join("readme.txt"), "hello\n")?;
            fs::write(ws.join("main.c"), "int main(void) { return 0; }\n")?;
            fs::write(ws.join(".git"), format!("gitdir: {}\n", tree.display()))?;
        }
        Ground::LinkedHooks => {
            copy(Path::new(TEMPLATE), ws)?;
            fs::rename(ws.join(".git/hooks"), ws.join("hooks.real"))?;
            symlink("../hooks.real", ws.join(".git/hooks"))?;
        }
        Ground::Hostile(name) => {
            copy(Path::new(TEMPLATE), ws)?;
            hostile::lay(name, ws)?;
        }
    }
    Ok(())
}

/// Takes away what a driver with rights has mounted and left.
fn detach_left() -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let below =
        |point: &str, dir: &str| point.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
    let left = points.filter(|point| WATCHED.iter().any(|dir| below(point, dir)));
    for point in left.collect::<Vec<_>>().into_iter().rev() {
        rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH)?;
    }
    Ok(())
}

/// Removes what is below `dir`, and not `dir`.
fn empty(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700));
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Gives a tree to the agent.
fn own(path: &Path) -> Result<()> {
    let agent = (Some(Uid::from_raw(AGENT)), Some(Gid::from_raw(AGENT)));
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(rustix::fs::CWD, path, agent.0, agent.1, flags)?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            own(&entry?.path())?;
        }
    }
    Ok(())
}

/// Sixteen digits that nobody could have guessed.
pub(crate) fn new_secret() -> Result<String> {
    let mut bytes = [0_u8; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is protected inside the workspace: no command of an agent may write it, there or not.
pub(crate) const PROTECTED: [&str; 23] = [
    ".git/hooks",
    ".git/config",
    ".git/config.worktree",
    ".git/info",
    ".git/HEAD",
    ".git/commondir",
    ".git/modules",
    ".gitmodules",
    ".kairos",
    ".claude",
    ".codex",
    ".cursor",
    ".agents",
    ".mcp.json",
    ".vscode",
    ".zed/tasks.json",
    ".idea",
    ".envrc",
    ".cargo",
    ".husky",
    ".npmrc",
    ".bashrc",
    "hooks.real",
];

pub(crate) fn is_protected(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(WORKSPACE) else { return true };
    PROTECTED.iter().any(|name| below.starts_with(name))
}
