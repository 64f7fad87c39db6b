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
    same("0 30 2 * * *", "30 2 * * *");
    same("0 0 15w * 1#1,1#2,1#3,1#4,1#5", "0 0 15W * mon");
    same("0 0 l,L * *", "0 0 L * *");
    same("0 0 * * FRIL", "0 0 * * 5l");
    same("0 0 * * 7#2,0L", "0 0 * * SUN#2,7L");
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
    use Field::{Day, Hour, Minute, Month, Second, Weekday};
    let never_both = |day: &str, found: &str, column| CronError::NeverBoth {
        day: day.into(),
        found: found.into(),
        column,
    };
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
        ("0 0 31W 2,4 *", CronError::NeverFires { found: "31W".into(), column: 5 }),
        ("0 0 L-29,L-30 2 *", CronError::NeverFires { found: "L-29,L-30".into(), column: 5 }),
        ("0 0 */31 2 5#5", never_both("*/31", "5#5", 12)),
        ("0 0 */15 2 5#2", never_both("*/15", "5#2", 12)),
        ("60 * * * * *", CronError::OutOfRange { field: Second, found: "60".into(), column: 1 }),
        ("0 0 0 W * *", CronError::Value { field: Day, found: "W".into(), column: 7 }),
        ("0 0 L-31 * *", CronError::Nth { field: Day, found: "L-31".into(), column: 5 }),
        ("0 0 L-x * *", CronError::Nth { field: Day, found: "L-x".into(), column: 5 }),
        ("0 0 32W * *", CronError::OutOfRange { field: Day, found: "32".into(), column: 5 }),
        ("0 0 1-5W * *", CronError::Value { field: Day, found: "1-5".into(), column: 5 }),
        ("0 0 * * L", CronError::Nth { field: Weekday, found: "L".into(), column: 9 }),
        ("0 0 * * 1#6", CronError::Nth { field: Weekday, found: "1#6".into(), column: 9 }),
        ("0 0 * * 2,1#", CronError::Nth { field: Weekday, found: "1#".into(), column: 11 }),
        ("0 0 * * 8#1", CronError::OutOfRange { field: Weekday, found: "8".into(), column: 9 }),
        ("0 L * * *", CronError::Value { field: Hour, found: "L".into(), column: 3 }),
        ("9~5 * * * *", CronError::Reversed { field: Minute, found: "9~5".into(), column: 1 }),
        ("0~70 * * * *", CronError::OutOfRange { field: Minute, found: "70".into(), column: 3 }),
        ("~/5 * * * *", CronError::Value { field: Minute, found: "/5".into(), column: 2 }),
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

#[test]
fn a_tilde_stays_where_it_is_for_one_id_and_spreads_over_many() {
    let minute = |id: &str| {
        let cron = Cron::parse("10~19 0~23 ~ * *", id).expect("a rule");
        assert_eq!(Cron::parse("10~19 0~23 ~ * *", id), Ok(cron));
        let first = cron.at_or_after(jiff::civil::date(2027, 2, 1).at(0, 0, 0, 0));
        first.expect("every month has its day")
    };
    let all: Vec<_> = (0..400).map(|n| minute(&format!("schedule-{n}"))).collect();
    let distinct = |of: fn(&jiff::civil::DateTime) -> i8| {
        let set: std::collections::BTreeSet<i8> = all.iter().map(of).collect();
        (set.len(), set.first().copied(), set.last().copied())
    };
    assert_eq!(distinct(|at| at.minute()), (10, Some(10), Some(19)));
    assert_eq!(distinct(|at| at.hour()), (24, Some(0), Some(23)));
    assert_eq!(distinct(|at| at.day()), (28, Some(1), Some(28)));
    assert!(all.iter().all(|at| at.month() == 2), "a day that February lacks");
    assert!(Cron::parse("~ ~ * * *", "").expect("a rule").is_fixed());
    // Changing one field moves no other.
    let before = Cron::parse("~ 1 * * *", "a").expect("a rule");
    let after = Cron::parse("~ 1 * 2 *", "a").expect("a rule");
    let minute = |cron: Cron| cron.at_or_after(jiff::civil::date(2027, 2, 1).at(0, 0, 0, 0));
    assert_eq!(minute(before), minute(after));
}

#[test]
fn open_ends_of_a_tilde_are_those_of_the_field() {
    for n in 0..100 {
        let id = n.to_string();
        let time = |text: &str| {
            let cron = Cron::parse(text, &id).expect("a rule");
            cron.at_or_after(jiff::civil::date(2027, 1, 1).at(0, 0, 0, 0)).expect("a slot")
        };
        assert!(time("50~ 0 * * *").minute() >= 50);
        assert!(time("~5 0 * * *").minute() <= 5);
        assert!(time("0 0 29~ * *").day() >= 29);
        assert!(matches!(time("0 0 * * SAT~SUN").date().day(), 2 | 3));
    }
}
