//! When a schedule is due: `cron`, `every`, `at`, or a `trigger`.
//!
//! Owns that exactly one of them stands there, and what each may say. Never looks at the rest of a
//! schedule.

use std::ops::Range;

use jiff::civil::DateTime;
use kairos_core::schedule::definition::{JITTER_MS_MAX, PERIOD_S_MAX, ScheduleName, Timing};
use kairos_core::schedule::timetable::once;
use kairos_core::schedule::{Cron, Dst, Rule, Timetable, Warning, When, Zone};
use kairos_core::time::Time;

use super::{Check, HookSecret, Raw, RawDst, errors};
use crate::config::daemon::Length;
use crate::config::zone::Found;

/// The keys one of which says when.
const TIMES: [&str; 4] = ["cron", "every", "at", "trigger"];

const SECOND_MS: u64 = 1000;

/// A schedule's times as they are kept, and compiled.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    pub(crate) timing: Timing,
    /// An interval is counted from when this was read.
    pub(crate) table: Timetable,
    /// What signs deliveries to its webhook.
    pub(crate) hook: Option<HookSecret>,
}

impl Timed {
    pub(super) fn with_jitter(self, identity: &ScheduleName, jitter_ms: u64) -> Self {
        Self { table: self.table.with_jitter(identity, jitter_ms), ..self }
    }
}

impl Check<'_> {
    /// None where something is wrong, which is told.
    pub(super) fn timed(
        &mut self,
        raw: &Raw,
        identity: &str,
        (now, zones): (Time, &mut Found),
    ) -> Option<Timed> {
        let given = [
            ("cron", raw.cron.is_some()),
            ("every", raw.every.is_some()),
            ("at", raw.at.is_some()),
            ("trigger", raw.trigger.is_some()),
        ];
        let mut given = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
        match (given.next(), given.next()) {
            (Some(_), None) => {}
            (Some(one), Some(other)) => {
                let message = format!("`{one}` and `{other}` both say when it is due");
                self.wrong(self.item.place(&[other]), message, Some("keep one of them".to_owned()));
            }
            // What stands there and is wrong was told.
            (None, _)
                if errors(self.out) > 0 && TIMES.iter().any(|key| self.item.get(key).is_some()) => {
            }
            (None, _) => {
                let message = "nothing says when it is due".to_owned();
                let hint = "one of `cron`, `every`, `at`, `trigger`".to_owned();
                self.wrong(self.item.place(&["name"]), message, Some(hint));
            }
        }
        if raw.trigger.is_some() {
            let (trigger, hook) = self.trigger(raw)?;
            let table = Timetable::new(When::Never, None);
            return Some(Timed { timing: Timing::Trigger(trigger), table, hook });
        }
        let zone_name = raw.timezone.clone().filter(|z| !z.is_empty());
        let zone_name = zone_name.unwrap_or_else(|| "UTC".to_owned());
        let zone = zones.zone(&zone_name).map_err(|unknown| {
            let hint = unknown.hint();
            self.wrong(self.item.place(&["timezone"]), unknown.to_string(), Some(hint));
        });
        let said = raw.dst.unwrap_or_default();
        let dst = Dst { gap: said.gap.unwrap_or_default(), fold: said.fold.unwrap_or_default() };
        let cron = raw.cron.as_ref().map(|text| (text, self.cron(text, identity)));
        let every = raw.every.map(|length| self.every(length));
        let at = raw.at.as_ref().map(|text| self.at(text));
        let zone = zone.ok()?;
        let (timing, when) = match (cron, every, at) {
            (Some((cron, parsed)), None, None) => {
                let rule = Rule { cron: parsed?, zone: zone.table.clone(), dst };
                self.clock_changes(&rule, said, now);
                (Timing::Cron { cron: cron.clone(), zone: zone_name, dst }, When::Cron(rule))
            }
            (None, Some(period_ms), None) => {
                let period_ms = period_ms?;
                self.only_elapsed(raw);
                return Some(Timed {
                    timing: Timing::Every { period_ms },
                    table: Timetable::new(When::every(period_ms, now), None),
                    hook: None,
                });
            }
            (None, None, Some(at)) => {
                let at = at?;
                let slot = self.once(at, &zone, (dst, said), now);
                (Timing::At { at, zone: zone_name, dst }, slot)
            }
            _ => return None,
        };
        Some(Timed { timing, table: Timetable::new(when, Some(zone)), hook: None })
    }

    /// How much later slots may be let go, in milliseconds.
    pub(super) fn jitter(&mut self, jitter: Option<Length>) -> u64 {
        let Some(Length(ms)) = jitter else { return 0 };
        if ms > JITTER_MS_MAX || ms % SECOND_MS != 0 {
            let message = "`jitter` is out of range".to_owned();
            let hint = "whole seconds, up to `24h`".to_owned();
            self.wrong(self.item.place(&["jitter"]), message, Some(hint));
        }
        ms
    }

    /// The schedule's name over time, and that of the schedule itself.
    pub(super) fn names(&mut self, raw: &Raw) -> Option<(ScheduleName, Option<ScheduleName>)> {
        let mut named = |key: &str, text: &str| {
            let name = text.parse::<ScheduleName>();
            name.map_err(|error| self.wrong(self.item.place(&[key]), error.to_string(), None)).ok()
        };
        let name = named("name", &raw.name);
        let id = raw.id.as_ref().map(|id| named("id", id));
        let id = match id {
            Some(id) => Some(id?),
            None => None,
        };
        Some((name?, id))
    }

    fn every(&mut self, Length(ms): Length) -> Option<u64> {
        let fits = ms % SECOND_MS == 0 && (1..=PERIOD_S_MAX).contains(&(ms / SECOND_MS));
        if !fits {
            let message = "`every` is out of range".to_owned();
            let hint = "whole seconds, from `1s` to `366d`".to_owned();
            self.wrong(self.item.place(&["every"]), message, Some(hint));
        }
        fits.then_some(ms)
    }

    /// Elapsed time is the same in every zone.
    fn only_elapsed(&mut self, raw: &Raw) {
        for (key, given) in [("timezone", raw.timezone.is_some()), ("dst", raw.dst.is_some())] {
            if given {
                let message = format!("`{key}` says nothing beside `every`");
                self.warn(self.item.place(&[key]), message, "an interval counts elapsed time");
            }
        }
    }

    fn at(&mut self, text: &str) -> Option<DateTime> {
        let at = text.parse::<DateTime>().ok().filter(|at| at.subsec_nanosecond() == 0);
        if at.is_none() {
            let message = format!("`{text}` is not a date with a time of day");
            let hint = "such as `2026-12-01T09:00`, in the schedule's timezone".to_owned();
            self.wrong(self.item.place(&["at"]), message, Some(hint));
        }
        at
    }

    fn once(&mut self, at: DateTime, zone: &Zone, (dst, said): (Dst, RawDst), now: Time) -> When {
        let slot = once(at, &zone.table, dst);
        let place = self.item.place(&["at"]);
        match &slot {
            None => {
                let message =
                    format!("the clock skips {at} in this zone, and `dst` wants nothing run");
                self.warn(place, message, "it is never due");
            }
            Some(slot) if slot.at <= now => {
                let hint = "it is not due any more; `kairos schedule fire` fires it";
                self.warn(place, format!("{at} is past"), hint);
            }
            Some(_) if said.gap.is_some() => {}
            Some(_) => {
                if let Some(warning) = Warning::of_once(at, &zone.table, dst) {
                    self.warn(place, warning.to_string(), "`dst: {gap: skip}` leaves it out");
                }
            }
        }
        When::At(slot)
    }

    fn cron(&mut self, text: &str, identity: &str) -> Option<Cron> {
        let at = self.item.place(&["cron"]);
        match Cron::parse(text, identity) {
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

    /// What a person chose in so many words is no news to them; where the choice does not reach, it is.
    fn clock_changes(&mut self, rule: &Rule, said: RawDst, now: Time) {
        let chosen = |warning: &Warning| match warning {
            Warning::InGap { how, .. } => how.is_some() && said.gap.is_some(),
            Warning::InFold { how, .. } => how.is_some() && said.fold.is_some(),
            _ => false,
        };
        for warning in Warning::of_next_year(rule, now).into_iter().filter(|told| !chosen(told)) {
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
}
