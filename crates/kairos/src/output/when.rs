//! Times as people read them.
//!
//! Owns the short local form of an instant, always with its offset from UTC; a schedule's times are
//! shown in the schedule's own zone. JSON never comes through here: it keeps RFC 3339.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// An instant in local time: `HH:MM:SS +01:00` today, else with its date. Text that is no instant
/// stays.
pub(crate) fn short(instant: &str) -> String {
    shown(instant, &Timestamp::now(), &TimeZone::system())
}

/// A schedule's instant in its zone, whole; text that is no instant stays.
pub(crate) fn slot(instant: &str, zone: &TimeZone) -> String {
    let Ok(at) = instant.parse::<Timestamp>() else { return instant.to_owned() };
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// A slot to come, with its day of the week.
pub(crate) fn due(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string()
}

/// The time of day of an instant, local.
pub(crate) fn clock(instant: &str) -> String {
    let Ok(at) = instant.parse::<Timestamp>() else { return instant.to_owned() };
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

fn shown(instant: &str, now: &Timestamp, zone: &TimeZone) -> String {
    let Ok(at) = instant.parse::<Timestamp>() else { return instant.to_owned() };
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = if at.date() == now.date() { "%H:%M:%S %:z" } else { "%Y-%m-%d %H:%M:%S %:z" };
    at.strftime(form).to_string()
}

/// How far a clock was set: `2h 5m 0s forward`.
pub(crate) fn step(by_ms: i64) -> String {
    let seconds = by_ms.unsigned_abs().div_ceil(1000);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let way = if by_ms < 0 { "back" } else { "forward" };
    match hours {
        0 => format!("{minutes}m {rest}s {way}"),
        _ => format!("{hours}h {minutes}m {rest}s {way}"),
    }
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
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let show = |text| shown(text, &now, &zone);
        assert_eq!(show("2026-11-21T07:59:01.250Z"), "09:59:01 +02:00");
        assert_eq!(show("2026-11-20T07:59:01.250Z"), "2026-11-20 09:59:01 +02:00");
        assert_eq!(show("soon"), "soon");
        assert_eq!(slot("2026-11-21T07:59:01Z", &zone), "2026-11-21 09:59:01 +02:00");
    }

    #[test]
    fn a_step_says_how_far_and_which_way() {
        let shown = [7_500_000, -121_000, 90_061_001].map(step);
        assert_eq!(shown, ["2h 5m 0s forward", "2m 1s back", "25h 1m 2s forward"]);
    }

    #[test]
    fn money_shows_cents_and_what_is_smaller() {
        let shown = [0, 5_000_000, 1_230_000, 1_234_560, 7].map(dollars);
        assert_eq!(shown, ["0.00", "5.00", "1.23", "1.23456", "0.000007"]);
    }
}
