#![doc = include_str!("../README.md")]

mod batch;
mod classifier;
mod compile;
mod error;
mod graph;
mod half;
mod scores;

pub use classifier::{Classifier, Session};
pub use error::{ModelError, Problem};
pub use scores::look_like_probabilities;
