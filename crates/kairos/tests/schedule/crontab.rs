//! `schedule import crontab`: every line becomes a schedule, is told of, or is none.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Home;

fn import(home: &Home, text: &[u8], options: &[&str]) -> (i32, Value, String) {
    let ask = [&["schedule", "import", "crontab", "-", "--json"], options].concat();
    let said = home.said(&ask, text);
    (said.exit, said.json(), said.err)
}

const OWN: &str = "MAILTO=ops@example.org
CRON_TZ = 'Europe/Zurich'

# nightly
# to the tape
30 2 * * 1-5\t/usr/local/bin/backup.sh --all%first line%100\\%
# not above a rule

@daily cd /srv && ./report
@reboot /usr/bin/start
61 * * * * x
* * * * *
*/5 * * * * -n /usr/local/bin/backup.sh";

#[test]
fn a_crontab_becomes_entries_that_a_person_completes() {
    let home = Home::new();
    let ask = ["schedule", "import", "crontab", "-"];
    let said = home.said(&ask, OWN.as_bytes());
    let expected = "schedules:
  # nightly
  # to the tape
  # line 6 of a crontab
  - name: backup
    cron: \"30 2 * * 1-5\"
    timezone: Europe/Zurich
    enabled: false
    mandate:
      goal: \"Do what this command did: /usr/local/bin/backup.sh --all\\nIts standard input was:\\nfirst line\\n100%\"
  # line 9 of a crontab
  - name: report
    cron: \"@daily\"
    timezone: Europe/Zurich
    enabled: false
    mandate:
      goal: \"Do what this command did: cd /srv && ./report\"
  # line 13 of a crontab
  - name: backup-13
    cron: \"*/5 * * * *\"
    timezone: Europe/Zurich
    enabled: false
    mandate:
      goal: \"Do what this command did: /usr/local/bin/backup.sh\"
";
    assert_eq!((said.exit, said.out.as_str()), (1, expected));
    let expected = "note: line 1: `MAILTO` is for cron's commands; left out
line 10:1: `@reboot` names no time, and a start of the machine is no slot
  hint: have the system's own start do it, or choose a time
line 11:1: `61` is out of range for the minute field
  hint: allowed: *, 0-59, ranges, `A~B` for one at random, and lists of these
line 12:10: no command follows the rule
3 imported (disabled: complete each goal, then set `enabled: true`), 3 not, 7 without a schedule
";
    assert_eq!(said.err, expected);
    std::fs::write(home.file(), said.out).expect("it is ours");
    let checked = home.ok(&["schedule", "check"]);
    assert!(checked.contains("ok, 3 schedules"), "{checked}");
}

#[test]
fn the_form_of_etc_cron_d_is_seen_or_told() {
    let home = Home::new();
    let text = b"17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n\
        @weekly root test -x /usr/sbin/x || exit 0; /usr/sbin/x\n";
    let (exit, report, said) = import(&home, text, &[]);
    let of = |report: &Value| {
        let all = report["imported"].as_array().expect("a list").clone();
        let row = |row: &Value| json!([row["name"], row["user"], row["command"], row["timezone"]]);
        all.iter().map(row).collect::<Vec<_>>()
    };
    let parts = "cd / && run-parts --report /etc/cron.hourly";
    let tested = "test -x /usr/sbin/x || exit 0; /usr/sbin/x";
    let expected =
        [json!(["run-parts", "root", parts, "UTC"]), json!(["x", "root", tested, "UTC"])];
    assert_eq!((exit, of(&report)), (0, expected.to_vec()));
    assert!(said.starts_with("note: every line names a user before its command"), "{said}");
    let (_, report, _) = import(&home, text, &["--user", "--timezone", "Asia/Tokyo"]);
    assert_eq!(
        of(&report)[0],
        json!(["root", null, format!("root    {parts}").replace("    ", "\t"), "Asia/Tokyo"])
    );
    let (_, report, _) = import(&home, b"@hourly deploy /bin/x\n", &["--system"]);
    assert_eq!(of(&report), [json!(["x", "deploy", "/bin/x", "UTC"])]);
}

#[test]
fn an_unknown_zone_keeps_the_lines_below_it_out() {
    let home = Home::new();
    let text = b"@daily a\nCRON_TZ=Mars/Base\n@daily b\nCRON_TZ=:Asia/Tokyo\n@daily c\n";
    let (exit, report, _) = import(&home, text, &[]);
    let refused = report["refused"].as_array().expect("a list");
    let told: Vec<_> =
        refused.iter().map(|r| json!([r["line"], r["column"], r["reason"]])).collect();
    let expected = [
        json!([2, 9, "`Mars/Base` is not a time zone"]),
        json!([3, 1, "the zone that line 2 names for it is not known"]),
    ];
    assert_eq!((exit, told), (1, expected.to_vec()));
    let zones: Vec<_> =
        report["imported"].as_array().expect("a list").iter().map(|e| &e["timezone"]).collect();
    assert_eq!(zones, ["UTC", "Asia/Tokyo"]);
}

#[test]
fn the_zone_of_the_commands_is_not_that_of_their_lines() {
    let home = Home::new();
    let text = b"TZ=Asia/Tokyo\n0 9 * * * a\n";
    let (exit, report, said) = import(&home, text, &["--timezone", "Europe/Zurich"]);
    assert_eq!((exit, &report["imported"][0]["timezone"]), (0, &json!("Europe/Zurich")));
    assert!(said.starts_with("note: line 1: `TZ` is for cron's commands; left out\n"), "{said}");
}

#[test]
fn appended_entries_stand_behind_those_that_are_there() {
    let before = "# mine\nschedules:\n- {name: backup, cron: '@daily', mandate: {goal: g}}\n";
    let home = Home::with(before);
    let ask = ["schedule", "import", "crontab", "-", "--append"];
    let said = home.said(&ask, b"@hourly /bin/backup\n@hourly /bin/backup\n");
    assert_eq!((said.exit, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(home.text().starts_with(&format!("{before}# line 1 of a crontab\n- name: backup-1\n")));
    assert!(home.ok(&["schedule", "check"]).contains("ok, 3 schedules"));
    let named = "schedules:\n- {name: night, id: backup, cron: '@daily', mandate: {goal: g}}\n";
    std::fs::write(home.file(), named).expect("it is ours");
    let said = home.said(&ask, b"@hourly /bin/backup\n");
    assert_eq!(said.exit, 0, "what another one was before is no free name: {}", said.err);
    assert!(home.text().contains("- name: backup-1\n"), "{}", home.text());
    std::fs::write(home.file(), "schedules: [{name: a}]\n").expect("it is ours");
    assert_eq!(home.said(&ask, b"@hourly /bin/backup\n").exit, 78);
}

#[test]
fn what_is_there_already_is_not_added_again() {
    let home = Home::new();
    let ask = ["schedule", "import", "crontab", "-", "--append"];
    let first = home.said(&ask, b"@hourly /bin/backup\n*/90 * * * * /bin/look\n");
    assert_eq!(first.exit, 0, "{}", first.err);
    assert!(first.err.starts_with("line 1: `backup`\nline 2: `look`\n"), "{}", first.err);
    assert!(first.err.contains("warning: line 2: the step in `*/90`"), "{}", first.err);
    let completed = home.text().replace("/bin/backup\n", "/bin/backup, and tell\n");
    std::fs::write(home.file(), completed).expect("it is ours");
    let before = home.text();
    let again = home.said(&ask, b"@hourly /bin/backup\n*/90 * * * * /bin/look\n");
    assert_eq!((again.exit, home.text()), (0, before), "{}", again.err);
    let told = "note: line 1: it is there already, as `backup`; left out\n";
    assert!(again.err.starts_with(told), "{}", again.err);
    home.said(&ask, b"@daily /bin/backup\n");
    assert!(home.text().contains("- name: backup-1\n"), "another rule is another entry");
}

#[test]
fn a_crontab_over_the_bound_is_refused_whole() {
    let home = Home::new();
    let ask = ["schedule", "import", "crontab", "-"];
    let said = home.said(&ask, &vec![b'#'; 1024 * 1024 + 1]);
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert_eq!(said.err, "error: `-` is larger than 1048576 bytes\n");
}

/// Numbers that look like chance and are the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        let n = usize::try_from(self.next() % choices.len() as u64).expect("a place");
        choices[n]
    }
}

const FIELDS: [&str; 24] = [
    "*",
    "*/5",
    "0",
    "59",
    "60",
    "1-5",
    "5-1",
    "1,2,3",
    "~",
    "1~9",
    "?",
    "L",
    "W",
    "15W",
    "5#2",
    "MON",
    "JAN",
    "*/0",
    "-",
    ",",
    "99999999999",
    "٣",
    "@",
    "1-",
];

const COMMANDS: [&str; 10] = [
    "/usr/bin/backup --all",
    "echo 100\\% % in % put",
    "",
    "cd /x && y",
    "# not a comment",
    "'unclosed",
    "echo \"a: b\" | tee - [x] {y} &z *w !v",
    "äöü 漢字 👍",
    "-n quiet",
    "root /bin/x",
];

/// A line of many kinds, most of them odd.
fn odd(chance: &mut Chance) -> Vec<u8> {
    let mut line = String::new();
    match chance.next() % 16 {
        0 => {}
        1 => line.push_str(chance.of(&["# words", "#", " \t# indented", "#*/5 * * * * off"])),
        2 => line.push_str(chance.of(&[
            "PATH=/bin",
            "MAILTO=\"\"",
            "A = 'b c'",
            "TZ=UTC",
            "1A=b",
            "=x",
        ])),
        3 => line.push_str(chance.of(&["CRON_TZ=Asia/Tokyo", "CRON_TZ=Nowhere", "CRON_TZ="])),
        4 => {
            let word =
                chance.of(&["@daily", "@reboot", "@DAILY", "@every_minute", "@", "-@hourly"]);
            write!(line, "{word}{}{}", chance.of(&[" ", "\t", ""]), chance.of(&COMMANDS))
                .expect("text");
        }
        5 => {
            let longest = if chance.next().is_multiple_of(8) { 50_000 } else { 2_000 };
            line.push_str(&"x".repeat(usize::try_from(chance.next() % longest).expect("a length")));
        }
        _ => {
            let fields = chance.next() % 7;
            for _ in 0..fields.max(2) {
                // Half of the fields are a star, so that some rules hold.
                let field = if chance.next().is_multiple_of(2) { "*" } else { chance.of(&FIELDS) };
                write!(line, "{field}{}", chance.of(&[" ", "\t", "  ", " \t "])).expect("text");
            }
            line.push_str(chance.of(&COMMANDS));
        }
    }
    let mut line = line.into_bytes();
    match chance.next() % 24 {
        0 => line.insert(line.len() / 2, 0),
        1 => line.push(0xff),
        2 => line.extend([0x1b, b'[', b'2', b'J']),
        3 => line.extend("\u{202e}\u{feff}\u{2028}".as_bytes()),
        4..=6 => line.push(b'\r'),
        _ => {}
    }
    line
}

#[test]
fn each_of_1000_odd_lines_is_imported_reported_or_no_schedule() {
    let home = Home::new();
    for seed in [4_u64, 11, 2026] {
        let mut chance = Chance(seed);
        let mut lines: Vec<Vec<u8>> = (0..1000).map(|_| odd(&mut chance)).collect();
        // Without an end, the last line has to be something to be a line.
        lines[999] = b"@weekly last".to_vec();
        let text = lines.join(&b'\n');
        assert!(text.len() <= 1024 * 1024, "seed {seed}: {} bytes", text.len());
        let (exit, report, said) = import(&home, &text, &["--user"]);
        let rows = |key: &str| report[key].as_array().expect("a list").clone();
        let (imported, refused) = (rows("imported"), rows("refused"));
        let ignored = report["ignored"].as_u64().expect("a number");
        let counted = (imported.len() + refused.len()) as u64 + ignored;
        assert_eq!((exit, counted), (1, 1000), "seed {seed}: {said}");
        assert!(imported.len() > 20 && refused.len() > 200, "seed {seed}");
        // Each line is told of once, in a place that it has, with a reason.
        let mut told = BTreeSet::new();
        for row in imported.iter().chain(&refused) {
            let n = row["line"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
            assert!((1..=1000).contains(&n) && told.insert(n), "seed {seed}: line {n}");
        }
        for row in &refused {
            let line =
                &lines[usize::try_from(row["line"].as_u64().expect("a line")).expect("n") - 1];
            let most = String::from_utf8_lossy(line).chars().count() as u64 + 1;
            assert!(
                (1..=most).contains(&row["column"].as_u64().expect("a column")),
                "{seed}: {row}"
            );
            assert!(row["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{row}");
        }
        // What comes out is loaded as it is, and says what came in.
        std::fs::write(home.file(), report["yaml"].as_str().expect("text")).expect("it is ours");
        let checked = home.said(&["schedule", "check", "--json"], b"").json();
        assert_eq!(checked["errors"], json!([]), "seed {seed}");
        let listed = home.ok(&["schedule", "check"]);
        assert!(listed.contains(&format!("ok, {} schedules", imported.len())), "{listed}");
        assert!(
            !said.contains('\u{1b}') && !report["yaml"].to_string().contains('\u{202e}'),
            "{said}"
        );
    }
}
