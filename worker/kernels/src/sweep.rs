//! Runs a channelwise op over an image through a ring of rows.
//!
//! A depthwise convolution by itself does little with each value that it loads. So the rows that it reads come from a
//! ring that holds only as many rows of one group of channels as its window covers, and stays in the first-level
//! cache: filled row by row either by copying, or by the convolution before it, whose output then never goes to
//! memory. Each row is made once. The ring has the border that the window needs. Where it needs none, there is nothing to copy: the rows
//! are read where they are.

use crate::buffer::Buffer;
use crate::channelwise::Channelwise;
use crate::convolution::ConvolutionSpec;
use crate::direct::{Direct, View};
use crate::fold::Row;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::panel::Panel;
use crate::shape::{Shape, Unsupported, check_len};

/// Floats of a ring of two blocks that still leave room for the other operands in the first-level cache.
const RING: usize = 4 * 1024;

/// A channelwise op, alone or fused with the convolution before it.
pub struct Sweep {
    before: Option<Direct>,
    op: Channelwise,
    /// Rows of the ring, one for each row under the window, and pixels of each.
    slots: usize,
    row_pixels: usize,
}

impl Sweep {
    /// The op by itself.
    pub fn alone(op: Channelwise) -> Self {
        Self::new(None, op)
    }

    /// The op applied to the output of a convolution.
    pub fn after(isa: Isa, before: &ConvolutionSpec<'_>, op: Channelwise) -> Result<Self, Unsupported> {
        // Two blocks at once, unless their rows would push each other out of the first-level cache.
        let widest = if op.row_pixels() * op.window.reach(0) * 2 * BLOCK > RING { 1 } else { usize::MAX };
        // One strip: the ring asks for all rows in turn, once for each group of channels.
        let before = Direct::cut(isa, before, None, widest)?;
        if before.output() != op.input {
            let (output, input) = (before.output(), op.input);
            return Err(Unsupported::new(format!("a convolution makes {output:?}, the next op takes {input:?}")));
        }
        Ok(Self::new(Some(before), op))
    }

    fn new(before: Option<Direct>, op: Channelwise) -> Self {
        Self { before, slots: op.window.reach(0), row_pixels: op.row_pixels(), op }
    }

    /// The input, of the convolution if there is one.
    pub fn input(&self) -> Shape {
        self.before.as_ref().map_or(self.op.input, Direct::input)
    }

    /// The output; blocked.
    pub fn output(&self) -> Shape {
        self.op.output
    }

    /// Floats of the input, in its layout.
    pub fn input_len(&self) -> usize {
        self.before.as_ref().map_or(self.op.input.blocked_len(), Direct::input_len)
    }

    /// Computes one image.
    ///
    /// # Panics
    /// If a slice does not have the length that the shapes imply.
    pub fn run(&self, input: &[f32], output: &mut [f32], scratch: &mut Buffer) {
        check_len("the input of a sweep", input.len(), self.input_len());
        check_len("the output of a sweep", output.len(), self.op.output.blocked_len());
        let in_place = self.before.is_none() && self.stays_in_rows();
        let ring_len = if in_place { 0 } else { self.op.kernels.widest() * self.block_len() };
        let view_len = self.before.as_ref().map_or(0, Direct::view_len);
        // The ring, a row of border, and the convolution's bordered input.
        let (ring, view) =
            scratch.at_least(ring_len + self.row_len() + view_len).split_at_mut(ring_len + self.row_len());
        ring.fill(self.op.border());
        let (ring, border) = ring.split_at_mut(ring_len);
        match &self.before {
            None if in_place => {
                let row_len = self.op.input.width * BLOCK;
                let mut rows = Vec::new();
                for (block, plane) in input.chunks_exact(self.op.input.plane()).enumerate() {
                    for y in 0..self.op.output.height {
                        let row = |row: usize| &plane[row * row_len..][..row_len];
                        self.output_row((block, y), row, border, &mut rows, output);
                    }
                }
            }
            None => {
                for (block, plane) in input.chunks_exact(self.op.input.plane()).enumerate() {
                    self.group(block..block + 1, ring, border, output, |row, ring| {
                        let len = self.op.input.width * BLOCK;
                        ring[..len].copy_from_slice(&plane[row * len..][..len]);
                    });
                }
            }
            Some(convolution) => {
                let view = convolution.view(input, 0, view);
                for panel in convolution.panels() {
                    let blocks = panel.first_block..panel.first_block + panel.blocks;
                    self.group(blocks, ring, border, output, |row, ring| {
                        self.convolve(convolution, panel, &view, row, ring);
                    });
                }
            }
        }
    }

    /// Whether windows stay within the rows of the input.
    fn stays_in_rows(&self) -> bool {
        self.row_pixels <= self.op.input.width && self.op.window.padding[1] == 0
    }

    /// Floats of a ring row, and of all ring rows of a block.
    fn row_len(&self) -> usize {
        self.row_pixels * BLOCK
    }

    fn block_len(&self) -> usize {
        self.slots * self.row_len()
    }

    /// Sweeps over one group of blocks. `produce` writes an input row into the ring, which it gets from the place of
    /// the first block's first pixel on.
    fn group(
        &self,
        blocks: std::ops::Range<usize>,
        ring: &mut [f32],
        border: &[f32],
        output: &mut [f32],
        mut produce: impl FnMut(usize, &mut [f32]),
    ) {
        let op = &self.op;
        let [top, left, ..] = op.window.padding;
        let mut rows = Vec::new();
        let mut next = 0;
        for y in 0..op.output.height {
            let first = y * op.window.stride[0];
            let end = (first + self.slots).saturating_sub(top).min(op.input.height);
            next = next.max(first.saturating_sub(top));
            while next < end {
                produce(next, &mut ring[next % self.slots * self.row_len() + left * BLOCK..]);
                next += 1;
            }
            for (i, block) in blocks.clone().enumerate() {
                let block_ring = &ring[i * self.block_len()..][..self.block_len()];
                let row = |row: usize| &block_ring[row % self.slots * self.row_len()..][..self.row_len()];
                self.output_row((block, y), row, border, &mut rows, output);
            }
        }
    }

    /// Computes row `y` of a block of the output from the rows of the input under its window, each with all pixels that windows touch:
    /// `row` gives them, `border` is what is beyond. `rows` is room for their places.
    fn output_row<'r>(
        &self,
        (block, y): (usize, usize),
        row: impl Fn(usize) -> &'r [f32],
        border: &'r [f32],
        rows: &mut Vec<*const f32>,
        output: &mut [f32],
    ) {
        let op = &self.op;
        let (first, top) = (y * op.window.stride[0], op.window.padding[0]);
        rows.clear();
        rows.extend((0..op.window.kernel[0]).map(|tap| {
            let under = (first + tap * op.window.dilation[0]).checked_sub(top).filter(|row| *row < op.input.height);
            let row = under.map_or(border, &row);
            assert!(row.len() >= self.row_len(), "a row is too short for its windows");
            row.as_ptr()
        }));
        let out_row = op.output.width * BLOCK;
        let output = &mut output[block * op.output.plane() + y * out_row..][..out_row];
        self.fold(block, rows, output);
        op.finish(y, output);
    }

    /// One output row of one block from the rows under its window.
    fn fold(&self, block: usize, rows: &[*const f32], output: &mut [f32]) {
        let op = &self.op;
        let (low, high) = op.activation.clamp();
        let operands = Row {
            rows: rows.as_ptr(),
            kernel: op.window.kernel,
            stride: op.window.stride[1],
            dilation: op.window.dilation[1],
            weights: op.weights(block),
            bias: op.bias(block),
            output: output.as_mut_ptr(),
            pixels: op.output.width,
            low,
            high,
        };
        // SAFETY: `rows` has a row for each vertical tap, each with the pixels that `output.width` windows touch; the
        // weights and biases are those of a block, `output` is a row. The kernel is of this processor.
        unsafe { (op.kernel)(&operands) };
    }

    /// One row of the convolution's output, for the blocks of a panel, into the ring.
    fn convolve(&self, convolution: &Direct, panel: &Panel, view: &View, row: usize, ring: &mut [f32]) {
        let needed = (panel.blocks - 1) * self.block_len() + self.op.input.width * BLOCK;
        assert!(ring.len() >= needed && row < self.op.input.height, "the ring is too small for row {row}");
        // SAFETY: the view holds all rows of the input; the ring was just checked to hold a row for each block.
        unsafe { convolution.row(panel, view, row, ring.as_mut_ptr(), self.block_len()) };
    }
}
