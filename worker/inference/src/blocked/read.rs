//! Reads tract's operators as layers: values, convolutions, pools, matrix products. Anything unknown reads as `None`.

use std::collections::HashMap;

use kernels::{Activation, Shape, Window};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::ops::array::{Pad, PadMode, Slice, StridedSlice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use super::constant::{Broadcast, floats, is_channel_axis, tensor};
use super::layer::{Affine, Convolution, Id, Kind, Layer};
use super::weights::Weights;

/// The layers of a run, and which of tract's values they make.
///
/// A tensor stands for the image whose planar values it holds in order, whatever its axes: flattening or adding axes
/// changes nothing.
#[derive(Default)]
pub(crate) struct Reader {
    pub layers: Vec<Layer>,
    pub values: HashMap<OutletId, Id>,
}

impl Reader {
    /// Adds the layers of a node. `None` if it is not understood; then the reader may hold layers that nothing uses.
    pub fn read(&mut self, model: &TypedModel, node: &TypedNode) -> Option<()> {
        let (output, others) = node.outputs.split_first()?;
        let is_used = |(at, output): (usize, &Outlet<TypedFact>)| {
            !output.successors.is_empty() || model.outputs.contains(&OutletId::new(node.id, at + 1))
        };
        if others.iter().enumerate().any(is_used) {
            return None;
        }
        if output.fact.datum_type != f32::datum_type() || output.fact.shape.as_concrete()?.contains(&0) {
            return None;
        }
        let id = self.layer(model, node)?;
        self.values.insert(node.id.into(), id);
        Some(())
    }

    fn layer(&mut self, model: &TypedModel, node: &TypedNode) -> Option<Id> {
        if let Some(op) = node.op_as::<Conv>() {
            self.convolution(model, node, op)
        } else if let Some(op) = node.op_as::<EinSum>() {
            self.product(model, node, op)
        } else if let Some(op) = node.op_as::<Pad>() {
            self.pad(model, node, op)
        } else if let Some(op) = node.op_as::<MaxPool>() {
            self.max_pool(model, node, op)
        } else if let Some(op) = node.op_as::<SumPool>() {
            self.average_pool(model, node, op)
        } else if let Some(op) = node.op_as::<Reduce>() {
            self.reduce(model, node, op)
        } else if let Some(op) = node.op_as::<TypedBinOp>() {
            self.binary(model, node, op)
        } else if let Some(op) = node.op_as::<ElementWiseOp>() {
            self.element_wise(model, node, op)
        } else if let Some(op) = node.op_as::<TypedConcat>() {
            self.concatenation(model, node, op.axis)
        } else if let Some(op) = node.op_as::<Slice>() {
            self.slice(model, node, op.axis, op.start.to_usize().ok()?..op.end.to_usize().ok()?)
        } else if let Some(op) = node.op_as::<StridedSlice>() {
            self.strided_slice(model, node, op)
        } else if let Some(op) = node.op_as::<AxisOp>() {
            self.axes(model, node, op)
        } else if node.op_is::<Identity>() || node.op.name() == "Dropout" && node.inputs.len() <= 2 {
            self.value(model, node.inputs[0])
        } else {
            None
        }
    }

    /// The image that an outlet holds. One that comes from outside must have the axes of an image or a vector.
    pub(super) fn value(&mut self, model: &TypedModel, outlet: OutletId) -> Option<Id> {
        if let Some(id) = self.values.get(&outlet) {
            return Some(*id);
        }
        let fact = model.outlet_fact(outlet).ok()?;
        let shape = match dims(model, outlet)?.as_slice() {
            [1, channels, height, width] => Shape::new(*channels, *height, *width),
            [1, channels] => Shape::new(*channels, 1, 1),
            _ => return None,
        };
        if fact.datum_type != f32::datum_type() || fact.konst.is_some() || shape.planar_len() == 0 {
            return None;
        }
        let id = self.push(Kind::Input(outlet), vec![], shape);
        self.values.insert(outlet, id);
        Some(id)
    }

    pub(super) fn push(&mut self, kind: Kind, inputs: Vec<Id>, shape: Shape) -> Id {
        self.layers.push(Layer { kind, inputs, shape });
        self.layers.len() - 1
    }

    pub(super) fn shape(&self, id: Id) -> Shape {
        self.layers[id].shape
    }

    /// The input of a node, if its axes are those of an image.
    fn image(&mut self, model: &TypedModel, node: &TypedNode) -> Option<Id> {
        let id = self.value(model, node.inputs[0])?;
        let Shape { channels, height, width } = self.shape(id);
        (dims(model, node.inputs[0])? == [1, channels, height, width]).then_some(id)
    }

    fn convolution(&mut self, model: &TypedModel, node: &TypedNode, op: &Conv) -> Option<Id> {
        if op.q_params.is_some() || op.kernel_fmt != KernelFormat::OIHW {
            return None;
        }
        let image = self.image(model, node)?;
        let (window, output) = window(&op.pool_spec, self.shape(image))?;
        let outputs = op.output_channels();
        let weights = Weights::new(tensor(model, node.inputs[1])?, outputs, false)?;
        let bias = match floats(model, *node.inputs.get(2)?)? {
            values if values.len() == outputs => values,
            values if values.len() == 1 => vec![values[0]; outputs],
            _ => return None,
        };
        let activation = Activation::None;
        let kind = Kind::Convolution(Convolution { outputs, groups: op.group, window, weights, bias, activation });
        Some(self.push(kind, vec![image], Shape { channels: outputs, ..output }))
    }

    /// A vector times a constant matrix: a convolution whose window is the whole image.
    fn product(&mut self, model: &TypedModel, node: &TypedNode, op: &EinSum) -> Option<Id> {
        let [vector, matrix] = node.inputs.as_slice() else {
            return None;
        };
        let [rows, columns] = *dims(model, *matrix)?.as_slice() else {
            return None;
        };
        if op.q_params.is_some() || op.operating_dt != f32::datum_type() {
            return None;
        }
        let constant = tensor(model, *matrix)?;
        let image = self.value(model, *vector)?;
        let shape = self.shape(image);
        let lengths = dims(model, *vector)?;
        // One axis of the matrix is summed over, with the only long axis of the vector; the other is the result's.
        let mut summed = None;
        for axis in op.axes.iter_all_axes() {
            match (axis.inputs[0].as_slice(), axis.inputs[1].as_slice(), axis.outputs[0].as_slice()) {
                ([of], [from], []) if lengths[*of] == shape.planar_len() && summed.is_none() => summed = Some(*from),
                ([of], [], _) if lengths[*of] == 1 => (),
                ([], [_], [_]) => (),
                _ => return None,
            }
        }
        let summed = summed?;
        let (inputs, outputs) = if summed == 0 { (rows, columns) } else { (columns, rows) };
        if inputs != shape.planar_len() {
            return None;
        }
        let weights = Weights::new(constant, outputs, summed == 0)?;
        let window = Window { kernel: [shape.height, shape.width], ..Window::pointwise() };
        let (bias, activation) = (vec![0.0; outputs], Activation::None);
        let kind = Kind::Convolution(Convolution { outputs, groups: 1, window, weights, bias, activation });
        Some(self.push(kind, vec![image], Shape::new(outputs, 1, 1)))
    }

    fn pad(&mut self, model: &TypedModel, node: &TypedNode, op: &Pad) -> Option<Id> {
        let image = self.image(model, node)?;
        let shape = self.shape(image);
        let [(0, 0), (0, 0), (top, bottom), (left, right)] = *op.pads.as_slice() else {
            return None;
        };
        let PadMode::Constant(value) = &op.mode else {
            return None;
        };
        let (height, width) = (shape.height + top + bottom, shape.width + left + right);
        let zeros = value.cast_to_scalar::<f32>().ok()? == 0.0;
        zeros.then(|| self.push(Kind::Pad([top, left, bottom, right]), vec![image], Shape { height, width, ..shape }))
    }

    fn max_pool(&mut self, model: &TypedModel, node: &TypedNode, op: &MaxPool) -> Option<Id> {
        if op.with_index_outputs.is_some() {
            return None;
        }
        let image = self.image(model, node)?;
        let (window, output) = window(&op.pool_spec, self.shape(image))?;
        Some(self.push(Kind::MaxPool(window), vec![image], output))
    }

    fn average_pool(&mut self, model: &TypedModel, node: &TypedNode, op: &SumPool) -> Option<Id> {
        let image = self.image(model, node)?;
        let (window, output) = window(&op.pool_spec, self.shape(image))?;
        // Where windows reach beyond the padding, tract counts fewer taps than there are.
        let beyond = matches!(&op.pool_spec.padding, PaddingSpec::ExplicitOnnxPool(_, after, true)
            if window.padding[2] > after[0] || window.padding[3] > after[1]);
        if !op.normalize || op.count_include_pad && beyond {
            return None;
        }
        Some(self.push(Kind::AveragePool { window, count_padding: op.count_include_pad }, vec![image], output))
    }

    /// Sums and maxima over all pixels.
    fn reduce(&mut self, model: &TypedModel, node: &TypedNode, op: &Reduce) -> Option<Id> {
        let image = self.value(model, node.inputs[0])?;
        let (shape, lengths) = (self.shape(image), dims(model, node.inputs[0])?);
        let channels = (0..lengths.len()).find(|axis| is_channel_axis(&lengths, shape, *axis))?;
        let reduced = |axis: usize| op.axes.contains(&axis) || lengths[axis] == 1;
        if !(channels + 1..lengths.len()).all(reduced) || op.axes.contains(&channels) {
            return None;
        }
        let output = Shape::new(shape.channels, 1, 1);
        match op.reducer {
            Reducer::Sum => {
                let mean = self.push(Kind::Mean, vec![image], output);
                Some(self.affine(mean, Affine::Uniform { scale: shape.pixels() as f32, shift: 0.0 }))
            }
            Reducer::Max => {
                let window = Window { kernel: [shape.height, shape.width], ..Window::pointwise() };
                Some(self.push(Kind::MaxPool(window), vec![image], output))
            }
            _ => None,
        }
    }

    /// The constant operand of a binary node and whether it comes first, and the other operand.
    pub(super) fn with_constant(&mut self, model: &TypedModel, node: &TypedNode) -> Option<(Id, Broadcast, bool)> {
        let [a, b] = *node.inputs.as_slice() else {
            return None;
        };
        let first = tensor(model, a).is_some();
        let (value, constant) = if first { (b, a) } else { (a, b) };
        let lengths = dims(model, value)?;
        if lengths != dims(model, node.id.into())? {
            return None;
        }
        let id = self.value(model, value)?;
        Some((id, Broadcast::read(model, constant, &lengths, self.shape(id))?, first))
    }
}

/// The lengths of an outlet's axes.
pub(crate) fn dims(model: &TypedModel, outlet: OutletId) -> Option<Vec<usize>> {
    Some(model.outlet_fact(outlet).ok()?.shape.as_concrete()?.to_vec())
}

/// The window, and the output of a pool. Rounding up is padding: what windows touch below and to the right.
fn window(spec: &PoolSpec, input: Shape) -> Option<(Window, Shape)> {
    if spec.rank() != 2 || spec.data_format != DataFormat::NCHW {
        return None;
    }
    let lengths = [input.height, input.width];
    let computed = spec.computed_padding(&lengths);
    let axes: [_; 2] = std::array::from_fn(|axis| {
        let (kernel, stride, dilation) = (spec.kernel_shape[axis], spec.stride(axis), spec.dilation(axis));
        let (before, outputs) = (computed[axis].pad_before, computed[axis].convoluted);
        let touched = outputs.checked_sub(1)? * stride + kernel.checked_sub(1)? * dilation + 1;
        Some((kernel, stride, dilation, before, touched.saturating_sub(lengths[axis] + before), outputs))
    });
    let [Some(down), Some(across)] = axes else {
        return None;
    };
    let window = Window {
        kernel: [down.0, across.0],
        stride: [down.1, across.1],
        dilation: [down.2, across.2],
        padding: [down.3, across.3, down.4, across.4],
    };
    let [height, width] = [down.5, across.5];
    (window.output(input.height, input.width) == Ok([height, width]))
        .then_some((window, Shape { height, width, ..input }))
}
