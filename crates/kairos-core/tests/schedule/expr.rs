use kairos_core::schedule::{Cron, CronError, Field};

fn read(text: &str) -> Result<Cron, CronError> {
    Cron::parse(text, "nightly")
}

fn same(left: &str, right: &str) {
    assert_eq!(read(left), read(right), "{left} and {right}");
    read(left).expect("a rule");
}

#[test]
fn names_numbers_and_macros_mean_the_same() {
    same("0 9 * JAN,mar-May MON-fri", "0 9 * 1,3-5 1-5");
    same("0 0 * * 7", "0 0 * * SUN");
    same("0 0 * * sat-sun", "0 0 * * 0,6");
    same("0 0 * * 5-7", "0 0 * * FRI,SAT,0");
    same("010 08 ? * ?", "10 8 * * *");
    same("  5\t5  * * *\n", "5 5 * * *");
    same("*/61 0 * * *", "*/60 0 * * *");
    same("0-59/15 0 * * *", "0,15,30,45 0 * * *");
    same("@hourly", "0 * * * *");
    same("@daily", "0 0 * * *");
    same("@midnight", "@daily");
    same("@weekly", "0 0 * * 0");
    same("@monthly", "0 0 1 * *");
    same("@Yearly", "0 0 1 1 *");
    same("@annually", "@yearly");
}

#[test]
fn errors_name_field_text_and_column() {
    use Field::{Day, Hour, Minute, Month, Weekday};
    let cases = [
        ("", CronError::FieldCount { found: 0, column: 1 }),
        ("* * * *", CronError::FieldCount { found: 4, column: 8 }),
        ("0 0 0 * * * 2026", CronError::FieldCount { found: 7, column: 13 }),
        ("@reboot", CronError::Macro { found: "@reboot".into(), column: 1 }),
        ("60 * * * *", CronError::OutOfRange { field: Minute, found: "60".into(), column: 1 }),
        ("0  24 * * *", CronError::OutOfRange { field: Hour, found: "24".into(), column: 4 }),
        ("0 0 0 * *", CronError::OutOfRange { field: Day, found: "0".into(), column: 5 }),
        ("0 0 * * 1,8", CronError::OutOfRange { field: Weekday, found: "8".into(), column: 11 }),
        (
            "0 99999999999999999999 * * *",
            CronError::OutOfRange { field: Hour, found: "99999999999999999999".into(), column: 3 },
        ),
        ("0 0 * ju *", CronError::Value { field: Month, found: "ju".into(), column: 7 }),
        ("0 0 * * é", CronError::Value { field: Weekday, found: "é".into(), column: 9 }),
        ("é 0 * * x", CronError::Value { field: Minute, found: "é".into(), column: 1 }),
        ("1,,2 * * * *", CronError::Value { field: Minute, found: String::new(), column: 3 }),
        ("1, * * * *", CronError::Value { field: Minute, found: String::new(), column: 3 }),
        ("-1 * * * *", CronError::Value { field: Minute, found: String::new(), column: 1 }),
        ("0 5-1 * * *", CronError::Reversed { field: Hour, found: "5-1".into(), column: 3 }),
        ("*/0 * * * *", CronError::Step { field: Minute, found: "0".into(), column: 3 }),
        ("*/+2 * * * *", CronError::Step { field: Minute, found: "+2".into(), column: 3 }),
        ("*/ * * * *", CronError::Step { field: Minute, found: String::new(), column: 3 }),
        (
            "5/10 * * * *",
            CronError::StepWithoutRange { field: Minute, found: "5/10".into(), column: 1 },
        ),
        ("0 0 30 2 *", CronError::NeverFires { found: "30".into(), column: 5 }),
        ("0 0 31 2,4,6 */2", CronError::NeverFires { found: "31".into(), column: 5 }),
    ];
    for (text, error) in cases {
        assert_eq!(read(text), Err(error), "{text}");
    }
    let long = "1,".repeat(600);
    assert_eq!(read(&long), Err(CronError::TooLong { chars: 1200 }));
}

#[test]
fn a_weekday_can_stand_in_for_an_impossible_day() {
    read("0 0 30 2 1").expect("a rule");
}

#[test]
fn errors_read_as_sentences_with_a_hint_beside() {
    let error = read("5/10 * * * *").expect_err("no rule");
    assert_eq!(error.to_string(), "step in `5/10` of the minute field has no range to walk");
    assert_eq!(error.allowed(), "`*/10` or `5-59/10`");
    let error = read("0 0 * * 8").expect_err("no rule");
    assert_eq!(error.to_string(), "`8` is out of range for the day of week field");
    assert_eq!(
        error.allowed(),
        "*, 0-7 or SUN-SAT (0 and 7 are Sunday), `5L`, `1#3`, ranges, `A~B` for one at random, \
         and lists of these"
    );
    assert_eq!((error.column(), error.found()), (9, "8"));
}
