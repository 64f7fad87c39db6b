//! A YAML file as a tree that knows where everything stands.
//!
//! Owns the step from text to [`Node`]s. Never decides what a key means: [`super::shape`] reads
//! typed values out of the tree, and errors point back into the text through it.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error as YamlError, Location, Spanned};

use super::problem::{File, Problem};

/// The longest configuration file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Values in one file, aliases written out: 30 for each of the most schedules there may be.
const NODES_MAX: usize = 3_000_000;

/// One value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Bytes of the file.
    pub(crate) at: Range<usize>,
    pub(crate) value: Value,
}

/// What YAML says a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) at: Range<usize>,
    pub(crate) name: String,
}

impl Node {
    /// Reads a whole file; an empty one is null.
    pub(crate) fn read(file: &File) -> Result<Self, Problem> {
        if file.text.len() > FILE_BYTES_MAX {
            let message = format!("file has {} bytes, more than {FILE_BYTES_MAX}", file.text.len());
            return Err(Problem::new(file, 0..0, message));
        }
        let budget = serde_saphyr::budget! { max_nodes: NODES_MAX, max_events: 3 * NODES_MAX };
        let options = serde_saphyr::options! { with_snippet: false, budget: budget };
        match serde_saphyr::from_str_with_options::<Placed>(&file.text, options) {
            Ok(placed) => Ok(placed.0),
            Err(error) => Err(unreadable(file, &error)),
        }
    }

    /// The value of a key of a mapping.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|e| &e.1),
            Value::Null
            | Value::Bool(_)
            | Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => None,
        }
    }

    /// The value below keys, one inside the other.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// Where the value below `path` stands; of a missing one, where its nearest parent does.
    pub(crate) fn place(&self, path: &[&str]) -> Range<usize> {
        let mut node = self;
        for name in path {
            match node.get(name) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node.at.clone()
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null
            | Value::Bool(_)
            | Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Map(_) => &[],
        }
    }
}

impl Value {
    /// The same as if everything in it stood nowhere: to compare what texts say.
    pub(super) fn placeless(&self) -> Self {
        let nowhere = |node: &Node| Node { at: 0..0, value: node.value.placeless() };
        match self {
            Self::List(items) => Self::List(items.iter().map(nowhere).collect()),
            Self::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, node)| (Key { at: 0..0, name: key.name.clone() }, nowhere(node)))
                    .collect(),
            ),
            Self::Null
            | Self::Bool(_)
            | Self::Unsigned(_)
            | Self::Signed(_)
            | Self::Float(_)
            | Self::Text(_) => self.clone(),
        }
    }
}

/// Bytes of a location. Positions that have no bytes have none to underline.
fn bytes(location: Location) -> Range<usize> {
    let span = location.span();
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let start = number(span.byte_offset());
    start..start + number(span.byte_len())
}

fn unreadable(file: &File, error: &YamlError) -> Problem {
    let at = error.location().map_or(0..0, |location| match bytes(location) {
        // The scanner knows line and column only.
        at if at.is_empty() => {
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            file.from(number(location.line()), number(location.column()))
        }
        at => at,
    });
    let line = file.line_at(at.start);
    match error.without_snippet() {
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Problem::new(file, at, format!("key `{key}` stands here twice"))
                .hint("KairosChain took the last one; keep one of them")
        }
        _ if wants_quotes(line) => {
            let at = file.value_on_line(at.start);
            Problem::new(file, at, "the expression is not in quotes".to_owned())
                .hint("quote the expression: YAML gives `*` and `@` at the start a meaning")
        }
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or("unreadable YAML");
            Problem::new(file, at, format!("unreadable YAML: {first}"))
        }
    }
}

fn wants_quotes(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("- ").trim_start();
    line.split_once(':').is_some_and(|(key, value)| {
        key.trim() == "cron" && value.trim_start().starts_with(['*', '@'])
    })
}

/// A node on its way in: what the YAML reader hands out, placed.
struct Placed(Node);

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Untyped>::deserialize(deserializer)?;
        Ok(Self(Node { at: bytes(spanned.referenced), value: spanned.value.0 }))
    }
}

struct Untyped(Value);

impl<'de> Deserialize<'de> for Untyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Placed(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let Placed(value) = map.next_value()?;
            entries.push((Key { at: bytes(key.referenced), name: key.value }, value));
        }
        Ok(Value::Map(entries))
    }
}
