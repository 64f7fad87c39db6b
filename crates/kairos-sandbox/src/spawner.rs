//! The small program's process, and the one thread that starts it.
//!
//! Owns that process and the one socket to it. The program is executed once and waits; each command is a
//! copy of it, which costs far less than executing it again. It dies with the thread that started it, and
//! everything it started with it: so that thread does nothing else, and lives as long as anybody needs
//! it. Orders are given by whoever has a command, one at a time.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::message::{self, Order, Received, Report};
use crate::sys;

/// Descriptors handed to a program become 0 to 3, so none of them may stand there before.
const ABOVE: i32 = 16;

/// How long the small program may take to answer, and to end once nobody needs it.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Has commands started. The thread lives as long as any copy of this.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None` when it has died and not been started again.
    waiting: Mutex<Option<Waiting>>,
    thread: SyncSender<Request>,
}

/// A wish for the program to be started.
type Request = SyncSender<io::Result<Waiting>>;

/// What starting gave.
#[derive(Debug)]
pub(crate) enum Started {
    Process(OwnedFd),
    /// The small program is well and has no process for it.
    Refused(io::Error),
    /// The small program is there and not the one this library is made for.
    Stranger,
}

/// How to execute the small program: by the number of an open descriptor, not by a path.
#[derive(Debug)]
pub(crate) struct Program {
    file: OwnedFd,
    argv: Vec<&'static CStr>,
}

impl Program {
    pub(crate) fn new(file: OwnedFd, argv: Vec<&'static CStr>) -> io::Result<Self> {
        Ok(Self { file: above(file)?, argv })
    }
}

impl Spawner {
    /// Starts the thread, and the program for the first time. `None` for a program of another version.
    pub(crate) fn new(program: Program) -> io::Result<Option<Self>> {
        let (thread, asked) = sync_channel::<Request>(1);
        thread::Builder::new().name("kairos-spawn".into()).spawn(move || {
            while let Ok(answer) = asked.recv() {
                let _ = answer.send(Waiting::start(&program));
            }
        })?;
        let first = start(&thread)?;
        let known = first.is_known;
        let inner = Inner { waiting: Mutex::new(Some(first)), thread };
        Ok(known.then(|| Self(Arc::new(inner))))
    }

    /// Has a command's first process started, and answers with its descriptor.
    pub(crate) fn spawn(&self, given: &[OwnedFd]) -> io::Result<Started> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = &*waiting {
            match program.order(given) {
                Ok(started) => return Ok(started),
                // Somebody killed it, or it does not answer; what it had started dies with it, also what
                // was asked for just now.
                Err(_) => *waiting = None,
            }
        }
        let program = start(&self.0.thread)?;
        if !program.is_known {
            return Ok(Started::Stranger);
        }
        waiting.insert(program).order(given)
    }
}

fn start(thread: &SyncSender<Request>) -> io::Result<Waiting> {
    let gone = || io::Error::other("the spawning thread is gone");
    let (answer, answered) = sync_channel(1);
    thread.send(answer).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

/// The small program, waiting for orders.
#[derive(Debug)]
struct Waiting {
    door: OwnedFd,
    process: OwnedFd,
    /// Whether it is of this version.
    is_known: bool,
}

impl Waiting {
    fn start(program: &Program) -> io::Result<Self> {
        let (door, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (null, theirs) = (above(null()?)?, above(theirs)?);
        let path = CString::new(format!("/proc/self/fd/{}", program.file.as_raw_fd()))
            .expect("a number has no NUL");
        let streams = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
        let pid = sys::spawn(&path, &program.argv, &streams)?;
        // Nobody else waits for this process, so its number cannot mean another yet.
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        drop(theirs);
        let mut waiting = Self { door, process, is_known: false };
        let greeted = Order::Hello.send(&waiting.door, &[]).and_then(|()| waiting.answer());
        // A program that is no relative of ours ends or keeps silent; both are an answer.
        waiting.is_known = matches!(greeted, Ok((Report::Hello, _)));
        Ok(waiting)
    }

    fn order(&self, given: &[OwnedFd]) -> io::Result<Started> {
        if let Err(error) = Order::Start.send(&self.door, given) {
            // Only one that is gone is started again: to end it is to end all it started.
            let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
            let is_gone = gone.contains(&error.kind());
            return if is_gone { Err(error) } else { Ok(Started::Refused(error)) };
        }
        match self.answer()? {
            (Report::Started, Some(process)) => Ok(Started::Process(process)),
            (Report::Failed { errno, .. }, _) => {
                Ok(Started::Refused(io::Error::from_raw_os_error(errno)))
            }
            _ => Ok(Started::Stranger),
        }
    }

    fn answer(&self) -> io::Result<(Report, Option<OwnedFd>)> {
        wait_until(&mut [PollFd::new(&self.door, PollFlags::IN)], Instant::now() + ANSWER_MAX)?;
        match message::receive(&self.door)? {
            Received::Report(report, fd) => Ok((report, fd)),
            Received::Nothing => Err(io::ErrorKind::TimedOut.into()),
            Received::Closed => Err(io::ErrorKind::BrokenPipe.into()),
            Received::Garbled => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Nobody can ask any more: the program is told to end, and is waited for.
impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED);
    }
}

pub(crate) fn null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

/// The same descriptor where it is in nobody's way.
fn above(fd: OwnedFd) -> io::Result<OwnedFd> {
    match fd.as_raw_fd() < ABOVE {
        true => Ok(rustix::io::fcntl_dupfd_cloexec(&fd, ABOVE)?),
        false => Ok(fd),
    }
}

/// Waits until a descriptor is ready or the time has come.
pub(crate) fn wait_until(looks: &mut [PollFd<'_>], until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(looks, Some(&left)) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
