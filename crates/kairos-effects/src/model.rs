//! The performer of model calls.
//!
//! Owns the way from a brief to an answer: rendered once, sent once, read once. Never decides whether
//! to ask again, and never asks for money: both are the core's. A playbook stands in for a provider
//! where none is to be asked.

pub mod answer;
pub mod anthropic;
mod ask;
mod draft;
mod excerpt;
pub mod extract;
mod fields;
pub mod http;
pub mod notice;
pub mod openai;
pub mod playbook;
pub mod prices;
pub mod prompt;
pub mod retry_after;
pub mod schema;
mod wire;

pub use ask::Model;
pub use http::{Client, ModelOptions, Wire};
pub use notice::{Notice, Notify};
pub use playbook::{Playbook, PlaybookError};
pub use wire::{Form, Said, Stop, Unreadable};
