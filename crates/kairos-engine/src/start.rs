//! What a start does before anything else.
//!
//! Owns the inputs of the first turn, in the order it takes them: that the journal was opened, the
//! configuration, who brought the engine down, and what a crash or a stop left open. Plain functions,
//! so the engine and a simulator start alike. Never reads a file and never takes a turn.

use std::fmt;
use std::path::{Path, PathBuf};

use kairos_core::id::MandateId;
use kairos_core::input::Input;
use kairos_core::resume::{Resume, resume};
use kairos_core::rules::Rules;
use kairos_core::schedule::definition::{Definition, ScheduleName};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_journal::{Repaired, Torn};

use crate::calendar::{Calendar, Loading, Unusable, Zones};
use crate::parts::parts;

/// A configuration that cannot come into force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConfigured {
    /// One schedule, or all that have another name at once, of which it is the first.
    #[error("schedule `{schedule}` takes {bytes} bytes, and a journal frame has room for 921600")]
    TooLarge { schedule: ScheduleName, bytes: usize },
    #[error(
        "the journal has no room to record it; make room (`df -h .kairos/journal`), and try again"
    )]
    NoRoom,
    #[error("`{}` is missing, and {known} are known", file.display())]
    Missing { file: PathBuf, known: Known },
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// How many schedules the state knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known(pub usize);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 schedule"),
            n => write!(f, "{n} schedules"),
        }
    }
}

impl NotConfigured {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some(
                "put it back, or write `schedules: []` into it where there are to be none: what a \
                 schedule remembers ends with its entry",
            ),
            Self::TooLarge { .. } | Self::NoRoom | Self::Unusable(_) => None,
        }
    }
}

/// The journal was opened: `begun` says by whom. What a crash cut short was saved first, what a
/// person gave up before; `adopt` says that it comes from elsewhere.
#[must_use]
pub fn opened(
    begun: Input,
    recovered: Option<Torn>,
    repaired: Vec<Repaired>,
    adopt: bool,
) -> Vec<Input> {
    let mut inputs = vec![begun];
    inputs.extend(recovered.map(|torn| Input::Recovered {
        after: torn.after.0,
        bytes: torn.bytes,
        saved_as: torn.saved_as.display().to_string(),
    }));
    inputs.extend(repaired.into_iter().map(|Repaired { after, bytes, segments, by }| {
        Input::Repaired { after, bytes, segments, by }
    }));
    inputs.extend(adopt.then_some(Input::Adopted));
    inputs
}

/// The inputs for a configuration, at a start or a reload, and the calendar to use from then on: the
/// last fates under rules that end, then the configuration itself, in as many parts as its schedules
/// need frames. A crash between two of them leaves the rest to the next start.
///
/// # Errors
/// A schedule has no place in a frame, or no timetable; the calendar in use stays.
pub fn configured(
    state: &State,
    rules: Rules,
    schedules: Vec<Definition>,
    zones: Zones,
    now: Time,
) -> Result<(Calendar, Vec<Input>), NotConfigured> {
    let Loading { calendar, moved, endings, set, gone, renamed } =
        Calendar::load(state, schedules, zones, now)?;
    let mut inputs = Vec::new();
    if !moved.is_empty() {
        inputs.extend(parts(&rules, moved.into_values().collect(), Default::default())?);
    }
    inputs.extend(endings);
    inputs.extend(parts(&rules, set, (gone, renamed))?);
    Ok((calendar, inputs))
}

/// Refuses to take the schedules of a file that does not exist for none, where some are known.
pub(crate) fn still_there(state: &State, missing: Option<&Path>) -> Result<(), NotConfigured> {
    match (missing, state.schedules().count()) {
        (None, _) | (Some(_), 0) => Ok(()),
        (Some(file), known) => {
            Err(NotConfigured::Missing { file: file.to_owned(), known: Known(known) })
        }
    }
}

/// About what the schedules among these inputs take in the journal.
pub(crate) fn frame_bytes(inputs: &[Input]) -> u64 {
    let sets = inputs.iter().filter_map(|input| match input {
        Input::Configured { set, .. } if !set.is_empty() => Some(set),
        _ => None,
    });
    let bytes = |set| serde_json::to_vec(set).map_or(u64::MAX, |text| text.len() as u64);
    sets.map(bytes).fold(0, u64::saturating_add)
}

/// Mandates that brought the engine down leave.
pub fn quarantined(mandates: impl IntoIterator<Item = MandateId>) -> impl Iterator<Item = Input> {
    mandates.into_iter().map(|mandate| Input::Quarantine { mandate })
}

/// What was open when the journal ended: effects without outcome, and mandates that were running.
pub fn left_open(state: &State) -> impl Iterator<Item = Input> {
    resume(state).into_iter().map(|end| match end {
        Resume::Lost { effect, .. } => Input::Lost { effect },
        Resume::Continue { mandate } => Input::Continue { mandate },
    })
}
