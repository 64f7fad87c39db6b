//! What makes a schedule due besides the clock: `trigger`.
//!
//! Owns what may stand there. Never looks a secret up: it is named here, and the whole configuration
//! has it.

use std::ops::Range;

use kairos_core::schedule::Trigger;
use serde::Deserialize;

use super::{Check, Raw};

/// Bytes of the name of a schedule with a webhook: `hook:` and it name who delivers.
const NAME_BYTES_MAX: usize = 120;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrigger {
    webhook: Option<RawWebhook>,
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
        let Some(webhook) = &trigger.webhook else {
            if !self.has_more("trigger", &[]) {
                let hint = "`webhook: {secret: \"secret:NAME\"}`".to_owned();
                let message = "nothing says what the trigger is".to_owned();
                self.wrong(self.item.place(&["trigger"]), message, Some(hint));
            }
            return None;
        };
        if raw.name.len() > NAME_BYTES_MAX {
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
}
