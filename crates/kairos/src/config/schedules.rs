//! `schedules.yml`: what is due when, and what it does.
//!
//! Owns the file's form and its meaning. KairosChain's file loads unchanged. Mandates stay in their
//! public form here; their texts become blobs when the configuration is assembled.

use kairos_core::mandate::spec::MandateSpec;
use kairos_core::schedule::definition::{Concurrency, Definition, ScheduleName};
use kairos_core::schedule::{Cron, CronError, Dst, InFold, InGap, MissedPolicy, Rule};
use kairos_wire::MandateRequest;
use kairos_wire::mandate::RiskBudget;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::daemon::Reader;
use super::span::Span;
use super::zone;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    schedules: Option<Vec<One>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    name: Spanned<String>,
    cron: Spanned<String>,
    timezone: Option<Spanned<String>>,
    enabled: Option<Flag>,
    missed_policy: Option<Spanned<String>>,
    max_catch_up_runs: Option<Spanned<u32>>,
    stale_after: Option<Span>,
    starting_deadline: Option<Span>,
    concurrency: Option<Spanned<String>>,
    project_scope: Option<String>,
    dst: Option<RawDst>,
    mandate: Option<Spanned<MandateRequest>>,
}

/// A boolean; KairosChain took quoted ones for true whatever they said, we read what they say.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Plain(bool),
    Quoted(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawDst {
    gap: Option<Spanned<String>>,
    fold: Option<Spanned<String>>,
}

/// A schedule that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) name: ScheduleName,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) enabled: bool,
    pub(crate) missed: MissedPolicy,
    pub(crate) concurrency: Concurrency,
    pub(crate) rule: Rule,
    pub(crate) mandate: MandateRequest,
}

impl Schedule {
    /// The form the state keeps, with the mandate's texts stored.
    pub(crate) fn definition(&self, spec: MandateSpec) -> Definition {
        Definition {
            name: self.name.clone(),
            cron: self.cron.clone(),
            zone: self.zone.clone(),
            dst: self.rule.dst,
            enabled: self.enabled,
            missed: self.missed,
            concurrency: self.concurrency,
            spec,
        }
    }
}

impl Raw {
    pub(super) fn resolve(
        self,
        reader: &mut Reader<'_>,
        warnings: &mut Vec<String>,
    ) -> Vec<Schedule> {
        let mut schedules: Vec<Schedule> = Vec::new();
        for one in self.schedules.unwrap_or_default() {
            let name = one.name.clone();
            let Some(schedule) = one.resolve(reader, warnings) else { continue };
            if schedules.iter().any(|other| other.name == schedule.name) {
                reader.problem(
                    &name,
                    format!("two schedules are called `{}`", name.value),
                    Some("rename one of them"),
                );
                continue;
            }
            schedules.push(schedule);
        }
        schedules
    }
}

impl One {
    fn resolve(self, reader: &mut Reader<'_>, warnings: &mut Vec<String>) -> Option<Schedule> {
        let name: ScheduleName = match self.name.value.parse() {
            Ok(name) => name,
            Err(error) => {
                reader.problem(&self.name, format!("{error}"), None);
                return None;
            }
        };
        let zone_name = self.timezone.as_ref().map_or("UTC", |zone| &zone.value);
        let zone_name = if zone_name.is_empty() { "UTC" } else { zone_name };
        let zone = zone::named(zone_name);
        if let (None, Some(given)) = (&zone, &self.timezone) {
            reader.problem(
                given,
                format!("no time zone `{zone_name}`"),
                Some("an IANA name such as Europe/Zurich"),
            );
        }
        let cron = match Cron::parse(&self.cron.value) {
            Ok(cron) => Some(cron),
            Err(error) => {
                cron_problem(reader, &self.cron, &error);
                None
            }
        };
        let missed = self.missed(reader);
        let concurrency = concurrency(self.concurrency.as_ref(), reader);
        let dst = self.dst.unwrap_or_default().resolve(reader);
        let mandate = mandate(self.mandate, &name, self.project_scope, reader, warnings);
        let enabled = match self.enabled {
            None | Some(Flag::Plain(true)) => true,
            Some(Flag::Plain(false)) => false,
            Some(Flag::Quoted(text)) => {
                !matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "off")
            }
        };
        let rule = Rule { cron: cron?, zone: zone.clone()?, dst };
        Some(Schedule {
            name,
            cron: self.cron.value,
            zone: zone_name.to_owned(),
            enabled,
            missed,
            concurrency,
            rule,
            mandate: mandate?,
        })
    }

    fn missed(&self, reader: &mut Reader<'_>) -> MissedPolicy {
        let stale_after_ms = self.stale_after.map_or(48 * 3_600_000, |span| span.ms);
        let starting_deadline_ms = self.starting_deadline.map_or(300_000, |span| span.ms);
        let max = self.max_catch_up_runs.as_ref().map_or(5, |given| given.value);
        let Some(given) = &self.missed_policy else { return MissedPolicy::Skip };
        match given.value.as_str() {
            "skip" => MissedPolicy::Skip,
            "drop" => MissedPolicy::Drop { starting_deadline_ms },
            "catch_up_once" => MissedPolicy::CatchUpOnce,
            "catch_up_bounded" => MissedPolicy::CatchUpBounded { max, stale_after_ms },
            other => {
                reader.problem(
                    given,
                    format!("no missed_policy `{other}`"),
                    Some("skip, drop, catch_up_once or catch_up_bounded"),
                );
                MissedPolicy::Skip
            }
        }
    }
}

fn mandate(
    given: Option<Spanned<MandateRequest>>,
    name: &ScheduleName,
    project_scope: Option<String>,
    reader: &mut Reader<'_>,
    warnings: &mut Vec<String>,
) -> Option<MandateRequest> {
    let mut mandate = given.map(|given| given.value).unwrap_or_default();
    if mandate.goal.trim().is_empty() {
        // As KairosChain: the name says it.
        mandate.goal = name.to_string();
    }
    mandate.project_scope = project_scope.or(mandate.project_scope);
    if mandate.risk_budget == Some(RiskBudget::High) && mandate.allow_high_risk != Some(true) {
        warnings.push(format!(
            "schedule `{name}`: `risk_budget: high` counts as low without `allow_high_risk: true`"
        ));
        mandate.risk_budget = Some(RiskBudget::Low);
    }
    for key in mandate.not_acted_on() {
        warnings.push(format!("schedule `{name}`: `{key}` is not acted on by this version"));
    }
    let text = reader.text;
    if let Err(error) = super::check_mandate(&mandate) {
        reader.problems.push(super::problem::Problem::whole(
            &text.file,
            format!("schedule `{name}`: {error}"),
            None,
        ));
        return None;
    }
    Some(mandate)
}

fn concurrency(given: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> Concurrency {
    let Some(given) = given else { return Concurrency::Queue };
    match given.value.as_str() {
        "queue" => Concurrency::Queue,
        "allow" => Concurrency::Allow,
        "reject" => Concurrency::Reject,
        "replace" => Concurrency::Replace,
        other => {
            reader.problem(
                given,
                format!("no concurrency `{other}`"),
                Some("queue, allow, reject or replace"),
            );
            Concurrency::Queue
        }
    }
}

impl RawDst {
    fn resolve(self, reader: &mut Reader<'_>) -> Dst {
        let gap = self.gap.map_or(InGap::RunAfter, |given| match given.value.as_str() {
            "run_after" => InGap::RunAfter,
            "skip" => InGap::Skip,
            other => {
                reader.problem(&given, format!("no dst.gap `{other}`"), Some("run_after or skip"));
                InGap::RunAfter
            }
        });
        let fold = self.fold.map_or(InFold::First, |given| match given.value.as_str() {
            "first" => InFold::First,
            "second" => InFold::Second,
            "both" => InFold::Both,
            other => {
                reader.problem(
                    &given,
                    format!("no dst.fold `{other}`"),
                    Some("first, second or both"),
                );
                InFold::First
            }
        });
        Dst { gap, fold }
    }
}

fn cron_problem(reader: &mut Reader<'_>, cron: &Spanned<String>, error: &CronError) {
    let quoted =
        reader.text.text.lines().nth(usize::try_from(cron.referenced.line() - 1).unwrap_or(0));
    let column = usize::try_from(cron.referenced.column()).unwrap_or(1);
    let quote =
        quoted.and_then(|line| line.chars().nth(column - 1)).is_some_and(|c| c == '"' || c == '\'');
    let skip = error.column() - 1 + usize::from(quote);
    let problem = reader.text.at(cron.referenced, skip, error.to_string(), Some(error.allowed()));
    reader.problems.push(problem);
}
