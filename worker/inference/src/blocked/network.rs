//! Networks of random layers, for tests.

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode, Slice, TypedConcat};
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer, sigmoid};
use tract_onnx::tract_core::ops::{math, nn};

/// A network under construction, and the random numbers that it is made of.
pub(super) struct Network {
    random: u64,
    model: TypedModel,
    /// Values of the same height and width, the newest last.
    values: Vec<OutletId>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        let mut network = Self { random: seed * 2 + 1, model: TypedModel::default(), values: Vec::new() };
        let shape = [1, [1, 3, 16, 20][network.below(4)], 9 + network.below(10), 9 + network.below(10)];
        let source = network.model.add_source("image", f32::fact(shape)).unwrap();
        network.values.push(source);
        network
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % limit
    }

    pub(super) fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| self.below(2001) as f32 / 1000.0 - 1.0).collect();
        Tensor::from_shape(shape, &values).unwrap()
    }

    fn shape(&self) -> [usize; 4] {
        let fact = self.model.outlet_fact(self.last()).unwrap();
        fact.shape.as_concrete().unwrap().try_into().unwrap()
    }

    fn last(&self) -> OutletId {
        self.values[self.values.len() - 1]
    }

    fn wire(&mut self, op: impl Into<Box<dyn TypedOp>>, inputs: &[OutletId]) -> OutletId {
        let name = format!("node.{}", self.model.nodes.len());
        self.model.wire_node(name, op, inputs).unwrap()[0]
    }

    fn constant(&mut self, tensor: Tensor) -> OutletId {
        let name = format!("constant.{}", self.model.nodes.len());
        self.model.add_const(name, tensor).unwrap()
    }

    /// Makes the newest value; forgets the others if its size differs.
    fn push(&mut self, value: OutletId) {
        let before = self.shape();
        self.values.push(value);
        if self.shape()[2..] != before[2..] {
            self.values.drain(..self.values.len() - 1);
        }
    }

    pub(super) fn grow(&mut self) {
        match self.below(16) {
            0..3 => self.convolution(1),
            3 => self.convolution(2),
            4 | 5 => self.depthwise(),
            6 => self.relu(),
            7 => self.gate(),
            8 => self.pool(),
            9 => self.sum(),
            10 => self.concatenation(),
            11 => self.shuffle(),
            12 => self.normalisation(),
            13 => self.pad(),
            14 => self.bottleneck(),
            _ => self.squeeze_excite(),
        }
        if self.below(9) == 0 {
            self.elsewhere();
        }
        if self.below(3) == 0 {
            self.relu();
        }
    }

    fn window(&mut self) -> PoolSpec {
        let [_, channels, height, width] = self.shape();
        let kernel = [1, 2, 3, 3, 5][self.below(5)].min(height).min(width);
        let dilation = if kernel > 1 && (kernel - 1) * 2 < height.min(width) { 1 + self.below(2) } else { 1 };
        let padding: TVec<usize> = tvec![self.below(kernel.min(3)), self.below(kernel.min(3))];
        PoolSpec::new(
            DataFormat::NCHW,
            tvec![kernel, kernel],
            PaddingSpec::Explicit(padding.clone(), padding),
            Some(tvec![dilation, dilation]),
            Some(tvec![1 + self.below(2), 1 + self.below(2)]),
            channels,
            channels,
        )
    }

    fn convolve(&mut self, spec: PoolSpec, groups: usize) {
        let (inputs, outputs) = (spec.input_channels / groups, spec.output_channels);
        let mut weights = self.tensor(&[outputs, inputs, spec.kernel_shape[0], spec.kernel_shape[1]]);
        let scale = 1.5 / ((inputs * spec.kernel_shape[0] * spec.kernel_shape[1]) as f32).sqrt();
        weights.try_as_plain_ram_mut().unwrap().as_slice_mut::<f32>().unwrap().iter_mut().for_each(|w| *w *= scale);
        let bias = self.tensor(&[outputs]);
        let inputs = [self.last(), self.constant(weights), self.constant(bias)];
        let value = self.wire(Conv::new(spec, KernelFormat::OIHW, groups, None), &inputs);
        self.push(value);
    }

    pub(super) fn convolution(&mut self, groups: usize) {
        let mut spec = self.window();
        let groups = if spec.input_channels.is_multiple_of(groups) { groups } else { 1 };
        spec.output_channels = groups * [5, 8, 16, 24, 32][self.below(5)];
        if self.below(3) == 0 {
            spec.kernel_shape = tvec![1, 1];
            (spec.strides, spec.padding) = (None, PaddingSpec::Valid);
        }
        self.convolve(spec, groups);
    }

    fn depthwise(&mut self) {
        let spec = self.window();
        let channels = spec.input_channels;
        self.convolve(spec, channels);
    }

    /// An expansion, a depthwise convolution or pool, a projection, and perhaps the sum with where it began.
    pub(super) fn bottleneck(&mut self) {
        let (value, [_, channels, height, width]) = (self.last(), self.shape());
        let hidden = [20, 32, 48][self.below(3)];
        self.pointwise(hidden);
        self.relu();
        if self.below(4) == 0 {
            self.pool();
        } else {
            self.depthwise();
        }
        let [_, _, new_height, new_width] = self.shape();
        self.pointwise(channels);
        if (new_height, new_width) == (height, width) && self.below(2) == 0 {
            let sum = self.wire(math::add(), &[value, self.last()]);
            self.push(sum);
        }
    }

    pub(super) fn pointwise(&mut self, outputs: usize) {
        let [_, channels, ..] = self.shape();
        let spec = PoolSpec::new(DataFormat::NCHW, tvec![1, 1], PaddingSpec::Valid, None, None, channels, outputs);
        self.convolve(spec, 1);
    }

    fn scalar(&mut self, value: f32) -> OutletId {
        let tensor = Tensor::from_shape(&[1, 1, 1, 1], &[value]).unwrap();
        self.constant(tensor)
    }

    pub(super) fn relu(&mut self) {
        let bound = self.scalar(0.0);
        let mut value = self.wire(math::max(), &[self.last(), bound]);
        if self.below(2) == 0 {
            let bound = self.scalar(6.0);
            value = self.wire(math::min(), &[value, bound]);
        }
        self.push(value);
    }

    fn gate(&mut self) {
        let value = self.last();
        let gated = if self.below(2) == 0 {
            let gate = self.wire(sigmoid(), &[value]);
            self.wire(math::mul(), &[gate, value])
        } else {
            self.wire(nn::hard_swish(), &[value])
        };
        self.push(gated);
    }

    fn pool(&mut self) {
        let mut spec = self.window();
        if let PaddingSpec::Explicit(before, after) = &spec.padding
            && spec.dilations.as_ref().is_some_and(|dilations| dilations[0] == 1)
        {
            spec.padding = PaddingSpec::ExplicitOnnxPool(before.clone(), after.clone(), self.below(2) == 0);
        }
        let last = self.last();
        let value = match self.below(3) {
            0 => self.wire(SumPool { pool_spec: spec, count_include_pad: true, normalize: true }, &[last]),
            1 => self.wire(SumPool { pool_spec: spec, count_include_pad: false, normalize: true }, &[last]),
            _ => self.wire(MaxPool { pool_spec: spec, with_index_outputs: None }, &[last]),
        };
        self.push(value);
    }

    /// The newest value and the newest convolution of it.
    fn sum(&mut self) {
        let (value, shape) = (self.last(), self.shape());
        let [_, channels, ..] = shape;
        let spec = PoolSpec::new(DataFormat::NCHW, tvec![3, 3], PaddingSpec::SameUpper, None, None, channels, channels);
        self.convolve(spec, 1);
        let sum = self.wire(math::add(), &[value, self.last()]);
        self.push(sum);
    }

    fn concatenation(&mut self) {
        let value = self.last();
        self.convolution(1);
        let all = if self.values.len() > 1 && self.shape()[1] < 100 {
            vec![value, self.last(), self.values[0]]
        } else {
            vec![self.last(), self.last()]
        };
        let value = self.wire(TypedConcat { axis: 1 }, &all);
        self.push(value);
    }

    fn shuffle(&mut self) {
        let [_, channels, ..] = self.shape();
        if channels % 4 != 0 {
            return;
        }
        let (groups, half) = (channels.to_dim() / 4, 4.to_dim());
        let mut value = self.last();
        for op in [
            AxisOp::Reshape(1, tvec![channels.to_dim()], tvec![half.clone(), groups.clone()]),
            AxisOp::Move(1, 2),
            AxisOp::Reshape(1, tvec![groups, half], tvec![channels.to_dim()]),
        ] {
            value = self.wire(op, &[value]);
        }
        self.push(value);
        let (from, to) = (self.below(channels / 2), channels - self.below(channels / 4));
        let value = self.wire(Slice::new(1, from, to), &[value]);
        self.push(value);
    }

    fn normalisation(&mut self) {
        let shape = [1, self.shape()[1], 1, 1];
        let (scale, shift) = (self.tensor(&shape), self.tensor(&shape));
        let (scale, shift) = (self.constant(scale), self.constant(shift));
        let scaled = self.wire(math::mul(), &[scale, self.last()]);
        let value = self.wire(math::sub(), &[scaled, shift]);
        self.push(value);
    }

    fn pad(&mut self) {
        let mut pads = vec![(0, 0), (0, 0)];
        pads.extend((0..2).map(|_| (self.below(3), self.below(3))));
        let mode = PadMode::Constant(Arc::new(tensor0(0.0f32)));
        let value = self.wire(Pad { pads, mode }, &[self.last()]);
        self.push(value);
        if self.below(2) == 0 {
            self.convolution(1);
        }
    }

    fn mean(&mut self) -> OutletId {
        let [_, _, height, width] = self.shape();
        let sum = self.wire(Reduce::new(tvec![2, 3], Reducer::Sum), &[self.last()]);
        let pixels = self.scalar((height * width) as f32);
        self.wire(math::div(), &[sum, pixels])
    }

    fn squeeze_excite(&mut self) {
        let image = self.last();
        let mean = self.mean();
        let factors = self.wire(sigmoid(), &[mean]);
        let value = self.wire(math::mul(), &[image, factors]);
        self.push(value);
    }

    /// An operator that the kernels do not know.
    pub(super) fn elsewhere(&mut self) {
        let value = self.wire(math::tanh(), &[self.last()]);
        self.push(value);
    }

    /// Adds what many exporters leave of a dropout: the value as it is, and a mask of the elements that were kept. Gives the mask.
    pub(super) fn dropout(&mut self) -> OutletId {
        let value = self.wire(Dropout, &[self.last()]);
        self.push(value);
        OutletId::new(value.node, 1)
    }

    pub(super) fn model_with_output(mut self) -> TypedModel {
        let last = self.last();
        self.model.select_output_outlets(&[last]).unwrap();
        self.model
    }

    /// Ends in a mean or all pixels, and a matrix.
    pub(super) fn finish(mut self) -> TypedModel {
        let mut value = if self.below(2) == 0 { self.mean() } else { self.last() };
        let lengths: TVec<TDim> = self.model.outlet_fact(value).unwrap().shape[1..].into();
        let inputs = lengths.iter().product::<TDim>().to_usize().unwrap();
        value = self.wire(AxisOp::Reshape(1, lengths, tvec![inputs.to_dim()]), &[value]);
        let weights = self.tensor(&[7, inputs]);
        let weights = self.constant(weights);
        let axes = AxesMapping::from_strs(&["mk", "nk"], &["mn"]).unwrap();
        value = self.wire(EinSum::new(axes, f32::datum_type()), &[value, weights]);
        let bias = self.tensor(&[1, 7]);
        let bias = self.constant(bias);
        value = self.wire(math::add(), &[bias, value]);
        self.values.push(value);
        self.model_with_output()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Dropout;

impl Op for Dropout {
    fn name(&self) -> StaticName {
        "Dropout".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Dropout {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mask = Tensor::zero_dt(bool::datum_type(), inputs[0].shape())?;
        Ok(tvec![inputs[0].clone(), mask.into_tvalue()])
    }
}

impl TypedOp for Dropout {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![inputs[0].without_value(), bool::fact(inputs[0].shape.clone())])
    }

    as_op!();
}
