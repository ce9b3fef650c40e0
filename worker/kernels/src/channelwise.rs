//! Ops that treat every channel by itself: depthwise convolutions and pools.

use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::shape::{Shape, Unsupported, Window};
use crate::table::{Kernels, RowKernel};

/// What a depthwise convolution is made from.
#[derive(Debug, Clone, Copy)]
pub struct DepthwiseSpec<'a> {
    /// The input; the output has as many channels.
    pub input: Shape,
    /// The window.
    pub window: Window,
    /// Channels × taps.
    pub weights: &'a [f32],
    /// One for each channel.
    pub bias: Option<&'a [f32]>,
    /// What comes last.
    pub activation: Activation,
}

/// A depthwise convolution or a pool, for one instruction set and one input shape. A [`Sweep`](crate::Sweep) runs it.
pub struct Channelwise {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) window: Window,
    pub(crate) kernel: RowKernel,
    pub(crate) kernels: &'static Kernels,
    /// Per block, 16 floats for each tap; empty for a maximum.
    weights: Buffer,
    /// Per block, 16 floats.
    bias: Buffer,
    pub(crate) activation: Activation,
    maximum: bool,
    /// For averages over taps inside of the image only: how many those are.
    counted: Option<Counted>,
}

/// Taps inside of the image, for each output row and each output column.
struct Counted {
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl Channelwise {
    /// A convolution with one filter for each channel.
    pub fn depthwise(isa: Isa, spec: &DepthwiseSpec<'_>) -> Result<Self, Unsupported> {
        let (channels, taps) = (spec.input.channels, spec.window.taps());
        if spec.weights.len() != channels * taps {
            let actual = spec.weights.len();
            return Err(Unsupported::new(format!("{actual} weights for {channels} channels of {taps} taps")));
        }
        if let Some(bias) = spec.bias.filter(|bias| bias.len() != channels) {
            return Err(Unsupported::new(format!("{} biases for {channels} channels", bias.len())));
        }
        let mut op = Self::new(isa, spec.input, spec.window, false)?;
        for (channel, filter) in spec.weights.chunks_exact(taps).enumerate() {
            let (block, lane) = (channel / BLOCK, channel % BLOCK);
            for (tap, weight) in filter.iter().enumerate() {
                op.weights[(block * taps + tap) * BLOCK + lane] = *weight;
            }
            op.bias[channel] = spec.bias.map_or(0.0, |bias| bias[channel]);
        }
        op.activation = spec.activation;
        Ok(op)
    }

    /// The largest value under the window; what lies outside of the image does not count.
    pub fn max_pool(isa: Isa, input: Shape, window: Window) -> Result<Self, Unsupported> {
        Self::new(isa, input, window, true)
    }

    /// The mean under the window. What lies outside of the image counts as zeros if `count_padding`, else not at all.
    pub fn average_pool(isa: Isa, input: Shape, window: Window, count_padding: bool) -> Result<Self, Unsupported> {
        let mut op = Self::new(isa, input, window, false)?;
        if count_padding || window.padding == [0; 4] {
            op.weights.fill(1.0 / window.taps() as f32);
        } else {
            op.weights.fill(1.0);
            let inside = |axis: usize, outputs: usize, length: usize| {
                let before = window.padding[axis];
                let count = |output: usize| {
                    let taps =
                        (0..window.kernel[axis]).map(|tap| output * window.stride[axis] + tap * window.dilation[axis]);
                    // At least one, so that a window wholly outside gives 0 rather than 0/0.
                    taps.filter(|at| (before..before + length).contains(at)).count().max(1) as f32
                };
                (0..outputs).map(count).collect()
            };
            let rows = inside(0, op.output.height, input.height);
            op.counted = Some(Counted { rows, columns: inside(1, op.output.width, input.width) });
        }
        Ok(op)
    }

    fn new(isa: Isa, input: Shape, window: Window, maximum: bool) -> Result<Self, Unsupported> {
        let [height, width] = window.output(input.height, input.width)?;
        if input.channels == 0 {
            return Err(Unsupported::new("an image without channels"));
        }
        let weights = if maximum { 0 } else { input.blocks() * window.taps() * BLOCK };
        Ok(Self {
            input,
            output: Shape::new(input.channels, height, width),
            window,
            kernel: isa.kernels().row(maximum, window),
            kernels: isa.kernels(),
            weights: Buffer::zeroed(weights),
            bias: Buffer::zeroed(input.blocks() * BLOCK),
            activation: Activation::None,
            maximum,
            counted: None,
        })
    }

    /// Pixels of a row that holds the image and all that the windows touch.
    pub(crate) fn row_pixels(&self) -> usize {
        self.window.touched(1, self.output.width).max(self.window.padding[1] + self.input.width)
    }

    /// What the border around the image holds.
    pub(crate) fn border(&self) -> f32 {
        if self.maximum { f32::NEG_INFINITY } else { 0.0 }
    }

    /// The weights of one block.
    pub(crate) fn weights(&self, block: usize) -> *const f32 {
        if self.maximum { std::ptr::null() } else { self.weights[block * self.window.taps() * BLOCK..].as_ptr() }
    }

    /// The biases of one block.
    pub(crate) fn bias(&self, block: usize) -> *const f32 {
        self.bias[block * BLOCK..].as_ptr()
    }

    /// What is left to do with row `y` of a block after the kernel.
    pub(crate) fn finish(&self, y: usize, row: &mut [f32]) {
        if let Some(counted) = &self.counted {
            for (pixel, columns) in row.chunks_exact_mut(BLOCK).zip(&counted.columns) {
                let factor = 1.0 / (columns * counted.rows[y]);
                pixel.iter_mut().for_each(|value| *value *= factor);
            }
        }
        if self.activation.needs_pass() {
            // SAFETY: the whole row, which is a whole number of blocks.
            unsafe { (self.kernels.activate)(self.activation, row.as_mut_ptr(), row.len()) };
        }
    }
}
