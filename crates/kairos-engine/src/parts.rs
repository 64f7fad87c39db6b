//! A configuration in as many frames as it takes.
//!
//! Owns how the schedules of one configuration are shared out. All parts come in one turn, and after a
//! crash between two of them the next start reads the configuration again and finds what is left: a
//! part is a change by itself. Never splits a schedule.

use std::collections::BTreeSet;

use kairos_core::event::{Loaded, Renamed};
use kairos_core::input::Input;
use kairos_core::rules::Rules;
use kairos_core::schedule::definition::ScheduleName;

use crate::start::NotConfigured;

/// What one part takes in the journal, at most, but for one schedule that is larger by itself.
const PART_BYTES: usize = 256 * 1024;
/// Bytes that one schedule may take: a frame has room for it and what comes with it.
const SCHEDULE_BYTES_MAX: usize = 900 * 1024;

/// The inputs, in order: what goes first, then what has another name, then what is new or changed. The rules come with each, and
/// are recorded with the first.
pub(crate) fn parts(
    rules: &Rules,
    set: Vec<Loaded>,
    (gone, renamed): (Vec<ScheduleName>, Vec<Renamed>),
) -> Result<Vec<Input>, NotConfigured> {
    let rules = || Box::new(rules.clone());
    let going = shared(gone, |name| Ok(name.as_str().len()))?;
    let going = going.into_iter().map(|gone| Part { gone, ..Part::default() });
    let names: BTreeSet<_> = renamed.iter().map(|renamed| renamed.to.clone()).collect();
    let is_moving = |loaded: &Loaded| names.contains(&loaded.definition.name);
    let (moving, set): (Vec<_>, Vec<_>) = set.into_iter().partition(is_moving);
    let moving = one(moving, renamed)?;
    let coming = shared(set, size)?.into_iter().map(|set| Part { set, ..Part::default() });
    let mut parts: Vec<_> = going.chain(moving).chain(coming).collect();
    if parts.is_empty() {
        parts.push(Part::default());
    }
    let input = |Part { set, gone, renamed }| {
        let rules = rules();
        Input::Configured { rules, set, gone, renamed }
    };
    Ok(parts.into_iter().map(input).collect())
}

#[derive(Default)]
struct Part {
    set: Vec<Loaded>,
    gone: Vec<ScheduleName>,
    renamed: Vec<Renamed>,
}

/// All that have another name have it at once: one may take the name that another leaves.
fn one(moving: Vec<Loaded>, renamed: Vec<Renamed>) -> Result<Option<Part>, NotConfigured> {
    let bytes = moving.iter().map(size).sum::<Result<usize, _>>()?;
    match moving.first() {
        None => Ok(None),
        Some(first) if bytes > SCHEDULE_BYTES_MAX => {
            let schedule = first.definition.name.clone();
            Err(NotConfigured::TooLarge { schedule, bytes })
        }
        Some(_) => Ok(Some(Part { set: moving, renamed, ..Part::default() })),
    }
}

fn size(loaded: &Loaded) -> Result<usize, NotConfigured> {
    let bytes = serde_json::to_vec(loaded).map_or(usize::MAX, |text| text.len());
    if bytes > SCHEDULE_BYTES_MAX {
        let schedule = loaded.definition.name.clone();
        return Err(NotConfigured::TooLarge { schedule, bytes });
    }
    Ok(bytes)
}

fn shared<T>(
    all: Vec<T>,
    size: impl Fn(&T) -> Result<usize, NotConfigured>,
) -> Result<Vec<Vec<T>>, NotConfigured> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut left = 0_usize;
    for one in all {
        let bytes = size(&one)?;
        match parts.last_mut().filter(|_| bytes <= left) {
            Some(part) => part.push(one),
            None => {
                parts.push(vec![one]);
                left = PART_BYTES;
            }
        }
        left = left.saturating_sub(bytes);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_filled_before_the_next_and_nothing_is_split_or_left_out() {
        let half = PART_BYTES / 2;
        let sizes = [half, half, 1, PART_BYTES + 7, 3, 4];
        let parts = shared(sizes.to_vec(), |bytes| Ok(*bytes)).unwrap();
        assert_eq!(parts, [vec![half, half], vec![1], vec![PART_BYTES + 7], vec![3, 4]]);
        assert_eq!(shared(Vec::<usize>::new(), |_| Ok(1)).unwrap(), Vec::<Vec<usize>>::new());
    }
}
