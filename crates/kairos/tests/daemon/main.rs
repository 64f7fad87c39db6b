//! The real binary, real servers, real files.

mod checkpoint;
mod crowd;
mod demo;
mod home;
mod kill;
mod lifecycle;
mod model;
mod states;
mod told;
