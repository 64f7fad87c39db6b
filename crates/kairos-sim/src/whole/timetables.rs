//! Many schedules of all kinds, and configurations that differ in a few of them.
//!
//! Owns what a life of the second profile draws from: expressions, intervals, single instants, zones,
//! policies. A seed makes one to sixty schedules; a number makes a configuration of them, in which a few
//! are gone, renamed or edited, and says which edition of zone data is installed.

use std::collections::BTreeMap;

use kairos_core::budget::{Caps, Price};
use kairos_core::digest::BlobRef;
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::schedule::{Dst, InFold, InGap, MissedPolicy};
use kairos_core::time::Time;

use super::scene::{Chosen, spec};
use super::zones;

const EXPRESSIONS: [&str; 48] = [
    "*/20 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "15,45 1,2,3 * * *",
    "0 9 * * 1-5",
    "59 23 * * *",
    "0 0 1 * *",
    "*/7 1 * * *",
    "*/7 * * * *",
    "*/7 */7 * * *",
    "0 0 29 2 *",
    "30 23 28,29 FEB *",
    "0 12 L * *",
    "0 6 LW * *",
    "30 1 15W * *",
    "0 3 1W * *",
    "0 0 * * 5L",
    "0 18 * * MON#1",
    "0 18 * * 2#4,FRI",
    "0 0 13 * 5",
    "0 0 */2 * 1-5",
    "30 4 1-31/2 * SUN",
    "~ * * * *",
    "~ ~ * * *",
    "10~40 3 * * *",
    "~,~ 0-23/2 ~ * ?",
    "*/30 * * * *",
    "15 */10 * * * *",
    "30 0 */2 * * *",
    "0 30 2 * * *",
    "45 59 1,2,3 * * *",
    "0,20,40 15 1-3 * * *",
    "*/20 */5 1 * * *",
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "0 2-4 * * *",
    "5-55/10 2 * * SUN",
    "0 0 L-3 * *",
    "? 12 * * *",
    "0 0,12 1 JAN,FEB,MAR ?",
    "*/15 9-17 * * MON-FRI",
    "07 03 * * *",
    "0 0 31 * *",
    "1 0 * * 7",
    "0 */3 * * SAT-SUN",
    "59 59 23 * * *",
];

/// Seconds of an interval.
const PERIODS: [u64; 8] = [60, 600, 900, 1_500, 3_600, 5_400, 43_200, 86_400];
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Schedules that a night is slept through with.
const OFTEN: u16 = 60;

/// What makes a configuration.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    pub(super) seed: u64,
    pub(super) start: Time,
    pub(super) number: u16,
}

/// The configuration of that number.
pub(super) fn configuration(ground: Ground, goal: &dyn Fn(u16) -> BlobRef) -> Chosen {
    let Ground { seed, number, .. } = ground;
    let mut life = fastrand::Rng::with_seed(seed ^ 0x7469_6d65);
    let many = [1..5, 4..12, 8..20, 20..61][life.usize(..4)].clone();
    let many = life.u16(many);
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(31) ^ u64::from(number));
    let edits = [0, 1, 1, 2, 3, 6][random.usize(..6)];
    let edits: BTreeMap<u16, u8> =
        (0..edits).map(|_| (random.u16(..many), random.u8(..EDITS))).collect();
    let schedules = (0..many).filter_map(|which| {
        let edit = edits.get(&which).map(|edit| (*edit, &mut random));
        schedule(ground, which, edit, goal)
    });
    let schedules = swapped(schedules.collect(), &edits);
    Chosen {
        schedules,
        rules: rules(&mut random),
        day_zone: zones::zone(zones::name(usize::from(number % 6))),
        edition: [0, 0, 0, 0, 1, 2, 1, 2][usize::from(number % 8)],
    }
}

/// Schedules of which each is due within a night, in more scopes than mandates may go on at once.
pub(super) fn often(ground: Ground, goal: &dyn Fn(u16) -> BlobRef) -> Chosen {
    let mut random = fastrand::Rng::with_seed(!ground.seed);
    let schedules = (0..OFTEN).map(|which| {
        let zone = zones::name(random.usize(..)).to_owned();
        let cron = EXPRESSIONS[random.usize(..2)].to_owned();
        let timing = Timing::Cron { cron, zone, dst: dst(&mut random) };
        let mut spec = spec(which % 4, goal(which % 4));
        spec.project_scope = format!("scope-{}", which % 9);
        Definition {
            missed: missed(&mut random),
            concurrency: concurrency(&mut random),
            max_queued: random.u8(1..4),
            ..Definition::new(format!("often-{which}").parse().expect("a name"), timing, spec)
        }
    });
    let schedules = schedules.collect();
    let day_zone = zones::zone(zones::name(0));
    Chosen { schedules, rules: rules(&mut random), day_zone, edition: 0 }
}

fn rules(random: &mut fastrand::Rng) -> Rules {
    let mut one_of = |of: u8| random.u8(..of) == 0;
    // A model without a price cannot be asked where spending has a cap.
    let (unpriced, none, few) = (one_of(12), one_of(12), one_of(8));
    let priced = NamedPrice { name: String::new(), price: Price::default() };
    let prices = if unpriced { Vec::new() } else { vec![priced] };
    let model = ModelRules { name: "m".into(), output_tokens_max: 512, prices };
    Rules {
        max_running: [1, 2, 4, 4][random.usize(..4)],
        day: Caps { calls: few.then_some(60), ..Caps::default() },
        mandate_usd_micros_max: 5_000_000,
        proposal_ttl_ms: [600_000, 7_200_000][random.usize(..2)],
        proposals_max: 16,
        scopes: Vec::new(),
        secrets: Vec::new(),
        model: (!none).then_some(model),
    }
}

/// Kinds of edits a configuration can have.
const EDITS: u8 = 13;
const SWAPPED: u8 = 12;

/// A schedule of the life, as it is in one configuration; none where that has it not.
fn schedule(
    ground: Ground,
    which: u16,
    edit: Option<(u8, &mut fastrand::Rng)>,
    goal: &dyn Fn(u16) -> BlobRef,
) -> Option<Definition> {
    let seed = ground.seed.wrapping_mul(0x9e37_79b9).wrapping_add(u64::from(which) + 1);
    let mut own = fastrand::Rng::with_seed(seed);
    let timing = timing(&mut own, ground.start);
    let name = format!("s-{which}");
    let mut spec = spec(which % 4, goal(which % 4));
    spec.project_scope = ["", "", "a", "b", "c"][own.usize(..5)].into();
    let (missed, concurrency) = (missed(&mut own), concurrency(&mut own));
    let mut made = Definition {
        missed,
        concurrency,
        max_queued: own.u8(1..4),
        pause_after: [0, 0, 1, 3][own.usize(..4)],
        enabled: own.u8(..20) > 0,
        jitter_ms: jitter_ms(&mut own),
        id: (own.u8(..5) < 2).then(|| format!("id-{which}").parse().expect("a name")),
        ..Definition::new(name.parse().expect("a name"), timing, spec)
    };
    let Some((edit, random)) = edit else { return Some(made) };
    match edit {
        0 | 1 => return None,
        2 | 3 => made.name = format!("b-{which}").parse().expect("a name"),
        4 | 5 => made.timing = self::timing(random, ground.start),
        6 => made.enabled = !made.enabled,
        7 => (made.missed, made.concurrency) = (self::missed(random), self::concurrency(random)),
        8 => made.jitter_ms = jitter_ms(random),
        9 => made.id = made.id.xor(Some(format!("id-{which}").parse().expect("a name"))),
        10 | 11 => match &mut made.timing {
            Timing::Cron { zone, dst, .. } | Timing::At { zone, dst, .. } => {
                *zone = zones::name(random.usize(..)).into();
                *dst = self::dst(random);
            }
            Timing::Every { period_ms } => *period_ms = PERIODS[random.usize(..8)] * 1000,
            Timing::Trigger(_) => {}
        },
        _ => {}
    }
    Some(made)
}

/// Lets neighbours take each other's names, where an edit says so.
fn swapped(mut schedules: Vec<Definition>, edits: &BTreeMap<u16, u8>) -> Vec<Definition> {
    for which in edits.iter().filter(|(_, edit)| **edit == SWAPPED).map(|(which, _)| which) {
        let place = |which: u16| {
            let name = format!("s-{which}");
            schedules.iter().position(|schedule| schedule.name.as_str() == name)
        };
        if let (Some(one), Some(other)) = (place(*which), place(which + 1)) {
            let name = schedules[one].name.clone();
            schedules[one].name = std::mem::replace(&mut schedules[other].name, name);
        }
    }
    schedules
}

fn dst(random: &mut fastrand::Rng) -> Dst {
    Dst {
        gap: [InGap::RunAfter, InGap::RunAfter, InGap::Skip][random.usize(..3)],
        fold: [InFold::First, InFold::Second, InFold::Both][random.usize(..3)],
    }
}

fn timing(random: &mut fastrand::Rng, start: Time) -> Timing {
    let zone = zones::name(random.usize(..)).to_owned();
    let dst = dst(random);
    match random.u8(..10) {
        0 => Timing::Every { period_ms: PERIODS[random.usize(..8)] * 1000 },
        1 => {
            // Soon, most of them within the night in which a clock changes.
            let within = [600, 4_000, 20_000][random.usize(..3)];
            let minutes = random.u64(..within);
            let at = start.plus_ms(minutes * MINUTE_MS).timestamp();
            let second = jiff::Timestamp::from_second(at.as_second() / 60 * 60).expect("recent");
            Timing::At { at: zones::zone(&zone).to_datetime(second), zone, dst }
        }
        _ => {
            let cron = EXPRESSIONS[random.usize(..EXPRESSIONS.len())].to_owned();
            Timing::Cron { cron, zone, dst }
        }
    }
}

fn missed(random: &mut fastrand::Rng) -> MissedPolicy {
    match random.u8(..4) {
        0 => MissedPolicy::Skip,
        1 => MissedPolicy::CatchUpOnce,
        2 => MissedPolicy::Drop { starting_deadline_ms: 5 * MINUTE_MS },
        _ => {
            let (max, stale_after_ms) = (random.u32(1..6), random.u64(1..9) * HOUR_MS);
            MissedPolicy::CatchUpBounded { max, stale_after_ms }
        }
    }
}

fn concurrency(random: &mut fastrand::Rng) -> Concurrency {
    let kinds = [
        Concurrency::Queue,
        Concurrency::Queue,
        Concurrency::Reject,
        Concurrency::Replace,
        Concurrency::Allow,
    ];
    kinds[random.usize(..kinds.len())]
}

fn jitter_ms(random: &mut fastrand::Rng) -> u64 {
    [0, 0, 0, 0, 30_000, 5 * MINUTE_MS, 2 * HOUR_MS][random.usize(..7)]
}
