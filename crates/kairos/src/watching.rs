//! Files that schedules watch: when each is looked at, and when what was found has settled.
//!
//! Owns the time between looks, what brings one forward, and the settling of what they find. A watch begins as one that was
//! never told of, so that what changed while nobody looked is told too. Never looks itself, and never
//! asks a clock.
//!
//! ```text
//!  nothing told ──▶ found A ──▶ found A, settle_ms later: told A ──▶ found A …      every LOOK
//!                     ▲  │ found B
//!                     └──┘ begins again, but not for ever: told after UNREST × settle_ms
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kairos_core::schedule::Contents;
use kairos_core::schedule::definition::ScheduleName;
use kairos_engine::Watch;

/// Time between two looks while nothing happens.
const LOOK: Duration = Duration::from_secs(10);

/// Files that are never at rest are told of after so many times the time to settle.
const UNREST: u32 = 10;

/// A look that took long is followed by a pause so many times as long.
const BREATH: u32 = 20;

/// Everything that is watched.
#[derive(Default)]
pub(crate) struct Watching(Vec<One>);

/// One watch.
pub(crate) struct One {
    pub(crate) watch: Watch,
    /// When it is to be looked at.
    at: Instant,
    began: Instant,
    /// Not before: the last look took long.
    rest: Instant,
    told: Option<Result<Contents, String>>,
    restless: Option<Restless>,
}

/// What was found is not what was told.
struct Restless {
    found: Result<Contents, String>,
    /// Since when this was found.
    since: Instant,
    /// Since when anything was found that was not told.
    from: Instant,
}

impl Watching {
    /// All of them are due at once.
    pub(crate) fn begin(watches: Vec<Watch>, now: Instant) -> Self {
        let one = |watch| One { watch, at: now, began: now, rest: now, told: None, restless: None };
        Self(watches.into_iter().map(one).collect())
    }

    /// How long nothing is due; none where nothing is watched.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let next = self.0.iter().map(|one| one.at).min()?;
        Some(next.saturating_duration_since(now))
    }

    /// The files of these schedules may have changed: where nothing was about to be looked at, it is.
    pub(crate) fn stir(&mut self, schedules: &BTreeSet<ScheduleName>, now: Instant) {
        let stirred = self.0.iter_mut().filter(|one| schedules.contains(&one.watch.schedule));
        for one in stirred.filter(|one| one.restless.is_none()) {
            one.at = one.at.min(one.rest.max(now));
        }
    }

    /// The one that has been due longest.
    pub(crate) fn due(&mut self, now: Instant) -> Option<&mut One> {
        let one = self.0.iter_mut().min_by_key(|one| one.at).filter(|one| one.at <= now)?;
        one.began = now;
        Some(one)
    }
}

impl One {
    /// What is to be told of a look that ended now.
    pub(crate) fn found(
        &mut self,
        found: Result<Contents, String>,
        now: Instant,
    ) -> Option<Result<Contents, String>> {
        let settle = Duration::from_millis(self.watch.settle_ms);
        self.rest = now + now.saturating_duration_since(self.began) * BREATH;
        if self.told.as_ref() == Some(&found) {
            (self.restless, self.at) = (None, self.rest.max(now + LOOK));
            return None;
        }
        let (since, from) = match &self.restless {
            Some(before) if before.found == found => (before.since, before.from),
            Some(before) => (now, before.from),
            None => (now, now),
        };
        if now >= since + settle || now >= from + settle * UNREST {
            (self.told, self.restless) = (Some(found.clone()), None);
            self.at = self.rest.max(now + LOOK);
            return Some(found);
        }
        self.restless = Some(Restless { found, since, from });
        self.at = self.rest.max(now + settle.min(LOOK));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kairos_core::digest::Digest;

    use super::*;

    fn watching(begin: Instant) -> Watching {
        let watch = Watch {
            schedule: "inbox".parse().expect("a name"),
            glob: "inbox/**".into(),
            settle_ms: 2_000,
            scopes: Arc::default(),
        };
        Watching::begin(vec![watch], begin)
    }

    fn contents(n: u8) -> Result<Contents, String> {
        let path = "inbox/a".parse().expect("a path");
        Ok(Contents::of([(&path, Digest::of(&[n]))]))
    }

    /// What is told of what is found at each look, with the seconds since the beginning.
    fn told(
        seconds: u64,
        held: impl Fn(u64) -> Result<Contents, String>,
    ) -> Vec<(u64, Result<Contents, String>)> {
        let begin = Instant::now();
        let (mut watching, mut now, mut told) = (watching(begin), begin, Vec::new());
        while now < begin + Duration::from_secs(seconds) {
            let second = (now - begin).as_secs();
            let one = watching.due(now).expect("it is due");
            told.extend(one.found(held(second), now).map(|found| (second, found)));
            now += watching.wait(now).expect("it is watched");
        }
        told
    }

    #[test]
    fn what_stands_is_told_once_and_each_change_once() {
        let held = |second| contents(u8::from(second >= 30));
        assert_eq!(told(100, held), [(2, contents(0)), (34, contents(1))]);
    }

    #[test]
    fn what_is_never_at_rest_is_told_of_all_the_same() {
        let held = |second| contents(u8::try_from(second / 2).expect("small"));
        let told = told(100, held);
        assert!((3..=5).contains(&told.len()), "{told:?}");
    }

    #[test]
    fn what_comes_back_before_it_settled_is_no_change() {
        let held = |second| contents(u8::from((12..14).contains(&second)));
        assert_eq!(told(60, held), [(2, contents(0))]);
    }

    #[test]
    fn that_nobody_can_tell_is_told_once() {
        let held = |_| Err("no".to_owned());
        assert_eq!(told(60, held), [(2, Err("no".to_owned()))]);
    }

    #[test]
    fn a_hint_brings_a_look_forward_and_never_a_second_one_while_it_settles() {
        let begin = Instant::now();
        let second = |n| begin + Duration::from_secs(n);
        let mut watching = watching(begin);
        let inbox = BTreeSet::from(["inbox".parse().expect("a name")]);
        for (n, told) in [(0, false), (2, true)] {
            let one = watching.due(second(n)).expect("it is due");
            assert_eq!(one.found(contents(0), second(n)).is_some(), told);
        }
        watching.stir(&inbox, second(5));
        let one = watching.due(second(5)).expect("it is due");
        assert_eq!(one.found(contents(1), second(5)), None);
        watching.stir(&inbox, second(6));
        assert_eq!(watching.wait(second(6)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_look_that_takes_long_is_followed_by_a_longer_pause() {
        let begin = Instant::now();
        let mut watching = watching(begin);
        let end = begin + Duration::from_secs(3);
        watching.due(begin).expect("it is due").found(contents(0), end);
        assert_eq!(watching.wait(end), Some(Duration::from_secs(60)));
    }
}
