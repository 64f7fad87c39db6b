//! `daemon.yml`: its keys, their bounds and defaults.
//!
//! Owns the file's form and its meaning for the rules and the daemon's options. KairosChain's file
//! loads unchanged. Never reads a secret's value; it only names one.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use kairos_core::budget::{Caps, Price};
use kairos_core::gate::scope::{Raise, Scope, Scopes};
use kairos_core::rules::{ModelRules, NamedPrice, Rules};
use kairos_engine::Options;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::problem::{Problem, Text};
use super::span::Span;
use super::zone;

/// A USD has a million micros; prices are per million tokens, so micros per million of them.
const MICROS: f64 = 1e6;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    mode: Option<Spanned<String>>,
    tick_interval: Option<Spanned<Span>>,
    graceful_timeout: Option<Spanned<Span>>,
    pid_path: Option<Spanned<String>>,
    heartbeat_interval: Option<Spanned<Span>>,
    max_running: Option<Spanned<u16>>,
    day_zone: Option<Spanned<String>>,
    log: Option<Log>,
    model: Option<Model>,
    budget: Option<Budget>,
    proposals: Option<Proposals>,
    scopes: Option<Vec<RawScope>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Log {
    level: Option<Spanned<String>>,
    max_bytes: Option<Spanned<String>>,
    keep: Option<Spanned<u8>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    provider: Spanned<String>,
    name: Option<Spanned<String>>,
    base_url: Option<Spanned<String>>,
    api_key: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    max_output_tokens: Option<Spanned<u32>>,
    timeout: Option<Spanned<Span>>,
    prices: Option<Prices>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    input: Spanned<f64>,
    output: Spanned<f64>,
    cache_read: Option<Spanned<f64>>,
    cache_write: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Budget {
    calls_per_day: Option<Spanned<u64>>,
    tokens_per_day: Option<Spanned<u64>>,
    usd_per_day: Option<Spanned<f64>>,
    usd_per_mandate: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Proposals {
    ttl: Option<Spanned<Span>>,
    max_waiting: Option<Spanned<u16>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    path: Spanned<String>,
    scope: Spanned<String>,
}

/// The daemon's own settings.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    pub(crate) rules: Rules,
    pub(crate) options: Options,
    pub(crate) pid_path: PathBuf,
    pub(crate) log: LogOptions,
    pub(crate) model: Option<ModelOptions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogOptions {
    pub(crate) debug: bool,
    pub(crate) max_bytes: u64,
    pub(crate) keep: u8,
}

/// Where the model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelOptions {
    pub(crate) provider: Provider,
    pub(crate) timeout_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Anthropic { base_url: String, key: Key },
    OpenAi { base_url: String, key: Key },
    Playbook { file: String },
}

/// Where an API key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A local server needs none.
    None,
    /// The provider's usual variable.
    Variable(&'static str),
    /// A secret by name.
    Secret(String),
}

/// Collects problems while reading on.
pub(super) struct Reader<'a> {
    pub(super) text: &'a Text,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn problem<T>(&mut self, at: &Spanned<T>, message: String, hint: Option<&str>) {
        let hint = hint.map(ToOwned::to_owned);
        self.problems.push(self.text.at(at.referenced, 0, message, hint));
    }

    /// A span within bounds, or its default.
    fn span(
        &mut self,
        given: Option<Spanned<Span>>,
        default_ms: u64,
        key: &str,
        min_ms: u64,
    ) -> u64 {
        let Some(given) = given else { return default_ms };
        if given.value.ms < min_ms {
            self.problem(&given, format!("`{key}` must be at least {}s", min_ms / 1000), None);
        }
        given.value.ms
    }

    /// A number that is not 0, or its default.
    fn positive(&mut self, given: Option<Spanned<u64>>, default: u64, key: &str) -> u64 {
        let Some(given) = given else { return default };
        if given.value == 0 {
            self.problem(
                &given,
                format!("`{key}: 0` allows nothing"),
                Some("to stop everything, stop the daemon"),
            );
        }
        given.value
    }

    /// An amount of USD in micros.
    fn usd(&mut self, given: Option<Spanned<f64>>, default: f64, key: &str, zero: bool) -> u64 {
        let value = given.as_ref().map_or(default, |given| given.value);
        let micros = (value * MICROS).round();
        if let Some(given) = &given {
            if !(0.0..1e9).contains(&value) {
                self.problem(
                    given,
                    format!("`{key}` must be an amount in USD from 0 to 1e9"),
                    None,
                );
                return 0;
            }
            if micros == 0.0 && !zero {
                self.problem(
                    given,
                    format!("`{key}: 0` allows nothing"),
                    Some("local models are free without it"),
                );
            }
        }
        // In range: checked above, and the defaults are small.
        format!("{micros:.0}").parse().unwrap_or(0)
    }
}

impl Raw {
    /// What the file means; problems go to `reader`.
    pub(super) fn resolve(
        self,
        reader: &mut Reader<'_>,
        shipped: &[NamedPrice],
        tz: Option<&str>,
    ) -> Daemon {
        if let Some(mode) = self.mode.filter(|mode| mode.value != "daemon") {
            reader.problem(
                &mode,
                format!("`mode: {}` is not known", mode.value),
                Some("mode: daemon"),
            );
        }
        let day_zone = self.day_zone.filter(|zone| zone.value != "local");
        let day_zone = match day_zone {
            None => zone::local(tz),
            Some(name) => zone::named(&name.value).unwrap_or_else(|| {
                reader.problem(
                    &name,
                    format!("no time zone `{}`", name.value),
                    Some("an IANA name such as Europe/Zurich, or local"),
                );
                TimeZone::UTC
            }),
        };
        let options = Options {
            tick_interval_ms: reader.span(self.tick_interval, 10_000, "tick_interval", 1_000),
            graceful_timeout_ms: reader.span(self.graceful_timeout, 120_000, "graceful_timeout", 0),
            heartbeat_interval_ms: reader.span(
                self.heartbeat_interval,
                10_000,
                "heartbeat_interval",
                1_000,
            ),
            day_zone,
        };
        let max_running = self.max_running.map_or(4, |given| {
            if !(1..=64).contains(&given.value) {
                reader.problem(&given, "`max_running` must be 1 to 64".to_owned(), None);
            }
            given.value
        });
        let budget = self.budget.unwrap_or_default();
        let day = Caps {
            calls: Some(reader.positive(budget.calls_per_day, 10_000, "calls_per_day")),
            tokens: Some(reader.positive(budget.tokens_per_day, 2_000_000, "tokens_per_day")),
            usd_micros: Some(reader.usd(budget.usd_per_day, 5.0, "usd_per_day", false)),
        };
        let mandate_usd_micros_max =
            reader.usd(budget.usd_per_mandate, 1.0, "usd_per_mandate", false);
        let proposals = self.proposals.unwrap_or_default();
        let (model, model_rules) = self.model.map(|m| m.resolve(reader, shipped)).unzip();
        let rules = Rules {
            max_running,
            day,
            mandate_usd_micros_max,
            proposal_ttl_ms: reader.span(proposals.ttl, 8 * 3_600_000, "proposals.ttl", 1_000),
            proposals_max: proposals.max_waiting.map_or(16, |given| given.value.clamp(1, 1_000)),
            scopes: scopes(self.scopes.unwrap_or_default(), reader),
            model: model_rules.flatten(),
        };
        let log = self.log.unwrap_or_default().resolve(reader);
        let pid_path =
            self.pid_path.map_or_else(|| ".kairos/run/daemon.pid".to_owned(), |p| p.value);
        Daemon { rules, options, pid_path: pid_path.into(), log, model: model.flatten() }
    }
}

fn scopes(raw: Vec<RawScope>, reader: &mut Reader<'_>) -> Vec<Raise> {
    let mut raises = Vec::new();
    for RawScope { path, scope } in raw {
        let level = match scope.value.as_str() {
            "l0" => Scope::L0,
            "l1" => Scope::L1,
            other => {
                reader.problem(&scope, format!("`{other}` cannot raise a path"), Some("l0 or l1"));
                continue;
            }
        };
        let raise = Raise { pattern: path.value.clone(), scope: level };
        match Scopes::new(vec![raise.clone()], Vec::new()) {
            Ok(_) => raises.push(raise),
            Err(error) => {
                reader.problem(&path, error.to_string(), Some("a glob such as deploy/**"))
            }
        }
    }
    raises
}

impl Log {
    fn resolve(self, reader: &mut Reader<'_>) -> LogOptions {
        let debug = self.level.is_some_and(|level| match level.value.as_str() {
            "debug" => true,
            "info" => false,
            other => {
                reader.problem(&level, format!("`{other}` is no log level"), Some("info or debug"));
                false
            }
        });
        let max_bytes = self.max_bytes.map_or(16 << 20, |given| {
            size(&given.value).unwrap_or_else(|| {
                reader.problem(
                    &given,
                    format!("`{}` is no size", given.value),
                    Some("a number with KiB, MiB or GiB, such as 16MiB"),
                );
                16 << 20
            })
        });
        LogOptions { debug, max_bytes, keep: self.keep.map_or(7, |keep| keep.value) }
    }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes >= 4096)
}

impl Model {
    fn resolve(
        self,
        reader: &mut Reader<'_>,
        shipped: &[NamedPrice],
    ) -> (Option<ModelOptions>, Option<ModelRules>) {
        let provider = self.provider(reader);
        let free = matches!(&provider, Some(Provider::Playbook { .. })) || self.is_local();
        let name = match &self.name {
            Some(name) => name.value.clone(),
            None if matches!(provider, Some(Provider::Playbook { .. })) => "playbook".to_owned(),
            None => {
                reader.problem(
                    &self.provider,
                    "`model` needs a `name`".to_owned(),
                    Some("name: the model's id"),
                );
                String::new()
            }
        };
        let zero = Price { input: 0, output: 0, cache_read: 0, cache_write: 0 };
        let prices = match &self.prices {
            Some(prices) => vec![NamedPrice { name: String::new(), price: prices.resolve(reader) }],
            None if free => vec![NamedPrice { name: String::new(), price: zero }],
            None => shipped.to_vec(),
        };
        let output_tokens_max = self.max_output_tokens.as_ref().map_or(4096, |given| given.value);
        if let Some(given) = self.max_output_tokens.as_ref().filter(|given| given.value == 0) {
            reader.problem(given, "`max_output_tokens: 0` allows no answer".to_owned(), None);
        }
        let rules = ModelRules { name, output_tokens_max, prices };
        if rules.price_of(&rules.name).is_none() && !rules.name.is_empty() {
            let at = self.name.as_ref().unwrap_or(&self.provider);
            let message = format!("model `{}` has no price, and caps in USD hold", rules.name);
            reader.problem(at, message, Some("add two lines under `model:`, in USD per million tokens:\n  prices:\n    {input: 3, output: 15}"));
        }
        let timeout_ms = reader.span(self.timeout, 120_000, "timeout", 1_000);
        (provider.map(|provider| ModelOptions { provider, timeout_ms }), Some(rules))
    }

    fn is_local(&self) -> bool {
        let host = self.base_url.as_ref().and_then(|url| url.value.split_once("://"));
        let host = host.map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
        host.is_some_and(|host| {
            ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local))
        })
    }

    fn provider(&self, reader: &mut Reader<'_>) -> Option<Provider> {
        let url = |default: &str| {
            self.base_url.as_ref().map_or_else(
                || default.to_owned(),
                |url| url.value.trim_end_matches('/').to_owned(),
            )
        };
        if let Some(url) = &self.base_url {
            if !(url.value.starts_with("http://") || url.value.starts_with("https://")) {
                reader.problem(
                    url,
                    format!("`{}` is no address", url.value),
                    Some("http://… or https://…"),
                );
            }
        }
        match self.provider.value.as_str() {
            "anthropic" => Some(Provider::Anthropic {
                base_url: url("https://api.anthropic.com"),
                key: self.key(reader, "ANTHROPIC_API_KEY"),
            }),
            "openai" => Some(Provider::OpenAi {
                base_url: url("https://api.openai.com/v1"),
                key: self.key(reader, "OPENAI_API_KEY"),
            }),
            "playbook" => match &self.file {
                Some(file) => Some(Provider::Playbook { file: file.value.clone() }),
                None => {
                    reader.problem(
                        &self.provider,
                        "`provider: playbook` needs a `file`".to_owned(),
                        Some("file: playbook.yml"),
                    );
                    None
                }
            },
            other => {
                reader.problem(
                    &self.provider,
                    format!("no provider `{other}`"),
                    Some("anthropic, openai or playbook"),
                );
                None
            }
        }
    }

    fn key(&self, reader: &mut Reader<'_>, variable: &'static str) -> Key {
        match &self.api_key {
            None if self.is_local() => Key::None,
            None => Key::Variable(variable),
            Some(given) => match given.value.strip_prefix("secret:") {
                Some(name) => Key::Secret(name.to_owned()),
                None => {
                    reader.problem(
                        given,
                        "a key does not stand in this file".to_owned(),
                        Some("api_key: \"secret:NAME\", and NAME in secrets.yml"),
                    );
                    Key::None
                }
            },
        }
    }
}

impl Prices {
    fn resolve(&self, reader: &mut Reader<'_>) -> Price {
        let mut usd = |given: &Spanned<f64>, key| reader.usd(Some(given.clone()), 0.0, key, true);
        let input = usd(&self.input, "input");
        Price {
            input,
            output: usd(&self.output, "output"),
            cache_read: self.cache_read.as_ref().map_or(input, |given| usd(given, "cache_read")),
            cache_write: self.cache_write.as_ref().map_or(input, |given| usd(given, "cache_write")),
        }
    }
}
