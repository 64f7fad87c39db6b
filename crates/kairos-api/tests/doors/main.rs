//! The doors over a real engine.

mod history;
mod routes;
mod socket;
mod world;
