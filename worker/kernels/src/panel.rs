//! Weights packed in the order in which tiles read them.

use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::table::{Kernels, TileKernel};
use crate::tile::{Place, Segment, Tiles};

/// A linear map from an image's pixels and taps to output channels, cut into panels: as many blocks of output channels
/// as a tile holds, with all weights that they need.
pub(crate) struct Panels {
    kernels: &'static Kernels,
    panels: Vec<Panel>,
    weights: Buffer,
    bias: Buffer,
    activation: Activation,
    step: Option<usize>,
}

/// One panel.
pub(crate) struct Panel {
    pub first_block: usize,
    pub blocks: usize,
    segments: Vec<Segment>,
    /// Where its weights are.
    weights: std::ops::Range<usize>,
    /// Entry p computes p + 1 pixels.
    tiles: &'static [TileKernel],
}

/// Floats that a panel reads at `offset` from each pixel; float i is multiplied with column `columns[i]` of the weights.
pub(crate) struct Reads {
    pub offset: usize,
    pub columns: Vec<usize>,
}

/// What panels are packed from.
pub(crate) struct Rows<'a> {
    pub outputs: usize,
    pub bias: Option<&'a [f32]>,
    pub activation: Activation,
    /// Floats from one pixel to the next in the input, one that [`Kernels::knows`], if the output's pixels are blocks, one
    /// after the other. Otherwise runs say where pixels are.
    pub step: Option<usize>,
    /// Blocks of output channels in a panel, if fewer than a tile holds are wanted.
    pub widest: usize,
}

/// Where a run of tiles reads and writes.
pub(crate) struct Run<'a> {
    pub input: *const f32,
    /// Where each pixel starts, in floats from `input`; read only if the panels have no step.
    pub offsets: &'a [usize],
    pub residual: *const f32,
    pub output: *mut f32,
    /// Floats from one block to the next, in residual and output.
    pub block_stride: usize,
    /// Floats from one pixel to the next, there; of a block, if the panels have a step.
    pub output_step: usize,
    pub pixels: usize,
}

impl Panels {
    /// Packs weights: `reads` tells what the given output channels read, `weight` is the factor for an output
    /// channel and column (0 where they are not connected).
    pub fn pack(
        isa: Isa,
        rows: &Rows<'_>,
        reads: impl Fn(std::ops::Range<usize>) -> Vec<Reads>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        assert!(rows.step.is_none_or(Kernels::knows));
        let kernels = isa.kernels();
        let blocks = rows.outputs.div_ceil(BLOCK);
        let outputs = |first: usize, blocks: usize| first * BLOCK..rows.outputs.min((first + blocks) * BLOCK);
        let mut bias = Buffer::zeroed(blocks * BLOCK);
        if let Some(values) = rows.bias {
            bias[..rows.outputs].copy_from_slice(values);
        }
        let widest = rows.widest.min(kernels.widest());
        // A last block of at most 8 channels is a panel of its own, of half the width.
        let half = (1..=BLOCK / 2).contains(&(rows.outputs % BLOCK));
        let whole = blocks - usize::from(half);
        let whole_panels = (0..whole).step_by(widest).map(|first| (first, widest.min(whole - first), BLOCK));
        let mut columns = Vec::new();
        let mut panels = Vec::new();
        let mut len = 0;
        for (first_block, blocks, block_len) in whole_panels.chain(half.then_some((whole, 1, BLOCK / 2))) {
            let reads = reads(outputs(first_block, blocks));
            let segments =
                reads.iter().map(|read| Segment { offset: read.offset, count: read.columns.len() }).collect();
            columns.push(reads.into_iter().flat_map(|read| read.columns).collect::<Vec<_>>());
            let width = blocks * block_len;
            let from = len;
            len += width * columns[panels.len()].len();
            let tiles = kernels.tiles(width, rows.step);
            panels.push(Panel { first_block, blocks, segments, weights: from..len, tiles });
        }
        // In one piece, of the right size from the start: while a model is loaded, this is what takes the most memory.
        let mut weights = Buffer::zeroed(len);
        for (panel, columns) in panels.iter().zip(&columns) {
            let width = panel.weights.len() / columns.len().max(1);
            for (packed, column) in weights[panel.weights.clone()].chunks_exact_mut(width.max(1)).zip(columns) {
                for (packed, output) in packed.iter_mut().zip(outputs(panel.first_block, panel.blocks)) {
                    *packed = weight(output, *column);
                }
            }
        }
        Self { kernels, panels, weights, bias, activation: rows.activation, step: rows.step }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Panel> {
        self.panels.iter()
    }

    /// Computes `run.pixels` pixels of one panel, in tiles whose sizes differ by one pixel at most.
    ///
    /// # Safety
    /// For each pixel, `input` must be valid for all that the panel reads (see [`Reads`]), `output` and, unless it is
    /// null, `residual` for 16 floats in each of the panel's blocks. `output` overlaps neither.
    ///
    /// # Panics
    /// If the panels have a step, and pixels of the output are no blocks; or if they have none, and a pixel no offset.
    pub unsafe fn run(&self, panel: &Panel, run: &Run<'_>) {
        assert!(match self.step {
            Some(_) => run.output_step == BLOCK,
            None => run.offsets.len() >= run.pixels,
        });
        let (low, high) = self.activation.clamp();
        let mut tiles = Tiles {
            count: 0,
            input: run.input,
            offsets: run.offsets.as_ptr(),
            segments: panel.segments.as_ptr(),
            segment_count: panel.segments.len(),
            weights: self.weights[panel.weights.clone()].as_ptr(),
            panel_len: panel.weights.len(),
            bias: self.bias[panel.first_block * BLOCK..].as_ptr(),
            place: Place { output: run.output, residual: run.residual },
            output_step: run.output_step,
            block_stride: run.block_stride,
            low,
            high,
        };
        let count = run.pixels.div_ceil(panel.tiles.len()).max(1);
        let (size, longer) = (run.pixels / count, run.pixels % count);
        for (size, count) in [(size + 1, longer), (size, count - longer)] {
            if count * size == 0 {
                continue;
            }
            tiles.count = count;
            // SAFETY: the caller grants input, residual and output for these pixels; weights and bias were packed for
            // this panel's segments and blocks. All tiles together have the run's pixels; the longer ones are no
            // longer than the longest, because there are as many as that takes.
            unsafe { panel.tiles[size - 1](&tiles) };
            let pixels = size * count;
            match self.step {
                Some(step) => tiles.input = tiles.input.wrapping_add(pixels * step),
                None => tiles.offsets = tiles.offsets.wrapping_add(pixels),
            }
            tiles.place = tiles.place.after(pixels * run.output_step);
        }
        if self.activation.needs_pass() {
            for block in 0..panel.blocks {
                // SAFETY: the pixels that were just written.
                unsafe {
                    let output = run.output.add(block * run.block_stride);
                    (self.kernels.activate)(self.activation, output, run.pixels * BLOCK);
                }
            }
        }
    }
}
