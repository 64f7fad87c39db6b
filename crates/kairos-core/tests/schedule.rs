//! Cron expressions, civil time and missed slots, judged from outside.

mod schedule {
    mod civil;
    mod expr;
    mod missed;
    mod nights;
    mod oracle;
    mod timetable;
    mod warning;
    mod zone;
    mod zone_data;
}
