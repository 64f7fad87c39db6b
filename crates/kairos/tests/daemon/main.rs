//! The real binary, real servers, real files.

mod beside;
mod checkpoint;
mod commands;
mod conditions;
#[path = "../../../kairos-sim/tests/count/mod.rs"]
mod count;
mod crowd;
mod demo;
mod door;
mod durable;
mod erase;
mod home;
mod hooks;
mod kill;
mod lifecycle;
mod missing;
mod model;
mod repair;
mod retention;
mod secrets;
mod signals;
mod space;
mod states;
mod told;
mod verbs;
mod watched;
mod why;
