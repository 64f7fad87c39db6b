//! What happens outside while a probe is at work.
//!
//! Owns the terminal that a driver is handed, the visitor that comes in over the network, and the swaps
//! of a directory with a link. Each ends with the attempt it belongs to.

use std::ffi::OsString;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;

use crate::arena::PROGRAMS;
use crate::world::{AGENT, OTHER, WORKSPACE};

/// A terminal whose other end we hold.
#[derive(Debug)]
pub(crate) struct Terminal {
    _master: OwnedFd,
    slave: OwnedFd,
    path: String,
}

impl Terminal {
    pub(crate) fn open() -> Result<Self> {
        use rustix::process::{Gid, Uid};
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let path = rustix::pty::ptsname(&master, Vec::new())?.into_string()?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&path, flags, Mode::empty())?;
        rustix::fs::chown(&path, Some(Uid::from_raw(AGENT)), Some(Gid::from_raw(AGENT)))?;
        // As typed, without waiting for the end of a line and without showing it.
        let mut settings = rustix::termios::tcgetattr(&slave)?;
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &settings)?;
        Ok(Self { _master: master, slave, path })
    }

    /// The driver's command, started with this terminal.
    pub(crate) fn before(&self, words: Vec<OsString>) -> Vec<OsString> {
        let own = OsString::from(format!("{PROGRAMS}/attack"));
        [own, "--terminal".into(), (&self.path).into()].into_iter().chain(words).collect()
    }

    /// For a driver that it does not control.
    pub(crate) fn as_stdin(&self) -> Result<Stdio> {
        Ok(self.slave.try_clone()?.into())
    }

    /// Whether somebody has typed something that nobody has read.
    pub(crate) fn has_input(&self) -> bool {
        rustix::io::ioctl_fionread(&self.slave).is_ok_and(|count| count > 0)
    }
}

/// `attack --terminal PATH PROGRAM ARG…`: becomes the program, with the terminal as stdin and controlled by it.
pub(crate) fn with_terminal(args: &[String]) -> Result<ExitCode> {
    let [path, program, rest @ ..] = args else {
        anyhow::bail!("a path and a program are missing")
    };
    // Whoever leads its group cannot leave it; a child can.
    if std::env::var_os("IN_TERMINAL").is_none() {
        let status = Command::new("/proc/self/exe")
            .arg("--terminal")
            .args(args)
            .env("IN_TERMINAL", "1")
            .status()?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
    }
    rustix::process::setsid().context("no group of its own")?;
    let slave = rustix::fs::open(path.as_str(), OFlags::RDWR, Mode::empty())?;
    rustix::process::ioctl_tiocsctty(&slave).context("the terminal cannot be taken")?;
    rustix::stdio::dup2_stdin(&slave)?;
    drop(slave);
    Err(Command::new(program).args(rest).env_remove("IN_TERMINAL").exec()).context(program.clone())
}

/// Connects to the port until somebody answers, for a while.
pub(crate) fn visit(port: u16) -> bool {
    const WHILE: Duration = Duration::from_millis(1_300);
    let begun = Instant::now();
    while begun.elapsed() < WHILE {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut bytes = [0_u8; 16];
            if matches!(stream.read(&mut bytes), Ok(count) if count > 0) {
                return true;
            }
        }
        sleep(Duration::from_millis(5));
    }
    false
}

/// Does the work of somebody who has nothing to do with the driver, as the same user, once the probe has
/// had a moment; answers what kept them from it.
pub(crate) fn work(args: &[&str]) -> Option<String> {
    const AFTER: Duration = Duration::from_millis(700);
    const PATIENCE: Duration = Duration::from_millis(500);
    sleep(AFTER);
    let begun = Instant::now();
    let output = Command::new(format!("{PROGRAMS}/probe"))
        .args(args)
        .current_dir(WORKSPACE)
        .env_clear()
        .uid(AGENT)
        .gid(AGENT)
        .stdin(Stdio::null())
        .output();
    let took = begun.elapsed();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match said {
        Ok(said) if !said.contains("\"succeeded\":true") => Some(format!("could not: {said}")),
        Ok(_) if took > PATIENCE => Some(format!("waited {} ms", took.as_millis())),
        Ok(_) => None,
        Err(error) => Some(format!("could not begin: {error}")),
    }
}

/// Keeps everybody in the arena from making user namespaces until it is dropped.
#[derive(Debug)]
pub(crate) struct WithoutNamespaces(String);

const NAMESPACES_MAX: &str = "/proc/sys/user/max_user_namespaces";

pub(crate) fn without_namespaces() -> WithoutNamespaces {
    let before = std::fs::read_to_string(NAMESPACES_MAX).unwrap_or_default();
    let _ = std::fs::write(NAMESPACES_MAX, "0");
    WithoutNamespaces(before)
}

impl Drop for WithoutNamespaces {
    fn drop(&mut self) {
        let _ = std::fs::write(NAMESPACES_MAX, self.0.trim());
    }
}

/// Swaps until it is dropped.
#[derive(Debug)]
pub(crate) struct Swaps {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// `swap` in the workspace: a directory, then a link to another project, then the directory again.
pub(crate) fn swap() -> Swaps {
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let ws = Path::new(WORKSPACE);
    let _ = std::fs::create_dir(ws.join("swap"));
    let _ = symlink(OTHER, ws.join("swap.link"));
    let agent = (rustix::process::Uid::from_raw(AGENT), rustix::process::Gid::from_raw(AGENT));
    let _ = rustix::fs::chown(ws.join("swap"), Some(agent.0), Some(agent.1));
    let thread = spawn(move || {
        let (one, other) = (ws.join("swap"), ws.join("swap.link"));
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        while !stop.load(Ordering::Relaxed) {
            let _ =
                rustix::fs::renameat_with(rustix::fs::CWD, &one, rustix::fs::CWD, &other, exchange);
            sleep(Duration::from_micros(200));
        }
    });
    Swaps { over, thread: Some(thread) }
}

impl Drop for Swaps {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
