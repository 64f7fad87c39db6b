//! The first process of the namespaces.
//!
//! Owns the tree: it says who is who, has the view built, gives up every right, starts the payload,
//! reaps whatever is left to it, and ends the moment the payload ends, which ends everything else.
//! Nothing inside can signal or inspect it. Never executes the command itself.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::{At, Failure, Never, door, payload, tell, view};
use crate::message::{Report, Step, TERMINATE};
use crate::plan::Plan;
use crate::sys;

/// Name of the machine inside.
const HOST: &[u8] = b"sandbox";

pub(super) fn begin(
    plan: &Plan,
    trees: view::Trees,
    control: &OwnedFd,
    parent: &OwnedFd,
) -> Result<Never, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .at(Step::Namespaces, || "no signal at the parent's death".into())?;
    if is_readable(parent) {
        let what = "the parent is gone".into();
        return Err(Failure { step: Step::Namespaces, errno: libc::ESRCH, what });
    }
    identify(plan)?;
    if plan.door != 0 {
        door::open(plan.door, control)?;
    }
    // What the view is made of is read by one account, and what the command makes is its own affair.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    view::build(&plan.view, trees, control)?;
    drop_rights()?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .at(Step::Init, || "stays readable".into())?;
    match sys::fork().at(Step::Init, || "cannot fork".into())? {
        None => {
            let failure = payload::begin(plan, control);
            super::give_up(&failure, control)
        }
        Some(payload) => reap(payload, control),
    }
}

/// A process that ended makes its descriptor readable.
fn is_readable(fd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

/// One account inside, itself, and no way to make namespaces below these.
fn identify(plan: &Plan) -> Result<(), Failure> {
    let (uid, gid) = (plan.ids.uid, plan.ids.gid);
    let step = Step::Namespaces;
    tell("/proc/self/setgroups", b"deny", step)?;
    tell("/proc/self/gid_map", format!("{gid} {gid} 1\n").as_bytes(), step)?;
    tell("/proc/self/uid_map", format!("{uid} {uid} 1\n").as_bytes(), step)?;
    tell("/proc/sys/user/max_user_namespaces", b"0", step)?;
    // Of what the account has for all its programs, one command takes a part.
    tell("/proc/sys/user/max_inotify_instances", b"16", step)?;
    tell("/proc/sys/user/max_inotify_watches", b"8192", step)?;
    first_to_go(step)?;
    rustix::system::sethostname(HOST).at(step, || "host name".into())
}

/// Of all processes these are the first that are ended for want of memory; who is before them stays.
fn first_to_go(step: Step) -> Result<(), Failure> {
    const PATH: &str = "/proc/self/oom_score_adj";
    let now = std::fs::read_to_string(PATH).at(step, || format!("`{PATH}`"))?;
    match now.trim().parse::<i32>() {
        Ok(500..) => Ok(()),
        _ => tell(PATH, b"500", step),
    }
}

/// Gives up every capability, every way to get one, and every raise of rights by a program.
fn drop_rights() -> Result<(), Failure> {
    let step = Step::Capabilities;
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).at(step, || "secure bits".into())?;
    for number in 0..64 {
        match rustix::thread::remove_capability_from_bounding_set(capability(number)) {
            Ok(()) => {}
            // The first number the kernel does not know.
            Err(rustix::io::Errno::INVAL) if number > 0 => break,
            error => error.at(step, || format!("capability {number} stays in the bounding set"))?,
        }
    }
    rustix::thread::clear_ambient_capability_set().at(step, || "ambient set".into())?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).at(step, || "capset".into())?;
    rustix::thread::set_no_new_privs(true).at(step, || "no_new_privs".into())?;
    verify_rights()
}

fn capability(number: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1 << number)
}

/// Looks again: nothing is believed because a call said yes.
pub(super) fn verify_rights() -> Result<(), Failure> {
    let step = Step::Capabilities;
    let still = |what: &str| Failure { step, errno: libc::EPERM, what: format!("{what} stay") };
    let sets = rustix::thread::capabilities(None).at(step, || "capget".into())?;
    if sets.effective != CapabilitySet::empty()
        || sets.permitted != CapabilitySet::empty()
        || sets.inheritable != CapabilitySet::empty()
    {
        return Err(still("capabilities"));
    }
    for number in 0..64 {
        match rustix::thread::capability_is_in_bounding_set(capability(number)) {
            Ok(false) => {}
            Err(rustix::io::Errno::INVAL) if number > 0 => break,
            _ => return Err(still("bounded capabilities")),
        }
    }
    match rustix::thread::no_new_privs() {
        Ok(true) => Ok(()),
        _ => Err(still("raises of rights")),
    }
}

/// Reaps until the payload ends, tells how, and ends.
fn reap(payload: Pid, control: &OwnedFd) -> Result<Never, Failure> {
    let children = sys::child_signals().at(Step::Init, || "no word of children".into())?;
    // The streams are the payload's alone.
    sys::close_between(0, 2).at(Step::Init, || "streams".into())?;
    loop {
        // The signal says that some ended, never how many; and before it was asked for, nothing.
        while let Some(dead) = sys::next_dead() {
            // Only of what was not reaped yet anything can be learnt.
            let executed = dead != payload || has_executed(payload);
            let Ok(Some((_, status))) = waitpid(Some(dead), WaitOptions::NOHANG) else { break };
            if dead == payload {
                let (status, usage) = (status.as_raw(), sys::children_usage());
                let _ = Report::Ended { status, executed, usage }.send(control, None);
                sys::exit_now(0);
            }
        }
        let mut looks =
            [PollFd::new(&children, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        let _ = poll(&mut looks, None);
        if looks[0].revents().contains(PollFlags::IN) {
            let _ = rustix::io::read(&children, &mut [0; 1024]);
        }
        if !looks[1].revents().is_empty() {
            obey(control);
        }
    }
}

/// Whether a child that ended had become a program. The kernel keeps that with the process, where no program
/// can change it. A child of ours can be looked at until it has; in doubt it had.
fn has_executed(pid: Pid) -> bool {
    const FORKED_ONLY: u64 = 0x40;
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    // After the name, which may hold anything: state, five numbers of others, flags.
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(6)?.parse().ok());
    flags.is_none_or(|flags: u64| flags & FORKED_ONLY == 0)
}

/// Does what was asked; ends, and all with it, when nobody is there to ask.
fn obey(control: &OwnedFd) {
    let mut byte = [0; 1];
    match rustix::net::recv(control, &mut byte[..], rustix::net::RecvFlags::DONTWAIT) {
        Ok((_, 1)) if byte[0] == TERMINATE => terminate(),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
        _ => sys::exit_now(super::FAILED.into()),
    }
}

/// Asks everything to end, also what was stopped.
fn terminate() {
    for signal in [Signal::TERM, Signal::CONT] {
        let _ = sys::signal_all(signal);
    }
}
