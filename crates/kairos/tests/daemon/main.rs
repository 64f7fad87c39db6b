//! The real binary, real servers, real files.

mod home;
mod kill;
mod lifecycle;
mod model;
mod secrets;
