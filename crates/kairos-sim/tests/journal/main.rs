//! The journal on a disk that forgets: whatever a crash leaves opens, holds every acknowledged frame
//! and nothing that was not recorded.

mod book;
#[path = "../count/mod.rs"]
mod count;
mod crash;
mod damage;
mod fault;
mod prune;
mod repair;
