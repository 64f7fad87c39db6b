//! Typed access to the fields of an object a model wrote.
//!
//! Owns the sentences about fields that are missing or of another kind. Unknown fields are left
//! alone: models add some.

use std::collections::BTreeMap;

use kairos_core::canonical::Tree;

/// A field that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("expected a JSON object, found {found}")]
    NoObject { found: &'static str },
    #[error("`{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}` is {found}, expected {expected}")]
    Kind { field: &'static str, found: &'static str, expected: &'static str },
    #[error("`{field}` is `{found}`, expected one of {expected}")]
    Word { field: &'static str, found: String, expected: String },
    #[error("`{field}` is {found}, expected a number from 0 to 1")]
    Share { field: &'static str, found: String },
}

/// The longest piece of a model's own text that a sentence repeats, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// The fields of one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a BTreeMap<String, Tree>);

impl<'a> Fields<'a> {
    pub(crate) fn of(tree: &'a Tree) -> Result<Self, FieldError> {
        match tree {
            Tree::Map(entries) => Ok(Self(entries)),
            other => Err(FieldError::NoObject { found: kind(other) }),
        }
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The value as it stands; a `null` counts as absent.
    pub(crate) fn raw(&self, field: &str) -> Option<&'a Tree> {
        self.0.get(field).filter(|value| **value != Tree::Null)
    }

    pub(crate) fn text(&self, field: &'static str) -> Result<Option<&'a str>, FieldError> {
        match self.raw(field) {
            None => Ok(None),
            Some(Tree::Text(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(field, other, "a string")),
        }
    }

    pub(crate) fn needed(&self, field: &'static str) -> Result<&'a str, FieldError> {
        self.text(field)?.ok_or(FieldError::Missing { field })
    }

    pub(crate) fn flag(&self, field: &'static str) -> Result<Option<bool>, FieldError> {
        match self.raw(field) {
            None => Ok(None),
            Some(Tree::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(unexpected(field, other, "true or false")),
        }
    }

    pub(crate) fn list(&self, field: &'static str) -> Result<Option<&'a [Tree]>, FieldError> {
        match self.raw(field) {
            None => Ok(None),
            Some(Tree::List(values)) => Ok(Some(values)),
            Some(other) => Err(unexpected(field, other, "a list")),
        }
    }

    /// A list of strings; absent is empty.
    pub(crate) fn texts(&self, field: &'static str) -> Result<Vec<&'a str>, FieldError> {
        let values = self.list(field)?.unwrap_or_default().iter();
        let text = |value: &'a Tree| match value {
            Tree::Text(text) => Ok(text.as_str()),
            other => Err(unexpected(field, other, "a list of strings")),
        };
        values.map(text).collect()
    }

    pub(crate) fn word<T: Copy>(
        &self,
        field: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<T, FieldError> {
        let found = self.needed(field)?;
        let known = words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value);
        known.ok_or_else(|| FieldError::Word {
            field,
            found: shown(found),
            expected: words.iter().map(|(w, _)| format!("`{w}`")).collect::<Vec<_>>().join(", "),
        })
    }

    /// A number from 0 to 1, if there is one.
    pub(crate) fn share(&self, field: &'static str) -> Result<(), FieldError> {
        match self.raw(field) {
            None => Ok(()),
            Some(value @ Tree::Number(_)) => {
                let text = value.to_string();
                let inside = text.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share));
                if inside { Ok(()) } else { Err(FieldError::Share { field, found: shown(&text) }) }
            }
            Some(other) => Err(unexpected(field, other, "a number from 0 to 1")),
        }
    }
}

/// The beginning of a model's own text, for a sentence.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

fn unexpected(field: &'static str, found: &Tree, expected: &'static str) -> FieldError {
    FieldError::Kind { field, found: kind(found), expected }
}

fn kind(tree: &Tree) -> &'static str {
    match tree {
        Tree::Null => "null",
        Tree::Bool(_) => "true or false",
        Tree::Number(_) => "a number",
        Tree::Text(_) => "a string",
        Tree::List(_) => "a list",
        Tree::Map(_) => "an object",
    }
}
