//! Crontabs, read.
//!
//! Owns what each line of one is: an entry with its rule, zone and command, a setting, words, or
//! something that cannot be taken over, with the column and the reason. No line is passed over in
//! silence. Never writes; the command line makes schedules of the entries.

mod line;
mod name;

use std::collections::BTreeSet;

use kairos_core::schedule::Cron;

use crate::config::zone;
use line::{Fields, Split, split};

/// The longest crontab, in bytes.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;
/// The longest line, in bytes; its command becomes part of a goal.
pub(crate) const LINE_BYTES_MAX: usize = 32 * 1024;

/// Whether a word before the command names a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As `crontab -l` prints it.
    User,
    /// As `/etc/crontab` and the files in `/etc/cron.d` are.
    System,
}

/// A line and what it is; lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) is: Is,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Is {
    Blank,
    Comment,
    /// A variable for the lines below, and whether something follows from it here.
    Setting {
        name: String,
        acted_on: bool,
    },
    Entry(Entry),
    Refused(Refused),
}

/// A line that says when something is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What its schedule is called; unique, and what `~` picks by.
    pub(crate) name: String,
    pub(crate) cron: String,
    /// An IANA name.
    pub(crate) zone: String,
    pub(crate) user: Option<String>,
    pub(crate) command: String,
    /// What the command was given to read.
    pub(crate) input: Option<String>,
    /// Comments right above, without their `#`.
    pub(crate) comments: Vec<String>,
}

/// A line that cannot be taken over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl Refused {
    fn at(column: usize, reason: impl Into<String>) -> Self {
        Self { column, reason: reason.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// How a crontab is to be read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) form: Form,
    /// The zone of lines above which none is named.
    pub(crate) zone: String,
    /// Names that are not free.
    pub(crate) taken: BTreeSet<String>,
    /// The most entries that are taken.
    pub(crate) most: usize,
}

/// The form of a crontab: with users where every line that has a rule names one behind it.
pub(crate) fn form(bytes: &[u8], is_user: impl Fn(&str) -> bool) -> Form {
    let mut named = 0_usize;
    for line in lines(bytes) {
        let Ok(Split::Entry(fields)) = split(line, Form::System) else { continue };
        if Cron::parse(fields.rule, "").is_err() {
            continue;
        }
        match fields.user {
            Some(user) if is_user(user) && !fields.command.is_empty() => named += 1,
            _ => return Form::User,
        }
    }
    if named > 0 { Form::System } else { Form::User }
}

/// Every line of a crontab, in order.
pub(crate) fn read(bytes: &[u8], reading: Reading) -> Vec<Line> {
    let mut reader = Reader { reading, zone: Zone::Default, comments: Vec::new(), entries: 0 };
    let numbered = lines(bytes).enumerate();
    numbered.map(|(n, line)| Line { number: n + 1, is: reader.line(n + 1, line) }).collect()
}

/// Lines without their ends; what follows the last end is a line if it is something.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let some = !bytes.is_empty();
    let lines = ended.split(|byte| *byte == b'\n').filter(move |_| some);
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The zone of the lines to come.
enum Zone {
    Default,
    Named(String),
    /// A setting on this line names one that is not known.
    Unknown(usize),
}

struct Reader {
    reading: Reading,
    zone: Zone,
    comments: Vec<String>,
    entries: usize,
}

impl Reader {
    fn line(&mut self, number: usize, line: &[u8]) -> Is {
        let comments = std::mem::take(&mut self.comments);
        match split(line, self.reading.form) {
            Err(refused) => Is::Refused(refused),
            Ok(Split::Blank) => Is::Blank,
            Ok(Split::Comment(text)) => {
                self.comments = comments;
                self.comments.push(text);
                Is::Comment
            }
            Ok(Split::Setting { name, value, column }) => self.setting(number, name, value, column),
            Ok(Split::Entry(fields)) => match self.entry(number, &fields, comments) {
                Ok(entry) => Is::Entry(entry),
                Err(refused) => Is::Refused(refused),
            },
        }
    }

    fn setting(&mut self, number: usize, name: &str, value: &str, column: usize) -> Is {
        // `TZ` is for the commands: neither Debian's cron nor cronie goes by it.
        let acted_on = name == "CRON_TZ";
        if acted_on {
            let value = value.trim_start_matches(':');
            match zone::zone(value) {
                Ok(_) if value.is_empty() => self.zone = Zone::Default,
                Ok(_) => self.zone = Zone::Named(value.to_owned()),
                Err(unknown) => {
                    self.zone = Zone::Unknown(number);
                    let refused = Refused::at(column, unknown.to_string());
                    return Is::Refused(refused.hint(unknown.hint()));
                }
            }
        }
        Is::Setting { name: name.to_owned(), acted_on }
    }

    fn entry(
        &mut self,
        number: usize,
        fields: &Fields<'_>,
        comments: Vec<String>,
    ) -> Result<Entry, Refused> {
        let name = name::free(fields.command, number, &self.reading.taken);
        if fields.rule.eq_ignore_ascii_case("@reboot") {
            let reason = "`@reboot` names no time, and a start of the machine is no slot";
            return Err(Refused::at(fields.column, reason)
                .hint("have the system's own start do it, or choose a time"));
        }
        if let Err(error) = Cron::parse(fields.rule, &name) {
            let column = fields.column + error.column() - 1;
            return Err(Refused::at(column, error.to_string()).hint(error.hint()));
        }
        if fields.command.is_empty() {
            return Err(Refused::at(fields.end, "no command follows the rule"));
        }
        let zone = match &self.zone {
            Zone::Default => self.reading.zone.clone(),
            Zone::Named(zone) => zone.clone(),
            Zone::Unknown(line) => {
                let reason = format!("the zone that line {line} names for it is not known");
                return Err(Refused::at(1, reason));
            }
        };
        if self.entries >= self.reading.most {
            let most = self.reading.most;
            return Err(Refused::at(1, format!("one file has room for {most} schedules")));
        }
        self.entries += 1;
        self.reading.taken.insert(name.clone());
        let (command, input) = line::percent(fields.command);
        let cron = fields.rule.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let user = fields.user.map(ToOwned::to_owned);
        Ok(Entry { name, cron, zone, user, command, input, comments })
    }
}
