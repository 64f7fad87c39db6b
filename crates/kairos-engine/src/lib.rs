//! The turn and the thread around it.
//!
//! Owns the order of things: inputs are decided and recorded, one commit makes them durable, and
//! only then do permits leave and answers go out. Never knows a provider, a route or a view; the
//! binary hands it performers as one closure.

mod answer;
mod calendar;
mod clocks;
pub mod collect;
mod condition;
mod configuration;
mod engine;
mod feed;
mod handle;
mod heartbeat;
mod inbox;
mod last_words;
mod lifecycle;
pub mod lock;
mod notice;
mod parts;
pub mod poison;
mod pulse;
mod retention;
mod room;
mod snapshots;
pub mod space;
pub mod start;
mod timers;
mod turn;
mod upkeep;
mod watch;
mod world;

pub use answer::{Accepted, Subject, SubmitError};
pub use calendar::{Calendar, Unusable, Zones};
pub use clocks::HeldClock;
pub use condition::Probe;
pub use configuration::{Configuration, Options, Retention};
pub use engine::{
    Cancel, Engine, Focus, Identity, Outside, Parts, Places, Reloaded, StartError, Started,
};
pub use feed::Follower;
pub use handle::{BlobProblem, Control, Handle, TEXT_BYTES_MAX};
pub use inbox::{Returns, WAITING_MAX};
pub use kairos_journal::Record;
pub use last_words::last_words;
pub use lifecycle::{Lifecycle, Status};
pub use notice::Notice;
pub use retention::{Look, Retain};
pub use start::{Known, NotConfigured};
pub use turn::{Admit, Answer, Exits, Folding, Inputs, Ledger, Shown, Turned, turn};
pub use upkeep::BlobNotice;
pub use watch::{LookAt, Watch};
pub use world::{circumstances, time};

/// The name of the engine's thread: a panic there ends the process.
pub const ENGINE_THREAD: &str = "engine";
