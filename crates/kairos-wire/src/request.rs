//! What a mandate is asked for: the one shape for `POST /v1/mandates`, `mandate:` in schedules.yml
//! and `mandate create --file`.
//!
//! Owns names and forms of the fields, those of KairosChain among them. Never checks what a value
//! means; the conversion into the rules does. An unknown field is refused by name.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A mandate as somebody asks for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MandateRequest {
    /// What is to be reached, in words.
    pub goal: String,
    /// Globs of files that decide may see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What must hold for success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<Check>,
    /// 1–50; 10 when absent.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub max_cycles: Option<u64>,
    /// `low`, `medium` or `high`; low when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_budget: Option<String>,
    /// Counts a `high` that comes from a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_high_risk: Option<bool>,
    /// Mandates of one scope do not run at the same time; the whole workspace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_scope: Option<String>,
    /// Absent: every action; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<String>>,
    /// Scopes whose contents may be sent to a model; `[l2]` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_llm_upload: Option<Vec<String>>,
    /// Hints for decide: text, or a tree that is shown as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_hints: Option<Value>,
    /// The model asked; the configured one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Time from start to `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// KairosChain's; loads, and is not acted on by this version.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,
    /// KairosChain's; loads, and is not acted on by this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe_policies: Option<Value>,
    /// KairosChain's; loads, and is not acted on by this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_commit: Option<Value>,
}

impl MandateRequest {
    /// The fields given that this version does not act on.
    #[must_use]
    pub fn not_acted_on(&self) -> Vec<&'static str> {
        [
            ("checkpoint_every", self.checkpoint_every.is_some()),
            ("observe_policies", self.observe_policies.is_some()),
            ("post_commit", self.post_commit.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

/// One thing that must hold: the file's bytes contain the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub file: String,
    pub contains: String,
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            File,
            Contains,
            #[serde(alias = "run", alias = "shell")]
            Command,
        }
        const COMMAND: &str = "a command in `verify` needs the sandbox, which this version does not have; use \
             `{file: PATH, contains: TEXT}`";
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Check;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{file: PATH, contains: TEXT}`")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Check, E> {
                Err(E::custom(COMMAND))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<Check, A::Error> {
                Err(de::Error::custom(COMMAND))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Check, A::Error> {
                let (mut file, mut contains) = (None, None);
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::File => file = Some(map.next_value()?),
                        Field::Contains => contains = Some(map.next_value()?),
                        Field::Command => return Err(de::Error::custom(COMMAND)),
                    }
                }
                let file = file.ok_or_else(|| de::Error::missing_field("file"))?;
                let contains = contains.ok_or_else(|| de::Error::missing_field("contains"))?;
                Ok(Check { file, contains })
            }
        }
        d.deserialize_any(Form)
    }
}

/// A span of time: a number is seconds; text is a number and `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub ms: u64,
}

impl Span {
    /// Reads `90`, `15s`, `10m`, `8h`, `2d`, `200ms`, any case, a blank before the unit allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit_ms = match unit.trim_start() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        count.parse::<u64>().ok()?.checked_mul(unit_ms).map(|ms| Self { ms })
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}ms", self.ms))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds, or a span such as `15s`, `10m`, `8h` or `2d`")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
                let ms = seconds.checked_mul(1_000);
                ms.map(|ms| Span { ms }).ok_or_else(|| E::custom("the span is too long"))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                match u64::try_from(seconds) {
                    Ok(seconds) => self.visit_u64(seconds),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(seconds), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        d.deserialize_any(Text)
    }
}

/// A whole number, or text that is one, as KairosChain took it.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }

        fn visit_u64<E: de::Error>(self, n: u64) -> Result<Option<u64>, E> {
            Ok(Some(n))
        }

        fn visit_i64<E: de::Error>(self, n: i64) -> Result<Option<u64>, E> {
            let unsigned = u64::try_from(n);
            unsigned.map(Some).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<u64>, E> {
            let parsed = text.trim().parse();
            parsed.map(Some).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
    d.deserialize_any(Number)
}
