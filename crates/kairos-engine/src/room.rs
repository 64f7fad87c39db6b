//! The room on the disk, as the engine goes by it.
//!
//! Owns when the disk is looked at, which shortage holds back new work, what was last told of it, and
//! how much of the journal retention may leave. Never looks itself: [`crate::space`] does. The engine
//! asks before each turn and tells after it.

use std::time::{Duration, Instant};

use kairos_core::input::Input;
use kairos_core::space::Shortage;
use kairos_core::state::State;

use crate::configuration::Retention;
use crate::notice::Notice;
use crate::space::{Space, Standing};

/// How long a start waits for what there is room for.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How often the disk is looked at while it is short of room.
const AGAIN: Duration = Duration::from_secs(10);
/// How long what a deletion of segments leaves without a name has to go, before there is another.
const RETAIN_AGAIN: Duration = Duration::from_secs(60);

pub(crate) struct Room {
    space: Space,
    /// Of the last look, as the last turn went by it.
    verdict: Option<Shortage>,
    /// Whether the last turn found no room for the journal's next segment.
    tight: bool,
    /// What was told last.
    told: Option<Shortage>,
    /// When a look was last asked for.
    looked: Instant,
    /// The count of blobs that retention goes by, and since when.
    retained: (u64, Instant),
    /// What else than segments there was when retention last had to give up a share.
    share: Option<u64>,
}

impl Room {
    pub(crate) fn new(space: Space) -> Self {
        let now = Instant::now();
        Self {
            space,
            verdict: None,
            tight: false,
            told: None,
            looked: now,
            retained: (0, now),
            share: None,
        }
    }

    /// Waits for the first look, but not long.
    pub(crate) fn first(&self) {
        self.space.first(FIRST_WAIT);
    }

    /// What holds back new work in the turn that begins, and the input that records it where that is
    /// something else than the state knows.
    pub(crate) fn verdict(&mut self, state: &State) -> (Option<Shortage>, Option<Input>) {
        let (low, recorded) = verdict(state.low(), self.space.standing());
        self.verdict = low;
        (low, recorded)
    }

    /// Whether slots wait for room.
    pub(crate) const fn holds_slots(&self) -> bool {
        self.verdict.is_some()
    }

    /// As it is shown.
    pub(crate) fn standing(&self) -> Standing {
        let low = self.verdict.or_else(|| self.tight.then_some(Shortage::Segment));
        Standing { low, ..self.space.standing() }
    }

    /// A turn is over that found the journal so: what is to be told.
    pub(crate) fn turned(&mut self, tight: bool) -> Option<Notice> {
        self.tight = tight;
        let standing = self.standing();
        let told = std::mem::replace(&mut self.told, standing.low);
        match (told, standing.low) {
            (Some(told), Some(low)) if told.is_like(&low) => None,
            (_, Some(shortage)) => Some(Notice::SpaceLow { shortage }),
            (Some(_), None) => Some(Notice::SpaceEnough { standing }),
            (None, None) => None,
        }
    }

    /// Counts again what the journal and the blobs take: a segment was sealed, or blobs went.
    pub(crate) fn count(&self) {
        self.space.count();
    }

    /// Goes by other limits from now on.
    pub(crate) fn limit(&self, limits: Retention) {
        self.space.limit(limits);
    }

    /// Asks for a look. What retention is to go by from then on, where that is known anew: by each
    /// count once, for what was deleted since still counts along.
    pub(crate) fn look(&mut self) -> Option<Retention> {
        self.looked = Instant::now();
        self.space.look();
        let (counts, since) = self.retained;
        let counted = self.space.standing().counts > counts;
        let rested = counts == 0 || since.elapsed() >= RETAIN_AGAIN;
        (counted && rested).then(|| self.retention())
    }

    /// What retention is to go by: journal and blobs have one cap. Another share of the segments goes
    /// only when the last one took blobs along: where what fills the disk does not go with them, all
    /// history would be given up for nothing.
    pub(crate) fn retention(&mut self) -> Retention {
        let standing = self.space.standing();
        self.retained = (standing.counts, Instant::now());
        let bytes = share(&mut self.share, &standing);
        Retention { bytes, ..standing.limits }
    }

    /// How long until the next look besides those with each heartbeat.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.told.map(|_| AGAIN.saturating_sub(self.looked.elapsed()))
    }
}

/// What holds back new work by the last look, where `known` is what the state knows, and the input that
/// records it where it is something else.
fn verdict(known: Option<Shortage>, standing: Standing) -> (Option<Shortage>, Option<Input>) {
    let Standing { low, looked, .. } = standing;
    if !looked {
        // What was low when the last engine ended is low until somebody has looked.
        return (known, None);
    }
    let same = match (known, low) {
        (Some(before), Some(low)) => low.is_like(&before),
        (before, low) => before.is_none() && low.is_none(),
    };
    (low, (!same).then_some(Input::Space { low }))
}

/// What segments may take. `before` is what else there was when they last had to give up a share: with
/// no less now, they keep what they have.
fn share(before: &mut Option<u64>, standing: &Standing) -> u64 {
    let (found, all) = (standing.found, standing.limits.bytes);
    let beside = found.used.unwrap_or(0).saturating_sub(found.segments);
    match (standing.segments_max(), *before) {
        (share, Some(before)) if share < all && beside >= before => all,
        (share, _) => {
            *before = (share < all).then_some(beside);
            share
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Found;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_was_low_at_the_end_is_low_until_somebody_has_looked() {
        let low = Shortage::Free { free_bytes: 1, keep_free_bytes: 2 };
        let before = Standing::default();
        let after = Standing { looked: true, ..before };
        assert_eq!(verdict(Some(low), before).0, Some(low));
        assert!(verdict(Some(low), before).1.is_none(), "nothing is known that is new");
        let (enough, recorded) = verdict(Some(low), after);
        assert_eq!(enough, None);
        assert!(matches!(recorded, Some(Input::Space { low: None })), "{recorded:?}");
        assert!(verdict(None, before).0.is_none() && verdict(None, after).1.is_none());
    }

    #[test]
    fn segments_give_up_another_share_only_when_something_else_went_with_the_last() {
        let limits = Retention { bytes: 160 * MIB, ..Retention::default() };
        let with = |beside: u64, segments: u64| {
            let (segments, used) = (segments * MIB, Some((beside + segments) * MIB));
            let found = Found { free: None, used, segments };
            Standing { found, limits, ..Standing::default() }
        };
        let looks = [(240, 40), (240, 20), (240, 20), (200, 20), (200, 12), (100, 12), (240, 40)];
        let mut before = None;
        let shares = looks.map(|(b, s)| share(&mut before, &with(b, s)) / MIB);
        assert_eq!(shares, [20, 160, 160, 12, 160, 160, 20]);
    }
}
