//! The real binary, real servers, real files.

mod door;
mod home;
mod kill;
mod lifecycle;
mod model;
mod signals;
