//! What a start does before anything else.
//!
//! Owns the inputs of the first turn, in the order it takes them: that the journal was opened, the
//! configuration, who brought the engine down, and what a crash or a stop left open. Plain functions,
//! so the engine and a simulator start alike. Never reads a file and never takes a turn.

use std::collections::BTreeSet;

use kairos_core::event::{Loaded, Renamed};
use kairos_core::id::MandateId;
use kairos_core::input::Input;
use kairos_core::resume::{Resume, resume};
use kairos_core::rules::Rules;
use kairos_core::schedule::definition::{Definition, ScheduleName};
use kairos_core::state::State;
use kairos_core::time::Time;
use kairos_journal::{Repaired, Torn};

use crate::calendar::{Calendar, Loading, Unusable, Zones};

/// Bytes that one part of the schedules of a configuration may take, in one frame.
const PART_BYTES_MAX: usize = 900 * 1024;

/// Bytes after which the next schedule begins another part.
const PART_BYTES: usize = 256 * 1024;

/// A configuration that cannot come into force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConfigured {
    /// One schedule, or all that are renamed at once.
    #[error(
        "schedules that have to stand in one journal frame take {bytes} bytes, and it has room for \
         {PART_BYTES_MAX}"
    )]
    TooLarge { bytes: usize },
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// The journal was opened: `begun` says by whom. What a crash cut short was saved first, what a
/// person gave up before; `adopt` says that it comes from elsewhere.
#[must_use]
pub fn opened(
    begun: Input,
    recovered: Option<Torn>,
    repaired: Option<Repaired>,
    adopt: bool,
) -> Vec<Input> {
    let mut inputs = vec![begun];
    inputs.extend(recovered.map(|torn| Input::Recovered {
        after: torn.after.0,
        bytes: torn.bytes,
        saved_as: torn.saved_as.display().to_string(),
    }));
    inputs.extend(repaired.map(|Repaired { after, bytes, segments, by }| Input::Repaired {
        after,
        bytes,
        segments,
        by,
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
    let Loading { calendar, endings, set, gone, renamed } =
        Calendar::load(state, schedules, zones, now)?;
    let mut inputs = endings;
    let rules = Box::new(rules);
    inputs.extend(parts(set, gone, renamed)?.into_iter().map(|part| {
        let Part { set, gone, renamed, .. } = part;
        Input::Configured { rules: rules.clone(), set, gone, renamed }
    }));
    Ok((calendar, inputs))
}

/// What one frame takes of the schedules of a configuration.
#[derive(Default)]
struct Part {
    set: Vec<Loaded>,
    gone: Vec<ScheduleName>,
    renamed: Vec<Renamed>,
    bytes: usize,
}

/// One part at least. Names that go leave first; all that change hands do so in one part, since one
/// may take what another leaves.
fn parts(
    set: Vec<Loaded>,
    gone: Vec<ScheduleName>,
    renamed: Vec<Renamed>,
) -> Result<Vec<Part>, NotConfigured> {
    let mut parts = vec![Part::default()];
    for name in gone {
        room(&mut parts, bytes(&name))?.gone.push(name);
    }
    let names: BTreeSet<_> = renamed.iter().map(|renamed| renamed.to.clone()).collect();
    let (moved, set): (Vec<_>, Vec<_>) =
        set.into_iter().partition(|loaded| names.contains(&loaded.definition.name));
    if !renamed.is_empty() {
        let part = room(&mut parts, bytes(&renamed).saturating_add(bytes(&moved)))?;
        (part.renamed, part.set) = (renamed, moved);
    }
    for loaded in set {
        room(&mut parts, bytes(&loaded))?.set.push(loaded);
    }
    Ok(parts)
}

/// The last part, or another one where it has no room.
fn room(parts: &mut Vec<Part>, bytes: usize) -> Result<&mut Part, NotConfigured> {
    if bytes > PART_BYTES_MAX {
        return Err(NotConfigured::TooLarge { bytes });
    }
    if parts.last().is_some_and(|part| part.bytes > 0 && part.bytes + bytes > PART_BYTES) {
        parts.push(Part::default());
    }
    let part = parts.last_mut().expect("there is one at least");
    part.bytes += bytes;
    Ok(part)
}

fn bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |text| text.len())
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
