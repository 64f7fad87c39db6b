//! The words and the rules of kairos.
//!
//! Pure: no clock, no randomness, no I/O, no async, no dynamic JSON. Time, ids and zone data come
//! in as arguments; what should happen goes out as events and effects.
//!
//! The one contract: an event is in the journal before it is folded for anybody to see, and an
//! effect leaves only after the sync that made its event durable.

pub mod apply;
pub mod budget;
pub mod canonical;
pub mod clock;
pub mod cycle;
pub mod decide;
pub mod digest;
pub mod edit;
pub mod effect;
pub mod erasure;
pub mod event;
pub mod fold;
mod form;
pub mod gate;
pub mod glob;
pub mod id;
pub mod input;
pub mod kind;
pub mod mandate;
pub mod path;
pub mod plan;
pub mod principal;
pub mod refusal;
pub mod resume;
pub mod rules;
pub mod schedule;
pub mod shell;
pub mod space;
pub mod state;
mod text;
pub mod time;
