#![doc = include_str!("../README.md")]

mod batch;
mod blocked;
mod classifier;
mod compile;
mod dense;
mod engine;
mod error;
mod graph;
mod half;
mod scores;

pub use classifier::{Classifier, Session};
pub use engine::Engine;
pub use error::{ModelError, Problem};
pub use scores::look_like_probabilities;
