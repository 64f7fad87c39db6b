//! System calls that no safe wrapper exists for.
//!
//! Owns every unsafe block of this crate: spawning a program by descriptor, cloning into namespaces,
//! loading a filter, changing a mount, executing by descriptor. Each function here is safe to call;
//! what makes it so stands beside its call. Decides nothing.
#![expect(unsafe_code, reason = "clone3, posix_spawn, seccomp and execveat have no safe wrapper")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

/// What a call that clones answers.
pub(crate) enum Cloned {
    /// This is the new process.
    Child,
    Parent {
        pidfd: OwnedFd,
    },
}

/// `struct clone_args` of the kernel, in its first published size but for the cgroup.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// `struct mount_attr` of the kernel.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// One instruction of a filter, as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

/// Processor time and peak memory of all children that were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu_us: u64,
    pub(crate) rss_bytes: u64,
}

fn answer(result: c_long) -> io::Result<c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Makes a copy of this process in the namespaces of `flags`, and a descriptor of it.
pub(crate) fn clone_into(flags: u64) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let args = CloneArgs {
        flags: flags | (libc::CLONE_PIDFD as u64),
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: without a shared address space the child goes on with a copy of this memory, as after
    // fork; the caller is a program of one thread, so no lock can be held by a thread that is gone, or
    // its child does nothing but end.
    // The kernel writes the descriptor to a place that lives during the call.
    let pid =
        answer(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the call succeeded in the parent, so the kernel has put a new descriptor there.
    Ok(Cloned::Parent { pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// Makes a copy of this process. `None` in the copy.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: called by a program of one thread, so the copy may go on as the original would.
    let pid = answer(c_long::from(unsafe { libc::fork() }))?;
    Ok(c_int::try_from(pid).ok().and_then(Pid::from_raw))
}

/// Starts a program with the descriptors of `given` as 0, 1, 2 … and an empty environment.
///
/// Every given descriptor must be above the last number it may be moved to.
pub(crate) fn spawn(program: &CStr, argv: &[&CStr], given: &[BorrowedFd<'_>]) -> io::Result<Pid> {
    let mut actions = FileActions::new()?;
    for (to, from) in given.iter().enumerate() {
        let to = c_int::try_from(to).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        actions.dup2(*from, to)?;
    }
    let mut args: Vec<*mut c_char> = argv.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
    args.push(ptr::null_mut());
    let environment: [*mut c_char; 1] = [ptr::null_mut()];
    let mut pid: libc::pid_t = 0;
    // SAFETY: the strings and both null-ended arrays outlive the call, the actions are initialised,
    // and the attributes may be null. The call copies what it needs and changes none of them.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            ptr::null(),
            args.as_ptr(),
            environment.as_ptr(),
        )
    };
    match error {
        0 => Ok(Pid::from_raw(pid).expect("a started process has a positive id")),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = std::mem::MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given.
        let error = unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        // SAFETY: initialised by the call above, which succeeded.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn dup2(&mut self, from: BorrowedFd<'_>, to: c_int) -> io::Result<()> {
        let actions = &raw mut self.0;
        // SAFETY: the actions are initialised; the call records two numbers.
        match unsafe { libc::posix_spawn_file_actions_adddup2(actions, from.as_raw_fd(), to) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// Takes over a descriptor this process was started with, and keeps it from every program that this
/// one becomes. `None` where nothing is open there.
pub(crate) fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: changes a flag of whatever stands there, and fails if nothing does.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return None;
    }
    // SAFETY: open, and named by number nowhere else: the caller asks once, first thing in `main`.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: c_uint) -> io::Result<()> {
    // SAFETY: a program of one thread that owns no descriptor it does not name below `first`; what
    // was inherited beyond has no owner in this process.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, 0) })?;
    Ok(())
}

/// Gives every signal its default disposition and unblocks all of them.
pub(crate) fn reset_signals() -> io::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default disposition refers to no function of this program. Numbers the kernel
        // or the library keep for themselves are refused, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    set_mask(libc::SIG_SETMASK, &[])
}

/// Has the kernel reap children of this process by itself.
pub(crate) fn forget_children() {
    // SAFETY: to ignore a signal refers to no function of this program.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Has this process told of its children's ends again.
pub(crate) fn heed_children() {
    // SAFETY: the default disposition refers to no function of this program.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Leaves whatever a parent gained for itself over others: a real-time policy, and a place before them
/// at the disk. What it gave up stays given up.
pub(crate) fn leave_precedence() -> io::Result<()> {
    const RESET_ON_FORK: c_int = 0x4000_0000;
    const DEADLINE: c_int = 6;
    // SAFETY: asks for a number about this process.
    let policy = answer(c_long::from(unsafe { libc::sched_getscheduler(0) }))?;
    let urgent = [libc::SCHED_FIFO, libc::SCHED_RR, DEADLINE];
    if urgent.iter().any(|urgent| c_long::from(*urgent) == policy & !c_long::from(RESET_ON_FORK)) {
        // SAFETY: all zeroes are a valid value of this structure of numbers.
        let normal: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: the parameters outlive the call, which reads them.
        let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const normal) };
        answer(c_long::from(set))?;
    }
    const OF_PROCESS: c_int = 1;
    // SAFETY: takes three numbers: this process, and to have no class of its own.
    answer(unsafe { libc::syscall(libc::SYS_ioprio_set, OF_PROCESS, 0, 0) })?;
    Ok(())
}

/// Takes the address layout and the other habits every program has that nobody started specially.
pub(crate) fn leave_personality() -> io::Result<()> {
    // SAFETY: takes a number.
    answer(c_long::from(unsafe { libc::personality(0) }))?;
    Ok(())
}

/// A child that ended and was not reaped.
pub(crate) fn next_dead() -> Option<Pid> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: all zeroes are a valid value of this structure of numbers, and say that there is none.
    let mut dead: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the call fills what it is given, which outlives it.
    let found = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut dead, flags) };
    // SAFETY: filled by a wait for a child, or zeroes.
    let pid = unsafe { dead.si_pid() };
    (found == 0).then(|| Pid::from_raw(pid)).flatten()
}

fn set_mask(how: c_int, signals: &[c_int]) -> io::Result<()> {
    let set = signal_set(signals);
    // SAFETY: the set is initialised, and nobody asks for the old one.
    answer(c_long::from(unsafe { libc::sigprocmask(how, &raw const set, ptr::null_mut()) }))?;
    Ok(())
}

fn signal_set(signals: &[c_int]) -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: the first call initialises the set, the others add to it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// A descriptor that becomes readable when a child ends. The signal is blocked from here on.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    set_mask(libc::SIG_BLOCK, &[libc::SIGCHLD])?;
    let set = signal_set(&[libc::SIGCHLD]);
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the set is initialised, and -1 asks for a new descriptor.
    let fd = answer(c_long::from(unsafe { libc::signalfd(-1, &raw const set, flags) }))?;
    let fd = RawFd::try_from(fd).expect("a descriptor fits its type");
    // SAFETY: just made, and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets attributes and, where not 0, the propagation of a mount, or of it and all below it.
pub(crate) fn set_mount(
    mount: BorrowedFd<'_>,
    all_below: bool,
    attributes: u64,
    propagation: u64,
) -> io::Result<()> {
    let attr = MountAttr { attr_set: attributes, attr_clr: 0, propagation, userns_fd: 0 };
    let below = if all_below { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is empty and the descriptor borrowed; the attributes outlive the call, which
    // reads as many bytes as they have.
    answer(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | below,
            &raw const attr,
            size_of_val(&attr),
        )
    })?;
    Ok(())
}

/// Puts a filter of system calls on this process, for good.
pub(crate) fn load_filter(program: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = Program { len, filter: program.as_ptr() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: length and pointer are of one slice that outlives the call; the kernel copies it.
    answer(unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) })?;
    Ok(())
}

/// Becomes the program behind `fd`. Comes back only with the reason why not.
pub(crate) fn execute(fd: BorrowedFd<'_>, argv: &[CString], env: &[CString]) -> io::Error {
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with null, and their strings outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

/// Becomes the program at `path`. Comes back only with the reason why not.
pub(crate) fn execute_path(path: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with null, and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// What every child that was waited for used.
pub(crate) fn children_usage() -> Usage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills what it is given; all zeroes are a valid value should it fail.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let us = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    Usage {
        cpu_us: us(usage.ru_utime) + us(usage.ru_stime),
        rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}

/// Ends this process at once: nothing is flushed, nothing is dropped.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: ends the process, whatever its state.
    unsafe { libc::_exit(code) }
}

/// Closes the descriptors from `first` to `last`.
pub(crate) fn close_between(first: c_uint, last: c_uint) -> io::Result<()> {
    // SAFETY: a program of one thread; whoever calls names numbers that nothing in it owns.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

/// Sends a signal to every process this one may signal, but for itself.
pub(crate) fn signal_all(signal: rustix::process::Signal) -> io::Result<()> {
    // SAFETY: takes two numbers. Called by the first process of a namespace, it reaches that alone.
    answer(c_long::from(unsafe { libc::kill(-1, signal.as_raw()) }))?;
    Ok(())
}

/// The version of the kernel's access rules. An error where it has none, or they are switched off.
pub(crate) fn access_version() -> io::Result<u32> {
    const VERSION: c_uint = 1;
    // SAFETY: asks for a number; no attributes are read.
    let version = answer(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0usize, VERSION)
    })?;
    u32::try_from(version).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A set of access rules that denies all of these rights until more is said.
pub(crate) fn access_rules(files: u64, net: u64, scopes: u64) -> io::Result<OwnedFd> {
    let attributes = [files, net, scopes];
    // An older kernel accepts a longer structure only where the rest of it is zero.
    // SAFETY: three numbers in the kernel's order that outlive the call, and their size.
    let fd = answer(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            attributes.as_ptr(),
            size_of_val(&attributes),
            0 as c_uint,
        )
    })?;
    let fd = RawFd::try_from(fd).expect("a descriptor fits its type");
    // SAFETY: just made, and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Grants rights on a file, or on a directory and all below it.
pub(crate) fn allow_path(rules: &OwnedFd, path: &OwnedFd, rights: u64) -> io::Result<()> {
    #[repr(C, packed)]
    struct PathBeneath {
        rights: u64,
        path: RawFd,
    }
    const PATH_BENEATH: c_int = 1;
    let rule = PathBeneath { rights, path: path.as_raw_fd() };
    add_rule(rules, PATH_BENEATH, ptr::from_ref(&rule).cast())
}

/// Grants rights on a TCP port.
pub(crate) fn allow_port(rules: &OwnedFd, port: u16, rights: u64) -> io::Result<()> {
    const NET_PORT: c_int = 2;
    let rule = [rights, u64::from(port)];
    add_rule(rules, NET_PORT, rule.as_ptr().cast())
}

fn add_rule(rules: &OwnedFd, kind: c_int, rule: *const u8) -> io::Result<()> {
    let rules = rules.as_raw_fd();
    // SAFETY: the rule is of its kind's layout and outlives the call; both callers are above.
    answer(unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules, kind, rule, 0 as c_uint) })?;
    Ok(())
}

/// Puts access rules on this process, for good.
pub(crate) fn restrict_self(rules: &OwnedFd) -> io::Result<()> {
    let rules = rules.as_raw_fd();
    // SAFETY: takes a descriptor that is open and no flags.
    answer(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0 as c_uint) })?;
    Ok(())
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn raise_loopback(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all zeroes are a valid value of this structure of numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    let up = libc::c_short::try_from(libc::IFF_UP).map_err(|_| io::ErrorKind::InvalidInput)?;
    request.ifr_ifru.ifru_flags = up;
    let request = &raw const request;
    // SAFETY: the request is named, ends with zeroes and outlives the call, which reads it.
    answer(c_long::from(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, request) }))?;
    Ok(())
}
