//! Hints that more than one verb gives.
//!
//! Owns their words, so that the same trouble is met with the same advice. Never part of a
//! message: a hint stands on its own line and holds a command to type.

pub(crate) const START_DAEMON: &str = "start one with `kairos daemon`";
pub(crate) const INIT: &str = "`kairos init` makes one here; `--root DIR` names another place";
pub(crate) const LOOK_BEFORE_REPEATING: &str =
    "it may have happened: look with `kairos events` before you ask again";
pub(crate) const SAME_VERSION: &str =
    "is the daemon of another version? compare `kairos --version` and restart it";
pub(crate) const FIRST_START: &str = "the first `kairos daemon` or `kairos once` makes it";
pub(crate) const OTHER_USER: &str = "only the user that runs the daemon may ask it";
pub(crate) const CHANGING: &str = "retention is deleting the oldest segments: ask again";
pub(crate) const RETENTION: &str =
    "`retention` in daemon.yml says how much is kept; a copy of the journal may reach back further";
