//! What happens, one act after the other.
//!
//! Owns the list of acts, their text and their random choice. An act means something in every state,
//! so a script from which acts were dropped is a script still. Never performs one; [`super::life`]
//! does.

use std::fmt;
use std::str::FromStr;

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident $word:literal { $($field:ident),* } $weight:literal $other:literal,)+) => {
        /// One act. Numbers are taken modulo what there is to choose from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Act {
            $($(#[$doc])* $name { $($field: u16),* },)+
        }

        /// How often each act is drawn, in either profile.
        const WEIGHTS: &[[u32; 2]] = &[$([$weight, $other]),+];

        impl Act {
            fn draw(random: &mut fastrand::Rng, profile: Profile) -> Self {
                let column = profile as usize;
                let mut left = random.u32(..WEIGHTS.iter().map(|weight| weight[column]).sum::<u32>());
                $(
                    let weight = [$weight, $other][column];
                    if left < weight {
                        return Self::$name { $($field: random.u16(..)),* };
                    }
                    left -= weight;
                )+
                unreachable!("{left} is below the sum of all weights")
            }
        }

        impl fmt::Display for Act {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),* } => {
                        f.write_str($word)?;
                        $(write!(f, " {}", $field)?;)*
                        Ok(())
                    })+
                }
            }
        }

        impl FromStr for Act {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let mut words = text.split_whitespace();
                let word = words.next().unwrap_or_default();
                let act = match word {
                    $($word => Self::$name { $($field: number(&mut words, text)?),* },)+
                    _ => return Err(format!("`{text}` is no act")),
                };
                match words.next() {
                    None => Ok(act),
                    Some(_) => Err(format!("`{text}` has too many numbers")),
                }
            }
        }
    };
}

acts! {
    /// Performs some of the effects under way and takes a turn.
    Work "work" { most } 34 10,
    /// Time passes up to what is due next, at most a day, and a turn is taken; a few times over.
    Next "next" { times } 12 12,
    /// The clock goes forward while nobody looks, by some of a few spans.
    Sleep "sleep" { span } 4 8,
    /// The clock is set back.
    Back "back" { span } 2 4,
    /// The clock is set forward.
    Forward "forward" { span } 2 4,
    /// A person says that the clock is right.
    Confirm "confirm" {} 1 2,
    /// A person asks for a mandate; some say the same key twice.
    Create "create" { goal, key } 10 1,
    /// A person fires a schedule.
    Fire "fire" { schedule, key } 2 2,
    Stop "stop" { which } 2 1,
    /// A person approves or rejects what waits, now and then with another hash.
    Decide "decide" { which, how } 8 2,
    /// A person says what became of an unsettled effect.
    Judge "judge" { which, how } 5 3,
    /// A person changes a file.
    Touch "touch" { file, how } 5 0,
    /// A person changes a file between two calls on the disk.
    Beside "beside" { calls, file, how } 9 0,
    /// The configuration is read again.
    Reload "reload" { configuration } 4 9,
    /// A snapshot is made of the sealed segments; of some, after every way to stop at it was tried.
    Snapshot "snapshot" { kind, every } 14 1,
    /// The oldest segments go as far as a limit says; of some, after every way to stop was tried.
    Retain "retain" { limit, every } 5 1,
    /// Something damages a snapshot of the state.
    Spoil "spoil" { which, how } 2 0,
    /// One of four times, the turn that would end this segment is stopped everywhere.
    Rotate "rotate" { often } 1 0,
    /// A performer ends without an outcome, before or after it did what it was to do.
    Lose "lose" { which, done } 3 1,
    /// The daemon stops as asked, and starts with a configuration that may be another one.
    Restart "restart" { configuration, patience } 3 5,
    /// The daemon stops, and a process comes that is there for one mandate.
    Once "once" { goal, patience } 3 1,
    /// The process ends.
    Kill "kill" { again } 2 3,
    /// The power goes.
    Cut "cut" { image, again } 5 4,
    /// The process or the machine ends at a call on the disk that is still to come.
    Crash "crash" { calls, how, image } 11 7,
    /// A call on the disk that is still to come fails.
    Fault "fault" { calls, harm } 5 1,
    /// The disk runs short of room, or has enough again.
    Room "room" { how } 3 1,
    /// Time passes from one thing that is due to the next, many times over, with work between.
    Days "days" { times, most } 0 24,
    /// Many schedules are loaded, and the machine is asleep for eight hours.
    Night "night" {} 0 1,
    /// A person pauses a schedule.
    Pause "pause" { schedule } 0 6,
    /// A person lets a schedule go on.
    Resume "resume" { schedule } 0 6,
    /// The clock is set by less than is waited for.
    Nudge "nudge" { span } 0 5,
}

fn number<'a>(words: &mut impl Iterator<Item = &'a str>, text: &str) -> Result<u16, String> {
    let word = words.next().ok_or_else(|| format!("`{text}` lacks a number"))?;
    word.parse().map_err(|error| format!("`{text}`: {error}"))
}

/// What most of a world is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Mandates, files and people; few schedules.
    Work,
    /// Schedules of all kinds.
    Schedules,
}

impl Profile {
    /// What a script of it begins with.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Work => "seed",
            Self::Schedules => "schedules",
        }
    }
}

/// A world's beginning and everything that happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub profile: Profile,
    /// The beginning: what the disk promises, when it is, which configuration holds.
    pub seed: u64,
    pub acts: Vec<Act>,
}

/// Acts a script has at least and less than.
const ACTS: std::ops::Range<usize> = 30..90;

impl Script {
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let acts = random.usize(ACTS);
        let acts = (0..acts).map(|_| Act::draw(&mut random, profile)).collect();
        Self { profile, seed, acts }
    }
}

impl fmt::Display for Script {
    /// One line: the seed, then the acts, between semicolons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.profile.word(), self.seed)?;
        self.acts.iter().try_for_each(|act| write!(f, "; {act}"))
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let (word, seed) = parts.next().and_then(|part| part.split_once(' ')).unwrap_or_default();
        let profile = [Profile::Work, Profile::Schedules].into_iter().find(|of| of.word() == word);
        let profile = profile.ok_or("a script begins with `seed` or `schedules`")?;
        let seed = seed.trim().parse().map_err(|_| format!("`{seed}` is no number"))?;
        Ok(Self { profile, seed, acts: parts.map(str::parse).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_script_is_the_script() {
        for seed in 0..50 {
            for profile in [Profile::Work, Profile::Schedules] {
                let script = Script::new(profile, seed);
                assert_eq!(script.to_string().parse(), Ok(script));
            }
        }
        for bad in ["", "work 1", "seed x", "seed 1; dance", "seed 1; work", "seed 1; work 1 2"] {
            assert!(bad.parse::<Script>().is_err(), "{bad}");
        }
    }
}
