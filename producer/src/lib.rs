#![doc = include_str!("../README.md")]

mod cancel;
mod cli;
mod commands;
mod delete;
mod display;
mod enqueue;
mod etl;
mod failpoint;
#[cfg(test)]
mod fixture;
mod formats;
mod job;
mod list;
mod model;
mod places;
mod publish;
mod reconcile;
mod results;
mod retry;
mod setup;
mod shutdown;
mod status;
mod stored_part;
mod verify;

pub use commands::main;
