//! `daemon.yml`: what it may say, and what that means.
//!
//! Owns the keys of the daemon with their ranges and defaults. Never looks at schedules; the two
//! meet in [`super::resolve`].

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use kairos_core::budget::{Caps, Price};
use kairos_core::gate::scope::{Raise, RuleError, Scope, Scopes};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_engine::Retention;
use kairos_wire::duration;
use serde::{Deserialize, Deserializer};

use super::commands::{CommandsConfig, RawCommand};
use super::env::Env;
use super::node::{Node, Value};
use super::problem::{File, Problem};
use super::secrets::{Secret, Secrets};
use super::size::{self, Size, Usd};
use super::witnesses::{self, RawCheckpoint};
use super::{whole, zone};
use crate::log::{Level, LogOptions};
use crate::witness::Witness;

/// What the binary needs to know; what the rules need is in [`Rules`].
#[derive(Clone, Debug)]
pub(crate) struct DaemonOptions {
    /// Bounds how late a step of the wall clock is noticed.
    pub(crate) tick_interval_ms: u64,
    /// How long a stop waits for commands and tools.
    pub(crate) graceful_timeout_ms: u64,
    /// Relative to the root.
    pub(crate) pid_path: PathBuf,
    pub(crate) heartbeat_interval_ms: u64,
    /// Where the budget's day begins.
    pub(crate) day_zone: TimeZone,
    pub(crate) day_zone_name: String,
    pub(crate) log: LogOptions,
    /// `None`: no model is configured.
    pub(crate) model: Option<ModelConfig>,
    /// Who else holds the journal's checkpoints.
    pub(crate) witnesses: Vec<Witness>,
    /// How much of the past is kept.
    pub(crate) retention: Retention,
    pub(crate) commands: CommandsConfig,
}

/// How the model is reached.
#[derive(Clone, Debug)]
pub(crate) struct ModelConfig {
    pub(crate) provider: Provider,
    pub(crate) name: String,
    /// What stands before `/v1/messages` or `/chat/completions`; of a playbook nothing.
    pub(crate) base_url: String,
    /// None for a playbook and for a local server that wants none.
    pub(crate) api_key: Option<Secret>,
    /// The environment variable it came from, if it did.
    pub(crate) key_variable: Option<&'static str>,
    pub(crate) max_output_tokens: u32,
    pub(crate) timeout_ms: u64,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Anthropic,
    OpenAi,
    /// Answers from a file; relative to the root.
    Playbook {
        file: PathBuf,
    },
}

// tidy: table
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    mode: Option<String>,
    tick_interval: Option<Length>,
    graceful_timeout: Option<Length>,
    pid_path: Option<PathBuf>,
    heartbeat_interval: Option<Length>,
    max_running: Option<u64>,
    day_zone: Option<String>,
    log: Option<RawLog>,
    model: Option<RawModel>,
    budget: Option<RawBudget>,
    proposals: Option<RawProposals>,
    scopes: Option<Vec<RawScope>>,
    checkpoint: Option<RawCheckpoint>,
    retention: Option<RawRetention>,
    commands: Option<Vec<RawCommand>>,
    commands_as: Option<String>,
    commands_timeout: Option<Length>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawLog {
    level: Option<Level>,
    max_bytes: Option<Size>,
    keep: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    provider: RawProvider,
    name: Option<String>,
    base_url: Option<String>,
    api_key: Option<String>,
    file: Option<PathBuf>,
    max_output_tokens: Option<u64>,
    timeout: Option<Length>,
    prices: Option<RawPrices>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawProvider {
    Anthropic,
    Openai,
    Playbook,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrices {
    input: Usd,
    output: Usd,
    cache_read: Option<Usd>,
    cache_write: Option<Usd>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawBudget {
    calls_per_day: Option<u64>,
    tokens_per_day: Option<u64>,
    usd_per_day: Option<Usd>,
    usd_per_mandate: Option<Usd>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawProposals {
    ttl: Option<Length>,
    max_waiting: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRetention {
    days: Option<u64>,
    bytes: Option<Size>,
    keep_free: Option<Size>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    path: String,
    scope: Scope,
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length(pub(super) u64);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        duration::deserialize(deserializer).map(ms).map(Self)
    }
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

const SECOND: u64 = 1000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// What always stays takes up to 24 MiB: the segment in use, the next one, up to three behind two
/// snapshots, 4 MiB each at the least ([`kairos_engine`] makes them no smaller), and the snapshots.
/// Retention works an eighth below the cap; above the cap nothing begins.
const RETENTION_BYTES_LEAST: u64 = 32 << 20;

/// Less leaves little to delete.
const RETENTION_BYTES_LITTLE: u64 = 64 << 20;

/// What `daemon.yml` is read with.
pub(super) struct Around<'a> {
    pub(super) env: &'a Env,
    pub(super) secrets: &'a Secrets,
    pub(super) shipped: &'a [NamedPrice],
}

/// Reads the tree of `daemon.yml`. What is wrong is in `out`; the values are then not to be used.
pub(super) fn read(
    file: &File,
    node: &Node,
    around: &Around<'_>,
    out: &mut Vec<Problem>,
) -> Option<(Rules, DaemonOptions)> {
    let file = &without_key(file, node);
    let raw: Raw = whole::read(file, node, out)?;
    let witnesses = witnesses::read(raw.checkpoint, file, node, out);
    let entries = (raw.commands, raw.commands_as.as_deref());
    let commands = CommandsConfig::read(entries, (file, node), out);
    let mut check = Check { file, node, out };
    if let Some(mode) = raw.mode.filter(|mode| mode != "daemon") {
        check.wrong(&["mode"], format!("mode `{mode}` is not `daemon`"), "the only mode there is");
    }
    let scopes = raw.scopes.unwrap_or_default();
    let budget = raw.budget.unwrap_or_default();
    let proposals = raw.proposals.unwrap_or_default();
    let day = check.caps(&budget);
    let mandate_usd = check.cap("usd_per_mandate", budget.usd_per_mandate.map(|u| u.0), 1_000_000);
    let (model, rules) = match raw.model {
        None => (None, None),
        Some(model) => check.model(model, around)?,
    };
    let (day_zone_name, day_zone) = check.day_zone(raw.day_zone.as_deref(), around.env);
    let max_running = check.range(&["max_running"], raw.max_running, 1..=64, 4, "");
    let waiting =
        check.range(&["proposals", "max_waiting"], proposals.max_waiting, 1..=256, 16, "");
    let rules = Rules {
        max_running: u16::try_from(max_running).unwrap_or(u16::MAX),
        day,
        mandate_usd_micros_max: mandate_usd,
        proposal_ttl_ms: check.length(
            &["proposals", "ttl"],
            proposals.ttl,
            60 * SECOND..=30 * DAY,
            8 * HOUR,
        ),
        proposals_max: u16::try_from(waiting).unwrap_or(u16::MAX),
        scopes: check.scopes(scopes),
        // What secrets.yml names joins when the parts are put together.
        secrets: Vec::new(),
        model: rules,
    };
    let options = DaemonOptions {
        tick_interval_ms: check.length(&["tick_interval"], raw.tick_interval, 1..=DAY, 10 * SECOND),
        graceful_timeout_ms: check.length(
            &["graceful_timeout"],
            raw.graceful_timeout,
            0..=DAY,
            120 * SECOND,
        ),
        pid_path: raw.pid_path.unwrap_or_else(|| ".kairos/run/daemon.pid".into()),
        heartbeat_interval_ms: check.length(
            &["heartbeat_interval"],
            raw.heartbeat_interval,
            SECOND..=HOUR,
            10 * SECOND,
        ),
        day_zone,
        day_zone_name,
        log: check.log(raw.log.unwrap_or_default()),
        model,
        witnesses,
        retention: check.retention(&raw.retention.unwrap_or_default()),
        commands: check.lasting(commands, raw.commands_timeout),
    };
    Some((rules, options))
}

/// The file as it may be shown: a key that somebody wrote into it is starred out.
fn without_key(file: &File, node: &Node) -> File {
    match node.find(&["model", "api_key"]) {
        Some(key) if !matches!(&key.value, Value::Text(text) if text.starts_with("secret:")) => {
            file.hiding(&key.at)
        }
        _ => file.clone(),
    }
}

/// The file being checked.
struct Check<'a> {
    file: &'a File,
    node: &'a Node,
    out: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn lasting(&mut self, commands: CommandsConfig, value: Option<Length>) -> CommandsConfig {
        let timeout_ms = self.length(&["commands_timeout"], value, SECOND..=DAY, 600 * SECOND);
        CommandsConfig { timeout_ms, ..commands }
    }

    fn wrong(&mut self, path: &[&str], message: String, hint: impl Into<String>) {
        let at = self.node.place(path);
        self.out.push(Problem::new(self.file, at, message).hint(hint));
    }

    fn range(
        &mut self,
        path: &[&str],
        value: Option<u64>,
        range: RangeInclusive<u64>,
        default: u64,
        unit: &str,
    ) -> u64 {
        let value = value.unwrap_or(default);
        if !range.contains(&value) {
            let key = path.join(".");
            let hint = format!("{} to {}{unit}", range.start(), range.end());
            self.wrong(path, format!("`{key}` is out of range"), hint);
        }
        value
    }

    fn length(
        &mut self,
        path: &[&str],
        value: Option<Length>,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let value = value.map_or(default, |length| length.0);
        if !range.contains(&value) {
            let key = path.join(".");
            let hint = format!("{} to {}", spell(*range.start()), spell(*range.end()));
            self.wrong(path, format!("`{key}` is out of range"), hint);
        }
        value
    }

    fn cap(&mut self, key: &str, value: Option<u64>, default: u64) -> u64 {
        if value == Some(0) {
            let message = format!("`budget.{key}` is 0, which would stop everything for good");
            self.wrong(
                &["budget", key],
                message,
                "1 or more; delete the key for the default. To stop everything, stop the daemon",
            );
        }
        value.unwrap_or(default)
    }

    fn caps(&mut self, budget: &RawBudget) -> Caps {
        let usd = budget.usd_per_day.map(|usd| usd.0);
        Caps {
            calls: Some(self.cap("calls_per_day", budget.calls_per_day, 10_000)),
            tokens: Some(self.cap("tokens_per_day", budget.tokens_per_day, 2_000_000)),
            usd_micros: Some(self.cap("usd_per_day", usd, 5_000_000)),
        }
    }

    fn day_zone(&mut self, name: Option<&str>, env: &Env) -> (String, TimeZone) {
        match name {
            None | Some("local") => zone::local(env),
            Some(name) => match zone::zone(name) {
                Ok(zone) => (name.to_owned(), zone),
                Err(unknown) => {
                    let hint = unknown.hint();
                    self.wrong(&["day_zone"], unknown.to_string(), hint);
                    (name.to_owned(), TimeZone::UTC)
                }
            },
        }
    }

    fn log(&mut self, log: RawLog) -> LogOptions {
        let defaults = LogOptions::default();
        let size = log.max_bytes.map(|size| size.0);
        let bytes = 64 << 10..=1 << 30;
        let keep = self.range(&["log", "keep"], log.keep, 0..=1000, defaults.keep.into(), " files");
        LogOptions {
            level: log.level.unwrap_or_default(),
            max_bytes: self.range(&["log", "max_bytes"], size, bytes, defaults.max_bytes, " bytes"),
            keep: u16::try_from(keep).unwrap_or(u16::MAX),
        }
    }

    fn retention(&mut self, raw: &RawRetention) -> Retention {
        let defaults = Retention::default();
        let days = ["retention", "days"];
        let days = self.range(&days, raw.days, 1..=36_500, defaults.days.into(), " days");
        let size = raw.bytes.map(|size| size.0);
        let unit = " bytes";
        let bytes = self.retention_bytes(size, defaults.bytes);
        let keep = raw.keep_free.map(|size| size.0);
        let keep_free = ["retention", "keep_free"];
        let free_bytes = self.range(&keep_free, keep, 0..=1 << 50, defaults.free_bytes, unit);
        Retention { days: u32::try_from(days).unwrap_or(u32::MAX), bytes, free_bytes }
    }

    fn retention_bytes(&mut self, size: Option<u64>, default: u64) -> u64 {
        const STAYS: &str = "the newest segments and two snapshots of each kind always stay, and \
                             above it nothing new begins";
        let path = ["retention", "bytes"];
        let (least, little) = (RETENTION_BYTES_LEAST, RETENTION_BYTES_LITTLE);
        match size {
            Some(bytes) if bytes < least => {
                let message = format!(
                    "`retention.bytes` is `{}`, less than `{}`: {STAYS}",
                    size::spell(bytes),
                    size::spell(least)
                );
                let hint = format!(
                    "{} or more; the default is {}",
                    size::spell(least),
                    size::spell(default)
                );
                self.wrong(&path, message, hint);
                bytes
            }
            Some(bytes) if bytes < little => {
                let message = format!("`retention.bytes` leaves little to delete: {STAYS}");
                let warning = Problem::warning(self.file, self.node.place(&path), message);
                self.out.push(warning.hint(format!("{} or more", size::spell(little))));
                bytes
            }
            size => self.range(&path, size, least..=1 << 50, default, " bytes"),
        }
    }

    fn scopes(&mut self, scopes: Vec<RawScope>) -> Vec<Raise> {
        let raises: Vec<_> =
            scopes.into_iter().map(|raw| Raise { pattern: raw.path, scope: raw.scope }).collect();
        let items = self.node.get("scopes").map_or(&[][..], Node::items);
        for (raise, item) in raises.iter().zip(items) {
            let Err(error) = Scopes::new(vec![raise.clone()], Vec::new()) else { continue };
            let (key, hint) = match error {
                RuleError::RaisesNothing { .. } => ("scope", "`l0` or `l1`"),
                RuleError::BadGlob { .. } | RuleError::Deep | RuleError::TooMany { .. } => {
                    ("path", "such as `deploy/**`")
                }
            };
            let at = item.place(&[key]);
            self.out.push(Problem::new(self.file, at, error.to_string()).hint(hint));
        }
        if let Err(error @ RuleError::TooMany { .. }) = Scopes::new(raises.clone(), Vec::new()) {
            self.wrong(&["scopes"], error.to_string(), "fewer, wider globs");
        }
        raises
    }

    /// The model and what it costs; `None` when it cannot be known after what is wrong.
    fn model(
        &mut self,
        raw: RawModel,
        around: &Around<'_>,
    ) -> Option<(Option<ModelConfig>, Option<ModelRules>)> {
        let tokens = &["model", "max_output_tokens"];
        let tokens = self.range(tokens, raw.max_output_tokens, 1..=1_000_000, 4096, "");
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let timeout_ms =
            self.length(&["model", "timeout"], raw.timeout, SECOND..=HOUR, 120 * SECOND);
        let provider = match (raw.provider, raw.file) {
            (RawProvider::Playbook, Some(file)) => Provider::Playbook { file },
            (RawProvider::Playbook, None) => {
                self.wrong(
                    &["model"],
                    "a playbook needs the key `file`".to_owned(),
                    "file: FILE.yml",
                );
                return None;
            }
            (_, Some(_)) => {
                let message = "key `file` belongs to `provider: playbook`".to_owned();
                self.wrong(&["model", "file"], message, "delete it");
                return None;
            }
            (RawProvider::Anthropic, None) => Provider::Anthropic,
            (RawProvider::Openai, None) => Provider::OpenAi,
        };
        let playbook = matches!(provider, Provider::Playbook { .. });
        let name = match raw.name {
            Some(name) if !name.is_empty() => name,
            None if playbook => "playbook".to_owned(),
            _ => {
                let message = "key `name` is missing: which model shall be asked".to_owned();
                self.wrong(&["model", "name"], message, "name: MODEL");
                return None;
            }
        };
        let base_url = raw.base_url.unwrap_or_else(|| default_url(&provider).to_owned());
        let local = playbook || self.is_loopback(&base_url)?;
        let api_key = self.api_key(raw.api_key.as_deref(), &provider, local, around);
        let from_env = raw.api_key.is_none() && api_key.is_some();
        let key_variable = key_of(&provider).filter(|_| from_env).map(|(_, variable)| variable);
        let prices = self.prices(raw.prices, &name, local, around.shipped);
        let rules = ModelRules { name: name.clone(), output_tokens_max: tokens, prices };
        let max_output_tokens = tokens;
        let config = ModelConfig {
            provider,
            name,
            base_url,
            api_key,
            key_variable,
            max_output_tokens,
            timeout_ms,
        };
        Some((Some(config), Some(rules)))
    }

    fn is_loopback(&mut self, base_url: &str) -> Option<bool> {
        let rest = base_url.strip_prefix("https://").or_else(|| base_url.strip_prefix("http://"));
        let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let Some(authority) = authority.filter(|a| !a.is_empty() && !a.contains('@')) else {
            let message = format!("`{base_url}` is not a base URL");
            self.wrong(&["model", "base_url"], message, "such as `http://127.0.0.1:8080/v1`");
            return None;
        };
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let loopback = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !loopback && base_url.starts_with("http://") {
            let at = self.node.place(&["model", "base_url"]);
            let message = "model calls to another machine go unencrypted".to_owned();
            self.out.push(Problem::warning(self.file, at, message).hint("use `https://`"));
        }
        Some(loopback)
    }

    fn api_key(
        &mut self,
        given: Option<&str>,
        provider: &Provider,
        local: bool,
        around: &Around<'_>,
    ) -> Option<Secret> {
        let (word, variable) = key_of(provider)?;
        let path = &["model", "api_key"];
        match given.map(|given| given.strip_prefix("secret:")) {
            None => {
                let key = around.env.get(variable).map(Secret::new);
                if key.is_none() && !local {
                    let message =
                        format!("no API key: environment variable `{variable}` is not set");
                    self.wrong(&["model"], message, "set it, or add `api_key: \"secret:NAME\"`");
                }
                key
            }
            Some(Some(name)) => match around.secrets.get(name, &["llm_call", word], around.env) {
                Ok(secret) => Some(secret),
                Err(error) => {
                    self.wrong(path, error.to_string(), "secrets are named in secrets.yml");
                    None
                }
            },
            Some(None) => {
                let hint = "write `api_key: \"secret:NAME\"` and name it in secrets.yml";
                self.wrong(path, "an API key never stands in this file".to_owned(), hint);
                None
            }
        }
    }

    fn prices(
        &mut self,
        given: Option<RawPrices>,
        name: &str,
        local: bool,
        shipped: &[NamedPrice],
    ) -> Vec<NamedPrice> {
        let for_all = |price| vec![NamedPrice { name: String::new(), price }];
        match given {
            Some(raw) => {
                let (input, output) = (raw.input.0, raw.output.0);
                let cache_read = raw.cache_read.map_or(input, |usd| usd.0);
                let cache_write = raw.cache_write.map_or(input, |usd| usd.0);
                for_all(Price { input, output, cache_read, cache_write })
            }
            None if local => for_all(Price::default()),
            None => {
                let prices = shipped.to_vec();
                let rules = ModelRules { name: name.to_owned(), output_tokens_max: 0, prices };
                if rules.price_of(name).is_none() {
                    let message = format!("model `{name}` has no price, and caps in USD hold");
                    let hint = "add to `model:`, with its USD for a million tokens:\n  \
                                prices:\n    {input: 3, output: 15}";
                    self.wrong(&["model", "name"], message, hint);
                }
                rules.prices
            }
        }
    }
}

/// Under which name a provider's key is asked for, and the variable that has it by default.
const fn key_of(provider: &Provider) -> Option<(&'static str, &'static str)> {
    match provider {
        Provider::Anthropic => Some(("model:anthropic", "ANTHROPIC_API_KEY")),
        Provider::OpenAi => Some(("model:openai", "OPENAI_API_KEY")),
        Provider::Playbook { .. } => None,
    }
}

fn default_url(provider: &Provider) -> &'static str {
    match provider {
        Provider::Anthropic => "https://api.anthropic.com",
        Provider::OpenAi => "https://api.openai.com/v1",
        Provider::Playbook { .. } => "",
    }
}

/// A length of time in the largest unit that divides it.
pub(super) fn spell(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        ms if ms % DAY == 0 => format!("{}d", ms / DAY),
        ms if ms % HOUR == 0 => format!("{}h", ms / HOUR),
        ms if ms % (60 * SECOND) == 0 => format!("{}m", ms / (60 * SECOND)),
        ms if ms % SECOND == 0 => format!("{}s", ms / SECOND),
        ms => format!("{}.{:03}s", ms / SECOND, ms % SECOND),
    }
}
