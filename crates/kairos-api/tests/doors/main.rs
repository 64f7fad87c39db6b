//! The doors over a real engine.

mod erase;
mod history;
mod routes;
mod socket;
mod world;
