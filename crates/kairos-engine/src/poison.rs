//! Mandates that bring the engine down.
//!
//! Owns the note that survives an abort: which mandate was being folded when the engine's thread
//! panicked, and how often. Only a panic writes it, so SIGKILL, OOM and power loss never count; two
//! entries quarantine the mandate at the next start.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kairos_core::id::MandateId;
use serde::{Deserialize, Serialize};

/// Aborts after which a mandate is quarantined.
const ABORTS_MAX: u32 = 2;

thread_local! {
    static FOLDING: Cell<Option<MandateId>> = const { Cell::new(None) };
}

/// Says which mandate this thread is about to decide on.
pub(crate) fn folding(mandate: Option<MandateId>) {
    FOLDING.set(mandate);
}

/// The note as it stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub mandate: MandateId,
    pub count: u32,
}

impl Note {
    /// Whether the mandate has aborted the engine often enough.
    #[must_use]
    pub const fn quarantines(&self) -> bool {
        self.count >= ABORTS_MAX
    }
}

/// Makes every panic of a thread named `engine` leave a note in `file` and abort the process.
/// Panics of other threads are what their own boundary makes of them.
pub fn abort_on_engine_panic(file: PathBuf) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        if std::thread::current().name() == Some(crate::ENGINE_THREAD) {
            if let Some(mandate) = FOLDING.get() {
                // A note that cannot be written costs a quarantine, never the abort.
                write(&file, mandate).ok();
            }
            std::process::abort();
        }
    }));
}

fn write(file: &Path, mandate: MandateId) -> io::Result<()> {
    let before = read(file).filter(|note| note.mandate == mandate).map_or(0, |note| note.count);
    let note = Note { mandate, count: before + 1 };
    let text = serde_json::to_vec(&note).map_err(io::Error::other)?;
    fs::write(file, text)
}

/// The note that the last abort left. A note that cannot be read counts as none.
#[must_use]
pub fn read(file: &Path) -> Option<Note> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Takes the note away once its mandate is quarantined.
///
/// # Errors
/// The disk's.
pub fn clear(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
