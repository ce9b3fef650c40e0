#![doc = include_str!("../README.md")]

mod check;
mod classify;
mod cli;
mod close_call;
mod commands;
mod engine;
mod failpoint;
#[cfg(feature = "test-hooks")]
mod hooks;
mod machine;
mod observe;
mod pipeline;
mod rows;
mod run;
mod shutdown;
mod task;

pub use commands::main;
