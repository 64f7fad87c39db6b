//! The doors over a real engine.

mod routes;
mod socket;
mod world;
