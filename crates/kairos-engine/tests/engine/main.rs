//! The engine on a real disk, with performers that follow a script.

mod clock;
mod crowd;
mod cycle;
mod poison;
mod restored;
mod retention;
mod schedules;
mod snapshot;
mod space;
mod turn;
mod upkeep;
mod world;
