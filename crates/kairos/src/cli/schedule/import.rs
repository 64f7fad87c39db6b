//! `kairos schedule import crontab`
//!
//! Owns the form a crontab's entries have as schedules, and telling of every line that became none.
//! Never runs a command, and never lets an entry fire before a person has completed it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use kairos_core::schedule::Warning;
use kairos_core::schedule::definition::Timing;
use serde::Serialize;

use super::add::{self, Fields};
use super::{reload, rule};
use crate::cli::Global;
use crate::config::append::Entry as Item;
use crate::config::resolve::Paths;
use crate::config::schedules::{SCHEDULES_MAX, ScheduleConfig};
use crate::config::{Env, draft, zone};
use crate::crontab::{self, BYTES_MAX, Form, Is, Line, Reading};
use crate::output::table::one_line;
use crate::output::{Exit, Failure, Out, talk};

#[derive(Debug, Args)]
pub(crate) struct Crontab {
    /// The crontab; `-` is standard input
    file: PathBuf,
    /// A word before each command names its user, as in /etc/cron.d
    #[arg(long, conflicts_with = "user")]
    system: bool,
    /// No user stands before the commands, as in `crontab -l`; else the lines show which it is
    #[arg(long)]
    user: bool,
    /// The IANA zone of lines that name none; this machine's when left out
    #[arg(long, alias = "zone", value_name = "ZONE")]
    timezone: Option<String>,
    /// Add them to the workspace's schedules.yml instead of printing them
    #[arg(long)]
    append: bool,
    /// Save them only; a daemon that runs goes on with what it has
    #[arg(long, requires = "append")]
    no_reload: bool,
}

/// `schedule import crontab --json`
#[derive(Debug, Serialize)]
struct Report<'a> {
    imported: Vec<Imported<'a>>,
    there: Vec<There<'a>>,
    refused: Vec<Refused<'a>>,
    settings: Vec<Setting<'a>>,
    /// Blank lines, comments and settings.
    ignored: usize,
    yaml: String,
}

#[derive(Debug, Serialize)]
struct Imported<'a> {
    line: usize,
    name: &'a str,
    cron: &'a str,
    timezone: &'a str,
    user: Option<&'a str>,
    command: &'a str,
    warnings: Vec<String>,
}

/// A line whose schedule is there already.
#[derive(Debug, Serialize)]
struct There<'a> {
    line: usize,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct Refused<'a> {
    line: usize,
    column: usize,
    reason: &'a str,
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Setting<'a> {
    line: usize,
    name: &'a str,
    acted_on: bool,
}

impl Crontab {
    pub(super) fn perform(self, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
        let root = if self.append { Some(global.root()?) } else { None };
        let there = root
            .as_ref()
            .map(|root| draft::check_if_there(&Paths::below(root.path()).schedules).schedules);
        let there = there.unwrap_or_default();
        // An `id` is what another schedule was before: no name for a new one.
        let names = |schedule: &ScheduleConfig| {
            [&schedule.name, schedule.identity()].map(ToString::to_string)
        };
        let taken = there.iter().flat_map(names).collect();
        let bytes = self.bytes()?;
        let most = SCHEDULES_MAX - there.len().min(SCHEDULES_MAX);
        let reading = Reading { form: self.form(&bytes), zone: self.zone()?, taken, most };
        let lines = crontab::read(&bytes, reading);
        let known = |entry: &crontab::Entry| there.iter().find(|schedule| is_of(schedule, entry));
        let items = self.items(&lines, |entry| known(entry).is_none())?;
        let report = Report::of(&lines, &items, known);
        if out.json {
            out.object(&report)?;
        } else if root.is_none() && !items.is_empty() {
            out.bytes(report.yaml.as_bytes())?;
        }
        out.flush()?;
        report.tell(self.append);
        if let Some(root) = root.filter(|_| !items.is_empty()) {
            let (checked, draft) = add::save(&root, &items, out.json)?;
            let now = checked.schedules.len();
            talk::say(format!("`{}` has {now} schedules now", draft.path().display()));
            reload::load(&root, !self.no_reload)?;
        }
        Ok(if report.refused.is_empty() { Exit::Ok } else { Exit::No })
    }

    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let read = match self.file == Path::new("-") {
            true => up_to(io::stdin().lock()),
            false => File::open(&self.file).and_then(up_to),
        };
        let bytes = read.map_err(|error| {
            let message = format!("`{}` cannot be read: {error}", self.file.display());
            Failure::new(Exit::Usage, "unreadable_file", message)
        })?;
        if bytes.len() > BYTES_MAX {
            let message = format!("`{}` is larger than {BYTES_MAX} bytes", self.file.display());
            return Err(Failure::new(Exit::Usage, "file_too_large", message));
        }
        Ok(bytes)
    }

    fn form(&self, bytes: &[u8]) -> Form {
        let of_system =
            self.file == Path::new("/etc/crontab") || self.file.starts_with("/etc/cron.d");
        match (self.system || (of_system && !self.user), self.user) {
            (true, _) => Form::System,
            (false, true) => Form::User,
            (false, false) => {
                let users = users();
                let form = crontab::form(bytes, |word| users.contains(word));
                if form == Form::System {
                    talk::say(
                        "note: every line names a user before its command; `--user` says that none does",
                    );
                }
                form
            }
        }
    }

    /// The zone cron itself goes by, unless told otherwise.
    fn zone(&self) -> Result<String, Failure> {
        if let Some(named) = &self.timezone {
            return rule::zone(named).map(|_| named.clone());
        }
        let (name, _) = zone::local(&Env::of_process());
        if zone::zone(&name).is_ok() {
            return Ok(name);
        }
        talk::say("note: this machine's zone has no IANA name, so lines stand in UTC");
        talk::say("hint: `--timezone ZONE` names theirs");
        Ok("UTC".to_owned())
    }

    /// The entries as items of a list.
    fn items(
        &self,
        lines: &[Line],
        is_new: impl Fn(&crontab::Entry) -> bool,
    ) -> Result<Vec<Item>, Failure> {
        let from = match self.file == Path::new("-") {
            true => "a crontab".to_owned(),
            false => one_line(&self.file.display().to_string()),
        };
        let entries = lines.iter().filter_map(|line| match &line.is {
            Is::Entry(entry) if is_new(entry) => Some((line.number, entry)),
            Is::Entry(_) | Is::Blank | Is::Comment | Is::Setting { .. } | Is::Refused(_) => None,
        });
        let items = entries.map(|(number, entry)| {
            let comments = entry.comments.iter().map(|comment| one_line(comment));
            let mut comments: Vec<String> = comments.collect();
            let user = entry.user.iter().map(|user| format!(", as the user {user}"));
            comments.push(format!("line {number} of {from}{}", user.collect::<String>()));
            Item::of(comments, &Fields::to_complete(entry, goal(entry))).ok_or_else(|| {
                let message = format!("line {number} cannot be written as YAML");
                Failure::new(Exit::Bug, "unwritable", message)
            })
        });
        items.collect()
    }
}

/// What a person completes.
fn goal(entry: &crontab::Entry) -> String {
    let goal = format!("Do what this command did: {}", entry.command);
    match &entry.input {
        Some(input) => format!("{goal}\nIts standard input was:\n{input}"),
        None => goal,
    }
}

/// Whether the schedule was made of such a line: the same rule, and a goal that still names the command.
fn is_of(schedule: &ScheduleConfig, entry: &crontab::Entry) -> bool {
    let is_due_so = match &schedule.timed.timing {
        Timing::Cron { cron, zone, .. } => (cron, zone) == (&entry.cron, &entry.zone),
        Timing::Every { .. } | Timing::At { .. } | Timing::Trigger(_) => false,
    };
    is_due_so && schedule.mandate.goal.starts_with(&goal(entry))
}

/// What to know of a rule that cron would have taken without a word.
fn warnings(entry: &crontab::Entry) -> Vec<String> {
    let all = Warning::of_expression(&entry.cron).into_iter();
    let all = all.filter(|warning| matches!(warning, Warning::WideStep { .. }));
    all.map(|warning| format!("{warning} ({})", warning.hint())).collect()
}

/// All there is, and one byte more than may be.
fn up_to(from: impl io::Read) -> io::Result<Vec<u8>> {
    let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The users of this machine, as far as it has a list.
fn users() -> BTreeSet<String> {
    let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split(':').next());
    names.chain(["root"]).filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

impl<'a> Imported<'a> {
    fn of(line: usize, entry: &'a crontab::Entry) -> Self {
        Self {
            line,
            name: &entry.name,
            cron: &entry.cron,
            timezone: &entry.zone,
            user: entry.user.as_deref(),
            command: &entry.command,
            warnings: warnings(entry),
        }
    }
}

impl<'a> Report<'a> {
    fn of(
        lines: &'a [Line],
        items: &[Item],
        known: impl Fn(&crontab::Entry) -> Option<&'a ScheduleConfig>,
    ) -> Self {
        let list: String = items.iter().map(|item| item.item(2)).collect();
        let yaml = format!("schedules:{}\n{list}", if items.is_empty() { " []" } else { "" });
        let (imported, there) = (Vec::new(), Vec::new());
        let (refused, settings) = (Vec::new(), Vec::new());
        let mut report = Self { imported, there, refused, settings, ignored: 0, yaml };
        for Line { number, is } in lines {
            let line = *number;
            match is {
                Is::Entry(entry) => match known(entry) {
                    Some(known) => report.there.push(There { line, name: known.name.as_str() }),
                    None => report.imported.push(Imported::of(line, entry)),
                },
                Is::Refused(why) => report.refused.push(Refused {
                    line,
                    column: why.column,
                    reason: &why.reason,
                    hint: why.hint.as_deref(),
                }),
                Is::Blank | Is::Comment => report.ignored += 1,
                Is::Setting { name, acted_on } => {
                    report.ignored += 1;
                    report.settings.push(Setting { line, name, acted_on: *acted_on });
                }
            }
        }
        report
    }

    /// Says of each line what is to know of it; its name too, where nothing else shows it.
    fn tell(&self, name_all: bool) {
        for Imported { line, name, warnings, .. } in &self.imported {
            if name_all {
                talk::say(format!("line {line}: `{}`", one_line(name)));
            }
            warnings.iter().for_each(|told| talk::say(format!("warning: line {line}: {told}")));
        }
        for There { line, name } in &self.there {
            talk::say(format!(
                "note: line {line}: it is there already, as `{}`; left out",
                one_line(name)
            ));
        }
        for setting in self.settings.iter().filter(|setting| !setting.acted_on) {
            let Setting { line, name, .. } = setting;
            talk::say(format!("note: line {line}: `{name}` is for cron's commands; left out"));
        }
        for Refused { line, column, reason, hint } in &self.refused {
            talk::say(format!("line {line}:{column}: {}", one_line(reason)));
            hint.iter().for_each(|hint| talk::say(format!("  hint: {}", one_line(hint))));
        }
        let (imported, refused) = (self.imported.len(), self.refused.len());
        talk::say(format!(
            "{imported} imported (disabled: complete each goal, then set `enabled: true`), \
             {refused} not, {} without a schedule",
            self.ignored
        ));
    }
}
