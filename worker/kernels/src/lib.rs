#![doc = include_str!("../README.md")]

mod activation;
mod border;
mod bottleneck;
mod buffer;
mod cache;
mod channel_map;
mod channelwise;
mod convolution;
mod direct;
mod elementwise;
mod fold;
mod isa;
mod lanes;
mod layout;
mod pairs;
mod panel;
mod product;
mod shape;
mod simd;
mod sweep;
mod table;
mod tile;
mod transform;
mod winograd;

pub use activation::Activation;
pub use bottleneck::Bottleneck;
pub use buffer::Buffer;
pub use channel_map::ChannelMap;
pub use channelwise::{Channelwise, DepthwiseSpec};
pub use convolution::{Convolution, ConvolutionSpec, Source};
pub use elementwise::{activate, add, global_average, scale_channels};
pub use isa::{Isa, UnknownIsa};
pub use layout::{BLOCK, to_blocked, to_planar};
pub use product::{Product, ProductSpec};
pub use shape::{Shape, Unsupported, Window};
pub use sweep::Sweep;
