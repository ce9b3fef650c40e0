//! Runs a channelwise op over an image through a ring of rows.
//!
//! A depthwise convolution by itself does little with each value that it loads. So the rows that it reads come from a
//! ring that holds only as many rows of one group of channels as a few windows cover, and stays in the first-level
//! cache: filled row by row either by copying, or by the convolution before it, whose output then never goes to
//! memory. Each row is made once. The ring has the border that the window needs. Where it needs none, there is nothing to copy: the rows
//! are read where they are.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::cache;
use crate::channelwise::Channelwise;
use crate::convolution::ConvolutionSpec;
use crate::direct::{Direct, Strips, View};
use crate::fold::Rows;
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::panel::Panel;
use crate::shape::{Shape, Unsupported, check_len};

/// Floats of a ring of two blocks, at most: 48 KiB.
const RING: usize = 12 * 1024;

/// A channelwise op, alone or fused with the convolution before it.
pub struct Sweep {
    before: Option<Direct>,
    op: Channelwise,
    /// Where the rows under the windows are in the memory of a block, from the one under the first window's first tap on. Those beyond the
    /// image have one place, which holds border.
    places: Vec<usize>,
    /// Floats of the memory of a block: its ring, or its plane of the input.
    block_len: usize,
    in_place: bool,
    /// Output rows that are computed together.
    together: usize,
}

/// The memory that a sweep works in.
pub(crate) struct Room<'a> {
    rings: &'a mut [f32],
    owners: Owners,
    /// The convolution's bordered input.
    view: &'a mut [f32],
}

/// Whose a ring is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Owners {
    /// Each panel has it in turn.
    Panels,
    /// Each block has one to itself, in which its rows stay from strip to strip.
    Blocks,
}

/// Where some rows are written.
pub(crate) struct Strip<'a> {
    /// Output rows.
    pub rows: Range<usize>,
    /// Every plane starts with the first of them.
    pub output: &'a mut [f32],
    /// Floats of a block's plane.
    pub plane: usize,
}

impl Sweep {
    /// The op by itself.
    pub fn alone(op: Channelwise) -> Self {
        if op.window.padding != [0; 4] {
            return Self::in_ring(None, op);
        }
        let row = op.input.width * BLOCK;
        let places = (0..op.window.touched(0, op.output.height)).map(|y| y * row).collect();
        Self { before: None, places, block_len: op.input.plane(), in_place: true, together: op.output.height, op }
    }

    /// The op applied to the output of a convolution.
    pub fn after(isa: Isa, before: &ConvolutionSpec<'_>, op: Channelwise) -> Result<Self, Unsupported> {
        // One strip: the ring asks for all rows in turn, once for each group of channels.
        Self::in_strips(isa, before, op, usize::MAX)
    }

    /// The same, whose rows are computed by [`strip`](Self::strip), so many at a time.
    pub(crate) fn in_strips(
        isa: Isa,
        before: &ConvolutionSpec<'_>,
        op: Channelwise,
        rows: usize,
    ) -> Result<Self, Unsupported> {
        // Two blocks at once, unless their rows would push each other out of any first-level cache. How sums are rounded depends on it.
        let widest = if op.row_pixels() * op.window.reach(0) * 2 * BLOCK > RING { 1 } else { usize::MAX };
        // The first strip needs all rows that its windows touch, later ones as many as these move on by.
        let rows = rows.min(op.output.height);
        let rows = op.window.touched(0, rows).max(rows * op.window.stride[0]);
        let before = Direct::cut(isa, before, Strips::Rows(rows), widest)?;
        if before.output() != op.input {
            let (output, input) = (before.output(), op.input);
            return Err(Unsupported::new(format!("a convolution makes {output:?}, the next op takes {input:?}")));
        }
        Ok(Self::in_ring(Some(before), op))
    }

    fn in_ring(before: Option<Direct>, op: Channelwise) -> Self {
        let (row_len, height) = (op.row_pixels() * BLOCK, op.input.height);
        let blocks = before.as_ref().map_or(1, |before| before.panels().map(|panel| panel.blocks).max().unwrap_or(1));
        // What is called for a single row of seven pixels takes longer to begin than to do.
        let fits = |rows: &usize| op.window.touched(0, *rows) * row_len * blocks <= cache::ring() / 4;
        let together = (1..=op.output.height).rev().find(fits).unwrap_or(1);
        let (slots, [top, ..]) = (op.window.touched(0, together), op.window.padding);
        let place = |row: usize| match row.checked_sub(top).filter(|row| *row < height) {
            Some(row) => row % slots * row_len,
            None => slots * row_len,
        };
        let places = (0..op.window.touched(0, op.output.height)).map(place).collect();
        Self { before, places, block_len: (slots + 1) * row_len, in_place: false, together, op }
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
        let mut room = self.room(Owners::Panels, scratch.at_least(self.room_len(Owners::Panels)));
        let (rows, plane) = (0..self.op.output.height, self.op.output.plane());
        let mut strip = Strip { rows: rows.clone(), output, plane };
        match &self.before {
            None => {
                let row = self.op.input.width * BLOCK;
                for (block, plane) in input.chunks_exact(self.op.input.plane()).enumerate() {
                    if self.in_place {
                        self.fold(block, plane, rows.clone(), &mut strip);
                        continue;
                    }
                    self.group(block..block + 1, &mut room, &mut strip, |y, ring| {
                        ring[..row].copy_from_slice(&plane[y * row..][..row]);
                    });
                }
            }
            Some(convolution) => self.convolved(convolution, input, &mut room, &mut strip),
        }
    }

    /// Computes some rows of an image. Those before have been computed, the last of them in the same room, whose rings blocks own.
    pub(crate) fn strip(&self, input: &[f32], room: &mut Room<'_>, strip: &mut Strip<'_>) {
        let convolution = self.before.as_ref().expect("rows of a convolution");
        assert!(room.owners == Owners::Blocks, "the rows before are gone");
        self.convolved(convolution, input, room, strip);
    }

    /// Floats of a [`room`](Self::room).
    pub(crate) fn room_len(&self, owners: Owners) -> usize {
        self.rings_len(owners) + self.before.as_ref().map_or(0, Direct::view_len)
    }

    fn rings_len(&self, owners: Owners) -> usize {
        let rings = match owners {
            _ if self.in_place => 0,
            Owners::Panels => self.op.kernels.widest(),
            Owners::Blocks => self.op.input.blocks(),
        };
        rings * self.block_len
    }

    /// Divides memory, and fills all that rows do not come to with border.
    pub(crate) fn room<'a>(&self, owners: Owners, memory: &'a mut [f32]) -> Room<'a> {
        let (rings, view) = memory.split_at_mut(self.rings_len(owners));
        rings.fill(self.op.border());
        Room { rings, owners, view }
    }

    fn convolved(&self, convolution: &Direct, input: &[f32], room: &mut Room<'_>, strip: &mut Strip<'_>) {
        let first = self.made_before(strip.rows.start).min(self.op.input.height - 1);
        let view = convolution.view(input, first, room.view);
        for panel in convolution.panels() {
            let blocks = panel.first_block..panel.first_block + panel.blocks;
            self.group(blocks, room, strip, |row, ring| self.convolve(convolution, panel, &view, row - first, ring));
        }
    }

    /// Input rows that were made for the output rows before `y`.
    fn made_before(&self, y: usize) -> usize {
        let [top, ..] = self.op.window.padding;
        let end = |last: usize| (last * self.op.window.stride[0] + self.op.window.reach(0)).saturating_sub(top);
        y.checked_sub(1).map_or(0, end).min(self.op.input.height)
    }

    /// Whether a window covers an input row, rather than those before and after.
    fn is_read(&self, row: usize) -> bool {
        let [stride, _] = self.op.window.stride;
        let reach = self.op.window.reach(0);
        reach >= stride || (row + self.op.window.padding[0]) % stride < reach
    }

    /// Sweeps over one group of blocks. `produce` writes an input row into the ring, which it gets from the place of
    /// the first block's first pixel on.
    fn group(
        &self,
        blocks: Range<usize>,
        room: &mut Room<'_>,
        strip: &mut Strip<'_>,
        mut produce: impl FnMut(usize, &mut [f32]),
    ) {
        let [top, left, ..] = self.op.window.padding;
        let own = if room.owners == Owners::Blocks { blocks.start * self.block_len } else { 0 };
        let ring = &mut room.rings[own..];
        let mut next = self.made_before(strip.rows.start);
        for first in strip.rows.clone().step_by(self.together) {
            let rows = first..strip.rows.end.min(first + self.together);
            let end = self.made_before(rows.end);
            while next < end {
                if self.is_read(next) {
                    produce(next, &mut ring[self.places[next + top] + left * BLOCK..]);
                }
                next += 1;
            }
            for (ring, block) in ring.chunks_exact(self.block_len).zip(blocks.clone()) {
                self.fold(block, ring, rows.clone(), strip);
            }
        }
    }

    /// Some output rows of one block, from its memory.
    fn fold(&self, block: usize, memory: &[f32], rows: Range<usize>, strip: &mut Strip<'_>) {
        let op = &self.op;
        let (low, high) = op.activation.clamp();
        let out_row = op.output.width * BLOCK;
        let start = block * strip.plane + (rows.start - strip.rows.start) * out_row;
        let output = &mut strip.output[start..][..rows.len() * out_row];
        let places = &self.places[rows.start * op.window.stride[0]..][..op.window.touched(0, rows.len())];
        let operands = Rows {
            count: rows.len(),
            input: memory.as_ptr(),
            places: places.as_ptr(),
            kernel: op.window.kernel,
            stride: op.window.stride,
            dilation: op.window.dilation,
            weights: op.weights(block),
            bias: op.bias(block),
            output: output.as_mut_ptr(),
            pixels: op.output.width,
            low,
            high,
        };
        assert!(memory.len() >= self.block_len, "the memory of a block is too small");
        // SAFETY: there are places for all rows that the windows touch, each of a row of the block's memory with the pixels that
        // `output.width` windows touch; the weights and biases are those of a block, `output` has these rows. The kernel is of this
        // processor.
        unsafe { (op.kernel)(&operands) };
        for (y, row) in rows.zip(output.chunks_exact_mut(out_row)) {
            op.finish(y, row);
        }
    }

    /// One row of the convolution's output, for the blocks of a panel, into the ring.
    fn convolve(&self, convolution: &Direct, panel: &Panel, view: &View, row: usize, ring: &mut [f32]) {
        let needed = (panel.blocks - 1) * self.block_len + self.op.input.width * BLOCK;
        assert!(ring.len() >= needed && row < view.rows, "the ring or the view is too small for row {row}");
        // SAFETY: the view holds the row, and the ring a row for each block.
        unsafe { convolution.row(panel, view, row, ring.as_mut_ptr(), self.block_len) };
    }
}
