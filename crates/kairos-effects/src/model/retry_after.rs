//! The wait a provider asks for.
//!
//! Owns the reading of one header: seconds, or a date of HTTP. Never decides how long is waited.

use std::time::{Duration, SystemTime};

/// Milliseconds from `now`, rounded up; 0 for a date that is past. `None` when it is neither.
#[must_use]
pub fn ms(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Some providers send a fraction.
        let span = Duration::try_from_secs_f64(seconds).ok()?;
        return Some(round_up(span));
    }
    let until = date(value)?;
    Some(until.duration_since(now).map_or(0, round_up))
}

fn round_up(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form senders may use (RFC 9110).
fn date(text: &str) -> Option<SystemTime> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u32 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let rest_is_zone = words.next() == Some("GMT") && words.next().is_none();
    let month = MONTHS.iter().position(|name| *name == month)?;
    let valid = rest_is_zone
        && (1970..=9999).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid {
        return None;
    }
    let days = days_before_year(year) - days_before_year(1970)
        + DAYS_BEFORE_MONTH[month]
        + i64::from(month > 1 && is_leap(year))
        + i64::from(day)
        - 1;
    let seconds = u64::try_from(days).ok()? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

const fn days_before_year(year: i64) -> i64 {
    let years = year - 1;
    365 * years + years / 4 - years / 100 + years / 400
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected) in [
            ("7", Some(7_000)),
            (" 0.25 ", Some(250)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000)),
            ("Thu, 29 Feb 1996 00:00:00 GMT", Some(41_440_223_000)),
            ("Sun, 06 Nov 1990 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 PST", None),
            ("-1", None),
            ("soon", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(ms(value, now), expected, "{value}");
        }
    }
}
