//! Where it happens: schedules, configurations and files.
//!
//! Owns the lists a script's numbers choose from. Never decides which is chosen when.

use jiff::tz::TimeZone;
use kairos_core::budget::{Caps, Price};
use kairos_core::digest::BlobRef;
use kairos_core::gate::risk::Risk;
use kairos_core::gate::scope::{Raise, Scope};
use kairos_core::mandate::spec::{Check, MandateSpec};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_core::schedule::definition::{Concurrency, Definition, Timing};
use kairos_core::schedule::{Dst, InFold, InGap, MissedPolicy};

use super::script::Profile;
use super::timetables::{self, Ground};
use super::zones::zone;
use crate::world::{Order, Rules as DiskRules};

/// Every file of the workspace and what it holds in the beginning.
pub(super) const FILES: [(&str, Option<&str>); 13] = [
    ("docs/a.md", Some("first\nEND\n")),
    ("docs/b.md", Some("second\nEND\n")),
    ("docs/new.md", None),
    ("src/c.rs", Some("third\nEND\n")),
    ("src/d.rs", None),
    (".kairos/context/e.md", Some("fourth\nEND\n")),
    (".kairos/knowledge/f.md", Some("fifth\nEND\n")),
    (".kairos/skills/g.md", Some("sixth\nEND\n")),
    (".env", Some("KEY=1\nEND\n")),
    ("deploy/h.yml", Some("seventh\nEND\n")),
    ("secret.txt", Some("token\nEND\n")),
    (".kairos/config/daemon.yml", Some("mode: daemon\nEND\n")),
    (".kairos/run/daemon.pid", Some("1\nEND\n")),
];

/// From here on, files are the daemon's own or hold secrets.
pub(super) const CLOSED: usize = 10;

pub(super) const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/St_Johns",
];

/// Shortly before clocks change, or a day ends, somewhere.
const STARTS: [&str; 8] = [
    "2026-03-28T22:10:00Z",
    "2026-10-24T23:20:00Z",
    "2026-11-01T03:45:00Z",
    "2027-02-27T23:58:30Z",
    "2027-04-03T13:30:00Z",
    "2026-12-31T20:00:00Z",
    "2028-02-28T20:00:00Z",
    "2011-12-29T03:00:00Z",
];

/// Rules of the few schedules beside much other work.
const CRONS: [&str; 8] = [
    "*/20 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "15,45 1,2,3 * * *",
    "0 9 * * 1-5",
    "59 23 * * *",
    "0 0 1 * *",
    "*/7 1 * * *",
];

/// How the world begins.
pub(super) struct Setting {
    pub(super) disk: DiskRules,
    pub(super) start_ms: i64,
    pub(super) configuration: u16,
}

impl Setting {
    pub(super) fn of(seed: u64, profile: Profile) -> Self {
        // Other numbers than the script's own.
        let mut random = fastrand::Rng::with_seed(!seed);
        let order = [Order::Free, Order::Loose, Order::Journaled][random.usize(..3)];
        let starts = if profile == Profile::Work { 6 } else { STARTS.len() };
        let start: jiff::Timestamp =
            STARTS[random.usize(..starts)].parse().expect("each is an instant");
        Self {
            disk: DiskRules { order, names_with_sync: random.bool() },
            start_ms: start.as_millisecond() + random.i64(0..600_000),
            configuration: random.u16(..),
        }
    }
}

/// What a configuration says besides the rules.
pub(super) struct Chosen {
    pub(super) rules: Rules,
    pub(super) schedules: Vec<Definition>,
    pub(super) day_zone: TimeZone,
    /// The edition of zone data that is installed.
    pub(super) edition: u16,
}

/// The number of a configuration under which everything can end: a model, no schedule, no cap.
pub(super) const GENEROUS: u16 = u16::MAX;

/// The number of a configuration of many schedules that are due often.
pub(super) const NIGHT: u16 = u16::MAX - 1;

/// A configuration of a world.
pub(super) fn configuration(
    (profile, ground): (Profile, Ground),
    goal: &dyn Fn(u16) -> BlobRef,
) -> Chosen {
    let chosen = match profile {
        Profile::Work => drawn(ground.number, goal),
        Profile::Schedules if ground.number == NIGHT => timetables::often(ground, goal),
        Profile::Schedules => timetables::configuration(ground, goal),
    };
    if ground.number != GENEROUS {
        return chosen;
    }
    let rules = Rules {
        day: Caps::default(),
        mandate_usd_micros_max: u64::MAX,
        model: Some(model(Price::default())),
        max_running: 4,
        ..chosen.rules
    };
    Chosen { rules, schedules: Vec::new(), ..chosen }
}

fn model(price: Price) -> ModelRules {
    ModelRules {
        name: "m".into(),
        output_tokens_max: 512,
        prices: vec![NamedPrice { name: String::new(), price }],
    }
}

fn drawn(number: u16, goal: &dyn Fn(u16) -> BlobRef) -> Chosen {
    let mut random = fastrand::Rng::with_seed(u64::from(number) + 1);
    let mut pick = |of: &[u64]| of[random.usize(..of.len())];
    let cap = |of: u64| (of > 0).then_some(of);
    let day = Caps {
        calls: cap(pick(&[0, 0, 4, 30])),
        tokens: cap(pick(&[0, 0, 60_000, 400_000])),
        usd_micros: cap(pick(&[0, 200_000, 2_000_000])),
    };
    let scopes = match pick(&[0, 1, 2]) {
        0 => Vec::new(),
        1 => vec![Raise { pattern: "deploy/**".into(), scope: Scope::L1 }],
        _ => vec![Raise { pattern: "docs/**".into(), scope: Scope::L0 }],
    };
    let price = Price { input: 3_000_000, output: 15_000_000, ..Price::default() };
    let price = if pick(&[0, 1]) == 0 { Price::default() } else { price };
    let model = model(price);
    let rules = Rules {
        max_running: u16::try_from(pick(&[1, 2, 4])).expect("few"),
        day,
        mandate_usd_micros_max: pick(&[90_000, 500_000, 5_000_000]),
        proposal_ttl_ms: pick(&[600_000, 7_200_000, 28_800_000]),
        proposals_max: u16::try_from(pick(&[1, 3, 16])).expect("few"),
        scopes,
        secrets: vec!["secret.txt".parse().expect("a path")],
        model: (pick(&[0, 1, 1, 1, 1, 1, 1, 1]) == 1).then_some(model),
    };
    let day_zone = zone(ZONES[usize::try_from(pick(&[0, 1, 2, 3, 4, 5])).expect("few")]);
    let schedules = (0..4).filter(|_| pick(&[0, 1, 1]) == 1).collect::<Vec<u16>>();
    let variants: Vec<u64> = schedules.iter().map(|_| pick(&[0, 0, 0, 1, 2, 3])).collect();
    let schedules = schedules.into_iter().zip(variants);
    let schedules = schedules.map(|(which, variant)| schedule(which, variant, goal)).collect();
    Chosen { rules, schedules, day_zone, edition: 0 }
}

/// One of four schedules, in one of four variants: as it was first, with another rule, off, and
/// with another policy.
fn schedule(which: u16, variant: u64, goal: &dyn Fn(u16) -> BlobRef) -> Definition {
    let at = usize::from(which);
    let cron = CRONS[if variant == 1 { at + 4 } else { at }];
    let zone_name = ZONES[at + usize::from(at > 1)];
    let fold = if which == 2 { InFold::Both } else { InFold::First };
    let gap = if which == 3 { InGap::Skip } else { InGap::RunAfter };
    let missed = [
        MissedPolicy::Skip,
        MissedPolicy::CatchUpOnce,
        MissedPolicy::CatchUpBounded { max: 3, stale_after_ms: 6 * 3_600_000 },
        MissedPolicy::Drop { starting_deadline_ms: 300_000 },
    ];
    let concurrency =
        [Concurrency::Queue, Concurrency::Allow, Concurrency::Reject, Concurrency::Replace];
    let turned = if variant == 3 { at + 1 } else { at };
    let timing = Timing::Cron { cron: cron.into(), zone: zone_name.into(), dst: Dst { gap, fold } };
    let name = format!("schedule-{which}").parse().expect("a name");
    Definition {
        enabled: variant != 2,
        missed: missed[turned % 4],
        concurrency: concurrency[turned % 4],
        ..Definition::new(name, timing, spec(which, goal(which)))
    }
}

/// What the mandate of that number asks for.
pub(super) fn spec(number: u16, goal: BlobRef) -> MandateSpec {
    let contains = || Check::Contains { file: "docs/a.md".parse().expect("a path"), text: goal };
    MandateSpec {
        goal,
        files: vec!["docs/*.md".into(), "src/**".into()],
        // What nobody writes into the file: the checks fail.
        verify: if number % 5 == 4 { vec![contains()] } else { Vec::new() },
        max_cycles: 1 + u8::try_from(number % 4).expect("below 4"),
        risk_budget: [Risk::Low, Risk::Medium, Risk::High][usize::from(number % 3)],
        project_scope: ["", "", "other"][usize::from(number / 3 % 3)].into(),
        allowed_actions: None,
        upload: vec![Scope::L2],
        hints: None,
        model: None,
        timeout_ms: (number % 7 == 6).then_some(3_600_000),
    }
}
