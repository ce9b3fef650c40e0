#![doc = include_str!("../README.md")]

mod block;
mod cover;
mod error;
mod etag;
mod known;
mod record;
mod segment;
mod tree;
mod varint;

pub use error::LedgerError;
pub use known::{Found, Known};
pub use segment::{Segment, SegmentWriter};
pub use tree::{Leaf, Ledger};
