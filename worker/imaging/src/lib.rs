#![doc = include_str!("../README.md")]

mod across;
mod bmp;
mod buffers;
mod decode;
mod decoded;
mod error;
mod format;
mod geometry;
mod gif;
mod jpeg;
mod limits;
mod metadata;
mod orientation;
mod pixels;
mod png;
mod preprocess;
mod reader;
mod resize;
mod sample;
mod samples;
mod taps;
mod thumbnail;
mod tiff;
mod webp;

pub use decode::decode;
pub use decoded::Decoded;
pub use error::DecodeError;
pub use format::Format;
pub use limits::{Limits, OnTruncated};
pub use preprocess::Preprocessor;
pub use thumbnail::thumbnail;
