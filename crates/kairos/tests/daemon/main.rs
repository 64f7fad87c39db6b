//! The real binary, real servers, real files.

mod demo;
mod home;
mod kill;
mod lifecycle;
mod model;
