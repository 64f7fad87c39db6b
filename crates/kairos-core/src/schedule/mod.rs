//! When: cron rules, the slots they name in a zone, and what becomes of slots that were missed.
//!
//! Owns the step from an expression to instants. Never asks what time it is or where zone data
//! lives: `now`, the cursor and the `TimeZone` are arguments. An expression becomes a [`Cron`]
//! ([`expr`] reads it), a [`Cron`] in a zone becomes a [`Rule`] that yields [`Slot`]s ([`civil`]); a
//! [`Timetable`] is such a rule, an interval or a single instant, with jitter; what is due by a
//! [`trigger`] has an empty one. [`missed::account`]
//! gives every slot between a cursor and now its fate. What a person should know about a rule,
//! without being refused it, is a [`Warning`].

pub mod civil;
pub mod condition;
pub mod contents;
pub mod cron;
mod days;
pub mod definition;
pub mod expr;
pub(crate) mod gone;
pub mod missed;
pub mod named;
pub mod pause;
mod predecessor;
pub mod slot;
pub mod timetable;
pub mod trigger;
pub mod warning;
pub mod zone;

pub use civil::{Dst, InFold, InGap, Rule, Slot};
pub use contents::Contents;
pub use cron::Cron;
pub use expr::{CronError, Field};
pub use missed::{Accounted, Fate, MissedPolicy, Unfired, Unmet, account, pass};
pub use timetable::{NoTimetable, Timetable, When};
pub use trigger::Trigger;
pub use warning::Warning;
pub use zone::{Zone, ZoneClock};
