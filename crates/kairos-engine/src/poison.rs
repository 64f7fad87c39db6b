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
/// Mandates whose aborts are counted; the oldest is forgotten first.
const NOTES_MAX: usize = 16;

thread_local! {
    static FOLDING: Cell<Option<MandateId>> = const { Cell::new(None) };
}

/// Says which mandate this thread is about to decide on.
pub(crate) fn folding(mandate: Option<MandateId>) {
    FOLDING.set(mandate);
}

/// The mandate this thread is deciding on, or was when it panicked: whom a panic is blamed on.
#[must_use]
pub fn blamed() -> Option<MandateId> {
    FOLDING.get()
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
        if std::thread::current().name() != Some(crate::ENGINE_THREAD) {
            return before(panic);
        }
        if let Some(mandate) = blamed() {
            // A note that cannot be written costs a quarantine, never the abort.
            write(&file, mandate).ok();
        }
        // Not by the hook before: it would wait for whoever reads stderr.
        let trace = std::backtrace::Backtrace::capture();
        crate::last_words(format!("{panic}\n{trace}"));
        std::process::abort();
    }));
}

fn write(file: &Path, mandate: MandateId) -> io::Result<()> {
    let mut notes = notes(file);
    match notes.iter_mut().find(|note| note.mandate == mandate) {
        Some(note) => note.count += 1,
        None => notes.push(Note { mandate, count: 1 }),
    }
    let beyond = notes.len().saturating_sub(NOTES_MAX);
    notes.drain(..beyond);
    fs::write(file, serde_json::to_vec(&notes).map_err(io::Error::other)?)
}

/// The notes, oldest mandate first. Notes that cannot be read count as none.
#[must_use]
pub fn notes(file: &Path) -> Vec<Note> {
    let text = fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Forgets the notes of mandates that are no longer `open`.
///
/// # Errors
/// The disk's.
pub fn forget(file: &Path, open: impl Fn(MandateId) -> bool) -> io::Result<()> {
    let mut notes = notes(file);
    let before = notes.len();
    notes.retain(|note| open(note.mandate));
    if notes.len() == before {
        return Ok(());
    }
    match notes.is_empty() {
        true => fs::remove_file(file),
        false => fs::write(file, serde_json::to_vec(&notes).map_err(io::Error::other)?),
    }
}
