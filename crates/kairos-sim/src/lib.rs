//! A world in which everything that can go wrong does.
//!
//! Owns a file system that forgets what was not synced and fails when told to, and [`whole`], the
//! life of a whole daemon on it that one seed makes. Never ships, and no
//! product crate knows of it: what the tests drive is the very code of the release binary, generic
//! over [`kairos_disk::Fs`].
//!
//! Words of this crate: *durable* what a crash leaves for certain · *unit* one un-synced change a
//! crash may keep or lose · *image* what one crash leaves · *site* one call on the disk, by its
//! number, kind and path · *plan* which calls fail, and how · *stray* bytes that a failed sync left
//! in memory alone · *aside* whoever else uses the same disk, uncounted and never failing.
//!
//! A scenario runs on a [`SimFs`] with a [`Plan`]; where it stops, [`SimFs::crash_images`] gives every
//! disk a power loss may leave, [`SimFs::kill`] the one that the end of the process does, and each is
//! mounted and tried again.

mod file;
mod fs;
mod image;
mod listing;
mod plan;
#[cfg(feature = "whole")]
pub mod whole;
mod world;

pub use fs::{SimDir, SimFile, SimFs};
pub use image::{Bound, Image, Images};
pub use listing::{Item, Listing};
pub use plan::{Call, Due, Errno, Fault, Harm, Person, Plan, Site, Stop, is_crash};
pub use world::{Order, Rules};
