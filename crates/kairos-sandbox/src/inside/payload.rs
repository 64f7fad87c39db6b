//! The process that becomes the command.
//!
//! Owns its last steps, in an order that leaves nothing to do once the filter is on: bounds, place,
//! program, access rules, filter, execution. Comes back only with a failure.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::{At, Failure, access, init};
use crate::message::{Report, Step};
use crate::plan::{Bounds, Plan, Start};
use crate::sys;

/// Signals and timers of all processes that wait at once.
const SIGNALS_MAX: u64 = 1024;

/// Bytes of a stack at first, and of one that somebody asks for.
const STACK: u64 = 8 << 20;
const STACK_MAX: u64 = 1 << 30;

pub(super) fn begin(plan: &Plan, control: &OwnedFd) -> Failure {
    match prepare(plan, control) {
        Ok(program) => launch(&plan.start, &program),
        Err(failure) => failure,
    }
}

fn prepare(plan: &Plan, control: &OwnedFd) -> Result<OwnedFd, Failure> {
    // A group of its own: signals to a group do not stop at the border of a namespace.
    rustix::process::setsid().at(Step::Limits, || "no session".into())?;
    leave_precedence()?;
    bound(plan.bounds)?;
    let cwd = &plan.start.cwd;
    rustix::process::chdir(cwd).at(Step::Start, || format!("directory `{}`", cwd.display()))?;
    let program = program(&plan.start)?;
    init::verify_rights()?;
    // So that the first process sees after a sudden end whether this became the command; nobody else is here
    // yet.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
        .at(Step::Start, || "cannot be looked at".into())?;
    if let Some(rules) = &plan.landlock {
        access::restrict(rules)?;
    }
    if !plan.filter.is_empty() {
        sys::load_filter(&plan.filter).at(Step::Seccomp, || "cannot be loaded".into())?;
    }
    Report::Ready.send(control, None).at(Step::Exec, || "nobody to tell".into())?;
    Ok(program)
}

/// Comes before nobody at the processor or the disk, whatever the daemon may. Looked at again: to raise
/// itself once more it would only need a bound that was never set.
fn leave_precedence() -> Result<(), Failure> {
    let step = Step::Limits;
    sys::leave_precedence().at(step, || "precedence over others".into())?;
    let nice = || rustix::process::getpriority_process(None).at(step, || "nice".into());
    if nice()? < 0 {
        rustix::process::setpriority_process(None, 0).at(step, || "nice to 0".into())?;
    }
    match nice()? < 0 {
        true => Err(Failure { step, errno: libc::EPERM, what: "precedence stays".into() }),
        false => Ok(()),
    }
}

fn bound(bounds: Bounds) -> Result<(), Failure> {
    let each = [
        // Not 0: the kernel hands the core of a process with that to the host's program for cores, and
        // only with this none.
        (Resource::Core, 1, "core"),
        (Resource::Nofile, bounds.nofile, "nofile"),
        (Resource::Fsize, bounds.fsize, "fsize"),
        (Resource::Data, bounds.memory, "data"),
        // Processes are counted in this user namespace, where there is one more: the first.
        (Resource::Nproc, bounds.pids.saturating_add(1), "nproc"),
        (Resource::Memlock, 64 << 10, "memlock"),
        (Resource::Msgqueue, 64 << 10, "msgqueue"),
        // Signals and timers that wait are counted for each user of the machine, like the next.
        (Resource::Sigpending, SIGNALS_MAX, "sigpending"),
        (Resource::Rtprio, 0, "rtprio"),
        (Resource::Nice, 0, "nice"),
    ];
    for (resource, bound, name) in each {
        if resource == Resource::Data && bound == 0 {
            continue;
        }
        limit(resource, bound, bound, name)?;
    }
    // What a stack grows to is in no other count of one process.
    let stack = if bounds.memory == 0 { STACK_MAX } else { bounds.memory.min(STACK_MAX) };
    limit(Resource::Stack, stack.min(STACK), stack, "stack")?;
    // A second between the signal that can be told from others and the one that cannot be caught.
    limit(Resource::Cpu, bounds.cpu_s, bounds.cpu_s.saturating_add(1), "cpu")
}

/// Sets a bound, or the lower one that stands already.
fn limit(resource: Resource, soft: u64, hard: u64, name: &str) -> Result<(), Failure> {
    let at_most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let new = Rlimit { current: Some(soft.min(at_most)), maximum: Some(hard.min(at_most)) };
    setrlimit(resource, new).at(Step::Limits, || format!("`{name}` to {hard}"))
}

/// Opens what is executed: at its path in the view, and the very file that was verified.
fn program(start: &Start) -> Result<OwnedFd, Failure> {
    let what = || format!("program `{}`", start.program.display());
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(&start.program, flags, Mode::empty()).at(Step::Start, what)?;
    let found = rustix::fs::fstat(&fd).at(Step::Start, what)?;
    if (found.st_dev, found.st_ino) != (start.dev, start.ino) {
        let what = format!("program `{}` is another file now", start.program.display());
        return Err(Failure { step: Step::Start, errno: libc::ESTALE, what });
    }
    Ok(fd)
}

fn launch(start: &Start, program: &OwnedFd) -> Failure {
    let mut error = sys::execute(program.as_fd(), &start.argv, &start.env);
    // A script's interpreter would have to open the descriptor, which closes before it can. What
    // stands at its path was compared above, and is mounted so that nothing inside can change it
    // unless the policy lets the command write its own program.
    if error.raw_os_error() == Some(libc::ENOENT)
        && let Ok(path) = CString::new(start.program.as_os_str().as_bytes())
    {
        error = sys::execute_path(&path, &start.argv, &start.env);
    }
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    Failure { step: Step::Exec, errno, what: format!("program `{}`", start.program.display()) }
}
