//! Constants of the graph, as the layers want them.

use kernels::Shape;
use tract_onnx::prelude::*;

/// The values of a constant; `None` where the outlet is none, or not of floats.
pub(crate) fn floats(model: &TypedModel, outlet: OutletId) -> Option<Vec<f32>> {
    let tensor = tensor(model, outlet)?;
    let floats = tensor.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec();
    Some(floats)
}

/// The integers of a constant.
pub(crate) fn integers(model: &TypedModel, outlet: OutletId) -> Option<Vec<i64>> {
    let tensor = tensor(model, outlet)?.cast_to::<i64>().ok()?.into_owned();
    let integers = tensor.try_as_plain_ram().ok()?.as_slice::<i64>().ok()?.to_vec();
    Some(integers)
}

/// The constant itself.
pub(crate) fn tensor(model: &TypedModel, outlet: OutletId) -> Option<Arc<Tensor>> {
    model.outlet_fact(outlet).ok()?.konst.clone()
}

/// A constant that is broadcast to an image of `shape`, seen as a tensor of `dims`.
pub(crate) enum Broadcast {
    Uniform(f32),
    PerChannel(Vec<f32>),
}

impl Broadcast {
    /// `None` where it differs between pixels.
    pub fn read(model: &TypedModel, outlet: OutletId, dims: &[usize], shape: Shape) -> Option<Self> {
        let values = floats(model, outlet)?;
        if let [value] = values.as_slice() {
            return Some(Self::Uniform(*value));
        }
        let own = model.outlet_fact(outlet).ok()?.shape.as_concrete()?.to_vec();
        let missing = dims.len().checked_sub(own.len())?;
        let long: Vec<_> = (0..own.len()).filter(|axis| own[*axis] > 1).collect();
        let [axis] = long.as_slice() else {
            return None;
        };
        is_channel_axis(dims, shape, axis + missing).then_some(Self::PerChannel(values))
    }

    /// Its values, changed.
    pub fn map(self, f: impl Fn(f32) -> f32) -> Self {
        match self {
            Self::Uniform(value) => Self::Uniform(f(value)),
            Self::PerChannel(values) => Self::PerChannel(values.into_iter().map(f).collect()),
        }
    }
}

/// Whether `axis` of a tensor of `dims` counts the channels of an image of `shape`.
pub(crate) fn is_channel_axis(dims: &[usize], shape: Shape, axis: usize) -> bool {
    axis < dims.len()
        && dims[..axis].iter().all(|length| *length == 1)
        && dims[axis] == shape.channels
        && dims[axis + 1..].iter().product::<usize>() == shape.pixels()
}
