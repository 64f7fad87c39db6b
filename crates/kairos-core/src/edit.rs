//! Byte-literal edits of a file's content.
//!
//! Owns what "replace this text by that" means: every byte of the new text stands for itself, no
//! pattern, no escape. Never opens a file; `prepare` hands the content in and stores the result.
//!
//! Content need not be UTF-8 as a whole: UTF-8 synchronises itself, so an old text can occur only
//! inside a well-formed stretch, and the bytes around it pass through untouched.

use std::borrow::Cow;

/// The most bytes an edited file may have.
pub const RESULT_BYTES_MAX: usize = 8 << 20;

/// How often the old text is expected to occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occurrences {
    /// Exactly once; more is an error, because the author meant one place.
    One,
    /// At least once; every occurrence is replaced, none overlapping another.
    All,
}

/// The content after an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    pub bytes: Vec<u8>,
    /// How many occurrences were replaced, at least 1.
    pub occurrences: usize,
}

/// Why an edit has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the old text is empty")]
    EmptyOld,
    #[error("the old text and the new text are the same")]
    Unchanged,
    #[error("the old text does not occur in the file")]
    NotFound,
    #[error("the old text occurs {count} times in the file, expected once")]
    NotUnique { count: usize },
    #[error("the edited file would have {bytes} bytes, more than {RESULT_BYTES_MAX}")]
    TooLarge { bytes: usize },
}

/// Replaces `old` by `new` in `content`.
///
/// Where all line ends of `content` are CRLF, a bare `\n` in `old` and `new` means CRLF, so an
/// author who thinks in `\n` finds the text and does not mix line ends.
///
/// Errors are checked in the order of [`EditError`]'s variants. Time is linear in all three inputs.
pub fn apply(
    content: &[u8],
    old: &str,
    new: &str,
    which: Occurrences,
) -> Result<Edited, EditError> {
    if old.is_empty() {
        return Err(EditError::EmptyOld);
    }
    let (old, new) = if all_line_ends_are_crlf(content) {
        (with_crlf(old), with_crlf(new))
    } else {
        (Cow::Borrowed(old), Cow::Borrowed(new))
    };
    if old == new {
        return Err(EditError::Unchanged);
    }
    let count = occurrences(content, &old).count();
    match (count, which) {
        (0, _) => return Err(EditError::NotFound),
        (2.., Occurrences::One) => return Err(EditError::NotUnique { count }),
        _ => {}
    }
    let kept = content.len() - count * old.len();
    let bytes = kept.saturating_add(count.saturating_mul(new.len()));
    if bytes > RESULT_BYTES_MAX {
        return Err(EditError::TooLarge { bytes });
    }

    let mut edited = Vec::with_capacity(bytes);
    let mut from = 0;
    for at in occurrences(content, &old) {
        edited.extend_from_slice(&content[from..at]);
        edited.extend_from_slice(new.as_bytes());
        from = at + old.len();
    }
    edited.extend_from_slice(&content[from..]);
    Ok(Edited { bytes: edited, occurrences: count })
}

/// Byte offsets of `old` in `content`, left to right, not overlapping.
fn occurrences<'a>(content: &'a [u8], old: &'a str) -> impl Iterator<Item = usize> + 'a {
    let mut start = 0;
    content.utf8_chunks().flat_map(move |chunk| {
        let offset = start;
        start += chunk.valid().len() + chunk.invalid().len();
        chunk.valid().match_indices(old).map(move |(at, _)| offset + at)
    })
}

fn all_line_ends_are_crlf(content: &[u8]) -> bool {
    let mut found = false;
    let mut before = 0;
    for &byte in content {
        if byte == b'\n' {
            if before != b'\r' {
                return false;
            }
            found = true;
        }
        before = byte;
    }
    found
}

fn with_crlf(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut before = '\0';
    for char in text.chars() {
        if char == '\n' && before != '\r' {
            out.push('\r');
        }
        out.push(char);
        before = char;
    }
    Cow::Owned(out)
}
