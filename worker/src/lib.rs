#![doc = include_str!("../README.md")]

mod check;
mod classify;
mod cli;
mod engine;
mod exit;
mod failpoint;
#[cfg(feature = "test-hooks")]
mod hooks;
mod machine;
mod observe;
mod pipeline;
mod program;
mod run;
mod shutdown;
mod task;

pub use program::main;
