//! Times as people read them.
//!
//! Owns the short local form of an instant. JSON never comes through here: it keeps RFC 3339.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// An instant in local time: `HH:MM:SS` today, else with its date. Text that is no instant stays.
pub(crate) fn short(instant: &str) -> String {
    shown(instant, &Timestamp::now(), &TimeZone::system())
}

/// The time of day of an instant, local.
pub(crate) fn clock(instant: &str) -> String {
    let Ok(at) = instant.parse::<Timestamp>() else { return instant.to_owned() };
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

fn shown(instant: &str, now: &Timestamp, zone: &TimeZone) -> String {
    let Ok(at) = instant.parse::<Timestamp>() else { return instant.to_owned() };
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(form).to_string()
}

/// Micro-dollars as dollars, to the cent or as far as there is something to see.
pub(crate) fn dollars(usd_micros: u64) -> String {
    let (whole, rest) = (usd_micros / 1_000_000, usd_micros % 1_000_000);
    let digits = format!("{rest:06}");
    let shown = digits.trim_end_matches('0');
    format!("{whole}.{shown:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_needs_no_date() {
        let now = "2026-11-21T08:00:00Z".parse().unwrap();
        let show = |text| shown(text, &now, &TimeZone::UTC);
        assert_eq!(show("2026-11-21T07:59:01.250Z"), "07:59:01");
        assert_eq!(show("2026-11-20T07:59:01.250Z"), "2026-11-20 07:59:01");
        assert_eq!(show("soon"), "soon");
    }

    #[test]
    fn money_shows_cents_and_what_is_smaller() {
        let shown = [0, 5_000_000, 1_230_000, 1_234_560, 7].map(dollars);
        assert_eq!(shown, ["0.00", "5.00", "1.23", "1.23456", "0.000007"]);
    }
}
