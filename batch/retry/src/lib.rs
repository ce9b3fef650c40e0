#![doc = include_str!("../README.md")]

mod operation;
mod schedule;

pub use operation::{Failure, retry};
pub use schedule::{Limit, Policy, Schedule};
