//! What happens inside the small program, before the command.
//!
//! Owns the order of the steps and their one way to fail: say which, and end with 125. Three processes
//! take part. The first is the program itself; it sees the host, changes account, makes the
//! namespaces, and then only waits. The second is the first process of the namespaces ([`init`]); it
//! builds the view, drops every right and reaps. The third becomes the command ([`payload`]).
//! Nothing here decides what is allowed: the plan did. No step is skipped because it failed.

mod access;
mod init;
mod payload;
mod view;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{
    DumpableBehavior, PidfdFlags, Signal, WaitOptions, getpid, getppid, pidfd_open,
    pidfd_send_signal, set_dumpable_behavior, set_parent_process_death_signal, setsid, waitpid,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::message::{Report, Step};
use crate::plan::{MARK, PLAN_BYTES_MAX, Plan};
use crate::sys::{self, Cloned};

/// Exit status of every process of ours that failed before the command.
pub(crate) const FAILED: i32 = 125;

const PLAN_FD: i32 = 3;
const CONTROL_FD: i32 = 4;
const CGROUP_FD: i32 = 5;

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

/// The program: reads a plan from descriptor 3, answers on descriptor 4, and never returns into
/// anything that could execute without the walls.
pub fn main() -> ExitCode {
    let (Some(plan), Some(control)) = (sys::inherited(PLAN_FD), sys::inherited(CONTROL_FD)) else {
        eprintln!("kairos-sbx is started by kairos and has nothing to say by itself");
        return ExitCode::from(2);
    };
    match begin(plan, &control) {
        Ok(never) => match never {},
        Err(failure) => give_up(&failure, &control),
    }
}

/// Says what failed and ends.
fn give_up(failure: &Failure, control: &OwnedFd) -> ! {
    let Failure { step, errno, what } = failure;
    let report = Report::Failed { step: *step, errno: *errno, what: what.clone() };
    // Nobody to tell means nobody to run for: the status says the same.
    let _ = report.send(control, None);
    sys::exit_now(FAILED)
}

enum Never {}

fn begin(plan: OwnedFd, control: &OwnedFd) -> Result<Never, Failure> {
    let bytes = read(&plan).at(Step::Plan, || "cannot be read".into())?;
    drop(plan);
    if bytes == MARK {
        Report::Hello.send(control, None).at(Step::Plan, || "no answer possible".into())?;
        sys::exit_now(0);
    }
    let plan = Plan::decode(&bytes).ok_or_else(|| Failure {
        step: Step::Plan,
        errno: libc::EPROTO,
        what: "of another version".into(),
    })?;
    reset(&plan)?;
    if plan.cgroup {
        let procs = sys::inherited(CGROUP_FD)
            .ok_or(rustix::io::Errno::BADF)
            .at(Step::Cgroup, || "no descriptor".into())?;
        rustix::io::write(&procs, b"0").at(Step::Cgroup, || "cannot be joined".into())?;
    }
    account(&plan)?;
    let own = pidfd_open(getpid(), PidfdFlags::empty())
        .at(Step::Namespaces, || "no descriptor of oneself".into())?;
    match sys::clone_into(NAMESPACES).at(Step::Namespaces, || "cannot be made".into())? {
        Cloned::Child => {
            let Err(failure) = init::begin(&plan, control, &own);
            give_up(&failure, control)
        }
        Cloned::Parent { pidfd } => attend(&pidfd, control),
    }
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

/// Forgets everything a parent may have left: signals, session, umask, descriptors.
fn reset(plan: &Plan) -> Result<(), Failure> {
    let first = if plan.cgroup { CGROUP_FD + 1 } else { CGROUP_FD };
    sys::close_from(first.cast_unsigned()).at(Step::Reset, || "descriptors".into())?;
    sys::reset_signals().at(Step::Reset, || "signals".into())?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    setsid().at(Step::Reset, || "no session".into())?;
    tie(plan)
}

/// Dies with the thread that started this program.
fn tie(plan: &Plan) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .at(Step::Reset, || "no signal at the parent's death".into())?;
    let parent = getppid().map(|pid| pid.as_raw_pid().cast_unsigned());
    match parent == Some(plan.parent) {
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
fn account(plan: &Plan) -> Result<(), Failure> {
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
    tie(plan)
}

/// Waits for the namespaces' first process, holding nothing.
fn attend(first: &OwnedFd, control: &OwnedFd) -> ! {
    if Report::Started.send(control, Some(first.as_fd())).is_err() {
        // Nobody would know whom to kill.
        let _ = pidfd_send_signal(first, Signal::KILL);
    }
    // What stays open here would keep the ends of the command's streams.
    let _ = sys::close_from(0);
    while !matches!(waitpid(None, WaitOptions::empty()), Err(rustix::io::Errno::CHILD)) {}
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
