//! The engine: decode, preprocess and infer in a child process of our own, so that nothing an image does to its decoder
//! can hurt the process that holds the broker connection and the other images.
//!
//! The shared engine has one thread per core. When it dies or hangs, the images it was working on are suspects: each is
//! tried again alone in a child of its own (see [`isolation`]), and only what dies or hangs there twice gets an error
//! row. Everything else goes on in a new shared engine.

mod child;
mod error;
mod isolation;
mod process;
mod protocol;
mod shelf;
mod supervisor;
mod times;

pub use child::run as run_child;
pub use error::EngineError;
pub use process::ENGINE_COMMAND;
pub use protocol::{EngineConfig, PackageSource};
pub use supervisor::Engine;
pub use times::Times;
