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
/// The shortest segment.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// The longest segment that is made, of which one may be in use and one be made ahead.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
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
    /// What else than segments there was when some were last given up for want of room.
    before: Option<u64>,
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
            before: None,
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

    /// Whether the journal can take so many bytes of frames: the next segment is there, and where that
    /// may be too short for them, there is room for more. What nobody could tell is believed.
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        let more = bytes > SEGMENT_BYTES_MIN / 2;
        let needed = if more { bytes.saturating_add(2 * SEGMENT_BYTES_MAX) } else { 0 };
        !self.tight && self.space.standing().found.free.is_none_or(|free| free >= needed)
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
    /// history would be given up for nothing. Asked twice by one count, it is the same share.
    pub(crate) fn retention(&mut self) -> Retention {
        let standing = self.space.standing();
        self.retained = (standing.counts, Instant::now());
        if standing.segments_max() == standing.limits.bytes {
            self.before = None;
        }
        Retention { bytes: share(self.before, &standing), ..standing.limits }
    }

    /// Segments were given up for want of room.
    pub(crate) fn gave_up(&mut self) {
        self.before = Some(self.space.standing().beside());
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
    // What was low when the last engine ended is low until somebody has looked.
    let low = if looked { low } else { low.or(known) };
    let same = match (known, low) {
        (Some(before), Some(low)) => low.is_like(&before),
        (before, low) => before.is_none() && low.is_none(),
    };
    (low, (!same).then_some(Input::Space { low }))
}

/// What segments may take. `before` is what else there was when some were last given up: with no less
/// now, they keep what they have.
fn share(before: Option<u64>, standing: &Standing) -> u64 {
    match before {
        Some(before) if standing.beside() >= before => standing.limits.bytes,
        Some(_) | None => standing.segments_max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Found;
    use kairos_disk::{Blobs, RealFs};
    use std::fs::File;
    use std::path::Path;
    use std::sync::Arc;

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
        // One that is seen before all is counted counts at once.
        let seen = Shortage::Free { free_bytes: 0, keep_free_bytes: 4 };
        let (found, recorded) = verdict(None, Standing { low: Some(seen), ..before });
        assert_eq!(found, Some(seen));
        assert!(matches!(recorded, Some(Input::Space { low: Some(_) })), "{recorded:?}");
    }

    /// The room of a daemon that is new, with so many MiB beside 20 of segments.
    fn room(dir: &Path, beside: u64) -> Room {
        let [journal, blobs] = ["journal", "blobs"].map(|name| {
            std::fs::create_dir(dir.join(name)).expect("it is new");
            RealFs.root(&dir.join(name)).expect("it is there")
        });
        let file = |name: &str, mib: u64| {
            let file = File::create(dir.join(name)).expect("it is made");
            file.set_len(mib * MIB).expect("it takes no room");
        };
        file("journal/00000000000000000001.kj", 20);
        file("blobs/half", beside);
        let (blobs, inbox) = (Arc::new(Blobs::new(RealFs, blobs)), Arc::default());
        let limits = Retention { bytes: 160 * MIB, free_bytes: 0, ..Retention::default() };
        let space = Space::begin(journal, blobs, inbox, limits).expect("a thread");
        space.first(Duration::from_secs(60));
        Room::new(space)
    }

    #[test]
    fn a_journal_without_its_next_segment_takes_no_configuration() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut room = room(dir.path(), 0);
        assert!(room.takes(0) && room.takes(MIB / 2), "the next segment is there");
        assert!(!room.takes(u64::MAX), "the disk is not that large");
        room.turned(true);
        assert!(!room.takes(0));
        room.turned(false);
        assert!(room.takes(MIB / 2));
    }

    #[test]
    fn until_segments_were_given_up_they_have_to_give_up_the_same_share() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut room = room(dir.path(), 260);
        // Asked when the heartbeat begins, and again when the configuration is in force.
        assert_eq!([(); 2].map(|()| room.retention().bytes / MIB), [10, 10]);
        assert_eq!(room.look(), None, "nothing was counted since");
        room.gave_up();
        assert_eq!(room.retention().bytes / MIB, 160, "nothing else went with them");
    }

    #[test]
    fn segments_give_up_another_share_only_when_something_else_went_with_the_last() {
        let limits = Retention { bytes: 160 * MIB, ..Retention::default() };
        let with = |beside: u64, segments: u64| {
            let (segments, used) = (segments * MIB, Some((beside + segments) * MIB));
            let found = Found { free: None, used, segments };
            Standing { found, limits, ..Standing::default() }
        };
        let shares =
            [(None, 240), (Some(240), 240), (Some(240), 200), (Some(200), 240), (None, 100)].map(
                |(before, beside)| share(before.map(|mib: u64| mib * MIB), &with(beside, 40)) / MIB,
            );
        assert_eq!(shares, [20, 160, 23, 160, 160]);
    }
}
