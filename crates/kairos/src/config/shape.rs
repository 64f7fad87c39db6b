//! Typed values out of a [`Node`] tree.
//!
//! Owns how serde reads a node and how its complaints become [`Problem`]s at the right place.
//! Numbers and text stand in for each other as they did for KairosChain (`"120"` for 120, `1.10`
//! as a name); unknown keys say what was probably meant. Never checks a value's range.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Key, Node, Value};
use super::problem::{File, Problem};

/// Reads `node` as a `T`, up to the first complaint; null is an empty mapping where a mapping is
/// wanted.
pub(super) fn attempt<'de, T: de::Deserialize<'de>>(
    file: &'de File,
    node: &'de Node,
) -> Result<T, Fault> {
    T::deserialize(Reader { file, node })
}

/// The items under the only key a file may have; KairosChain read a missing or null one as empty.
pub(crate) fn only_list<'n>(
    file: &File,
    node: &'n Node,
    name: &'static str,
    out: &mut Vec<Problem>,
) -> &'n [Node] {
    match &node.value {
        Value::Null => return &[],
        Value::Map(entries) => {
            for (key, _) in entries.iter().filter(|(key, _)| key.name != name) {
                let hint = meant(&key.name, &[name]);
                let message = format!("unknown key `{}`", key.name);
                out.push(Problem::new(file, key.at.clone(), message).hint(hint));
            }
        }
        Value::Bool(_)
        | Value::Unsigned(_)
        | Value::Signed(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::List(_) => {
            let message = format!("expected a mapping with the key `{name}`");
            out.push(Problem::new(file, node.at.clone(), message));
        }
    }
    match node.get(name) {
        None => &[],
        Some(list) if matches!(list.value, Value::List(_) | Value::Null) => list.items(),
        Some(other) => {
            out.push(Problem::new(file, other.at.clone(), format!("`{name}` is not a list")));
            &[]
        }
    }
}

/// The hint for a key that is not known: the nearest one that is, else all of them.
fn meant(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        _ if LATER.contains(&key) => "not in this version".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None if FORMER.contains(&key) => {
            "KairosChain had it, kairos does not; delete it".to_owned()
        }
        None => format!("known here: {}", list(known)),
    }
}

/// A complaint of serde with the place it belongs to, once that is known.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) at: Option<Range<usize>>,
    /// The key that is missing, if that is what is wrong.
    pub(super) missing: Option<&'static str>,
}

impl Fault {
    fn new(message: String) -> Self {
        Self { message, hint: None, at: None, missing: None }
    }

    fn at(mut self, place: &Range<usize>) -> Self {
        self.at.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once(": ") {
            Some((what, hint)) if what.ends_with("is not a duration") => {
                Self { hint: Some(hint.to_owned()), ..Self::new(what.to_owned()) }
            }
            _ => Self::new(message),
        }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("expected {}, found {}", wanted(expected), found(unexpected)))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(variant, expected.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", list(expected)),
        };
        Self { hint: Some(hint), ..Self::new(format!("`{variant}` is not known here")) }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self { hint: Some(meant(field, expected)), ..Self::new(format!("unknown key `{field}`")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("key `{field}` is missing")) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("key `{field}` stands here twice"))
    }
}

/// KairosChain's keys that mean nothing here.
const FORMER: &[&str] = &["rotate_interval", "wal_dir"];

/// Keys that belong to what is not built yet.
const LATER: &[&str] =
    &["fallback", "file_edit", "http", "journal", "notify_again_after", "plan", "workspace"];

fn wanted(expected: &dyn de::Expected) -> String {
    match expected.to_string().as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "f64" => "a number".to_owned(),
        "a map" => "a mapping".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        other if other.starts_with("enum ") || other.starts_with("variant ") => "a word".to_owned(),
        other => other.to_owned(),
    }
}

fn found(unexpected: de::Unexpected<'_>) -> String {
    match unexpected {
        de::Unexpected::Str(text) => format!("`{text}`"),
        de::Unexpected::Bool(value) => format!("`{value}`"),
        de::Unexpected::Unsigned(number) => format!("`{number}`"),
        de::Unexpected::Signed(number) => format!("`{number}`"),
        de::Unexpected::Float(number) => format!("`{number}`"),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a mapping".to_owned(),
        de::Unexpected::Unit | de::Unexpected::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// `words` as a list of alternatives.
pub(crate) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The candidate that `word` was probably meant to be: few edits away for its length.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let letters = word.chars().count();
    let within = letters.div_ceil(3).min(3);
    candidates
        // Each letter more or less is an edit; a long word is compared with nothing.
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= within)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| (1..=within).contains(edits))
        // Letters are swapped more easily than left out.
        .min_by_key(|(edits, candidate)| (*edits, candidate.len().abs_diff(word.len())))
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replace = rows[i][j] + usize::from(a != b);
            let mut best = replace.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[derive(Clone, Copy)]
struct Reader<'de> {
    file: &'de File,
    node: &'de Node,
}

impl<'de> Reader<'de> {
    /// The text as it stands in the file.
    fn raw(self) -> &'de str {
        self.file.text.get(self.node.at.clone()).unwrap_or_default()
    }

    fn placed<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| fault.at(&self.node.at))
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(number) => visitor.visit_u64(*number),
            Value::Signed(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { file: self.file, rest: items.iter() }),
            Value::Map(entries) => {
                visitor.visit_map(Entries { file: self.file, rest: entries.iter(), value: None })
            }
        }
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Value::Text(text) = &self.node.value else { return self.any(visitor) };
        if let Ok(number) = text.trim().parse::<u64>() {
            visitor.visit_u64(number)
        } else if let Ok(number) = text.trim().parse::<i64>() {
            visitor.visit_i64(number)
        } else {
            visitor.visit_borrowed_str(text)
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.placed(self.number(visitor))
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.placed(match &self.node.value {
                Value::Bool(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => {
                    visitor.visit_borrowed_str(self.raw())
                }
                Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) => self.any(visitor),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.placed(self.any(visitor))
    }

    numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i64 }
    texts! { deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.placed(match &self.node.value {
            Value::Text(text) if text == "true" => visitor.visit_bool(true),
            Value::Text(text) if text == "false" => visitor.visit_bool(false),
            _ => self.any(visitor),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_)
            | Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => self.placed(visitor.visit_some(self)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.placed(match self.node.value {
            Value::Null => {
                visitor.visit_map(Entries { file: self.file, rest: [].iter(), value: None })
            }
            Value::List(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &visitor)),
            Value::Bool(_)
            | Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Map(_) => self.any(visitor),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.placed(match &self.node.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Bool(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => {
                visitor.visit_enum(self.raw().into_deserializer())
            }
            Value::Null | Value::List(_) | Value::Map(_) => self.any(visitor),
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct
        map ignored_any
    }
}

struct Items<'de> {
    file: &'de File,
    rest: std::slice::Iter<'de, Node>,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let item = seed.deserialize(Reader { file: self.file, node });
        item.map(Some).map_err(|fault| fault.at(&node.at))
    }
}

struct Entries<'de> {
    file: &'de File,
    rest: std::slice::Iter<'de, (Key, Node)>,
    value: Option<&'de (Key, Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(entry);
        let key = de::value::BorrowedStrDeserializer::new(&entry.0.name);
        seed.deserialize(key).map(Some).map_err(|fault: Fault| fault.at(&entry.0.at))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (key, node) = self.value.take().expect("serde asks for a key before its value");
        // A null has no text of its own to underline.
        let place = if node.at.is_empty() { &key.at } else { &node.at };
        seed.deserialize(Reader { file: self.file, node }).map_err(|mut fault| {
            if fault.at.as_ref().is_some_and(Range::is_empty) {
                fault.at = None;
            }
            fault.at(place)
        })
    }
}
