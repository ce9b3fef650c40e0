//! A convolution, a channelwise op and a pointwise convolution: the bottleneck of MobileNetV2, or a network's first three layers.
//!
//! The image between the last two has many channels, and early in a network it fills the second-level cache. So it is never
//! there as a whole: a strip of its rows is swept (see `sweep`), goes through the pointwise convolution while it is still in the cache,
//! and makes room for the next. No row is made twice, because the rings of all channels keep the rows that the next strip begins with.

use crate::buffer::Buffer;
use crate::cache;
use crate::channelwise::Channelwise;
use crate::convolution::{ConvolutionSpec, Source};
use crate::direct::{Direct, Strips};
use crate::isa::Isa;
use crate::layout::BLOCK;
use crate::shape::{Shape, Unsupported, Window, check_len};
use crate::sweep::{Owners, Strip, Sweep};

/// Floats of a strip of the image between: small beside the second-level cache, and some rows of any network.
const HIDDEN: usize = 32 * 1024;

/// A sweep whose output a pointwise convolution reads, for one instruction set and one input shape.
pub struct Bottleneck {
    sweep: Sweep,
    /// For one strip.
    project: Direct,
    strip: Shape,
    output: Shape,
}

impl Bottleneck {
    /// Whether the image before the last convolution had better not be made as a whole: if it takes half of the second-level cache. It
    /// would push out the input and itself. (A smaller one takes longer in strips: that of SqueezeNet's first layers.)
    pub fn suits(hidden: Shape) -> bool {
        hidden.blocked_len() > cache::strip() / 5 * 4
    }

    /// The convolution `before`, `op`, and the pointwise convolution `project`, whose input is what `op` makes.
    pub fn new(
        isa: Isa,
        before: &ConvolutionSpec<'_>,
        op: Channelwise,
        project: &ConvolutionSpec<'_>,
    ) -> Result<Self, Unsupported> {
        let hidden = op.output;
        let row = hidden.blocks() * hidden.width * BLOCK;
        Self::in_strips(isa, before, op, project, HIDDEN.div_ceil(row))
    }

    /// The same, so many rows at a time.
    fn in_strips(
        isa: Isa,
        before: &ConvolutionSpec<'_>,
        op: Channelwise,
        project: &ConvolutionSpec<'_>,
        rows: usize,
    ) -> Result<Self, Unsupported> {
        let hidden = op.output;
        if project.input != hidden || project.window != Window::pointwise() || project.source != Source::Blocked {
            let (input, window) = (project.input, project.window);
            return Err(Unsupported::new(format!("the next op makes {hidden:?}, not {input:?} for {window:?}")));
        }
        let rows = rows.clamp(1, hidden.height);
        let strip = Shape { height: rows, ..hidden };
        let sweep = Sweep::in_strips(isa, before, op, rows)?;
        let spec = ConvolutionSpec { input: strip, ..*project };
        let project = Direct::cut(isa, &spec, Strips::Floats(usize::MAX), usize::MAX)?;
        Ok(Self { sweep, project, strip, output: Shape { channels: spec.outputs, ..hidden } })
    }

    /// The output; blocked.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// Floats of the input, in its layout.
    pub fn input_len(&self) -> usize {
        self.sweep.input_len()
    }

    /// Computes one image: `output` (blocked) from `input` (in its layout) and, if there is one, `residual` (blocked,
    /// shaped like the output), which is added before the last activation.
    ///
    /// # Panics
    /// If a slice does not have the length that the shapes imply.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut Buffer) {
        check_len("the input of a bottleneck", input.len(), self.sweep.input_len());
        check_len("the output of a bottleneck", output.len(), self.output.blocked_len());
        let hidden_len = self.strip.blocked_len();
        let (hidden, room) =
            scratch.at_least(hidden_len + self.sweep.room_len(Owners::Blocks)).split_at_mut(hidden_len);
        let mut room = self.sweep.room(Owners::Blocks, room);
        for first in (0..self.output.height).step_by(self.strip.height) {
            let rows = first..self.output.height.min(first + self.strip.height);
            let plane = self.strip.plane();
            self.sweep.strip(input, &mut room, &mut Strip { rows: rows.clone(), output: hidden, plane });
            self.project.run_strip(hidden, rows.len(), residual, output, first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::channelwise::DepthwiseSpec;

    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i * 7919 % 257) as f32 / 128.0 - 1.0).collect()
    }

    /// What comes out in strips of so many rows.
    fn in_strips(isa: Isa, input: Shape, before: Window, window: Window, rows: usize) -> Vec<f32> {
        let [hidden, outputs] = [20, 16];
        let first = values(hidden * input.channels * before.taps());
        let (depthwise, last) = (values(hidden * window.taps()), values(outputs * hidden));
        let spec = |input, source, outputs, window, weights| ConvolutionSpec {
            input,
            source,
            outputs,
            groups: 1,
            window,
            weights,
            bias: None,
            activation: Activation::RELU6,
        };
        let source = if before.taps() == 1 { Source::Blocked } else { Source::Planar };
        let before = spec(input, source, hidden, before, &first);
        let [height, width] = before.window.output(input.height, input.width).expect("a window that fits");
        let input = Shape::new(hidden, height, width);
        let op = DepthwiseSpec { input, window, weights: &depthwise, bias: None, activation: Activation::Silu };
        let op = Channelwise::depthwise(isa, &op).expect("an op");
        let project = spec(op.output, Source::Blocked, outputs, Window::pointwise(), &last);
        let op = Bottleneck::in_strips(isa, &before, op, &project, rows).expect("a bottleneck");
        let mut output = vec![f32::NAN; op.output().blocked_len()];
        op.run(&values(op.input_len()), None, &mut output, &mut Buffer::default());
        output
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much for an interpreter, which has small::bottlenecks")]
    fn strips_of_any_height_give_the_same_bits() {
        let (planar, pointwise) = (Window::square(3, 2, 1), Window::pointwise());
        for isa in Isa::available() {
            for (input, before) in [(Shape::new(3, 21, 12), planar), (Shape::new(16, 11, 6), pointwise)] {
                for (kernel, stride, dilation, padding) in [
                    ([3, 3], [1, 1], [1, 1], [1; 4]),
                    ([3, 3], [2, 2], [1, 1], [1; 4]),
                    ([5, 5], [1, 2], [1, 1], [4, 2, 3, 2]),
                    ([1, 2], [3, 1], [1, 1], [0; 4]),
                    ([2, 3], [1, 1], [3, 2], [2, 2, 5, 2]),
                    ([2, 2], [4, 1], [1, 1], [1, 0, 0, 0]),
                ] {
                    let window = Window { kernel, stride, dilation, padding };
                    let whole = in_strips(isa, input, before, window, usize::MAX);
                    assert!(whole.iter().all(|value| value.is_finite()));
                    for rows in 1..=6 {
                        assert_eq!(in_strips(isa, input, before, window, rows), whole, "{isa:?} {window:?} by {rows}");
                    }
                }
            }
        }
    }
}
