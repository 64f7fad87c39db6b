//! `schedules.yml`: what it may say, and what that means.
//!
//! Owns the fields of a schedule, compiled: its rule, its policy for missed slots, its mandate.
//! Never stores texts; the goal becomes a blob when the schedules are loaded into the engine.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use globset::GlobBuilder;
use kairos_api::convert::leads_out;
use kairos_core::glob::{BRACES_MAX, is_deep};
use kairos_core::mandate::spec::{FILES_MAX, MandateSpec, VERIFY_MAX};
use kairos_core::path::RelPath;
use kairos_core::plan::ActionKind;
use kairos_core::schedule::condition::Condition;
use kairos_core::schedule::definition::{
    Concurrency, Definition, QUEUED_MAX, ScheduleName, Timing,
};
use kairos_core::schedule::missed::{MAX_FIRES, MissedPolicy};
use kairos_core::schedule::{InFold, InGap, Trigger};
use kairos_core::time::Time;
use kairos_wire::mandate::{MandateRequest, RiskBudget, Verify};
use serde::Deserialize;

use super::daemon::Length;
use super::node::{Node, Value};
use super::problem::{File, Problem};
use super::zone::Found;
use super::{shape, whole};

mod condition;
mod timing;
mod trigger;

use condition::{ConditionConfig, RawCondition};
pub(crate) use timing::Timed;
pub(crate) use trigger::HookSecret;
use trigger::RawTrigger;

/// The most schedules one file may have.
pub(crate) const SCHEDULES_MAX: usize = 100_000;

/// The most schedules whose files are watched.
const WATCHES_MAX: usize = 100;

/// One schedule, checked and compiled.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleConfig {
    pub(crate) name: ScheduleName,
    pub(crate) id: Option<ScheduleName>,
    /// When it is due.
    pub(crate) timed: Timed,
    pub(crate) jitter_ms: u64,
    pub(crate) enabled: bool,
    pub(crate) missed: MissedPolicy,
    pub(crate) concurrency: Concurrency,
    pub(crate) max_queued: u8,
    pub(crate) pause_after: u32,
    /// What must hold before a slot fires.
    pub(crate) condition: Option<ConditionConfig>,
    pub(crate) mandate: MandateRequest,
    /// Line of the file where it begins, from 1.
    pub(crate) line: usize,
}

impl ScheduleConfig {
    /// The form the state keeps, with the texts of mandate and condition stored.
    #[must_use]
    pub(crate) fn definition(&self, spec: MandateSpec, condition: Option<Condition>) -> Definition {
        Definition {
            name: self.name.clone(),
            id: self.id.clone(),
            timing: self.timed.timing.clone(),
            condition,
            jitter_ms: self.jitter_ms,
            enabled: self.enabled,
            missed: self.missed,
            concurrency: self.concurrency,
            max_queued: self.max_queued,
            pause_after: self.pause_after,
            spec,
        }
    }

    /// What it is over time.
    pub(crate) fn identity(&self) -> &ScheduleName {
        self.id.as_ref().unwrap_or(&self.name)
    }
}

// tidy: table
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    id: Option<String>,
    cron: Option<String>,
    every: Option<Length>,
    at: Option<String>,
    trigger: Option<RawTrigger>,
    condition: Option<RawCondition>,
    jitter: Option<Length>,
    timezone: Option<String>,
    enabled: Option<bool>,
    missed_policy: Option<RawPolicy>,
    max_catch_up_runs: Option<u64>,
    stale_after: Option<Length>,
    starting_deadline: Option<Length>,
    concurrency: Option<Concurrency>,
    max_queued: Option<u64>,
    pause_after_failures: Option<u64>,
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

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawDst {
    gap: Option<InGap>,
    fold: Option<InFold>,
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
    let mut names: BTreeMap<ScheduleName, usize> = BTreeMap::new();
    let mut identities: BTreeMap<ScheduleName, usize> = BTreeMap::new();
    let (mut schedules, mut zones, mut watches) = (Vec::new(), Found::default(), 0);
    for item in items {
        let Some(schedule) = one(file, item, (now, &mut zones), out) else { continue };
        if let Some(first) = names.get(&schedule.name) {
            let message = format!("schedule `{}` stands here twice", schedule.name);
            let hint = format!("the first one is on line {first}; names are what tells them apart");
            out.push(Problem::new(file, item.place(&["name"]), message).hint(hint));
            continue;
        }
        if let Some(first) = identities.get(schedule.identity()) {
            let message = format!("two schedules are `{}` over time", schedule.identity());
            let key = if schedule.id.is_some() { "id" } else { "name" };
            let hint = format!(
                "the first one is on line {first}; an `id`, or else the name, is what a schedule was before"
            );
            out.push(Problem::new(file, item.place(&[key]), message).hint(hint));
            continue;
        }
        watches +=
            usize::from(matches!(schedule.timed.timing, Timing::Trigger(Trigger::Path { .. })));
        if watches == WATCHES_MAX + 1 {
            let message = format!("more than {WATCHES_MAX} schedules watch files");
            out.push(Problem::new(file, item.place(&["trigger"]), message));
        }
        names.insert(schedule.name.clone(), schedule.line);
        identities.insert(schedule.identity().clone(), schedule.line);
        schedules.push(schedule);
    }
    schedules
}

fn one(
    file: &File,
    item: &Node,
    (now, zones): (Time, &mut Found),
    out: &mut Vec<Problem>,
) -> Option<ScheduleConfig> {
    let before = errors(out);
    let raw: Raw = whole::read(file, item, out)?;
    let mut check = Check { file, item, out };
    let names = check.names(&raw);
    check.quoted_flag("enabled");
    let identity = raw.id.as_ref().unwrap_or(&raw.name);
    let timed = check.timed(&raw, identity, (now, zones));
    let jitter_ms = check.jitter(raw.jitter);
    let condition = check.condition(&raw);
    let missed = check.missed(&raw);
    let max_queued = check.count("max_queued", raw.max_queued, 1..=QUEUED_MAX, 1);
    let pause_after = check.count("pause_after_failures", raw.pause_after_failures, 0..=1000, 3);
    let mandate = check.mandate(&raw);
    if errors(check.out) > before {
        return None;
    }
    let ((name, id), timed) = (names?, timed?);
    let timed = timed.with_jitter(id.as_ref().unwrap_or(&name), jitter_ms);
    Some(ScheduleConfig {
        name,
        id,
        timed,
        jitter_ms,
        enabled: raw.enabled.unwrap_or(true),
        missed,
        concurrency: raw.concurrency.unwrap_or_default(),
        max_queued,
        pause_after,
        condition,
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

    /// Whether other keys than these stand under `key`: what is wrong with them was told.
    fn has_more(&self, key: &str, known: &[&str]) -> bool {
        let Some(Value::Map(entries)) = self.item.get(key).map(|node| &node.value) else {
            return false;
        };
        entries.iter().any(|(key, _)| !known.contains(&key.name.as_str()))
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

    /// A whole number within `range`.
    fn count<N: Copy + PartialOrd + TryFrom<u64> + std::fmt::Display>(
        &mut self,
        key: &str,
        given: Option<u64>,
        range: RangeInclusive<N>,
        default: N,
    ) -> N {
        let Some(given) = given else { return default };
        let fits = N::try_from(given).ok().filter(|n| range.contains(n));
        fits.unwrap_or_else(|| {
            let hint = format!("{} to {}", range.start(), range.end());
            self.wrong(self.item.place(&[key]), format!("`{key}` is out of range"), Some(hint));
            default
        })
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
            if is_deep(glob) {
                let message = format!("a glob has more than {BRACES_MAX} `{{`");
                self.wrong(self.entry("files", n, None), message, None);
                continue;
            }
            if let Err(error) = GlobBuilder::new(glob).literal_separator(true).build() {
                let hint = error.kind().to_string();
                let message = format!("`{glob}` is not a glob");
                self.wrong(self.entry("files", n, None), message, Some(hint));
            }
        }
        for (n, verify) in mandate.verify.iter().enumerate() {
            let Verify::Contains { file, .. } = verify else { continue };
            if let Err(error) = RelPath::parse(file) {
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
