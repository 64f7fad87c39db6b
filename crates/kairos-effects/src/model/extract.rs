//! The one JSON object in what a model wrote.
//!
//! Owns telling an answer from the prose and the fences around it. Never changes a byte inside the
//! object: a fence marker in a string is text to be written to a file. Never guesses between two
//! objects, for only one of them is meant.

use kairos_core::canonical::{ParseError, TEXT_BYTES_MAX, Tree};
use serde_json::Value;

/// The most braces and brackets that may stand in prose before the search is given up.
const FALSE_STARTS_MAX: usize = 4096;

/// Why there is no one object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    #[error("the answer has {bytes} bytes, more than {TEXT_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("the answer holds no JSON object")]
    NoObject {
        #[source]
        source: Option<ParseError>,
    },
    #[error("the answer holds {count} JSON objects, expected one")]
    Several { count: usize },
}

/// The object in `text`.
///
/// # Errors
/// None, or more than one that does not stand inside another; more than 1 MiB.
pub fn object(text: &str) -> Result<Tree, ExtractError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExtractError::TooLong { bytes: text.len() });
    }
    let mut found = None;
    let mut count = 0;
    let mut first_error = None;
    let mut at = 0;
    let mut false_starts = 0;
    while let Some(start) = text[at..].find(['{', '[']).map(|offset| at + offset) {
        // Read by the faster reader first, which says where a value ends; a stretch of prose in
        // braces is over at its first character.
        let end = value_end(&text[start..]).map(|length| start + length);
        let Some(end) = end else {
            at = start + 1;
            false_starts += 1;
            if false_starts > FALSE_STARTS_MAX {
                break;
            }
            continue;
        };
        at = end;
        match Tree::parse(&text[start..end]) {
            Ok(tree @ Tree::Map(_)) => {
                count += 1;
                found = Some(tree);
            }
            // A list is prose like any other, objects inside it included.
            Ok(_) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match (found, count) {
        (Some(tree), 1) => Ok(tree),
        (Some(_), _) => Err(ExtractError::Several { count }),
        (None, _) => {
            let source = first_error.or_else(|| Tree::parse(text.trim()).err());
            Err(ExtractError::NoObject { source })
        }
    }
}

/// How long the JSON value is that `text` begins with. Reads into [`Value`], whose reader gives up
/// at a depth: the one that ignores what it reads does not, and would read the same brackets again
/// from each of them.
fn value_end(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}
