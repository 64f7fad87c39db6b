//! The whole daemon in a world that one number makes.
//!
//! Owns the way from a seed to a verdict: a [`Script`] of acts is performed on a simulated disk, by
//! the very turn, ledger, calendar, recovery and file performer of the product, with a scripted model
//! and people who come and go; what must hold is checked all the time. Never ships.
//!
//! | asked by | what must hold |
//! |---|---|
//! | `law` | of every record: order, one effect a mandate, caps, decisions, keys, fires |
//! | `book` | what was shown or answered is read again at every start, and nothing besides |
//! | `shelf` | every file holds what a change under way, a person or a power loss made of it |
//! | `slots` | every slot has exactly one fate |
//! | `reading` | a snapshot and what follows it come to what everything comes to |
//! | `snapshots` | two are kept, none is ahead of its journal, none that was damaged is believed |
//! | `retention` | what is deleted was given up by a record before, and snapshots stand for it |
//! | `once` | it touches no slot and no other mandate |
//! | `clock` | nothing goes by a wall clock that was set and is not believed |
//! | `room` | without room nothing new begins |
//! | `poison` | who brings the engine down twice is ended at the next start, and nobody else |
//! | `end` | with nothing failing any more, all work ends and the state is as small as before it |

mod book;
mod boot;
mod clock;
mod daemon;
mod end;
mod law;
mod life;
mod model;
mod once;
mod people;
mod poison;
mod reading;
mod retention;
mod room;
mod rotation;
mod scene;
mod script;
mod shelf;
mod shrink;
mod slots;
mod snapshots;
mod tally;
mod timetables;
mod watched;
mod zones;

pub use law::{Broken, Wrong};
pub use script::{Act, Profile, Script};
pub use shrink::{attempt, shrink};
pub use tally::{Tally, Tried, row};
