//! The real binary, real servers, real files.

mod checkpoint;
mod conditions;
#[path = "../../../kairos-sim/tests/count/mod.rs"]
mod count;
mod crowd;
mod demo;
mod door;
mod erase;
mod home;
mod hooks;
mod kill;
mod lifecycle;
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
