//! What makes a schedule due besides the clock: `trigger`.
//!
//! Owns what may stand there. Never looks a secret up: it is named here, and the whole configuration
//! has it.

use std::ops::Range;

use kairos_core::schedule::Trigger;
use kairos_core::schedule::trigger::SETTLE_MS;
use serde::Deserialize;

use super::{Check, Raw};
use crate::config::daemon::Length;

/// Bytes of the name of a schedule with a webhook: `hook:` and it name who delivers.
const NAME_BYTES_MAX: usize = 120;

/// How long files have to stand where nothing is said.
const SETTLE_DEFAULT_MS: u64 = 2_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrigger {
    webhook: Option<RawWebhook>,
    path: Option<String>,
    settle: Option<Length>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    secret: String,
}

/// The secret that a webhook's deliveries are signed with, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookSecret {
    pub(crate) name: String,
    /// Where it is named.
    pub(crate) at: Range<usize>,
}

/// What may stand there.
const TRIGGERS: &str = "`webhook: {secret: \"secret:NAME\"}` or `path: GLOB`";

impl Check<'_> {
    /// None where something is wrong, which is told.
    pub(super) fn trigger(&mut self, raw: &Raw) -> Option<(Trigger, Option<HookSecret>)> {
        for key in ["timezone", "dst", "jitter", "missed_policy"] {
            if self.item.get(key).is_some() {
                let message = format!("`{key}` says nothing beside `trigger`");
                self.warn(self.item.place(&[key]), message, "no clock makes it due");
            }
        }
        let trigger = raw.trigger.as_ref()?;
        match (&trigger.webhook, &trigger.path) {
            (Some(_), Some(_)) => {
                let message = "`webhook` and `path` both say what makes it due".to_owned();
                let at = self.item.place(&["trigger", "path"]);
                self.wrong(at, message, Some("keep one of them".to_owned()));
                None
            }
            (Some(webhook), None) => self.webhook(&raw.name, webhook, trigger.settle),
            (None, Some(glob)) => self.watch(glob, trigger.settle).map(|watch| (watch, None)),
            (None, None) => {
                if !self.has_more("trigger", &["settle"]) {
                    let message = "nothing says what the trigger is".to_owned();
                    self.wrong(self.item.place(&["trigger"]), message, Some(TRIGGERS.to_owned()));
                }
                None
            }
        }
    }

    fn webhook(
        &mut self,
        name: &str,
        webhook: &RawWebhook,
        settle: Option<Length>,
    ) -> Option<(Trigger, Option<HookSecret>)> {
        if settle.is_some() {
            let at = self.item.place(&["trigger", "settle"]);
            let message = "`settle` says nothing beside `webhook`".to_owned();
            self.wrong(at, message, Some("each delivery is a slot of its own".to_owned()));
        }
        if name.len() > NAME_BYTES_MAX {
            let message = format!("the name of a webhook has at most {NAME_BYTES_MAX} bytes");
            self.wrong(self.item.place(&["name"]), message, None);
        }
        let at = self.item.place(&["trigger", "webhook", "secret"]);
        match webhook.secret.strip_prefix("secret:").filter(|name| !name.is_empty()) {
            Some(name) => {
                let secret = HookSecret { name: name.to_owned(), at };
                Some((Trigger::Webhook {}, Some(secret)))
            }
            None => {
                let message = "a webhook's secret never stands in this file".to_owned();
                let hint = "write `secret: \"secret:NAME\"` and name it in secrets.yml";
                self.wrong(at, message, Some(hint.to_owned()));
                None
            }
        }
    }

    fn watch(&mut self, glob: &str, settle: Option<Length>) -> Option<Trigger> {
        let settle_ms = settle.map_or(SETTLE_DEFAULT_MS, |length| length.0);
        if !SETTLE_MS.contains(&settle_ms) {
            let at = self.item.place(&["trigger", "settle"]);
            let hint = "`1s` to `1h`".to_owned();
            self.wrong(at, "`settle` is out of range".to_owned(), Some(hint));
        }
        let glob = self.glob(&["trigger", "path"], glob)?;
        Some(Trigger::Path { glob, settle_ms })
    }
}
