//! 3×3 convolutions with a quarter of the multiplications.
//!
//! Winograd's minimal filtering: a patch of 6×6 input pixels and a 3×3 filter are both turned into 36 values, one for
//! each pair of points, whose products, summed over input channels, turn back into 4×4 output pixels. So instead of 9
//! multiplications for each output pixel, input and output channel there are 36/16, and the sum over channels is 36
//! matrix products of patches × channels: the same tiles as a pointwise convolution. Rounding errors
//! are about 1.5 times those of the direct sum (see `transform`).
//!
//! Where fours do not fit, patches have three output pixels and five points: 13×13 pixels are 4+3+3+3 each way, which takes
//! 21×21 products instead of the 24×24 of four fours.

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
use crate::transform::{BESIDES, Backward, Forward, POINTS, SHORT, Side, Values, WHOLE, filter};

/// Values of a whole patch.
const VALUES: usize = POINTS * POINTS;
/// Transformed weights are four times as many; beyond this many floats, fetching them costs more than is saved.
const WEIGHTS: usize = 3 * 1024 * 1024;

/// A 3×3 convolution of stride 1.
pub(crate) struct Winograd {
    kernels: &'static Kernels,
    input: Shape,
    output: Shape,
    border: Border,
    /// A map of channels for each value.
    maps: Panels,
    bias: Buffer,
    activation: Activation,
    columns: Side,
    rows: Side,
    /// Rows of patches that are worked on at a time.
    strip: usize,
    /// Blocks of the widest panel.
    widest: usize,
}

impl Winograd {
    /// Whether this is a convolution that it computes, and faster than the direct sum.
    pub fn suits(spec: &ConvolutionSpec<'_>) -> bool {
        let window = Window { padding: [0; 4], ..spec.window };
        let weights = VALUES * spec.input.channels * spec.outputs;
        let pixels = spec.window.output(spec.input.height, spec.input.width).unwrap_or([0; 2]);
        window == Window::square(3, 1, 0)
            && spec.source == Source::Blocked
            && spec.groups == 1
            && spec.input.channels.min(spec.outputs) >= BLOCK
            && weights <= WEIGHTS
            && pixels.iter().all(|pixels| *pixels >= 2 * WHOLE)
    }

    /// Transforms and packs the weights.
    pub fn new(isa: Isa, spec: &ConvolutionSpec<'_>) -> Result<Self, Unsupported> {
        spec.check()?;
        let ConvolutionSpec { input, outputs, window, .. } = *spec;
        let [height, width] = window.output(input.height, input.width)?;
        let output = Shape::new(outputs, height, width);
        let (columns, rows) = (Side::new(width), Side::new(height));
        let widest = isa.kernels().widest().min(output.blocks());
        let per_row = VALUES * columns.patches * (input.blocks() + widest) * BLOCK;
        let strip = (cache::strip() / per_row).clamp(1, rows.patches);
        let filter = |g: &[f32]| filter(std::array::from_fn(|tap| f64::from(g[tap]))).map(|value| value as f32);
        let filters: Vec<[f32; VALUES]> = spec.weights.chunks_exact(9).map(filter).collect();
        let plane = strip * columns.patches * BLOCK;
        let map = Rows {
            outputs,
            bias: None,
            step: Some(BLOCK),
            widest: usize::MAX,
            chunked: true,
            maps: VALUES,
            usual: (strip * columns.patches, 1),
        };
        let reads = |_| {
            let blocks = 0..input.blocks();
            let channels = |block: usize| block * BLOCK..input.channels.min((block + 1) * BLOCK);
            blocks.map(|block| Reads { offset: block * plane, columns: channels(block).collect() }).collect()
        };
        let maps = Panels::pack(isa, &map, reads, |value, output| {
            let filters = &filters[output * input.channels..][..input.channels];
            move |channel: usize| filters[channel][value]
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
            bordered: width + BESIDES,
        };
        let (kernels, activation) = (isa.kernels(), spec.activation);
        Ok(Self { kernels, input, output, border, maps, bias, activation, columns, rows, strip, widest })
    }

    /// Computes one image; slices have the lengths of the shapes.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut Buffer) {
        let copied = self.strip * WHOLE + BESIDES;
        let plane = self.strip * self.columns.patches * BLOCK;
        let lens = [self.border.len(copied), VALUES * self.input.blocks() * plane, VALUES * self.widest * plane];
        let (copy, rest) = scratch.at_least(lens.iter().sum()).split_at_mut(lens[0]);
        let (spread, sums) = rest.split_at_mut(lens[1]);
        for first in (0..self.rows.patches).step_by(self.strip) {
            let top = self.rows.start(first);
            let strip = Strip { first, rows: self.rows.part(first, self.strip), plane };
            self.border.copy(input, top..top + copied, copy);
            self.forward(copy, &strip, spread);
            for panel in self.maps.iter() {
                self.multiply(panel, spread, &strip, sums);
                self.backward(panel, sums, &strip, residual, output);
            }
        }
        if self.activation.needs_pass() {
            // SAFETY: a blocked image is a whole number of blocks; the tables are of this processor.
            unsafe { (self.kernels.activate)(self.activation, output.as_mut_ptr(), output.len()) };
        }
    }

    /// All blocks of a strip from pixels to values.
    fn forward(&self, copy: &[f32], strip: &Strip, spread: &mut [f32]) {
        let row = self.border.bordered * BLOCK;
        let copy_plane = copy.len() / self.border.planes;
        for block in 0..self.input.blocks() {
            let values = spread[block * strip.plane..].as_mut_ptr();
            for y in 0..strip.rows.patches {
                let first = self.row_starts(y).map(|at| values.wrapping_add(at));
                let op = Forward {
                    input: copy[block * copy_plane + strip.rows.start(y) * row..].as_ptr(),
                    row,
                    height: strip.height(y),
                    columns: self.columns,
                    values: Values { first, point: self.input.blocks() * strip.plane },
                };
                // SAFETY: the copy has all pixels that the strip's patches read in each block, `spread` a plane for
                // each block and value, where `values` tells. The tables are of this processor.
                unsafe { (self.kernels.forward)(&op) };
            }
        }
    }

    /// The sums over input channels, value by value.
    fn multiply(&self, panel: &Panel, spread: &[f32], strip: &Strip, sums: &mut [f32]) {
        let (from, to) = (self.input.blocks() * strip.plane, panel.blocks * strip.plane);
        for value in 0..VALUES {
            let run = Run {
                map: value,
                input: spread[value * from..].as_ptr(),
                offsets: &[],
                residual: std::ptr::null(),
                output: sums[value * to..].as_mut_ptr(),
                block_stride: strip.plane,
                output_step: BLOCK,
                pixels: strip.rows.having(value / POINTS) * self.columns.having(value % POINTS),
                activation: Activation::None,
                turn: (0, 1),
            };
            // SAFETY: there is a plane for each value and block of the input and of the panel, and a strip has as many
            // patches as a plane at most.
            unsafe { self.maps.run(panel, &run) };
        }
    }

    /// The blocks of a panel of a strip from values to output pixels.
    fn backward(&self, panel: &Panel, sums: &[f32], strip: &Strip, residual: Option<&[f32]>, output: &mut [f32]) {
        let (low, high) = self.activation.clamp();
        let row = self.output.width * BLOCK;
        for block in 0..panel.blocks {
            let channels = panel.first_block + block;
            let values = sums[block * strip.plane..].as_ptr();
            for y in 0..strip.rows.patches {
                let first = self.row_starts(y).map(|at| values.wrapping_add(at));
                let at = channels * self.output.plane() + self.rows.start(strip.first + y) * row;
                let op = Backward {
                    values: Values { first, point: panel.blocks * strip.plane },
                    height: strip.height(y),
                    columns: self.columns,
                    bias: self.bias[channels * BLOCK..].as_ptr(),
                    residual: residual.map_or(std::ptr::null(), |residual| residual[at..].as_ptr()),
                    output: output[at..].as_mut_ptr(),
                    row,
                    low,
                    high,
                };
                // SAFETY: as for `forward`; all patches together are the pixels of the output and of the residual.
                unsafe { (self.kernels.backward)(&op) };
            }
        }
    }

    /// Where a row of patches begins in a plane: of a value that all of its patches have, and of one that whole ones have.
    fn row_starts(&self, y: usize) -> [usize; 2] {
        [self.columns.patches, self.columns.whole].map(|columns| y * columns * BLOCK)
    }
}

/// Some rows of patches.
struct Strip {
    first: usize,
    rows: Side,
    /// Floats of a block's patches for one value: those that have it, without gaps.
    plane: usize,
}

impl Strip {
    /// Output pixels of the height of a row's patches.
    fn height(&self, y: usize) -> usize {
        if y < self.rows.whole { WHOLE } else { SHORT }
    }
}
