//! A configuration in as many frames as it takes.
//!
//! Owns how the schedules of one configuration are shared out. All parts come in one turn, and after a
//! crash between two of them the next start reads the configuration again and finds what is left: a
//! part is a change by itself. Never splits a schedule.

use kairos_core::event::Loaded;
use kairos_core::input::Input;
use kairos_core::rules::Rules;
use kairos_core::schedule::definition::ScheduleName;

use crate::start::TooLarge;

/// What one part takes in the journal, at most, but for one schedule that is larger by itself.
const PART_BYTES: usize = 256 * 1024;
/// Bytes that one schedule may take: a frame has room for it and what comes with it.
const SCHEDULE_BYTES_MAX: usize = 900 * 1024;

/// The inputs, in order: what goes first, then what is new or changed. The rules come with each, and
/// are recorded with the first.
pub(crate) fn parts(
    rules: &Rules,
    set: Vec<Loaded>,
    gone: Vec<ScheduleName>,
) -> Result<Vec<Input>, TooLarge> {
    let rules = || Box::new(rules.clone());
    let going = shared(gone, |name| Ok(name.as_str().len()))?;
    let going = going.into_iter().map(|gone| (Vec::new(), gone));
    let coming = shared(set, size)?.into_iter().map(|set| (set, Vec::new()));
    let mut parts: Vec<_> = going.chain(coming).collect();
    if parts.is_empty() {
        parts.push((Vec::new(), Vec::new()));
    }
    let input = |(set, gone)| Input::Configured { rules: rules(), set, gone };
    Ok(parts.into_iter().map(input).collect())
}

fn size(loaded: &Loaded) -> Result<usize, TooLarge> {
    let bytes = serde_json::to_vec(loaded).map_or(usize::MAX, |text| text.len());
    if bytes > SCHEDULE_BYTES_MAX {
        let schedule = loaded.definition.name.clone();
        return Err(TooLarge { schedule, bytes });
    }
    Ok(bytes)
}

fn shared<T>(
    all: Vec<T>,
    size: impl Fn(&T) -> Result<usize, TooLarge>,
) -> Result<Vec<Vec<T>>, TooLarge> {
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
