//! Ledger and Permit: the journal, and the proof that something is in it.
//!
//! Owns frames, segments, recovery, verification, checkpoints and retention, and the two types that
//! carry the safety argument: [`Ledger`] keeps every effect and answer inside until the sync that makes
//! its record durable; [`Permit`] comes out of a commit and nowhere else. Never knows what an event
//! means: everything is generic over core's `Fold`.

mod body;
pub mod checkpoint;
mod damage;
pub mod forgeries;
mod frame;
mod leaves;
mod ledger;
mod lock;
mod mentions;
pub mod note;
mod open;
mod permit;
pub mod proof;
mod reader;
mod recover;
mod refold;
mod repair;
mod replay;
pub mod retention;
mod segment;
mod snapshot;
pub mod tree;
mod verify;
mod walk;
mod writer;

pub use damage::{Damage, Reason};
pub use ledger::{Ledger, Record, Released};
pub use lock::Held;
pub use mentions::{MentionsError, mentions};
pub use open::{Inspected, OpenError, Opened, Opening, Torn};
pub use permit::{Lost, Permit, Settled};
pub use reader::{ReadError, Reader, Tail, raw_frame};
pub use refold::{RefoldError, refold};
pub use repair::{Loss, RepairError, Repaired, examine, recorded, repair};
pub use segment::{Ahead, Segments};
pub use snapshot::{Flaw, PassedOver, newest_snapshot};
pub use verify::{Problem, Verdict, may_begin, verify, verify_beside};
pub use writer::{Poisoned, RecordError, Room};
