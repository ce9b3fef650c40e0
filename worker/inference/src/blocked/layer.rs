//! What the kernels compute, between tract's graph and the kernels: layers in order, each making one image.

use kernels::{Activation, Shape, Window};
use tract_onnx::prelude::OutletId;

use super::weights::Weights;

/// A value: the index of the layer that makes it.
pub(crate) type Id = usize;

/// One image made from others.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub kind: Kind,
    pub inputs: Vec<Id>,
    pub shape: Shape,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A value from outside of the run.
    Input(OutletId),
    /// Of `inputs[0]`; `inputs[1]`, if there is one, is added before the activation.
    Convolution(Convolution),
    /// Of `inputs[0]`, a convolution whose only use is what follows; `inputs[1]`, if there is one, is added to the projection.
    Swept(Box<Swept>),
    /// Zeros added at the top, left, bottom and right.
    Pad([usize; 4]),
    MaxPool(Window),
    AveragePool {
        window: Window,
        count_padding: bool,
    },
    /// The mean of each channel.
    Mean,
    Activate(Activation),
    /// `scale` · x + `shift`.
    Affine(Affine),
    /// The sum of two images.
    Add(Activation),
    /// Each channel of `inputs[0]` times its factor, a pixel of `inputs[1]`.
    Scale,
    /// For each channel: the index in `inputs` and its channel there.
    Channels(Vec<(usize, usize)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Convolution {
    pub outputs: usize,
    pub groups: usize,
    pub window: Window,
    pub weights: Weights,
    /// One for each output.
    pub bias: Vec<f32>,
    pub activation: Activation,
}

/// A convolution, a channelwise layer and perhaps a pointwise convolution, in one pass.
#[derive(Debug, Clone)]
pub(crate) struct Swept {
    pub first: Convolution,
    /// What lies between.
    pub middle: Shape,
    pub then: Then,
    /// What comes last, and the shape of what it reads.
    pub project: Option<(Shape, Convolution)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Then {
    Depthwise(Convolution),
    MaxPool(Window),
}

#[derive(Debug, Clone)]
pub(crate) enum Affine {
    Uniform { scale: f32, shift: f32 },
    PerChannel { scale: Vec<f32>, shift: Vec<f32> },
}

impl Affine {
    /// Scale and shift of a channel.
    pub fn of(&self, channel: usize) -> (f32, f32) {
        match self {
            Self::Uniform { scale, shift } => (*scale, *shift),
            Self::PerChannel { scale, shift } => (scale[channel], shift[channel]),
        }
    }
}

impl Convolution {
    /// Whether every channel has a filter of its own.
    pub fn is_depthwise(&self, input: Shape) -> bool {
        self.groups == self.outputs && input.channels == self.outputs && self.groups > 1
    }
}

/// How often each value is read, `outputs` included.
pub(crate) fn uses(layers: &[Layer], outputs: &[Id]) -> Vec<usize> {
    let mut uses = vec![0; layers.len()];
    let read = layers.iter().flat_map(|layer| &layer.inputs).chain(outputs);
    read.for_each(|id| uses[*id] += 1);
    uses
}

/// Drops what `outputs` do not need.
pub(crate) fn without_dead(layers: Vec<Layer>, outputs: &mut [Id]) -> Vec<Layer> {
    let mut needed = vec![false; layers.len()];
    outputs.iter().for_each(|id| needed[*id] = true);
    for (id, layer) in layers.iter().enumerate().rev().filter(|(_, layer)| !layer.inputs.is_empty()) {
        if needed[id] {
            layer.inputs.iter().for_each(|input| needed[*input] = true);
        }
    }
    let mut renamed = vec![usize::MAX; layers.len()];
    let mut kept = Vec::new();
    for (id, mut layer) in layers.into_iter().enumerate().filter(|(id, _)| needed[*id]) {
        layer.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
        renamed[id] = kept.len();
        kept.push(layer);
    }
    outputs.iter_mut().for_each(|id| *id = renamed[*id]);
    kept
}
