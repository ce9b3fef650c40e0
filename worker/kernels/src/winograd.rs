//! 3×3 convolutions with a quarter of the multiplications.
//!
//! Winograd's minimal filtering: a patch of 6×6 input pixels and a 3×3 filter are both turned into 36 values
//! ("positions"), whose products, summed over input channels, turn back into 4×4 output pixels. So instead of 9
//! multiplications for each output pixel, input and output channel there are 36/16, and the sum over channels is 36
//! matrix products of patches × channels: the same tiles as a pointwise convolution. Rounding errors
//! are about 1.5 times those of the direct sum (see `transform`).

use crate::activation::Activation;
use crate::border::Border;
use crate::buffer::Buffer;
use crate::cache;
use crate::convolution::{ConvolutionSpec, Source};
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::panel::{Panel, Panels, Reads, Rows, Run};
use crate::shape::{Shape, Unsupported, Window};
use crate::table::Kernels;
use crate::transform::{Backward, Forward, PATCH, TILE, filter};

/// Values of a patch.
const POSITIONS: usize = PATCH * PATCH;
/// Transformed weights are four times as many; beyond this many floats, fetching them costs more than is saved.
const WEIGHTS: usize = 3 * 1024 * 1024;

/// A 3×3 convolution of stride 1.
pub(crate) struct Winograd {
    kernels: &'static Kernels,
    input: Shape,
    output: Shape,
    border: Border,
    /// A map of channels for each position.
    positions: Panels,
    bias: Buffer,
    activation: Activation,
    /// Patches side by side; rows of patches in all and in a strip.
    columns: usize,
    rows: usize,
    strip: usize,
    /// Blocks of the widest panel.
    widest: usize,
}

impl Winograd {
    /// Whether this is a convolution that it computes, and faster than the direct sum.
    pub fn suits(spec: &ConvolutionSpec<'_>) -> bool {
        let window = Window { padding: [0; 4], ..spec.window };
        let weights = POSITIONS * spec.input.channels * spec.outputs;
        let pixels = spec.window.output(spec.input.height, spec.input.width).unwrap_or([0; 2]);
        window == Window::square(3, 1, 0)
            && spec.source == Source::Blocked
            && spec.groups == 1
            && spec.input.channels.min(spec.outputs) >= BLOCK
            && weights <= WEIGHTS
            && pixels.iter().all(|pixels| *pixels >= 2 * TILE)
    }

    /// Transforms and packs the weights.
    pub fn new(isa: Isa, spec: &ConvolutionSpec<'_>) -> Result<Self, Unsupported> {
        spec.check()?;
        let ConvolutionSpec { input, outputs, window, .. } = *spec;
        let [height, width] = window.output(input.height, input.width)?;
        let output = Shape::new(outputs, height, width);
        let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
        let widest = isa.kernels().widest().min(output.blocks());
        let per_row = POSITIONS * columns * (input.blocks() + widest) * BLOCK;
        let strip = (cache::strip() / per_row).clamp(1, rows);
        let filter = |g: &[f32]| filter(std::array::from_fn(|tap| f64::from(g[tap]))).map(|value| value as f32);
        let filters: Vec<[f32; POSITIONS]> = spec.weights.chunks_exact(9).map(filter).collect();
        let plane = strip * columns * BLOCK;
        let map = Rows {
            outputs,
            bias: None,
            activation: Activation::None,
            step: Some(BLOCK),
            widest: usize::MAX,
            chunked: true,
            maps: POSITIONS,
            usual: (strip.min(rows) * columns, 1),
        };
        let reads = |_| {
            let blocks = 0..input.blocks();
            let channels = |block: usize| block * BLOCK..input.channels.min((block + 1) * BLOCK);
            blocks.map(|block| Reads { offset: block * plane, columns: channels(block).collect() }).collect()
        };
        let positions = Panels::pack(isa, &map, reads, |position, output| {
            let filters = &filters[output * input.channels..][..input.channels];
            move |channel: usize| filters[channel][position]
        });
        let mut bias = Buffer::zeroed(output.blocks() * BLOCK);
        if let Some(values) = spec.bias {
            bias[..outputs].copy_from_slice(values);
        }
        let [top, left, ..] = window.padding;
        let border = Border {
            planes: input.blocks(),
            height: input.height,
            width: input.width,
            unit: BLOCK,
            top,
            left,
            bordered: columns * TILE + PATCH - TILE,
        };
        let (kernels, activation) = (isa.kernels(), spec.activation);
        Ok(Self { kernels, input, output, border, positions, bias, activation, columns, rows, strip, widest })
    }

    /// Computes one image; slices have the lengths of the shapes.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut Buffer) {
        let strip_rows = self.strip * TILE + PATCH - TILE;
        let plane = self.strip * self.columns * BLOCK;
        let lens = [
            self.border.len(strip_rows),
            POSITIONS * self.input.blocks() * plane,
            POSITIONS * self.widest * plane,
        ];
        let (copy, rest) = scratch.at_least(lens.iter().sum()).split_at_mut(lens[0]);
        let (spread, sums) = rest.split_at_mut(lens[1]);
        for first in (0..self.rows).step_by(self.strip) {
            let rows = self.strip.min(self.rows - first);
            self.border.copy(input, first * TILE..first * TILE + strip_rows, copy);
            self.forward(copy, rows, plane, spread);
            for panel in self.positions.iter() {
                self.multiply(panel, spread, rows * self.columns, plane, sums);
                self.backward(panel, sums, first, rows, plane, residual, output);
            }
        }
        if self.activation.needs_pass() {
            // SAFETY: a blocked image is a whole number of blocks; the tables are of this processor.
            unsafe { (self.kernels.activate)(self.activation, output.as_mut_ptr(), output.len()) };
        }
    }

    /// All blocks of a strip from pixels to positions. Planes of blocks lie `plane` floats apart.
    fn forward(&self, copy: &[f32], rows: usize, plane: usize, spread: &mut [f32]) {
        let row = self.border.bordered * BLOCK;
        let copy_plane = copy.len() / self.border.planes;
        let position = self.input.blocks() * plane;
        for block in 0..self.input.blocks() {
            for y in 0..rows {
                let op = Forward {
                    input: copy[block * copy_plane + y * TILE * row..].as_ptr(),
                    row,
                    patches: self.columns,
                    output: spread[block * plane + y * self.columns * BLOCK..].as_mut_ptr(),
                    position,
                };
                // SAFETY: the copy has `strip · 4 + 2` rows of `columns · 4 + 2` pixels in each block, `spread` a
                // patch for each of the strip's in each block and position. The tables are of this processor.
                unsafe { (self.kernels.forward)(&op) };
            }
        }
    }

    /// The sums over input channels, position by position.
    fn multiply(&self, panel: &Panel, spread: &[f32], patches: usize, plane: usize, sums: &mut [f32]) {
        let (from, to) = (self.input.blocks() * plane, panel.blocks * plane);
        for position in 0..POSITIONS {
            let run = Run {
                map: position,
                input: spread[position * from..].as_ptr(),
                offsets: &[],
                residual: std::ptr::null(),
                output: sums[position * to..].as_mut_ptr(),
                block_stride: plane,
                output_step: BLOCK,
                pixels: patches,
                turn: (0, 1),
            };
            // SAFETY: a position has `plane` floats for each block of the input and of the panel, and patches
            // are at most the strip's.
            unsafe { self.positions.run(panel, &run) };
        }
    }

    /// All blocks of a strip from positions to output pixels.
    fn backward(
        &self,
        panel: &Panel,
        sums: &[f32],
        first: usize,
        rows: usize,
        plane: usize,
        residual: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let (low, high) = self.activation.clamp();
        let row = self.output.width * BLOCK;
        for (in_panel, block) in (panel.first_block..panel.first_block + panel.blocks).enumerate() {
            for y in 0..rows {
                let top = (first + y) * TILE;
                let at = block * self.output.plane() + top * row;
                let op = Backward {
                    input: sums[in_panel * plane + y * self.columns * BLOCK..].as_ptr(),
                    position: panel.blocks * plane,
                    patches: self.columns,
                    bias: self.bias[block * BLOCK..].as_ptr(),
                    residual: residual.map_or(std::ptr::null(), |residual| residual[at..].as_ptr()),
                    output: output[at..].as_mut_ptr(),
                    row,
                    height: self.output.height - top,
                    width: self.output.width,
                    low,
                    high,
                };
                // SAFETY: as for `forward`; only pixels within `height` and `width` are touched, and those the
                // output and the residual have from `at` on. A row of patches starts within both.
                unsafe { (self.kernels.backward)(&op) };
            }
        }
    }
}
