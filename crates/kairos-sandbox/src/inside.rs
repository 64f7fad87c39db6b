//! What happens inside the small program, before the command.
//!
//! Owns the order of the steps and their one way to fail: say which, and end with 125. The program
//! itself waits for orders and reads no plan. For each command it makes a process, and three take
//! part: the first sees the host, changes account, makes the namespaces, and then only waits; the
//! second is the first process of the namespaces ([`init`]), builds the view, drops every right and
//! reaps; the third becomes the command ([`payload`]).
//! Nothing here decides what is allowed: the plan did. No step is skipped because it failed.

mod access;
mod door;
mod init;
mod payload;
pub(crate) mod prove;
mod view;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, getpid, getppid,
    getrlimit, pidfd_open, pidfd_send_signal, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, setsid, wait,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::message::{Order, Report, Step};
use crate::plan::{PLAN_BYTES_MAX, Plan};
use crate::sys::{self, Cloned};

/// Exit status of every process of ours that failed before the command.
const FAILED: u8 = 125;

/// The argument that asks for a proof instead of waiting for orders.
pub(crate) const PROVE: &str = "__prove";

/// Where orders come from.
const DOOR: i32 = 3;

const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// A step that did not succeed.
#[derive(Debug)]
struct Failure {
    step: Step,
    errno: i32,
    what: String,
}

/// Names the step and the thing that an error is of.
trait At<T> {
    fn at(self, step: Step, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| {
            let errno = error.into().raw_os_error().unwrap_or(libc::EIO);
            Failure { step, errno, what: what() }
        })
    }
}

/// The program: waits for orders on descriptor 3, and makes a copy of itself for each command.
///
/// Nothing a copy learns comes back, and none of them returns into anything that could execute without
/// the walls.
pub fn main() -> ExitCode {
    if std::env::args_os().next_back().is_some_and(|last| last == PROVE) {
        let holes = prove::holes(std::env::args_os().any(|arg| arg == prove::RULED));
        let said = if holes.is_empty() { prove::HELD.to_owned() } else { holes.join(", ") };
        let written = rustix::io::write(rustix::stdio::stdout(), said.as_bytes());
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let Some(door) = sys::inherited(DOOR) else {
        eprintln!("kairos-sbx is started by kairos and has nothing to say by itself");
        return ExitCode::from(2);
    };
    if reset().is_err() {
        return ExitCode::from(FAILED);
    }
    while let Some((order, given)) = Order::receive(&door) {
        let told = match order {
            Order::Hello => Report::Hello.send(&door, None),
            Order::Start => start(&door, given),
        };
        if told.is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Makes the process that puts up the walls.
fn start(door: &OwnedFd, given: Vec<OwnedFd>) -> io::Result<()> {
    let own = getpid();
    match sys::clone_into(0) {
        Ok(Cloned::Child) => {
            // Orders are for the program that waits for them: whoever gets at this process must not
            // get at other commands.
            let Ok(()) = sys::close_between(DOOR.cast_unsigned(), DOOR.cast_unsigned()) else {
                sys::exit_now(FAILED.into())
            };
            command(given, own)
        }
        Ok(Cloned::Parent { pidfd }) => {
            Report::Started.send(door, Some(pidfd.as_fd())).or_else(|error| {
                // Nobody would know whom to kill; others that were started go on.
                let _ = pidfd_send_signal(&pidfd, Signal::KILL);
                refuse(door, &error)
            })
        }
        Err(error) => refuse(door, &error),
    }
}

fn refuse(door: &OwnedFd, error: &io::Error) -> io::Result<()> {
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    let what = "no process for it".into();
    Report::Failed { step: Step::Reset, errno, what }.send(door, None)
}

/// The process that puts up the walls, with what came along.
fn command(given: Vec<OwnedFd>, parent: Pid) -> ! {
    let mut given = given.into_iter();
    let (Some(plan), Some(stdin), Some(stdout), Some(stderr), Some(control)) =
        (given.next(), given.next(), given.next(), given.next(), given.next())
    else {
        sys::exit_now(FAILED.into())
    };
    let streams = Streams { stdin, stdout, stderr };
    match begin(plan, streams, given.next(), &control, parent) {
        Ok(never) => match never {},
        Err(failure) => give_up(&failure, &control),
    }
}

struct Streams {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Says what failed and ends.
fn give_up(failure: &Failure, control: &OwnedFd) -> ! {
    let Failure { step, errno, what } = failure;
    let report = Report::Failed { step: *step, errno: *errno, what: what.clone() };
    // Nobody to tell means nobody to run for: the status says the same.
    let _ = report.send(control, None);
    sys::exit_now(FAILED.into())
}

enum Never {}

fn begin(
    plan: OwnedFd,
    streams: Streams,
    cgroup: Option<OwnedFd>,
    control: &OwnedFd,
    parent: Pid,
) -> Result<Never, Failure> {
    let bytes = read(&plan).at(Step::Plan, || "cannot be read".into())?;
    drop(plan);
    let plan = Plan::decode(&bytes).ok_or_else(|| Failure {
        step: Step::Plan,
        errno: libc::EPROTO,
        what: "of another version".into(),
    })?;
    tie(parent)?;
    // All others are as the program set them for itself, when it began.
    sys::heed_children();
    place(streams)?;
    match (plan.cgroup, cgroup) {
        (false, None) => {}
        (true, Some(procs)) => {
            rustix::io::write(&procs, b"0").at(Step::Cgroup, || "cannot be joined".into())?;
        }
        _ => {
            let what = "not what was planned".into();
            return Err(Failure { step: Step::Cgroup, errno: libc::EBADF, what });
        }
    }
    let trees = match plan.ids.switch {
        true => view::Trees::open(&plan.view)?,
        false => view::Trees::default(),
    };
    account(&plan, parent)?;
    let own = pidfd_open(getpid(), PidfdFlags::empty())
        .at(Step::Namespaces, || "no descriptor of oneself".into())?;
    match sys::clone_into(NAMESPACES).at(Step::Namespaces, || "cannot be made".into())? {
        Cloned::Child => {
            let Err(failure) = init::begin(&plan, trees, control, &own);
            give_up(&failure, control)
        }
        Cloned::Parent { pidfd } => attend(&pidfd, control),
    }
}

/// Puts the command's streams where a program looks for them.
fn place(streams: Streams) -> Result<(), Failure> {
    let what = || "streams".to_owned();
    rustix::stdio::dup2_stdin(&streams.stdin).at(Step::Reset, what)?;
    rustix::stdio::dup2_stdout(&streams.stdout).at(Step::Reset, what)?;
    rustix::stdio::dup2_stderr(&streams.stderr).at(Step::Reset, what)
}

fn read(plan: &OwnedFd) -> io::Result<Vec<u8>> {
    let size = rustix::fs::fstat(plan)?.st_size;
    let size = u64::try_from(size).ok().filter(|size| *size <= PLAN_BYTES_MAX);
    let size = size.and_then(|size| usize::try_from(size).ok());
    let mut bytes = vec![0; size.ok_or(io::ErrorKind::FileTooLarge)?];
    let mut at = 0;
    while at < bytes.len() {
        match rustix::io::pread(plan, &mut bytes[at..], at as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => at += n,
        }
    }
    Ok(bytes)
}

/// Forgets everything a parent may have left: signals, session, umask, descriptors. Its own children
/// it forgets too: nobody waits for them here, each has a descriptor elsewhere.
fn reset() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    sys::close_from(DOOR.cast_unsigned() + 1)?;
    sys::reset_signals()?;
    sys::forget_children();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    setsid()?;
    sys::leave_personality()?;
    more_files()
}

/// Descriptors on their way to others are counted for each user, against this bound of whoever sends the
/// next one. A command of the same user may have many on the way.
fn more_files() -> io::Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?)
}

/// Dies with the process that made this one.
fn tie(parent: Pid) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .at(Step::Reset, || "no signal at the parent's death".into())?;
    match getppid() == Some(parent) {
        true => Ok(()),
        false => Err(Failure {
            step: Step::Reset,
            errno: libc::ESRCH,
            what: "the parent is gone".into(),
        }),
    }
}

/// Becomes the payload's account. A payload that would be root is refused here once more, although
/// whoever wrote the plan refused it before.
fn account(plan: &Plan, parent: Pid) -> Result<(), Failure> {
    let ids = plan.ids;
    if ids.uid == 0 || ids.gid == 0 {
        let what = "a command never runs as root".into();
        return Err(Failure { step: Step::Account, errno: libc::EPERM, what });
    }
    if !ids.switch {
        return Ok(());
    }
    let (uid, gid) =
        (rustix::process::Uid::from_raw(ids.uid), rustix::process::Gid::from_raw(ids.gid));
    set_thread_groups(&[]).at(Step::Account, || "groups cannot be left".into())?;
    set_thread_res_gid(gid, gid, gid).at(Step::Account, || format!("gid {}", ids.gid))?;
    set_thread_res_uid(uid, uid, uid).at(Step::Account, || format!("uid {}", ids.uid))?;
    // A change of account hides this process from its own files below /proc, which it needs to say
    // who is who in the new namespace; and it forgets whose death it dies with.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
        .at(Step::Account, || "own files below /proc".into())?;
    tie(parent)
}

/// Waits for the namespaces' first process, holding nothing.
fn attend(first: &OwnedFd, control: &OwnedFd) -> ! {
    if Report::Started.send(control, Some(first.as_fd())).is_err() {
        // Nobody would know whom to kill.
        let _ = pidfd_send_signal(first, Signal::KILL);
    }
    // What stays open here would keep the ends of the command's streams.
    let _ = sys::close_from(0);
    while !matches!(wait(WaitOptions::empty()), Err(rustix::io::Errno::CHILD)) {}
    sys::exit_now(0)
}

/// Writes one of the small files by which the kernel is told something.
fn tell(path: &str, value: &[u8], step: Step) -> Result<(), Failure> {
    let what = || format!("`{path}`");
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    let file =
        rustix::fs::open(Path::new(path), flags, rustix::fs::Mode::empty()).at(step, what)?;
    rustix::io::write(&file, value).at(step, what)?;
    Ok(())
}
