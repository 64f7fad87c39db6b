//! What signals mean.
//!
//! Owns the translation: TERM and INT drain and, again, end the grace; HUP reloads, or drains when
//! the terminal the daemon was started from is gone; USR1 writes the status to the log; USR2 will
//! rotate the token and says that there is none. SIGXFSZ is caught in every verb, so that a full
//! quota is an error of a write and not the end.

use std::fs::OpenOptions;
use std::io;

use kairos_engine::{Control, Handle};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::{Detail, Level, Log};

/// `SIGXFSZ` on Linux (`signal(7)`): x86, ARM and RISC-V.
const SIGXFSZ: i32 = 25;

/// Lets a write beyond a limit on file sizes fail with `EFBIG`, from now to the end of the process.
///
/// # Errors
/// The system's.
pub(crate) fn survive_full_quota() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // Nobody listens: what counts is that the signal is caught, which outlasts the runtime.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// The signals a daemon, or a `once`, listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    usr1: Signal,
    usr2: Signal,
    /// Whether there was a terminal at start.
    terminal: bool,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            terminal: has_terminal(),
        })
    }

    /// Passes the next signal on to the engine; what means nothing to it goes to the log.
    pub(crate) async fn pass_on(&mut self, handle: &Handle, log: &Log) {
        let control = tokio::select! {
            _ = self.term.recv() => Control::Shutdown,
            _ = self.int.recv() => Control::Shutdown,
            _ = self.hup.recv() => {
                if self.terminal && !has_terminal() { Control::Shutdown } else { Control::Reload }
            }
            _ = self.usr1.recv() => Control::Report,
            _ = self.usr2.recv() => return no_token(log),
        };
        handle.signal(control);
    }
}

fn no_token(log: &Log) {
    let details = [("message", Detail::Text("there is no token to rotate".to_owned()))];
    log.line(Level::Warn, "daemon_token_rotation_ignored", "signal", &details);
}

/// Which signal ends what has no daemon around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Interrupt,
    Terminate,
}

impl Signals {
    /// Waits for a signal to end; without a daemon there is nothing to reload, so HUP is one too.
    pub(crate) async fn ending(&mut self) -> Ending {
        tokio::select! {
            _ = self.int.recv() => Ending::Interrupt,
            _ = self.term.recv() => Ending::Terminate,
            _ = self.hup.recv() => Ending::Terminate,
        }
    }
}

fn has_terminal() -> bool {
    OpenOptions::new().read(true).open("/dev/tty").is_ok()
}
