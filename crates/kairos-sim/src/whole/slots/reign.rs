//! A schedule while one rule held.
//!
//! Owns the comparison of the fates in the journal with the slots there were: each fate must be that of
//! the next slot, none left out and none twice. When the data of the zone change, the rule holds on and
//! other instants go with its slots; then it is their names that count. Never looks at the state.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::tz::TimeZone;
use kairos_core::digest::Digest;
use kairos_core::schedule::definition::Definition;
use kairos_core::schedule::slot::{SlotReason, SlotState};
use kairos_core::time::Time;

use super::super::law::{Broken, Wrong};
use super::super::zones;
use super::walk::{self, Due, Name};

/// Further than any clock is set back or forward, in milliseconds.
const AROUND_MS: i64 = 3 * 86_400_000;

/// The fate of one slot, or of several in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) count: u64,
    /// Where it is that of one slot.
    pub(super) name: Option<Name>,
    pub(super) what: (SlotState, Option<SlotReason>),
}

/// A part of it in which the zone had the same data.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) definition: Definition,
    pub(super) anchor: Option<Time>,
    pub(super) zone_data: Option<Digest>,
    pub(super) begin: Time,
    pub(super) cursor: Time,
    pub(super) fates: Vec<Fate>,
}

/// A schedule while one rule held.
#[derive(Clone, Debug)]
pub(super) struct Reign {
    pub(super) revision: u32,
    /// One at least.
    pub(super) stages: Vec<Stage>,
    /// When another rule took its place.
    pub(super) end: Option<Time>,
}

/// What was found in the end.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) expected: u64,
    pub(super) silent: u64,
    pub(super) duplicates: u64,
    pub(super) broken: Vec<Broken>,
}

impl Verdict {
    fn add(&mut self, other: Self) {
        self.expected += other.expected;
        self.silent += other.silent;
        self.duplicates += other.duplicates;
        self.broken.extend(other.broken);
    }

    fn silent(&mut self, slots: usize, what: String) {
        self.silent += u64::try_from(slots).unwrap_or(u64::MAX);
        self.broken.push(Broken { wrong: Wrong::Lost, what });
    }

    fn duplicate(&mut self, what: String) {
        self.duplicates += 1;
        self.broken.push(Broken { wrong: Wrong::Duplicated, what });
    }
}

impl Stage {
    fn due(&self, span: (Time, Time)) -> Vec<Due> {
        if !self.definition.enabled {
            return Vec::new();
        }
        walk::due(&self.definition, self.anchor, &self.zone(), span)
    }

    /// The times that its clock shows again at an instant.
    fn repeating(&self, at: Time) -> Option<Range<i64>> {
        walk::repeating(&self.zone(), at)
    }

    fn zone(&self) -> TimeZone {
        zones::table(self.definition.timing.zone(), self.zone_data)
    }

    fn label(&self) -> String {
        let Definition { name, timing, .. } = &self.definition;
        format!("{name} {timing:?} from {} to {}", self.begin, self.cursor)
    }
}

impl Reign {
    pub(super) fn stage(&mut self) -> &mut Stage {
        self.stages.last_mut().expect("one at least")
    }

    pub(super) fn fates(&self) -> impl Iterator<Item = &Fate> {
        self.stages.iter().flat_map(|stage| &stage.fates)
    }

    /// Compares all of it.
    pub(super) fn judge(&self, verdict: &mut Verdict) {
        let mut own = compare_all(&self.stages, self.end);
        if let Some(first) = own.broken.first_mut() {
            let stages = self.stages.iter().map(|stage| {
                let (fates, data) =
                    (stage.fates.len(), stage.zone_data.map(|data| data.to_string()));
                format!("; {} to {}, {fates} fates by {data:.15?}", stage.begin, stage.cursor)
            });
            first.what.extend(stages);
        }
        verdict.add(own);
    }
}

/// The fates of all stages, one after the other, with the slots there were up to `end`.
fn compare_all(stages: &[Stage], end: Option<Time>) -> Verdict {
    let (mut verdict, mut had) = (Verdict::default(), Had::default());
    for (nth, stage) in stages.iter().enumerate() {
        if let Some(before) = nth.checked_sub(1).map(|before| &stages[before]) {
            crossed(before, stage, &mut had, &mut verdict);
        }
        let last = nth + 1 == stages.len();
        let end = end.filter(|_| last).map_or(stage.cursor, |end| end.max(stage.cursor));
        had.behind
            .extend(stage.due((earlier(stage.begin), stage.begin)).iter().map(|due| due.name));
        compare(stage, end, &mut had, &mut verdict);
    }
    verdict
}

/// The names of slots that are over.
#[derive(Default)]
struct Had {
    /// Those that had their fate.
    fate: BTreeSet<Name>,
    /// Those that a clock had shown when the rule, or other data, began.
    behind: BTreeSet<Name>,
    /// Times that a clock was showing again when other data came.
    again: Vec<Range<i64>>,
}

fn earlier(time: Time) -> Time {
    Time::from_ms(time.as_ms() - AROUND_MS)
}

/// The fates of a stage with the slots it had up to `end`.
fn compare(stage: &Stage, end: Time, had: &mut Had, verdict: &mut Verdict) {
    let due = stage.due((stage.begin, end));
    verdict.expected += u64::try_from(due.len()).unwrap_or(u64::MAX);
    let mut left = &due[..];
    for fate in &stage.fates {
        let count = usize::try_from(fate.count).unwrap_or(usize::MAX).min(left.len());
        let (slots, rest) = left.split_at(count);
        let (first, last) = (slots.first(), slots.last());
        let instants = (first.map(|due| due.at), last.map(|due| due.at));
        let named = fate.name.is_none_or(|name| first.map(|due| due.name) == Some(name));
        if instants != (Some(fate.from), Some(fate.to)) || !named {
            let what = format!("{}: {fate:?}, but due are {first:?} to {last:?}", stage.label());
            return verdict.silent(left.len().max(1), what);
        }
        for slot in slots.iter().filter(|slot| !had.fate.insert(slot.name)) {
            verdict.duplicate(format!("{}: {slot:?} had its fate before", stage.label()));
        }
        left = rest;
    }
    if let Some(slot) = left.first() {
        let what = format!("{}: nothing says what became of {slot:?}; {end}", stage.label());
        verdict.silent(left.len(), what);
    }
}

/// Whether slots got lost between two stages. By the new data such a slot lies behind the cursor, so
/// nothing will come of it; nothing has, and it was still to come by its name, or by instant and of a
/// time that the clock had not come to yet. But of times that both clocks were showing again,
/// and up to different ends, some may be left out.
fn crossed(before: &Stage, stage: &Stage, had: &mut Had, verdict: &mut Verdict) {
    let (old, new) = (before.cursor, stage.begin);
    let shown = walk::shown(&before.zone(), old);
    let ahead = before.due((old, Time::from_ms(old.as_ms() + AROUND_MS)));
    let ahead: BTreeSet<Name> = ahead.into_iter().map(|due| due.name).collect();
    let again = [before.repeating(old), stage.repeating(old)];
    if again[0] != again[1] {
        had.again.extend(again.into_iter().flatten());
    }
    let is_again = |name: Name| had.again.iter().any(|again| again.contains(&name.0));
    let behind = stage.due((earlier(old.min(new)), new)).into_iter();
    let lost: Vec<Due> = behind
        .filter(|due| !had.fate.contains(&due.name) && !had.behind.contains(&due.name))
        .filter(|due| (due.at > old && due.name.0 > shown) || ahead.contains(&due.name))
        .filter(|due| !is_again(due.name))
        .collect();
    if let Some(first) = lost.first() {
        let what = format!(
            "{}: other zone data carried the cursor from {old} to {new} and over {first:?}",
            stage.label()
        );
        verdict.silent(lost.len(), what);
    }
}
