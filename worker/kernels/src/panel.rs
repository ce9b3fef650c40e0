//! Runs tiles over an image, panel by panel.

mod pack;

use std::ops::Range;

use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::layout::BLOCK;
use crate::table::{Kernels, TileKernel};
use crate::tile::{Place, Segment, Tiles};

pub(crate) use pack::{Reads, Rows};

/// A linear map from an image's pixels and taps to output channels, cut into panels: as many blocks of output channels
/// as a tile holds, with all weights that they need.
pub(crate) struct Panels {
    kernels: &'static Kernels,
    panels: Vec<Panel>,
    weights: Buffer,
    /// One for each output channel of each map, and zeros for a panel.
    bias: Buffer,
    /// Blocks of a map.
    blocks: usize,
    /// The block where the zeros begin.
    zeros: usize,
    step: Option<usize>,
}

/// One panel.
pub(crate) struct Panel {
    pub first_block: usize,
    pub blocks: usize,
    /// Output channels that it has weights for.
    width: usize,
    segments: Vec<Segment>,
    chunks: Vec<Chunk>,
    /// Where its weights are: those of one map after the other.
    weights: Range<usize>,
    /// Entry p computes p + 1 pixels.
    tiles: &'static [TileKernel],
    /// How most runs are cut, so that these need no divisions: a row of seven pixels takes hardly longer.
    usual: Cut,
}

impl Panel {
    /// Columns of a map that it has weights for.
    fn columns(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| chunk.columns.end)
    }
}

/// How a run is cut into tiles whose sizes differ by one pixel at most.
#[derive(Clone, Copy)]
struct Cut {
    pixels: usize,
    turns: usize,
    /// Tiles.
    count: usize,
    /// Pixels of a tile; so many have one more.
    size: usize,
    longer: usize,
    /// Bytes of the next panel that a tile fetches for each column.
    ahead: usize,
}

impl Cut {
    /// Of runs of so many pixels, so many of which use a panel one after the other.
    fn new(pixels: usize, turns: usize, width: usize, tiles: &[TileKernel]) -> Self {
        let count = pixels.div_ceil(tiles.len()).max(1);
        let ahead = (width * size_of::<f32>()).div_ceil(count * turns);
        Self { pixels, turns, count, size: pixels / count, longer: pixels % count, ahead }
    }
}

/// Some segments of a panel that are read by all tiles before the next ones are; meanwhile, sums wait in the output. So the weights stay
/// in the first-level cache until all tiles have read them.
#[derive(Debug, PartialEq)]
struct Chunk {
    segments: Range<usize>,
    /// Of all segments before, and of these.
    columns: Range<usize>,
}

/// Where a run of tiles reads and writes.
pub(crate) struct Run<'a> {
    /// Which of the maps it computes.
    pub map: usize,
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
    /// What comes last.
    pub activation: Activation,
    /// Which run it is of how many that use the panel one after the other.
    pub turn: (usize, usize),
}

impl Panels {
    /// The panels, in order of their output channels.
    pub fn iter(&self) -> std::slice::Iter<'_, Panel> {
        self.panels.iter()
    }

    /// Computes `run.pixels` pixels of one panel, in tiles whose sizes differ by one pixel at most.
    ///
    /// # Safety
    /// For each pixel, `input` must be valid for all that the panel reads (see [`Reads`]), `output` and, unless it is
    /// null, `residual` for 16 floats in each of the panel's blocks. `output` does not overlap the input; the residual may be the output itself, and does not overlap it
    /// otherwise.
    ///
    /// # Panics
    /// If the panels have a step, and pixels of the output are no blocks; or if they have none, and a pixel no offset.
    pub unsafe fn run(&self, panel: &Panel, run: &Run<'_>) {
        assert!(match self.step {
            Some(_) => run.output_step == BLOCK,
            None => run.offsets.len() >= run.pixels,
        });
        let bias = run.map * self.blocks + panel.first_block;
        let last = panel.chunks.len() - 1;
        let len = panel.columns() * panel.width;
        let weights = &self.weights[panel.weights.clone()][run.map * len..][..len];
        for (number, chunk) in panel.chunks.iter().enumerate() {
            let (is_first, is_last) = (number == 0, number == last);
            let (low, high) = if is_last { run.activation } else { Activation::None }.clamp();
            let tiles = Tiles {
                count: 0,
                input: run.input,
                offsets: run.offsets.as_ptr(),
                segments: panel.segments[chunk.segments.clone()].as_ptr(),
                segment_count: chunk.segments.len(),
                weights: weights[chunk.columns.start * panel.width..].as_ptr(),
                ahead: std::ptr::null(),
                ahead_step: 0,
                bias: self.bias[if is_first { bias } else { self.zeros } * BLOCK..].as_ptr(),
                place: Place { output: run.output, residual: if is_first { run.residual } else { run.output } },
                output_step: run.output_step,
                block_stride: run.block_stride,
                low,
                high,
            };
            // SAFETY: the caller grants input, residual and output for these pixels; weights and bias were packed for the chunk's segments
            // and the panel's blocks. What is added to the sums of a later chunk are those of the chunk before.
            unsafe { self.cover(panel, chunk.columns.len(), tiles, run) };
        }
        if run.activation.needs_pass() {
            for block in 0..panel.blocks {
                // SAFETY: the pixels that were just written.
                unsafe {
                    let output = run.output.add(block * run.block_stride);
                    (self.kernels.activate)(run.activation, output, run.pixels * BLOCK);
                }
            }
        }
    }

    /// Covers the pixels of a run with tiles of so many columns, the first of which are `tiles`.
    ///
    /// # Safety
    /// All that `tiles` names must be valid for the run's pixels and the panel's blocks.
    unsafe fn cover(&self, panel: &Panel, columns: usize, mut tiles: Tiles, run: &Run<'_>) {
        let (turn, turns) = run.turn;
        let is_usual = panel.usual.pixels == run.pixels && panel.usual.turns == turns;
        let cut = if is_usual { panel.usual } else { Cut::new(run.pixels, turns, panel.width, panel.tiles) };
        // The next panel, or the next map's first one, follows in memory. Each is read from far away the first time, which the
        // processor does not foresee. So all tiles of all turns together fetch it, each a part: all at once it would be in the way of
        // what they read.
        let tile_ahead = cut.ahead * columns;
        tiles.ahead_step = cut.ahead;
        tiles.ahead =
            tiles.weights.wrapping_add(panel.columns() * panel.width).wrapping_byte_add(turn * cut.count * tile_ahead);
        for (size, count) in [(cut.size + 1, cut.longer), (cut.size, cut.count - cut.longer)] {
            if count * size == 0 {
                continue;
            }
            tiles.count = count;
            // SAFETY: all tiles together have the run's pixels; the longer ones are no longer than the longest, because there are as many
            // as that takes.
            unsafe { panel.tiles[size - 1](&tiles) };
            let pixels = size * count;
            match self.step {
                Some(step) => tiles.input = tiles.input.wrapping_add(pixels * step),
                None => tiles.offsets = tiles.offsets.wrapping_add(pixels),
            }
            tiles.ahead = tiles.ahead.wrapping_byte_add(count * tile_ahead);
            tiles.place = tiles.place.after(pixels * tiles.output_step);
        }
    }
}
