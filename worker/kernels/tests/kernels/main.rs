//! Every op against a plain double-precision reference, for each instruction set of the processor.

mod activation;
mod bottleneck;
mod convolution;
mod elementwise;
mod product;
mod reference;
mod small;
mod sweep;
