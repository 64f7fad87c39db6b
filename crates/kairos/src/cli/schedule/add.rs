//! `kairos schedule add`
//!
//! Owns the options of a new entry and their form in `schedules.yml`. Never touches what stands
//! there, and never saves what a daemon would not load.

use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kairos_core::schedule::definition::ScheduleName;
use kairos_engine::{Known, NotConfigured};
use kairos_wire::mandate::MandateRequest;
use serde::Serialize;
use serde_saphyr::DoubleQuoted;

use super::{check, reload};
use crate::cli::spec::SpecArgs;
use crate::cli::{Root, source};
use crate::config::append::{self, Entry};
use crate::config::draft::{self, Checked, Draft};
use crate::config::problem::ProblemRow;
use crate::config::resolve::Paths;
use crate::config::schedules::ScheduleConfig;
use crate::crontab;
use crate::output::{Exit, Failure, Out, when};

// tidy: table
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("when").required(true).args(["cron", "every", "at"]))]
pub(crate) struct Add {
    /// The new schedule's name
    name: ScheduleName,
    /// When: minute hour day month weekday, or such as @daily
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    cron: Option<String>,
    /// Or once in so much elapsed time, such as 15m
    #[arg(long, value_name = "DURATION")]
    every: Option<String>,
    /// Or once, such as 2026-12-01T09:00, by the clock of its zone
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The IANA zone it is meant in; UTC when left out
    #[arg(long, alias = "zone", value_name = "ZONE")]
    timezone: Option<String>,
    /// What becomes of slots nobody could fire
    #[arg(long, value_name = "POLICY")]
    missed_policy: Option<Missed>,
    /// What a fire does when an earlier mandate is not finished
    #[arg(long, value_name = "WAY")]
    concurrency: Option<Overlap>,
    /// Write it down, and let it not fire yet
    #[arg(long)]
    disabled: bool,
    /// Save it only; a daemon that runs goes on with what it has
    #[arg(long)]
    no_reload: bool,
    #[command(flatten)]
    spec: SpecArgs,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Missed {
    Skip,
    Drop,
    CatchUpOnce,
    CatchUpBounded,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Overlap {
    Queue,
    Allow,
    Reject,
    Replace,
}

/// A schedule as the file has it; what is left out is what the file's defaults are.
#[derive(Debug, Serialize)]
pub(super) struct Fields {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<DoubleQuoted<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_policy: Option<Missed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Overlap>,
    mandate: MandateRequest,
}

/// `schedule add --json`
#[derive(Debug, Serialize)]
struct Added {
    id: String,
    state: &'static str,
    file: String,
    line: usize,
    next: Option<String>,
    warnings: Vec<ProblemRow>,
}

impl Add {
    pub(super) fn perform(self, root: &Root, out: &mut Out) -> Result<Exit, Failure> {
        let (name, wanted) = (self.name.clone(), !self.no_reload);
        let fields = self.fields()?;
        let entry = Entry::of(Vec::new(), &fields).ok_or_else(unwritable)?;
        let (checked, draft) = save(root, &[entry], out.json)?;
        let made = checked.schedules.iter().find(|made| made.name == name);
        let made = made.ok_or_else(unwritable)?;
        let next = made.timed.table.next_release(Timestamp::now().into());
        let warns = |row: &ProblemRow| row.line.is_some_and(|line| line >= made.line);
        if out.json {
            out.object(&Added {
                id: name.to_string(),
                state: if made.enabled { "enabled" } else { "disabled" },
                file: draft.path().display().to_string(),
                line: made.line,
                next: next.map(|at| at.to_string()),
                warnings: checked.problems.iter().map(|p| p.row()).filter(warns).collect(),
            })?;
        } else {
            check::say(checked.problems.iter().filter(|problem| warns(&problem.row())));
            let place = format!("{}:{}", draft.path().display(), made.line);
            out.line(format!("added `{name}` at {place}; {}", due(made)))?;
        }
        out.flush()?;
        reload::load(root, wanted)?;
        Ok(Exit::Ok)
    }

    fn fields(self) -> Result<Fields, Failure> {
        Ok(Fields {
            name: self.name.to_string(),
            cron: self.cron.map(DoubleQuoted),
            every: self.every,
            at: self.at,
            timezone: self.timezone,
            enabled: self.disabled.then_some(false),
            missed_policy: self.missed_policy,
            concurrency: self.concurrency,
            mandate: self.spec.request()?,
        })
    }
}

impl Fields {
    /// A rule that a person has still to complete.
    pub(super) fn to_complete(entry: &crontab::Entry, goal: String) -> Self {
        Self {
            name: entry.name.clone(),
            cron: Some(DoubleQuoted(entry.cron.clone())),
            every: None,
            at: None,
            timezone: Some(entry.zone.clone()),
            enabled: Some(false),
            missed_policy: None,
            concurrency: None,
            mandate: MandateRequest { goal, ..MandateRequest::default() },
        }
    }
}

/// When it is due next.
fn due(made: &ScheduleConfig) -> String {
    if !made.enabled {
        return "disabled".to_owned();
    }
    let zone = made.timed.table.zone().map_or(TimeZone::UTC, |zone| zone.table.clone());
    match made.timed.table.next_release(Timestamp::now().into()) {
        Some(at) => format!("next {}", when::due(at.timestamp(), &zone)),
        None => "never due".to_owned(),
    }
}

/// Refuses to make a file anew beside a journal that knows schedules: theirs would end with it.
pub(super) fn not_lost(root: &Root, draft: &Draft) -> Result<(), Failure> {
    let known = if draft.is_missing() { source::known_schedules(root)? } else { 0 };
    if known == 0 {
        return Ok(());
    }
    let error = NotConfigured::Missing { file: draft.path().to_owned(), known: Known(known) };
    let failure = Failure::of(Exit::Config, "config", &error);
    Err(error.hint().into_iter().fold(failure, Failure::hint))
}

/// Saves `schedules.yml` with the entries behind those it has, if all of it holds then.
pub(super) fn save(
    root: &Root,
    entries: &[Entry],
    json: bool,
) -> Result<(Checked, Draft), Failure> {
    let draft = Draft::read(&Paths::below(root.path()).schedules)?;
    not_lost(root, &draft)?;
    let standing = draft::check_text(draft.path(), draft.text());
    if !standing.is_ok() {
        return Err(check::refused(&standing, "as it stands", json));
    }
    let Some(text) = append::append(draft.text(), entries) else {
        let list: String = entries.iter().map(|entry| entry.item(2)).collect();
        let path = draft.path().display();
        let message = format!("`{path}` is written in a way that nothing can be added to safely");
        let failure = Failure::new(Exit::Config, "unusual_file", message);
        return Err(failure.hint(format!("add it by hand:\n{}", list.trim_end())));
    };
    let checked = draft::check_text(draft.path(), &text);
    if !checked.is_ok() {
        return Err(check::refused(&checked, "with it", json));
    }
    draft.save(&text)?;
    Ok((checked, draft))
}

fn unwritable() -> Failure {
    Failure::new(Exit::Bug, "unwritable", "the entry cannot be written as YAML")
}
