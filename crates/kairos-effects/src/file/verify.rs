//! Whether the operator's checks hold.
//!
//! Owns looking, and the words for what was found: the next cycle's model reads them. A file that
//! cannot be read does not contain the text; a failing disk says nothing about it.

use kairos_core::digest::BlobRef;
use kairos_core::effect::{Failure, Outcome};
use kairos_core::mandate::spec::Check;
use kairos_core::path::RelPath;
use kairos_disk::Fs;
use kairos_disk::refusal::Reason;

use super::refusal::NotDone;
use super::{Acting, os};

/// The longest piece of an expected text that the report repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;

impl<F: Fs> Acting<'_, F> {
    pub(super) fn verify(&self, checks: &[Check]) -> Result<Outcome, NotDone> {
        let mut failing = Vec::new();
        let mut report = String::new();
        for (place, check) in (0..=u8::MAX).zip(checks) {
            let Check::Contains { file, text } = check else {
                panic!("a check that is a command was handed to the file performer");
            };
            if let Some(words) = self.unmet(file, *text)? {
                failing.push(place);
                report.push_str(&words);
                report.push('\n');
            }
        }
        let report =
            if failing.is_empty() { None } else { Some(self.texts.put(report.as_bytes())?) };
        Ok(Outcome::Verified { failed: failing, report })
    }

    /// Why a check does not hold; `None` when it does.
    pub(super) fn unmet(&self, file: &RelPath, text: BlobRef) -> Result<Option<String>, NotDone> {
        let text = self.texts.get(text)?;
        match self.tree.read(os(file)) {
            Ok(found) if contains(&found.bytes, &text) => Ok(None),
            Ok(_) => Ok(Some(format!("`{file}` does not contain \"{}\"", shown(&text)))),
            Err(refusal) => match refusal.reason {
                Reason::Disk { .. } => Err(NotDone::Failed(Failure::Disk)),
                reason => Ok(Some(format!("`{file}` {reason}"))),
            },
        }
    }
}

pub(super) fn contains(content: &[u8], text: &[u8]) -> bool {
    // Both are text but for strays; searching text is linear, a window over bytes is not.
    match (std::str::from_utf8(content), std::str::from_utf8(text)) {
        (Ok(content), Ok(text)) => content.contains(text),
        (_, Ok(text)) => content.utf8_chunks().any(|chunk| chunk.valid().contains(text)),
        // An operator's text is UTF-8 at every door.
        (_, Err(_)) => false,
    }
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.into_owned(),
    }
}
