#![doc = include_str!("../README.md")]

mod error;
mod key;
mod listing;
mod local;
mod options;
mod probe;
mod reader;
mod s3;
mod store;
mod traffic;
mod trust;
mod unique;
mod writer;

pub mod source;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;

pub use error::StoreError;
pub use key::Key;
pub use listing::Listing;
pub use options::{Credentials, Options};
pub use reader::Reader;
pub use s3::create_bucket;
pub use store::{Created, Meta, Store};
pub use traffic::{Traffic, traffic};
pub use writer::Writer;
