//! Performs simulated worlds and says what did not hold.
//!
//! Owns the way in: many seeds over all cores, or one script again. Prints lines of JSON on stdout and
//! everything for people on stderr.
//!
//! ```text
//! simulate [--seeds N] [--from SEED]     many worlds; without N, as many as KAIROS_SIM_SEEDS says
//! simulate --seed SEED                   one, again
//! simulate --schedules SEED              one of schedules, again
//! simulate --script TEXT                 one, as it was shrunk to
//! simulate --slots N [--from SEED]       worlds of schedules, until so many slots are accounted for
//! ```
//!
//! With `--shrink SECONDS` a failing script is shrunk for as long; 0 leaves it as it is.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kairos_sim::whole::{Profile, Script, Tally, attempt, shrink};

/// Worlds, when nobody says how many.
const SEEDS: u64 = 1_000;

/// How long a failing script is shrunk, when nobody says it, in seconds.
const SHRINK_S: u64 = 60;

/// What was asked for.
struct Asked {
    worlds: Worlds,
    shrink: Duration,
}

enum Worlds {
    Scripts(Vec<Script>),
    /// Worlds of schedules from this seed on, until as many slots as this are accounted for.
    Slots {
        from: u64,
        least: u64,
    },
}

impl Worlds {
    /// The script in that place, where one is still to be performed after what was tried.
    fn script(&self, place: u64, tried: &Tally) -> Option<Script> {
        match self {
            Self::Scripts(scripts) => scripts.get(usize::try_from(place).ok()?).cloned(),
            Self::Slots { from, least } => (tried.slots() < *least && tried.holds())
                .then(|| Script::new(Profile::Schedules, from.wrapping_add(place))),
        }
    }
}

fn main() -> ExitCode {
    match asked(std::env::args().skip(1)) {
        Ok(asked) => perform(&asked),
        Err(problem) => {
            writeln!(std::io::stderr(), "{problem}").ok();
            ExitCode::from(2)
        }
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let said = std::env::var("KAIROS_SIM_SEEDS").ok();
    let said = said.map(|said| said.parse().map_err(|_| format!("`{said}` is no number")));
    let (mut seeds, mut from, mut one) = (said.unwrap_or(Ok(SEEDS))?, 0_u64, None);
    let (mut slots, mut shrink_s) = (None, SHRINK_S);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("`{word}` lacks its value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number"));
        match word.as_str() {
            "--seeds" => seeds = number()?,
            "--from" => from = number()?,
            "--seed" => one = Some(Script::new(Profile::Work, number()?)),
            "--schedules" => one = Some(Script::new(Profile::Schedules, number()?)),
            "--shrink" => shrink_s = number()?,
            "--script" => one = Some(value.parse()?),
            "--slots" => slots = Some(number()?),
            _ => return Err(format!("`{word}` is no option")),
        }
    }
    let world = |seed| Script::new(Profile::Work, seed);
    let worlds = match (slots, one) {
        (Some(least), _) => Worlds::Slots { from, least },
        (None, Some(script)) => Worlds::Scripts(vec![script]),
        (None, None) => Worlds::Scripts((from..from.saturating_add(seeds)).map(world).collect()),
    };
    Ok(Asked { worlds, shrink: Duration::from_secs(shrink_s) })
}

fn perform(asked: &Asked) -> ExitCode {
    let begun = Instant::now();
    let (next, all) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let script =
                        asked.worlds.script(place, &all.lock().expect("no thread panics with it"));
                    let Some(script) = &script else { return };
                    let (tally, broken) = attempt(script);
                    if let Some(first) = broken.first() {
                        let short = shrink(script, first, asked.shrink);
                        let (_, again) = attempt(&short);
                        let mut out = std::io::stderr().lock();
                        writeln!(out, "{} {}: {first:?}", script.profile.word(), script.seed).ok();
                        writeln!(out, "shrunk: {:?}", again.first()).ok();
                        writeln!(out, "again: simulate --script '{short}'").ok();
                    }
                    all.lock().expect("no thread panics with it").add(tally);
                }
            });
        }
    });
    let all = all.into_inner().expect("no thread panics with it");
    writeln!(std::io::stdout(), "{all}").ok();
    writeln!(std::io::stderr(), "{:.1} s", begun.elapsed().as_secs_f64()).ok();
    if all.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
