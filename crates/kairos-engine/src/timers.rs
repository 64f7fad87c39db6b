//! What wakes the engine when nobody asks anything of it.
//!
//! Owns a timer on the clock that goes on through sleep and that nobody can set, a timer that tells
//! at once when somebody sets the wall clock, and the thread that waits for both. It rings, and that
//! is all: what is due, and what a set clock means, the engine finds out in its turn. A ring too many
//! costs a turn that does nothing; one too few only a second, for the engine never sleeps without an
//! end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::inbox::Inbox;

/// So much nearer or farther it is the same moment: what two readings of two clocks differ by.
const SAME_NS: u64 = 400_000;
/// So much later it rings, for a moment must have come, not nearly.
const AFTER_NS: u64 = 500_000;
/// How far the engine's own sleep reaches beyond the ring, should there be none.
const SPARE: Duration = Duration::from_secs(1);
/// Farther ahead than any wall clock is set.
const FAR_S: i64 = 1 << 40;

/// Timers that run until they are dropped.
#[derive(Debug)]
pub(crate) struct Timers {
    ends: Option<Ends>,
    /// The moment the next ring is for, by the clock that nobody sets; none after it rang.
    armed_ns: Option<u64>,
}

/// The thread and what reaches it.
#[derive(Debug)]
struct Ends {
    fds: Arc<Fds>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Fds {
    boot: OwnedFd,
    wall: OwnedFd,
    stop: OwnedFd,
}

impl Timers {
    /// Rings in `inbox`. Where the kernel has no such timers, nothing rings: see [`Self::can_tell`].
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { ends: Ends::begin(inbox).ok(), armed_ns: None }
    }

    /// Whether it tells by itself when the wall clock is set. If not, somebody has to look.
    pub(crate) const fn can_tell(&self) -> bool {
        self.ends.is_some()
    }

    /// Lets it ring at this moment, and at no other; how long the engine may sleep.
    pub(crate) fn arm(&mut self, at_ns: u64, wait: Duration) -> Duration {
        let Some(ends) = &self.ends else { return wait };
        if wait.is_zero() {
            return wait;
        }
        let is_same = |armed: u64| armed.abs_diff(at_ns) < SAME_NS;
        if !self.armed_ns.is_some_and(is_same) {
            // An interrupted or refused call leaves what was: then the spare second has to do.
            self.armed_ns = ends.fds.ring_at(at_ns.saturating_add(AFTER_NS)).ok().map(|()| at_ns);
        }
        wait.saturating_add(SPARE)
    }

    /// It rang: the next moment is another one.
    pub(crate) const fn rang(&mut self) {
        self.armed_ns = None;
    }
}

impl Ends {
    fn begin(inbox: Arc<Inbox>) -> io::Result<Self> {
        let fds = Arc::new(Fds::new()?);
        let waits = Arc::clone(&fds);
        let thread = thread::Builder::new().name("timers".to_owned());
        let thread = thread.spawn(move || waits.wait(&inbox))?;
        Ok(Self { fds, thread: Some(thread) })
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // A counter that is not full takes a one; nothing else writes to it.
        if rustix::io::write(&self.fds.stop, &1_u64.to_ne_bytes()).is_ok()
            && let Some(thread) = self.thread.take()
        {
            thread.join().ok();
        }
    }
}

impl Fds {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let boot = timerfd_create(TimerfdClockId::Boottime, flags)?;
        let wall = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let told = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&wall, told, &once(Timespec { tv_sec: FAR_S, tv_nsec: 0 }))?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { boot, wall, stop })
    }

    fn ring_at(&self, at_ns: u64) -> io::Result<()> {
        let at = Duration::from_nanos(at_ns);
        let tv_sec = i64::try_from(at.as_secs()).unwrap_or(FAR_S);
        let at = Timespec { tv_sec, tv_nsec: at.subsec_nanos().into() };
        timerfd_settime(&self.boot, TimerfdTimerFlags::ABSTIME, &once(at))?;
        Ok(())
    }

    /// Waits and rings until it is told to stop.
    fn wait(&self, inbox: &Inbox) {
        loop {
            let mut fds =
                [&self.stop, &self.boot, &self.wall].map(|fd| PollFd::new(fd, PollFlags::IN));
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                // Nothing rings any more, and the engine's own sleep has an end.
                Err(_) => return,
            }
            let [stop, boot, wall] = fds.map(|fd| !fd.revents().is_empty());
            if stop {
                return;
            }
            for fd in [boot.then_some(&self.boot), wall.then_some(&self.wall)].into_iter().flatten()
            {
                // How often it came due does not matter, nor that it was cancelled: it is read so
                // that it is quiet again. The wall clock's timer stays armed through that.
                rustix::io::read(fd, &mut [0; 8]).ok();
            }
            inbox.ring();
        }
    }
}

/// At one moment, not again and again.
const fn once(at: Timespec) -> Itimerspec {
    Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Moment;

    #[test]
    fn it_rings_when_the_moment_has_come_and_once() {
        let inbox = Arc::new(Inbox::default());
        let mut timers = Timers::new(Arc::clone(&inbox));
        assert!(timers.can_tell(), "this kernel has the timers");
        let begun = Moment::now();
        let wait = Duration::from_millis(20);
        timers.arm(begun.boot_ns + 20_000_000, wait);
        let batch = inbox.take(Duration::from_secs(10));
        let passed = Moment::now().boot_ns - begun.boot_ns;
        assert!(batch.rang);
        assert!((20_000_000..5_000_000_000).contains(&passed), "{passed} ns");
        assert!(!inbox.take(Duration::from_millis(30)).rang, "one moment, one ring");
    }

    #[test]
    fn a_moment_that_is_past_rings_at_once_and_an_earlier_one_takes_the_place_of_a_later() {
        let inbox = Arc::new(Inbox::default());
        let mut timers = Timers::new(Arc::clone(&inbox));
        let hour = Duration::from_secs(3600);
        timers.arm(Moment::now().boot_ns + 3_600_000_000_000, hour);
        timers.arm(1, hour);
        assert!(inbox.take(Duration::from_secs(10)).rang);
    }

    #[test]
    fn its_thread_ends_with_it() {
        let inbox = Arc::new(Inbox::default());
        drop(Timers::new(Arc::clone(&inbox)));
        assert_eq!(Arc::strong_count(&inbox), 1);
    }
}
