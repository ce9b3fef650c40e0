//! Image networks on the kernels: runs of tract operators become one operator that keeps its values in blocks.
//!
//! A step a module: `runs` walks the graph and groups what `read` understands into runs; `read` turns tract's
//! operators into `layer`s; `fuse` merges layers that one kernel computes at once; `place` gives every value its memory;
//! `lower` makes the kernels; `op` runs them inside tract. What is not understood stays tract's.

mod arithmetic;
mod channels;
mod constant;
mod fuse;
mod layer;
mod lower;
#[cfg(test)]
mod network;
mod op;
mod place;
mod read;
mod runs;
#[cfg(test)]
mod tests;
mod weights;

use kernels::{Bottleneck, Isa};
use tract_onnx::prelude::*;

/// The same graph, with runs of layers computed by the kernels. `model` is typed, its constants are propagated, and it
/// is not decluttered yet: declutter splits and merges layers in ways that suit tract's own operators only.
pub(crate) fn rewrite(model: &TypedModel, isa: Isa) -> TractResult<TypedModel> {
    runs::rewrite(model, isa, Bottleneck::suits)
}
