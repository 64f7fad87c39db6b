//! Where commands are run.
//!
//! Owns the small program, opened once and verified, and the thread that starts it. Never runs anything
//! without it: where the program is missing, of another version or somebody else's to write, there is
//! no sandbox.

mod error;
mod links;
mod orders;
mod proof;
mod supervise;

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::capture::{self, Capture};
use crate::cgroup::{Cell, Cgroup};
use crate::command::{Command, Stdin};
use crate::compile::Compiled;
use crate::message::Step;
use crate::outcome::Outcome;
use crate::plan::PLAN_BYTES_MAX;
use crate::spawner::{Program, Spawner, Started, null};

pub use error::RunError;
use proof::Proven;
use supervise::Beside;
pub use supervise::{Killer, Running};

/// Name of the small program's file.
const NAME: &str = "kairos-sbx";

/// Who owns nothing.
const NOBODY: u32 = 65_534;

const STRANGER: &str = "is not the program of this version";

/// Where the small program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramAt {
    /// In the directory of the running executable.
    Beside,
    /// There.
    Path(PathBuf),
    /// The running executable is it, when its first argument is `__sbx`.
    This,
}

/// A place to run commands. Cheap to share; commands run beside each other.
#[derive(Debug)]
pub struct Sandbox {
    spawner: Spawner,
    path: PathBuf,
    argv: Vec<&'static CStr>,
    cgroup: Option<Cgroup>,
    proven: Proven,
}

/// Where the streams of a command go.
#[derive(Debug)]
pub enum Streams {
    /// Kept up to the policy's bound, and part of the outcome.
    Captured,
    /// To the caller's descriptors. Bounds of output are the caller's then. A file can be opened anew by
    /// the command, with the rights its account has; where that matters, give it a pipe.
    Given { stdout: OwnedFd, stderr: OwnedFd },
}

impl Sandbox {
    /// Opens and verifies the small program, and asks for its version.
    pub fn open(at: &ProgramAt) -> Result<Self, RunError> {
        let (path, argv): (PathBuf, Vec<&'static CStr>) = match at {
            ProgramAt::Beside => (own_path()?.with_file_name(NAME), vec![c"kairos-sbx"]),
            ProgramAt::Path(path) => (path.clone(), vec![c"kairos-sbx"]),
            ProgramAt::This => (own_path()?, vec![c"kairos", c"__sbx"]),
        };
        let failed = |source| RunError::Spawn { source };
        let program = Program::new(verify(&path)?, argv.clone()).map_err(failed)?;
        match Spawner::new(program).map_err(failed)? {
            Some(spawner) => {
                Ok(Self { spawner, path, argv, cgroup: None, proven: Proven::default() })
            }
            None => Err(RunError::Program { path, why: STRANGER }),
        }
    }

    /// The same place with a cgroup to divide, which policies compiled for it then use.
    #[must_use]
    pub fn with_cgroup(mut self, cgroup: Cgroup) -> Self {
        self.cgroup = Some(cgroup);
        self
    }

    /// Runs a command to its end, whatever that is, and keeps its output.
    // tidy: word, because this is what the crate is for, and its callers say so
    pub fn run(&self, command: Command, policy: &Compiled) -> Result<Outcome, RunError> {
        self.spawn(command, policy, Streams::Captured)?.wait()
    }

    /// Starts a command. What is returned must be waited for; dropped, it kills.
    pub fn spawn(
        &self,
        command: Command,
        policy: &Compiled,
        streams: Streams,
    ) -> Result<Running, RunError> {
        let began = Instant::now();
        let plan = orders::plan(&command, policy)?;
        let failed = |source| RunError::Spawn { source };
        let keep = policy.inner().policy.limits.out_each;
        let (ours, theirs) = match streams {
            Streams::Captured => {
                let (out, out_end) = capture::pipe().map_err(failed)?;
                let (err, err_end) = capture::pipe().map_err(failed)?;
                ([Some(out), Some(err)], [out_end, err_end])
            }
            Streams::Given { stdout, stderr } => ([None, None], [no_dir(stdout)?, no_dir(stderr)?]),
        };
        let stdin = match command.stdin {
            Stdin::Empty => null().map_err(failed)?,
            Stdin::Bytes(bytes) => sealed("stdin", &bytes).map_err(failed)?,
            Stdin::Fd(fd) => no_dir(fd)?,
        };
        let until = began + policy.inner().policy.limits.wall.min(supervise::SETUP_MAX);
        links::search(policy.inner(), plan.ids.uid, until)?;
        let before = orders::Before::now(policy);
        let [out_end, err_end] = theirs;
        let cell = self.cell(policy)?;
        let procs = cell.as_ref().map(Cell::procs).transpose().map_err(unjoined)?;
        let streams = [stdin, out_end, err_end];
        let (control, child) = self.launch(&plan.encode(), streams, procs)?;
        let captures = ours.map(|stream| Capture::new(stream, keep));
        let beside = Beside { egress: None, cell, _spawner: self.spawner.clone() };
        Running::new(child, control, captures, policy.clone(), before, began, beside)
    }

    /// Has a command's first process started: (our end of the talk, the process).
    fn launch(
        &self,
        plan: &[u8],
        streams: [OwnedFd; 3],
        procs: Option<OwnedFd>,
    ) -> Result<(OwnedFd, OwnedFd), RunError> {
        let failed = |source: io::Error| RunError::Spawn { source };
        if plan.len() as u64 > PLAN_BYTES_MAX {
            return Err(RunError::Large);
        }
        let plan = sealed("plan", plan).map_err(failed)?;
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|error| failed(error.into()))?;
        let given = [plan].into_iter().chain(streams).chain([theirs]).chain(procs);
        let given: Vec<OwnedFd> = given.collect();
        let started = self.spawner.spawn(&given).map_err(failed)?;
        // The ends that belong to the command must close here before anybody waits for them.
        drop(given);
        match started {
            Started::Process(child) => Ok((control, child)),
            Started::Refused(source) => Err(failed(source)),
            Started::Stranger => Err(self.stranger()),
        }
    }

    /// A command's own cgroup, where its policy says there is one.
    fn cell(&self, policy: &Compiled) -> Result<Option<Cell>, RunError> {
        let inner = policy.inner();
        if !inner.has_cgroup() {
            return Ok(None);
        }
        let none = || unjoined(io::ErrorKind::NotFound.into());
        let cgroup = self.cgroup.as_ref().ok_or_else(none)?;
        cgroup.cell(&inner.policy.limits).map(Some).map_err(unjoined)
    }

    fn stranger(&self) -> RunError {
        RunError::Program { path: self.path.clone(), why: STRANGER }
    }
}

fn unjoined(source: io::Error) -> RunError {
    RunError::Setup { step: Step::Cgroup, what: "none can be made".into(), source }
}

fn own_path() -> Result<PathBuf, RunError> {
    std::env::current_exe().map_err(|source| RunError::Spawn { source })
}

/// Opens the small program: a regular file of ours or of root that nobody else can write.
fn verify(path: &Path) -> Result<OwnedFd, RunError> {
    let refuse = |why| Err(RunError::Program { path: path.to_owned(), why });
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
        return refuse("is not there");
    };
    let Ok(found) = rustix::fs::fstat(&file) else { return refuse("cannot be looked at") };
    if !FileType::from_raw_mode(found.st_mode).is_file() || found.st_mode & 0o100 == 0 {
        return refuse("is no program");
    }
    let own = rustix::process::geteuid().as_raw();
    if found.st_uid != own && found.st_uid != 0 {
        return refuse("belongs to somebody else");
    }
    match found.st_mode & 0o022 {
        0 => Ok(file),
        _ => refuse("can be written by others"),
    }
}

/// A descriptor a command may have: with a directory of the host it could walk out of its view.
fn no_dir(fd: OwnedFd) -> Result<OwnedFd, RunError> {
    let found = rustix::fs::fstat(&fd).map_err(|e| RunError::Spawn { source: e.into() })?;
    match FileType::from_raw_mode(found.st_mode).is_dir() {
        false => Ok(fd),
        true => Err(RunError::Stream),
    }
}

/// Bytes as a file in memory that nobody can change any more, at its beginning.
fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag that says it is no program.
    let file = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| rustix::fs::memfd_create(name, flags))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[rustix::io::pwrite(&file, rest, (bytes.len() - rest.len()) as u64)?..];
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}
