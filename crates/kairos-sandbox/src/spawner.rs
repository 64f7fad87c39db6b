//! The one thread that has processes started.
//!
//! Owns the small program's process and the one socket to it. The program is executed once and waits;
//! each command is a copy of it, which costs far less than executing it again. It dies with the thread
//! that started it, and everything it started with it: so that thread does nothing else, and lives as
//! long as anybody needs it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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

/// Requests that wait at most; a further one waits to be accepted.
const WAITING_MAX: usize = 64;

/// Descriptors handed to a program become 0 to 3, so none of them may stand there before.
const ABOVE: i32 = 16;

/// How long the small program may take to answer, and to end once nobody needs it.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Asks the thread. The thread lives as long as any copy of this.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(SyncSender<Request>);

/// What one command is started with: its plan, its streams, its end of the talk.
pub(crate) type Given = Vec<OwnedFd>;

#[derive(Debug)]
struct Request {
    given: Given,
    answer: SyncSender<io::Result<Started>>,
}

/// What starting gave.
#[derive(Debug)]
pub(crate) enum Started {
    Process(OwnedFd),
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
    /// Starts the thread, and the program for the first time.
    pub(crate) fn new(program: Program) -> io::Result<Option<Self>> {
        let (ask, asked) = sync_channel(WAITING_MAX);
        let (greeted, greeting) = sync_channel(1);
        thread::Builder::new().name("kairos-spawn".into()).spawn(move || {
            let waiting = Waiting::start(&program);
            let known = waiting.as_ref().map(|waiting| waiting.is_known).map_err(copy);
            let _ = greeted.send(known);
            if let Ok(waiting) = waiting {
                serve(&asked, &program, waiting);
            }
        })?;
        let known = greeting.recv().map_err(|_| gone())??;
        Ok(known.then_some(Self(ask)))
    }

    /// Has a command's first process started, and answers with its descriptor.
    pub(crate) fn spawn(&self, given: Given) -> io::Result<Started> {
        let (answer, answered) = sync_channel(1);
        self.0.send(Request { given, answer }).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

fn gone() -> io::Error {
    io::Error::other("the spawning thread is gone")
}

fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn serve(asked: &Receiver<Request>, program: &Program, mut waiting: Waiting) {
    while let Ok(Request { given, answer }) = asked.recv() {
        let mut started = waiting.order(&given);
        // Somebody killed it; what it had started died with it, also what was asked for just now.
        if started.is_err()
            && let Ok(new) = Waiting::start(program)
        {
            waiting = new;
            started = match waiting.is_known {
                true => waiting.order(&given),
                false => Ok(Started::Stranger),
            };
        }
        // The ends that belong to the command must close here before anybody waits for them.
        drop(given);
        let _ = answer.send(started);
    }
}

/// The small program, waiting for orders.
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
        Order::Start.send(&self.door, given)?;
        match self.answer()? {
            (Report::Started, Some(process)) => Ok(Started::Process(process)),
            (Report::Failed { errno, .. }, _) => Err(io::Error::from_raw_os_error(errno)),
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
