#![doc = include_str!("../README.md")]

mod activation;
mod border;
mod buffer;
mod channelwise;
mod convolution;
mod fold;
mod isa;
mod layout;
mod panel;
mod shape;
mod simd;
mod sweep;
mod table;
mod tile;

pub use activation::Activation;
pub use buffer::Buffer;
pub use channelwise::{Channelwise, DepthwiseSpec};
pub use convolution::{Convolution, ConvolutionSpec, Source};
pub use isa::{Isa, UnknownIsa};
pub use layout::{BLOCK, to_blocked, to_planar};
pub use shape::{Shape, Unsupported, Window};
pub use sweep::Sweep;
