//! `schedules.yml`: what it may say, and what that means.
//!
//! Owns the fields of a schedule, compiled: its rule, its policy for missed slots, its mandate.
//! Never stores texts; the goal becomes a blob when the schedules are loaded into the engine.

use std::collections::BTreeMap;
use std::ops::Range;

use globset::GlobBuilder;
use kairos_api::convert::leads_out;
use kairos_core::mandate::spec::{FILES_MAX, MandateSpec, VERIFY_MAX};
use kairos_core::path::RelPath;
use kairos_core::plan::ActionKind;
use kairos_core::schedule::definition::{Concurrency, Definition, ScheduleName};
use kairos_core::schedule::missed::{MAX_FIRES, MissedPolicy};
use kairos_core::schedule::{Cron, Dst, InFold, InGap, Rule, Warning};
use kairos_core::time::Time;
use kairos_wire::mandate::{MandateRequest, RiskBudget};
use serde::Deserialize;

use super::daemon::Length;
use super::node::{Node, Value};
use super::problem::{File, Problem};
use super::{shape, whole, zone};

/// The most schedules one file may have.
pub(crate) const SCHEDULES_MAX: usize = 20_000;

/// One schedule, checked and compiled.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleConfig {
    pub(crate) name: ScheduleName,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) dst: Dst,
    pub(crate) enabled: bool,
    pub(crate) missed: MissedPolicy,
    pub(crate) concurrency: Concurrency,
    /// The rule the engine's calendar follows.
    pub(crate) rule: Rule,
    pub(crate) mandate: MandateRequest,
    /// Line of the file where it begins, from 1.
    pub(crate) line: usize,
}

impl ScheduleConfig {
    /// The form the state keeps, with the mandate's texts stored.
    #[must_use]
    pub(crate) fn definition(&self, spec: MandateSpec) -> Definition {
        Definition {
            name: self.name.clone(),
            cron: self.cron.clone(),
            zone: self.zone.clone(),
            dst: self.dst,
            enabled: self.enabled,
            missed: self.missed,
            concurrency: self.concurrency,
            spec,
        }
    }
}

// tidy: table
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    cron: String,
    timezone: Option<String>,
    enabled: Option<bool>,
    missed_policy: Option<RawPolicy>,
    max_catch_up_runs: Option<u64>,
    stale_after: Option<Length>,
    starting_deadline: Option<Length>,
    concurrency: Option<Concurrency>,
    project_scope: Option<String>,
    dst: Option<RawDst>,
    allow_high_risk: Option<bool>,
    mandate: Option<MandateRequest>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawPolicy {
    #[default]
    Skip,
    Drop,
    CatchUpOnce,
    CatchUpBounded,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawDst {
    gap: InGap,
    fold: InFold,
}

/// Reads the tree of `schedules.yml`; a schedule with something wrong is left out.
///
/// `now` is where the year begins whose changes of the clock are warned of.
pub(super) fn read(
    file: &File,
    node: &Node,
    now: Time,
    out: &mut Vec<Problem>,
) -> Vec<ScheduleConfig> {
    let items = shape::only_list(file, node, "schedules", out);
    if items.len() > SCHEDULES_MAX {
        let message = format!("{} schedules, more than {SCHEDULES_MAX}", items.len());
        out.push(Problem::new(file, node.place(&["schedules"]), message));
        return Vec::new();
    }
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut schedules = Vec::new();
    for item in items {
        let Some(schedule) = one(file, item, now, out) else { continue };
        if let Some(first) = lines.get(schedule.name.as_str()) {
            let message = format!("schedule `{}` stands here twice", schedule.name);
            let hint = format!("the first one is on line {first}; names are what tells them apart");
            out.push(Problem::new(file, item.place(&["name"]), message).hint(hint));
            continue;
        }
        lines.insert(schedule.name.as_str().to_owned(), schedule.line);
        schedules.push(schedule);
    }
    schedules
}

fn one(file: &File, item: &Node, now: Time, out: &mut Vec<Problem>) -> Option<ScheduleConfig> {
    let before = errors(out);
    let raw: Raw = whole::read(file, item, out)?;
    let mut check = Check { file, item, out };
    let name = raw.name.parse::<ScheduleName>();
    if let Err(error) = &name {
        check.wrong(item.place(&["name"]), error.to_string(), None);
    }
    check.quoted_flag("enabled");
    let cron = check.cron(&raw.cron, &raw.name);
    let zone_name = raw.timezone.clone().filter(|z| !z.is_empty()).unwrap_or_else(|| "UTC".into());
    let zone = zone::zone(&zone_name).map_err(|unknown| {
        let hint = unknown.hint();
        check.wrong(item.place(&["timezone"]), unknown.to_string(), Some(hint));
    });
    let missed = check.missed(&raw);
    let mandate = check.mandate(&raw);
    if errors(check.out) > before {
        return None;
    }
    let dst = raw.dst.unwrap_or_default();
    let dst = Dst { gap: dst.gap, fold: dst.fold };
    let rule = Rule { cron: cron?, zone: zone.ok()?, dst };
    check.clock_changes(&rule, now);
    Some(ScheduleConfig {
        name: name.ok()?,
        cron: raw.cron,
        zone: zone_name,
        dst,
        enabled: raw.enabled.unwrap_or(true),
        missed,
        concurrency: raw.concurrency.unwrap_or_default(),
        rule,
        mandate,
        line: file.position(item.place(&["name"]).start).0,
    })
}

fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.is_error()).count()
}

/// One schedule being checked.
struct Check<'a> {
    file: &'a File,
    item: &'a Node,
    out: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn wrong(&mut self, at: Range<usize>, message: String, hint: Option<String>) {
        self.out.push(Problem::new(self.file, at, message).hint_opt(hint));
    }

    fn warn(&mut self, at: Range<usize>, message: String, hint: &str) {
        self.out.push(Problem::warning(self.file, at, message).hint(hint));
    }

    /// KairosChain took a quoted `'false'` for true.
    fn quoted_flag(&mut self, key: &str) {
        let Some(node) = self.item.get(key) else { return };
        if let Value::Text(text) = &node.value
            && matches!(text.as_str(), "true" | "false")
        {
            let message =
                format!("`{key}` is text and read as {text}; KairosChain read it as true");
            self.warn(node.at.clone(), message, "write it without quotes");
        }
    }

    fn cron(&mut self, text: &str, name: &str) -> Option<Cron> {
        let at = self.item.place(&["cron"]);
        match Cron::parse(text, name) {
            Ok(cron) => {
                for warning in Warning::of_expression(text) {
                    let place = warning.column().map(|column| self.inside(&at, text, column));
                    let place = place.unwrap_or_else(|| at.clone());
                    self.warn(place, warning.to_string(), &warning.hint());
                }
                Some(cron)
            }
            Err(error) => {
                let place = self.inside(&at, text, error.column());
                self.wrong(place, error.to_string(), Some(error.hint()));
                None
            }
        }
    }

    fn clock_changes(&mut self, rule: &Rule, now: Time) {
        for warning in Warning::of_next_year(rule, now) {
            self.warn(self.item.place(&["cron"]), warning.to_string(), &warning.hint());
        }
    }

    /// The word at a column of an expression; all of it where quoting changed the text.
    fn inside(&self, at: &Range<usize>, text: &str, column: usize) -> Range<usize> {
        let raw = self.file.text.get(at.clone()).unwrap_or_default();
        let Some(start) = raw.find(text) else { return at.clone() };
        let skip = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(byte, _)| byte);
        let from = skip(column.saturating_sub(1));
        let rest = &text[from..];
        let length = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
        let from = start + from;
        // Where something is missing, the sign after it is shown: a quote, where the text ends.
        let sign = raw[from..].chars().next().map(char::len_utf8).filter(|_| !text.is_empty());
        match sign {
            Some(sign) => at.start + from..at.start + from + length.max(sign),
            None => at.clone(),
        }
    }

    fn missed(&mut self, raw: &Raw) -> MissedPolicy {
        const HOUR: u64 = 3_600_000;
        let max = raw.max_catch_up_runs.unwrap_or(5);
        if !(1..=u64::from(MAX_FIRES)).contains(&max) {
            let at = self.item.place(&["max_catch_up_runs"]);
            let hint = format!("1 to {MAX_FIRES}");
            self.wrong(at, "`max_catch_up_runs` is out of range".to_owned(), Some(hint));
        }
        let stale_after_ms = raw.stale_after.map_or(48 * HOUR, |length| length.0);
        let starting_deadline_ms = raw.starting_deadline.map_or(300_000, |length| length.0);
        match raw.missed_policy.unwrap_or_default() {
            RawPolicy::Skip => MissedPolicy::Skip,
            RawPolicy::Drop => MissedPolicy::Drop { starting_deadline_ms },
            RawPolicy::CatchUpOnce => MissedPolicy::CatchUpOnce,
            RawPolicy::CatchUpBounded => MissedPolicy::CatchUpBounded {
                max: u32::try_from(max).unwrap_or(MAX_FIRES),
                stale_after_ms,
            },
        }
    }

    fn mandate(&mut self, raw: &Raw) -> MandateRequest {
        let mut mandate = raw.mandate.clone().unwrap_or_default();
        if mandate.goal.is_empty() {
            // As KairosChain: the name says what is wanted.
            mandate.goal.clone_from(&raw.name);
            let key = if raw.mandate.is_some() { "mandate" } else { "name" };
            let message = format!("`{}` has no goal, so its name stands for it", raw.name);
            self.warn(self.item.place(&[key]), message, "write `goal:` under `mandate:`");
        }
        match (&raw.project_scope, &mandate.project_scope) {
            (Some(outer), Some(inner)) if outer != inner => {
                let at = self.item.place(&["mandate", "project_scope"]);
                let message = format!("project_scope is `{outer}` above and `{inner}` here");
                self.wrong(at, message, Some("keep one of them".to_owned()));
            }
            (Some(outer), None) => mandate.project_scope = Some(outer.clone()),
            _ => {}
        }
        for key in mandate.not_acted_on() {
            let at = self.item.place(&["mandate", key]);
            self.warn(at, format!("`{key}` is not acted on by this version"), "it changes nothing");
        }
        if mandate.risk_budget == Some(RiskBudget::High) && raw.allow_high_risk != Some(true) {
            let at = self.item.place(&["mandate", "risk_budget"]);
            let message = "risk budget `high` counts as `low` here".to_owned();
            self.warn(at, message, "a schedule that may act so says `allow_high_risk: true`");
            mandate.risk_budget = Some(RiskBudget::Low);
        }
        self.lists(&mandate);
        mandate
    }

    fn lists(&mut self, mandate: &MandateRequest) {
        for (key, count, most) in [
            ("files", mandate.files.len(), FILES_MAX),
            ("verify", mandate.verify.len(), VERIFY_MAX),
        ] {
            if count > most {
                let at = self.item.place(&["mandate", key]);
                self.wrong(at, format!("{count} entries in `{key}`, more than {most}"), None);
            }
        }
        for (n, glob) in mandate.files.iter().enumerate() {
            if leads_out(glob) {
                let message = format!("`{glob}` leads out of the workspace");
                let hint = "globs are relative to the workspace".to_owned();
                self.wrong(self.entry("files", n, None), message, Some(hint));
                continue;
            }
            if let Err(error) = GlobBuilder::new(glob).literal_separator(true).build() {
                let hint = error.kind().to_string();
                let message = format!("`{glob}` is not a glob");
                self.wrong(self.entry("files", n, None), message, Some(hint));
            }
        }
        for (n, verify) in mandate.verify.iter().enumerate() {
            if let Err(error) = RelPath::parse(&verify.file) {
                self.wrong(self.entry("verify", n, Some("file")), error.to_string(), None);
            }
        }
        let actions = mandate.allowed_actions.iter().flatten().enumerate();
        for (n, action) in actions {
            let words = ActionKind::ALL.map(ActionKind::word);
            if !words.contains(&action.as_str()) {
                let hint = match shape::nearest(action, words.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", shape::list(&words)),
                };
                let message = format!("`{action}` is not an action");
                self.wrong(self.entry("allowed_actions", n, None), message, Some(hint));
            }
        }
    }

    /// Where entry `n` of a list of the mandate stands, also of one without brackets.
    fn entry(&self, key: &str, n: usize, inner: Option<&str>) -> Range<usize> {
        let Some(list) = self.item.find(&["mandate", key]) else { return self.item.at.clone() };
        let item = list.items().get(n).unwrap_or(list);
        inner.map_or_else(|| item.at.clone(), |inner| item.place(&[inner]))
    }
}
