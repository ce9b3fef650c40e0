//! What a worker shows of itself, where it finds models, whom it helps, and how it ends; and the limits it keeps.

mod ending;
mod limits;
mod models;
mod observing;
mod sharing;
pub mod worker;
