//! Merges layers that one kernel computes in one pass.

use kernels::{Activation, Shape, Window};

use super::layer::{Affine, Convolution, Id, Kind, Layer, Swept, Then, uses, without_dead};
use super::weights::Weights;

/// Fewer channels than this are read from the planar image; more fill a block.
const PLANAR: usize = 16;

/// The same outputs from fewer layers, and without images that `is_large` tells, where that is possible.
pub(crate) fn fuse(layers: Vec<Layer>, outputs: &mut [Id], is_large: fn(Shape) -> bool) -> Vec<Layer> {
    let layers = without_dead(layers, outputs);
    let layers = into_convolutions(layers, outputs);
    let layers = without_dead(layers, outputs);
    let layers = into_sweeps(layers, outputs);
    let layers = into_bottlenecks(layers, outputs, is_large);
    without_dead(layers, outputs)
}

/// Whether an image from outside is read as it is: all who read it are convolutions, and its channels fill no block.
pub(crate) fn stays_planar(layers: &[Layer], outputs: &[Id], id: Id) -> bool {
    let by_convolution = |layer: &Layer| match &layer.kind {
        Kind::Convolution(convolution) => {
            layer.inputs.iter().position(|input| *input == id) == Some(0)
                && !layer.inputs[1..].contains(&id)
                && !convolution.is_depthwise(layers[id].shape)
        }
        Kind::Swept(_) => !layer.inputs[1..].contains(&id),
        _ => false,
    };
    matches!(layers[id].kind, Kind::Input(_))
        && layers[id].shape.channels < PLANAR
        && !outputs.contains(&id)
        && layers.iter().filter(|layer| layer.inputs.contains(&id)).all(by_convolution)
}

/// Lines, sums and activations go into the convolution before them, zeros around an image into the one after.
fn into_convolutions(layers: Vec<Layer>, outputs: &mut [Id]) -> Vec<Layer> {
    let uses = uses(&layers, outputs);
    let mut renamed: Vec<Id> = Vec::with_capacity(layers.len());
    let mut kept: Vec<Layer> = Vec::with_capacity(layers.len());
    for mut layer in layers {
        let once = |id: Id| uses[id] == 1;
        let old = layer.inputs.clone();
        layer.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
        let absorbed = match &layer.kind {
            Kind::Activate(activation) if once(old[0]) => absorb(&mut kept[layer.inputs[0]], *activation),
            Kind::Affine(affine) if once(old[0]) => fold(&mut kept[layer.inputs[0]], affine),
            _ => false,
        };
        if absorbed {
            renamed.push(layer.inputs[0]);
            continue;
        }
        if let Kind::Affine(affine) = &layer.kind {
            layer.kind = Kind::Convolution(alone(affine, layer.shape.channels));
        }
        if let Kind::Convolution(convolution) = &mut layer.kind
            && once(old[0])
            && let Kind::Pad(zeros) = &kept[layer.inputs[0]].kind
        {
            convolution.window.padding.iter_mut().zip(zeros).for_each(|(padding, zeros)| *padding += zeros);
            layer.inputs[0] = kept[layer.inputs[0]].inputs[0];
        }
        if matches!(layer.kind, Kind::Add(_)) {
            // The later of two convolutions, so that the other's output waits as short as possible.
            let pairs = [(0, 1), (1, 0)].map(|(of, other)| (layer.inputs[of], layer.inputs[other], once(old[of])));
            let sums = pairs.iter().filter(|(of, other, once)| *once && of != other && takes_sum(&kept, *of));
            if let Some((of, other, _)) = sums.max_by_key(|(of, ..)| *of) {
                let mut convolution = kept[*of].clone();
                convolution.inputs.push(*other);
                layer = convolution;
            }
        }
        renamed.push(kept.len());
        kept.push(layer);
    }
    outputs.iter_mut().for_each(|id| *id = renamed[*id]);
    kept
}

/// Puts an activation into a layer that has none yet.
fn absorb(layer: &mut Layer, activation: Activation) -> bool {
    let own = match &mut layer.kind {
        Kind::Convolution(convolution) => &mut convolution.activation,
        Kind::Add(own) => own,
        _ => return false,
    };
    let free = *own == Activation::None;
    if free {
        *own = activation;
    }
    free
}

/// Puts a line into the weights of a convolution.
fn fold(layer: &mut Layer, affine: &Affine) -> bool {
    let Kind::Convolution(convolution) = &mut layer.kind else {
        return false;
    };
    if layer.inputs.len() > 1 || convolution.activation != Activation::None {
        return false;
    }
    let scales: Vec<f32> = (0..convolution.outputs).map(|channel| affine.of(channel).0).collect();
    if scales.iter().any(|scale| *scale != 1.0) {
        convolution.weights.scale(scales);
    }
    for (channel, bias) in convolution.bias.iter_mut().enumerate() {
        let (scale, shift) = affine.of(channel);
        *bias = *bias * scale + shift;
    }
    true
}

/// A line by itself is a depthwise convolution of one tap.
fn alone(affine: &Affine, channels: usize) -> Convolution {
    let (scale, bias): (Vec<_>, Vec<_>) = (0..channels).map(|channel| affine.of(channel)).unzip();
    Convolution {
        outputs: channels,
        groups: channels,
        window: Window::pointwise(),
        weights: Weights::single(&scale),
        bias,
        activation: Activation::None,
    }
}

/// Whether a layer can add another image before its activation.
fn takes_sum(layers: &[Layer], id: Id) -> bool {
    let layer = &layers[id];
    match &layer.kind {
        Kind::Convolution(convolution) => {
            layer.inputs.len() == 1
                && convolution.activation == Activation::None
                && !convolution.is_depthwise(layers[layer.inputs[0]].shape)
        }
        _ => false,
    }
}

/// Channelwise layers go into the pointwise or first convolution before them.
fn into_sweeps(mut layers: Vec<Layer>, outputs: &mut [Id]) -> Vec<Layer> {
    let uses = uses(&layers, outputs);
    for id in 0..layers.len() {
        let Some(first) = layers[id].inputs.first().copied().filter(|first| uses[*first] == 1) else {
            continue;
        };
        let then = match &layers[id].kind {
            Kind::Convolution(convolution)
                if layers[id].inputs.len() == 1 && convolution.is_depthwise(layers[first].shape) =>
            {
                Then::Depthwise(convolution.clone())
            }
            Kind::MaxPool(window) => Then::MaxPool(*window),
            _ => continue,
        };
        let Kind::Convolution(convolution) = &layers[first].kind else {
            continue;
        };
        let [input] = *layers[first].inputs.as_slice() else {
            continue;
        };
        let planar = stays_planar(&layers, outputs, input);
        let one = convolution.groups == 1 || planar && !convolution.is_depthwise(layers[input].shape);
        if one && (planar || convolution.window == Window::pointwise()) && layers[id].shape.pixels() > 1 {
            let swept = Swept { first: convolution.clone(), middle: layers[first].shape, then, project: None };
            layers[id] = Layer { kind: Kind::Swept(Box::new(swept)), inputs: vec![input], shape: layers[id].shape };
        }
    }
    layers
}

/// Pointwise convolutions go into the sweep before them where its output is large.
fn into_bottlenecks(mut layers: Vec<Layer>, outputs: &mut [Id], is_large: fn(Shape) -> bool) -> Vec<Layer> {
    let uses = uses(&layers, outputs);
    for id in 0..layers.len() {
        let Kind::Convolution(convolution) = &layers[id].kind else {
            continue;
        };
        let hidden = &layers[layers[id].inputs[0]];
        let Kind::Swept(swept) = &hidden.kind else {
            continue;
        };
        if swept.project.is_none()
            && convolution.window == Window::pointwise()
            && convolution.groups == 1
            && uses[layers[id].inputs[0]] == 1
            && is_large(hidden.shape)
        {
            let swept = Swept { project: Some((hidden.shape, convolution.clone())), ..(**swept).clone() };
            let inputs = hidden.inputs.iter().chain(&layers[id].inputs[1..]).copied().collect();
            layers[id] = Layer { kind: Kind::Swept(Box::new(swept)), inputs, shape: layers[id].shape };
        }
    }
    layers
}
