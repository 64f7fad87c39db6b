//! Bringing a prepared change to the tree, judging one after a crash, clearing up after one.
//!
//! Owns the translation between core's change and the disk's intent. Never re-reads what a model
//! wrote: the bytes are the stored ones that the gate saw.

use kairos_core::digest::BlobRef;
use kairos_core::effect::{self, Change, Outcome, Place, Reconciled, TempName, WritersKnown};
use kairos_disk::exchange::{self, Failure, Intent, Target, Verdict};
use kairos_disk::fs::Writers;
use kairos_disk::{Digest, Fs};

use super::refusal::{NotDone, doubt, not_changed};
use super::{Acting, os};

/// Permission bits of a file that a step creates.
const NEW_FILE_MODE: u32 = 0o644;

impl<F: Fs> Acting<'_, F> {
    pub(super) fn change(&self, change: &Change, temp: TempName) -> Result<Outcome, NotDone> {
        self.with_intent(change, temp, |intent| {
            let wait = self.wait;
            match self.tree.perform(intent, &mut |span| wait(span)) {
                Ok(applied) => Outcome::Changed {
                    writers: match applied.writers {
                        Writers::None => WritersKnown::None,
                        Writers::Some | Writers::Unknown => WritersKnown::Unknown,
                    },
                },
                Err(Failure::Refused(refusal)) => not_changed(&refusal).into(),
                Err(Failure::Unsettled(unsettled)) => Outcome::Unsettled(doubt(&unsettled.doubt)),
            }
        })
    }

    pub(super) fn reconcile(&self, change: &Change, temp: TempName) -> Result<Outcome, NotDone> {
        self.with_intent(change, temp, |intent| {
            Outcome::Reconciled(match self.tree.recover(intent) {
                // Reverted by somebody: it happened, and is not to happen again.
                Verdict::Done | Verdict::Reverted => Reconciled::Done,
                Verdict::Retry => Reconciled::Retry,
                Verdict::Unsettled(why) => Reconciled::Unsettled(doubt(&why)),
            })
        })
    }

    pub(super) fn clear(&self, change: &Change, temp: TempName) -> Result<Outcome, NotDone> {
        self.with_intent(change, temp, |intent| match self.tree.finish(intent) {
            Ok(_) => Outcome::Cleared,
            Err(_) => NotDone::Failed(effect::Failure::Disk).into(),
        })
    }

    /// Calls `with` with the disk's form of `change`; fails when its bytes are not to be
    /// had, and nothing was touched then.
    fn with_intent(
        &self,
        change: &Change,
        temp: TempName,
        with: impl FnOnce(&Intent<'_>) -> Outcome,
    ) -> Result<Outcome, NotDone> {
        let bytes;
        let change = match change {
            Change::Edit { at, pre, post } => {
                bytes = self.texts.get(*post)?;
                exchange::Change::Edit { at: target(at), pre: name(pre.content), post: &bytes }
            }
            Change::Create { at, post, mode } => {
                bytes = self.texts.get(*post)?;
                let mode = mode.unwrap_or(NEW_FILE_MODE);
                exchange::Change::Create { at: target(at), post: &bytes, mode }
            }
            Change::Move { at, to, pre } => {
                exchange::Change::Move { from: target(at), to: target(to), pre: name(pre.content) }
            }
            Change::Delete { at, pre } => {
                exchange::Change::Delete { at: target(at), pre: name(pre.content) }
            }
        };
        Ok(with(&Intent { temp: disk_name(temp), change }))
    }
}

fn target(place: &Place) -> Target<'_> {
    Target { path: os(&place.path), parent_inode: place.parent }
}

fn name(blob: BlobRef) -> Digest {
    *blob.digest.as_bytes()
}

/// The two crates share the name's text and nothing else.
fn disk_name(temp: TempName) -> exchange::TempName {
    let text = temp.to_string();
    let hex = text.rsplit('-').next().unwrap_or_default();
    let random = u64::from_str_radix(hex, 16).expect("a temporary name ends in 16 hex digits");
    exchange::TempName::new(random)
}

#[cfg(test)]
mod tests {
    use kairos_core::id::EffectId;

    use super::*;

    #[test]
    fn both_crates_write_a_temporary_name_alike() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let temp = TempName::of(EffectId::from_u128(bits));
            assert_eq!(disk_name(temp).to_string(), temp.to_string());
        }
    }
}
