//! The simulated disk itself: it answers as the system does, and forgets what a crash may take.

mod alike;
mod forgets;
