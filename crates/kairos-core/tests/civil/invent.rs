//! Expressions to try: random, but mostly such as are due in the nights looked at.

use crate::calendar::{Date, length_of_month, weekday};

/// Numbers that are the same for a seed on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// From 0 up to below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 20) % limit
    }

    /// From `least` to `greatest`.
    pub(crate) fn within(&mut self, least: i64, greatest: i64) -> i64 {
        let span = u64::try_from(greatest - least + 1).expect("an ordered range");
        least + i64::try_from(self.below(span)).expect("a small number")
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).expect("below a length")]
    }
}

/// What is going on in the night: hours and a day worth naming.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) hours: (i64, i64),
    pub(crate) day: i64,
    pub(crate) date: Date,
}

/// One in three is fixed, one follows elapsed time, one may be anything; one in ten has seconds.
pub(crate) fn expression(numbers: &mut Numbers, aim: &Aim) -> String {
    let (minute, hour) = match numbers.below(3) {
        0 => (minutes(numbers), hours(numbers, aim)),
        1 => {
            let minute = numbers.pick(&["*/5", "*/7", "*/20", "*/30", "*/45", "*/61"]);
            let minute = if numbers.one_in(8) { numbers.pick(&["*", "?"]) } else { minute };
            let hour = if numbers.one_in(4) { "*".to_owned() } else { hours(numbers, aim) };
            if numbers.one_in(4) {
                let hour = numbers.pick(&["*", "*/2", "*/3", "*/5", "?"]);
                (minutes(numbers), hour.to_owned())
            } else {
                (minute.to_owned(), hour)
            }
        }
        _ => (field(numbers, 0, 59), field(numbers, 0, 23)),
    };
    let days = days(numbers, aim);
    if numbers.one_in(10) {
        return format!("{} {minute} {hour} {days}", seconds(numbers));
    }
    format!("{minute} {hour} {days}")
}

/// All sixty of them rarely: with all minutes and hours that is a list of hundreds of thousands.
fn seconds(numbers: &mut Numbers) -> String {
    match numbers.below(12) {
        0 => numbers.pick(&["*", "*/7", "?"]).to_owned(),
        1 => field(numbers, 0, 59),
        2 => "59".to_owned(),
        _ => minutes(numbers),
    }
}

fn minutes(numbers: &mut Numbers) -> String {
    match numbers.below(4) {
        0 => "0".to_owned(),
        1 => "0,30".to_owned(),
        2 => list(numbers, 0, 59),
        _ => numbers.within(0, 59).to_string(),
    }
}

fn hours(numbers: &mut Numbers, aim: &Aim) -> String {
    let near = |numbers: &mut Numbers| {
        let (from, to) = (aim.hours.0.min(aim.hours.1), aim.hours.0.max(aim.hours.1));
        (numbers.within(from - 1, to + 1)).rem_euclid(24)
    };
    match numbers.below(5) {
        0 => list(numbers, 0, 23),
        1 => {
            let hour = near(numbers);
            format!("{hour}-{}", (hour + numbers.within(0, 3)).min(23))
        }
        2 => format!("{},{}", near(numbers), near(numbers)),
        3 => format!("0{}", near(numbers)),
        _ => near(numbers).to_string(),
    }
}

/// Any field of numbers.
fn field(numbers: &mut Numbers, least: i64, greatest: i64) -> String {
    match numbers.below(5) {
        0 if numbers.one_in(3) => "*".to_owned(),
        0 | 1 => format!("*/{}", numbers.within(1, greatest + 3)),
        2 => {
            let from = numbers.within(least, greatest);
            format!("{from}-{}/{}", numbers.within(from, greatest), numbers.within(1, 5))
        }
        3 => format!("*/{},{}", numbers.within(9, greatest), numbers.within(least, greatest)),
        _ => list(numbers, least, greatest),
    }
}

fn list(numbers: &mut Numbers, least: i64, greatest: i64) -> String {
    let many = numbers.within(1, 4);
    let items = (0..many).map(|_| numbers.within(least, greatest).to_string());
    items.collect::<Vec<_>>().join(",")
}

/// Day of month, month and day of week; half the time every day.
fn days(numbers: &mut Numbers, aim: &Aim) -> String {
    if numbers.one_in(2) {
        return numbers.pick(&["* * *", "? * ?", "*/1 * *", "* * 0-6", "* JAN-DEC *"]).to_owned();
    }
    let Date { year, month, day } = aim.date;
    let length = length_of_month(year, month);
    let today = numbers.pick(&["sun", "MON", "Tue", "wed", "THU", "fri", "SAT"]);
    let on = weekday(aim.day);
    let of_month = match numbers.below(11) {
        0 => "*".to_owned(),
        1 => "*/2".to_owned(),
        2 => "1-31".to_owned(),
        3 => "L".to_owned(),
        4 => "LW".to_owned(),
        5 => format!("L-{}", (length - day).clamp(1, 30)),
        6 => format!("{day}W"),
        7 => format!("{}W", numbers.within((day - 2).max(1), (day + 2).min(31))),
        8 => format!("{}-{}", numbers.within(1, day), numbers.within(day, 31)),
        9 => format!("{}W,L-{},{day}", numbers.within(1, 31), numbers.within(1, 30)),
        _ => list(numbers, 1, 28),
    };
    let month = match numbers.below(4) {
        0 => month.to_string(),
        1 => field(numbers, 1, 12),
        2 => "jan-Jun,JUL-dec".to_owned(),
        _ => "*".to_owned(),
    };
    let of_week = match numbers.below(9) {
        0 | 1 => "*".to_owned(),
        2 => "*/2".to_owned(),
        3 => format!("{on}L"),
        4 => format!("{on}#{}", (day - 1) / 7 + 1),
        5 => format!("{}#{},{today}L", numbers.within(0, 7), numbers.within(1, 5)),
        6 => format!("{}-7", if on == 0 { 7 } else { on }),
        7 => "sat-sun".to_owned(),
        _ => format!("{today},{on}"),
    };
    format!("{of_month} {month} {of_week}")
}
