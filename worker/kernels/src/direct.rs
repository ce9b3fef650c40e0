//! The convolution as it is defined: pointwise, k × k, strided, dilated, grouped; of blocked or planar input.

use std::ops::Range;

use crate::activation::Activation;
use crate::border::Border;
use crate::buffer::Buffer;
use crate::cache;
use crate::convolution::{ConvolutionSpec, Source};
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::panel::{Panel, Panels, Reads, Rows, Run};
use crate::shape::{Shape, Unsupported, Window, check_len};
use crate::table::Kernels;

/// A convolution with bias, residual and activation, packed for one instruction set and one input shape.
pub(crate) struct Direct {
    input: Shape,
    output: Shape,
    source: Source,
    window: Window,
    border: Option<Border>,
    panels: Panels,
    activation: Activation,
    /// Output rows of a strip, and bordered input rows that it needs.
    strip: usize,
    strip_rows: usize,
    /// Where each pixel of a strip starts in the view, if that is no step that tiles are compiled for, or rows are so narrow
    /// that tiles had better go on in the next.
    offsets: Vec<usize>,
    /// Whether rows need not be told apart: output pixel i depends on input pixel i only, or all have offsets.
    whole: bool,
}

/// The strips of rows that an image is cut into.
#[derive(Clone, Copy)]
pub(crate) enum Strips {
    /// Of at most so many floats of the input, or one row; their rows are computed together.
    Floats(usize),
    /// Of so many output rows, which are asked for one by one.
    Rows(usize),
}

/// Some rows of the input, bordered where the convolution needs it: row 0 belongs to the first window.
pub(crate) struct View {
    start: *const f32,
    /// Floats from the row of one window to that of the next.
    row: usize,
    /// Output rows that it is for.
    pub rows: usize,
}

impl Direct {
    /// Packs the weights.
    pub fn new(isa: Isa, spec: &ConvolutionSpec<'_>) -> Result<Self, Unsupported> {
        Self::cut(isa, spec, Strips::Floats(cache::strip()), usize::MAX)
    }

    /// Packs the weights for such strips, and panels of at most `widest` blocks.
    pub(crate) fn cut(
        isa: Isa,
        spec: &ConvolutionSpec<'_>,
        strips: Strips,
        widest: usize,
    ) -> Result<Self, Unsupported> {
        let ConvolutionSpec { input, outputs, groups, window, .. } = *spec;
        let [height, width] = window.output(input.height, input.width)?;
        let columns = spec.check()?;
        let (planes, unit) = (spec.source.planes(input), spec.source.unit());
        let bordered = window.touched(1, width);
        let [top, left, ..] = window.padding;
        let border = (window.padding != [0; 4]).then_some(Border {
            planes,
            height: input.height,
            width: input.width,
            unit,
            top,
            left,
            bordered,
        });
        let row = if border.is_some() { bordered } else { input.width } * unit;
        let strip = match strips {
            Strips::Floats(limit) => {
                let fits = |rows: &usize| window.touched(0, *rows) * row * planes <= limit;
                (1..=height).rev().find(fits).unwrap_or(1)
            }
            Strips::Rows(rows) => rows.min(height),
        };
        let strip_rows = window.touched(0, strip);
        let plane = if border.is_some() { strip_rows * row } else { input.height * row };

        let flat = window.taps() == 1 && window.stride == [1; 2] && border.is_none();
        let longest = isa.kernels().longest();
        let narrow = 3 * (strip * width).div_ceil(longest) <= 2 * strip * width.div_ceil(longest);
        let step = Some(window.stride[1] * unit).filter(|step| Kernels::knows(*step) && (flat || !narrow));
        let at = |y: usize, x: usize| y * window.stride[0] * row + x * window.stride[1] * unit;
        let offsets = if step.is_some() { 0..0 } else { 0..strip };
        let offsets = offsets.flat_map(|y| (0..width).map(move |x| at(y, x))).collect();
        let whole = flat || step.is_none();
        let usual = if whole && matches!(strips, Strips::Floats(_)) { (strip * width, 1) } else { (width, strip) };
        let rows = Rows { outputs, bias: spec.bias, step, widest, chunked: true, maps: 1, usual };
        let (inputs_of_group, outputs_of_group) = (input.channels / groups, outputs / groups);
        let reads = |channels: Range<usize>| {
            let group = |channel: usize| channel / outputs_of_group * inputs_of_group;
            let inputs = group(channels.start)..group(channels.end - 1) + inputs_of_group;
            reads(spec.source, window, inputs, plane, row)
        };
        let panels = Panels::pack(isa, &rows, reads, |_, output| {
            // Those of the output's own group; columns of others are not connected.
            let first = output / outputs_of_group * inputs_of_group * window.taps();
            let weights = &spec.weights[output * columns..][..columns];
            move |column: usize| weights.get(column.wrapping_sub(first)).copied().unwrap_or(0.0)
        });
        let output = Shape::new(outputs, height, width);
        let (source, activation) = (spec.source, spec.activation);
        Ok(Self { input, output, source, window, border, panels, activation, offsets, strip, strip_rows, whole })
    }

    /// The input shape it was made for.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// The output.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// Floats of the input, in its layout.
    pub fn input_len(&self) -> usize {
        self.source.planes(self.input) * self.input.pixels() * self.source.unit()
    }

    /// Computes one image: `output` (blocked) from `input` (in its layout) and, if there is one, `residual` (blocked,
    /// shaped like the output), which is added before the activation.
    ///
    /// # Panics
    /// If a slice does not have the length that the shapes imply.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut Buffer) {
        check_len("the input of a convolution", input.len(), self.input_len());
        check_len("the output of a convolution", output.len(), self.output.blocked_len());
        if let Some(residual) = residual {
            check_len("the residual of a convolution", residual.len(), output.len());
        }
        let scratch = scratch.at_least(self.view_len());
        for first in (0..self.output.height).step_by(self.strip) {
            let view = self.view(input, first, scratch);
            self.strip(&view, view.rows, residual, output, first);
        }
    }

    /// Computes the first `rows` rows of a strip whose input is `input`: rows `first` and so on of `output` and `residual`, which may be
    /// higher than the output of this convolution, but are as wide.
    ///
    /// # Panics
    /// If `input` is not that of this convolution, needs a border, or has fewer rows; or if the others do not hold these rows.
    pub fn run_strip(&self, input: &[f32], rows: usize, residual: Option<&[f32]>, output: &mut [f32], first: usize) {
        check_len("the input of a strip", input.len(), self.input_len());
        assert!(self.border.is_none() && rows <= self.strip, "a strip of {rows} rows");
        self.strip(&self.view(input, 0, &mut []), rows, residual, output, first);
    }

    /// Computes the first `rows` rows of a view: rows `first` and so on of `output` and `residual`.
    fn strip(&self, view: &View, rows: usize, residual: Option<&[f32]>, output: &mut [f32], first: usize) {
        let blocks = self.output.blocks();
        let (plane, start) = (output.len() / blocks, first * self.output.width * BLOCK);
        assert!(
            rows <= view.rows
                && plane * blocks == output.len()
                && start + rows * self.output.width * BLOCK <= plane
                && residual.is_none_or(|residual| residual.len() == output.len()),
            "{rows} rows from {first} on are not in the output or the residual"
        );
        let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
        for panel in self.panels.iter() {
            let at = panel.first_block * plane + start;
            let residual = if residual.is_null() { residual } else { residual.wrapping_add(at) };
            let output = output[at..].as_mut_ptr();
            // SAFETY: the view holds these rows; so do output and residual, whose planes for the panel's blocks lie `plane` floats apart.
            unsafe { self.rows(panel, view, 0..rows, residual, output, plane) };
        }
    }

    /// The panels, in order of their channels.
    pub(crate) fn panels(&self) -> std::slice::Iter<'_, Panel> {
        self.panels.iter()
    }

    /// Floats of scratch that [`Self::view`] needs.
    pub(crate) fn view_len(&self) -> usize {
        self.border.map_or(0, |border| border.len(self.strip_rows))
    }

    /// The input of the strip that starts at output row `first`; copied to `scratch` if it needs a border.
    pub(crate) fn view(&self, input: &[f32], first: usize, scratch: &mut [f32]) -> View {
        let rows = self.strip.min(self.output.height - first);
        let first = first * self.window.stride[0];
        let (start, row) = match &self.border {
            Some(border) => {
                border.copy(input, first..first + self.strip_rows, scratch);
                (scratch.as_ptr(), border.bordered * border.unit)
            }
            None => {
                let row = self.input.width * self.source.unit();
                (input[first * row..].as_ptr(), row)
            }
        };
        View { start, row: row * self.window.stride[0], rows }
    }

    /// Computes output row `y` of a view for one panel.
    ///
    /// # Safety
    /// As [`Self::rows`], for that row.
    pub(crate) unsafe fn row(&self, panel: &Panel, view: &View, y: usize, output: *mut f32, block_stride: usize) {
        // SAFETY: passed on.
        unsafe { self.rows(panel, view, y..y + 1, std::ptr::null(), output, block_stride) };
    }

    /// Computes some of a view's output rows for one panel. All of them are wanted, one after the other.
    ///
    /// # Safety
    /// The view must be of this convolution and have these rows; `output` and `residual` (unless null) must be valid for the rows in
    /// each of the panel's blocks, `block_stride` floats apart.
    unsafe fn rows(
        &self,
        panel: &Panel,
        view: &View,
        rows: Range<usize>,
        residual: *const f32,
        output: *mut f32,
        block_stride: usize,
    ) {
        let width = self.output.width;
        let at_once = if self.whole { rows.len() } else { 1 };
        for y in rows.clone().step_by(at_once) {
            let at = (y - rows.start) * width * BLOCK;
            let run = Run {
                map: 0,
                input: view.start.wrapping_add(y * view.row),
                offsets: &self.offsets,
                residual: if residual.is_null() { residual } else { residual.wrapping_add(at) },
                output: output.wrapping_add(at),
                block_stride,
                output_step: BLOCK,
                pixels: at_once * width,
                activation: self.activation,
                turn: (y / at_once, view.rows / at_once),
            };
            // SAFETY: passed on, row by row.
            unsafe { self.panels.run(panel, &run) };
        }
    }
}

/// What output channels read that depend on the given input channels: for each of their planes and taps a run of
/// channels, or of horizontal taps where those are neighbours in memory.
fn reads(source: Source, window: Window, inputs: Range<usize>, plane: usize, row: usize) -> Vec<Reads> {
    let [kernel_y, kernel_x] = window.kernel;
    let [dilation_y, dilation_x] = window.dilation;
    let column = |channel: usize, y: usize, x: usize| (channel * kernel_y + y) * kernel_x + x;
    let mut reads = Vec::new();
    if source == Source::Planar {
        for channel in inputs {
            for y in 0..kernel_y {
                let start = channel * plane + y * dilation_y * row;
                if dilation_x == 1 {
                    let columns = (0..kernel_x).map(|x| column(channel, y, x)).collect();
                    reads.push(Reads { offset: start, columns });
                } else {
                    reads.extend(
                        (0..kernel_x)
                            .map(|x| Reads { offset: start + x * dilation_x, columns: vec![column(channel, y, x)] }),
                    );
                }
            }
        }
        return reads;
    }
    for block in inputs.start / BLOCK..inputs.end.div_ceil(BLOCK) {
        let channels = inputs.start.max(block * BLOCK)..inputs.end.min((block + 1) * BLOCK);
        for y in 0..kernel_y {
            for x in 0..kernel_x {
                let offset = block * plane + y * dilation_y * row + x * dilation_x * BLOCK + channels.start % BLOCK;
                let columns = channels.clone().map(|channel| column(channel, y, x)).collect();
                reads.push(Reads { offset, columns });
            }
        }
    }
    reads
}
