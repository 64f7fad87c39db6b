//! The file exchange on a disk that forgets and fails, beside people who change the same files: each
//! file is as before, as asked for, or a person's; never between, and never changed twice.

#[path = "../count/mod.rs"]
mod count;
mod crash;
mod fault;
mod person;
mod world;
