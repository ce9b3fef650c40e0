//! Reads element-wise operators, and recognises the activations that exporters write as several of them.

use kernels::Activation;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Min, Mul, Sub};
use tract_onnx::tract_core::ops::nn::{GeluExact, HardSwish, Sigmoid, Silu};

use super::constant::{Broadcast, is_channel_axis, tensor};
use super::layer::{Affine, Id, Kind};
use super::read::{Reader, dims};

impl Reader {
    pub(super) fn element_wise(&mut self, model: &TypedModel, node: &TypedNode, op: &ElementWiseOp) -> Option<Id> {
        let activation = if op.0.is::<Sigmoid>() {
            Activation::Sigmoid
        } else if op.0.is::<Silu>() {
            Activation::Silu
        } else if op.0.is::<HardSwish>() {
            Activation::HardSwish
        } else if op.0.is::<GeluExact>() {
            Activation::Gelu
        } else {
            return None;
        };
        let id = self.value(model, node.inputs[0])?;
        Some(self.activate(id, activation))
    }

    pub(super) fn binary(&mut self, model: &TypedModel, node: &TypedNode, op: &TypedBinOp) -> Option<Id> {
        if node.inputs.iter().all(|input| tensor(model, *input).is_none()) {
            return self.of_two_images(model, node, op);
        }
        let (id, constant, first) = self.with_constant(model, node)?;
        let op = &op.0;
        if op.is::<Add>() {
            Some(self.affine(id, affine(Broadcast::Uniform(1.0), constant)))
        } else if op.is::<Mul>() {
            Some(self.affine(id, affine(constant, Broadcast::Uniform(0.0))))
        } else if op.is::<Sub>() && first {
            Some(self.affine(id, affine(Broadcast::Uniform(-1.0), constant)))
        } else if op.is::<Sub>() {
            Some(self.affine(id, affine(Broadcast::Uniform(1.0), constant.map(|value| -value))))
        } else if op.is::<Div>() && !first {
            Some(self.affine(id, affine(constant.map(f32::recip), Broadcast::Uniform(0.0))))
        } else if let Broadcast::Uniform(bound) = constant
            && !bound.is_nan()
        {
            if op.is::<Max>() {
                Some(self.activate(id, Activation::Clamp(bound, f32::INFINITY)))
            } else if op.is::<Min>() {
                Some(self.activate(id, Activation::Clamp(f32::NEG_INFINITY, bound)))
            } else {
                None
            }
        } else {
            None
        }
    }

    fn of_two_images(&mut self, model: &TypedModel, node: &TypedNode, op: &TypedBinOp) -> Option<Id> {
        let [a, b] = *node.inputs.as_slice() else {
            return None;
        };
        let (left, right) = (self.value(model, a)?, self.value(model, b)?);
        let (a, b) = (dims(model, a)?, dims(model, b)?);
        let (shape, other) = (self.shape(left), self.shape(right));
        if shape == other && a == b {
            return if op.0.is::<Add>() {
                Some(self.push(Kind::Add(Activation::None), vec![left, right], shape))
            } else if op.0.is::<Mul>() {
                self.gated(left, right).or_else(|| self.gated(right, left))
            } else {
                None
            };
        }
        if !op.0.is::<Mul>() || a.len() != b.len() {
            return None;
        }
        let (image, factors) = if shape.pixels() > other.pixels() { (left, right) } else { (right, left) };
        let (shape, other) = (self.shape(image), self.shape(factors));
        let (long, short) = if image == left { (a, b) } else { (b, a) };
        let together =
            (0..long.len()).any(|axis| is_channel_axis(&long, shape, axis) && is_channel_axis(&short, other, axis));
        (together && other.pixels() == 1).then(|| self.push(Kind::Scale, vec![image, factors], shape))
    }

    /// x · gate(x), where that is an activation of its own.
    fn gated(&mut self, x: Id, gate: Id) -> Option<Id> {
        let layer = &self.layers[gate];
        if layer.inputs != [x] {
            return None;
        }
        match layer.kind {
            Kind::Activate(Activation::Sigmoid) => Some(self.activate(x, Activation::Silu)),
            Kind::Activate(Activation::HardSigmoid { alpha, beta }) if near(alpha, 1.0 / 6.0) && near(beta, 0.5) => {
                Some(self.activate(x, Activation::HardSwish))
            }
            _ => None,
        }
    }

    /// An activation. Clamps of clamps are one; a clamp of a line to 0–1 is a hard sigmoid.
    pub(super) fn activate(&mut self, id: Id, activation: Activation) -> Id {
        let layer = &self.layers[id];
        let shape = layer.shape;
        match (activation, &layer.kind) {
            (Activation::Clamp(low, high), Kind::Activate(Activation::Clamp(lower, higher))) => {
                let clamp = |value: f32| value.max(low).min(high);
                let (bounds, input) = (Activation::Clamp(clamp(*lower), clamp(*higher)), layer.inputs[0]);
                self.activate(input, bounds)
            }
            (Activation::Clamp(0.0, 1.0), Kind::Affine(Affine::Uniform { scale, shift })) => {
                let (activation, input) = (Activation::HardSigmoid { alpha: *scale, beta: *shift }, layer.inputs[0]);
                self.push(Kind::Activate(activation), vec![input], shape)
            }
            _ => self.push(Kind::Activate(activation), vec![id], shape),
        }
    }

    /// A line. Lines of lines are one, and the identity is nothing.
    pub(super) fn affine(&mut self, id: Id, affine: Affine) -> Id {
        let layer = &self.layers[id];
        let shape = layer.shape;
        let input = *layer.inputs.first().unwrap_or(&id);
        if let (Affine::Uniform { scale, shift }, Kind::Affine(Affine::Uniform { scale: inner, shift: inner_shift })) =
            (&affine, &layer.kind)
        {
            let (scale, shift) = (scale * inner, scale * inner_shift + shift);
            return self.affine(input, Affine::Uniform { scale, shift });
        }
        match affine {
            Affine::Uniform { scale, shift: 0.0 } if near(scale, 1.0) => id,
            _ => self.push(Kind::Affine(affine), vec![id], shape),
        }
    }
}

/// Equal but for rounding.
fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-6 * b.abs()
}

fn affine(scale: Broadcast, shift: Broadcast) -> Affine {
    match (scale, shift) {
        (Broadcast::Uniform(scale), Broadcast::Uniform(shift)) => Affine::Uniform { scale, shift },
        (Broadcast::PerChannel(scale), Broadcast::PerChannel(shift)) => Affine::PerChannel { scale, shift },
        (Broadcast::PerChannel(scale), Broadcast::Uniform(shift)) => {
            Affine::PerChannel { shift: vec![shift; scale.len()], scale }
        }
        (Broadcast::Uniform(scale), Broadcast::PerChannel(shift)) => {
            Affine::PerChannel { scale: vec![scale; shift.len()], shift }
        }
    }
}
