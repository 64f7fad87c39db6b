//! The one thread that starts processes.
//!
//! Owns being the parent: a confined process dies with the thread that started its program, so that
//! thread must outlive them all. It does nothing else and never waits for a command.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::process::{PidfdFlags, pidfd_open};

use crate::sys;

/// Requests that wait at most; a further one waits to be accepted.
const WAITING_MAX: usize = 64;

/// Descriptors handed to a program become 0 to 5, so none of them may stand there before.
const ABOVE: i32 = 16;

/// Asks the thread. The thread lives as long as any copy of this.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(SyncSender<Request>);

#[derive(Debug)]
struct Request {
    program: CString,
    argv: Vec<&'static CStr>,
    given: Vec<OwnedFd>,
    answer: SyncSender<io::Result<OwnedFd>>,
}

impl Spawner {
    pub(crate) fn new() -> io::Result<Self> {
        let (ask, asked) = sync_channel(WAITING_MAX);
        thread::Builder::new().name("kairos-spawn".into()).spawn(move || serve(&asked))?;
        Ok(Self(ask))
    }

    /// Starts a program with the given descriptors as 0, 1, 2 … and answers with one of the process.
    pub(crate) fn spawn(
        &self,
        program: &CStr,
        argv: &[&'static CStr],
        given: Vec<OwnedFd>,
    ) -> io::Result<OwnedFd> {
        let (answer, answered) = sync_channel(1);
        let given = given.into_iter().map(above).collect::<io::Result<_>>()?;
        let request = Request { program: program.to_owned(), argv: argv.to_vec(), given, answer };
        let gone = || io::Error::other("the spawning thread is gone");
        self.0.send(request).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

fn serve(asked: &Receiver<Request>) {
    while let Ok(Request { program, argv, given, answer }) = asked.recv() {
        let borrowed: Vec<_> = given.iter().map(AsFd::as_fd).collect();
        let started = sys::spawn(&program, &argv, &borrowed)
            // Nobody else waits for this process, so its number cannot mean another yet.
            .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
        // The ends that belong to the command must close here before anybody waits for them.
        drop(given);
        let _ = answer.send(started);
    }
}

/// The same descriptor where it is in nobody's way.
pub(crate) fn above(fd: OwnedFd) -> io::Result<OwnedFd> {
    match fd.as_raw_fd() < ABOVE {
        true => Ok(rustix::io::fcntl_dupfd_cloexec(&fd, ABOVE)?),
        false => Ok(fd),
    }
}
