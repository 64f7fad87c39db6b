//! What one asks for when one asks for a mandate.
//!
//! Owns the single shape that `POST /v1/mandates`, a schedule's `mandate:` block and a mandate file
//! share, with the bounds that need no knowledge of the workspace. Never interprets paths, globs
//! or actions: the door that takes a request turns it into the rules' own form.

mod shown;
mod verify;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration;

pub use verify::{Argv, Verify, words};

pub use shown::{Created, Edit, Failure, Mandate, Mandates, Observed, Spent, State, Stopped};

/// Cycles a mandate may be given.
pub const MAX_CYCLES: std::ops::RangeInclusive<u64> = 1..=50;

// tidy: table
/// A goal with limits. Every field but `goal` may be left out; an unknown field is refused.
///
/// Numbers may be written as text (`"5"`), and a list of one may be written without its brackets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MandateRequest {
    /// What shall be reached. Empty only in a schedule, whose name then stands for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// Globs of files that decide may see, relative to the workspace.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What must hold for success.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<Verify>,
    /// 1–50; 10 when left out.
    #[serde(deserialize_with = "cycles", skip_serializing_if = "Option::is_none")]
    pub max_cycles: Option<u8>,
    /// After how many cycles a person looks, at least 1. Not acted on by this version.
    #[serde(deserialize_with = "checkpoint", skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u32>,
    /// Low when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_budget: Option<RiskBudget>,
    /// Whether a `high` that comes from a schedule counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_high_risk: Option<bool>,
    /// Mandates of one scope do not run at the same time; left out = the whole workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_scope: Option<String>,
    /// Actions its plans may use. Left out = all; empty = none.
    #[serde(deserialize_with = "one_or_many_option", skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<String>>,
    /// Tools to look with. Not acted on by this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_policies: Option<Value>,
    /// What follows an applied edit. Not acted on by this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_commit: Option<Value>,
    /// Scopes whose file contents may be sent to a model; left out = l2.
    #[serde(deserialize_with = "one_or_many_option", skip_serializing_if = "Option::is_none")]
    pub allow_llm_upload: Option<Vec<UploadScope>>,
    /// Hints for decide: text, or any shape, which is then shown to the model as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decide_hints: Option<Value>,
    /// The model asked; left out = the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Time from start to `expired`: seconds, or text such as `10m`.
    #[serde(
        deserialize_with = "duration::deserialize_option",
        serialize_with = "duration::serialize_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
}

/// How much a mandate may risk without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskBudget {
    #[default]
    Low,
    Medium,
    High,
}

/// A scope of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadScope {
    L0,
    L1,
    L2,
}

impl MandateRequest {
    /// The hints as the text a model is shown.
    #[must_use]
    pub fn hints_text(&self) -> Option<String> {
        match self.decide_hints.as_ref()? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Some(other.to_string())
            }
        }
    }

    /// Fields that are set and that this version does not act on.
    #[must_use]
    pub fn not_acted_on(&self) -> Vec<&'static str> {
        let given = [
            ("checkpoint_every", self.checkpoint_every.is_some()),
            ("observe_policies", self.observe_policies.is_some()),
            ("post_commit", self.post_commit.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}

fn cycles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let Some(Number(number)) = Option::deserialize(deserializer)? else { return Ok(None) };
    u8::try_from(number).ok().filter(|_| MAX_CYCLES.contains(&number)).map(Some).ok_or_else(|| {
        let (least, most) = (MAX_CYCLES.start(), MAX_CYCLES.end());
        de::Error::custom(format!("`{number}` is out of range: {least} to {most} cycles"))
    })
}

fn checkpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(Number(number)) = Option::deserialize(deserializer)? else { return Ok(None) };
    u32::try_from(number)
        .ok()
        .filter(|every| *every > 0)
        .map(Some)
        .ok_or_else(|| de::Error::custom(format!("`{number}` is out of range: at least 1 cycle")))
}

/// A whole number, also as text.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                u64::try_from(number)
                    .map(Number)
                    .map_err(|_| E::custom(format!("`{number}` is negative")))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.trim()
                    .parse()
                    .map(Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// A list, or its only item without the brackets.
fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(one_or_many_option(deserializer)?.unwrap_or_default())
}

fn one_or_many_option<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Items<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Option<Vec<T>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            T::deserialize(de::value::StrDeserializer::new(text)).map(|one| Some(vec![one]))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let one = T::deserialize(de::value::MapAccessDeserializer::new(map))?;
            Ok(Some(vec![one]))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                items.push(item);
            }
            Ok(Some(items))
        }
    }
    deserializer.deserialize_any(Items(PhantomData))
}
