//! What the benches of the whole share: rows, slices that take turns, bare writes, an engine.
//!
//! Owns how a figure is taken: in one process, in slices that alternate with its control, the median
//! of many. Never ships, and holds no rule. `cargo xtask bench` starts the benches and prints rows.

pub mod crowd;
pub mod engine;
pub mod raw;
pub mod row;
pub mod schedules;
pub mod slices;
pub mod whole;

/// What a bench does when something fails: it says so and ends.
pub type Done<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A directory on the disk that is built on, removed in the end.
///
/// # Errors
/// It cannot be made.
pub fn temporary() -> Done<tempfile::TempDir> {
    // Beside the build: a directory for temporary files is often in memory.
    let here = std::env::current_exe()?;
    Ok(tempfile::tempdir_in(here.parent().ok_or("a program in no directory")?)?)
}
