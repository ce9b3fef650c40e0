#![doc = include_str!("../README.md")]

mod builtin;
mod digest;
mod golden;
mod package;
mod spec;

pub use digest::{Digest, ParseDigestError};
pub use golden::{Golden, GoldenScore};
pub use package::{OnnxSource, Package, PackageError};
pub use spec::{Channels, Filter, InputSpec, Layout, ModelSpec, OutputKind, OutputSpec, Resize};
