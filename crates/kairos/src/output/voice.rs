//! What a daemon says on stderr while it works.
//!
//! Owns a thread that writes, so that nobody who speaks waits for a reader: a terminal that is
//! stopped or a full pipe holds up no turn. At most 256 messages wait; one more is dropped, for the
//! log has them all.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::talk;

/// Messages that wait to be written.
const WAITING_MAX: usize = 256;

/// How long the last words may take to be written.
const LAST_WORDS_MAX: Duration = Duration::from_millis(200);

/// Speaks without waiting; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Voice(SyncSender<String>);

/// The thread behind the voices. Dropped, it waits a moment until everything is written.
#[derive(Debug)]
pub(crate) struct Speech {
    /// `None` once it is being dropped.
    voice: Option<Voice>,
    /// Nothing is ever sent: it closes with the thread.
    written: Receiver<Infallible>,
}

impl Speech {
    /// Begins to write.
    ///
    /// # Errors
    /// The system's, when the thread cannot be made.
    pub(crate) fn begin() -> io::Result<Self> {
        let (voice, messages) = sync_channel::<String>(WAITING_MAX);
        let (ended, written) = channel();
        thread::Builder::new().name("voice".into()).spawn(move || {
            let _ended: Sender<Infallible> = ended;
            messages.into_iter().for_each(talk::say);
        })?;
        Ok(Self { voice: Some(Voice(voice)), written })
    }

    pub(crate) fn voice(&self) -> Voice {
        self.voice.clone().expect("it is there until the drop")
    }
}

impl Drop for Speech {
    fn drop(&mut self) {
        self.voice = None;
        // Either the thread has ended, or a reader is too slow to be waited for.
        self.written.recv_timeout(LAST_WORDS_MAX).ok();
    }
}

impl Voice {
    /// Says one or more lines, or nothing when too many wait.
    pub(crate) fn say(&self, lines: impl Into<String>) {
        self.0.try_send(lines.into()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_speaks_never_waits_for_a_reader() {
        let (messages, unread) = sync_channel(1);
        let voice = Voice(messages);
        voice.say("heard");
        voice.say("dropped");
        drop(voice);
        assert_eq!(unread.into_iter().collect::<Vec<_>>(), ["heard"]);
    }
}
