//! What a worker shows of itself, where it finds models, whom it helps, and how it ends.

mod ending;
mod models;
mod observing;
mod sharing;
mod worker;
