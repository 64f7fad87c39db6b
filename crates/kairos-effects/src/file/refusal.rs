//! What the disk's and the edit's refusals are called in a record.
//!
//! Owns three exhaustive tables. Never turns a doubt into a refusal: a failure of the disk itself is
//! `Failed`, after which recovery compares what lies there.

use std::io;

use kairos_core::edit::EditError;
use kairos_core::effect::{Doubt, Failure, FileRefusal, Outcome};
use kairos_disk::exchange;
use kairos_disk::refusal::{Reason, Refusal};

use crate::store::TextError;

/// How an effect ends that did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    Refused(FileRefusal),
    Stale,
    Failed(Failure),
}

impl From<NotDone> for Outcome {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Refused(refusal) => Self::Refused(refusal),
            NotDone::Stale => Self::Stale,
            NotDone::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<TextError> for NotDone {
    fn from(error: TextError) -> Self {
        Self::Failed(error.failure())
    }
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        refused(&refusal)
    }
}

/// The outcome of a refusal where nothing was prepared before.
fn refused(refusal: &Refusal) -> NotDone {
    let refusal = match &refusal.reason {
        Reason::NotBeneath => FileRefusal::Escapes,
        Reason::Reserved | Reason::Protected => FileRefusal::Protected,
        Reason::Symlink => FileRefusal::Symlink,
        Reason::OtherMount => FileRefusal::OtherMount,
        Reason::Missing => FileRefusal::Missing,
        Reason::NotDirectory | Reason::NotRegular => FileRefusal::NotRegular,
        Reason::HardLinks { .. } => FileRefusal::HardLinked,
        Reason::TooLarge { .. } => FileRefusal::TooLarge,
        Reason::Occupied => FileRefusal::Exists,
        Reason::Unchanged => FileRefusal::NoChange,
        Reason::ParentChanged | Reason::Stale => return NotDone::Stale,
        Reason::OpenForWriting => FileRefusal::OpenForWriting,
        Reason::Unsupported { .. } => FileRefusal::NoExchange,
        Reason::Disk { source, .. } => match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                FileRefusal::NotPermitted
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileRefusal::NoSpace,
            _ => return NotDone::Failed(Failure::Disk),
        },
    };
    NotDone::Refused(refusal)
}

/// The outcome of a refusal of a change that was prepared: a target that was there and is gone, or
/// was not and is there, is not as it was prepared.
pub(super) fn not_changed(refusal: &Refusal) -> NotDone {
    match refusal.reason {
        Reason::Missing | Reason::Occupied => NotDone::Stale,
        _ => refused(refusal),
    }
}

impl From<EditError> for NotDone {
    fn from(error: EditError) -> Self {
        Self::Refused(match error {
            EditError::EmptyOld | EditError::NotFound => FileRefusal::OldTextMissing,
            EditError::Unchanged => FileRefusal::NoChange,
            EditError::NotUnique { count } => {
                FileRefusal::OldTextNotUnique { count: u32::try_from(count).unwrap_or(u32::MAX) }
            }
            EditError::TooLarge { .. } => FileRefusal::TooLarge,
        })
    }
}

pub(super) fn doubt(doubt: &exchange::Doubt) -> Doubt {
    match doubt {
        exchange::Doubt::TargetChanged | exchange::Doubt::PreChanged => Doubt::ChangedMeanwhile,
        exchange::Doubt::OpenForWriting => Doubt::OpenForWriting,
        exchange::Doubt::ParentMoved | exchange::Doubt::Path(_) => Doubt::PathMoved,
        exchange::Doubt::Neither => Doubt::Neither,
        exchange::Doubt::Disk { .. } => Doubt::Disk,
    }
}
