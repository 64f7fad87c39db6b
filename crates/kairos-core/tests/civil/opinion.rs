//! A third opinion, from `croner`, where it is known to read an expression as we do.
//!
//! Those are the expressions that follow elapsed time and name days in one field only, without the
//! words it does not have. Fixed times of day it treats otherwise at changes of the clock.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Its instants in (`from`, `until`], or none where it is not asked.
pub(crate) fn due(text: &str, zone: &TimeZone, from: i64, until: i64) -> Option<Vec<i64>> {
    let fields: Vec<&str> = text.split(' ').collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return None };
    let follows = minute.starts_with('*') || hour.starts_with('*');
    let one_field = day == "*" || weekday == "*";
    let foreign = [minute, hour, day, month, weekday].iter().any(|field| {
        field.contains("L-")
            || field.contains("LW")
            || field.contains('?')
            || field.contains("*/") && field.contains(',')
    });
    // A step beyond the field and a week that ends on a named Sunday are no expressions there.
    let refused = text.contains("/6") || weekday.contains("sun");
    if !follows || !one_field || foreign || refused {
        return None;
    }
    let pattern = croner::parser::CronParser::new().parse(text).ok()?;
    let start = Timestamp::from_second(from).ok()?.to_zoned(zone.clone());
    let found = pattern.iter_after(start).map(|zoned| zoned.timestamp().as_second());
    Some(found.take_while(|at| *at <= until).collect())
}
