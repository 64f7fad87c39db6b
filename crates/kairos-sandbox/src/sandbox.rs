//! Where commands are run.
//!
//! Owns the small program, opened once and verified, and the thread that starts it. Never runs anything
//! without it: where the program is missing, of another version or somebody else's to write, there is
//! no sandbox.

mod error;
mod orders;
mod supervise;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::capture::{self, Capture};
use crate::command::{Command, Stdin};
use crate::compile::Compiled;
use crate::message::{self, Received, Report};
use crate::outcome::Outcome;
use crate::plan::MARK;
use crate::spawner::{Spawner, above};

pub use error::{Kind, RunError};
pub use supervise::{Killer, Running};

/// Name of the small program's file.
const NAME: &str = "kairos-sbx";

/// How long the small program may take to say which version it is.
const HELLO_MAX: Duration = Duration::from_secs(10);

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
    /// Names the open file, not its path: what is replaced on disk later is not what runs.
    program: CString,
    argv: Vec<&'static CStr>,
    file: OwnedFd,
}

/// Where the streams of a command go.
#[derive(Debug)]
pub enum Streams {
    /// Kept up to the policy's bound, and part of the outcome.
    Captured,
    /// To the caller's descriptors. Bounds of output are the caller's then.
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
        let file = above(verify(&path)?).map_err(|source| RunError::Spawn { source })?;
        let program = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .expect("a number has no NUL");
        let spawner = Spawner::new().map_err(|source| RunError::Spawn { source })?;
        let sandbox = Self { spawner, program, argv, file };
        sandbox.greet(&path)?;
        Ok(sandbox)
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
            Streams::Given { stdout, stderr } => ([None, None], [stdout, stderr]),
        };
        let stdin = stdin(command.stdin).map_err(failed)?;
        let absent = orders::absent(policy);
        let [out_end, err_end] = theirs;
        let (control, child) = self.launch(&plan.encode(), [stdin, out_end, err_end])?;
        let captures = ours.map(|stream| Capture::new(stream, keep));
        Running::new(child, control, captures, policy.clone(), absent, began, self.spawner.clone())
    }

    /// Starts the small program with a plan: (its end of the talk, the process).
    fn launch(&self, plan: &[u8], streams: [OwnedFd; 3]) -> Result<(OwnedFd, OwnedFd), RunError> {
        let failed = |source: io::Error| RunError::Spawn { source };
        let plan = sealed("plan", plan).map_err(failed)?;
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|error| failed(error.into()))?;
        let given = streams.into_iter().chain([plan, theirs]).collect();
        let child = self.spawner.spawn(&self.program, &self.argv, given).map_err(failed)?;
        Ok((control, child))
    }

    /// Asks the small program which version it is.
    fn greet(&self, path: &Path) -> Result<(), RunError> {
        let refuse = |why| RunError::Program { path: path.to_owned(), why };
        let failed = |source: io::Error| RunError::Spawn { source };
        let nothing = || null().map_err(failed);
        let (control, child) = self.launch(MARK, [nothing()?, nothing()?, nothing()?])?;
        let end = Instant::now() + HELLO_MAX;
        supervise::ready(&control, end).map_err(failed)?;
        let answer = message::receive(&control).map_err(failed)?;
        let _ = rustix::process::pidfd_send_signal(&child, rustix::process::Signal::KILL);
        supervise::reap(&child);
        match answer {
            Received::Report(Report::Hello, _) => Ok(()),
            Received::Report(..) | Received::Garbled => Err(refuse("is of another version")),
            Received::Nothing | Received::Closed => Err(refuse("does not answer")),
        }
    }
}

impl AsFd for Sandbox {
    /// The small program's file.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
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

fn null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

fn stdin(stdin: Stdin) -> io::Result<OwnedFd> {
    match stdin {
        Stdin::Empty => null(),
        Stdin::Bytes(bytes) => sealed("stdin", &bytes),
        Stdin::Fd(fd) => Ok(fd),
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
