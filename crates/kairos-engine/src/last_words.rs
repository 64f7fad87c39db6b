//! What a process says before it aborts.
//!
//! Owns a write to stderr that cannot hold up the end: whoever reads there may have stopped, and the
//! lock of stderr may be held by somebody who waits for them.

use std::io::Write as _;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long the words may take.
const WORDS_MAX: Duration = Duration::from_millis(200);

/// Writes `text` to stderr as one line, or gives up.
pub fn last_words(text: String) {
    let (said, heard) = channel();
    let speaker = std::thread::Builder::new().name("last-words".into());
    let spoken = speaker.spawn(move || {
        writeln!(std::io::stderr(), "{text}").ok();
        said.send(()).ok();
    });
    if spoken.is_ok() {
        heard.recv_timeout(WORDS_MAX).ok();
    }
}
